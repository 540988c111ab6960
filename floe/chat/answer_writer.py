"""Takes answers to the database while they are written: a write-behind with group commit.

One thread for all turns. It waits for the disk so that the decoder need not, commits what has
gathered in `FLUSH_SECONDS`, tries again with back-off for as long as that fails, and only lets go
of a turn when all of it is kept, its status included.

Chosen by `floe bench durability` (50 tokens a second with 20 alternatives each, ext4 on two busy
cores, an fsync of 0.3 ms): at 80 ms a commit takes 0.34 ms with `synchronous` NORMAL, 0.75 ms with
FULL and with EXTRA, which in WAL mode is the same: 0.5 and 1.4 percent of one core, none of it the
decoder's. A commit for each token costs twice that, and one each 500 ms half. All three outlive a
kill -9 of the program; FULL also outlives a power cut, for which NORMAL keeps the file sound but
may lose the last commits. Hence FULL, and 80 ms, which is a frame of the page.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tenacity import RetryCallState, RetryError, Retrying
from tenacity.retry import retry_if_exception_type
from tenacity.stop import stop_after_delay, stop_when_event_set
from tenacity.wait import wait_exponential

from floe.chat import rescue
from floe.chat.turn import Turn
from floe.errors import StoreError, StoreFailure
from floe.records import TokenStep
from floe.store import Store

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.08
"""Time in which tokens gather before they are committed and shown: a frame of the page."""
_FIRST_PAUSE: Final = 0.05
_MAX_PAUSE: Final = 2.0
"""Seconds before the second try, and between two of the later ones."""
_CLOSING_SECONDS: Final = 2.0
"""Seconds of trying when the program ends."""
_FULL_BELOW_BYTES: Final = 256 * 1024
"""Bytes free below which a disk that reports an error is full."""

_CURRENT_TROUBLE: Final[dict[StoreFailure, str]] = {
    "full": "the disk is full. Floe keeps trying; make some room.",
    "locked": "another program holds the database. Floe keeps trying; close that program.",
    "read-only": (
        "the database may not be written. Floe keeps trying; allow writing to the data folder."
    ),
    "unreadable": (
        "the disk cannot be read or written. Floe keeps trying; see that it is there and sound."
    ),
}
_OTHER_TROUBLE: Final = "the database cannot be written. Floe keeps trying; its log says why."
_PAST_TROUBLE: Final[dict[StoreFailure, str]] = {
    "full": "the disk was full",
    "locked": "another program held the database",
    "read-only": "the database was read-only",
    "unreadable": "the disk could not be read or written",
}


class AnswerWriter:
    """The only one who writes answers. Any thread may call any method."""

    def __init__(
        self,
        store: Store,
        *,
        flush_seconds: float = FLUSH_SECONDS,
        ended: Callable[[Turn], None] = lambda _turn: None,
    ) -> None:
        """Start the thread.

        Args:
            store: where answers are kept.
            flush_seconds: time in which tokens gather.
            ended: is told of each turn that is wholly kept, or gone with its conversation.
        """
        self._store = store
        self._folder = store.path.parent
        self._flush_seconds = flush_seconds
        self._ended = ended
        self._lock = threading.Lock()
        self._turns: list[Turn] = []
        self._delayed: dict[int, StoreFailure] = {}
        self._wake = threading.Event()
        self._retry_now = threading.Event()
        self._closing = threading.Event()
        rescue.reserve_room(self._folder)
        self._thread = threading.Thread(target=self._run, name="answer-writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that some turn has something to keep."""
        self._wake.set()

    def retry_now(self) -> None:
        """Try again now, not after the pause: somebody waits."""
        self._retry_now.set()
        self._wake.set()

    def open(self, turn: Turn) -> None:
        """Keep this turn from now on."""
        with self._lock:
            self._turns.append(turn)

    def close(self) -> None:
        """Keep what is left, in a file of its own if need be, and end the thread.

        Where not even that can be written, the log says so, and with it the terminal.
        """
        self._closing.set()
        self.retry_now()
        self._thread.join()
        if not self._try_for(_CLOSING_SECONDS) and not (self._make_room() and self._try_for(0)):
            self._write_recovery_file()
        with self._lock:
            left = [*self._turns]
        for turn in left:
            turn.end()
            self._forget(turn)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            began = time.monotonic()
            try:
                Retrying(
                    wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_MAX_PAUSE),
                    retry=retry_if_exception_type(Exception),
                    stop=stop_when_event_set(self._closing),
                    sleep=self._pause,
                    before_sleep=_log_first,
                )(self._keep_all)
            except RetryError:
                return
            self._closing.wait(self._flush_seconds - (time.monotonic() - began))

    def _pause(self, seconds: float) -> None:
        self._retry_now.wait(seconds)
        self._retry_now.clear()

    def _try_for(self, seconds: float) -> bool:
        """Try at least once; whether all is kept."""
        try:
            Retrying(
                wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_MAX_PAUSE),
                stop=stop_after_delay(seconds),
            )(self._keep_all)
        except RetryError:
            return False
        return True

    def _make_room(self) -> bool:
        """Give back what was held back of a disk that is full."""
        return "full" in self._delayed.values() and rescue.release_room(self._folder)

    def _keep_all(self) -> None:
        """Commit what every turn has.

        Raises:
            Exception: one could not be committed; all turns have been told why.
        """
        with self._lock:
            turns = [*self._turns]
        for turn in turns:
            try:
                self._keep(turn)
            except StoreError as error:
                if error.failure == "deleted":
                    turn.discard()
                else:
                    self._delay(turns, self._failure(error))
                    raise
            except Exception:
                self._delay(turns, "other")
                raise
            if not turn.running:
                self._forget(turn)

    def _keep(self, turn: Turn) -> None:
        part = turn.unsaved_part()
        if part is None:
            return
        self._store.append_tokens(
            part.message_id,
            part.steps,
            part.content,
            at=part.at,
            stats=part.stats,
            notices=part.notices,
        )
        failure = self._delayed.pop(turn.message_id, None)
        if failure is not None:
            # The notice comes only now, and is kept, because only now the failure is over.
            turn.mark_saved(replace(part, status="streaming"))
            reason = _PAST_TROUBLE.get(failure, "the database could not be written")
            turn.notice(f"For a while this could not be saved because {reason}; now it is saved.")
            self._keep(turn)
            return
        if part.status != "streaming":
            self._store.finish_answer(
                part.message_id,
                content=part.content,
                status=part.status,
                stats=part.stats,
                notices=part.notices,
            )
        turn.mark_saved(part)

    def _delay(self, turns: list[Turn], failure: StoreFailure) -> None:
        for turn in turns:
            if turn.unsaved_part() is not None:
                self._delayed.setdefault(turn.message_id, failure)
                turn.report_trouble(_CURRENT_TROUBLE.get(failure, _OTHER_TROUBLE))

    def _failure(self, error: StoreError) -> StoreFailure:
        """Name the failure: a full disk can fail as SQLite's shared memory file, so as input."""
        try:
            full = shutil.disk_usage(self._folder).free < _FULL_BELOW_BYTES
        except OSError:
            full = False
        return "full" if full and error.failure == "unreadable" else error.failure

    def _forget(self, turn: Turn) -> None:
        with self._lock:
            self._turns.remove(turn)
        self._delayed.pop(turn.message_id, None)
        self._ended(turn)

    def _write_recovery_file(self) -> None:
        with self._lock:
            turns = [*self._turns]
        parts = [part for turn in turns if (part := turn.unsaved_part()) is not None]
        words = sum(len(_text(part.steps).split()) for part in parts)
        try:
            if parts:
                path = rescue.write_recovery_file(self._store, parts)
                logger.error(
                    "The last %d words could not be saved with the chats. They are in %s, and the "
                    "next start of Floe takes them in.",
                    words,
                    path,
                )
        except Exception as error:
            logger.error(  # noqa: TRY400 - a sentence for the terminal
                "The last %d words of %d answers are lost: neither the chats nor a file beside "
                "them could be written. %s",
                words,
                len(parts),
                error,
            )


def _text(steps: tuple[TokenStep, ...]) -> str:
    return b"".join(step.text_bytes for step in steps).decode("utf-8", "replace")


def _log_first(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        logger.warning("answers cannot be kept now; trying again: %s", state.outcome.exception())
