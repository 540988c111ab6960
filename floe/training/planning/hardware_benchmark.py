"""Speed of this device's matrix products; run as a module, it prints JSON.

A process of its own, because the app itself never loads torch.
"""

import json
import sys
import time
from functools import partial
from typing import Final

_BEGAN = time.perf_counter()

import torch  # noqa: E402 - the time that this takes is a part of what is measured

from floe.training.backends.cpu.prepacked_linear import PrepackedLinear  # noqa: E402

_SIZE: Final = 1024
_SECONDS: Final = 0.4


def gflops(dtype: torch.dtype) -> float:
    """Return the best speed of products of two square matrices, in 10^9 operations a second.

    Of a plain one and of one that was laid out for it, whichever is the faster here.
    """
    a = torch.randn(_SIZE, _SIZE).to(dtype)
    b = torch.randn(_SIZE, _SIZE).to(dtype)
    frozen = PrepackedLinear(b)
    best = float("inf")
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        for multiply in (partial(torch.mm, a, b), partial(frozen.forward, a)):
            began = time.perf_counter()
            multiply()
            best = min(best, time.perf_counter() - began)
    return 2 * _SIZE**3 / best / 1e9


def main() -> None:
    """Print what was found."""
    load_seconds = time.perf_counter() - _BEGAN
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    json.dump(
        {
            "float32_gflops": gflops(torch.float32),
            "bfloat16_gflops": gflops(torch.bfloat16),
            "load_seconds": load_seconds,
            "gpu": gpu,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
