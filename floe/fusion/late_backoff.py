"""Exponential back-off from a cloud that is late again and again within one answer.

A request is in vain if it gave fewer tokens in time than were written without it while it was
open. After two of them in a row the next waits until 4 tokens have been written since the last one
was opened, then 8, 16 and so on up to `LONGEST`; one that was not in vain ends this. So what is
paid grows with the logarithm of the answer's length, not with the length. Knows no time.
"""

from typing import Final

FEWEST: Final = 2
"""Requests in vain, one after the other, after which the next waits."""
LONGEST: Final = 128
"""Tokens from one request to the next at most: so soon a cloud that has recovered takes part."""

SAID: Final = (
    "The cloud was late again and again, so this answer asks it ever more seldom: what comes too "
    "late is paid for all the same."
)


class LateBackoff:
    """Tokens with and without the cloud since its last request was opened."""

    def __init__(self) -> None:
        self._in_vain = 0
        self._used = 0
        self._missed = 0
        self._quick = False

    def opened(self) -> None:
        """Take note that a request is made, after the one before."""
        self._in_vain = self._in_vain_so_far()
        self._used = self._missed = 0
        self._quick = False

    def wrote(self, *, used: bool) -> None:
        """Take note of a token: with the cloud's row, or without it because it is late."""
        if used:
            self._used += 1
        else:
            self._missed += 1

    def came_quickly(self) -> None:
        """Take note that the request would have been in time, had it been waited for."""
        self._quick = True

    @property
    def resting(self) -> bool:
        """Whether another request has to wait."""
        in_vain = self._in_vain_so_far()
        return in_vain >= FEWEST and self._used + self._missed < min(2**in_vain, LONGEST)

    def _in_vain_so_far(self) -> int:
        failed = self._missed > self._used and not self._quick
        return self._in_vain + 1 if failed else 0
