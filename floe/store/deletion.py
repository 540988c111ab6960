"""Conversations and messages that are deleted, and put back if the person thinks better of it.

What is deleted is gone from the file at once, so that nothing reads it any more: neither search
nor memory nor training. Its rows are kept by the caller alone, as long as they may come back.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlite_utils import Database

from floe.errors import StoreError
from floe.store.schema import GONE
from floe.store.store import Store, wipe_deleted
from floe.store.text import segment

Rows = list[tuple[Any, ...]]

_BELOW: Final = """
    WITH RECURSIVE below(id, chat) AS (
        SELECT id, conversation_id FROM messages WHERE id = ?
        UNION ALL
        SELECT c.id, c.conversation_id FROM messages c
            JOIN below ON c.conversation_id = below.chat AND c.parent_id = below.id)
    SELECT id FROM below
"""

_OF_MESSAGES: Final = {
    "messages": "id IN (SELECT id FROM doomed)",
    "tokens": "message_id IN (SELECT id FROM doomed)",
    "attachments": "message_id IN (SELECT id FROM doomed)",
    "memory_sources": "message_id IN (SELECT id FROM doomed)",
    "memory_passages": (
        "source_id IN (SELECT s.id FROM memory_sources s JOIN doomed ON s.message_id = doomed.id)"
    ),
    "memory_uses": (
        "message_id IN (SELECT id FROM doomed) OR passage_id IN (SELECT p.id FROM memory_passages p"
        " JOIN memory_sources s ON s.id = p.source_id JOIN doomed ON s.message_id = doomed.id)"
    ),
}
"""Tables with rows of a message, parents first, and which rows those are."""

_OF_CHATS: Final = {
    "conversations": "id IN (SELECT id FROM doomed_chats)",
    "pseudonyms": "conversation_id IN (SELECT id FROM doomed_chats)",
    "chat_settings": "conversation_id IN (SELECT id FROM doomed_chats)",
}

_ORDER: Final = ("conversations", *_OF_MESSAGES, "pseudonyms", "chat_settings")


@dataclass(frozen=True, slots=True)
class DeletedRows:
    """All that was deleted, by table; `leaves`: conversations that stay, with the leaf in view.

    `columns`: names of a table's columns, in the order of its rows.
    """

    tables: dict[str, Rows]
    columns: dict[str, list[str]] = field(default_factory=dict)
    leaves: tuple[tuple[int, int | None], ...] = ()


def delete_chats(store: Store, ids: Sequence[int]) -> DeletedRows:
    """Delete conversations, from the file's bytes too once the log is written back.

    Returns:
        What `restore_rows` needs.
    """
    with store.writing() as db:
        with _doomed(db):
            db.conn.executemany("INSERT INTO doomed_chats VALUES (?)", [(each,) for each in ids])
            db.execute(
                "INSERT INTO doomed SELECT m.id FROM messages m"
                " JOIN doomed_chats d ON d.id = m.conversation_id"
            )
            kept = _copy(db, {**_OF_CHATS, **_OF_MESSAGES})
            db.execute("DELETE FROM conversations WHERE id IN (SELECT id FROM doomed_chats)")
        wipe_deleted(db)
    return kept


def delete_branch(store: Store, message_id: int) -> DeletedRows:
    """Delete a message and all that follows it; another version of it comes into view.

    Without another version the conversation ends with what stood before.

    Raises:
        StoreError: it has been deleted already.
    """
    with store.writing() as db:
        row = db.execute(
            "SELECT m.conversation_id, m.parent_id, c.leaf_id FROM messages m"
            " JOIN conversations c ON c.id = m.conversation_id WHERE m.id = ?",
            [message_id],
        ).fetchone()
        if row is None:
            raise StoreError(GONE, "deleted")
        conversation_id, parent_id, leaf_id = row
        with _doomed(db):
            db.execute(f"INSERT INTO doomed {_BELOW}", [message_id])
            kept = _copy(db, _OF_MESSAGES)
            # What was found private in an answer holds for a rewriting of it that stays.
            db.execute(
                "UPDATE messages SET private ="
                " (SELECT o.private FROM messages o WHERE o.id = messages.edited_from)"
                " WHERE private IS NULL AND edited_from IN (SELECT id FROM doomed)"
            )
            # So does where an answer was written for its question, if that is left without any.
            db.execute(
                "UPDATE messages SET route = (SELECT a.route FROM messages a WHERE a.id = :answer)"
                " WHERE id = :question AND role = 'user' AND NOT EXISTS (SELECT 1 FROM messages o"
                " WHERE o.parent_id = :question AND o.id <> :answer)",
                {"answer": message_id, "question": parent_id},
            )
            db.execute("DELETE FROM messages WHERE id IN (SELECT id FROM doomed)")
        there = db.execute("SELECT 1 FROM messages WHERE id = ?", [leaf_id]).fetchone()
        if there is None:
            db.execute(
                "UPDATE conversations SET leaf_id = ? WHERE id = ?",
                [_leaf_after(db, conversation_id, parent_id), conversation_id],
            )
        wipe_deleted(db)
    return DeletedRows(kept.tables, kept.columns, ((conversation_id, leaf_id),))


def restore_rows(store: Store, deleted: DeletedRows) -> None:
    """Put everything back as it was, found by search again.

    Raises:
        StoreError: the conversation of a message has been deleted meanwhile.
    """
    with store.writing() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")  # a conversation and its leaf name each other
        for table in _ORDER:
            _insert(db, table, deleted)
        for conversation_id, leaf_id in deleted.leaves:
            db.execute(
                "UPDATE conversations SET leaf_id = ? WHERE id = ?", [leaf_id, conversation_id]
            )


def _leaf_after(db: Database, conversation_id: int, parent_id: int | None) -> int | None:
    """Return the newest message below the parent of what was deleted; else the parent."""
    if parent_id is None:
        found = db.execute(
            "SELECT max(id) FROM messages WHERE conversation_id = ?", [conversation_id]
        ).fetchone()
    else:
        found = db.execute(f"SELECT max(id) FROM ({_BELOW})", [parent_id]).fetchone()  # noqa: S608
    return None if found[0] is None else int(found[0])


@contextmanager
def _doomed(db: Database) -> Iterator[None]:
    """Make two tables of ids for the time of a deletion, seen by this connection alone."""
    db.execute("CREATE TEMP TABLE doomed (id INTEGER PRIMARY KEY)")
    db.execute("CREATE TEMP TABLE doomed_chats (id INTEGER PRIMARY KEY)")
    yield  # after an error the transaction takes them back, and the connection is closed
    db.execute("DROP TABLE temp.doomed")
    db.execute("DROP TABLE temp.doomed_chats")


def _copy(db: Database, which: dict[str, str]) -> DeletedRows:
    tables, columns = {}, {}
    for table, condition in which.items():
        found = db.execute(f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 (constants)
        columns[table] = [each[0] for each in found.description]
        tables[table] = found.fetchall()
    return DeletedRows(tables, columns)


def _insert(db: Database, table: str, deleted: DeletedRows) -> None:
    rows = deleted.tables.get(table)
    if not rows:
        return
    names = deleted.columns[table]
    if table == "memory_uses":
        rows = [row for row in rows if _uses_what_is_there(db, dict(zip(names, row, strict=True)))]
    places = ", ".join("?" * len(names))
    columns = ", ".join(f'"{name}"' for name in names)
    db.conn.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)  # noqa: S608
    index = {
        "conversations": ("title_search", "title"),
        "messages": ("message_search", "content"),
        "memory_passages": ("memory_search", "text"),
    }.get(table)
    if index is None:
        return
    search, column = index
    found = []
    for row in rows:
        value = dict(zip(names, row, strict=True))
        if table == "messages" and (value["role"] == "system" or value["status"] == "streaming"):
            continue
        if value.get("forgotten") is None and not value.get("example"):
            found.append((value["id"], segment(value[column])))
    db.conn.executemany(f"INSERT INTO {search} (rowid, {column}) VALUES (?, ?)", found)  # noqa: S608


def _uses_what_is_there(db: Database, use: dict[str, Any]) -> bool:
    """Whether both ends of a use are there: the other one may have been deleted meanwhile."""
    message = db.execute("SELECT 1 FROM messages WHERE id = ?", [use["message_id"]]).fetchone()
    passage = db.execute(
        "SELECT 1 FROM memory_passages WHERE id = ?", [use["passage_id"]]
    ).fetchone()
    return message is not None and passage is not None
