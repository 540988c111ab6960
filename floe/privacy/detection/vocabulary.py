"""The word lists beside this module, `words.toml`.

Knows words only, not what they mean for a text.
"""

import tomllib
from functools import cache
from importlib.resources import files


def listed(section: str) -> frozenset[str]:
    """Return a section of words.toml, in small letters."""
    return frozenset(_sections()[section].split())


@cache
def _sections() -> dict[str, str]:
    text = files("floe.privacy.detection").joinpath("words.toml").read_text("utf-8")
    return {name: str(words) for name, words in tomllib.loads(text).items()}
