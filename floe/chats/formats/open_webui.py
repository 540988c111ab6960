"""Open WebUI's export: chats with a `history` of messages by id, and the one in view.

Thoughts, calls of tools and runs of code stand in the content as `<details type="…">`.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.chatgpt import branch_to
from floe.chats.formats.openai_messages import read_content
from floe.chats.formats.openai_responses import add_items
from floe.chats.imported import (
    MEDIA,
    THOUGHT,
    TOOL,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ImportedChat,
    ImportNotes,
    moment_of,
    record_in,
    records_in,
    role_of,
)

_DETAILS: Final = re.compile(
    r"<details\b[^>]*\btype=[\"'](\w+)[\"'][^>]*>.*?</details>\s*", re.DOTALL | re.IGNORECASE
)


def _recognises(value: Any) -> bool:
    return _chat(value) is not None


def _chat(value: Any) -> dict[str, Any] | None:
    """Return the chat within a row of the export, or a chat that stands alone."""
    if not isinstance(value, dict):
        return None
    candidates: tuple[dict[str, Any], ...] = (record_in(value, "chat"), value)
    return next((each for each in candidates if "messages" in _history(each)), None)


def _history(chat: dict[str, Any]) -> dict[str, Any]:
    """Return the messages by id with the one in view; of some exports they are the chat itself."""
    itself = isinstance(chat.get("messages"), dict) and "currentId" in chat
    return chat if itself else record_in(chat, "history")


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    chat = _chat(value)
    assert chat is not None
    builder = ChatBuilder(notes)
    params = chat.get("params")
    system = chat.get("system") or (params.get("system") if isinstance(params, dict) else None)
    if isinstance(system, str) and system:
        builder.add("system", system)
    for message in _branch(builder, chat):
        role = role_of(message.get("role"))
        if role is None:
            builder.skip(TOOL)
            continue
        files = message.get("files")
        if isinstance(files, list) and files:
            builder.skip(MEDIA, len(files))
        text = read_content(builder, message.get("content"))
        if role == "assistant":
            text = _without_details(builder, text)
        if not text.strip() and isinstance(message.get("output"), list) and message["output"]:
            add_items(builder, message["output"])
            continue
        builder.add(role, text, moment_of(message.get("timestamp")))
    yield builder.chat(
        value.get("title") or chat.get("title"),
        value.get("created_at") or chat.get("timestamp"),
        value.get("updated_at"),
    )


def _branch(builder: ChatBuilder, chat: dict[str, Any]) -> list[dict[str, Any]]:
    history = _history(chat)
    nodes = history["messages"]
    leaf = history.get("currentId")
    if isinstance(nodes, dict) and isinstance(leaf, str) and leaf in nodes:
        path = branch_to(nodes, leaf, "parentId")
        if len(nodes) > len(path):
            builder.skip(VERSION, len(nodes) - len(path))
        return records_in(path)
    return records_in(chat.get("messages") or (nodes if isinstance(nodes, list) else []))


def _without_details(builder: ChatBuilder, text: str) -> str:
    def drop(found: re.Match[str]) -> str:
        builder.skip(THOUGHT if found.group(1).lower() == "reasoning" else TOOL)
        return ""

    return _DETAILS.sub(drop, text)


FORMAT: Final = ChatFormat("open_webui", "Open WebUI", _recognises, _read)
