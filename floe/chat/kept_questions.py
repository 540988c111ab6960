"""Questions of programs that were asked of this device alone, known again by their words."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from floe.chat.turn import TurnOptions
from floe.privacy.gate import CHOSEN
from floe.privacy.guard import MEMORY
from floe.records import ChatMessage, Message, Route

_MOST: Final = 10_000
"""Questions that are remembered."""


class KeptQuestions:
    """Marks of questions, never their words; any thread may ask."""

    def __init__(self) -> None:
        self._marks: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def stays(self, message: ChatMessage, options: TurnOptions) -> bool:
        """Return whether a question is, or was earlier, for this device alone."""
        # Programs trim what they bring along.
        mark = hashlib.sha256(" ".join(message.content.split()).encode()).digest()
        with self._lock:
            if options.mode == "local":
                self._marks[mark] = None
                if len(self._marks) > _MOST:
                    del self._marks[next(iter(self._marks))]
            return mark in self._marks

    def path(
        self,
        number: int,
        messages: Sequence[ChatMessage],
        options: TurnOptions,
        is_marked: Callable[[str], bool],
    ) -> list[Message]:
        """Return a program's messages as the gate knows them, with the route of those kept here.

        Args:
            number: of the turn, in place of a conversation.
            messages: user and assistant in turn.
            options: of the turn.
            is_marked: whether a text is, or has in it, an answer of ours with words of memory.
        """
        now = time.time()
        path = []
        for place, message in enumerate(messages, 1):
            asked = message.role == "user"
            route = Route("local", CHOSEN) if asked and self.stays(message, options) else None
            marked = is_marked(message.content)
            path.append(
                Message(
                    *(-place, number, None, message.role, message.content, now),
                    route=route,
                    private=(MEMORY,) if marked else None,
                )
            )
        return path
