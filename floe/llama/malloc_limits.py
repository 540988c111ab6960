"""Limits of the C library's allocator, so that the memory of freed buffers goes back."""

import ctypes
import sys
from functools import cache
from typing import Final

_MMAP_THRESHOLD: Final = 3 * 2**20
"""Bytes from which on a block has pages of its own, which go back as soon as it is freed.

Above the arrays that each token takes: a vocabulary of 262,000 in float64 has 2 MB, and pages
that come and go cost more than the arithmetic on them.
"""
_TRIM_THRESHOLD: Final = 8 * 2**20
"""Free bytes at the heap's end from which on they go back."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


@cache
def limit_malloc() -> bool:
    """Fix glibc's thresholds, for the whole process.

    Left alone, glibc raises its threshold to the size of the largest block that was ever freed
    (mallopt(3)). The buffers of a llama.cpp context, up to tens of MB, come from the heap from
    then on, small blocks settle behind them, and what an adapter or a trial had taken is kept
    for good: 11 % of the memory after a dozen changes of adapters (SmolLM2-135M).

    Returns:
        Whether it was done: other C libraries have no such thresholds.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    done = mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
    return bool(done and mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD))
