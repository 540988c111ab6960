"""Losses on what was kept aside, at each strength that a trial may leave an adapter at.

Measured before the trial, so that the weights need not be in memory while it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from floe.training.data.packing import Example
from floe.training.interval import AnswerLoss
from floe.training.training_loop import TrainingLoop
from floe.training.trial.trial import WEAKER


@dataclass(frozen=True, slots=True)
class HeldOutLosses:
    """Losses of each answer that was kept aside.

    `before`: with the better of the base and the adapter that training began with; `after`: by the
    share of the trained strength that the adapter acts with.
    """

    before: list[AnswerLoss]
    after: dict[float, list[AnswerLoss]]


def measure_held_out(
    loop: TrainingLoop, held_out: Sequence[Example], scale: float
) -> HeldOutLosses | None:
    """Return the losses at every strength that the trial may choose; None: nothing is held out."""
    if not held_out:
        return None
    after = {share: loop.answer_losses(held_out, scale * share) for share in WEAKER}
    before = loop.answer_losses(held_out, 0.0)
    start = loop.start_losses(held_out)
    if start is not None and sum(a.nats for a in start) < sum(b.nats for b in before):
        before = start
    return HeldOutLosses(before, after)
