"""What the detector says about a text: whether it is private, and which words make it so.

Knows positions and plain words only: neither how they were found nor what is done about them.
"""

from bisect import bisect_left
from dataclasses import dataclass

IMPORTANCE = (
    "password",
    "private key",
    "API key",
    "card number",
    "bank account",
    "social security number",
    "licence number",
    "licence plate",
    "passport number",
    "identity number",
    "account number",
    "name",
    "phone",
    "e-mail",
    "handle",
    "address",
    "postcode",
    "IP address",
    "birth date",
    "number",
    "date",
    "organisation",
    "health",
    "belief",
    "politics",
    "origin",
    "love life",
    "legal matter",
    "money",
    "company secret",
    "whereabouts",
    "family",
    "own words",
)
"""The kinds that can decide, the most important first."""

_RANK = {kind: rank for rank, kind in enumerate(IMPORTANCE)}


ORGANISATION = "organisation"
"""The kind of a firm, a school or a place in a text that is private by something else."""

NUMBER = "number"
"""The kind of digits, or of digits and letters, that may lead to somebody."""

UNREAD = "in a script that the check reads badly"
"""The kind of a text in a script that nothing was trained on."""

UNREAD_LANGUAGE = "in a language that the check reads badly"
"""The kind of a text in Latin letters of whose words the lists know few."""


@dataclass(frozen=True, slots=True)
class Span:
    """Some characters of a text and what they are.

    start, end: characters, half open. kind: plain words that are shown to the person. score: 0
    to 1. decides: makes the text private by itself or in this company; False for a place, an
    organisation, a date or a well-known person alone.
    """

    start: int
    end: int
    kind: str
    score: float
    decides: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text is private; spans are sorted and do not overlap.

    unsure: it is private only perhaps, and the person may say otherwise. leans: it cannot be
    understood without the messages before it. likely: what else may be a name or lead
    to somebody, to be masked where the text leaves under pseudonyms; nothing else follows from it.
    """

    private: bool
    spans: tuple[Span, ...]
    unsure: bool = False
    leans: bool = False
    likely: tuple[Span, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the deciding spans, each once, the most important first."""
        found = {span.kind for span in self.spans if span.decides}
        return tuple(sorted(found, key=lambda kind: (_RANK.get(kind, len(_RANK)), kind)))


@dataclass(frozen=True, slots=True)
class Leniency:
    """Lessons that the person has taught the check.

    shift: added to what a text must reach to be kept, in logits; below 0: it is kept sooner.
    harmless: words, in small letters, for which the classifier alone no longer keeps a text.
    """

    shift: float = 0.0
    harmless: frozenset[str] = frozenset()


def without_overlap(spans: list[Span]) -> tuple[Span, ...]:
    """Join what overlaps and is of one kind; of other kinds keep what decides, then the surer."""
    kept: list[Span] = []
    ends: list[int] = []
    starts: list[int] = []
    ranked = sorted(
        _joined(spans),
        key=lambda span: (not span.decides, -span.score, span.start - span.end, span.start),
    )
    for span in ranked:
        # None of those kept overlap, so that only the neighbours may touch another.
        at = bisect_left(starts, span.end)
        if at == 0 or ends[at - 1] <= span.start:
            kept.insert(at, span)
            starts.insert(at, span.start)
            ends.insert(at, span.end)
    return tuple(kept)


def _joined(spans: list[Span]) -> list[Span]:
    """Spans of one kind that overlap, and both decide or both do not, become one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.kind, span.decides, span.start)):
        last = joined[-1] if joined else None
        alike = last and last.kind == span.kind and last.decides == span.decides
        if last and alike and span.start < last.end:
            end, score = max(last.end, span.end), max(last.score, span.score)
            joined[-1] = Span(last.start, end, span.kind, score, span.decides)
        else:
            joined.append(span)
    return joined
