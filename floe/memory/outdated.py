"""Of told facts about one matter the newest: who moved lives where they said last.

Knows passages and how they fit a question, no models.
"""

import re
from collections.abc import Collection, Sequence
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
_HALF: Final = 0.4
_ALIKE: Final = 0.1
"""Of what two facts have of the question's words: enough to be about it, and as much."""
_LEAST: Final = 2
"""Words that both have at least, where none says that something has changed."""
_CHANGE: Final = re.compile(
    r"\b(?:now|no longer|any\s?more|new|(?:down|up) to|moved|changed|switched|instead|these days"
    r"|sold|replaced|actually|sorry|correction|wrong|i meant"
    r"|jetzt|nun|neue?[nmrs]?|nicht mehr|inzwischen|mittlerweile|umgezogen|statt|korrektur|falsch"
    r"|maintenant|désormais|nouve\w+|ne \w+ plus|déménagé|ahora|ya no|nuev[oa]s?|mudé|cambié)\b",
    re.IGNORECASE,
)
"""Words that say that something is otherwise than before."""
_ENDED: Final = (
    r"\b(?:left|quit|sold|gave up|lost|dropped|cancelled|stopped|can't|cannot|no longer|not"
    r"|instead of|from|verkauft|verlassen|gekündigt|statt|von|quitté|vendu|dejé|vendí)"
    r"\W+(?:\w+\W+){{0,2}}{word}\b"
    r"|\b{word}\W+(?:\w+\W+){{0,2}}(?:left|went|gone|moved|died|retired|sold|cancelled|closed"
    r"|can't|cannot|no longer|verkauft|gekündigt|weg)\b"
)
"""How one says of something that was told before that it is over: "I sold the Panda"."""
_SELF: Final = re.compile(r"\b(?:i|we|ich|wir|je|j|nous|yo)\b", re.IGNORECASE)
"""Who speaks, as the one who does or is something."""
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
    of_self = _SELF.search(question) is not None
    left: list[ToldFact] = []
    for older in near:
        newest = max(
            (each for each in near if _replaces(each, older, asked, of_self)),
            key=lambda each: (each.passage.said_at, each.passage.id),
            default=older,
        )
        # It answers the question as what it replaces would have, whatever words it has.
        if newest not in left:
            left.append(newest)
    return [*left, *ranked[_AMONG:]]


def _replaces(newer: ToldFact, older: ToldFact, asked: frozenset[str], of_self: bool) -> bool:
    """Return whether a fact tells anew what another told, as far as the question goes."""
    new, old = newer.passage, older.passage
    if new.id == old.id or (new.said_at, new.id) <= (old.said_at, old.id):
        return False
    if old.read.casefold() in new.read.casefold():
        return True
    before = frozenset(content_words(old.read))
    both = before & frozenset(content_words(new.read))
    as_near = newer.likeness >= older.likeness - _AS_NEAR
    new_of_self = _SELF.search(new.read) is not None
    on_it = of_self or not new_of_self or bool(both & asked)
    if on_it and (as_near or len(both) >= _LEAST) and _is_over(both - asked, new.read):
        return True
    changed = _CHANGE.search(new.read) is not None
    alike = older.share >= _HALF and newer.share >= older.share - _ALIKE
    if alike and changed and of_self and new_of_self:
        return True
    if newer.share < older.share:
        return False
    much = len(both) >= max(_LEAST, _SAME * len(before))
    return much or (as_near and changed and bool(both & asked))


def _is_over(words: Collection[str], told: str) -> bool:
    """Return whether a fact says of one of these words that it is over."""
    return any(
        re.search(_ENDED.format(word=re.escape(word)), told, re.IGNORECASE) for word in words
    )


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
