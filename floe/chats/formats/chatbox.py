"""Chatbox's export of its data: a chat under each key `session:…`, with earlier threads in it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from floe.chats.formats.openai_messages import add_message
from floe.chats.imported import (
    MEDIA,
    NOTE,
    VERSION,
    ChatBuilder,
    ChatFormat,
    ImportedChat,
    ImportNotes,
    read_each,
    record_in,
    records_in,
)

_LISTS: Final = ("chat-sessions", "chat-sessions-list")
"""Of older versions the first; what others write for Chatbox has the messages in the second."""


def _recognises(value: Any) -> bool:
    return bool(_sessions(value))


def _sessions(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        return []
    found = [each for key, each in value.items() if key.startswith("session:")]
    for key in _LISTS:
        listed = value.get(key)
        found += listed if isinstance(listed, list) else []
    return [each for each in found if isinstance(each, dict) and "messages" in each]


def _read(value: Any, notes: ImportNotes) -> Iterator[ImportedChat]:
    readers = []
    for session in _sessions(value):
        for thread in records_in(session.get("threads") or []):
            readers.append(partial(_chat, thread, session, notes))
        readers.append(partial(_chat, session, session, notes))
    yield from read_each(readers, notes)


def _chat(thread: dict[str, Any], session: dict[str, Any], notes: ImportNotes) -> ImportedChat:
    builder = ChatBuilder(notes)
    forks = record_in(thread, "messageForksHash")
    others = [record_in(forks, key).get("lists") for key in forks]
    builder.skip(VERSION, sum(max(0, len(each) - 1) for each in others if isinstance(each, list)))
    for message in records_in(thread.get("messages")):
        if message.get("error"):
            builder.skip(NOTE)
        builder.skip_lists(MEDIA, message, ("files", "links", "pictures"))
        add_message(builder, message)
    own = thread.get("threadName") if thread is session else thread.get("name")
    return builder.chat(own or session.get("name"), thread.get("createdAt"))


FORMAT: Final = ChatFormat("chatbox", "Chatbox", _recognises, _read)
