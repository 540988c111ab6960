"""Examples into batches without padding.

A batch is a list of bins, a bin is a list of short examples that share one attention matrix
(block-diagonal, so that none sees another); the large matrix products see one run of tokens.
Works on lengths alone: it knows neither tokens nor torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BIN_TOKENS: Final = 192
"""Short examples are put together up to this length: below it are more calls, above it more
masked work."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One training sequence.

    Attributes:
        tokens: int32 (n,), what the model reads.
        targets: int32 (n,), what should come after each of them.
        weights: float32 (n,), how much each target counts; 0 where none is learned.
        text_bytes: UTF-8 bytes of the learned text.
    """

    tokens: NDArray[np.int32]
    targets: NDArray[np.int32]
    weights: NDArray[np.float32]
    text_bytes: int

    def __len__(self) -> int:
        return len(self.tokens)


Bin = tuple[int, ...]
Packed = tuple[Bin, ...]
Shares = tuple[Packed, ...]
"""A batch divided among threads that work side by side."""

_REPLICA_TOKENS: Final = 256
"""Tokens that keep one thread busy with large products."""
STRETCH: Final = 1.5
"""A batch of long examples may outgrow its size by this factor, if no thread is idle for it."""


def replica_count(batch_tokens: int, threads: int) -> int:
    """Return how many threads share a batch of that size."""
    return max(1, min(threads, batch_tokens // _REPLICA_TOKENS))


def share(
    lengths: Sequence[int],
    batch_tokens: int,
    replicas: int,
    order: Sequence[int],
) -> list[Shares]:
    """Batches of up to `replicas` shares of nearly the same length, so that none waits long.

    A share has at most `batch_tokens / replicas` tokens, or is one example that is longer. Those of
    neighbouring lengths make a batch, unless that would be half as large again as asked.

    Args:
        lengths: tokens of each example.
        batch_tokens: tokens of one batch.
        replicas: how many shares a batch may have.
        order: in which order examples come.
    """
    filled = _first_fit(lengths, order, batch_tokens // replicas)
    sizes = [sum(lengths[i] for i in members) for members in filled]
    batches: list[list[int]] = []
    room = 0.0
    for place in sorted(range(len(filled)), key=lambda place: -sizes[place]):
        if not batches or len(batches[-1]) == replicas or sizes[place] > room:
            batches.append([])
            room = STRETCH * batch_tokens
        batches[-1].append(place)
        room -= sizes[place]
    return [
        tuple(_bins(lengths, filled[place], BIN_TOKENS) for place in batch) for batch in batches
    ]


def pack(
    lengths: Sequence[int],
    batch_tokens: int,
    order: Sequence[int] | None = None,
    bin_tokens: int = BIN_TOKENS,
) -> list[Packed]:
    """Batches of at most `batch_tokens`, or of one example that is longer than that.

    Args:
        lengths: tokens of each example.
        batch_tokens: tokens of one batch.
        order: in which order examples come; None: as they are.
        bin_tokens: tokens of one bin; an example that is longer has one for itself.

    Returns:
        For each batch its bins, each a tuple of indices of examples.
    """
    batches: list[list[int]] = []
    room = 0
    for i in range(len(lengths)) if order is None else order:
        if not batches or lengths[i] > room:
            batches.append([])
            room = max(batch_tokens, lengths[i])
        batches[-1].append(i)
        room -= lengths[i]
    return [_bins(lengths, members, bin_tokens) for members in batches]


def _bins(lengths: Sequence[int], members: Sequence[int], bin_tokens: int) -> Packed:
    """First fit, longest first."""
    order = sorted(members, key=lambda i: -lengths[i])
    return tuple(tuple(found) for found in _first_fit(lengths, order, bin_tokens))


def _first_fit(lengths: Sequence[int], order: Sequence[int], size: int) -> list[list[int]]:
    """Each into the first bin that has room for it, else into a new one."""
    bins: list[list[int]] = []
    rooms: list[int] = []
    for i in order:
        found = next((b for b, room in enumerate(rooms) if lengths[i] <= room), None)
        if found is None:
            bins.append([i])
            rooms.append(size - lengths[i])
        else:
            bins[found].append(i)
            rooms[found] -= lengths[i]
    return bins
