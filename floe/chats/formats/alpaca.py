"""Alpaca: `instruction`, `input` and `output`; and `prompt` with `completion` or `response`."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.formats.openai_messages import add_message
from floe.chats.imported import (
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_record,
    records_in,
)

_PAIRS: Final = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "chosen"),
    ("question", "answer"),
    ("question", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
)


def _pair(value: Any) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if is_record(value, *pair)), None)


def _recognises(value: Any) -> bool:
    return _pair(value) is not None


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    pair = _pair(value)
    assert pair is not None
    builder = ChatBuilder(notes)
    more = "" if pair[0] == "input" else value.get("input") or value.get("context") or ""
    question, answer = value[pair[0]], value[pair[1]]
    if isinstance(answer, list):
        # Both in messages; some repeat the question at the beginning of the answer.
        told = records_in(answer)
        asked = records_in(question) if isinstance(question, list) else []
        for message in told if told[:1] and told[0].get("role") != "assistant" else asked + told:
            add_message(builder, message)
        yield builder.chat()
        return
    if not all(isinstance(each, str) for each in (question, more, answer)):
        raise ChatShapeError("has a message that is not text")
    if isinstance(value.get("system"), str):
        builder.add("system", value["system"])
    history = value.get("history")
    for turn in history if isinstance(history, list) else []:
        if not isinstance(turn, list) or not all(isinstance(each, str) for each in turn):
            raise ChatShapeError("has messages of an unknown shape")
        for role, text in zip(("user", "assistant"), turn, strict=False):
            builder.add("user" if role == "user" else "assistant", text)
    builder.add("user", f"{question}\n\n{more}" if more.strip() else question)
    builder.add("assistant", answer)
    yield builder.chat()


FORMAT: Final = ChatFormat("alpaca", "Alpaca", _recognises, _read)
