"""One answer while it is made: what the page sees of it, and how it is kept.

The worker writes, any thread reads or steers. Knows neither models nor the cloud.
"""

import codecs
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final

from floe.errors import StoreError
from floe.fusion.decoder import Controls
from floe.fusion.follower import DEFAULT_MAX_REQUESTS
from floe.records import AnswerStats, Mode, Route, Sampling, Status, TokenStep
from floe.store import Store

FLUSH_SECONDS: Final = 0.5
"""Longest time that shown tokens are not yet in the database."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What the page chose for a turn.

    Attributes:
        mode: who may answer.
        weight: local weight in [0, 1].
        sampling: how tokens are picked.
        deadline: longest wait for the cloud, seconds per token; None: as the settings say.
        tolerance: see `Controls`.
        max_requests: budget of cloud requests for this answer.
        daily_requests: budget for all answers of a day (UTC); None: no such limit.
    """

    mode: Mode = "fused"
    weight: float = 0.5
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    tolerance: float = 0.0
    max_requests: int = DEFAULT_MAX_REQUESTS
    daily_requests: int | None = None


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn as it stands: what the page draws, 10 to 15 times a second."""

    message_id: int
    text: str
    steps: tuple[TokenStep, ...]
    stats: AnswerStats
    notices: tuple[str, ...]
    status: Status
    route: Route


class Turn:
    """One answer while it is made. The worker writes, any thread reads or steers."""

    def __init__(
        self, conversation_id: int, message_id: int, route: Route, controls: Controls
    ) -> None:
        self.conversation_id = conversation_id
        self.message_id = message_id
        self.controls = controls
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._began = time.perf_counter()
        self._text = ""
        self._steps: list[TokenStep] = []
        self._stats = AnswerStats()
        self._notices: list[str] = []
        self._status: Status = "streaming"
        self._route = route

    def set_weight(self, weight: float) -> None:
        """Local weight in [0, 1] for all tokens from the next one on."""
        self.controls.weight = weight

    def stop(self) -> None:
        """End after the token in hand; what is there stays."""
        self.controls.stopped = True

    @property
    def running(self) -> bool:
        """Whether tokens may still come."""
        return not self._done.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until the turn has ended, at most `seconds`; whether it has."""
        return self._done.wait(seconds)

    def view(self) -> TurnView:
        """Everything known now, consistent in itself."""
        with self._lock:
            return TurnView(
                self.message_id,
                self._text,
                tuple(self._steps),
                self._stats,
                tuple(self._notices),
                self._status,
                self._route,
            )

    def add(self, step: TokenStep) -> None:
        """One more token."""
        text = self._utf8.decode(step.text_bytes)
        with self._lock:
            self._text += text
            self._steps.append(step)
            self._stats = replace(
                self._stats,
                tokens=self._stats.tokens + 1,
                seconds=self._elapsed(),
                first_token_ms=(
                    step.at_ms if self._stats.first_token_ms is None else self._stats.first_token_ms
                ),
                cloud_tokens=self._stats.cloud_tokens + (step.source in ("fused", "cloud")),
            )

    def count(self, **figures: Any) -> None:
        """Set figures of the `AnswerStats` by name."""
        with self._lock:
            self._stats = replace(self._stats, **figures)

    def notice(self, sentence: str) -> None:
        """Tell the person something, once."""
        with self._lock:
            if sentence not in self._notices:
                self._notices.append(sentence)

    def finish(self, status: Status) -> None:
        """No more tokens; `end` follows once they are kept."""
        with self._lock:
            self._status = status
            self._stats = replace(self._stats, seconds=self._elapsed())

    def end(self) -> None:
        """Wake those who wait."""
        self._done.set()

    def _elapsed(self) -> float:
        return time.perf_counter() - self._began


class Recorder:
    """Carries the steps of one turn to the page at once and to the database twice a second."""

    def __init__(self, store: Store, turn: Turn) -> None:
        self._store = store
        self._turn = turn
        self._unsaved: list[TokenStep] = []
        self._saved_at = time.monotonic()

    def add(self, step: TokenStep) -> None:
        """One more token."""
        self._turn.add(step)
        self._unsaved.append(step)
        if time.monotonic() - self._saved_at >= FLUSH_SECONDS:
            self._flush()

    def finish(self, status: Status) -> None:
        """Save the rest. The page is told even if the disk is full."""
        self._turn.finish(status)
        self._flush()
        view = self._turn.view()
        try:
            self._store.finish_answer(
                view.message_id,
                content=view.text,
                status=status,
                stats=view.stats,
                notices=view.notices,
            )
        except StoreError as error:
            self._turn.notice(str(error))

    def _flush(self) -> None:
        self._saved_at = time.monotonic()
        if not self._unsaved:
            return
        try:
            self._store.append_tokens(self._turn.message_id, self._unsaved, self._turn.view().text)
        except StoreError as error:
            # Kept for the next try: a disk can become free again before the answer ends.
            self._turn.notice(str(error))
        else:
            self._unsaved.clear()
