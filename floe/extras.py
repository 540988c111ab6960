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


def require(extra: Extra) -> None:
    """See that an optional part of the package is installed.

    Raises:
        FloeError: it is not, with the command that installs it.
    """
    if find_spec(_MODULES[extra]) is None:
        raise FloeError(
            f"{_SENTENCES[extra]} Install it with `pip install 'floe[{extra}]'`, then start Floe "
            "again."
        )
