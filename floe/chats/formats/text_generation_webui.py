"""text-generation-webui's history: pairs of question and answer, as kept and as shown."""

from collections.abc import Iterator
from html import unescape
from typing import Any, Final

from floe.chats.imported import (
    ChatBuilder,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    record_in,
)

_GREETING: Final = "<|BEGIN-VISIBLE-CHAT|>"
"""Stands where the question would be, before an answer that begins the chat."""


def _recognises(value: Any) -> bool:
    return (is_record(value, "internal", "visible") and isinstance(value["internal"], list)) or (
        is_record(value, "data", "data_visible") and isinstance(value["data"], list)
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    kept = value.get("internal", value.get("data"))
    shown = value.get("visible", value.get("data_visible"))
    metadata = record_in(value, "metadata")
    for i, pair in enumerate(kept):
        if not _is_pair(pair):
            raise ChatShapeError("has messages of an unknown shape")
        seen: Any = shown[i] if isinstance(shown, list) and i < len(shown) else pair
        question, answer = (
            _as_written(text, seen[side] if _is_pair(seen) else text)
            for side, text in enumerate(pair)
        )
        if question != _GREETING and question:
            builder.add("user", question, _time(metadata, f"user_{i}"))
        if answer:
            builder.add("assistant", answer, _time(metadata, f"assistant_{i}"))
    yield builder.chat()


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(e, str) for e in value)


def _as_written(kept: str, shown: str) -> str:
    """Undo the escapes of HTML that older versions keep; newer ones escape what is shown alone."""
    return kept if kept == _GREETING or unescape(shown) == kept else unescape(kept)


def _time(metadata: dict[str, Any], key: str) -> float | None:
    found = metadata.get(key)
    return moment_of(found.get("timestamp")) if isinstance(found, dict) else None


FORMAT: Final = ChatFormat("text_generation_webui", "text-generation-webui", _recognises, _read)
