"""LM Studio's `*.conversation.json`: messages in versions, of which one is in view, and steps."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.openai_messages import read_content
from floe.chats.imported import (
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
    records_in,
    role_of,
)


def _recognises(value: Any) -> bool:
    return (
        is_record(value, "messages")
        and is_list_of_records(value["messages"])
        and "versions" in value["messages"][0]
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    if system := _system_prompt(value):
        builder.add("system", system)
    for message in records_in(value["messages"]):
        versions = records_in(message.get("versions"))
        chosen = message.get("currentlySelected", 0)
        if not versions:
            continue
        if not isinstance(chosen, int) or not 0 <= chosen < len(versions):
            chosen = len(versions) - 1
        if len(versions) > 1:
            builder.skip(VERSION, len(versions) - 1)
        _add(builder, versions[chosen])
    yield builder.chat(
        value.get("name"),
        value.get("createdAt"),
        value.get("assistantLastMessagedAt") or value.get("userLastMessagedAt"),
    )


def _system_prompt(value: dict[str, Any]) -> str:
    prompt = value.get("systemPrompt")
    if isinstance(prompt, str) and prompt.strip():
        return prompt
    config = value.get("perChatPredictionConfig")
    fields = config.get("fields") if isinstance(config, dict) else None
    for field in fields if isinstance(fields, list) else []:
        if is_record(field, "key", "value") and field["key"] == "llm.prediction.systemPrompt":
            return field["value"] if isinstance(field["value"], str) else ""
    return ""


def _add(builder: ChatBuilder, version: dict[str, Any]) -> None:
    role = role_of(version.get("role"))
    if role is None:
        builder.skip(TOOL)
        return
    if version.get("type") != "multiStep":
        builder.add(role, read_content(builder, version.get("content")))
        return
    words = []
    for step in records_in(version.get("steps")):
        kind, style = step.get("type"), step.get("style")
        if kind == "contentBlock":
            if isinstance(style, dict) and style.get("type") == "thinking":
                builder.skip(THOUGHT)
            elif step.get("role") in (None, "assistant", role):
                words.append(read_content(builder, step.get("content")))
            else:
                builder.skip(TOOL)
        elif isinstance(kind, str) and "tool" in kind.lower():
            builder.skip(TOOL)
        elif kind is None:
            raise ChatShapeError("has messages of an unknown shape")
    builder.add(role, "\n\n".join(word for word in words if word.strip()))


FORMAT: Final = ChatFormat("lm_studio", "LM Studio", _recognises, _read)
