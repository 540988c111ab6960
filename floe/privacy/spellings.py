"""What belongs to a name that was found: initials before it, the other half, a digit after it.

And in which spellings a value that is known comes back: half of a double name, the first name out
of a mailbox, a name in a script that writes no blanks. Knows neither store nor cloud.
"""

import re
from collections.abc import Iterator
from typing import Final

import regex

from floe.privacy.lexicon import ALSO_WORDS, NAME, Found, Lexicon, united

_INITIALS: Final = regex.compile(
    r"(?:(?<![\p{L}\d])\p{Lu}\.[ -]?){2,3}\s?\Z|(?:\A|[.!?\n]\s*|,\s)\p{Lu}\.\s\Z"
)
_HALF_BEFORE: Final = regex.compile(r"(?<![\w@/.-])(?:\p{Lu}[\p{L}']+-)+\Z")
_HALF_AFTER: Final = regex.compile(r"(?:-\p{Lu}[\p{L}']+)+(?![\w@/])")
_GLUED_BEFORE: Final = regex.compile(r"[A-Za-z0-9_]+\Z")
_GLUED_AFTER: Final = regex.compile(r"[A-Z0-9_][A-Za-z0-9_]*")
"""What a placeholder cannot stand beside, as it would be read as one of its own letters."""
_REST_OF_MAILBOX: Final = regex.compile(r"[A-Za-z0-9]*(?:[._+-][A-Za-z0-9]+)+(?=@)")
_FOLLOWS: Final = regex.compile(r"\s(?:(?P<tall>\p{Lu}\p{Ll}+)|\p{Ll}+)")
_WITH_S: Final = frozenset({"andreas", "elias", "jonas", "lukas", "matthias", "niklas", "tobias"})
"""First names that end in an s, though others are the same without it."""
_MOST: Final = 40
"""Characters that are looked at before a name."""
_HALF: Final = re.compile(r"\w[\w']{3,}")
_UNSPACED: Final = regex.compile(r"[\p{Han}々\p{Hiragana}\p{Katakana}ー]{2,}")
_MAILBOX: Final = re.compile(r"[a-z]{3,}", re.IGNORECASE)


def widened(text: str, found: Found) -> Found:
    """Return a find with all of the name, so that no part and no digit of it is left beside."""
    start, end = found.start, found.end
    if found.kind == NAME:
        if _is_genitive(text, start, end):
            return Found(start, end - 1, found.kind)
        start, end = _whole_name(text, start, end)
    if text[start:end].isascii():
        if glued := _GLUED_BEFORE.search(text, max(0, start - _MOST), start):
            start = glued.start()
        if glued := _GLUED_AFTER.match(text, end):
            end = glued.end()
    return Found(start, end, found.kind)


def _whole_name(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a name with its other half, what is left of a mailbox, and its initials."""
    if half := _HALF_BEFORE.search(text, max(0, start - _MOST), start):
        start = half.start()
    if half := _HALF_AFTER.match(text, end):
        end = half.end()
    if mailbox := _REST_OF_MAILBOX.match(text, end):
        end = mailbox.end()
    if initials := _INITIALS.search(text, max(0, start - _MOST), start):
        start = initials.start()
        while not text[start].isalpha():
            start += 1
    return start, end


def _is_genitive(text: str, start: int, end: int) -> bool:
    """Return whether a name ends in the s of a genitive: "Annas Mutter", "annes cat".

    The s is none of the name where the name stands without it in the same text, before a German
    noun, or, in hasty writing, where only the rest is a name.
    """
    from floe.privacy.detection.casual import dealt_with  # noqa: PLC0415 (slow)
    from floe.privacy.detection.german import is_german  # noqa: PLC0415 (slow)
    from floe.privacy.detection.names import lexicon  # noqa: PLC0415 (slow)

    value = text[start:end]
    following = _FOLLOWS.match(text, end)
    if following is None or not value.endswith("s") or " " in value:
        return False
    stem = value[:-1]
    if regex.search(rf"(?<![\p{{L}}'-]){regex.escape(stem)}(?![\p{{L}}'-])", text):
        return True
    if stem.casefold() not in lexicon().given:
        return False
    if following["tall"]:
        return value.casefold() not in _WITH_S and is_german(text)
    return value.islower() and any(
        (name.start, name.end) == (start, end - 1) for name in dealt_with(text)
    )


class KnownValues(Lexicon):
    """A lexicon that knows a value in part, and between letters where no blanks are written."""

    def __init__(self) -> None:
        super().__init__()
        self._unspaced: dict[str, str] = {}

    def add(self, value: str, kind: str) -> None:
        """Look for `value` from now on, and for what may stand for it."""
        super().add(value, kind)
        if kind == NAME and _UNSPACED.fullmatch(value):
            self._unspaced[value] = kind
        for part in _parts(value, kind):
            super().add(part, NAME)

    def find(self, text: str) -> list[Found]:
        """Find known values; sorted, without overlap."""
        found = super().find(text)
        for value, kind in self._unspaced.items():
            found += [
                Found(match.start(), match.end(), kind)
                for match in re.finditer(re.escape(value), text)
            ]
        return united(found)


def _parts(value: str, kind: str) -> Iterator[str]:
    """Yield halves of a double name, and first names out of a mailbox, that are no other words."""
    from floe.privacy.detection.names import lexicon  # noqa: PLC0415 (slow)

    if kind == NAME and "-" in value:
        for half in value.replace("-", " ").split():
            small = half.casefold()
            if _HALF.fullmatch(half) and half[0].isupper() and small not in ALSO_WORDS:
                yield half
    elif kind == "e-mail":
        known = lexicon()
        for part in _MAILBOX.findall(value.partition("@")[0]):
            small = part.casefold()
            if small in known.given and small not in known.ordinary and small not in ALSO_WORDS:
                yield part.capitalize()
