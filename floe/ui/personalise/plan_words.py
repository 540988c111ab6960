"""The plan of a training in plain words; its figures stand beside it."""

from typing import Final

from floe.adapters.lora_defaults import DEFAULT_SHAPE
from floe.records import TrainPlan
from floe.training.planning.plan import EPOCHS
from floe.units import format_duration

_QUICK_SECONDS: Final = 90.0
_LONG_SECONDS: Final = 600.0


def describe_plan(plan: TrainPlan) -> str:
    """Say how long it takes, how much it changes, and what the chat notices of it."""
    time = format_duration(plan.seconds)
    if plan.seconds <= _QUICK_SECONDS:
        length = f"Quick: about {time} of learning"
    elif plan.seconds <= _LONG_SECONDS:
        length = f"A while: about {time} of learning"
    else:
        length = f"Long: about {time} of learning"
    whole = (
        plan.rank >= DEFAULT_SHAPE.rank
        and set(DEFAULT_SHAPE.modules) <= set(plan.modules)
        and plan.epochs >= EPOCHS
    )
    touch = (
        "A light touch: the model itself stays as it is, and a small part beside it learns."
        if whole
        else "A very light touch, as time or memory allow no more: it learns less than it could."
    )
    return (
        f"{length}, then the model tries out what it learnt. {touch} While it trains, the chat "
        "answers more slowly."
    )
