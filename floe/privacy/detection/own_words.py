"""The person's own words: names, contacts and projects, private wherever they stand."""

import unicodedata
from collections.abc import Iterator, Sequence

import regex

OWN = "own words"


class OwnWords:
    """Finds words as a whole, whatever their case, accents, or the white space between them."""

    def __init__(self, words: Sequence[str]) -> None:
        cleaned = sorted({" ".join(word.split()) for word in words if word.strip()}, key=len)
        parts = [r"\s+".join(map(_loosely, word.split())) for word in reversed(cleaned)]
        self._pattern = regex.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)") if parts else None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Starts and ends, in characters; raises TimeoutError."""
        if self._pattern is not None:
            for match in self._pattern.finditer(_folded(text), timeout=1.0):
                yield match.span()


def _folded(text: str) -> str:
    """Small letters without accents, character by character, so that places stay the same."""
    return "".join(unicodedata.normalize("NFD", character)[0].lower()[0] for character in text)


def _loosely(word: str) -> str:
    return "".join(regex.escape(c) + r"\p{M}*" for c in _folded(unicodedata.normalize("NFC", word)))
