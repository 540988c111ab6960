"""Writes on in the local model while the cloud keeps the decoder waiting.

A cloud that has said nothing for half of the deadline will probably miss it. What the local model
would say in that case is worked out meanwhile, so that the rest of the wait is not lost; should the
row come after all, it counts, and what it contradicts is rolled back.
"""

import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floe.fusion.picking import Pick
from floe.fusion.protocols import LocalModel

MOST_AHEAD: Final = 64
"""Evaluations of one wait. The logits of each are kept: 0.6 MB for a large vocabulary."""


class Ahead:
    """The local model's own tokens from one position on.

    Attributes:
        rows: logits before each of `picks`, float32 of shape (vocabulary,), copies.
        picks: the tokens; all but the last are in the model's cache.
    """

    def __init__(
        self,
        local: LocalModel,
        pick: Callable[[NDArray[np.float32]], Pick],
        row: NDArray[np.float32],
        room: int,
        seconds: float = 0.0,
    ) -> None:
        """Nothing is evaluated yet.

        Args:
            local: its cache ends where the tokens begin.
            pick: a token of the local model alone.
            row: logits at that position; valid until the model is used again.
            room: most tokens, the first included.
            seconds: what an evaluation takes, where that is known.
        """
        self._local, self._pick = local, pick
        self._end_ids = frozenset(local.end_ids)
        self._left = min(room - 1, MOST_AHEAD, local.context_size - len(local.tokens))
        self._longest = seconds
        self.rows = [row.copy()]
        self.picks = [pick(self.rows[0])]

    def holds(self, token: int) -> bool:
        """Whether this token was picked here, and evaluated."""
        return len(self.picks) > 1 and self.picks[0].token == token

    def step(self, seconds: float) -> bool:
        """One token more, if that can be done within `seconds`; whether it was."""
        last = self.picks[-1].token
        if self._left <= 0 or last in self._end_ids or self._longest > seconds:
            return False
        self._left -= 1
        began = time.perf_counter()
        row = self._local.evaluate([last])[0].copy()
        self.rows.append(row)
        self.picks.append(self._pick(row))
        self._longest = max(self._longest, time.perf_counter() - began)
        return True
