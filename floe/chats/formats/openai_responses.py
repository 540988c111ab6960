"""OpenAI's Responses (`input`, `output` in items), and logs of requests with what answered them."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.openai_messages import add_message
from floe.chats.imported import (
    THOUGHT,
    TOOL,
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_list_of_records,
    is_record,
    record_in,
    records_in,
)


def add_items(builder: ChatBuilder, items: Any) -> None:
    """Add the messages among the items of an input or output; a text is the user's.

    Raises:
        ChatShapeError: they are none.
    """
    if isinstance(items, str):
        builder.add("user", items)
        return
    for item in records_in(items):
        kind = item.get("type", "message")
        if kind == "message" and "role" in item:
            add_message(builder, item)
        elif kind == "message":
            add_message(builder, {**item, "role": "assistant"})
        else:
            builder.skip(THOUGHT if kind == "reasoning" else TOOL)


def _parts(value: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the request and the answer of a log's entry, or of an object that is both."""
    if not isinstance(value, dict):
        return None
    request = record_in(value, "request") or value
    response = record_in(value, "response") or value
    request = record_in(request, "body") or request
    response = record_in(response, "body") or response
    asked = "messages" in request or isinstance(request.get("input"), str | list)
    if asked and (is_list_of_records(response.get("choices")) or _is_output(response)):
        return request, response
    return None


def _is_output(response: dict[str, Any]) -> bool:
    output = response.get("output")
    first = output[0] if isinstance(output, list) and output else None
    return is_record(first, "type") or is_record(first, "role")


def _recognises(value: Any) -> bool:
    return _parts(value) is not None


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    parts = _parts(value)
    assert parts is not None
    request, response = parts
    builder = ChatBuilder(notes)
    for key in ("instructions", "system"):
        if isinstance(request.get(key), str):
            builder.add("system", request[key])
    if "messages" in request:
        for message in records_in(request["messages"]):
            add_message(builder, message)
    else:
        add_items(builder, request["input"])
    if _is_output(response):
        add_items(builder, response["output"])
    else:
        choice = response["choices"][0]
        if not is_record(choice, "message"):
            raise ChatShapeError("has messages of an unknown shape")
        add_message(builder, {"role": "assistant", **record_in(choice, "message")})
    created = response.get("created_at") or response.get("created")
    yield builder.chat(created_at=created)


FORMAT: Final = ChatFormat("openai_responses", "an OpenAI log", _recognises, _read)
