"""Chats that came in from files: what brought them, and how a whole import is undone.

A batch of chats is one transaction. Knows nothing of formats.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from floe.errors import StoreError
from floe.records import Role
from floe.store.store import Store
from floe.store.text import clean, segment, title_of


@dataclass(frozen=True, slots=True)
class NewChat:
    """A chat to keep: its title, its times (seconds since the epoch, UTC), its messages.

    A message is (role, content, time, whether it may be learnt).
    """

    title: str
    created_at: float
    updated_at: float
    messages: Sequence[tuple[Role, str, float, bool]]


@dataclass(frozen=True, slots=True)
class KeptImport:
    """An import in the list. `chats`: how many of it are still there; `details`: as it was saved.

    `source`: the program it came from, for people. `used`: more has been written in its chats.
    """

    id: int
    imported_at: float
    name: str
    source: str
    sentence: str
    chats: int
    details: dict[str, Any]
    used: bool


def begin_import(store: Store, name: str) -> int:
    """Make the row that chats of an import belong to; returns its id."""
    with store.writing() as db:
        row = db.execute(
            "INSERT INTO imports (imported_at, name) VALUES (?, ?)", [time.time(), clean(name)]
        )
        assert row.lastrowid is not None
        return int(row.lastrowid)


def add_chats(store: Store, import_id: int, chats: Sequence[NewChat]) -> list[int]:
    """Add chats to an import, all or none; returns the ids of their conversations."""
    made = []
    with store.writing() as db:
        for chat in chats:
            first = next((text for role, text, *_ in chat.messages if role == "user"), "")
            title = chat.title or title_of(first)
            conversation = db.execute(
                "INSERT INTO conversations (title, created_at, updated_at, import_id)"
                " VALUES (?, ?, ?, ?)",
                [title, chat.created_at, chat.updated_at, import_id],
            ).lastrowid
            assert conversation is not None
            db.execute(
                "INSERT INTO title_search (rowid, title) VALUES (?, ?)",
                [conversation, segment(title)],
            )
            parent: int | None = None
            for role, content, at, learn in chat.messages:
                parent = db.execute(
                    "INSERT INTO messages (conversation_id, parent_id, role, content, created_at,"
                    " status, learn) VALUES (?, ?, ?, ?, ?, 'complete', ?)",
                    [conversation, parent, role, content, at, learn],
                ).lastrowid
                if role != "system":
                    db.execute(
                        "INSERT INTO message_search (rowid, content) VALUES (?, ?)",
                        [parent, segment(content)],
                    )
            db.execute("UPDATE conversations SET leaf_id = ? WHERE id = ?", [parent, conversation])
            made.append(int(conversation))
    return made


def finish_import(
    store: Store, import_id: int, source: str, sentence: str, details: dict[str, Any]
) -> None:
    """Keep what came of it; chats that nobody has used since stand under their own heading."""
    with store.writing() as db:
        db.execute(
            "UPDATE imports SET imported_at = ?, source = ?, sentence = ?, details = ?"
            " WHERE id = ?",
            [time.time(), source, sentence, json.dumps(details), import_id],
        )


def delete_import(store: Store, import_id: int) -> None:
    """Remove an import with all its chats, from the file's bytes too.

    Raises:
        StoreError: there is none, or it has been removed already.
    """
    with store.writing() as db:
        gone = db.execute("DELETE FROM imports WHERE id = ? RETURNING id", [import_id]).fetchall()
        if not gone:
            raise StoreError(f"There is no import {import_id}, or it is undone already.", "deleted")
        db.execute("INSERT INTO message_search(message_search) VALUES ('optimize')")
        db.execute("INSERT INTO title_search(title_search) VALUES ('optimize')")
    store.checkpoint()


def drop_unfinished_imports(store: Store) -> None:
    """Remove, at start, imports that a crash or a full disk left half in.

    Where there still is no room they wait for the next start.
    """
    with store.reading() as db:
        ids = [row[0] for row in db.execute("SELECT id FROM imports WHERE source = ''").fetchall()]
    with suppress(StoreError):
        for import_id in ids:
            delete_import(store, import_id)


def list_imports(store: Store) -> list[KeptImport]:
    """Return the imports of which chats are still there, the newest first."""
    with store.reading() as db:
        rows = db.execute(
            "SELECT i.id, i.imported_at, i.name, i.source, i.sentence, count(c.id), i.details,"
            " EXISTS (SELECT 1 FROM messages m JOIN conversations own ON own.id = m.conversation_id"
            " WHERE own.import_id = i.id AND m.created_at > i.imported_at)"
            " FROM imports i JOIN conversations c ON c.import_id = i.id"
            " GROUP BY i.id ORDER BY i.id DESC"
        ).fetchall()
    return [
        KeptImport(number, at, name, source, sentence, chats, json.loads(details), bool(used))
        for number, at, name, source, sentence, chats, details, used in rows
    ]


def swap_roles(store: Store, import_id: int) -> None:
    """Let who asked be who answered, and the other way round, in all chats of an import.

    What was found private, and what is learnt, is looked at anew.
    """
    with store.writing() as db:
        db.execute(
            "UPDATE messages SET role = CASE role WHEN 'user' THEN 'assistant'"
            " WHEN 'assistant' THEN 'user' ELSE role END, private = NULL WHERE conversation_id IN"
            " (SELECT id FROM conversations WHERE import_id = ?)",
            [import_id],
        )
        db.execute(
            "UPDATE imports SET details = json_set(details, '$.swapped',"
            " NOT coalesce(json_extract(details, '$.swapped'), 0)) WHERE id = ?",
            [import_id],
        )
