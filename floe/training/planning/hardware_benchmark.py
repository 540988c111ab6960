"""Speed of this device's matrix products; run as a module, it prints JSON.

A process of its own, because the app itself never loads torch. What it finds is kept for good, so
it must not depend on who else is busy meanwhile: large products alone, timed by the clock for as
long as on a quiet machine, came out six times too slow on a busy one.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

_BEGAN = time.process_time()

import torch  # noqa: E402 - the time that this takes is a part of what is measured

_LOAD_SECONDS: Final = time.process_time() - _BEGAN

import numpy as np  # noqa: E402

from floe.adapters.architecture import Architecture  # noqa: E402
from floe.adapters.lora_defaults import DEFAULT_SHAPE  # noqa: E402
from floe.training.backends.cpu.base_weights import assemble  # noqa: E402
from floe.training.backends.cpu.lora_parameters import Lora  # noqa: E402
from floe.training.backends.cpu.network import LoraNetwork  # noqa: E402
from floe.training.backends.cpu.prepacked_linear import PrepackedLinear  # noqa: E402
from floe.training.data.packing import Example  # noqa: E402
from floe.training.planning.cost import count_layer_values  # noqa: E402

_SIZE: Final = 1024
_SIZES: Final = (_SIZE, _SIZE // 2, 3 * _SIZE // 8)
"""The smaller ones are over before another program gets a core, and are about as fast."""
_SECONDS: Final = 0.6
_LAYER_SECONDS: Final = 0.5
_LAYER_ROWS: Final = (150, 106)
"""Tokens of the rows that one thread learns at once."""
_SHAPES: Final = (
    Architecture("llama", 3, 576, 9, 3, 64, 1536, 512, 512, 1e4, 1e-5),
    Architecture("llama", 2, 896, 14, 2, 64, 4864, 512, 512, 1e4, 1e-5),
    Architecture("llama", 1, 1536, 12, 2, 128, 8960, 512, 512, 1e4, 1e-5),
)
"""Layers of models with 135 M, 0.5 B and 1.5 B parameters, of which no cache holds the weights."""
_HEAD: Final = (32_768, 896)
_HEAD_ROWS: Final = 128
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


def training_speed(dtype: torch.dtype) -> dict[str, object]:
    """Return the speed at which layers are learnt, as `TrainingSpeed` holds it.

    From passes through layers of several sizes, by all threads at once, each by its own clock: the
    peak of products says little where a processor has units for these, since norms, attention and
    activations are no quicker there, and the weights come from memory.
    """
    threads = torch.get_num_threads()
    return {
        "layers": [
            [count_layer_values(shape), _layer_seconds(shape, dtype) / threads] for shape in _SHAPES
        ],
        "head": _head_seconds(dtype) / threads,
    }


def _head_seconds(dtype: torch.dtype) -> float:
    """Return the seconds of a thread for a token and 10^9 numbers of the head."""
    head = PrepackedLinear(torch.full(_HEAD, 1 / _HEAD[1], dtype=dtype))
    rows = torch.full((_HEAD_ROWS, _HEAD[1]), 1.0, dtype=dtype)

    def read(_thread: int) -> None:
        logits = head.forward(rows)
        torch.softmax(logits, dim=-1, out=logits)

    return _best_seconds(read) / _HEAD_ROWS / (_HEAD[0] * _HEAD[1]) * 1e9


def _best_seconds(function: Callable[[int], object]) -> float:
    """Return the least time of a thread, while each does the same by its number."""
    threads = torch.get_num_threads()

    def best(thread: int) -> float:
        found = float("inf")
        until = time.perf_counter() + _LAYER_SECONDS
        while time.perf_counter() < until:
            began = time.thread_time()
            function(thread)
            found = min(found, time.thread_time() - began)
        return found

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return sum(pool.map(best, range(threads))) / threads


def _layer_seconds(shape: Architecture, dtype: torch.dtype) -> float:
    """Return the seconds of a thread for a token in a layer in one direction."""
    threads = torch.get_num_threads()
    sizes = {f"{name}.weight": shape.module_shape(name) for name in shape.modules}
    sizes |= {"embed_tokens.weight": (shape.vocabulary, shape.hidden)}

    def read(name: str) -> torch.Tensor | None:
        if name.startswith("lm_head") or name.endswith(("bias", "rope_factors.weight")):
            return None
        size = sizes.get(".".join(name.split(".")[-2:]), (shape.hidden,))
        return torch.full(size, 1 / shape.hidden, dtype=dtype)

    base = assemble(shape, read)
    lora = Lora(
        shape,
        rank=DEFAULT_SHAPE.rank,
        alpha=DEFAULT_SHAPE.alpha,
        modules=DEFAULT_SHAPE.modules,
        layers=shape.layers,
        dtype=dtype,
        seed=0,
    )
    network = LoraNetwork(base, lora)
    for matrix in network.backward_matrices():
        network.prepare(matrix)
    examples = []
    for length in _LAYER_ROWS:
        tokens = np.arange(length, dtype=np.int32)
        weights = (tokens % 16 == 0).astype(np.float32)
        examples.append(Example(tokens, tokens, weights, length))
    batch = network.batch(examples, ((0,), (1,)))

    networks = [network, *(network.replica() for _ in range(threads - 1))]

    def learn(thread: int) -> None:
        networks[thread].step(batch, networks[thread].frozen_prefix(batch))

    return _best_seconds(learn) / (2 * shape.layers * sum(_LAYER_ROWS))


def main() -> None:
    """Print what was found."""
    json.dump(
        {
            "float32_gflops": gflops(torch.float32),
            "bfloat16_gflops": gflops(torch.bfloat16),
            "load_seconds": _LOAD_SECONDS,
            "float32_speed": training_speed(torch.float32),
            "bfloat16_speed": training_speed(torch.bfloat16),
            **accelerator(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
