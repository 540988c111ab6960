"""A change of loss with its interval: what is within noise is no change. Knows numbers only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STUDENT: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
"""Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom."""


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """Loss of one answer: nats over all its `targets`."""

    nats: float
    targets: int


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
    chapter 6): tokens of one answer are no independent witnesses, answers are.
    """
    falls = [b.nats - a.nats for b, a in zip(before, after, strict=True)]
    targets = [each.targets for each in before]
    count, total = len(falls), sum(targets)
    if not total:
        return LossChange(0.0, -math.inf, math.inf, count)
    fall = sum(falls) / total
    if count == 1:
        return LossChange(fall, -math.inf, math.inf, count)
    spread = sum((f - fall * n) ** 2 for f, n in zip(falls, targets, strict=True))
    error = math.sqrt(spread * count / (count - 1)) / total
    freedom = count - 1
    known = freedom <= len(_STUDENT)
    reach = error * (_STUDENT[freedom - 1] if known else 1.96 + 2.5 / freedom)
    return LossChange(fall, fall - reach, fall + reach, count)
