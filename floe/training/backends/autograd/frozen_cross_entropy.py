"""Cross-entropy over a frozen head, of which a slice of the words is there at a time.

All logits of a batch at once would outweigh everything else, and a head in blocks is slow to read:
in each direction it is read once, however many rows there are. The softmax over slices is that of
Milakov and Gimelshein, "Online normalizer calculation for softmax" (arXiv 1805.02867).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from floe.training.backends.autograd.block_linear import BlockLinear
from floe.training.memory_limit import LOGITS_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class FrozenHead:
    """A head without bias; logits are divided by `divisor`, then bent below `cap` (0: not)."""

    linear: nn.Linear
    divisor: float = 1.0
    cap: float = 0.0

    def logits(self, products: Tensor) -> Tensor:
        """Products of states and words to logits, float32, in place where they are float32."""
        found = products.float().div_(self.divisor)
        return found.div_(self.cap).tanh_().mul_(self.cap) if self.cap else found

    def slopes(self, logits: Tensor) -> Tensor | float:
        """Return the derivative of the logits by the products."""
        if self.cap:
            return (1 - (logits / self.cap).square()) / self.divisor
        return 1 / self.divisor

    def slices(self, rows: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the first word of each slice and its weights (words, hidden)."""
        words = self.linear.out_features
        step = max(1, min(words, LOGITS_BYTES // (4 * max(1, len(rows)))))
        if isinstance(self.linear, BlockLinear):
            matrix = self.linear.matrix
            step = min(step, matrix.step)
            for start in range(0, words, step):
                yield start, matrix.rows(start, min(start + step, words), rows.dtype)
            return
        for start in range(0, words, step):
            yield start, self.linear.weight[start : start + step]


def frozen_cross_entropy(rows: Tensor, targets: Tensor, head: FrozenHead) -> Tensor:
    """States (n, hidden) and the words wanted after them (n,) to losses in nats (n,), float32."""
    losses: Tensor = _FrozenCrossEntropy.apply(rows, targets, head)  # type: ignore[no-untyped-call]
    return losses


class _FrozenCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, targets: Tensor, head: FrozenHead) -> Tensor:
        top = torch.full((len(rows),), -torch.inf, device=rows.device)
        total, wanted = torch.zeros_like(top), torch.zeros_like(top)
        for start, weight in head.slices(rows):
            logits = head.logits(rows @ weight.T)
            inside, places = _within(targets, start, len(weight))
            wanted[inside] = logits[inside, places]
            higher = torch.maximum(top, logits.amax(1))
            logits.sub_(higher[:, None]).exp_()
            total.mul_((top - higher).exp()).add_(logits.sum(1))
            top = higher
        normaliser = top + total.log()
        ctx.head = head
        ctx.save_for_backward(rows, targets, normaliser)
        return normaliser - wanted

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, targets, normaliser = ctx.saved_tensors
        head: FrozenHead = ctx.head
        found = torch.zeros_like(rows, dtype=torch.float32)
        for start, weight in head.slices(rows):
            logits = head.logits(rows @ weight.T)
            slopes = head.slopes(logits)
            error = logits.sub_(normaliser[:, None]).exp_()
            inside, places = _within(targets, start, len(weight))
            error[inside, places] -= 1
            error.mul_(gradients[0][:, None]).mul_(slopes)
            found += error.to(weight.dtype) @ weight
        return found.to(rows.dtype), None, None


def _within(targets: Tensor, start: int, count: int) -> tuple[Tensor, Tensor]:
    """Return which rows want a word of this slice, and its places there."""
    inside = torch.nonzero((targets >= start) & (targets < start + count))[:, 0]
    return inside, targets[inside] - start
