"""Of told facts about one matter the newest: who moved lives where they said last.

Knows passages and how they fit a question, no models.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from floe.memory.passages import MemoryPassage, split_sentences
from floe.privacy.content_words import content_words

_WORDS: Final = 0.3
"""What all of the question's words count, beside a likeness."""
_AMONG: Final = 8
"""Nearest facts that are compared with one another."""
_AS_NEAR: Final = 0.15
"""Likeness by which a newer fact may be farther from the question: about one standard deviation."""
_SAME: Final = 0.5
"""Share of the older fact's words in the newer one from which on both are about one matter."""
_LEAST: Final = 2
"""Words that both have at least, where none says that something has changed."""
_CHANGE: Final = re.compile(
    r"\b(?:now|no longer|any\s?more|new|moved|changed|switched|instead|these days|sold|replaced"
    r"|actually|sorry|correction|wrong|i meant"
    r"|jetzt|nun|neue?[nmrs]?|nicht mehr|inzwischen|mittlerweile|umgezogen|statt|korrektur|falsch"
    r"|maintenant|désormais|nouve\w+|ne \w+ plus|déménagé|ahora|ya no|nuev[oa]s?|mudé|cambié)\b",
    re.IGNORECASE,
)
"""Words that say that something is otherwise than before."""
_CORRECTS: Final = re.compile(
    r"\W*(?:(?:no|oh|oops|wait|ach|nein|non)\W+)*(?:sorry|correction|actually|i meant|i was wrong"
    r"|that was wrong|that is wrong|entschuldigung|korrektur|falsch|ich meinte|pardon|perdón)\b",
    re.IGNORECASE,
)
"""How a sentence begins that takes the place of one before it."""


@dataclass(frozen=True, slots=True)
class ToldFact:
    """A passage with its likeness to a question and the share of the question's words in it."""

    passage: MemoryPassage
    likeness: float
    share: float

    @property
    def score(self) -> float:
        """How well it fits the question."""
        return self.likeness + _WORDS * self.share


def without_outdated(ranked: Sequence[ToldFact], question: str) -> list[ToldFact]:
    """Leave out facts that a newer one of the nearest takes the place of.

    Args:
        ranked: told facts, the nearest to the question first.
        question: what is asked.
    """
    near = ranked[:_AMONG]
    asked = frozenset(content_words(question))
    return [
        *(each for each in near if not any(_replaces(newer, each, asked) for newer in near)),
        *ranked[_AMONG:],
    ]


def _replaces(newer: ToldFact, older: ToldFact, asked: frozenset[str]) -> bool:
    """Return whether a fact tells anew what another told, as far as the question goes."""
    new, old = newer.passage, older.passage
    if new.id == old.id or (new.said_at, new.id) <= (old.said_at, old.id):
        return False
    if old.read.casefold() in new.read.casefold():
        return True
    if newer.share < older.share:
        return False
    before = frozenset(content_words(old.read))
    both = before & frozenset(content_words(new.read))
    if len(both) >= max(_LEAST, _SAME * len(before)):
        return True
    as_near = newer.likeness >= older.likeness - _AS_NEAR
    return as_near and bool(both & asked) and _CHANGE.search(new.read) is not None


def without_corrected(text: str) -> str:
    """Leave out sentences of a passage that a later one of it corrects: "Sorry, it is …"."""
    sentences = split_sentences(text)
    for i in range(len(sentences) - 1, 0, -1):
        if _CORRECTS.match(sentences[i]):
            words = frozenset(content_words(sentences[i]))
            wrong = [
                len(words & frozenset(content_words(each))) >= _LEAST for each in sentences[:i]
            ]
            kept = [each for each, is_wrong in zip(sentences, wrong, strict=False) if not is_wrong]
            return " ".join([*kept, *sentences[i:]])
    return text
