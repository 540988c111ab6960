"""Cherry Studio's backup, `data.json`: topics of messages, whose words are in blocks elsewhere.

Titles and the assistants' prompts stand in the page's own storage, as JSON within JSON within JSON.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from floe.chats.imported import (
    MEDIA,
    NOTE,
    THOUGHT,
    TOOL,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    read_each,
    record_in,
    records_in,
    role_of,
)

_PARTS: Final = {
    "thinking": THOUGHT,
    **dict.fromkeys(("tool", "citation"), TOOL),
    **dict.fromkeys(("image", "file", "video"), MEDIA),
}
"""Kinds of blocks that hold no words of the chat; others but text are notes of the program."""
_WORDS: Final = ("main_text", "code")


@dataclass(frozen=True, slots=True)
class _Backup:
    """`about`: title and prompt of each topic; `blocks`, by their id."""

    topics: list[dict[str, Any]]
    blocks: Mapping[str, dict[str, Any]]
    about: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def _recognises(value: Any) -> bool:
    return is_record(value, "localStorage", "indexedDB") and bool(_topics(value["indexedDB"]))


def _topics(tables: Any) -> list[dict[str, Any]]:
    found: Any
    if isinstance(tables, list):  # of the first version: pairs of key and value
        found = [each.get("value") for each in tables if isinstance(each, dict)]
    else:
        found = tables.get("topics") if isinstance(tables, dict) else None
    if not isinstance(found, list):
        return []
    return [each for each in found if is_record(each, "id", "messages")]


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    tables = value["indexedDB"]
    listed = tables.get("message_blocks") if isinstance(tables, dict) else None
    blocks = {
        str(each.get("id")): each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict)
    }
    backup = _Backup(_topics(tables), blocks, _about(value["localStorage"]))
    yield from read_each([partial(_chat, backup, each, notes) for each in backup.topics], notes)


def _about(storage: Any) -> dict[str, tuple[str, str]]:
    state = _parsed(record_in({"": storage}, "").get("persist:cherry-studio"))
    kept = _parsed(state.get("assistants"))
    assistants = [kept.get("defaultAssistant"), *(kept.get("assistants") or [])]
    found = {}
    for assistant in assistants:
        if not isinstance(assistant, dict):
            continue
        prompt = assistant.get("prompt")
        for topic in assistant.get("topics") or []:
            if isinstance(topic, dict):
                own = topic.get("prompt") or prompt
                found[str(topic.get("id"))] = (
                    str(topic.get("name") or ""),
                    own if isinstance(own, str) else "",
                )
    return found


def _parsed(text: Any) -> dict[str, Any]:
    """Return the object that a text holds; an empty one if it does not."""
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chat(backup: _Backup, topic: dict[str, Any], notes: ImportNotes) -> ImportedChat:
    builder = ChatBuilder(notes)
    title, prompt = backup.about.get(str(topic["id"]), ("", ""))
    if prompt:
        builder.add("system", prompt)
    messages = records_in(topic["messages"])
    for message in messages:
        if message.get("type") == "clear":
            builder.skip(NOTE)  # the model was to forget what was before
        elif not _is_in_view(message, messages):
            builder.skip(VERSION)
        else:
            _add(builder, message, backup.blocks)
    return builder.chat(title, topic.get("createdAt"), topic.get("updatedAt"))


def _is_in_view(message: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    """Return whether it is the one in view of what several models answered to one question."""
    asked = message.get("askId")
    if message.get("role") != "assistant" or not asked:
        return True
    others = [
        each for each in messages if each.get("askId") == asked and each.get("role") == "assistant"
    ]
    return message is next((each for each in others if each.get("foldSelected")), others[0])


def _add(
    builder: ChatBuilder, message: dict[str, Any], blocks: Mapping[str, dict[str, Any]]
) -> None:
    role = role_of(message.get("role"))
    if role is None:
        builder.skip(TOOL)
        return
    content = message.get("content")
    words = [content] if isinstance(content, str) and content else []
    for block in (blocks.get(str(each)) for each in message.get("blocks") or []):
        if block is None:
            builder.skip(NOTE)
            continue
        kind, text = block.get("type"), block.get("content")
        if kind in _WORDS and isinstance(text, str):
            words.append(text)
        elif kind != "unknown":
            builder.skip(_PARTS.get(str(kind), NOTE))
    builder.add(role, "\n\n".join(words), moment_of(message.get("createdAt")))


FORMAT: Final = ChatFormat("cherry_studio", "Cherry Studio", _recognises, _read)
