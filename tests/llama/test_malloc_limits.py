"""Freed memory goes back, whatever was freed before."""

import platform
import subprocess
import sys
from typing import Final

import pytest

FREEING: Final = """
import ctypes
from pathlib import Path

from floe.llama.malloc_limits import limit_malloc

SIZE = 6 * 2**20

def mapped(address):
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, _, last = line.split()[0].partition("-")
        if int(first, 16) <= address < int(last, 16):
            return True
    return False

assert limit_malloc()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.free(libc.malloc(4 * SIZE))  # glibc's own threshold would be that high from here on
block = libc.malloc(SIZE)
small = libc.malloc(64)  # would keep the heap from shrinking
last = block + SIZE - 1
before = mapped(last)
libc.free(block)
print(before, mapped(last))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc",
    reason="other C libraries have no such thresholds",
)
def test_a_large_block_goes_back_even_after_a_larger_one_was_freed() -> None:
    # In a process of its own: a heap that other tests have used may have a hole of that size.
    done = subprocess.run(
        [sys.executable, "-c", FREEING], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
