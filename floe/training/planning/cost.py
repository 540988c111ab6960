"""Cost model: seconds and peak memory of a plan on a device, predicted from its work.

Both are sums of kinds of work, each counted from the sizes of the base model and the plan, times a
constant. The constants below are those of one machine; `plan calibrate` fits them to
another by non-negative least squares of the relative error. Matrix products are
counted in seconds at the measured peak, so that even without that the speed of the device is
accounted for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import KEPT_TOKENS, PROJECTION_GROUPS
from floe.records import TrainPlan
from floe.training.adapter_scale import CANDIDATE_SCALES
from floe.training.data.packing import BIN_TOKENS, STRETCH, replica_count
from floe.training.memory_limit import LOGITS_BYTES, PREFIX_CACHE_BYTES
from floe.training.planning.hardware import Hardware

_GENERAL_TOKENS: Final = 1850
_GENERAL_TARGETS: Final = 1065
"""Size of `data/general.jsonl`, by which the adapter's scale is chosen."""
_GENERAL_SCALES: Final = 3
"""Scales at which it is usually looked at: the choice begins where the person loses nothing yet,
and ends where other text loses little."""

TIME_FACTORS: Final[dict[str, float]] = {
    "start": 4.4, "load": 0.75, "layers": 1.2, "head": 1.2, "factors": 0.343,
}  # fmt: skip
"""Layers and head are in measured seconds, of which a run takes a little more, because its batches
are of many lengths: by one run of Qwen2.5-Coder-0.5B. The others were fitted to ten runs of
SmolLM2-135M on another machine, loading to Qwen2.5-Coder-0.5B."""
MEMORY_FACTORS: Final[dict[str, float]] = {
    "process": 1.0, "weights": 1.0, "kept": 0.97, "passing": 4.6, "adapter": 3.9, "variety": 0.5,
}  # fmt: skip
"""Such that none of fourteen runs of SmolLM2-135M and three of Qwen2.5-Coder-0.5B took more, and
the largest excess is least: a person relies on it. The weights are those that there are."""


_PREFIX_COST: Final = 1.45
"""By how much longer a layer takes where all threads read one batch through it, once for all
epochs: by the run of Qwen2.5-Coder-0.5B that the factor of layers comes from."""
_SCORE_PASSES: Final = 1.5
"""Times that a score of the longest row counts as a number that passes through a layer: most rows
are shorter."""

AUTOGRAD_TIME_FACTORS: Final[dict[str, float]] = {
    "start": 6.0, "load": 0.79, "layers": 3.1, "head": 1.2, "products": 1.09, "factors": 1.0,
    "attention": 1.92, "values": 2.47, "calls": 0.0, "blocks": 1.45,
}  # fmt: skip
"""Fitted to CPU seconds of six runs of SmolLM2-135M and Qwen2.5-Coder-0.5B on one thread, but for
the layers on a processor: SmolLM2 learnt 50 tokens a second so, and 131 by hand-written passes."""
AUTOGRAD_MEMORY_FACTORS: Final[dict[str, float]] = {
    "process": 0.9, "weights": 1.0, "kept": 1.31, "inputs": 1.0, "passing": 1.56,
    "adapter": 0.75, "variety": 1.05,
}  # fmt: skip
"""As `MEMORY_FACTORS`, such that none of nine runs of these two took more."""
_AUTOGRAD_PROCESS_MB: Final = 620.0
"""Of torch, transformers and peft."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Rows to learn and to measure, in tokens.

    `targets`: those of `tokens` that are learnt; `held_out`, `held_out_targets` likewise;
    `longest`: tokens of the longest row. `taken`: share of the general text that the adapter will
    act on, by the kind of its questions; half of it with chats of people.
    """

    tokens: int
    targets: int
    held_out: int
    held_out_targets: int
    longest: int
    taken: float = 0.5

    @classmethod
    def of_tokens(cls, tokens: int) -> "Workload":
        """Assume the usual proportions, where no more than the number of tokens is known."""
        return cls(tokens, tokens * 3 // 4, tokens // 4, tokens * 3 // 16, 256)


def predict_seconds(
    device: Hardware, architecture: Architecture, plan: TrainPlan, workload: Workload
) -> float:
    """From the start of the trainer to its end, every epoch used."""
    work = time_work(device, architecture, plan, workload)
    if plan.backend == "autograd":
        return _weighted_sum(work, AUTOGRAD_TIME_FACTORS, {})
    return _weighted_sum(work, TIME_FACTORS, device.time_factors)


def predict_peak_mb(
    device: Hardware, architecture: Architecture, plan: TrainPlan, workload: Workload
) -> float:
    """Predict the peak memory of the trainer's process, 10^6 bytes."""
    work = memory_work(architecture, plan, workload)
    if plan.backend == "autograd":
        return _weighted_sum(work, AUTOGRAD_MEMORY_FACTORS, {})
    return _weighted_sum(work, MEMORY_FACTORS, device.memory_factors)


def _weighted_sum(
    work: Mapping[str, float], usual: Mapping[str, float], fitted: Mapping[str, float]
) -> float:
    # What was fitted by an earlier version knows fewer kinds.
    factors = {**usual, **fitted}
    return sum(amount * factors[kind] for kind, amount in work.items())


def time_work(
    device: Hardware, architecture: Architecture, plan: TrainPlan, workload: Workload
) -> dict[str, float]:
    """Kinds of work that take time.

    Returns:
        `start`: seconds until torch is there; `load`: 10^8 parameters to read;
        `factors`: operations with the adapter's factors in seconds at the measured peak.
        On the processor `layers` and `head`: seconds at the speed of such layers here, and of
        weights in blocks `blocks`: 10^9 numbers for each core that are read from them.
        On a graphics card `products`, `attention`: operations with the base's weights and within
        attention, in seconds at the measured peak; `values`: 10^9 numbers for each core that pass
        through the rest of a layer; `calls`: 10^3 layers.
    """
    peak = (device.gflops(plan.precision) if plan.device == "cpu" else device.gpu_gflops) * 1e9
    layers, total = min(plan.layers, architecture.layers), architecture.layers
    weights = count_layer_parameters(architecture)
    # All scales count for the held-out rows, although the choice often ends before the smallest;
    # but the loss at full strength is known. General text is read whole once, without the adapter.
    evaluations = plan.epochs + len(CANDIDATE_SCALES)
    general = 1 + workload.taken * _GENERAL_SCALES
    evaluated = workload.held_out * evaluations + _GENERAL_TOKENS * general
    # Tokens times layers: passes without and with a gradient, counted in forward passes.
    below: float
    if _prefix_is_cached(architecture, plan, workload):
        below = (workload.tokens + workload.held_out + _GENERAL_TOKENS) * _PREFIX_COST
    else:
        below = workload.tokens * plan.epochs + evaluated
    forward_only = evaluated * layers
    learnt = workload.tokens * plan.epochs * layers * (3 if plan.checkpointing else 2)
    passes = below * (total - layers) + forward_only + learnt
    head = architecture.hidden * architecture.vocabulary
    rows = workload.held_out_targets * evaluations + _GENERAL_TARGETS * general
    autograd = plan.backend == "autograd"
    # Autograd computes the head once more before it goes back.
    rows += (3 if autograd else 2) * workload.targets * plan.epochs
    factors = _count_factors(architecture, plan) / layers * (forward_only + 1.5 * learnt)
    found = {
        "start": device.load_seconds,
        "load": _count_parameters(architecture) / 1e8,
        # A gradient of the factors costs as much as one of the inputs.
        "factors": 2 * factors / peak,
    }
    numbers = count_layer_values(architecture)
    # Autograd reads a whole batch as one sequence, and masks what does not belong together.
    length = _batch_length(plan, workload) if autograd else _bin_length(plan, workload)
    steps = _count_steps(plan, workload)
    if plan.device == "cpu":
        speed = device.speed(plan.precision)
        # Where more tokens than in the usual bin are read together, each has more scores.
        scores = _SCORE_PASSES * architecture.heads * max(0, length - BIN_TOKENS)
        found |= {
            "layers": passes * speed.layer_seconds(numbers) * (1 + scores / numbers),
            "head": rows * head / 1e9 * speed.head,
        }
        if plan.blocks:
            # Each batch reads all blocks for each pass; a gradient stops at the lowest adapter.
            backward = layers * (2 if plan.checkpointing else 1)
            read: float = steps * (weights * (total + backward) + 2 * head)
            read += evaluated / plan.batch_tokens * (weights * total + head)
            found["blocks"] = read / 1e9 / device.cores
        return found
    queries = architecture.heads * architecture.head_size
    calls = passes / plan.batch_tokens + steps * layers
    return found | {
        "products": 2 * (passes * weights + rows * head) / peak,
        "attention": 4 * length * queries * passes / peak,
        "values": (passes * numbers + rows * architecture.vocabulary) / 1e9 / device.cores,
        "calls": calls / 1e3,
    }


def memory_work(
    architecture: Architecture, plan: TrainPlan, workload: Workload
) -> dict[str, float]:
    """Kinds of memory, 10^6 bytes.

    Returns:
        `process`: the libraries; `weights`: of the base, as they are laid out; `kept`: what a
        backward pass needs of all layers, and what the frozen layers made of the rows; `passing`:
        within one layer and the head; `adapter`: factors, gradient and the optimiser's state;
        `variety`: what the allocator and the kernels' caches keep of batches of ever new lengths,
        which grows slowly.
    """
    size = 4 if plan.precision == "float32" else 2
    layers = min(plan.layers, architecture.layers)
    if plan.backend == "autograd":
        return _autograd_memory(architecture, plan, workload, size)
    replicas = replica_count(plan.batch_tokens, plan.threads)
    longest = _longest_row(plan, workload)
    stretched = min(STRETCH * plan.batch_tokens, replicas * longest)
    tokens = min(max(plan.batch_tokens, longest, stretched), workload.tokens)
    length = _bin_length(plan, workload)
    queries = architecture.heads * architecture.head_size
    keys = architecture.kv_heads * architecture.head_size
    inside = (
        3 * architecture.hidden
        + 2 * queries
        + 2 * keys
        + (4 if tokens / replicas <= KEPT_TOKENS else 2) * architecture.intermediate
        + architecture.heads * length
    )
    frozen_prefix = (workload.tokens + workload.held_out) * architecture.hidden * size
    kept = tokens * (architecture.hidden if plan.checkpointing else inside) * layers * size
    if _prefix_is_cached(architecture, plan, workload):
        kept += frozen_prefix
    return {
        "process": 300.0,
        "weights": _count_prepacked(architecture, layers) * size / 1e6,
        "kept": kept / 1e6,
        "passing": (tokens * inside * size + replicas * LOGITS_BYTES) / 1e6,
        "adapter": _count_factors(architecture, plan) * 32 / 1e6,
        "variety": 50 * math.log2(1 + _count_steps(plan, workload)),
    }


def _autograd_memory(
    architecture: Architecture, plan: TrainPlan, workload: Workload, size: int
) -> dict[str, float]:
    """Kinds of memory, 10^6 bytes; of the graphics card where one trains."""
    a = architecture
    layers = min(plan.layers, a.layers)
    tokens = _batch_length(plan, workload)
    inside = 6 * a.hidden + 4 * (a.heads + a.kv_heads) * a.head_size + 4 * a.intermediate
    if a.kind == "gemma2":
        inside += 3 * a.heads * tokens  # eager attention keeps its scores
    dense = not plan.blocks
    return {
        "process": _AUTOGRAD_PROCESS_MB if plan.device == "cpu" else 0.0,
        "weights": (_count_parameters(a) * size if dense else a.file_bytes) / 1e6,
        "kept": 0.0 if plan.checkpointing else tokens * inside * layers * size / 1e6,
        "inputs": tokens * a.hidden * layers * size / 1e6 if plan.checkpointing else 0.0,
        "passing": (tokens * inside * size + LOGITS_BYTES) / 1e6,
        "adapter": _count_plain_factors(a, plan) * 24 / 1e6,
        "variety": 50 * math.log2(1 + _count_steps(plan, workload)),
    }


def _count_plain_factors(architecture: Architecture, plan: TrainPlan) -> int:
    used = architecture.present_modules(plan.modules)
    sizes = sum(sum(architecture.module_shape(module)) for module in used)
    return plan.rank * sizes * min(plan.layers, architecture.layers)


def _count_steps(plan: TrainPlan, workload: Workload) -> int:
    return math.ceil(workload.tokens / plan.batch_tokens) * plan.epochs


def _longest_row(plan: TrainPlan, workload: Workload) -> int:
    return min(workload.longest, plan.sequence_length)


def _batch_length(plan: TrainPlan, workload: Workload) -> int:
    return min(max(plan.batch_tokens, _longest_row(plan, workload)), workload.tokens)


def _bin_length(plan: TrainPlan, workload: Workload) -> int:
    """Tokens of a usual bin: an attention matrix is as wide as that."""
    return max(min(BIN_TOKENS, workload.tokens), _longest_row(plan, workload))


def _prefix_is_cached(architecture: Architecture, plan: TrainPlan, workload: Workload) -> bool:
    size = 4 if plan.precision == "float32" else 2
    return (
        plan.backend == "cpu"
        and plan.layers < architecture.layers
        and (workload.tokens * architecture.hidden * size <= PREFIX_CACHE_BYTES)
    )


def count_layer_parameters(architecture: Architecture) -> int:
    """Count the numbers in the projections of a layer."""
    return sum(math.prod(architecture.module_shape(module)) for module in architecture.modules)


def count_layer_values(architecture: Architecture) -> int:
    """Count the numbers that pass through the rest of a layer for each token."""
    queries = architecture.heads * architecture.head_size
    return 4 * architecture.hidden + 2 * queries + 5 * architecture.intermediate


def _count_parameters(architecture: Architecture) -> int:
    tables = 2 if architecture.own_head else 1
    return (
        architecture.layers * count_layer_parameters(architecture)
        + tables * architecture.vocabulary * architecture.hidden
    )


def _count_prepacked(architecture: Architecture, layers: int) -> int:
    """Numbers of the base in memory: a matrix that gradients pass through is there twice."""
    matrices = count_layer_parameters(architecture) * (architecture.layers + layers)
    return matrices + 3 * architecture.vocabulary * architecture.hidden


def _count_factors(architecture: Architecture, plan: TrainPlan) -> int:
    """Numbers in all factors, zeros of the block-diagonal ones included."""
    total = 0
    for group in PROJECTION_GROUPS.values():
        used = sum(module in plan.modules for module in group)
        if used:
            inputs = architecture.module_shape(group[0])[1]
            outputs = sum(architecture.module_shape(module)[0] for module in group)
            total += plan.rank * used * (inputs + outputs)
    return total * min(plan.layers, architecture.layers)
