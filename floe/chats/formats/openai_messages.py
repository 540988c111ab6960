"""OpenAI's fine-tuning files and all that write `messages` of `role` and `content`.

Tools, `developer`, parts of content, `weight`, and preferences (of which the preferred answer).
"""

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
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_list_of_records,
    is_record,
    moment_of,
    record_in,
    records_in,
    role_of,
)

_TEXT_PARTS: Final = ("text", "input_text", "output_text")
_THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking", "reasoningContent")
_PART_LISTS: Final = ("parts", "contentChunks", "contentParts")
_TIMES: Final = ("timestamp", "created_at", "createdAt")
_TITLES: Final = ("title", "name")
_BOOKKEEPING: Final = ("id", "parentId", "thread_id", "object", "model", *_TIMES)
"""Programs write some of it beside each message; who writes examples by hand writes none."""


def add_message(builder: ChatBuilder, message: dict[str, Any]) -> None:
    """Add one message of `role` and `content`.

    Raises:
        ChatShapeError: it is not text.
    """
    role = role_of(message.get("role", message.get("from")))
    if role is None:
        builder.skip(TOOL)
        return
    if message.get("tool_calls") or message.get("function_call"):
        builder.skip(TOOL)
    if any(message.get(key) for key in _THOUGHTS):
        builder.skip(THOUGHT)
    content = message.get("content", message.get("value"))
    if not content:
        content = next((message[key] for key in _PART_LISTS if message.get(key)), content)
    text = read_content(builder, content)
    if not text and isinstance(message.get("refusal"), str):
        text = message["refusal"]
    if not text and (message.get("tool_calls") or message.get("function_call")):
        return  # it is counted already
    at = next((moment_of(message[key]) for key in _TIMES if message.get(key)), None)
    weight = message.get("weight")
    learn = not (isinstance(weight, int | float) and weight <= 0)
    builder.add(role, text, at, learn=learn)


def read_content(builder: ChatBuilder, content: Any) -> str:
    """Return the words of a content: a text, or a list of parts.

    Raises:
        ChatShapeError: it is neither.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise ChatShapeError("has a message that is not text")
    return "\n".join(_read_part(builder, part) for part in content).strip("\n")


def _read_part(builder: ChatBuilder, part: Any) -> str:
    """Return the words of a part; what has none is counted."""
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise ChatShapeError("has a message that is not text")
    kind, text = part.get("type", "text"), part.get("text")
    if isinstance(text, dict):
        text = text.get("value")  # in threads of assistants
    if isinstance(text, str) and kind in _TEXT_PARTS:
        return text
    if isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    if kind in ("thinking", "reasoning", "think"):
        builder.skip(THOUGHT)
    else:
        builder.skip(TOOL if str(kind).startswith("tool") else MEDIA)
    return ""


def _recognises(value: Any) -> bool:
    if _is_preference(value) or _is_chosen(value) or "messages" in record_in(value, "body"):
        return True
    return is_record(value, "messages") or (
        is_list_of_records(value) and "role" in value[0] and "content" in value[0]
    )


def _is_preference(value: Any) -> bool:
    return is_record(value, "input", "preferred_output") and is_record(value["input"], "messages")


def _is_chosen(value: Any) -> bool:
    return is_record(value, "chosen", "rejected") and is_list_of_records(value["chosen"])


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    record = value if isinstance(value, dict) else {}
    record = record_in(record, "body") or record  # a request, as it was sent
    messages = value
    if _is_preference(value):
        messages = records_in(value["input"]["messages"]) + records_in(value["preferred_output"])
    elif _is_chosen(value):
        asked = value.get("prompt")
        messages = (asked if is_list_of_records(asked) else []) + value["chosen"]
    elif record:
        messages = record["messages"]
        if record.get("system") is not None and (system := read_content(builder, record["system"])):
            builder.add("system", system)
    for message in _in_view(builder, records_in(messages)):
        add_message(builder, message)
    title = next((record[key] for key in _TITLES if isinstance(record.get(key), str)), "")
    created = record.get("created_at") or record.get("create_time") or record.get("createdAt")
    updated = record.get("updated_at") or record.get("update_time") or record.get("updatedAt")
    yield builder.chat(title, created, updated)


def _in_view(builder: ChatBuilder, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the branch with the last message, where some messages follow on the same one."""
    parents = [each["parentId"] for each in messages if each.get("parentId")]
    if len(set(map(str, parents))) == len(parents):
        return messages
    nodes = {each["id"]: each for each in messages if isinstance(each.get("id"), str)}
    path = branch_to(nodes, messages[-1].get("id"), "parentId")
    if not path:
        return messages
    builder.skip(VERSION, len(messages) - len(path))
    return records_in(path)


def _recognises_message(value: Any) -> bool:
    return is_record(value, "role", "content") and isinstance(value["role"], str)


def _recognises_saved(value: Any) -> bool:
    if not _recognises(value) or _is_preference(value) or _is_chosen(value):
        return False
    messages = record_in(value, "body").get("messages") or value
    if isinstance(messages, dict):
        messages = messages["messages"]
    return is_list_of_records(messages) and all(map(_is_kept, messages))


def _is_kept(message: dict[str, Any]) -> bool:
    return any(message.get(key) is not None for key in _BOOKKEEPING)


def _recognises_saved_message(value: Any) -> bool:
    return _recognises_message(value) and _is_kept(value)


FORMAT: Final = ChatFormat("openai", "an OpenAI file", _recognises, _read)
LOOSE: Final = ChatFormat("openai", "an OpenAI file", _recognises_message, _read, gathered=True)
"""A message a line, all of one chat."""
_SAVED: Final = ("openai_saved", "chats that a program saved in OpenAI's manner")
SAVED: Final = ChatFormat(*_SAVED, _recognises_saved, _read)
"""Chats of Le Chat, Jan and others: their answers were written by a model."""
SAVED_LOOSE: Final = ChatFormat(*_SAVED, _recognises_saved_message, _read, gathered=True)
