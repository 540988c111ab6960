"""The word lists beside this module: first names, and ordinary words that are taken for names.

Knows words only, not what they mean for a text.
"""

import tomllib
from functools import cache
from importlib.resources import files


@cache
def first_names() -> tuple[frozenset[str], frozenset[str]]:
    """Names in small letters: all, and those that are no common word besides."""
    text = files("floe.privacy").joinpath("first_names.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    names = [name for line in lines for name in line.split()]
    every = frozenset(name.lstrip("-") for name in names)
    return every, frozenset(name for name in names if not name.startswith("-"))


def listed(section: str) -> frozenset[str]:
    """A section of ordinary_words.toml, in small letters."""
    return frozenset(_sections()[section].split())


@cache
def _sections() -> dict[str, str]:
    text = files("floe.privacy").joinpath("ordinary_words.toml").read_text("utf-8")
    return {name: str(words) for name, words in tomllib.loads(text).items()}
