"""Small models whose every distribution can be worked out: fakes for tests of the algorithms."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from floe.errors import CloudError
from floe.fusion.index import TokenIndex
from floe.records import Candidate, CloudToken

Distribution = Callable[[bytes], dict[bytes, float]]
"""Next-token probabilities after a text; the key b"" is the end of the text."""


def peaked(vocabulary: Sequence[bytes], salt: str, sharpness: float = 3.0) -> Distribution:
    """A model of `vocabulary` (and the end) that is a fixed, uneven function of the text."""

    @cache
    def distribution(text: bytes) -> dict[bytes, float]:
        seed = int.from_bytes(hashlib.sha256(salt.encode() + text).digest()[:8], "little")
        scores = np.random.default_rng(seed).normal(size=len(vocabulary) + 1) * sharpness
        scores[-1] -= 20.0
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        return dict(zip([*vocabulary, b""], map(float, weights), strict=True))

    return distribution


def spaced_index() -> TokenIndex:
    """A vocabulary whose tokenizer splits white space before a word, as GPT-2's and SmolLM2's do.

    A run of it is one token at the end of a text and before a number.
    """
    pieces = [b"", b"\n", b"\n\n", *(bytes([byte]) for byte in range(256) if byte != ord("\n"))]
    places = {piece: place for place, piece in enumerate(pieces)}

    def tokenize(text: bytes) -> list[int]:
        runs = re.findall(rb"\n\n(?=\d|$)|\n\n(?=\n)|.", text, re.DOTALL)
        return [places[run] for run in runs]

    return TokenIndex(pieces, [0], tokenize)


class FakeLocal:
    """A LocalModel over a list of byte strings; id 0 is the end of a text."""

    def __init__(
        self, vocabulary: Sequence[bytes], distribution: Distribution, context: int = 10_000
    ) -> None:
        self.pieces: tuple[bytes, ...] = (b"", *vocabulary)
        self.end_ids = (0,)
        self.context_size = context
        self.bit_exact_batch_size = 16
        self.batch_invariant_min_size = 1
        self.single_step_exact_below = context
        self.tokens: list[int] = []
        self.batches: list[int] = []
        self.starts: list[int] = []
        self._distribution = distribution

    def text(self) -> bytes:
        return b"".join(self.pieces[token] for token in self.tokens)

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> NDArray[np.float32]:
        assert len(self.tokens) + len(tokens) <= self.context_size
        self.batches.append(len(tokens))
        self.starts.append(len(self.tokens))
        rows = []
        for token in tokens:
            self.tokens.append(token)
            probabilities = self._distribution(self.text())
            rows.append([math.log(probabilities[piece]) for piece in self.pieces])
        return np.array(rows[-outputs:], np.float32)

    def tokenize(self, data: bytes) -> list[int]:
        """The longest token first: a tokenizer that one can follow by hand."""
        tokens = []
        while data:
            piece = max((p for p in self.pieces if p and data.startswith(p)), key=len, default=b"")
            if not piece:
                raise ValueError(data)
            tokens.append(self.pieces.index(piece))
            data = data[len(piece) :]
        return tokens

    def roll_back(self, length: int) -> None:
        del self.tokens[length:]

    def start(self) -> NDArray[np.float32]:
        """Logits after an empty prompt (one end token stands for it)."""
        return self.evaluate([0])


def row_after(
    text: bytes,
    distribution: Distribution,
    top: int = 20,
    pick: Callable[[dict[bytes, float]], bytes] | None = None,
) -> CloudToken:
    """The row a cloud gives after `text`: its best candidates and its own (greedy) choice."""
    probabilities = distribution(text)
    best = sorted(probabilities, key=lambda t: -probabilities[t])[:top]
    own = pick(probabilities) if pick is not None else best[0]
    if own not in best:
        best.append(own)
    return CloudToken(
        own,
        tuple(Candidate(t, math.log(probabilities[t]), end=not t) for t in best),
        end=not own,
    )


class FakeClock:
    """Time that passes only when somebody waits; takes the place of the follower's."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeStream:
    """A CloudStream whose rows arrive at given times, in order, of a fake clock.

    `ends_after`: seconds from the last row to the end.
    """

    def __init__(
        self,
        rows: Iterable[tuple[float, CloudToken]],
        clock: FakeClock,
        error: tuple[float, CloudError] | None = None,
        ends_after: float = math.inf,
    ) -> None:
        # A row is made when its time is asked for: most streams are left after a few.
        self._rows = iter(rows)
        self._coming = next(self._rows, None)
        self._clock = clock
        self._error = error
        self._ends_at = error[0] if error else math.inf
        self._ends_after = ends_after
        self.closed = False

    def poll(self) -> list[CloudToken]:
        arrived = []
        while self._coming is not None and self._coming[0] <= self._clock.now:
            at, row = self._coming
            arrived.append(row)
            self._coming = next(self._rows, None)
            if self._coming is None:
                self._ends_at = min(self._ends_at, at + self._ends_after)
        return arrived

    def wait(self, seconds: float) -> bool:
        coming = min(self._coming[0] if self._coming is not None else math.inf, self._ends_at)
        limit = self._clock.now + seconds
        self._clock.now = max(self._clock.now, min(coming, limit))
        return coming <= limit

    def lose_the_rest(self) -> None:
        """Bring no further row, and no end."""
        self._coming, self._rows = None, iter(())

    @property
    def ended(self) -> bool:
        return self.closed or self._clock.now >= self._ends_at

    @property
    def error(self) -> CloudError | None:
        return self._error[1] if self._error and self._clock.now >= self._error[0] else None

    def close(self) -> None:
        self.closed = True


class FakeCloud:
    """Opens streams over a distribution; rows come `round_trip` after the request, then evenly."""

    def __init__(
        self,
        distribution: Distribution,
        clock: FakeClock,
        *,
        round_trip: float = 0.0,
        spacing: float = 0.0,
        length: int = 200,
        pick: Callable[[dict[bytes, float]], bytes] | None = None,
        top: int = 20,
    ) -> None:
        self._distribution = distribution
        self._clock = clock
        self.round_trip = round_trip
        self.spacing = spacing
        self._length = length
        self._pick = pick
        self._top = top
        self.opened: list[str] = []
        self.streams: list[FakeStream] = []

    def open(self, partial: str) -> FakeStream:
        self.opened.append(partial)
        rows: Iterable[tuple[float, CloudToken]] = self._rows_after(
            partial.encode(), self._clock.now + self.round_trip, self.spacing
        )
        # What is picked by chance is picked in the order of the requests.
        stream = FakeStream(
            rows if self._pick is None else list(rows), self._clock, ends_after=self.spacing
        )
        self.streams.append(stream)
        return stream

    def _rows_after(
        self, text: bytes, at: float, spacing: float
    ) -> Iterator[tuple[float, CloudToken]]:
        for _ in range(self._length):
            row = row_after(text, self._distribution, self._top, self._pick)
            yield at, row
            text += row.text_bytes
            at += spacing
            if row.end:
                return
