"""Memory of a training process: how much it holds, and the limit at which it stops."""

import ctypes
import math
import sys
from pathlib import Path
from typing import Final

import psutil

from floe.errors import FloeError

LOGITS_BYTES: Final = 25 * 10**6
"""Bytes of logits over the whole vocabulary held at once; the softmax takes their place."""
PREFIX_CACHE_BYTES: Final = 256 * 10**6
"""Bytes of hidden states below the adapters that may be kept for all epochs."""
_MEGABYTE: Final = 10**6
# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


class MemoryLimit(FloeError):
    """The process would have outgrown the memory it may use."""


class MemoryWatch:
    """Stops a process before it passes a limit; None: there is none."""

    def __init__(self, limit_mb: float | None) -> None:
        self._limit = math.inf if limit_mb is None else limit_mb * _MEGABYTE
        self._process = psutil.Process()

    def __call__(self, pending_bytes: int = 0) -> None:
        """See that `pending_bytes` more bytes stay within the limit.

        Raises:
            MemoryLimit: they would not.
        """
        if self._process.memory_info().rss + pending_bytes > self._limit:
            raise MemoryLimit(
                f"Training would need more than the {self._limit / _MEGABYTE:,.0f} MB it may use. "
                "A smaller plan will do with less."
            )


def rss_mb() -> float:
    """Return the memory this process holds now, in 10^6 bytes."""
    return float(psutil.Process().memory_info().rss) / _MEGABYTE


def peak_rss_mb() -> float:
    """Return the most memory this process ever held, in 10^6 bytes.

    On Linux from /proc: what `getrusage` tells there counts the process that started this one,
    too, and an app with models in memory is larger than its trainer.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return round(int(line.split()[1]) * 1024 / _MEGABYTE, 1)
    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if peak is None:
        import resource  # noqa: PLC0415 - Unix alone has it

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return round(peak / _MEGABYTE, 1)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next tensor of that size.

    By default it gives large blocks back and has the kernel hand out, and clear, new ones a
    moment later: 8 % of the time of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


def release_freed_memory() -> None:
    """Give back what glibc was told to keep: another program part of this process needs it now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
