"""The verdict on a trained model by what it writes: within stated margins of the base, or not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

from floe.training.trial.manner import nearer_share
from floe.training.trial.measures import (
    AnswerMeasures,
    WrittenAnswer,
    measure_answers,
    parroted_share,
)

MAX_ENDED_LOSS: Final = 0.05
"""By how much the share of answers that end may be lower than the base's."""
MIN_DISTINCT_SHARE: Final = 0.95
"""Distinct runs of four words, as a share of the base's."""
MAX_RIGHT_LOSS: Final = 1
"""Right answers that may be lost."""
HARMLESS_LOOP: Final = 24
"""Words: a shorter loop is let pass even if the base has none."""
MIN_MANNER: Final = 0.5
"""Share of answers to the person's own questions that are nearer to them: below it nothing is
gained."""
_FEW: Final = 3
"""Own answers from which on that says something."""
WEAKER: Final = (1.0, 0.75, 0.5)
"""Strengths that are tried, in this order, as shares of what training left."""

TrialPromptKind = Literal["own", "question", "greeting"]


@dataclass(frozen=True, slots=True)
class WrittenPair:
    """A prompt that both answered.

    `own`: the person's own answer, where the prompt is one of theirs; `expected`: words of which
    one makes an answer right; `acts`: False where the chat would leave the prompt to the base.
    """

    kind: TrialPromptKind
    prompt: str
    base: WrittenAnswer
    personal: WrittenAnswer
    expected: tuple[str, ...] = ()
    own: str = ""
    acts: bool = True


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Both models by what they wrote, and what follows.

    `manner`: share of answers to the person's own held-out questions that are nearer to them than
    the base's are (None: there were none); `parroted`: share of answers that repeat training rows;
    `strength`: share of the trained strength that was tried; `losses`: why it is not worth using
    at that, in words, empty if it is.
    """

    base: AnswerMeasures
    personal: AnswerMeasures
    manner: float | None
    parroted: float
    strength: float
    losses: tuple[str, ...]

    def describe(self) -> str:
        """Describe in a sentence what was found."""
        base, personal = self.base, self.personal
        parts = [
            f"{_count(personal.ended, personal)} of {personal.answers} answers came to an end "
            f"(before: {_count(base.ended, base)})",
            f"{personal.right} of {personal.asked} simple questions were answered right "
            f"(before: {base.right})",
        ]
        if self.manner is not None and self.manner >= MIN_MANNER:
            parts.append(f"{self.manner:.0%} of those to your own questions sound more like you")
        return f"Tried out: {', '.join(parts)}."

    def to_json(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; KeyError or TypeError where it is something else."""
        return cls(
            AnswerMeasures(**values["base"]),
            AnswerMeasures(**values["personal"]),
            values["manner"],
            values["parroted"],
            values["strength"],
            tuple(values["losses"]),
        )


def judge_pairs(
    pairs: Sequence[WrittenPair],
    learnt: Sequence[str],
    base_texts: Sequence[str] = (),
    strength: float = 1.0,
) -> TrialResult:
    """Compare what both wrote.

    Args:
        pairs: each prompt once.
        learnt: the person's answers that were learnt from.
        base_texts: more of the base's answers, to know its manner by.
        strength: what the trained model was tried at.
    """
    expected = [pair.expected for pair in pairs]
    base = measure_answers([pair.base for pair in pairs], expected)
    personal = measure_answers([pair.personal for pair in pairs], expected)
    own = [pair for pair in pairs if pair.kind == "own"]
    other = [pair.base.text for pair in pairs if pair.kind != "own"]
    manner = nearer_share(
        learnt,
        [pair.base.text for pair in own],
        [pair.personal.text for pair in own],
        [*other, *base_texts],
    )
    losses = find_losses(base, personal)
    acted = [pair for pair in own if pair.acts]
    if len(acted) > 1 and all(pair.personal.text == pair.base.text for pair in acted):
        losses += ("it answers your own questions word for word as before",)
    elif manner is not None and len(own) >= _FEW and manner < MIN_MANNER:
        losses += (f"only {_share_words(manner)} of its answers sound more like you than before",)
    parroted = parroted_share([pair.personal.text for pair in pairs], learnt)
    return TrialResult(base, personal, manner, parroted, strength, losses)


def find_losses(base: AnswerMeasures, personal: AnswerMeasures) -> tuple[str, ...]:
    """Say what is lost beyond the margins; empty if nothing is.

    Of few answers one is more than five points; one may always be lost.
    """
    losses = []
    lost = round((base.ended - personal.ended) * base.answers)
    if lost > 1 and base.ended - personal.ended > MAX_ENDED_LOSS:
        losses.append(
            f"{_share_words(personal.ended)} of its answers come to an end "
            f"(before: {_share_words(base.ended)})"
        )
    if personal.distinct4 < MIN_DISTINCT_SHARE * base.distinct4:
        losses.append(
            f"it repeats itself more ({_share_words(personal.distinct4)} of its runs of four words "
            f"are new, before: {_share_words(base.distinct4)})"
        )
    if personal.longest_loop > max(HARMLESS_LOOP, base.longest_loop):
        losses.append(
            f"it says the same over again for {personal.longest_loop} words "
            f"(before: {base.longest_loop or 'never'})"
        )
    if base.right - personal.right > MAX_RIGHT_LOSS:
        losses.append(
            f"it answers {personal.right} of {personal.asked} simple questions right "
            f"(before: {base.right})"
        )
    return tuple(losses)


def _count(share: float, measures: AnswerMeasures) -> int:
    return round(share * measures.answers)


def _share_words(share: float) -> str:
    return f"{share:.0%}"
