"""A change of loss with its interval: what is within noise is no change. Knows numbers only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STUDENT: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom."""


_FEW: Final = 4
"""Answers from which on each is one witness."""
_PASSAGE: Final = 16
"""Tokens of a passage, which stands for an answer where there are fewer."""


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """Loss of one answer: nats over all its `targets`; `each`: of every target, where known."""

    nats: float
    targets: int
    each: tuple[float, ...] = ()

    def passages(self) -> "list[AnswerLoss]":
        """Return passages of sixteen tokens; the answer itself where its tokens are not known."""
        starts = range(0, len(self.each), _PASSAGE)
        parts = [self.each[start : start + _PASSAGE] for start in starts]
        return [AnswerLoss(sum(part), len(part)) for part in parts] or [self]


@dataclass(frozen=True, slots=True)
class LossChange:
    """Fall of a loss in nats per token, with the ends of its 95 % interval.

    One answer tells nothing of the next: then the ends are infinite.
    """

    fall: float
    low: float
    high: float
    answers: int

    @property
    def is_sure(self) -> bool:
        """Whether the loss has fallen beyond what chance does."""
        return self.low > 0


def measure_change(before: Sequence[AnswerLoss], after: Sequence[AnswerLoss]) -> LossChange:
    """Compare the losses of the same answers, each with itself.

    The ratio of two sums over answers, with its linearised variance (Cochran, Sampling Techniques,
    chapter 6): tokens of one answer are no independent witnesses, answers are. Of two or three
    answers the passages are taken for that, which knows less of how answers differ.
    """
    answers = len(before)
    if 1 < answers < _FEW:
        before = [part for one in before for part in one.passages()]
        after = [part for one in after for part in one.passages()]
    falls = [b.nats - a.nats for b, a in zip(before, after, strict=True)]
    targets = [each.targets for each in before]
    count, total = len(falls), sum(targets)
    fall = sum(falls) / total if total else 0.0
    if answers < 2 or count < 2:
        return LossChange(fall, -math.inf, math.inf, answers)
    spread = sum((f - fall * n) ** 2 for f, n in zip(falls, targets, strict=True))
    error = math.sqrt(spread * count / (count - 1)) / total
    freedom = count - 1
    known = freedom <= len(_STUDENT)
    reach = error * (_STUDENT[freedom - 1] if known else 1.96 + 2.5 / freedom)
    return LossChange(fall, fall - reach, fall + reach, answers)
