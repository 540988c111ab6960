"""ShareGPT: `conversations` of `from` and `value`, and the same with `role` and `content`."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.openai_messages import add_message
from floe.chats.imported import (
    TOOL,
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

_PAIRS: Final = (("input", "output"), ("human", "assistant"), ("user", "assistant"))
"""Keys of question and answer where both are one turn."""
_KEYS: Final = ("conversations", "conversation", "items")


def _recognises(value: Any) -> bool:
    key = _key(value)
    return key is not None and (
        is_record(value[key][0], "from", "value")
        or is_record(value[key][0], "role", "content")
        or _pair(value[key][0]) is not None
    )


def _pair(turn: Any) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if is_record(turn, *pair)), None)


def _key(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return next((key for key in _KEYS if is_list_of_records(value.get(key))), None)


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    key = _key(value)
    assert key is not None
    builder = ChatBuilder(notes)
    if isinstance(value.get("system"), str):
        builder.add("system", value["system"])
    for message in records_in(value[key]):
        if "role" in message:
            add_message(builder, message)
            continue
        if pair := _pair(message):
            if isinstance(message.get("system"), str) and message["system"]:
                builder.add("system", message["system"])
            if not all(isinstance(message[key], str) for key in pair):
                raise ChatShapeError("has a message that is not text")
            builder.add("user", message[pair[0]])
            builder.add("assistant", message[pair[1]])
            continue
        role = role_of(message.get("from"))
        text = message.get("value")
        if role is None:
            builder.skip(TOOL)
        elif not isinstance(text, str):
            raise ChatShapeError("has a message that is not text")
        else:
            weight = message.get("weight")
            learn = not (isinstance(weight, int | float) and weight <= 0)
            builder.add(role, text, learn=learn)
    yield builder.chat(value.get("title"), value.get("create_time") or value.get("created_at"))


FORMAT: Final = ChatFormat("sharegpt", "ShareGPT", _recognises, _read)
