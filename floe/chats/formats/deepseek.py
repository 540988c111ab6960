"""DeepSeek's export: a tree of messages as ChatGPT's, whose words are in fragments."""

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
    record_in,
    records_in,
)
from floe.records import Role

_ROLES: Final[dict[str, Role]] = {"REQUEST": "user", "RESPONSE": "assistant"}


def _recognises(value: Any) -> bool:
    return any("fragments" in record_in(node, "message") for node in _nodes(value).values())


def _nodes(value: Any) -> dict[str, Any]:
    return record_in(value, "mapping")


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    nodes = _nodes(value)
    leaves = [name for name, node in nodes.items() if is_record(node) and not node.get("children")]
    # The newest one is in view; those of one moment stand in the order they were made.
    newest = max(
        reversed(leaves),
        key=lambda leaf: moment_of(record_in(nodes[leaf], "message").get("inserted_at")) or 0.0,
        default=None,
    )
    path = branch_to(nodes, newest, "parent")
    for node in path:
        children = node.get("children") if isinstance(node, dict) else None
        if isinstance(children, list) and len(children) > 1:
            builder.skip(VERSION, len(children) - 1)
        message = record_in(node, "message")
        if isinstance(message.get("files"), list):
            builder.skip(MEDIA, len(message["files"]))
        for fragment in records_in(message.get("fragments") or []):
            role, text = _ROLES.get(str(fragment.get("type"))), fragment.get("content")
            if role is not None and isinstance(text, str):
                builder.add(role, text, moment_of(message.get("inserted_at")))
            else:
                builder.skip(THOUGHT if fragment.get("type") == "THINK" else TOOL)
    yield builder.chat(value.get("title"), value.get("inserted_at"), value.get("updated_at"))


FORMAT: Final = ChatFormat("deepseek", "DeepSeek", _recognises, _read)
