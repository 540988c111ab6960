"""Writes on in the local model while the cloud keeps the decoder waiting.

A cloud that has said nothing for half of the deadline may miss it. What the local model would say
in that case is worked out meanwhile, as late as can be, so that the wait is not lost and the
machine awake; should the row come after all, it counts, and what it contradicts is rolled back.
"""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floe.fusion.picking import Pick
from floe.fusion.protocols import LocalModel

MOST_AHEAD: Final = 16
"""Evaluations of one wait. All of it goes out at once when the deadline comes, and rows that are
late by less than that find the text so far ahead of them."""
_UNKNOWN: Final = 0.25
"""Seconds that must be left where nobody knows yet what an evaluation takes."""
_MARGIN: Final = 1.5
_TICK: Final = 0.001


class LocalLookahead:
    """The local model's own tokens from one position on.

    Attributes:
        rows: logits before each of `picks`, float32 of shape (vocabulary,), copies.
        picks: the tokens; all but the last are in the model's cache.
    """

    def __init__(
        self,
        local: LocalModel,
        pick: Callable[[NDArray[np.float32], Sequence[int]], Pick],
        row: NDArray[np.float32],
        first: Pick | None,
        *,
        room: int,
        seconds: float = 0.0,
    ) -> None:
        """Nothing is evaluated yet.

        Args:
            local: its cache ends where the tokens begin.
            pick: a token of the local model alone, from logits and the tokens written ahead
                before it.
            row: logits at that position; valid until the model is used again.
            first: the token there, if one was drawn before: to draw again would favour those
                that were not refused.
            room: most tokens, the first included.
            seconds: what an evaluation takes; 0: nobody knows.
        """
        self._local, self._pick = local, pick
        self._end_ids = frozenset(local.end_ids)
        self._left = min(room - 1, MOST_AHEAD, local.context_size - len(local.tokens))
        self._seconds = seconds
        self.rows = [row.copy()]
        self.picks = [first or pick(self.rows[0], ())]

    def holds(self, token: int) -> bool:
        """Return whether this token was picked here, and evaluated."""
        return len(self.picks) > 1 and self.picks[0].token == token

    def step(self, left: float) -> float:
        """One token more, if it is time for it.

        Args:
            left: seconds to the deadline.

        Returns:
            Seconds until it should be asked again; infinite: never.
        """
        last = self.picks[-1].token
        if self._left <= 0 or last in self._end_ids or (self._seconds or _UNKNOWN) > left:
            return math.inf
        early = left - _MARGIN * self._left * self._seconds
        if self._seconds > 0 and early > _TICK:
            return early
        self._left -= 1
        began = perf_counter()
        row = self._local.evaluate([last])[0].copy()
        self.rows.append(row)
        self.picks.append(self._pick(row, [pick.token for pick in self.picks]))
        self._seconds = max(self._seconds, perf_counter() - began)
        return 0.0
