"""The last deletion, which can be taken back for a minute.

What was deleted is gone from the disk at once; its rows are in this process's memory until then.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from floe.chat.attachments import AttachedFile
from floe.errors import StoreError
from floe.store import Store
from floe.store.day_requests import add_request, midnight
from floe.store.deletion import DeletedRows, delete_branch, delete_chats, restore_rows

UNDO_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """A message that was begun in a conversation: its words, and the files that wait with it."""

    conversation_id: int
    text: str
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Deletion:
    """Deletion that can be taken back: a sentence for the person, and its conversation.

    `conversation_id`: where to go once it is back. `unsent`: what was begun in deleted chats.
    `requests`: cloud requests of that day which went with the answers.
    """

    number: int
    sentence: str
    conversation_id: int
    rows: DeletedRows
    at: float
    unsent: tuple[UnsentMessage, ...] = ()
    day: float = 0.0
    requests: int = 0


class UndoableDeletions:
    """Deletes, and keeps the last deletion for `UNDO_SECONDS`; any thread may call."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        on_deleted: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep nothing yet; `clock` gives seconds, `on_deleted` is called after each deletion."""
        self._store = store
        self._clock = clock
        self._on_deleted = on_deleted
        self._lock = threading.Lock()
        self._count = 0
        self._last: Deletion | None = None

    @property
    def last(self) -> Deletion | None:
        """The deletion that can be taken back; an older one is let go of."""
        with self._lock:
            if self._last is not None and self._clock() - self._last.at > UNDO_SECONDS:
                self._last = None
            return self._last

    def delete_chats(self, ids: Sequence[int], unsent: Sequence[UnsentMessage] = ()) -> None:
        """Delete conversations; what is `unsent` in them is kept with them."""
        day, before = self._requests_today()
        rows = delete_chats(self._store, ids)
        requests = self._keep_counted(day, before)
        said = "The chat is deleted." if len(ids) == 1 else f"{len(ids)} chats are deleted."
        self._keep(said, ids[0], rows, unsent, day, requests)

    def delete_message(self, message_id: int, conversation_id: int) -> None:
        """Delete a message and all that follows it."""
        day, before = self._requests_today()
        rows = delete_branch(self._store, message_id)
        requests = self._keep_counted(day, before)
        count = len(rows.tables["messages"])
        said = "The message is deleted." if count == 1 else f"{count} messages are deleted."
        self._keep(said, conversation_id, rows, (), day, requests)

    def undo(self, number: int) -> Deletion:
        """Put back what deletion `number` took.

        Raises:
            StoreError: it is too late for that.
        """
        last = self.last
        if last is None or last.number != number:
            raise StoreError("It is too late to undo this: it has been deleted for good.")
        restore_rows(self._store, last.rows)
        if last.requests and last.day == midnight():
            add_request(self._store, -last.requests)  # the answers themselves count again
        with self._lock:
            self._last = None
        return last

    def _requests_today(self) -> tuple[float, int]:
        day = midnight()
        return day, self._store.cloud_requests_since(day)

    def _keep_counted(self, day: float, before: int) -> int:
        """Count on what the deleted answers asked: the budget of a day is not won back."""
        gone = max(0, before - self._store.cloud_requests_since(day))
        if gone:
            add_request(self._store, gone)
        return gone

    def _keep(
        self,
        said: str,
        conversation_id: int,
        rows: DeletedRows,
        unsent: Sequence[UnsentMessage],
        day: float,
        requests: int,
    ) -> None:
        with self._lock:
            self._count += 1
            self._last = Deletion(
                self._count,
                said,
                conversation_id,
                rows,
                self._clock(),
                tuple(unsent),
                day,
                requests,
            )
        # Also where no page asks any more: what is deleted does not stay in memory for long.
        timer = threading.Timer(UNDO_SECONDS + 1, lambda: self.last)
        timer.daemon = True
        timer.start()
        self._on_deleted()
        self._store.checkpoint()  # last, because it may fail: then the deletion can be undone still
