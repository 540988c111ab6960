"""Planner: the best plan for this device under a memory limit and a deadline, and why.

Every plan of a small table is priced by the cost model; of those that fit, the one that learns the
most is taken. Serves the app and the federation alike; torch is not loaded here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import DEFAULT_SHAPE, AdapterShape
from floe.errors import TrainingError
from floe.records import TrainPlan
from floe.training.data.tokenisation import Encoder, row_of
from floe.training.planning.backend_choice import (
    ANY_BACKEND,
    BackendChoice,
    BackendWish,
    choose_backend,
    frugal_choice,
)
from floe.training.planning.cost import Workload, predict_peak_mb, predict_seconds
from floe.training.planning.hardware import (
    Hardware,
    allowed_memory_mb,
    free_memory_mb,
)
from floe.training.trial.base_answers import count_replayed
from floe.units import format_duration, format_gigabytes

DEADLINE_SECONDS: Final = 60.0
"""Seconds from the press of the button that the default plan may take."""
_SAFETY_FACTOR: Final = 1.1
"""Predictions are trusted to so much."""
LEARNING_RATE: Final = 3e-3
"""Chosen on the four example writers: docs/method.md, "The adapter, and what it costs"."""
_SEQUENCE_LENGTH: Final = 512
_MIN_STEPS: Final = 6
"""Steps an epoch should have at least: fewer learn little, so batches of few rows are smaller."""

_REPLAY_TOKENS: Final = 70
_REPLAY_TARGETS: Final = 44
"""Of one general answer: the mean of the default model's."""

_SMALL: Final = replace(DEFAULT_SHAPE, rank=4, alpha=8.0)
_ADAPTER_SHAPES: Final[tuple[tuple[AdapterShape, float], ...]] = (
    (DEFAULT_SHAPE, 1.0),
    (replace(DEFAULT_SHAPE, layer_share=0.5), 0.93),
    (replace(DEFAULT_SHAPE, layer_share=0.25), 0.85),
    (replace(_SMALL, layer_share=0.25), 0.8),
    (replace(_SMALL, modules=("v_proj", "o_proj"), layer_share=0.25), 0.6),
    (AdapterShape(2, 4.0, ("v_proj", "o_proj"), 0.1), 0.3),
)
"""From the default down, with what each learns compared to it: an order more than a measure."""
EPOCHS: Final = 3
_EPOCH_VALUE: Final = {1: 0.6, 2: 0.85, EPOCHS: 1.0}
"""Passes over the rows, with what they teach. Held-out loss ends training earlier by itself."""
_BATCH_TOKENS: Final = (512, 256, 128)


@dataclass(frozen=True, slots=True)
class Limits:
    """10^6 bytes, seconds, and what is free, for the reason; None: not known or of no matter."""

    memory_mb: float
    deadline_s: float
    free_memory_mb: float | None = None


def choose_plan(
    device: Hardware,
    architecture: Architecture,
    workload: Workload,
    *,
    memory_limit_mb: float | None = None,
    deadline_s: float = DEADLINE_SECONDS,
    wish: BackendWish = ANY_BACKEND,
) -> TrainPlan:
    """Choose the plan that learns the most within both limits, with its reason.

    If none is fast enough, the fastest that the memory allows.

    Args:
        device: what was measured.
        architecture: of the base model.
        workload: what there is to learn.
        memory_limit_mb: 10^6 bytes of the whole process, or of the graphics card where that
            trains; None: what is free now less a margin.
        deadline_s: seconds from the press of the button.
        wish: back end and device that were asked for.

    Raises:
        TrainingError: there is no such back end or device for this model, or the memory suffices
            for no plan.
    """
    choice = choose_backend(device, architecture, wish)
    free = free_memory_mb() if choice.memory_mb is None else choice.memory_mb
    allowed = allowed_memory_mb() if choice.memory_mb is None else choice.memory_mb
    if memory_limit_mb is not None:
        limits = Limits(memory_limit_mb, deadline_s)
    else:
        limits = Limits(allowed, deadline_s, free)
    priced = list(_price_plans(device, architecture, workload, None, choice))
    if not _fitting(priced, limits):
        frugal = frugal_choice(device, choice, wish, _least_memory(priced))
        if frugal is not None:
            priced = list(_price_plans(device, architecture, workload, None, frugal))
    return _pick_plan(priced, limits, device, architecture.layers)


def smaller_plan(
    device: Hardware,
    architecture: Architecture,
    failed: TrainPlan,
    limit_mb: float,
    wish: BackendWish = ANY_BACKEND,
) -> TrainPlan | None:
    """Choose a plan in place of one that outgrew the limit, allowing for its excess.

    `wish`: the back end that was asked for; no other one is taken then.

    Returns:
        A plan that is predicted to need a good deal less, by the other back end if this one has
        none, or None if there is none at all.
    """
    choice = BackendChoice(failed.backend, failed.device, failed.precision, failed.backend_reason)
    excess = max(1.0, limit_mb / failed.peak_mb) * _SAFETY_FACTOR
    priced = [
        (learns, plan)
        for learns, plan in _price_plans(
            device, architecture, Workload.of_tokens(failed.rows_tokens), failed.rank, choice
        )
        if plan.peak_mb < 0.85 * failed.peak_mb
    ]
    limits = Limits(limit_mb / excess, failed.seconds * 1.5)
    if not _fitting(priced, limits):
        # What autograd needs says nothing of by how much the other back end was mistaken.
        limits = Limits(limit_mb, failed.seconds * 1.5)
        frugal = frugal_choice(device, choice, wish, failed.peak_mb * _SAFETY_FACTOR)
        workload = Workload.of_tokens(failed.rows_tokens)
        priced = (
            list(_price_plans(device, architecture, workload, failed.rank, frugal))
            if frugal
            else []
        )
    try:
        return _pick_plan(priced, limits, device, architecture.layers)
    except TrainingError:
        return None


def workload_of(base: Path, lines: Sequence[dict[str, Any]]) -> tuple[Workload, tuple[str, ...]]:
    """Count the tokens of a dataset's lines as the trainer will.

    Returns:
        Them, and the titles of chats that the model's template refuses: they are left out.

    Raises:
        ModelError: `base` cannot be read, or its template refuses all.
    """
    rows = [row_of(line) for line in lines]
    with Encoder(base) as encoder:
        learnt = encoder.examples([row for row in rows if not row.held_out], _SEQUENCE_LENGTH)
        judged = [row for row in rows if row.held_out]
        held_out = encoder.examples(judged, _SEQUENCE_LENGTH, some=False)
        refused = tuple(encoder.refused)
    # General answers of the base are learnt along.
    replayed = count_replayed(sum(not row.held_out for row in rows))
    workload = Workload(
        sum(map(len, learnt)) + replayed * _REPLAY_TOKENS,
        sum(int((example.weights > 0).sum()) for example in learnt) + replayed * _REPLAY_TARGETS,
        sum(map(len, held_out)),
        sum(int((example.weights > 0).sum()) for example in held_out),
        max(map(len, [*learnt, *held_out]), default=1),
    )
    return workload, refused


def _price_plans(
    device: Hardware,
    architecture: Architecture,
    workload: Workload,
    max_rank: int | None,
    choice: BackendChoice,
) -> Iterator[tuple[float, TrainPlan]]:
    """Every plan of the table with its price, and how much it is expected to learn."""
    wanted = next(
        (b for b in _BATCH_TOKENS if workload.tokens >= _MIN_STEPS * b), _BATCH_TOKENS[-1]
    )
    # Weights that are read anew for each batch take more time, so that is for little memory alone.
    blocks_too = choice.backend == "autograd" and choice.device == "cpu"
    table = product(
        _ADAPTER_SHAPES,
        _EPOCH_VALUE.items(),
        _BATCH_TOKENS,
        (False, True),
        (_SEQUENCE_LENGTH, 256),
        (False, True) if blocks_too else (False,),
    )
    for (shape, size), (epochs, passes), batch, checkpointing, length, blocks in table:
        rank = min(shape.rank, max_rank or shape.rank)
        plan = TrainPlan(
            rank,
            shape.alpha * rank / shape.rank,
            architecture.present_modules(shape.modules),
            shape.layers(architecture.layers),
            batch,
            min(length, architecture.context),
            checkpointing,
            choice.precision,
            epochs,
            LEARNING_RATE,
            device.cores,
            workload.tokens,
            0.0,
            0.0,
            "",
            backend=choice.backend,
            device=choice.device,
            blocks=blocks,
            backend_reason=choice.reason,
        )
        # Other batches than wanted, and rows cut short, teach a little less.
        learns = size * passes * (1.0 if batch == wanted else 0.97)
        learns *= 1.0 if length >= workload.longest or length == _SEQUENCE_LENGTH else 0.95
        yield (
            learns,
            replace(
                plan,
                seconds=predict_seconds(device, architecture, plan, workload),
                peak_mb=predict_peak_mb(device, architecture, plan, workload),
            ),
        )


def _pick_plan(
    priced: Sequence[tuple[float, TrainPlan]], limits: Limits, device: Hardware, layers: int
) -> TrainPlan:
    """Pick the plan that learns the most; `layers`: how many the base has, for the reason."""
    fitting = _fitting(priced, limits)
    if not fitting:
        raise TrainingError(
            f"Training needs at least {format_gigabytes(_least_memory(priced))} of memory, and "
            f"{format_gigabytes(limits.memory_mb)} may be used. Close other programs, "
            "allow more, or choose a smaller model."
        )
    in_time = [(q, plan) for q, plan in fitting if plan.seconds <= limits.deadline_s]
    if in_time:
        _, plan = max(in_time, key=lambda pair: (pair[0], -pair[1].seconds))
    else:
        _, plan = min(fitting, key=lambda pair: pair[1].seconds)
    return replace(plan, reason=_explain(plan, limits, device, layers, in_time=bool(in_time)))


def _fitting(
    priced: Sequence[tuple[float, TrainPlan]], limits: Limits
) -> list[tuple[float, TrainPlan]]:
    return [(q, plan) for q, plan in priced if plan.peak_mb * _SAFETY_FACTOR <= limits.memory_mb]


def _least_memory(priced: Sequence[tuple[float, TrainPlan]]) -> float:
    """Return what has to be free for the smallest plan, 10^6 bytes."""
    return min((plan.peak_mb for _, plan in priced), default=0.0) * _SAFETY_FACTOR


def _explain(
    plan: TrainPlan, limits: Limits, device: Hardware, layers: int, *, in_time: bool
) -> str:
    """Explain the plan in a sentence for a person."""
    memory = (
        f"{format_gigabytes(limits.free_memory_mb)} are free"
        if limits.free_memory_mb is not None
        else f"{format_gigabytes(limits.memory_mb)} may be used"
    )
    deadline = (
        f"you asked for under {format_duration(limits.deadline_s)}"
        if in_time
        else f"no plan takes less than {format_duration(limits.deadline_s)}, which you asked for"
    )
    passes = "one pass" if plan.epochs == 1 else f"{plan.epochs} passes"
    cores = "one core" if device.cores == 1 else f"{device.cores} cores"
    if plan.device != "cpu":
        cores = f"the graphics card ({device.gpu})"
    return (
        f"rank {plan.rank} on {_describe_projections(plan, layers)}, "
        f"{plan.batch_tokens} tokens a batch, {passes}, about {format_duration(plan.seconds)} and "
        f"{format_gigabytes(plan.peak_mb)} on {cores}: {memory} and {deadline}"
    )


def _describe_projections(plan: TrainPlan, layers: int) -> str:
    """Describe the projections: "the v, o and down projections of all 30 layers"."""
    *names, last = (module.removesuffix("_proj") for module in plan.modules)
    projections = (
        f"the {', '.join(names)} and {last} projections" if names else f"the {last} projection"
    )
    which = f"all {layers}" if plan.layers >= layers else f"the upper {plan.layers}"
    return f"{projections} of {which} layers"
