"""Scale of a new adapter, chosen so that other text loses little by it.

What an adapter learns of a person's words it pays for elsewhere, and the price falls faster than
the gain when the adapter is made weaker; at first the gain does not fall at all.
Knows nothing of models: it is given losses to ask for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

CANDIDATE_SCALES: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
MAX_GENERAL_RISE: Final = 0.01
"""By how much the loss on general text may rise, as a share of what it is without the adapter."""
HELD_OUT_SLACK: Final = 0.005
"""By how much the loss on held-out rows may be above its least, as a share of that: so much is
given for other text without being asked."""


@dataclass(frozen=True, slots=True)
class ScaleChoice:
    """The strength that was chosen, and what was measured at it. Losses in nats per token.

    `general_before`, `general_after`: without and with the adapter at `scale`; None where there
    was no general text. `held_out`: at `scale`; None without held-out rows.
    """

    scale: float = 1.0
    general_before: float | None = None
    general_after: float | None = None
    held_out: float | None = None


def describe_scale(scale: float) -> str:
    """Describe the scale as the end of a sentence; nothing for an adapter at full strength.

    Without a number: the one that the person sees and moves is the strength of what was left.
    """
    return ", made gentler to spare other text" if scale < 1 else ""


def choose_adapter_scale(
    general: Callable[[float], float],
    held_out: Callable[[float], float] | None,
    start: float | None,
) -> ScaleChoice:
    """Make the adapter as weak as costs the person nothing, and weaker if general text asks for it.

    Args:
        general: loss on general text at a scale; 0 is without the adapter.
        held_out: loss on the person's held-out rows at a scale; None: there are none.
        start: the held-out loss before training, which must not be reached again: before that
            happens the last scale is kept, whatever general text says.
    """
    before = general(0.0)
    # There is more general text than held-out rows, so it is read only where it decides.
    general = cache(general)
    tried: list[tuple[float, float | None]] = []
    first = 0
    for scale in CANDIDATE_SCALES:
        own = None if held_out is None else held_out(scale)
        if tried and own is not None and start is not None and own >= start:
            break
        tried.append((scale, own))
        first, beyond = _last_free_scale([loss for _, loss in tried if loss is not None])
        if beyond and any(_is_gentle(general(at), before) for at, _ in tried[first:]):
            break
    chosen = next(
        ((at, own) for at, own in tried[first:] if _is_gentle(general(at), before)), tried[-1]
    )
    return ScaleChoice(chosen[0], before, general(chosen[0]), chosen[1])


def _is_gentle(after: float, before: float) -> bool:
    return after <= before * (1 + MAX_GENERAL_RISE)


def _last_free_scale(own: Sequence[float]) -> tuple[int, bool]:
    """Find the last scale that costs the person nothing, and whether a smaller one does."""
    if not own:
        return 0, True
    free = [place for place, loss in enumerate(own) if loss <= min(own) * (1 + HELD_OUT_SLACK)]
    return free[-1], free[-1] < len(own) - 1
