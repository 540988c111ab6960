"""Exponential back-off from a cloud that is late again and again.

A request is in vain if it gave fewer tokens in time than were written without it while it was
open. After two of them in a row the next waits until 4 tokens have been written since the last one
was opened, then 8, 16 and so on up to `LONGEST`; one that was not in vain ends this. So what is
paid grows with the logarithm of the answer's length, not with the length.

It is kept over the answers of a session. The next one asks at its beginning all the same: a cloud
that is in time again takes part at once. If that is in vain too, it goes on from one wait less
than the last answer came to, and from one less for each minute since.
"""

from typing import Final

FEWEST: Final = 2
"""Requests in vain, one after the other, after which the next waits."""
LONGEST: Final = 128
"""Tokens from one request to the next at most: so soon a cloud that has recovered takes part."""
_MOST: Final = LONGEST.bit_length() - 1
_FORGOTTEN_AFTER: Final = 60.0
"""Seconds without a request after which one in vain is forgotten."""

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
        self._opened_at = float("-inf")
        self._begins = False

    def begin(self, now: float) -> None:
        """Take note that an answer begins, at `now` in seconds; its first request need not wait."""
        told = self._used or self._missed or self._quick
        in_vain = self._in_vain_so_far() if told else self._in_vain
        if in_vain:
            minutes = (now - self._opened_at) // _FORGOTTEN_AFTER
            in_vain = max(0, int(in_vain - 1 - minutes))
        self._forget_request(in_vain)
        self._begins = True

    def opened(self, now: float) -> None:
        """Take note that a request is made at `now`, after the one before."""
        self._forget_request(self._in_vain if self._begins else self._in_vain_so_far())
        self._opened_at = now
        self._begins = False

    def _forget_request(self, in_vain: int) -> None:
        self._in_vain = in_vain
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
        waits = in_vain >= FEWEST and not self._begins
        return waits and self._used + self._missed < min(2**in_vain, LONGEST)

    def _in_vain_so_far(self) -> int:
        failed = self._missed > self._used and not self._quick
        return min(self._in_vain + 1, _MOST) if failed else 0
