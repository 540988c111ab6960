"""How many of the cloud's proposals to check in one batch, and of what kind. Counts and seconds.

A batch of k proposals yields (1 - a^(k+1)) / (1 - a) tokens on average if each is accepted with
probability a (Leviathan et al. 2023, equation 1). A single step has kernels of its own: going
over to a batch has a price, and only then does each further token cost little (135 M model, two
cores: 1 token 6.4 ms, 2 tokens 14.8, 8 tokens 37, 16 tokens 48). So the time of batches is a line
of its own beside the time of single steps. All of it is learnt while the answer is written; the
text does not depend on it.
"""

from typing import Final

_MEMORY: Final = 0.9
"""Share of the old estimate that each new observation leaves."""
_FEW_TOKENS: Final = 16
_CLOSE: Final = 1 / 12
"""Requests per token up to which long batches pay: where one of 16 tokens takes as long as five
single steps, 11 of them are kept on average, and the batch after a disagreement is no loss."""
_FIRST_ACCEPTANCE: Final = 0.8
_FIRST_COST: Final = 0.4
"""Of each further token of a batch, in single steps, before batches of two sizes were seen."""


class DraftLength:
    """Chooses the number of proposals of each batch."""

    def __init__(self, most: int) -> None:
        """`most`: upper bound of proposals in a batch."""
        self._most = most
        self._acceptance = _FIRST_ACCEPTANCE
        self._single = 0.0
        # Faded means over batches of more than one token: of size n, seconds t, n t, and n n.
        self._size = self._seconds = self._product = self._square = 0.0

    @property
    def single(self) -> float:
        """Seconds of a single step; 0 before there was one."""
        return self._single

    def checked(self, *, accepted: bool) -> None:
        """Take note that one proposal was held against the token picked."""
        self._acceptance = _MEMORY * self._acceptance + (1 - _MEMORY) * accepted

    def evaluated(self, tokens: int, seconds: float) -> None:
        """Take note that a batch of `tokens` took `seconds`."""
        if tokens == 1:
            self._single = _mix(self._single, seconds)
            return
        self._size = _mix(self._size, tokens)
        self._seconds = _mix(self._seconds, seconds)
        self._product = _mix(self._product, tokens * seconds)
        self._square = _mix(self._square, tokens * tokens)

    def choose(self, available: int) -> int:
        """Return how many of `available` proposals to check now."""
        most = min(available, self._most)
        if most <= 0:
            return 0
        start, slope = self._batch_cost()
        acceptance = self._acceptance
        best, best_rate = 0, 0.0
        tokens = accepted = 1.0
        for count in range(1, most + 1):
            accepted *= acceptance
            tokens += accepted
            rate = tokens / max(start + slope * (count + 1), 1e-9)
            # The gain shrinks and the price does not: past its top the rate only falls.
            if rate < best_rate:
                break
            best, best_rate = count, rate
        return best if best_rate > 1 else 0

    def _batch_cost(self) -> tuple[float, float]:
        """Cost of a batch of n tokens in single steps, as start + slope n (least squares)."""
        if self._single <= 0 or self._size <= 0:
            return 1 - _FIRST_COST, _FIRST_COST
        variance = self._square - self._size**2
        slope = _FIRST_COST * self._single
        if variance > 0.25:
            measured = (self._product - self._size * self._seconds) / variance
            slope = max(measured, 0.0)
        start = self._seconds - slope * self._size
        return start / self._single, slope / self._single


class DraftAcceptance:
    """Record of how often a local model and a cloud have parted in the answers before.

    Decides between two kinds of batches for a whole answer, where a model has two that round
    differently: all digits of an answer are then of one kind, whenever its rows arrive.
    """

    def __init__(self) -> None:
        self._tokens = self._requests = 0.0

    def remember(self, tokens: int, requests: int) -> None:
        """Take note of an answer's fused tokens and its requests, the first one included."""
        if tokens < _FEW_TOKENS:
            return
        self._tokens = self._tokens / 2 + tokens
        self._requests = self._requests / 2 + requests

    @property
    def close(self) -> bool:
        """Whether they agree so often that long batches pay."""
        return self._requests < _CLOSE * self._tokens


def _mix(old: float, new: float) -> float:
    return new if old <= 0 else _MEMORY * old + (1 - _MEMORY) * new
