"""Copilot: Microsoft's table of an account's activity, and a chat of the one in an editor."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from floe.chats.imported import (
    TOOL,
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_list_of_records,
    is_record,
    moment_of,
    read_each,
    record_in,
    records_in,
    role_of,
)


def _recognises_row(value: Any) -> bool:
    return is_record(value, "conversation", "author", "message") and all(
        isinstance(each, str) for each in value.values()
    )


def _read_rows(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    chats: dict[str, list[dict[str, str]]] = {}
    for row in value:
        if not _recognises_row(row):
            raise ChatShapeError("has rows of an unknown shape")
        chats.setdefault(row["conversation"], []).append(row)
    yield from read_each(
        (partial(_read_table, title, rows, notes) for title, rows in chats.items()), notes
    )


def _read_table(title: str, rows: list[dict[str, str]], notes: ImportNotes) -> ImportedChat:
    timed = [(moment_of(row.get("time")), row) for row in rows]
    if all(time is not None for time, _ in timed):
        timed.sort(key=lambda each: each[0] or 0.0)
    builder = ChatBuilder(notes)
    for time, row in timed:
        role = role_of(row["author"])
        if role is None:
            builder.skip(TOOL)
        else:
            builder.add(role, row["message"], time)
    return builder.chat(title)


def _recognises(value: Any) -> bool:
    return (
        is_record(value, "requests", "responderUsername")
        and is_list_of_records(value["requests"])
        and is_record(value["requests"][0], "message", "response")
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    for request in records_in(value["requests"]):
        at = moment_of(request.get("timestamp"))
        question = record_in(request, "message").get("text")
        if not isinstance(question, str):
            raise ChatShapeError("has a message that is not text")
        builder.add("user", question, at)
        words = []
        for part in records_in(request.get("response") or []):
            if isinstance(part.get("value"), str) and part.get("kind") is None:
                words.append(part["value"])
            else:
                builder.skip(TOOL)
        if words:
            builder.add("assistant", "".join(words), at)
    yield builder.chat(value.get("customTitle"), value.get("creationDate"))


FORMAT: Final = ChatFormat("copilot", "Copilot", _recognises, _read)
TABLE: Final = ChatFormat("copilot", "Copilot", _recognises_row, _read_rows, gathered=True)
