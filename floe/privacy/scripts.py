"""Scripts in which names cannot be found as they are written. Knows letters alone."""

from typing import Final

import regex

_UNCASED: Final = regex.compile(
    r"[\p{Lo}--[\p{Latin}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]]", regex.V1
)
_CASED: Final = regex.compile(r"[\p{Cyrillic}\p{Greek}]")
_FEW: Final = 8
"""Letters that may stand in a formula."""


def may_hide_names(text: str) -> bool:
    """Return whether names may stand in a text that nothing would find.

    In scripts without capitals (Arabic, Hebrew, Devanagari and others; Chinese, Japanese and Korean
    names are found by where they stand), and in Cyrillic or Greek letters of which none is one.
    """
    cased = _CASED.findall(text)
    hasty = len(cased) >= _FEW and not any(map(str.isupper, cased))
    return hasty or _UNCASED.search(text) is not None
