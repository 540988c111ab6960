"""What the decoder needs of the two models; anything that fits can be fused."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from floe.errors import CloudError
from floe.records import CloudToken

LogitArray = NDArray[np.float32]


class LocalModel(Protocol):
    """A model whose cache can be extended by a batch of tokens and rolled back."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """Bytes of each token by id; empty for tokens that are never text."""
        ...

    @property
    def end_ids(self) -> Sequence[int]:
        """Ids that end an answer."""
        ...

    @property
    def context_size(self) -> int:
        """Number of tokens that the cache holds."""
        ...

    @property
    def bit_exact_batch_size(self) -> int:
        """Most tokens of one batch whose logits are those of single steps, to the last bit.

        In a long cache those of a batch of two: `single_step_exact_below`.
        """
        ...

    @property
    def single_step_exact_below(self) -> int:
        """Tokens in the cache from which on a single step differs in bits from a batch of two."""
        ...

    @property
    def batch_invariant_min_size(self) -> int:
        """Fewest tokens from which on logits do not depend on the size of the batch.

        1: whatever their size. 0: no such size is known.
        """
        ...

    @property
    def tokens(self) -> Sequence[int]:
        """Ids in the cache, in order."""
        ...

    def tokenize(self, data: bytes) -> Sequence[int]:
        """Tokens that join up to `data`, as the model's own tokenizer continues a text by it.

        Raises:
            ValueError: the vocabulary has no tokens for some of the bytes.
        """
        ...

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> LogitArray:
        """Append `tokens`; logits after each of the last `outputs` of them.

        Returns:
            float32 of shape (outputs, vocabulary), valid until the next call.
        """
        ...

    def roll_back(self, length: int) -> None:
        """Forget all tokens from position `length` on."""
        ...


class CloudStream(Protocol):
    """One streaming request, whose rows are read by a thread of its own.

    No call here blocks for longer than it says.
    """

    def poll(self) -> list[CloudToken]:
        """Rows that have arrived since the last call, in order."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep until a row has arrived or the stream has ended, at most `seconds`.

        Returns:
            Whether there is anything new.
        """
        ...

    @property
    def ended(self) -> bool:
        """Nothing will arrive any more (what has arrived may still be there to poll)."""
        ...

    @property
    def error(self) -> CloudError | None:
        """Error that broke the stream off; None while it runs or after a proper end."""
        ...

    def close(self) -> None:
        """Cancel: the connection is really closed, so that the cloud stops computing."""
        ...


OpenStream = Callable[[str], CloudStream | None]
"""Starts a request that continues the given partial answer; returns at once.

None: this text must not leave the device; one that has grown may."""
