"""How many of the cloud's proposals to check in one batch. Counts and seconds only.

A batch of k proposals yields (1 - a^(k+1)) / (1 - a) tokens on average if each is accepted with
probability a (Leviathan et al. 2023, equation 1) and costs 1 + c k single steps. Both a and c are
learnt while the answer is written; the text does not depend on them.
"""

from typing import Final

_MEMORY: Final = 0.9
"""Share of the old estimate that each new observation leaves."""
_FIRST_ACCEPTANCE: Final = 0.8
_FIRST_COST: Final = 0.4
"""Of one more token in a batch, in single steps: measured for a 135 M model on two cores."""


class DraftLength:
    """Chooses the number of proposals of each batch."""

    def __init__(self, most: int) -> None:
        """`most`: upper bound of proposals in a batch."""
        self._most = most
        self._acceptance = _FIRST_ACCEPTANCE
        self._single = 0.0
        self._extra = 0.0

    def checked(self, *, accepted: bool) -> None:
        """One proposal was held against the token picked."""
        self._acceptance = _MEMORY * self._acceptance + (1 - _MEMORY) * accepted

    def evaluated(self, tokens: int, seconds: float) -> None:
        """A batch of `tokens` took `seconds`."""
        if tokens == 1:
            self._single = _mix(self._single, seconds)
        elif self._single > 0:
            self._extra = _mix(self._extra, max(seconds - self._single, 0.0) / (tokens - 1))

    def choose(self, available: int) -> int:
        """How many of `available` proposals to check now."""
        known = self._single > 0 and self._extra > 0
        cost = self._extra / self._single if known else _FIRST_COST
        best, best_rate = 0, 1.0
        tokens = accepted = 1.0
        for count in range(1, min(available, self._most) + 1):
            accepted *= self._acceptance
            tokens += accepted
            rate = tokens / (1 + cost * count)
            if rate > best_rate:
                best, best_rate = count, rate
        return best


def _mix(old: float, new: float) -> float:
    return new if old <= 0 else _MEMORY * old + (1 - _MEMORY) * new
