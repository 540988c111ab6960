"""Floe's own chat JSONL in and out: one `{"messages": [{"role", "content"}, ...]}` a line.

Strict where a file must be just that (to evaluate, to train); what people bring along is read by
`importing`. What is learnt from chats is decided elsewhere.
"""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from floe.chats.imported import MAX_MESSAGES
from floe.chats.importing import import_file
from floe.chats.reading import MAX_FILE_BYTES, MAX_LINE_BYTES, parse_json
from floe.disk_errors import describe_os_error
from floe.errors import DataError
from floe.records import ChatMessage, Role
from floe.store import Store, encryption
from floe.store.text import clean, one_line
from floe.units import format_bytes

_LONGEST_NAME: Final = 100
_EXPECTED: Final = 'Expected is {"messages": [{"role": "user", "content": "..."}, ...]}'


def _whole(content: Any) -> Any:
    """Replace halves of characters, which programs in JavaScript write, by U+FFFD."""
    return clean(content) if isinstance(content, str) else content


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    role: Role
    content: Annotated[str, Field(min_length=1), BeforeValidator(_whole)]


class _Chat(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    messages: Annotated[list[_Said], Field(min_length=1, max_length=MAX_MESSAGES)]


def read_chats(path: Path) -> list[tuple[ChatMessage, ...]]:
    """All chats of a file, in its order; blank lines are skipped, unknown keys ignored.

    Raises:
        DataError: the file cannot be read, holds nothing, is too large, or a line does not fit,
            with its number.
    """
    return list(iterate_chats(path))


def iterate_chats(path: Path) -> Iterator[tuple[ChatMessage, ...]]:
    """Yield the chats of a file one by one; no more than one line is in memory.

    Raises:
        DataError: as `read_chats`.
    """
    name = one_line(path.name)[:_LONGEST_NAME]
    try:
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "not a file")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise DataError(
                    f"{name} has {format_bytes(size)}; at most {format_bytes(MAX_FILE_BYTES)} can "
                    "be imported at once. Split it into several files."
                )
            yield from iterate_chat_lines(file, name)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). Check the name and its rights."
        ) from error


def iterate_chat_lines(file: BinaryIO, name: str) -> Iterator[tuple[ChatMessage, ...]]:
    """Yield the chats of an open file; `name` is what to call it.

    Raises:
        DataError: a line is too long or does not fit, or there is none.
    """
    found = False
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        where = f"Line {number:,} of {name}"
        if len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{where} is longer than {format_bytes(MAX_LINE_BYTES)}. {_EXPECTED} on each line, "
                "one chat a line."
            )
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            found = True
            yield _chat(line, where)
    if not found:
        raise DataError(f"{name} holds no chats. {_EXPECTED} on each line.")


def _chat(line: bytes, where: str) -> tuple[ChatMessage, ...]:
    try:
        chat = _Chat.model_validate(parse_json(line))
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8. Save the file as UTF-8 and try again.") from error
    except RecursionError as error:
        raise DataError(f"{where} is nested too deeply. {_EXPECTED}.") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error.msg}). {_EXPECTED}.") from error
    except ValidationError as error:
        # `str(error)` stays out, because it repeats what somebody wrote.
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        raise DataError(f"{where} does not fit: {place}: {first['msg']}. {_EXPECTED}.") from error
    except ValueError as error:
        raise DataError(f"{where} holds a number of far too many digits. {_EXPECTED}.") from error
    return tuple(ChatMessage(said.role, said.content) for said in chat.messages)


def import_chats(store: Store, path: Path, name: str = "") -> list[int]:
    """Add the chats of a file of any format that is known; returns their ids.

    Raises:
        DataError, StoreError: as `importing.import_file`.
    """
    return list(import_file(store, path, name).conversations)


def export_chats(store: Store, path: Path, conversation_ids: Sequence[int]) -> int:
    """Write the branch in view of each conversation; returns the number of lines.

    What was never said (an answer that failed before its first word) is left out. The file takes
    its name only when it is whole.

    Raises:
        DataError: it cannot be written.
        StoreError: a conversation has been deleted.
    """
    lines = []
    for conversation_id in conversation_ids:
        said = [
            {"role": message.role, "content": message.content}
            for message in store.open_conversation(conversation_id)
            if message.content
        ]
        if said:
            lines.append({"messages": said})
    write_lines(path, lines)
    return len(lines)


def write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all, for this user's eyes.

    Raises:
        DataError: the file cannot be written.
    """
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encryption.write_bytes(path, text.encode())
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({describe_os_error(error)}). Make room, or choose another "
            "folder."
        ) from error
