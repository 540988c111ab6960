"""Characters that nobody sees: from a page's soft hyphens, or put into a word to hide it."""

from typing import Final

import regex

HIDDEN: Final = regex.compile(r"[\p{Cf}\u034f\ufe00-\ufe0f]")
"""Format characters, of which some are marks and tags, a joiner, and variants of a glyph."""


def visible(text: str) -> str:
    """Take out what nobody sees."""
    return text if text.isascii() else HIDDEN.sub("", text)
