"""Files that a person attaches to a message: read, waiting to be sent, and cut to the model.

Of a file there is its text alone, in the message's own content, so that everything that looks at
a message (the gate, search, export, deletion) looks at its files too. No path is ever opened: the
browser reads the file and hands over its bytes.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from floe.errors import DataError
from floe.memory.files import read_bytes
from floe.records import Attachment, Message
from floe.store.text import clean, one_line

MOST_FILES: Final = 8
"""Files of one message."""
MOST_BYTES: Final = 20_000_000
"""Of one file, as the page hands it over."""
_LONGEST_NAME: Final = 80
_MOST_CHATS: Final = 50
"""Conversations whose waiting files are held in memory."""
_MOST_CHARACTERS: Final = 32
"""Characters a token has at the very most, over a whole text: what is beyond is not counted."""
_LEAST_TOKENS: Final = 16
"""Tokens of a file below which nothing of it is worth reading."""


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that has been read; `number` tells it from the others of this program's run."""

    number: int
    name: str
    text: str


class WaitingFiles:
    """Files that are attached and not sent yet, by conversation; None: one that is not there yet.

    Kept in memory alone: what nobody has sent is written nowhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._files: dict[int | None, tuple[AttachedFile, ...]] = {}

    def of(self, conversation_id: int | None) -> tuple[AttachedFile, ...]:
        """Return the files that wait there, in the order in which they came."""
        return self._files.get(conversation_id, ())

    def read(self, conversation_id: int | None, name: str, data: bytes) -> None:
        """Read a file and let it wait there.

        Raises:
            DataError: it cannot be read, or there are too many.
        """
        name = one_line("".join(c for c in clean(name) if c.isprintable()))[:_LONGEST_NAME]
        name = name or "file"
        if len(self.of(conversation_id)) >= MOST_FILES:
            raise DataError(f"A message takes at most {MOST_FILES} files. Send these first.")
        text = read_bytes(name, data)
        with self._lock:
            self._count += 1
            before = self._files.pop(conversation_id, ())
            self._files[conversation_id] = (*before, AttachedFile(self._count, name, text.strip()))
            for oldest in list(self._files)[:-_MOST_CHATS]:
                del self._files[oldest]

    def drop(self, conversation_id: int | None, number: int) -> None:
        """Let one go."""
        with self._lock:
            left = tuple(each for each in self.of(conversation_id) if each.number != number)
            self._files[conversation_id] = left

    def put_back(self, conversation_id: int | None, files: Sequence[AttachedFile]) -> None:
        """Let files wait there again, before those that have come meanwhile."""
        if files:
            with self._lock:
                here = self.of(conversation_id)
                self._files[conversation_id] = (*files, *here)

    def clear(self, conversation_id: int | None, sent: Sequence[AttachedFile]) -> None:
        """Let go of those that have been sent; what was attached meanwhile stays."""
        with self._lock:
            left = tuple(each for each in self.of(conversation_id) if each not in sent)
            self._files.pop(conversation_id, None)
            if left:
                self._files[conversation_id] = left


def attach_files(
    words: str, files: Sequence[AttachedFile], room: int, count: Callable[[str], int]
) -> tuple[str, list[Attachment]]:
    """Put files after a person's words, each cut to its share of the room.

    Args:
        words: what the person typed.
        files: what they attached.
        room: tokens for all files together.
        count: counts the tokens of a text.

    Returns:
        The message's content, and where the files stand in it.
    """
    content = clean(words)
    attachments = []
    left = room
    for place, file in enumerate(files):
        head = f"\n\n[{file.name}]\n"
        share = left // (len(files) - place) - count(head)
        text, used = cut_to_tokens(file.text, share, count)
        start = len(content)
        content += head + text
        left_out = len(file.text) - len(text)
        attachments.append(Attachment(file.name, start, len(content), left_out))
        left -= used + count(head)
    return content, attachments


def reword(message: Message, words: str) -> tuple[str, list[Attachment]]:
    """Put other words before the files of a message."""
    words = clean(words)
    by = len(words) - len(message.words)
    content = words + message.content[len(message.words) :]
    moved = [
        replace(each, start=each.start + by, end=each.end + by) for each in message.attachments
    ]
    return content, moved


def cut_to_tokens(text: str, most: int, count: Callable[[str], int]) -> tuple[str, int]:
    """Return the longest beginning of about `most` tokens, never more, and its tokens.

    It ends at a word; empty if there is room for next to nothing.
    """
    text = text[: _MOST_CHARACTERS * max(most, 0)]
    used = count(text)
    if used <= most:
        return text, used
    while text and most >= _LEAST_TOKENS and used > most:
        shorter = text[: min(len(text) - 1, int(len(text) * most / used))]
        words = shorter.rsplit(None, 1)[0]
        text = words if len(words) > len(shorter) // 2 else shorter
        used = count(text)
    return (text, used) if used <= most else ("", 0)
