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
_LONGEST_PAUSE: Final = 2.0
"""Seconds before the second try, and between two of the later ones."""
_LAST_TRIES: Final = 2.0
"""Seconds of trying when the program ends."""
_NO_ROOM: Final = 256 * 1024
"""Bytes free below which a disk that reports an error is full."""

_NOW: Final[dict[StoreFailure, str]] = {
    "full": "the disk is full. Floe keeps trying; make some room.",
    "locked": "another program holds the database. Floe keeps trying; close that program.",
    "read-only": (
        "the database may not be written. Floe keeps trying; allow writing to the data folder."
    ),
    "unreadable": (
        "the disk cannot be read or written. Floe keeps trying; see that it is there and sound."
    ),
}
_OTHER: Final = "the database cannot be written. Floe keeps trying; its log says why."
_THEN: Final[dict[StoreFailure, str]] = {
    "full": "the disk was full",
    "locked": "another program held the database",
    "read-only": "the database was not to be written",
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
        self._hurry = threading.Event()
        self._closing = threading.Event()
        rescue.reserve_room(self._folder)
        self._thread = threading.Thread(target=self._run, name="answer-writer", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that some turn has something to keep."""
        self._wake.set()

    def hurry(self) -> None:
        """Try again now, not after the pause: somebody waits."""
        self._hurry.set()
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
        self.hurry()
        self._thread.join()
        if not self._try_for(_LAST_TRIES) and not (self._make_room() and self._try_for(0)):
            self._put_aside()
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
                    wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
                    retry=retry_if_exception_type(Exception),
                    stop=stop_when_event_set(self._closing),
                    sleep=self._pause,
                    before_sleep=_log_first,
                )(self._keep_all)
            except RetryError:
                return
            self._closing.wait(self._flush_seconds - (time.monotonic() - began))

    def _pause(self, seconds: float) -> None:
        self._hurry.wait(seconds)
        self._hurry.clear()

    def _try_for(self, seconds: float) -> bool:
        """Try at least once; whether all is kept."""
        try:
            Retrying(
                wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
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
        portion = turn.take()
        if portion is None:
            return
        self._store.append_tokens(
            portion.message_id,
            portion.steps,
            portion.content,
            at=portion.at,
            stats=portion.stats,
            notices=portion.notices,
        )
        failure = self._delayed.pop(turn.message_id, None)
        if failure is not None:
            # Told only now, and kept with the answer, because only now it is over.
            turn.keep(replace(portion, status="streaming"))
            reason = _THEN.get(failure, "the database could not be written")
            turn.notice(f"For a while this could not be saved because {reason}; now it is saved.")
            self._keep(turn)
            return
        if portion.status != "streaming":
            self._store.finish_answer(
                portion.message_id,
                content=portion.content,
                status=portion.status,
                stats=portion.stats,
                notices=portion.notices,
            )
        turn.keep(portion)

    def _delay(self, turns: list[Turn], failure: StoreFailure) -> None:
        for turn in turns:
            if turn.take() is not None:
                self._delayed.setdefault(turn.message_id, failure)
                turn.delay(_NOW.get(failure, _OTHER))

    def _failure(self, error: StoreError) -> StoreFailure:
        """A full disk shows itself in several ways: SQLite's shared memory file fails as input."""
        try:
            full = shutil.disk_usage(self._folder).free < _NO_ROOM
        except OSError:
            full = False
        return "full" if full and error.failure == "unreadable" else error.failure

    def _forget(self, turn: Turn) -> None:
        with self._lock:
            self._turns.remove(turn)
        self._delayed.pop(turn.message_id, None)
        self._ended(turn)

    def _put_aside(self) -> None:
        with self._lock:
            turns = [*self._turns]
        portions = [portion for turn in turns if (portion := turn.take()) is not None]
        words = sum(len(_text(portion.steps).split()) for portion in portions)
        try:
            if portions:
                path = rescue.put_aside(self._store, portions)
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
                len(portions),
                error,
            )


def _text(steps: tuple[TokenStep, ...]) -> str:
    return b"".join(step.text_bytes for step in steps).decode("utf-8", "replace")


def _log_first(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        logger.warning("answers cannot be kept now; trying again: %s", state.outcome.exception())
