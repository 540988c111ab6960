"""Characters that nobody sees: from a page's soft hyphens, or put into a word to hide it."""

import re
from typing import Final

HIDDEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)


def visible(text: str) -> str:
    """Take out what nobody sees."""
    return text if text.isascii() else HIDDEN.sub("", text)
