"""Claude's data export: `conversations.json` with `chat_messages`, whose content is in blocks."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.chatgpt import branch_to
from floe.chats.imported import (
    MEDIA,
    THOUGHT,
    TOOL,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    records_in,
    role_of,
)

_LONGEST_ATTACHMENT: Final = 20_000
"""Characters of a pasted text that belong to the question; a longer one is a document."""


def _recognises(value: Any) -> bool:
    return is_record(value, "chat_messages")


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    messages = records_in(value["chat_messages"])
    path = _branch(messages, value.get("current_leaf_message_uuid"))
    if len(path) < len(messages):
        builder.skip(VERSION, len(messages) - len(path))
    for message in path:
        _add(builder, message)
    yield builder.chat(value.get("name"), value.get("created_at"), value.get("updated_at"))


def _branch(messages: list[dict[str, Any]], leaf: Any) -> list[dict[str, Any]]:
    """Return the messages in view: all, unless some have the same parent."""
    parents = [each.get("parent_message_uuid") for each in messages]
    if None in parents or len(set(map(str, parents))) == len(parents):
        return messages
    nodes = {str(each.get("uuid")): each for each in messages}
    known = isinstance(leaf, str) and leaf in nodes
    return branch_to(nodes, leaf if known else str(messages[-1].get("uuid")), "parent_message_uuid")


def _add(builder: ChatBuilder, message: dict[str, Any]) -> None:
    role = role_of(message.get("sender"))
    if role is None:
        builder.skip(TOOL)
        return
    words: list[str] = []
    blocks = message.get("content")
    for block in blocks if isinstance(blocks, list) else []:
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(block.get("text"), str):
            words.append(block["text"])
        elif kind in ("thinking", "redacted_thinking"):
            builder.skip(THOUGHT)
        elif str(kind).startswith("tool"):
            builder.skip(TOOL)
        else:
            builder.skip(MEDIA)
    if not words and not blocks and isinstance(message.get("text"), str):
        words.append(message["text"])
    words += _attached(builder, message)
    text = "\n\n".join(word.strip("\n") for word in words if word.strip())
    builder.add(role, text, moment_of(message.get("created_at")))


def _attached(builder: ChatBuilder, message: dict[str, Any]) -> list[str]:
    found = []
    attachments = message.get("attachments")
    for each in attachments if isinstance(attachments, list) else []:
        text = each.get("extracted_content") if isinstance(each, dict) else None
        if isinstance(text, str) and 0 < len(text) <= _LONGEST_ATTACHMENT:
            found.append(text)
        else:
            builder.skip(MEDIA)
    files = message.get("files")
    if isinstance(files, list) and files:
        builder.skip(MEDIA, len(files))
    return found


FORMAT: Final = ChatFormat("claude", "Claude", _recognises, _read)
