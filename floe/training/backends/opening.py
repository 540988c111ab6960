"""Opens the back end that a plan names. transformers and peft are loaded for their own alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Union

import torch

from floe.adapters.architecture import Architecture
from floe.adapters.export import rank_of
from floe.adapters.lora_factors import Factors
from floe.errors import ModelError
from floe.records import Precision, TrainPlan
from floe.training.backends.backend import TrainingBackend
from floe.training.backends.cpu.base_weights import BaseWeights, read_base_weights
from floe.training.backends.cpu.cpu_backend import CpuBackend
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork

if TYPE_CHECKING:
    from floe.training.backends.autograd.decoder import FrozenDecoder

TrainingBase = Union[BaseWeights, "FrozenDecoder"]
"""A frozen base, of either back end."""
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def dtype_of(precision: Precision) -> torch.dtype:
    """Torch's name for a precision."""
    return _DTYPES[precision]


def read_base(
    path: Path, plan: TrainPlan, watch: Callable[[int], None] = lambda _: None
) -> TrainingBase:
    """Load the base model as the plan's back end needs it.

    Args:
        path: a GGUF.
        plan: its back end, device, precision and kind of weights count.
        watch: told before each tensor how many bytes it takes; what it raises ends the loading.

    Raises:
        ModelError: it is no GGUF, broken, or of a kind that this back end cannot train; or there is
            no such device.
    """
    if plan.backend == "cpu":
        return read_base_weights(path, dtype_of(plan.precision), watch)
    from floe.training.backends.autograd.autograd_backend import torch_device  # noqa: PLC0415
    from floe.training.backends.autograd.decoder import read_decoder  # noqa: PLC0415

    return read_decoder(
        path,
        dtype_of(plan.precision),
        torch_device(plan.device),
        blocks=plan.blocks,
        on_tensor=watch,
    )


def build_backend(
    base: TrainingBase,
    plan: TrainPlan,
    *,
    seed: int,
    start: tuple[Factors, float] | None = None,
    watch: Callable[[int], None] = lambda _: None,
) -> TrainingBackend:
    """Put the plan's adapter on a base.

    Args:
        base: from `read_base`, for this plan.
        plan: the adapter's shape.
        seed: of its first factors.
        start: factors and their alpha to go on from; of any rank.
        watch: told before each layer how many bytes it takes.

    Raises:
        ModelError: `start` is not an adapter for this base.
    """
    backend: TrainingBackend
    if isinstance(base, BaseWeights):
        lora = Lora(
            base.architecture,
            rank=plan.rank,
            alpha=plan.alpha,
            modules=plan.modules,
            layers=plan.layers,
            dtype=base.dtype,
            seed=seed,
        )
        backend = CpuBackend(LoraNetwork(base, lora, watch), plan.batch_tokens, plan.threads)
    else:
        from floe.training.backends.autograd.autograd_backend import (  # noqa: PLC0415
            AutogradBackend,
        )

        backend = AutogradBackend(
            base,
            rank=plan.rank,
            alpha=plan.alpha,
            modules=plan.modules,
            layers=plan.layers,
            batch_tokens=plan.batch_tokens,
            seed=seed,
            watch=watch,
        )
    if start is not None:
        factors, alpha = start
        _check_adapter_shapes(factors, base.architecture)
        scale = (alpha / rank_of(factors)) / (plan.alpha / plan.rank)
        backend.load({name: (a, b * scale) for name, (a, b) in factors.items()})
    return backend


def _check_adapter_shapes(factors: Factors, architecture: Architecture) -> None:
    for name, (a, b) in factors.items():
        layer, module = int(name.split(".")[2]), name.rsplit(".", 1)[1]
        if (
            layer >= architecture.layers
            or module not in architecture.modules
            or (b.shape[0], a.shape[1]) != architecture.module_shape(module)
        ):
            raise ModelError(
                "The adapter to go on from was made for another model. Start from scratch."
            )
