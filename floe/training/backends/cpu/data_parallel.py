"""Threads that each work on a part of a batch from its first layer to its gradient.

A layer is many small operations. If all threads share each of them, they wait for each other after
each; if each thread has rows of its own, only at the end of a step. Two threads then learn a fifth
more tokens a second. The result does not depend on which thread is quicker.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, Self, TypeVar

import torch
from torch import Tensor

from floe.training.backends.cpu.network import Batch, LoraNetwork
from floe.training.data.packing import Example, Packed, Shares

T = TypeVar("T")
U = TypeVar("U")

_SEED_STRIDE: Final = 1_000_003
_SEED_LIMIT: Final = 1 << 63


class ThreadedDataParallel:
    """`count` threads, each with a gradient of its own, and a share of torch's threads."""

    def __init__(self, network: LoraNetwork, threads: int, count: int) -> None:
        """With a `count` of 1 all threads work on everything together, and none is started."""
        self.count = count
        self._networks = [network, *(network.replica() for _ in range(count - 1))]
        self._pool = (
            ThreadPoolExecutor(count, "replica", torch.set_num_threads, (max(1, threads // count),))
            if count > 1
            else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, function: Callable[[T], U], values: Iterable[T]) -> list[U]:
        """Apply `function` to each value, in their order; it must not write to what others read."""
        if self._pool is None:
            return [function(value) for value in values]
        futures = [self._pool.submit(function, value) for value in values]
        # An error ends the step only here, because another thread may still be at work on it.
        wait(futures)
        return [future.result() for future in futures]

    def step(
        self,
        examples: Sequence[Example],
        shares: Shares,
        states: Callable[[Batch], Tensor],
        *,
        dropout: float,
        checkpointing: bool,
        seed: int,
    ) -> float:
        """Set the network's gradient to that of the weighted mean loss over all shares.

        Args:
            examples: what the shares are of.
            shares: at most `count`.
            states: what the frozen layers below made of a batch.
            dropout: share of the adapter's inner values set to zero.
            checkpointing: as in `LoraNetwork.step`.
            seed: of what is dropped.

        Returns:
            That loss in nats.
        """

        def one(place: int) -> tuple[float, float]:
            return self._share_gradient(
                self._networks[place],
                examples,
                shares[place],
                states,
                dropout=dropout,
                checkpointing=checkpointing,
                random=torch.Generator().manual_seed((seed * _SEED_STRIDE + place) % _SEED_LIMIT),
            )

        parts = self.map(one, range(len(shares))) if len(shares) > 1 else [one(0)]
        total = sum(weight for _, weight in parts)
        gradient = self._networks[0].lora.gradient
        gradient *= parts[0][1] / total
        for network, (_, weight) in zip(self._networks[1:], parts[1:], strict=False):
            gradient.add_(network.lora.gradient, alpha=weight / total)
        return sum(loss * weight for loss, weight in parts) / total

    @staticmethod
    def _share_gradient(
        network: LoraNetwork,
        examples: Sequence[Example],
        share: Packed,
        states: Callable[[Batch], Tensor],
        *,
        dropout: float,
        checkpointing: bool,
        random: torch.Generator,
    ) -> tuple[float, float]:
        """Compute the gradient of one share; return its loss and how much it weighs."""
        network.lora.gradient.zero_()
        batch = network.batch(examples, share)
        loss = network.step(
            batch, states(batch), dropout=dropout, checkpointing=checkpointing, random=random
        )
        return loss, float(batch.weights.sum())
