"""Chats as other programs wrote them, on their way into the store.

`ChatBuilder` is where all formats meet: it keeps words, counts what is no words, and joins what
one side said in several pieces. Knows no format and no file.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from floe.llama.thinking import split_thinking
from floe.records import Role
from floe.store.text import clean

MAX_MESSAGES: Final = 100_000
"""Of one chat."""
_EARLIEST: Final = 631_152_000.0
"""1990, in seconds since the epoch: what is older is no date of a chat."""

TOOL: Final = "tool turn"
THOUGHT: Final = "thought"
MEDIA: Final = "attachment"
HIDDEN: Final = "hidden message"
EMPTY: Final = "empty message"
VERSION: Final = "other version"
NOTE: Final = "note of the program"
"""What is left out of a chat that is taken over; their plurals take an s."""

_ROLES: Final[dict[str, Role]] = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(
        ("assistant", "model", "ai", "bot", "gpt", "chatgpt", "bing", "bard"), "assistant"
    ),
    **dict.fromkeys(("system", "developer"), "system"),
}
_TOOLS: Final = frozenset(
    {"tool", "function", "function_call", "observation", "tool_call", "tool_response", "ipython"}
)
_DATE_PATTERNS: Final = (
    "%B %d, %Y %I:%M%p",
    "%B %d, %Y %I:%M %p",
    "%b %d, %Y %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
)
_HUMANIZED: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@ ?(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s(?: ?\d{1,3}ms)?"
)


class ChatShapeError(ValueError):
    """A piece of a file is no chat; the text says why, as what follows "line 3"."""


@dataclass(frozen=True, slots=True)
class ImportedMessage:
    """One message. `at`: seconds since the epoch (UTC) or None; `learn`: as its file says."""

    role: Role
    content: str
    at: float | None = None
    learn: bool = True


@dataclass(frozen=True, slots=True)
class ImportedChat:
    """A chat with at least one message; times in seconds since the epoch (UTC), None: unknown."""

    messages: tuple[ImportedMessage, ...]
    title: str = ""
    created_at: float | None = None
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A piece of a file that was left out: `line 100` and `has no messages`."""

    where: str
    why: str


@dataclass(slots=True)
class ImportNotes:
    """Notes on an import that a person is told beside its chats.

    `parts` counts what was left out of chats that were taken over; `decided`: sentences on what
    the file itself does not say (its encoding, who of two people is the user).
    """

    parts: Counter[str] = field(default_factory=Counter)
    decided: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """File format in which one program writes its chats.

    Attributes:
        id: what `floe import --json` calls it.
        label: its name for people.
        recognises: whether a JSON value is a chat (or a piece of the only one) in this format.
        read: the chats in such a value.
        gathered: all values of a file are pieces of its chats; `read` gets a list of them.
        read_as: of chats between people: `read`, told which of them is the user.
    """

    id: str
    label: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, ImportNotes], Iterator[ImportedChat]]
    gathered: bool = False
    read_as: Callable[[Any, ImportNotes, str], Iterator[ImportedChat]] | None = None


class ChatBuilder:
    """One chat in the making."""

    def __init__(self, notes: ImportNotes) -> None:
        self._notes = notes
        self._messages: list[ImportedMessage] = []
        self._skipped: Counter[str] = Counter()

    def skip(self, part: str, count: int = 1) -> None:
        """Count what is left out."""
        self._skipped[part] += count

    def skip_lists(self, part: str, message: dict[str, Any], keys: Sequence[str]) -> None:
        """Count what is left out of a message that has it in lists under some keys."""
        for key in keys:
            found = message.get(key)
            if isinstance(found, list) and found:
                self.skip(part, len(found))

    def add(self, role: Role, text: str, at: float | None = None, *, learn: bool = True) -> None:
        """Add what was said; words of one side in a row are one message."""
        text = clean(text)
        if role == "assistant":
            thought, text = split_thinking(text)
            if thought:
                self.skip(THOUGHT)
        if not text.strip():
            self.skip(EMPTY)
            return
        last = self._messages[-1] if self._messages else None
        if role == "system" and last is not None and last.role != "system":
            self.skip("later system message")  # no chat template knows where to put it
            return
        if last is not None and last.role == role and last.learn == learn:
            joined = f"{last.content}\n\n{text}"
            self._messages[-1] = ImportedMessage(role, joined, last.at, learn)
            return
        if len(self._messages) >= MAX_MESSAGES:
            raise ChatShapeError(f"has more than {MAX_MESSAGES:,} messages")
        self._messages.append(ImportedMessage(role, text, at, learn))

    def chat(self, title: Any = "", created_at: Any = None, updated_at: Any = None) -> ImportedChat:
        """Return what was added.

        Raises:
            ChatShapeError: nobody said anything.
        """
        if all(message.role == "system" for message in self._messages):
            empty = self._skipped[EMPTY]
            raise ChatShapeError("has only empty messages" if empty else "has no messages")
        self._notes.parts += self._skipped
        times = [message.at for message in self._messages if message.at is not None]
        created = moment_of(created_at) or min(times, default=None)
        return ImportedChat(
            tuple(self._messages),
            clean(title)[:200].strip() if isinstance(title, str) else "",
            created,
            moment_of(updated_at) or max(times, default=created),
        )


def read_each(
    readers: Iterable[Callable[[], ImportedChat]], notes: ImportNotes
) -> Iterator[ImportedChat]:
    """Yield the chats of a value that holds several; those that cannot be read are counted.

    Raises:
        ChatShapeError: none can; why the last cannot.
    """
    found = 0
    fault = ChatShapeError("has no messages")
    for read in readers:
        try:
            chat = read()
        except ChatShapeError as error:
            fault = error
            notes.parts["empty or broken chat"] += 1
            continue
        found += 1
        yield chat
    if not found:
        raise fault


def role_of(name: Any) -> Role | None:
    """Return who speaks, None for a tool.

    Raises:
        ChatShapeError: somebody whom no program knows.
    """
    known = name.strip().lower() if isinstance(name, str) else ""
    if known in _TOOLS:
        return None
    if known not in _ROLES:
        raise ChatShapeError("has a message whose author is not known")
    return _ROLES[known]


def is_record(value: Any, *keys: str) -> bool:
    """Return whether a JSON value is an object with all of these keys."""
    return isinstance(value, dict) and all(key in value for key in keys)


def record_in(value: Any, key: str) -> dict[str, Any]:
    """Return the object that stands under a key; an empty one if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def is_list_of_records(value: Any) -> bool:
    """Return whether a JSON value is a list that begins with an object."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def records_in(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list.

    Raises:
        ChatShapeError: it is no list, or holds something else.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ChatShapeError("has messages of an unknown shape")
    return value


def moment_of(value: Any) -> float | None:
    """Return seconds since the epoch of a date as programs write it; None if it is not a date.

    Numbers are seconds, milliseconds or microseconds, whichever is a date of our days.
    """
    seconds: float | None = None
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
            for _ in range(2):
                if seconds > 1e11:
                    seconds /= 1000
        elif isinstance(value, str) and 4 < len(value) < 60:
            seconds = _read_date(value.strip())
    if seconds is None or not math.isfinite(seconds) or seconds < _EARLIEST:
        return None
    return min(seconds, time.time())


def _read_date(text: str) -> float | None:
    if text.isdecimal():
        return moment_of(int(text))
    if found := _HUMANIZED.match(text):
        year, month, day, hour, minute, second = map(int, found.groups())
        return datetime(year, month, day, hour, minute, second).timestamp()  # local, as written
    with suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    for pattern in _DATE_PATTERNS:
        with suppress(ValueError):
            return datetime.strptime(text, pattern).timestamp()
    return None
