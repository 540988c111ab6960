"""Words of texts that are kept here, looked for in an answer on its way to the cloud.

Stricter than runs of words: a model that was told "I can't eat peanuts" says "Avoid peanuts", which
shares no two words in a row with it. So every word that carries meaning counts, in any form that
begins alike, with accents or without; words that the cloud has been sent, or has said itself, are
no secret. What is said in another language or with a synonym is not found. Knows strings alone.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

from floe.privacy.content_words import content_words
from floe.privacy.hidden import visible
from floe.privacy.spelt_out import spelt_out

_STEM: Final = 5
"""Letters that make words the same: peanut and peanuts, allergic and allergy."""


class KeptWords:
    """The words of some texts, but for those that are known elsewhere."""

    def __init__(self, texts: Iterable[str], known: Iterable[str] = ()) -> None:
        """Take the texts apart; `known` are texts whose words are no secret."""
        elsewhere = _stems(known)
        words = {_plain(word) for text in texts for word in _content_words(text)}
        self._words = frozenset(word for word in words if stem(word) not in elsewhere)
        self._stems = frozenset(map(stem, self._words))

    def found_in(self, text: str, known: str = "") -> bool:
        """Return whether one of the words stands in `text` and not in `known`."""
        found = self._stems & _stems([text])
        return bool(found) and not found <= _stems([known])

    def may_begin(self, text: str, known: str = "") -> bool:
        """Return whether the last word of `text`, which may go on, begins one of the words."""
        text = visible(text)
        if not text or not text[-1].isalnum():
            return False
        last = content_words(text[-40:])[-1:]
        if not last or not text.casefold().endswith(last[0]):
            return False
        begun = {word for word in self._words if word.startswith(_plain(last[0]))}
        return bool(begun) and not {stem(word) for word in begun} <= _stems([known])


def plain_content_words(text: str) -> list[str]:
    """Return the words that carry meaning in the order of the text, without their accents."""
    return [_plain(word) for word in _content_words(text)]


def stem(word: str) -> str:
    """Return what a plain word is compared by."""
    return singular(word)[:_STEM] if word.isalpha() else word


def singular(word: str) -> str:
    """Return a word without the ending of a plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _stems(texts: Iterable[str]) -> set[str]:
    return {stem(word) for text in texts for word in plain_content_words(text)}


def _content_words(text: str) -> list[str]:
    return content_words(f"{visible(text)} {spelt_out(text)}")


def _plain(word: str) -> str:
    """Take the accents off: a model leaves them out, or puts them where nobody did."""
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part)) or word
