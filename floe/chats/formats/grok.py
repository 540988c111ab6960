"""Grok's data export: `prod-grok-backend.json`, conversations with their `responses`.

Both sides' messages are responses that name the one before them. Who speaks is "human", or else
the model, by many names. Links to sources stand in the text as elements of their own.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.chatgpt import branch_to
from floe.chats.imported import (
    MEDIA,
    NOTE,
    THOUGHT,
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

_RENDERED: Final = re.compile(r"\s*<grok:render\b[^>]*>.*?</grok:render>", re.DOTALL)
_THOUGHTS: Final = ("thinking_trace", "agent_thinking_traces")
_MEDIA: Final = ("file_attachments", "generated_image_urls", "image_attachments")


def _recognises(value: Any) -> bool:
    return (
        is_record(value, "conversation", "responses")
        and isinstance(value["conversation"], dict)
        and isinstance(value["responses"], list)
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    about = value["conversation"]
    messages = [record_in(each, "response") or each for each in records_in(value["responses"])]
    path = _in_view(messages, about.get("leaf_response_id"))
    if len(path) < len(messages):
        builder.skip(VERSION, len(messages) - len(path))
    for message in path:
        _add(builder, message)
    yield builder.chat(about.get("title"), about.get("create_time"), about.get("modify_time"))


def _in_view(messages: list[dict[str, Any]], leaf: Any) -> list[dict[str, Any]]:
    """Return the branch with the newest message; all, where none names the one before it."""
    nodes = {each["_id"]: each for each in messages if isinstance(each.get("_id"), str)}
    parents = {each.get("parent_response_id") for each in messages} & nodes.keys()
    if not parents:
        return messages
    if leaf not in nodes:
        leaves = [name for name in nodes if name not in parents]
        leaf = max(leaves, key=lambda name: _moment(nodes[name]) or 0.0, default=None)
    return branch_to(nodes, leaf, "parent_response_id") or messages


def _moment(message: dict[str, Any]) -> float | None:
    """Return when it was written; MongoDB wraps such numbers once or twice."""
    found = message.get("create_time")
    for key in ("$date", "$numberLong"):
        found = found.get(key) if isinstance(found, dict) else found
    return moment_of(found)


def _add(builder: ChatBuilder, message: dict[str, Any]) -> None:
    if any(message.get(key) for key in _THOUGHTS):
        builder.skip(THOUGHT)
    builder.skip_lists(MEDIA, message, _MEDIA)
    text = message.get("message")
    text, links = _RENDERED.subn("", text) if isinstance(text, str) else ("", 0)
    if links:
        builder.skip(NOTE, links)
    sender = str(message.get("sender", "")).lower()
    builder.add("user" if sender in {"human", "user"} else "assistant", text, _moment(message))


FORMAT: Final = ChatFormat("grok", "Grok", _recognises, _read)
