"""Factors of an adapter as views of what is trained: how they begin, and how others fill them."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from floe.adapters.lora_factors import truncate

FactorViews = Mapping[str, tuple[Tensor, Tensor]]
"""Module name to A (rank, inputs) and B (outputs, rank), float32, to be written to."""


def draw_start(views: FactorViews, seed: int) -> None:
    """Draw every A as peft does; the same whichever back end trains it."""
    generator = torch.Generator().manual_seed(seed)
    for a, _ in views.values():
        # Uniform, kaiming with a = sqrt(5), which is 1 / sqrt(inputs).
        bound = 1 / math.sqrt(a.shape[1])
        a.copy_(torch.empty(a.shape).uniform_(-bound, bound, generator=generator))


def fill_factors(
    views: FactorViews,
    factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
    rank: int,
) -> None:
    """Write given factors into views of `rank`; those not given stay.

    Factors of a smaller rank fill the first components, of a larger rank the best approximation
    is taken (truncated SVD of the product).
    """
    for name, (a, b) in views.items():
        if name not in factors:
            continue
        from_a, from_b = factors[name]
        if from_a.shape[0] > rank:
            from_a, from_b = truncate(from_a, from_b, rank)
        used = from_a.shape[0]
        a[:used] = torch.from_numpy(np.ascontiguousarray(from_a)).to(a.device)
        b[:, :used] = torch.from_numpy(np.ascontiguousarray(from_b)).to(b.device)
