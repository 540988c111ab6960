"""Which back end trains, on which device and in which precision, and why."""

from dataclasses import dataclass
from typing import Final

from floe.adapters.architecture import Architecture
from floe.errors import TrainingError
from floe.records import BackendKind, Precision
from floe.training.planning.hardware import Hardware
from floe.units import format_gigabytes

DEVICES: Final = ("cpu", "cuda", "mps", "xpu")
"""Torch's names of the devices that can be asked for."""
_GPU_MEMORY_SHARE: Final = 0.85
"""Of a graphics card's memory: the desktop and torch itself have the rest."""


@dataclass(frozen=True, slots=True)
class BackendWish:
    """Back end and device that the person asked for; None: whatever is best."""

    backend: BackendKind | None = None
    device: str | None = None


ANY_BACKEND: Final = BackendWish()


@dataclass(frozen=True, slots=True)
class BackendChoice:
    """The choice; `memory_mb` (10^6 bytes): of the graphics card, None on the processor."""

    backend: BackendKind
    device: str
    precision: Precision
    reason: str
    memory_mb: float | None = None


def choose_backend(
    hardware: Hardware, architecture: Architecture, wish: BackendWish = ANY_BACKEND
) -> BackendChoice:
    """Choose the graphics card if there is one, else hand-written passes where they can be used.

    Raises:
        TrainingError: what was asked for cannot be had, with the reason.
    """
    device = wish.device or _best_device(hardware, wish)
    if device not in ("cpu", hardware.gpu_kind):
        there = hardware.gpu or "none but the processor"
        raise TrainingError(
            f"There is no device of the kind “{device}” that torch can use here; it sees {there}. "
            "Choose another device."
        )
    if wish.backend == "cpu" and device != "cpu":
        raise TrainingError(
            "The cpu back end runs on the processor alone. Choose that device, or the autograd "
            "back end."
        )
    if wish.backend == "cpu" and architecture.slow_reason:
        raise TrainingError(
            f"The cpu back end cannot be used: {architecture.slow_reason}. Choose the autograd "
            "back end, or leave the choice to Floe."
        )
    if device != "cpu":
        precision: Precision = "bfloat16" if hardware.gpu_bfloat16 else "float16"
        reason = f"It trains on the graphics card ({hardware.gpu})."
        memory = hardware.gpu_memory_mb * _GPU_MEMORY_SHARE
        return BackendChoice("autograd", device, precision, reason, memory)
    if wish.backend == "autograd":
        reason = "It trains on the processor in the general way, as you asked."
        return BackendChoice("autograd", "cpu", hardware.precision, reason)
    if architecture.slow_reason:
        reason = (
            f"It trains on the processor in the general way, because {architecture.slow_reason}."
        )
        return BackendChoice("autograd", "cpu", hardware.precision, reason)
    reason = "It trains on the processor, in the quicker way that this kind of model allows."
    return BackendChoice("cpu", "cpu", hardware.precision, reason)


def frugal_choice(
    hardware: Hardware, choice: BackendChoice, wish: BackendWish, least_mb: float
) -> BackendChoice | None:
    """Choose what does with less memory than `choice`, for which there is too little.

    The hand-written passes need their weights dense; autograd leaves them in the file's blocks.

    Args:
        hardware: what was measured.
        choice: no plan of it fits.
        wish: what was asked for; None of the kind leaves it free.
        least_mb: what the smallest plan of `choice` needs, 10^6 bytes.

    Returns:
        Another choice, or None if there is none.
    """
    if choice.backend != "cpu" or wish.backend is not None:
        return None
    reason = (
        "It trains on the processor in the general way, because the quicker way needs "
        f"{format_gigabytes(least_mb)} of memory."
    )
    return BackendChoice("autograd", "cpu", hardware.precision, reason)


def _best_device(hardware: Hardware, wish: BackendWish) -> str:
    return hardware.gpu_kind if hardware.gpu_kind and wish.backend != "cpu" else "cpu"
