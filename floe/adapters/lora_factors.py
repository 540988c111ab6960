"""LoRA factors as numpy arrays: what is trained, kept, averaged and exported.

The weight of a projection W becomes W + alpha / rank * B A (Hu et al. 2021, arXiv 2106.09685).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ATTENTION: Final = frozenset({"q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj"})

Factors = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Module name (`model.layers.3.mlp.up_proj`) to A (rank, inputs) and B (outputs, rank)."""


def module_name(layer: int, module: str) -> str:
    """Return the full name of a projection in transformers."""
    part = "self_attn" if module in _ATTENTION else "mlp"
    return f"model.layers.{layer}.{part}.{module}"


def truncate(
    a: NDArray[np.float32], b: NDArray[np.float32], rank: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the best approximation of B A of a smaller rank, its singular values shared evenly."""
    q_b, r_b = np.linalg.qr(b.astype(np.float64))
    q_a, r_a = np.linalg.qr(a.astype(np.float64).T)
    u, s, vt = np.linalg.svd(r_b @ r_a.T)
    root = np.sqrt(s[:rank])
    low_a = (root[:, None] * vt[:rank]) @ q_a.T
    low_b = (q_b @ u[:, :rank]) * root
    return low_a.astype(np.float32), low_b.astype(np.float32)
