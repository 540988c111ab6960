"""What of a verdict a decision hangs on: the spans that decide, by what they are.

Knows verdicts and kinds, neither messages nor what is done about them.
"""

from collections.abc import Iterable
from typing import Final

from floe.privacy.choices import MATTERS
from floe.privacy.lexicon import NAME, Found
from floe.privacy.verdict import ORGANISATION, UNREAD, UNREAD_LANGUAGE, Verdict

WHOLE: Final = ("private", UNREAD, UNREAD_LANGUAGE)
"""Kinds of a text as such: a placeholder for all of it would leave nothing to answer."""


def deciding_spans(verdict: Verdict) -> list[Found]:
    """Return the spans of which each alone makes the text private."""
    return [Found(span.start, span.end, span.kind) for span in verdict.spans if span.decides]


def words_of_matters(text: str, verdict: Verdict) -> list[str]:
    """Return the words by which a text tells of a matter of `MATTERS`."""
    return [
        text[found.start : found.end] for found in deciding_spans(verdict) if found.kind in MATTERS
    ]


def values_found(verdict: Verdict) -> list[Found]:
    """Return what points to somebody wherever it stands; no words of a matter, as all use them."""
    return [found for found in deciding_spans(verdict) if found.kind not in (*MATTERS, *WHOLE)]


def is_hard(kind: str) -> bool:
    """Return whether it is an identifier or a secret, which no press of a button makes harmless."""
    return kind not in MATTERS and kind not in (NAME, ORGANISATION, *WHOLE)


def kinds_of(verdict: Verdict, found: Iterable[Found] = ()) -> tuple[str, ...]:
    """Return a verdict's kinds, then those known; `private` if it is private and names none."""
    kinds = dict.fromkeys([*verdict.kinds, *(each.kind for each in found)])
    return tuple(kinds) or (("private",) if verdict.private else ())
