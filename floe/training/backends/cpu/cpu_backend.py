"""The back end of hand-written passes, for a processor."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from floe.adapters.architecture import Architecture
from floe.adapters.lora_factors import Factors
from floe.training.backends.backend import PreparedRows
from floe.training.backends.cpu.data_parallel import ThreadedDataParallel
from floe.training.backends.cpu.network import Batch, LoraNetwork
from floe.training.data.packing import Example, Packed, Shares, pack, replica_count
from floe.training.memory_limit import PREFIX_CACHE_BYTES


class CpuBackend:
    """A `LoraNetwork` whose batches are shared among threads; see `TrainingBackend`."""

    def __init__(self, network: LoraNetwork, batch_tokens: int, threads: int) -> None:
        self.network = network
        self.rank, self.alpha = network.lora.rank, network.lora.alpha
        self.replicas = replica_count(batch_tokens, threads)
        self._batch_tokens, self._threads = batch_tokens, threads
        self._parallel = ThreadedDataParallel(network, threads, 1)

    @property
    def architecture(self) -> Architecture:
        """Sizes of the base."""
        return self.network.base.architecture

    @property
    def parameters(self) -> Tensor:
        """All factors as one flat float32 vector, for the optimiser."""
        return self.network.lora.parameters

    @property
    def gradient(self) -> Tensor:
        """The gradient of `parameters`, as the last step left it."""
        return self.network.lora.gradient

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the threads."""
        with ThreadedDataParallel(self.network, self._threads, self.replicas) as self._parallel:
            yield

    def prepare_rows(self, examples: Sequence[Example]) -> "FrozenPrefixCache":
        """Compute what the frozen layers make of them, if it fits into memory."""
        return FrozenPrefixCache(self.network, examples, self._batch_tokens, self._parallel)

    def prepare_steps(self) -> None:
        """Lay out all matrices; left to the first step, the threads would wait for each other."""
        self._parallel.map(self.network.prepare, self.network.backward_matrices())

    def step(
        self, rows: PreparedRows, shares: Shares, *, dropout: float, checkpointing: bool, seed: int
    ) -> float:
        """Set the gradient; as in `TrainingBackend`."""
        assert isinstance(rows, FrozenPrefixCache)
        loss = self._parallel.step(
            rows.examples,
            shares,
            rows.states,
            dropout=dropout,
            checkpointing=checkpointing,
            seed=seed,
        )
        self.network.lora.clean_gradient()
        return loss

    def target_losses(self, example: Example) -> NDArray[np.float32]:
        """Return the loss of each target in nats (t,), unweighted."""
        batch = self.network.batch([example], ((0,),))
        losses = self.network.target_losses(batch, self.network.frozen_prefix(batch))
        found: NDArray[np.float32] = losses.numpy()
        return found

    def logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits (n, vocabulary) after each of `tokens` (n,)."""
        return self.network.logits(tokens)

    def refresh(self, strength: float = 1.0) -> None:
        """Carry the parameters over; as in `TrainingBackend`."""
        self.network.lora.refresh(strength)

    def is_zero(self) -> bool:
        """Tell whether the adapter as it stands changes nothing."""
        return self.network.lora.is_zero()

    def factors(self) -> Factors:
        """Copy every A and B, without alpha / rank."""
        return self.network.lora.factors()

    def load(self, factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Start from given factors; as in `TrainingBackend`."""
        self.network.lora.load(factors)

    def state(self) -> dict[str, Any]:
        """Return nothing: all of it follows from the parameters."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class FrozenPrefixCache:
    """States below the adapters: kept for all epochs if they fit, else made for each batch."""

    def __init__(
        self,
        network: LoraNetwork,
        examples: Sequence[Example],
        batch_tokens: int,
        parallel: ThreadedDataParallel,
    ) -> None:
        self.examples = examples
        self._network, self._parallel = network, parallel
        self._batches = pack([len(example) for example in examples], batch_tokens // parallel.count)
        architecture = network.base.architecture
        size = sum(map(len, examples)) * architecture.hidden * network.base.dtype.itemsize
        self._kept: list[Tensor] | None = None
        if size <= PREFIX_CACHE_BYTES and network.lora.first_layer > 0:
            self._kept = network.frozen_prefixes(examples, batch_tokens)

    def states(self, batch: Batch) -> Tensor:
        """Return the hidden states (n, hidden) that the adapters start from."""
        if self._kept is None:
            return self._network.frozen_prefix(batch)
        return torch.cat([self._kept[i] for i in batch.members])

    def loss(self) -> float:
        """Nats per token over all examples."""
        parts = self._parallel.map(self._loss, self._batches)
        return sum(loss for loss, _ in parts) / sum(targets for _, targets in parts)

    def _loss(self, packed: Packed) -> tuple[float, int]:
        batch = self._network.batch(self.examples, packed)
        return self._network.loss(batch, self.states(batch))
