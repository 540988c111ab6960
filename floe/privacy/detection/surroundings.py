"""Organisations, places and more names in a text that is private already: together they tell who.

By spelling and company alone, for documents that somebody has pasted. Decides nothing by itself.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.company import find_company
from floe.privacy.detection.german import is_german
from floe.privacy.detection.names import is_public, lexicon
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.vocabulary import listed
from floe.privacy.places import Places
from floe.privacy.verdict import ORGANISATION

SHORTEST: Final = 160
"""Characters; a shorter text is a message, whose places and firms carry the question."""

_SURE: Final = 0.5
_RUN: Final = regex.compile(
    r"(?<![\w@/.#-])(?P<x>\p{Lu}[\p{L}\p{M}\d'&-]*"
    r"(?:[ ](?:&|and|of|de|for|the|del|der)(?=[ ]\p{Lu}))*(?:[ ](?:of[ ]|de[ ]|&[ ]|and[ ])?\p{Lu}[\p{L}\p{M}\d'&-]*){0,5})"
)
_SUFFIX: Final = listed("organisations")
_OPENS: Final = regex.compile(r"(?:\A|[.!?:\n\"(•*-]\s*|\n\s*)\Z")
_LEADS: Final = regex.compile(
    r"\b(?:at|for|from|with|joined|join|by|via|in|near|to|company|employer|client)\s(?:the\s)?\Z",
    regex.I,
)
_LEFT: Final = listed("never_names") | listed("titles")


def find_surroundings(text: str, found: Sequence[Sign]) -> Iterator[Sign]:
    """Yield names by their company, firms, schools, clinics and places that no other sign covers."""
    yield from find_company(text, found)
    if len(text) < SHORTEST or is_german(text):
        return
    known = lexicon()
    covered = Places((sign.start, sign.end) for sign in found)
    for match in _RUN.finditer(text, timeout=1.0):
        start, end = match.span("x")
        if covered.touch(start, end):
            continue
        words = match["x"].split()
        small = [word.lower().removesuffix("'s") for word in words]
        organised = len(words) > 1 and not _SUFFIX.isdisjoint(small)
        strange = [
            word
            for word in small
            if len(word) > 2 and word not in known.ordinary and word not in _LEFT
        ]
        if not organised:
            before = text[max(0, start - 16) : start]
            if not strange or is_public(match["x"]):
                continue
            if len(words) == 1 and (_OPENS.search(before) or not _LEADS.search(before)):
                continue
        while (
            len(words) > 1
            and _OPENS.search(text[max(0, start - 3) : start])
            and small[0] in known.ordinary
            and small[0] not in _SUFFIX
        ):
            start += len(words[0]) + 1
            words, small = words[1:], small[1:]
        yield Sign(start, end, ORGANISATION, _SURE)
