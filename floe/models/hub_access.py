"""The model hub that is asked, and the token that it is shown."""

import os
from typing import Final

from floe.origin import origin_of

_HUB: Final = "https://huggingface.co"
_HOSTS: Final = ("huggingface.co", "hf.co")


def hub_endpoint() -> str:
    """Return the address of the hub, without a slash at the end."""
    return (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")


def hub_token() -> str | None:
    """Return the person's token for the hub that is asked; None: it is shown none.

    One that was kept by a login is for the hub itself; a mirror gets what stands in the
    environment beside its address, and nobody gets it in clear.
    """
    from huggingface_hub import constants, get_token  # noqa: PLC0415 - it takes long

    origin = origin_of(hub_endpoint())
    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN or origin is None or not origin.keeps_secrets:
        return None
    if origin.host in _HOSTS:
        return get_token()
    return os.environ.get("HF_TOKEN") or None
