"""Matrices that stay in the file's own blocks of 4 to 8 bits, and are read anew for each product.

A frozen base needs no more: its weights are never changed, and a gradient passes through them. A
model takes as much memory as its file; a step takes longer by the reading, which ggml does at
some 10^9 numbers a second and thread.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numpy as np
import torch
from gguf import GGMLQuantizationType
from numpy.typing import NDArray
from torch import Tensor, nn

from floe.llama.dequantise import dequantise_into

_SLICE_NUMBERS: Final = 1 << 22
"""Numbers that are held in float32 at once."""
_THREAD_NUMBERS: Final = 1 << 19
"""Numbers that are worth a thread; ggml reads them without Python's lock."""
_readers: Final = ThreadPoolExecutor(thread_name_prefix="dequantise")


class BlockMatrix:
    """A matrix (outputs, inputs) in blocks; `permuted` heads have their rows in pairs."""

    def __init__(
        self,
        blocks: NDArray[np.generic],
        kind: GGMLQuantizationType,
        shape: tuple[int, int],
        permuted: int = 0,
    ) -> None:
        self._blocks, self._kind, self.shape = blocks, kind, shape
        self._order: NDArray[np.int64] | None = None
        if permuted:
            rows = np.arange(shape[0])
            self._order = rows.reshape(permuted, -1, 2).swapaxes(1, 2).reshape(-1)
        self.step = max(1, _SLICE_NUMBERS // shape[1])

    def rows(self, start: int, end: int, dtype: torch.dtype) -> Tensor:
        """Read the rows from `start` to `end`."""
        if self._order is None:
            return self._read(self._blocks[start:end], end - start, dtype)
        return self._read(self._blocks[self._order[start:end]], end - start, dtype)

    def gather(self, indices: Tensor, dtype: torch.dtype) -> Tensor:
        """Read single rows: (n,) indices to (n, inputs)."""
        return self._read(self._blocks[indices.numpy()], len(indices), dtype)

    def _read(self, blocks: NDArray[np.generic], rows: int, dtype: torch.dtype) -> Tensor:
        found = np.empty((rows, self.shape[1]), np.float32)
        threads = max(1, min(torch.get_num_threads(), found.size // _THREAD_NUMBERS))
        cuts = [rows * i // threads for i in range(threads + 1)]

        def read(part: tuple[int, int]) -> None:
            dequantise_into(blocks[slice(*part)], self._kind, found[slice(*part)])

        list(_readers.map(read, pairwise(cuts)) if threads > 1 else map(read, pairwise(cuts)))
        return torch.from_numpy(found).to(dtype)


class _Product(torch.autograd.Function):
    """X W^T of a frozen W, a few rows of which are there at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: BlockMatrix) -> Tensor:
        ctx.matrix = matrix
        y = x.new_empty(*x.shape[:-1], matrix.shape[0])
        for start in range(0, matrix.shape[0], matrix.step):
            end = min(start + matrix.step, matrix.shape[0])
            y[..., start:end] = x @ matrix.rows(start, end, x.dtype).T
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (dy,) = gradients
        matrix: BlockMatrix = ctx.matrix
        dx = dy.new_zeros(*dy.shape[:-1], matrix.shape[1])
        for start in range(0, matrix.shape[0], matrix.step):
            end = min(start + matrix.step, matrix.shape[0])
            dx += dy[..., start:end] @ matrix.rows(start, end, dy.dtype)
        return dx, None


class BlockLinear(nn.Linear):
    """A frozen linear layer over a `BlockMatrix`; its `weight` is empty and says the type alone."""

    def __init__(self, matrix: BlockMatrix, dtype: torch.dtype, bias: Tensor | None) -> None:
        nn.Module.__init__(self)
        self.matrix = matrix
        self.out_features, self.in_features = matrix.shape
        self.weight = nn.Parameter(torch.empty(0, dtype=dtype), requires_grad=False)
        kept = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.register_parameter("bias", kept)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (…, inputs) to x W^T + bias."""
        y: Tensor = _Product.apply(x, self.matrix)  # type: ignore[no-untyped-call]
        return y if self.bias is None else y + self.bias


class BlockEmbedding(nn.Module):
    """A table of words over a `BlockMatrix`, times `scale`."""

    def __init__(self, matrix: BlockMatrix, dtype: torch.dtype, scale: float) -> None:
        super().__init__()
        self.matrix, self._dtype, self._scale = matrix, dtype, scale

    def forward(self, tokens: Tensor) -> Tensor:
        """Ids (…) to vectors (…, hidden)."""
        found = self.matrix.gather(tokens.reshape(-1), self._dtype)
        return found.view(*tokens.shape, -1) * self._scale
