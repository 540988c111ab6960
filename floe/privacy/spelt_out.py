"""Words that are spelt letter by letter, and numbers that are grouped in another way.

A model that may not say a name can still be led to spell it. Knows strings alone.
"""

import re
from typing import Final

from floe.privacy.hidden import visible

_GAP: Final = r"[ .,*_\-\u2010-\u2015\u00b7]{1,3}"
_LETTERS: Final = re.compile(rf"(?<!\w)[^\W\d_](?:{_GAP}[^\W\d_](?!\w)){{2,}}")
_NUMBER: Final = re.compile(r"\d+(?:[ .,/\-\u00a0\u2010-\u2015]{1,2}\d+)+")
_GOES_ON: Final = re.compile(rf"(?:(?<!\w)[^\W\d_]{_GAP}){{2,}}\w?\Z")
_SIGNS: Final = re.compile(r"[\W_]+")


def spelt_words(text: str) -> str:
    """Return in one piece each what a text has letter by letter."""
    return _joined(_LETTERS, visible(text))


def spelt_out(text: str) -> str:
    """Return the same, and numbers without what stands between their digits."""
    return f"{spelt_words(text)} {_joined(_NUMBER, visible(text))}"


def is_spelling(text: str) -> bool:
    """Return whether a text ends amid single letters, of which more may come."""
    return _GOES_ON.search(visible(text[-40:])) is not None


def _joined(pattern: re.Pattern[str], text: str) -> str:
    return " ".join(_SIGNS.sub("", found[0]) for found in pattern.finditer(text))
