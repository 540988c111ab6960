"""Google's Gemini: Takeout's list of activities, chats of AI Studio, and requests of the API.

Takeout has a question and its answer a record, in HTML, and does not say which belong together.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from floe.chats.html_text import words_of_html
from floe.chats.imported import (
    MEDIA,
    NOTE,
    THOUGHT,
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

_PROMPTED: Final = ("Prompted ", "Said ", "Asked ")
_ATTACHED: Final = ("attachedFiles", "imageFile", "audioFiles")


def _recognises_activity(value: Any) -> bool:
    if not is_record(value, "header", "title"):
        return False
    products = value.get("products")
    names = [value["header"], *(products if isinstance(products, list) else [])]
    return any("Gemini" in name or name == "Bard" for name in names if isinstance(name, str))


def _read_activities(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    answered = []
    for record in value:
        if is_record(record) and is_list_of_records(record.get("safeHtmlItem")):
            answered.append(record)
        else:
            notes.parts[NOTE] += 1  # "Used an Assistant feature"
    if not answered:
        raise ChatShapeError("has no questions with answers")
    titles = [str(record.get("title")).replace("\u00a0", " ") for record in answered]
    begun = _beginning(titles, notes)
    if len(answered) > 1:
        notes.decided.append(
            "The file does not say which questions belong together, so each is a chat of its own"
        )
    pairs = zip(answered, titles, strict=True)
    in_order = sorted(pairs, key=lambda pair: moment_of(pair[0].get("time")) or 0.0)
    yield from read_each(
        (partial(_read_activity, record, title, begun, notes) for record, title in in_order), notes
    )


def _read_activity(
    record: dict[str, Any], title: str, begun: str, notes: ImportNotes
) -> ImportedChat:
    at = moment_of(record.get("time"))
    builder = ChatBuilder(notes)
    known = next((each for each in _PROMPTED if title.startswith(each)), begun)
    builder.add("user", title.removeprefix(known), at)
    html = [item.get("html") for item in record["safeHtmlItem"] if isinstance(item, dict)]
    builder.add("assistant", "\n\n".join(words_of_html(str(each)) for each in html if each), at)
    builder.skip(MEDIA, sum(bool(record.get(key)) for key in _ATTACHED))
    return builder.chat(created_at=record.get("time"))


def _beginning(titles: list[str], notes: ImportNotes) -> str:
    """Return the words that Google puts before each question, in whatever language."""
    foreign = [title for title in titles if not title.startswith(_PROMPTED)]
    if not foreign:
        return ""
    first, last = min(foreign), max(foreign)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    common = first[: first.rfind(" ", 0, same) + 1] if len(foreign) > 2 else ""
    notes.decided.append(
        f"“{common.strip()}” before each question was taken for Google's words and left out"
        if common
        else "The language of the file is not known, so questions may begin with words of Google's"
    )
    return common


def _recognises(value: Any) -> bool:
    return _is_studio(value) or (
        is_record(value, "contents")
        and is_list_of_records(value["contents"])
        and "parts" in value["contents"][0]
    )


def _is_studio(value: Any) -> bool:
    return is_list_of_records(record_in(value, "chunkedPrompt").get("chunks"))


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    builder = ChatBuilder(notes)
    told = value.get("systemInstruction") or value.get("system_instruction")
    if isinstance(told, dict):
        system = told.get("text") or _words(builder, told.get("parts") or [])
        if isinstance(system, str) and system:
            builder.add("system", system)
    if _is_studio(value):
        for chunk in records_in(value["chunkedPrompt"]["chunks"]):
            role = role_of(chunk.get("role"))
            if chunk.get("isThought"):
                builder.skip(THOUGHT)
            elif isinstance(chunk.get("text"), str) and role is not None:
                builder.add(role, chunk["text"], moment_of(chunk.get("createTime")))
            else:
                builder.skip(MEDIA)
    else:
        for content in records_in(value["contents"]):
            role = role_of(content.get("role", "user"))
            if role is None:
                builder.skip(TOOL)
                continue
            words = _words(builder, content.get("parts"))
            if words:
                builder.add(role, words)
    yield builder.chat()


def _words(builder: ChatBuilder, parts: Any) -> str:
    words = []
    for part in records_in(parts):
        if part.get("thought"):
            builder.skip(THOUGHT)
        elif isinstance(part.get("text"), str):
            words.append(part["text"])
        else:
            called = any("function" in key.lower() or "code" in key.lower() for key in part)
            builder.skip(TOOL if called else MEDIA)
    return "\n".join(words)


FORMAT: Final = ChatFormat("gemini", "Gemini", _recognises, _read)
ACTIVITY: Final = ChatFormat(
    "gemini", "Gemini", _recognises_activity, _read_activities, gathered=True
)
