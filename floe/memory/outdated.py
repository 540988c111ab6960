"""Of told facts about one matter the newest: who moved lives where they said last.

Knows passages and how they fit a question, no models.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from floe.memory.passages import MemoryPassage, split_sentences
from floe.privacy.content_words import content_words

SHARE_WEIGHT: Final = 0.3
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
_FEW: Final = 3
"""Facts that have a name; one that more have, such as a weekday, tells none from the others."""
_LEAST: Final = 2
"""Words that both have at least, where none says that something has changed."""
_CHANGE: Final = re.compile(
    r"\b(?:now|no longer|any\s?more|new|(?:down|up) to|moved|changed|switched|instead|these days"
    r"|after all|sold|replaced|actually|sorry|correction|wrong|i meant"
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
_NAME: Final = re.compile(r"\b(?:[A-Z\u00c0-\u00de]\w+|\w*\d\w*)")
_PAST: Final = re.compile(
    r"\b(?:was|were|did|had|war|waren|wurde|habe?n?|hatten?|étai\w+|ai|avons|avai\w+|era|fue|nací)\b",
    re.IGNORECASE,
)
"""What was so once does not change: where one was born."""
_CORRECTS: Final = re.compile(
    r"\W*(?:(?:no|oh|oops|wait|ach|nein|non)\W+)*(?:sorry|correction|actually|i meant|i was wrong"
    r"|that was wrong|that is wrong|entschuldigung|korrektur|falsch|ich meinte|pardon|perdón)\b",
    re.IGNORECASE,
)
"""How a sentence begins that takes the place of one before it."""


@dataclass(frozen=True, slots=True)
class ToldFact:
    """A passage with its likeness to a question and the share of the question's words in it.

    `in_place_of`: score of the older fact that it tells anew.
    """

    passage: MemoryPassage
    likeness: float
    share: float
    in_place_of: float = 0.0

    @property
    def score(self) -> float:
        """How well it fits the question."""
        return max(self.likeness + SHARE_WEIGHT * self.share, self.in_place_of)


def without_outdated(ranked: Sequence[ToldFact], question: str) -> list[ToldFact]:
    """Leave out facts that a newer one of the nearest takes the place of.

    Args:
        ranked: told facts, the nearest to the question first.
        question: what is asked.
    """
    near = ranked[:_AMONG]
    asked = frozenset(content_words(question))
    of_self = _SELF.search(question) is not None
    is_past = _PAST.search(question) is not None
    words = [frozenset(content_words(each.passage.read)) for each in ranked]
    facts_with = Counter(chain.from_iterable(words))
    left: list[ToldFact] = []
    for older in near:
        names = frozenset() if is_past else _names(older.passage.read) - asked
        names = frozenset(name for name in names if facts_with[name] <= _FEW)
        naming = [ranked[i] for i in range(_AMONG, len(ranked)) if words[i] & names]
        newest = max(
            (each for each in (*near, *naming) if _replaces(each, older, asked, names, of_self)),
            key=lambda each: (each.passage.said_at, each.passage.id),
            default=older,
        )
        # It answers the question as what it replaces would have, whatever words it has.
        if newest.passage.id not in (each.passage.id for each in left):
            left.append(replace(newest, in_place_of=older.score))
    there = {each.passage.id for each in left}
    return [*left, *(each for each in ranked[_AMONG:] if each.passage.id not in there)]


def _replaces(
    newer: ToldFact,
    older: ToldFact,
    asked: frozenset[str],
    names: frozenset[str],
    of_self: bool,
) -> bool:
    """Return whether a fact tells anew what another told, as far as the question goes.

    `names`: those of the older fact; a newer one that has one of them and says that something has
    changed need not be near the question: "I left Ironworks and go to PureMove now."
    """
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
    named = bool(both & names)
    changed = _CHANGE.search(new.read) is not None
    is_over = (as_near or named or len(both) >= _LEAST) and _is_over(both - asked, new.read)
    if on_it and (is_over or (named and changed)):
        return True
    alike = older.share >= _HALF and newer.share >= older.share - _ALIKE
    if alike and changed and of_self and new_of_self:
        return True
    if newer.share < older.share:
        return False
    much = len(both) >= max(_LEAST, _SAME * len(before))
    return much or (as_near and changed and bool(both & asked))


def _names(text: str) -> frozenset[str]:
    """Return the words of a text that are written large, or have digits, but for its first."""
    inside = _NAME.findall(text.partition(" ")[2])
    return frozenset(word for each in inside for word in content_words(each))


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
