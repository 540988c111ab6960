"""The person's own words: names, contacts and projects, private wherever they stand."""

import unicodedata
from collections.abc import Iterator, Sequence

import regex

from floe.privacy.detection.names import lexicon
from floe.privacy.lexicon import NAME

OWN = "own words"
_WORD = regex.compile(r"[\p{L}\p{M}]{3,}")
_LARGE = regex.compile(r"(?<=[\p{Ll},\d]\s)\p{Lu}[\p{L}\p{M}]{2,}")
"""A word with a capital within a sentence."""
_RARE = regex.compile(r"[\p{L}\p{M}]{3,}+(?!['\u2019]t\b)")
_TEXT = """
    english british american spanish french german italian portuguese dutch chinese japanese
    russian arabic european monday tuesday wednesday thursday friday saturday sunday january
    february march april may june july august september october november december markdown emoji
    emojis
"""
_EVERYBODYS = frozenset(_TEXT.split())
"""Words with a capital, and new ones, that tell nobody from others."""
_GERMAN = regex.compile(r"\b(?:ich|und|der|die|das|ein|eine|bin|habe|mit)\b", regex.I)
"""Words of a language in which any noun has a capital."""


class OwnWords:
    """Finds words as a whole, whatever their case, accents, or the white space between them."""

    def __init__(self, words: Sequence[str]) -> None:
        cleaned = sorted({" ".join(word.split()) for word in words if word.strip()}, key=len)
        parts = [r"\s+".join(map(_loosely, word.split())) for word in reversed(cleaned)]
        self._pattern = regex.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)") if parts else None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield starts and ends, in characters; raises TimeoutError."""
        if self._pattern is not None:
            for match in self._pattern.finditer(_folded(text), timeout=1.0):
                yield match.span()


def telling_words(text: str, spans: Sequence[tuple[int, int, str]]) -> tuple[str, ...]:
    """Return the words of some spans (start, end, kind) that tell this text from others.

    Names whole, of the rest what no list of ordinary words has: "is my" made a text private, too,
    but would make half of all others so.
    """
    found: dict[str, None] = {}
    for start, end, kind in spans:
        piece = text[start:end]
        words = [piece] if kind == NAME else _WORD.findall(piece)
        known = lexicon().ordinary if kind != NAME else frozenset[str]()
        found.update((word, None) for word in words if word.lower() not in known)
    return tuple(found)


def rare_words(text: str) -> tuple[str, ...]:
    """Return the words by which a text can be told from others, wherever they stand.

    They are on no list of ordinary words, or are written with a capital as a name is.
    """
    known = lexicon().ordinary
    found = [word for word in _RARE.findall(text) if word.lower() not in known]
    if not _GERMAN.search(text):
        found += _LARGE.findall(text)
    return tuple(word for word in dict.fromkeys(found) if word.lower() not in _EVERYBODYS)


def _folded(text: str) -> str:
    """Small letters without accents, character by character, so that places stay the same."""
    return "".join(unicodedata.normalize("NFD", character)[0].lower()[0] for character in text)


def _loosely(word: str) -> str:
    return "".join(regex.escape(c) + r"\p{M}*" for c in _folded(unicodedata.normalize("NFC", word)))
