"""Measures of answers that a model wrote freely; each can be checked by reading. Knows only text.

Words are runs of letters or digits; scripts that are written without spaces count by character.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[぀-ヿ㐀-鿿가-힯฀-๿]|[^\W_]+")
_GRAM: Final = 4
_LONGEST_PERIOD: Final = 40
_LEAST_REPEATED: Final = 6
"""So many words repeated in a row count as a loop: "very, very good" is none."""
_WITHIN: Final = 30
"""Words in which a right answer must come: a loop that counts to a hundred has every number."""
_COPIED: Final = 8
"""Words in a row that nobody writes twice by chance."""
PARROTED_SHARE: Final = 0.5
"""Share of an answer's runs of `_COPIED` words from which on it is repeated from the rows."""


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """An answer; `ended`: it came to an end by itself."""

    text: str
    ended: bool


@dataclass(frozen=True, slots=True)
class AnswerMeasures:
    """Measures of several answers.

    Attributes:
        answers: how many there are.
        ended: share of those that came to an end by themselves.
        distinct4: distinct runs of four words within an answer over all such runs, in [0, 1].
        longest_loop: words of the longest passage that says the same over again.
        right: right answers to the questions that have one.
        asked: how many those are.
    """

    answers: int
    ended: float
    distinct4: float
    longest_loop: int
    right: int
    asked: int


def measure_answers(
    answers: Sequence[WrittenAnswer], expected: Sequence[Sequence[str]]
) -> AnswerMeasures:
    """Measure answers; `expected`: what one of which makes an answer right, empty: no matter."""
    found = [split_words(answer.text) for answer in answers]
    grams = [list(zip(*(words[i:] for i in range(_GRAM)), strict=False)) for words in found]
    total = sum(map(len, grams))
    known = [i for i, wanted in enumerate(expected) if wanted]
    return AnswerMeasures(
        answers=len(answers),
        ended=sum(answer.ended for answer in answers) / len(answers) if answers else 1.0,
        distinct4=sum(len(set(each)) for each in grams) / total if total else 1.0,
        longest_loop=max(map(longest_loop, found), default=0),
        right=sum(is_right(answers[i].text, expected[i]) for i in known),
        asked=len(known),
    )


def split_words(text: str) -> list[str]:
    """Split into words, whatever their case."""
    return _WORD.findall(text.casefold())


def longest_loop(words: Sequence[str]) -> int:
    """Return the words of the longest passage that repeats one piece directly; 0: none does.

    A piece of up to 40 words counts when it comes again whole, and at least six words do.
    """
    longest = 0
    for period in range(1, min(_LONGEST_PERIOD, len(words) // 2) + 1):
        again = 0
        for place in range(period, len(words)):
            again = again + 1 if words[place] == words[place - period] else 0
            if again >= max(period, _LEAST_REPEATED):
                longest = max(longest, again + period)
    return longest


def is_right(text: str, expected: Sequence[str]) -> bool:
    """Return whether one of the expected words or phrases stands at the answer's beginning."""
    beginning = f" {' '.join(split_words(text)[:_WITHIN])} "
    return any(f" {' '.join(split_words(wanted))} " in beginning for wanted in expected)


def parroted_share(answers: Sequence[str], rows: Sequence[str]) -> float:
    """Return the share of answers that mostly repeat rows of the training word for word."""
    learnt = {run for row in rows for run in _runs(row)}
    own = [runs for answer in answers if (runs := _runs(answer))]
    copied = sum(sum(r in learnt for r in runs) >= PARROTED_SHARE * len(runs) for runs in own)
    return copied / len(own) if own else 0.0


def _runs(text: str) -> list[tuple[str, ...]]:
    words = split_words(text)
    return [tuple(words[i : i + _COPIED]) for i in range(len(words) - _COPIED + 1)]
