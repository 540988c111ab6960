"""Chat JSONL in and out: one `{"messages": [{"role", "content"}, ...]}` a line.

Knows the store and the format; what is learnt from chats is decided elsewhere.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from floe import encryption
from floe.errors import DataError, FloeError
from floe.records import ChatMessage, Role
from floe.store import Store

_EXPECTED: Final = 'Expected is {"messages": [{"role": "user", "content": "..."}, ...]}'


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    role: Role
    content: Annotated[str, Field(min_length=1)]


class _Chat(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)

    messages: Annotated[list[_Said], Field(min_length=1)]


def read_chats(path: Path) -> list[tuple[ChatMessage, ...]]:
    """All chats of a file, in its order; blank lines are skipped, unknown keys ignored.

    Raises:
        DataError: the file cannot be read, holds nothing, or a line does not fit, with its number.
    """
    try:
        data = encryption.read_bytes(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). Check the name and its rights."
        ) from error
    chats = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            chats.append(_chat(line, f"Line {number} of {path.name}"))
    if not chats:
        raise DataError(f"{path.name} holds no chats. {_EXPECTED} on each line.")
    return chats


def _chat(line: bytes, where: str) -> tuple[ChatMessage, ...]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8. Save the file as UTF-8 and try again.") from error
    try:
        chat = _Chat.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON ({error.msg}). {_EXPECTED}.") from error
    except RecursionError as error:
        raise DataError(f"{where} is nested too deeply. {_EXPECTED}.") from error
    except ValidationError as error:
        # Not `str(error)`: it repeats what somebody wrote.
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the line"
        raise DataError(f"{where} does not fit: {place}: {first['msg']}. {_EXPECTED}.") from error
    return tuple(ChatMessage(said.role, said.content) for said in chat.messages)


def import_chats(store: Store, path: Path) -> list[int]:
    """Add every chat of the file as a conversation of its own; returns their ids.

    All or none: a line that does not fit, or a full disk, leaves the store as it was.

    Raises:
        DataError: as `read_chats`.
        StoreError: the store cannot be written.
    """
    chats = read_chats(path)
    made: list[int] = []
    try:
        for chat in chats:
            conversation_id = store.create_conversation().id
            made.append(conversation_id)
            parent: int | None = None
            for message in chat:
                added = store.add_message(conversation_id, parent, message.role, message.content)
                parent = added.id
    except BaseException:
        for conversation_id in made:
            with suppress(FloeError):
                store.delete_conversation(conversation_id)
        raise
    return made


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
    """One JSON object a line, whole or not at all, for this user's eyes.

    Raises:
        DataError: the file cannot be written.
    """
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encryption.write_bytes(path, text.encode())
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}). Make room, or choose another folder."
        ) from error
