"""Answers that cannot be meant for their questions: in another language, or shuffled.

Knows rows and measured losses, not how they were measured.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from floe.training.data.tokenisation import TrainRow
from floe.training.interval import LossChange
from floe.training.trial.public_prompts import language_of

_FEWEST: Final = 4
"""Questions and answers whose languages are known, from which on these say something."""
_SLIGHT: Final = 0.1
"""Nats a token: if that is the most by which a base expects answers more after their own questions,
they do not belong to them. The example writers are at 0.13 to 0.16, shuffled at 0.06 or less."""
_NAMES: Final = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "zh": "Chinese",
}


def find_language_fault(pairs: Sequence[TrainRow]) -> str:
    """Say that most answers are in another language than their questions; empty if not.

    Args:
        pairs: conversations that end with an answer, the question before it.
    """
    spoken = [
        (asked, answered)
        for row in pairs
        if (asked := language_of(row.messages[-2].content))
        and (answered := language_of(row.messages[-1].content))
    ]
    other = Counter(each for each in spoken if each[0] != each[1])
    if len(spoken) < _FEWEST or 2 * other.total() <= len(spoken):
        return ""
    asked, answered = other.most_common(1)[0][0]
    return (
        f"Most answers are in another language than their questions (questions in {_NAMES[asked]}, "
        f"answers in {_NAMES[answered]}). Learning from them would make the model answer in a "
        "language that it was not asked in; what was in use stays in use."
    )


def find_pairing_fault(pairs: Sequence[TrainRow], change: LossChange) -> str:
    """Say that the answers do not belong to their questions; empty if they do, or may.

    A base that hardly knows a language cannot tell: then only what is surely slight counts.

    Args:
        pairs: as for `find_language_fault`.
        change: by how much less the base expects the answers after questions of others.
    """
    english = sum(language_of(row.messages[-1].content) in ("en", "") for row in pairs)
    if change.is_sure or (2 * english < len(pairs) and change.high > _SLIGHT):
        return ""
    return (
        "The answers do not seem to belong to their questions: the model expects them no more "
        "after their own questions than after others. Learning from them would not help; what was "
        "in use stays in use."
    )
