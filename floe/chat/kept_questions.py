"""Questions of programs that were asked of this device alone, known again by their words."""

import hashlib
import threading
from typing import Final

from floe.chat.turn import TurnOptions
from floe.records import ChatMessage

_MOST: Final = 10_000
"""Questions that are remembered."""


class KeptQuestions:
    """Marks of questions, never their words; any thread may ask."""

    def __init__(self) -> None:
        self._marks: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def stays(self, message: ChatMessage, options: TurnOptions) -> bool:
        """Return whether a question is, or was earlier, for this device alone."""
        mark = hashlib.sha256(message.content.encode()).digest()
        with self._lock:
            if options.mode == "local":
                self._marks[mark] = None
                if len(self._marks) > _MOST:
                    del self._marks[next(iter(self._marks))]
            return mark in self._marks
