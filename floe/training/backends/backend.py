"""The interface of the ways to compute a training step, as the training loop sees them.

A back end holds a frozen base and one adapter on it. It makes losses and gradients; batches,
schedule, optimiser and early stopping are the loop's.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from floe.adapters.architecture import Architecture
from floe.adapters.lora_factors import Factors
from floe.training.data.packing import Example, Shares


class PreparedRows(Protocol):
    """Examples as a back end keeps them for all epochs."""

    def loss(self) -> float:
        """Return nats per token over all of them, with the adapter as it is."""


class TrainingBackend(Protocol):
    """A base and an adapter.

    Attributes:
        rank, alpha: of the adapter; its product counts alpha / rank.
        replicas: how many shares a batch is divided into.
    """

    rank: int
    alpha: float
    replicas: int

    @property
    def architecture(self) -> Architecture:
        """Sizes of the base."""

    @property
    def parameters(self) -> Tensor:
        """All factors as one flat float32 vector, for the optimiser."""

    @property
    def gradient(self) -> Tensor:
        """The gradient of `parameters`, as the last step left it."""

    def running(self) -> AbstractContextManager[None]:
        """Hold what steps need beside memory: threads."""

    def prepare_rows(self, examples: Sequence[Example]) -> PreparedRows:
        """Keep what can be computed of them once for all epochs."""

    def prepare_steps(self) -> None:
        """Do what the first step would have to do otherwise."""

    def step(
        self, rows: PreparedRows, shares: Shares, *, dropout: float, checkpointing: bool, seed: int
    ) -> float:
        """Set the gradient to that of the weighted mean loss over the shares of `rows`.

        Returns:
            That loss in nats.

        Raises:
            FloatingPointError: it is not a number.
        """

    def target_losses(self, example: Example) -> NDArray[np.float32]:
        """Return the loss of each target in nats (t,), unweighted."""

    def logits(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits (n, vocabulary) after each of `tokens` (n,)."""

    def refresh(self, strength: float = 1.0) -> None:
        """Carry the parameters over into what the layers multiply with.

        `strength`: of the adapter as a whole, >= 0; other than 1 it is for measuring alone.
        """

    def is_zero(self) -> bool:
        """Tell whether the adapter as it stands changes nothing."""

    def factors(self) -> Factors:
        """Copy every A and B, without alpha / rank."""

    def load(self, factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Start from given factors of any rank, already scaled for this alpha / rank."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep beside the parameters."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
