"""Russian and Ukrainian names in their cases: "Сергея" is Сергей.

By endings alone, in small letters, with or without the accent of "й". Knows neither lists nor texts.
"""

from collections.abc import Iterator
from typing import Final

import regex

ENDINGS: Final = (
    "",
    *("а", "я", "у", "ю", "е", "и", "ы", "і", "ь", "й"),
    *("ом", "ем", "ём", "ой", "ои", "ей", "еи", "ою", "ею", "ым", "им", "ого", "его", "ому", "ему"),
    *("ую", "юю", "ая", "яя", "ий", "ии", "ый", "ыи", "ых", "их", "ові", "еві", "єм", "їм"),
)
"""What a name may end in beside what stays of it."""
_FIRST: Final = ("а", "я", "й", "и", "ь", "ий", "ии", "ый", "ыи", "ой", "ои", "ая", "яя")
"""The same where it is subject of its sentence."""
_SHORTEST: Final = 2
_WORD: Final = regex.compile(r"[а-яёіїєґ]+", regex.I)
_CASE: Final = regex.compile(
    r"(?<=[а-яіїєґ]{2})(?:[ое]м|ым|(?<=ск)им|[оеи]го|[ое]му|[иы]х)?[аяуюеиыіьой]*\Z"
)
_FLEETING: Final = regex.compile(r"(?<=[а-яіїєґ]{2})[ое](?=[лцк]\Z)")
"""A vowel that goes where an ending comes: Павел, Павла."""


def is_cyrillic(word: str) -> bool:
    """Return whether all letters of a word are Russian or Ukrainian."""
    return _WORD.fullmatch(word) is not None


def nominatives(word: str) -> Iterator[str]:
    """Yield what a name may be called in its first case."""
    for ending in ENDINGS:
        stem = word.removesuffix(ending)
        if word.endswith(ending) and len(stem) > _SHORTEST:
            yield from (stem + last for last in ("", *_FIRST))


def stems(name: str) -> set[str]:
    """Return what may be left of a name in its first case before an ending of another."""
    left = {name, _FLEETING.sub("", name), *(name.removesuffix(ending) for ending in _FIRST)}
    return {stem for stem in left if len(stem) >= _SHORTEST}


def common_stem(name: str) -> str:
    """Return what a name has in all its cases, as far as endings alone can tell."""
    return _FLEETING.sub("", _CASE.sub("", name))  # type: ignore[no-any-return]
