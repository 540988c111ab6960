"""Cross-entropy over slices of a frozen head is torch's own over all of it, gradient included."""

import gguf
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from floe.training.backends.autograd import block_linear, frozen_cross_entropy
from floe.training.backends.autograd.block_linear import BlockLinear, BlockMatrix
from floe.training.backends.autograd.frozen_cross_entropy import FrozenHead

WORDS, HIDDEN, ROWS = 101, 32, 7


def dense_head() -> nn.Linear:
    return nn.Linear(HIDDEN, WORDS, bias=False).requires_grad_(requires_grad=False)


def head_in_blocks(dense: nn.Linear) -> BlockLinear:
    kind = gguf.GGMLQuantizationType.Q8_0
    blocks = gguf.quants.quantize(dense.weight.numpy(), kind)
    dense.weight.copy_(torch.from_numpy(gguf.quants.dequantize(blocks, kind)))
    return BlockLinear(BlockMatrix(blocks, kind, (WORDS, HIDDEN)), torch.float32, None)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("divisor", "cap"), [(1.0, 0.0), (3.0, 0.0), (1.0, 2.0)])
def test_losses_and_gradient_are_those_of_all_logits_at_once(
    divisor: float, cap: float, blocks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slices of 13 words: the last one is shorter.
    monkeypatch.setattr(frozen_cross_entropy, "LOGITS_BYTES", 4 * ROWS * 13)
    torch.manual_seed(0)
    dense = dense_head()
    head = FrozenHead(head_in_blocks(dense) if blocks else dense, divisor, cap)
    targets = torch.from_numpy(np.array([0, 12, 13, 100, 50, 50, 99]))
    rows = (4 * torch.randn(ROWS, HIDDEN)).requires_grad_()
    weights = torch.rand(ROWS)
    ours = frozen_cross_entropy.frozen_cross_entropy(rows, targets, head)
    (ours * weights).sum().backward()  # type: ignore[no-untyped-call]
    gradient, rows.grad = rows.grad, None
    logits = dense(rows) / divisor
    if cap:
        logits = cap * torch.tanh(logits / cap)
    wanted = F.cross_entropy(logits, targets, reduction="none")
    (wanted * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(gradient, rows.grad)


def test_a_head_in_blocks_is_read_once_in_each_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_linear, "_SLICE_NUMBERS", 20 * HIDDEN)
    head = FrozenHead(head_in_blocks(dense_head()))
    read: list[int] = []
    plain = BlockMatrix.rows

    def counting(self: BlockMatrix, start: int, end: int, dtype: torch.dtype) -> torch.Tensor:
        read.append(end - start)
        return plain(self, start, end, dtype)

    monkeypatch.setattr(BlockMatrix, "rows", counting)
    rows = torch.randn(500, HIDDEN, requires_grad=True)
    targets = torch.zeros(500, dtype=torch.int64)
    losses = frozen_cross_entropy.frozen_cross_entropy(rows, targets, head)
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert sum(read) == 2 * WORDS
