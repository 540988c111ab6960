"""Freed memory goes back, whatever was freed before."""

import ctypes
import platform
import sys
from pathlib import Path

import pytest

from floe.llama.malloc_limits import limit_malloc

SIZE = 6 * 2**20


def mapped(address: int) -> bool:
    """Whether the address is in any mapping of this process."""
    with Path("/proc/self/maps").open() as lines:
        for line in lines:
            first, _, last = line.split()[0].partition("-")
            if int(first, 16) <= address < int(last, 16):
                return True
    return False


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc",
    reason="other C libraries have no such thresholds",
)
def test_a_large_block_goes_back_even_after_a_larger_one_was_freed() -> None:
    assert limit_malloc()
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free(libc.malloc(4 * SIZE))  # glibc's own threshold would be that high from here on
    block = libc.malloc(SIZE)
    small = libc.malloc(64)  # would keep the heap from shrinking
    last = block + SIZE - 1
    assert mapped(last)
    libc.free(block)
    assert not mapped(last)
    libc.free(small)
