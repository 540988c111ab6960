"""Persons of whom all the world tells.

Those of whom more than 25 Wikipedias tell (Pantheon 1.0), and a list written for this: who became
known later or in one field alone, and persons of books, films and games.
That a name is on the list is evidence, no proof: whoever is dealt with may have the same name.
Knows words, not the verdict.
"""

import gzip
import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

import regex

FILE: Final = Path(__file__).with_name("famous.txt.gz")
KNOWN: Final = Path(__file__).with_name("known_people.txt")
_GENITIVE: Final = regex.compile(r"'s?\Z")
_ENDING: Final = regex.compile(r"['’]\p{Ll}{1,4}\Z")
"""As Turkish sets apart what it puts behind a name: "Yaşar Kemal'in"."""
_NEXT: Final = regex.compile(r" \p{Lu}[\p{L}\p{M}-]+")


@cache
def _famous() -> tuple[frozenset[str], frozenset[str]]:
    """Return whole names, and last words that are enough."""
    names = gzip.decompress(FILE.read_bytes()).decode().split("\n")
    whole = frozenset(name.removesuffix("*") for name in names)
    return whole, frozenset(name[:-1].split()[-1] for name in names if name.endswith("*"))


@cache
def _known() -> frozenset[str]:
    return frozenset(map(folded, KNOWN.read_text("utf-8").splitlines()))


def is_famous(name: str) -> bool:
    """Return whether a full name, or a last name alone, is that of somebody world-famous."""
    plain = folded(_GENITIVE.sub("", name))
    whole, last = _famous()
    return plain in whole or plain in last


def is_known_at(text: str, start: int, end: int) -> bool:
    """Return whether a name in a text is that of somebody world-famous, or known in some field.

    Also if only its first word was taken for one ("Walt" of "Walt Disney"), or the first is
    misspelt before a last name that is enough ("Alfredo Hitchcock").
    """
    name = text[start:end]
    after = _NEXT.match(text, end)
    names = [name, _ENDING.sub("", name), *([name + after[0]] if after else [])]
    return any(
        is_famous(each) or folded(_GENITIVE.sub("", each)) in _known() for each in names
    ) or is_famous(name.split()[-1])


def is_known_in_full(name: str) -> bool:
    """Return whether a name of several words is, as a whole, that of somebody whom the world knows."""
    names = [folded(each) for each in (name, _ENDING.sub("", name), _GENITIVE.sub("", name))]
    whole, _ = _famous()
    return any(" " in each and (each in whole or each in _known()) for each in names)


def folded(name: str) -> str:
    """Return a name in small letters without accents and points."""
    bare = "".join(c for c in unicodedata.normalize("NFD", name.lower()) if c not in ".\"'’")
    return " ".join("".join(c for c in bare if not unicodedata.combining(c)).split())
