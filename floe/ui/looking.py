"""Looks for what is private in chats that nobody has looked at yet, such as imported ones.

In a thread, before anything is learnt from them: what has not been looked at stays out.
"""

import logging
import threading
from typing import Final

from floe.errors import FloeError
from floe.privacy.gate import Gate
from floe.store import Store

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 20
_UNSEEN: Final = (
    "SELECT id FROM messages WHERE private IS NULL AND role <> 'system' AND content <> ''"
    " AND status <> 'streaming' ORDER BY id"
)


class Looking:
    """The look that is going on, if any."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._closing = threading.Event()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def sentence(self) -> str:
        """What the person should know; empty if everything has been looked at."""
        left = len(self._unseen())
        if not left:
            return ""
        if self.running:
            return f"Looking for what is private: {left} messages to go."
        return f"{left} messages have not been looked at for what is private. {self._problem}"

    def start(self) -> None:
        """Look at whatever has not been looked at; returns at once."""
        with self._lock:
            if self.running or not self._unseen():
                return
            self._problem = ""
            self._thread = threading.Thread(target=self._look, name="looking", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """The app ends: so does the look; the next one goes on."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        try:
            while not self._closing.is_set() and (unseen := self._unseen()[:_AT_A_TIME]):
                self._gate.look_at([self._store.message(each) for each in unseen])
                if self._unseen()[:_AT_A_TIME] == unseen:
                    return
        except FloeError as error:
            self._problem = str(error)
            logger.warning("looking at chats ended early: %s", error)

    def _unseen(self) -> list[int]:
        with self._store.reading() as db:
            return [row[0] for row in db.execute(_UNSEEN)]
