"""Telegram's export as JSON: one chat, or all of an account."""

from collections.abc import Iterator
from typing import Any, Final

from floe.chats.between_people import Utterance, choose_user, people_in, read_utterances
from floe.chats.imported import (
    MEDIA,
    NOTE,
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    is_record,
    moment_of,
    record_in,
    records_in,
)

_LABEL: Final = "Telegram"
_KINDS: Final = ("_chat", "_group", "_supergroup", "_channel")
_OWN_NOTES: Final = "saved_messages"
_MEDIA_KEYS: Final = (
    "photo",
    "file",
    "media_type",
    "poll",
    "contact_information",
    "location_information",
)


def _is_chat(value: Any) -> bool:
    kind = value.get("type") if is_record(value, "messages") else None
    return isinstance(kind, str) and (kind == _OWN_NOTES or kind.endswith(_KINDS))


def _recognises(value: Any) -> bool:
    return _is_chat(value) or any(map(_is_chat, _listed(value)))


def _listed(value: Any) -> list[Any]:
    found = record_in(value, "chats").get("list")
    return found if isinstance(found, list) else []


def _read_as(value: Any, notes: ImportNotes, user: str) -> Iterator[ImportedChat]:
    if _is_chat(value):
        yield from _read_chat(value, notes, user, "")
        return
    account = record_in(value, "personal_information").get("user_id")
    found = 0
    for chat in _listed(value):
        try:
            for each in _read_chat(chat, notes, user, f"user{account}" if account else ""):
                found += 1
                yield each
        except ChatShapeError:
            notes.parts["empty or broken chat"] += 1
    if not found:
        raise ChatShapeError("has no messages")


def _read_chat(
    chat: dict[str, Any], notes: ImportNotes, user: str, account: str
) -> Iterator[ImportedChat]:
    if not _is_chat(chat):
        raise ChatShapeError("has messages of an unknown shape")
    if chat["type"].endswith("_channel"):
        notes.parts["channel"] += 1
        raise ChatShapeError("is a channel and no chat")
    said = []
    ids = {}
    for message in records_in(chat["messages"]):
        sender = message.get("from")
        if message.get("type") != "message" or not isinstance(sender, str) or not sender:
            notes.parts[NOTE] += 1  # "Anna joined", calls, what a deleted account wrote
            continue
        ids[message.get("from_id")] = sender
        said.append(_utterance(message, sender))
    people = people_in([each.sender for each in said])
    if account in ids and not user:
        me, reason = ids[account], ""
    else:
        with_whom = chat.get("name") if not chat["type"].endswith("group") else ""
        other = with_whom.casefold() if isinstance(with_whom, str) else ""
        me, reason = choose_user(people, said[0].sender, other, user, "the chat is with")
    yield from read_utterances(said, me, reason, _LABEL, notes)


def _utterance(message: dict[str, Any], sender: str) -> Utterance:
    at = moment_of(message.get("date_unixtime") or message.get("date"))
    if message.get("forwarded_from"):
        return Utterance(sender, None, at, ("forwarded message",))
    left_out = (MEDIA,) if any(key in message for key in _MEDIA_KEYS) else ()
    words = _words(message.get("text"))
    return Utterance(sender, words if words.strip() or not left_out else None, at, left_out)


def _words(text: Any) -> str:
    """Return the words of a text, or of its pieces, of which some are links or bold."""
    pieces = text if isinstance(text, list) else [text]
    return "".join(
        piece if isinstance(piece, str) else str(record_in({"": piece}, "").get("text", ""))
        for piece in pieces
    )


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    return _read_as(value, notes, "")


FORMAT: Final = ChatFormat("telegram", _LABEL, _recognises, _read, read_as=_read_as)
