"""Persons of whom all the world tells: in more than 25 languages of Wikipedia (Pantheon 1.0).

That a name is on the list is evidence, no proof: whoever is dealt with may have the same name.
Knows neither texts nor the verdict.
"""

import gzip
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

import regex

FILE: Final = Path(__file__).with_name("famous.txt.gz")
_GENITIVE: Final = regex.compile(r"'s?\Z")


@cache
def _famous() -> tuple[frozenset[str], frozenset[str]]:
    """Return whole names, and last words that are enough."""
    names = gzip.decompress(FILE.read_bytes()).decode().split("\n")
    whole = frozenset(name.removesuffix("*") for name in names)
    return whole, frozenset(name[:-1].split()[-1] for name in names if name.endswith("*"))


def is_famous(name: str) -> bool:
    """Return whether a full name, or a last name alone, is that of somebody world-famous."""
    plain = folded(_GENITIVE.sub("", name))
    whole, last = _famous()
    return plain in whole or plain in last


def folded(name: str) -> str:
    """Return a name in small letters without accents and points."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name.lower()) if c not in ".\"'’")
    return " ".join("".join(c for c in bare if not unicodedata.combining(c)).split())
