"""Parts of Floe that are installed on demand: a clear sentence where one is missing."""

from importlib.util import find_spec
from typing import Final, Literal

from floe.errors import FloeError

Extra = Literal["train", "group", "bench"]

_MODULES: Final[dict[Extra, str]] = {"train": "torch", "group": "flwr", "bench": "matplotlib"}
_SENTENCES: Final[dict[Extra, str]] = {
    "train": "Training needs more than is installed here.",
    "group": "Groups need more than is installed here.",
    "bench": "Plots need more than is installed here.",
}


def is_installed(extra: Extra) -> bool:
    """Return whether an optional part of the package is installed."""
    return find_spec(_MODULES[extra]) is not None


def installing_command(extra: Extra) -> str:
    """Return the command that installs an optional part of the package."""
    return f"pip install 'floe[{extra}]'"


def require(extra: Extra) -> None:
    """See that an optional part of the package is installed.

    Raises:
        FloeError: it is not, with the command that installs it.
    """
    if not is_installed(extra):
        raise FloeError(
            f"{_SENTENCES[extra]} Install it with `{installing_command(extra)}`, then start Floe "
            "again."
        )
