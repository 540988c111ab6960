"""Random examples, and a hand-sized network that has learnt something already."""

from pathlib import Path

import numpy as np
import torch

from floe.records import TrainPlan
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.backends.cpu.cpu_backend import CpuBackend
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import Example
from tests.training.tiny import write_tiny


def examples(lengths: tuple[int, ...]) -> list[Example]:
    """One of each length, in part of which something is learnt, of unequal weights."""
    random = np.random.default_rng(0)
    return [
        Example(
            tokens=random.integers(0, 256, n).astype(np.int32),
            targets=random.integers(0, 256, n).astype(np.int32),
            weights=(random.random(n) < 0.7).astype(np.float32) * (1 + n % 2),
            text_bytes=n,
        )
        for n in lengths
    ]


def network_of(folder: Path) -> LoraNetwork:
    """Rank 2 in the upper two layers; the same each time."""
    base = read_base_weights(write_tiny(folder / "tiny.gguf"), torch.float32)
    lora = Lora(
        base.architecture,
        rank=2,
        alpha=4.0,
        modules=("v_proj", "up_proj", "down_proj"),
        layers=2,
        dtype=torch.float32,
        seed=0,
    )
    random = np.random.default_rng(1)
    lora.load(
        {
            name: (a, random.normal(scale=0.1, size=b.shape).astype(np.float32))
            for name, (a, b) in lora.factors().items()
        }
    )
    return LoraNetwork(base, lora)


def backend_of(folder: Path, plan: TrainPlan) -> CpuBackend:
    """The back end over that network, with the plan's threads."""
    return CpuBackend(network_of(folder), plan.batch_tokens, plan.threads)
