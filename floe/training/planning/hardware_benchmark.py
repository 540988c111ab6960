"""Speed of this device's matrix products; run as a module, it prints JSON.

A process of its own, because the app itself never loads torch. What it finds is kept for good, so
it must not depend on who else is busy meanwhile: large products alone, timed by the clock for as
long as on a quiet machine, came out six times too slow on a busy one.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

_BEGAN = time.process_time()

import torch  # noqa: E402 - the time that this takes is a part of what is measured

from floe.training.backends.cpu.prepacked_linear import PrepackedLinear  # noqa: E402

_SIZE: Final = 1024
_SIZES: Final = (_SIZE, _SIZE // 2, 3 * _SIZE // 8)
"""The smaller ones are over before another program gets a core, and are about as fast."""
_SECONDS: Final = 0.6
_QUIET_SHARE: Final = 0.85
"""Of the time that all threads could have had; the rest was taken by others."""


def accelerator() -> dict[str, Any]:
    """Describe the graphics card that torch can train on, with its speed; nothing without one."""
    if torch.cuda.is_available():
        kind, name = "cuda", torch.cuda.get_device_name(0)
        memory, halves = torch.cuda.mem_get_info(0)[1], torch.cuda.is_bf16_supported()
    elif torch.backends.mps.is_available():
        kind, name = "mps", "Apple GPU"
        memory, halves = torch.mps.recommended_max_memory(), True
    elif torch.xpu.is_available():
        kind, name = "xpu", torch.xpu.get_device_name(0)
        memory, halves = torch.xpu.get_device_properties(0).total_memory, True
    else:
        return {}
    dtype = torch.bfloat16 if halves else torch.float16
    return {
        "gpu": name,
        "gpu_kind": kind,
        "gpu_memory_mb": memory / 1e6,
        "gpu_bfloat16": halves,
        "gpu_gflops": accelerator_gflops(torch.device(kind), dtype),
    }


def accelerator_gflops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the speed of products of two square matrices there, in 10^9 operations a second."""
    size = 4 * _SIZE
    a = torch.randn(size, size, device=device).to(dtype)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(a, a)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def gflops(dtype: torch.dtype) -> float:
    """Return the best speed of products of two square matrices, in 10^9 operations a second.

    Of a plain one and of one that was laid out for it, whichever is the faster here. Where others
    take the cores away meanwhile, that of one thread by its own clock counts for each of them.
    """
    threads = torch.get_num_threads()
    began, own = time.perf_counter(), time.process_time()
    best = _best_gflops(dtype, time.perf_counter)
    share = (time.process_time() - own) / (time.perf_counter() - began) / threads
    if share > _QUIET_SHARE:
        return best
    torch.set_num_threads(1)
    alone = _best_gflops(dtype, time.thread_time)
    torch.set_num_threads(threads)
    return max(best, alone * threads)


def _best_gflops(dtype: torch.dtype, clock: Callable[[], float]) -> float:
    products = []
    for size in _SIZES:
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        frozen = PrepackedLinear(b)
        products += [(size, partial(torch.mm, a, b)), (size, partial(frozen.forward, a))]
    best = 0.0
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        for size, multiply in products:
            began = clock()
            multiply()
            took = clock() - began
            if took > 0:  # some clocks are coarse
                best = max(best, 2 * size**3 / took / 1e9)
    return best


def main() -> None:
    """Print what was found."""
    load_seconds = time.process_time() - _BEGAN
    json.dump(
        {
            "float32_gflops": gflops(torch.float32),
            "bfloat16_gflops": gflops(torch.bfloat16),
            "load_seconds": load_seconds,
            **accelerator(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
