"""The cloud alone: its stream passed on token by token, with no local model beside it."""

import math
import time
from collections.abc import Iterator
from typing import Literal

from floe.fusion.decoder import Controls
from floe.fusion.picking import ALTERNATIVES
from floe.fusion.protocols import CloudStream
from floe.records import Alternative, CloudToken, TokenStep

_LOOK = 0.1
"""Seconds between two looks at the stop flag."""


class CloudOnlyDecoder:
    """One answer of the cloud alone.

    Attributes:
        ending: why the run ended; `broken` asks for the local model to go on.
    """

    def __init__(self, stream: CloudStream, controls: Controls, patience: float) -> None:
        """Follow `stream`; `patience`: seconds without a row after which it counts as broken."""
        self._stream = stream
        self._controls = controls
        self._patience = patience
        self.ending: Literal["complete", "length", "stopped", "broken"] = "broken"

    def run(self, max_tokens: int) -> Iterator[TokenStep]:
        """Emit the cloud's tokens as they arrive."""
        began = heard = time.perf_counter()
        left = max_tokens
        while True:
            ended = self._stream.ended
            for row in self._stream.poll():
                heard = time.perf_counter()
                if row.end:
                    self.ending = "complete"
                    return
                yield _step(row, (heard - began) * 1000)
                left -= 1
                if left <= 0:
                    self.ending = "length"
                    return
            if self._controls.stopped:
                self.ending = "stopped"
                return
            if ended or time.perf_counter() - heard > self._patience:
                return
            self._stream.wait(_LOOK)


def _step(row: CloudToken, at_ms: float) -> TokenStep:
    def p(logprob: float) -> float:
        return math.exp(min(logprob, 0.0))

    own = max((p(c.logprob) for c in row.candidates if c.text_bytes == row.text_bytes), default=0.0)
    alternatives = tuple(
        Alternative(c.text_bytes, None, p(c.logprob), p(c.logprob))
        for c in row.candidates[:ALTERNATIVES]
    )
    return TokenStep(-1, row.text_bytes, None, own, own, 0.0, "cloud", at_ms, alternatives)
