"""Questions of programs that were asked of this device alone, known again by their words.

A program brings one back as a message, beside another of the same person where no answer came
between the two, or within a message of its own, such as a request for a title of the chat. Kept
are hashes, never words, in the table of `floe.memory.answer_marks`; so they outlast the program.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, Literal

from floe.chat.turn import TurnOptions
from floe.errors import StoreError
from floe.memory.answer_marks import keep_marks, known_marks, plain_words
from floe.privacy.gate import CHOSEN
from floe.privacy.guard import MEMORY
from floe.records import ChatMessage, Message, Route
from floe.store import Store

_BEGINNING: Final = 5
"""Words by which a question is looked for in a longer text; a shorter one has a line to itself."""
_SHORTEST: Final = 3
"""Words of a question that is looked for in a line; "Thanks!" is anybody's."""
_LONGEST: Final = 4000
"""Words of a question that is found in a longer text."""
_MOST_PLACES: Final = 20
"""Places of one beginning in a text that are looked at."""

_Found = Literal["not", "inside", "whole"]


class KeptQuestions:
    """Marks of questions; any thread may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._unwritten: set[bytes] = set()

    def keep(self, text: str) -> None:
        """Remember a question; where the disk refuses, as long as the program runs."""
        words = _words_of(text)
        marks = {_digests(words)[-1]} if words else set()
        if len(words) >= _BEGINNING:
            marks.add(_beginning(words[:_BEGINNING]))
        self._unwritten |= marks
        with suppress(StoreError):
            keep_marks(self._store, marks)
            self._unwritten -= marks

    def find(self, text: str) -> _Found:
        """Return whether a text is such a question, or has one in it."""
        words = _words_of(text)
        if not words:
            return "not"
        if self._known([whole := _digests(words)[-1]]):
            return "whole"
        lines = (_words_of(line) for line in text.splitlines())
        inside = {_digests(line)[-1] for line in lines if _SHORTEST <= len(line) < _BEGINNING}
        starts: dict[bytes, list[int]] = {}
        for place in range(len(words) - _BEGINNING + 1):
            starts.setdefault(_beginning(words[place : place + _BEGINNING]), []).append(place)
        for mark in self._known(starts):
            for place in starts[mark][:_MOST_PLACES]:
                inside |= {*_digests(words[place : place + _LONGEST])[_BEGINNING - 1 :]}
        return "inside" if self._known(inside - {whole}) else "not"

    def _known(self, marks: Iterable[bytes]) -> set[bytes]:
        marks = set(marks)
        return known_marks(self._store, marks) | (marks & self._unwritten)

    def path(
        self,
        number: int,
        messages: Sequence[ChatMessage],
        options: TurnOptions,
        is_marked: Callable[[str], bool],
    ) -> list[Message]:
        """Return a program's messages as the gate knows them, with the route of those kept here.

        Asked again of the cloud as it stands, a question is one like any other; what has it inside
        stays here.

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
            if asked and options.mode == "local":
                self.keep(message.content)
            found = self.find(message.content)
            marked = found == "inside" or is_marked(message.content)
            path.append(
                Message(
                    *(-place, number, None, message.role, message.content, now),
                    route=Route("local", CHOSEN) if asked and found == "whole" else None,
                    private=(MEMORY,) if marked else None,
                )
            )
        return path


def _words_of(text: str) -> list[str]:
    """Return the words of a question, or its signs where it has none."""
    return plain_words(text) or text.split()


def _beginning(words: Sequence[str]) -> bytes:
    return hashlib.sha256("\0".join(["question begins", *words]).encode()).digest()


def _digests(words: Sequence[str]) -> list[bytes]:
    """Hash every beginning of a text, word by word."""
    hashed = hashlib.sha256(b"question")
    digests = []
    for word in words:
        hashed.update(f"\0{word}".encode())
        digests.append(hashed.copy().digest())
    return digests
