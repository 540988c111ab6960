"""Character.AI: chats of turns with candidates, and the older histories of messages."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from floe.chats.imported import (
    VERSION,
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
)


def _histories(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    found = value.get("histories")
    found = found.get("histories") if isinstance(found, dict) else found
    listed = found if isinstance(found, list) and found else [value]
    return [each for each in listed if isinstance(each, dict) and is_list_of_records(_said(each))]


def _said(history: dict[str, Any]) -> Any:
    return history.get("turns", history.get("msgs"))


def _recognises(value: Any) -> bool:
    histories = _histories(value)
    return bool(histories) and (
        is_record(_said(histories[0])[0], "author", "candidates")
        or is_record(_said(histories[0])[0], "src", "text")
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    yield from read_each(
        (partial(_read_history, history, notes) for history in _histories(value)), notes
    )


def _read_history(history: dict[str, Any], notes: ImportNotes) -> ImportedChat:
    builder = ChatBuilder(notes)
    names = []
    for each in records_in(_said(history)):
        person = record_in(each, "author") or record_in(each, "src")
        at = moment_of(each.get("create_time") or each.get("created"))
        if each.get("is_alternative"):
            builder.skip(VERSION)
            continue
        text = _chosen(builder, each) if "candidates" in each else each.get("text")
        if not isinstance(text, str):
            raise ChatShapeError("has a message that is not text")
        builder.add("user" if person.get("is_human") else "assistant", text, at)
        if not person.get("is_human") and isinstance(person.get("name"), str):
            names.append(person["name"])
    return builder.chat(names[0] if names else "", history.get("created"))


def _chosen(builder: ChatBuilder, turn: dict[str, Any]) -> Any:
    candidates = records_in(turn["candidates"])
    if len(candidates) > 1:
        builder.skip(VERSION, len(candidates) - 1)
    chosen = turn.get("primary_candidate_id")
    found = next((each for each in candidates if each.get("candidate_id") == chosen), None)
    return (found or (candidates[-1] if candidates else {})).get("raw_content")


FORMAT: Final = ChatFormat("character_ai", "Character.AI", _recognises, _read)
