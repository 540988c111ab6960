"""Whether a model fits this device, and about how fast it will write, before it is fetched."""

from dataclasses import dataclass
from typing import Final, Literal

from floe.llama.free_memory import FreeMemory
from floe.units import format_gigabytes

FitVerdict = Literal["fits", "tight", "does not fit"]

BUFFER_MB: Final = 150
"""llama.cpp's buffers for a batch, 10^6 bytes."""
_UNKNOWN_CACHE_MB: Final = 450
"""The KV cache of a model of which only the file's size is known: what today's models of 0.6 to
4 billion parameters take at 4,096 tokens (110 to 604 MB in the catalog), rather more than less."""
_EASY: Final = 1.25
"""A model fits without care where so many times its need is free."""
_LIMITED_MB: Final = 400


@dataclass(frozen=True, slots=True)
class DeviceFit:
    """The verdict, and the reason in words."""

    verdict: FitVerdict
    sentence: str


def guess_memory_mb(size: int) -> float:
    """Guess what a file of `size` bytes needs whose layers are not known, 10^6 bytes."""
    return size / 1e6 + _UNKNOWN_CACHE_MB + BUFFER_MB


def judge_fit(memory_mb: float, size: int, free: FreeMemory) -> DeviceFit:
    """Compare what a model needs with what is free.

    Args:
        memory_mb: weights, KV cache and buffers, 10^6 bytes.
        size: of the file, bytes.
        free: now, and whose limit that is.
    """
    if free.limit:
        # As the loader does: where a limit is hit inside llama.cpp, it ends the process.
        memory_mb = max(memory_mb, 2 * size / 1e6 + _LIMITED_MB)
    there = free.bytes / 1e6
    verdict: FitVerdict = (
        "fits" if there >= _EASY * memory_mb else "tight" if there >= memory_mb else "does not fit"
    )
    within = f" within {free.limit}" if free.limit else ""
    return DeviceFit(
        verdict,
        f"needs about {format_gigabytes(memory_mb)}, {format_gigabytes(there)} are free{within}",
    )


def guess_speed(size: int, known_size: int, known_seconds: float) -> float:
    """Guess tokens per second from another model that was timed on this device.

    Writing a token reads every weight once, so that time goes with the size of the file.

    Args:
        size: of the file, bytes.
        known_size: of the timed model's file, bytes.
        known_seconds: it took for a token.
    """
    return known_size / (known_seconds * max(size, 1))
