"""Whether a model can be personalised, in words, before it is fetched or trained."""

from functools import lru_cache
from pathlib import Path

from floe.adapters.architecture import read_architecture
from floe.adapters.families import FAMILIES, describe_kinds
from floe.errors import FloeError
from floe.models.listing import ListedModel


def why_not_personalised(model: ListedModel) -> str:
    """Return the reason against it; empty: it can be personalised, as far as can be known here.

    Of a model that is not on this device only its kind is known.
    """
    if model.path is not None and not model.problem:
        try:
            status = model.path.stat()
        except OSError:
            return ""  # deleted meanwhile
        return _why_not_file(model.path, status.st_size, status.st_mtime_ns)
    return why_not_architecture(model.architecture)


def why_not_architecture(kind: str) -> str:
    """Return the reason why no model of this kind can be personalised; empty: it can."""
    if not kind:
        return "Its kind is known once it is on this device."
    if kind in FAMILIES:
        return ""
    return (
        f"It is of the kind “{kind}”; models of the kinds {describe_kinds()} can be personalised."
    )


@lru_cache(maxsize=64)
def _why_not_file(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # they are part of the key: the page asks again and again
    try:
        read_architecture(path)
    except FloeError as error:
        return str(error)
    return ""
