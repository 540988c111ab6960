"""Keeps a cloud stream open along the fused text: when to ask, how long to wait, when to give up.

Knows time and streams, nothing of vocabularies or weights. A row that comes too late is not lost:
it is held against what was written meanwhile, and used again if that agrees.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Final, Literal

from floe.errors import CloudError
from floe.fusion.cursor import Cursor, Spelling, whole_characters
from floe.fusion.late_backoff import SAID, LateBackoff
from floe.fusion.protocols import CloudStream, OpenStream
from floe.records import CloudToken

Absence = Literal["late", "offline", "local"]

DEFAULT_MAX_REQUESTS: Final = 100
_LOOK: Final = 0.1
"""Seconds between two looks at the stop flag."""
_FIRST_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 30.0


@dataclass(frozen=True, slots=True)
class FollowPolicy:
    """Limits on requests.

    Attributes:
        min_spacing: seconds from one request to the next, or twice as long as the last answer
            took if that is less: a server in the next room need not be spared like a cloud.
        max_requests: a budget for one answer.
    """

    min_spacing: float = 0.05
    max_requests: int = DEFAULT_MAX_REQUESTS


class Follower:
    """The cloud's side of one answer.

    Attributes:
        requests: requests made so far, cancelled ones included.
        absence: why the last call of `next_distribution` brought none; `local`: the text must not
            leave.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        notify: Callable[[str], None],
        *,
        policy: FollowPolicy | None = None,
        shared_vocabulary: bool = False,
        spelling: Spelling | None = None,
        stopped: Callable[[], bool] | None = None,
        backoff: LateBackoff | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            open_stream: starts a request that continues the given text; returns at once.
            notify: is told in plain sentences what the user should know.
            policy: limits on requests.
            shared_vocabulary: see `Cursor`.
            spelling: see `Cursor`.
            stopped: asked while waiting; True ends the wait.
            backoff: what earlier answers have seen of how late the cloud is; None: nothing.
        """
        self._open_stream = open_stream
        self._notify = notify
        self._policy = policy or FollowPolicy()
        self._stopped = stopped or (lambda: False)
        self._written = bytearray()
        self._stream: CloudStream | None = None
        self._cursor = Cursor(shared_vocabulary=shared_vocabulary, spelling=spelling)
        self._until = float("-inf")
        self._opened_at = float("-inf")
        self._answered = False
        self._latency = 0.0
        self._late = self._told_late = False
        self._skipped = False
        self._backoff = backoff or LateBackoff()
        self._backoff.begin(monotonic())
        self._got: bool | None = None
        self._deadline = 0.0
        self._retry_at = float("-inf")
        self._retry_delay = _FIRST_RETRY
        self.requests = 0
        self.absence: Absence = "late"

    @property
    def pending(self) -> bytes:
        """Bytes of the fused text since the boundary of the current row."""
        return self._cursor.pending

    @property
    def spelled(self) -> tuple[bytes, ...] | None:
        """The local tokens that make up `pending`; None if one began before the boundary."""
        return self._cursor.spelled

    def upcoming(self, count: int) -> list[CloudToken]:
        """Return rows that have arrived, from the current one on, at most `count`."""
        return self._cursor.upcoming(count)

    def begin(self) -> None:
        """Ask early, while the local model still reads the prompt."""
        self._reopen(monotonic())

    def close(self) -> None:
        """Cancel what is open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def advance(self, piece: bytes) -> None:
        """Take note that the fused text has grown by `piece`."""
        self._written += piece
        self._cursor.advance(piece)
        if self._got is not None:
            self._backoff.wrote(used=self._got)
            if self._late and not self._got and not self._told_late:
                # Only now: a row that the projection did without is no token of this device alone.
                self._told_late = True
                self._notify("The cloud was late; this device went on alone.")
            self._got = None

    def next_distribution(
        self, deadline: float, meanwhile: Callable[[float], float] = lambda _left: math.inf
    ) -> CloudToken | None:
        """Return the cloud's row for the next token.

        Waits until `deadline` seconds from now at most. Not at all once the request has missed
        it, nor where the last one took longer: what is late is taken when it comes.

        Args:
            deadline: seconds.
            meanwhile: called once half of the wait is over, with the seconds that are left; says
                after how many it wants to be called again.

        Returns:
            None if there is none in time; `absence` says why.
        """
        row = self._await_row(deadline, meanwhile)
        late = row is None and self.absence == "late"
        self._got = row is not None if row is not None or late else None
        return row

    def _await_row(self, deadline: float, meanwhile: Callable[[float], float]) -> CloudToken | None:
        until = self._until = monotonic() + deadline
        self._deadline = deadline
        row = self._cursor.row
        if row is not None:
            return row
        while True:
            self._absorb()
            row = self._cursor.row
            if row is not None:
                return row
            now = monotonic()
            if not self._usable() and not self._reopen(now):
                wait = self._next_request_at() - now
                rests = self._late or self._backoff.resting
                if self.absence != "late" or rests or now + wait >= until:
                    return None
                sleep(max(wait, 0.0))
                continue
            if self._late or now >= until or self._expected_at() > until:
                self._skipped = self._skipped or now < until
                self._miss()
                return None
            assert self._stream is not None
            second_half = until - deadline / 2
            if now < second_half:
                self._stream.wait(min(second_half - now, _LOOK))
            elif (pause := meanwhile(until - now)) > 0:
                self._stream.wait(min(until - now, _LOOK, pause))
            if self._stopped():
                return None

    def successor(self, ahead: int = 1) -> CloudToken | None:
        """Wait for the row after so many own tokens, within the deadline of the current one.

        Returns:
            None if the stream ends before it, or is late.
        """
        row = self._await_successor(ahead)
        if row is not None:
            self._cursor.look_ahead()
        return row

    def _await_successor(self, ahead: int) -> CloudToken | None:
        while (row := self._cursor.successor(ahead)) is None and self._stream is not None:
            # Asked before polling: rows that arrive in between are not overlooked.
            ended = self._stream.ended
            self._absorb()
            if ended or self._cursor.successor(ahead) is not None:
                return self._cursor.successor(ahead)
            now = monotonic()
            if self._late or now >= self._until:
                self._miss()
                return None
            self._stream.wait(min(self._until - now, _LOOK))
            if self._stopped():
                return None
        return row

    def catch_up(self) -> None:
        """Take what has arrived, without waiting or asking."""
        self._absorb()

    def _usable(self) -> bool:
        """Return whether the open stream can still bring the next row."""
        return self._stream is not None and not self._cursor.lost and not self._stream.ended

    def _absorb(self) -> None:
        if self._stream is None:
            return
        # Asked before polling: rows that arrive in between are not overlooked.
        ended = self._stream.ended
        rows = self._stream.poll()
        if rows:
            if not self._answered:
                self._answered = True
                self._latency = monotonic() - self._opened_at
                if self._skipped and self._latency <= self._deadline:
                    self._backoff.came_quickly()
            self._late = self._told_late = False
            self._retry_delay = _FIRST_RETRY
            self._cursor.add(rows)
        if ended and self._stream.error is not None and self._cursor.row is None:
            self._fail(self._stream.error)

    def _fail(self, error: CloudError) -> None:
        self._notify(str(error))
        self.close()
        self._retry_at = monotonic() + max(self._retry_delay, error.retry_after or 0.0)
        self._retry_delay = min(2 * self._retry_delay, _LONGEST_RETRY)

    def _expected_at(self) -> float:
        """Return when a request that has brought nothing yet should, going by the one before."""
        return float("-inf") if self._answered else self._opened_at + self._latency

    def _next_request_at(self) -> float:
        spacing = self._policy.min_spacing
        if self._answered:
            spacing = min(spacing, 2 * self._latency)
        return max(self._opened_at + spacing, self._retry_at)

    def _reopen(self, now: float) -> bool:
        """Ask for the continuation of what is written, if a request is due."""
        if self.requests >= self._policy.max_requests:
            self._notify(
                f"The budget of {self._policy.max_requests} cloud requests for this answer is "
                "used up; this device went on alone."
            )
            self.absence = "offline"
            return False
        if self._backoff.resting:
            self._rest()
            return False
        if now < self._next_request_at():
            self.absence = "offline" if now < self._retry_at else "late"
            return False
        self.close()
        written = bytes(self._written)
        rest = self._cursor.held_back(written)
        text, _ = whole_characters(written[: len(written) - len(rest)])
        stream = self._open_stream(text)
        if stream is None:
            self.absence = "local"
            return False
        self._stream = stream
        self._cursor = self._cursor.reopen(rest)
        self._opened_at = now
        self._answered = False
        self._skipped = False
        self._backoff.opened(now)
        self.requests += 1
        return True

    def _rest(self) -> None:
        """Leave the cloud alone for some tokens; what it writes beside the text costs, too."""
        if self._stream is not None:
            self.close()
            self._notify(SAID)
        self.absence = "late"

    def _miss(self) -> None:
        self._late = True
        self.absence = "late"
