"""SillyTavern's chats: a header line, then a message a line; of swipes, one is in view."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.imported import (
    HIDDEN,
    THOUGHT,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    record_in,
)


def _recognises(value: Any) -> bool:
    return is_record(value, "chat_metadata") or is_record(value, "mes", "is_user")


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    names: list[str] = []
    created = None
    speakers = {
        line["name"]
        for line in value
        if is_record(line, "mes") and not line.get("is_user") and not _is_note(line)
        if _named(line, "name")
    }
    for line in value:
        if not isinstance(line, dict):
            raise ChatShapeError("has messages of an unknown shape")
        if "mes" not in line:
            created = line.get("create_date") or created
            if _named(line, "character_name"):
                names.append(line["character_name"])
            continue
        if not line.get("is_user") and not line.get("is_system") and _named(line, "name"):
            names.append(line["name"])
        # In a group it matters who of them answers.
        group = len(speakers) > 1 and line.get("name") in speakers and not _is_note(line)
        _add(builder, line, f"{line['name']}: " if group and not line.get("is_user") else "")
    title = ", ".join(dict.fromkeys(names)) if len(speakers) > 1 else (names or [""])[0]
    yield builder.chat(title, created)


def _is_note(line: dict[str, Any]) -> bool:
    return bool(line.get("is_system")) or record_in(line, "extra").get("type") == "narrator"


def _named(line: dict[str, Any], key: str) -> bool:
    name = line.get(key)
    return isinstance(name, str) and name.strip() not in {"", "unused"}


def _add(builder: ChatBuilder, line: dict[str, Any], speaker: str) -> None:
    extra = record_in(line, "extra")
    text = line.get("mes")
    swipes, chosen = line.get("swipes"), line.get("swipe_id")
    if isinstance(swipes, list) and swipes:
        if len(swipes) > 1:
            builder.skip(VERSION, len(swipes) - 1)
        if not text and isinstance(chosen, int) and 0 <= chosen < len(swipes):
            text = swipes[chosen]
    if not isinstance(text, str):
        raise ChatShapeError("has a message that is not text")
    if extra.get("reasoning"):
        builder.skip(THOUGHT)
    at = moment_of(line.get("send_date"))
    if extra.get("type") == "narrator":
        builder.add("system", text, at)
    elif line.get("is_system"):
        builder.skip(HIDDEN)
    else:
        text = f"{speaker}{text}" if text.strip() else text
        builder.add("user" if line.get("is_user") else "assistant", text, at)


FORMAT: Final = ChatFormat("sillytavern", "SillyTavern", _recognises, _read, gathered=True)
