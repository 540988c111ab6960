"""LibreChat's export of a chat: messages as a tree, or in a row with the one before each."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.chatgpt import branch_to
from floe.chats.formats.openai_messages import read_content
from floe.chats.imported import (
    MEDIA,
    NOTE,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ImportedChat,
    ImportNotes,
    is_list_of_records,
    moment_of,
    record_in,
    records_in,
)
from floe.records import Role

_LISTS: Final = ("messagesTree", "messages")


def _recognises(value: Any) -> bool:
    messages = _messages(value)
    return is_list_of_records(messages) and "isCreatedByUser" in messages[0]


def _messages(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    return next((value[key] for key in _LISTS if value.get(key)), None)


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    options = record_in(value, "options")
    system = options.get("promptPrefix") or options.get("system")
    if isinstance(system, str) and system:
        builder.add("system", system)
    messages = records_in(_messages(value))
    in_tree = any(each.get("children") for each in messages)
    for message in _down(builder, messages) if in_tree else _back(builder, messages):
        _add(builder, message)
    yield builder.chat(value.get("title"))


def _down(builder: ChatBuilder, messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the newest branch of a tree, which is the last one each time."""
    while messages:
        *others, message = messages
        builder.skip(VERSION, sum(map(_size, others)))
        yield message
        messages = records_in(message.get("children") or [])


def _size(message: dict[str, Any]) -> int:
    """Count the messages of a tree, by a stack: chats may be as deep as Python's is not."""
    count, waiting = 0, [message]
    while waiting:
        count += 1
        waiting += records_in(waiting.pop().get("children") or [])
    return count


def _back(builder: ChatBuilder, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the branch with the last message of a row."""
    nodes = {each["messageId"]: each for each in messages if isinstance(each.get("messageId"), str)}
    if not any(each.get("parentMessageId") in nodes for each in messages):
        return messages
    path = branch_to(nodes, messages[-1].get("messageId"), "parentMessageId")
    builder.skip(VERSION, len(messages) - len(path))
    return path


def _add(builder: ChatBuilder, message: dict[str, Any]) -> None:
    if message.get("error"):
        builder.skip(NOTE)  # what the server said, and no model
        return
    builder.skip_lists(MEDIA, message, ("files", "attachments"))
    text = read_content(builder, message.get("content"))
    if not text.strip():
        text = message["text"] if isinstance(message.get("text"), str) else ""
    role: Role = "user" if message.get("isCreatedByUser") else "assistant"
    builder.add(role, text, moment_of(message.get("createdAt")))


FORMAT: Final = ChatFormat("librechat", "LibreChat", _recognises, _read)
