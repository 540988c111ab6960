"""API keys: in the operating system's keyring, or in an environment variable where there is none.

Never in the database, a log line or the text of an error. A key belongs to one origin (scheme,
host, port) and is handed out for no other.
"""

import logging
import os
from typing import Final

import keyring
from pydantic import SecretStr

from floe.cloud.presets import origin_of, preset_of

logger = logging.getLogger(__name__)

SERVICE: Final = "floe"
OWN_VARIABLE: Final = "FLOE_CLOUD_KEY"
_CLOUD_VARIABLE: Final = "FLOE_CLOUD"
_NONE: Final = SecretStr("")


class Keys:
    """Keys by endpoint. Those that the keyring cannot take last until the program ends."""

    def __init__(self) -> None:
        self._session: dict[str, SecretStr] = {}

    def load(self, base_url: str) -> SecretStr:
        """The key for an endpoint, empty if there is none.

        In this order: typed in this session, the keyring, FLOE_CLOUD_KEY, the variable of the
        service itself. FLOE_CLOUD_KEY is for the endpoint in FLOE_CLOUD where that is set, and a
        service's variable (OPENAI_API_KEY) for that service alone.
        """
        origin = origin_of(base_url)
        if origin in self._session:
            return self._session[origin]
        kept = _from_keyring(origin)
        if kept:
            return SecretStr(kept)
        meant_for = os.environ.get(_CLOUD_VARIABLE, base_url)
        if os.environ.get(OWN_VARIABLE) and origin_of(meant_for) == origin:
            return SecretStr(os.environ[OWN_VARIABLE])
        variable = preset_of(base_url).key_variable
        return SecretStr(os.environ.get(variable, "")) if variable else _NONE

    def save(self, base_url: str, key: SecretStr) -> str:
        """Keep a key for an endpoint.

        Returns:
            Where it is now, as a sentence.
        """
        origin = origin_of(base_url)
        plain = key.get_secret_value().strip()
        if not plain:
            self.delete(base_url)
            return "No key is kept for this endpoint."
        try:
            keyring.set_password(SERVICE, origin, plain)
        except Exception as error:  # every backend fails in its own way
            _complain(error)
        # Read back: the null backend takes everything and keeps nothing.
        if _from_keyring(origin) == plain:
            self._session.pop(origin, None)
            return "The key is kept in this system's keyring."
        self._session[origin] = SecretStr(plain)
        return f"The key is kept until Floe ends: {_no_keyring(base_url)}"

    def delete(self, base_url: str) -> None:
        """Forget the key for an endpoint; a variable in the environment stays."""
        origin = origin_of(base_url)
        self._session.pop(origin, None)
        try:
            keyring.delete_password(SERVICE, origin)
        except Exception as error:  # as above; most often there was none
            _complain(error)

    def where(self, base_url: str) -> str:
        """Where a key for this endpoint is or would be kept, for the page."""
        origin = origin_of(base_url)
        if origin in self._session:
            return f"The key is kept until Floe ends: {_no_keyring(base_url)}"
        if _from_keyring(origin):
            return "The key is kept in this system's keyring."
        if self.load(base_url).get_secret_value():
            return "The key comes from an environment variable."
        if _has_keyring():
            return "A key is kept in this system's keyring."
        return f"A key typed above lasts until Floe ends: {_no_keyring(base_url)}"


def _no_keyring(base_url: str) -> str:
    own = preset_of(base_url).key_variable
    variables = f"{OWN_VARIABLE} or {own}" if own else OWN_VARIABLE
    return (
        "this machine has no keyring that takes it. To keep it for longer, set the environment "
        f"variable {variables}."
    )


def _has_keyring() -> bool:
    try:
        return keyring.get_keyring().priority > 0
    except Exception as error:  # a backend may look for its daemon here
        _complain(error)
        return False


def _from_keyring(origin: str) -> str | None:
    try:
        return keyring.get_password(SERVICE, origin)
    except Exception as error:  # no backend, a locked one, a daemon that is gone
        _complain(error)
        return None


def _complain(error: Exception) -> None:
    # The kind only: a backend's own words may repeat what it was given.
    logger.debug("the keyring could not be used (%s)", type(error).__name__)
