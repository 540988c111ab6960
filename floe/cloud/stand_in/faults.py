"""The network between the stand-in and its client: how far, how steady, and how it breaks."""

import asyncio
import random
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from floe.cloud.protocol.answering import ClosedConnection

Failure = Literal["none", "429", "500", "cut", "silence"]
"""`429` and `500` refuse a request; `cut` closes the connection in the middle of a line;
`silence` keeps it open and sends nothing more."""

FAILURES: Final = get_args(Failure)


class Faults(BaseModel):
    """The network that is simulated.

    `fail_after` counts answered requests for 429 and 500, tokens of each response for the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rtt_ms: float = Field(0.0, ge=0, description="before the first byte of each response")
    jitter_ms: float = Field(0.0, ge=0, description="up to so much more, for each token apart")
    tokens_per_second: float = Field(0.0, ge=0, description="0: as fast as the model is")
    fail: Failure = "none"
    fail_after: int = Field(0, ge=0)


class ConnectionSilence(Exception):
    """Nothing more is to be sent."""


class NetworkFaults:
    """The state that all responses have in common; `faults` may be replaced at any time."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._answered = 0

    def tokens_per_second(self) -> float:
        """Return the simulated speed at this moment."""
        return self.faults.tokens_per_second

    def replace(self, faults: Faults) -> None:
        """Use `faults` from now on, for responses under way too; counting begins again."""
        self.faults = faults
        self._answered = 0

    async def accept_request(self) -> int:
        """Take a request in: the round trip passes.

        Returns:
            The HTTP status to answer with; 200 is to be answered properly.
        """
        faults = self.faults
        await asyncio.sleep((faults.rtt_ms + random.uniform(0, faults.jitter_ms)) / 1000)  # noqa: S311
        if faults.fail in ("429", "500") and self._answered >= faults.fail_after:
            return int(faults.fail)
        self._answered += 1
        return 200


class FaultyConnection:
    """The way of one response's tokens through the network, in order."""

    def __init__(self, network: NetworkFaults) -> None:
        self._network = network
        self._tokens = 0
        self._due = 0.0

    async def delay_token(self, computed_at: float) -> None:
        """Hold the next token back for as long as the network takes.

        Args:
            computed_at: seconds, `time.monotonic()`; tokens that wait here do not add up delays.

        Raises:
            ClosedConnection, ConnectionSilence: the token does not arrive.
        """
        faults = self._network.faults
        if faults.jitter_ms:
            late = random.uniform(0, faults.jitter_ms) / 1000  # noqa: S311
            self._due = max(self._due, computed_at + late)
            await asyncio.sleep(self._due - asyncio.get_running_loop().time())
        faults = self._network.faults
        if self._tokens >= faults.fail_after:
            if faults.fail == "cut":
                raise ClosedConnection
            if faults.fail == "silence":
                raise ConnectionSilence
        self._tokens += 1
