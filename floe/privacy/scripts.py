"""Scripts and languages in which placeholders hide too little."""

from typing import Final

import regex

from floe.privacy.detection.glossing import languages_in
from floe.privacy.detection.normalise import normalise

_OTHER: Final = regex.compile(r"[\p{L}--\p{Latin}]", regex.V1)
_UNCASED: Final = regex.compile(
    r"[\p{Lo}--[\p{Latin}\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]]", regex.V1
)
_FEW: Final = 4
"""Letters that are more than a formula, or than a name in an English sentence."""
_NAMES_ARE_WORDS: Final = frozenset({"vi"})
"""Languages in which any syllable may be a name: of 35 private messages five let one out."""


def may_hide_names(text: str) -> bool:
    """Return whether names may stand in a text that are not found, or words be taken for names.

    In Vietnamese, and in any script but Latin: of 24 private messages in five of them one code was
    left, and in nine a word was masked that is no name, so that a matter left with nobody hidden.
    One letter is enough where nothing tells a name (Arabic, Hebrew, Devanagari and other scripts
    without capitals).
    """
    return (
        len(_OTHER.findall(text)) >= _FEW
        or _UNCASED.search(text) is not None
        or bool(languages_in(normalise(text).text) & _NAMES_ARE_WORDS)
    )
