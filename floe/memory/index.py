"""The index of own words: messages, notes and files as passages, in the database of the chats.

There, because deleting, encrypting, backing up and erasing then hold for it as for all else.
Knows neither models nor turns; which files there are `floe.memory.files` says.
"""

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from floe.memory import memory_choices
from floe.memory.kept_out import is_kept_out
from floe.memory.passages import (
    MemoryPassage,
    SourceKind,
    goes_on_from,
    last_question,
    last_statement,
    own_statements,
    points_back,
    split_passages,
)
from floe.memory.question_forms import is_first_person
from floe.store import Store
from floe.store.text import segment

_BATCH: Final = 200
_NOTES: Final = "notes"
_SHORT_REPLY: Final = 80
"""Characters of a reply that says little without the question that it answers."""
_MOST_OF_A_MESSAGE: Final = 40
"""Passages of one message; more is a pasted document."""

_UNREAD: Final = """
    SELECT m.id, substr(m.content, 1, coalesce(
               (SELECT min(start) FROM attachments a WHERE a.message_id = m.id), length(m.content)
           )), m.created_at, m.role, p.content, g.content, g.private
    FROM messages m
    LEFT JOIN messages p ON p.id = m.parent_id AND p.role = 'assistant'
    LEFT JOIN messages g ON g.id = p.parent_id AND g.role = 'user'
    LEFT JOIN memory_sources s ON s.message_id = m.id
    WHERE s.id IS NULL AND (m.role = 'user' OR m.edited_from IS NOT NULL)
    ORDER BY m.id DESC LIMIT ?
"""


def index_messages(store: Store, seconds: float) -> bool:
    """Read messages that are new, the newest first, for about so long; whether all are read."""
    until = time.monotonic() + seconds
    while True:
        with store.writing() as db:
            rows = db.execute(_UNREAD, [_BATCH]).fetchall()
            for message_id, content, said_at, role, before, said_before, private in rows:
                # What is to stay where it was said is not told with what follows either.
                goes_on = "" if is_kept_out(None, None, private, ()) else said_before or ""
                texts = _message_passages(content, role, before or "", goes_on)
                source = _add_source(db, "chat", message_id=message_id)
                _replace(db, source, texts, said_at)
        if len(rows) < _BATCH:
            return True
        if time.monotonic() > until:
            return False


def index_notes(store: Store) -> None:
    """Read the notes of the page as they now stand."""
    with store.writing() as db:
        source = _source(db, "note", _NOTES) or _add_source(db, "note", _NOTES)
        _replace(db, source, split_passages(memory_choices.notes(store)), time.time())


def known_files(store: Store) -> dict[Path, tuple[float, int]]:
    """Files that have been read, with time of change and size at that time."""
    with store.reading() as db:
        rows = db.execute("SELECT name, modified_at, size FROM memory_sources WHERE kind = 'file'")
        return {Path(name): (modified_at, size) for name, modified_at, size in rows}


def index_file(
    store: Store, path: Path, modified_at: float, size: int, text: str, problem: str = ""
) -> None:
    """Keep what a file says now in place of what it said before.

    Args:
        store: where to.
        path: the file.
        modified_at: its time of change, seconds since the epoch.
        size: its bytes.
        text: what it says.
        problem: why it could not be read; empty if it could.
    """
    with store.writing() as db:
        source = _source(db, "file", str(path)) or _add_source(db, "file", str(path))
        db.execute(
            "UPDATE memory_sources SET modified_at = ?, size = ?, problem = ? WHERE id = ?",
            [modified_at, size, problem, source],
        )
        _replace(db, source, split_passages(text), modified_at)


def drop_files(store: Store, paths: Sequence[Path]) -> None:
    """Let go of files that are not there any more, or not to be read."""
    with store.writing() as db:
        for path in paths:
            db.execute("DELETE FROM memory_sources WHERE kind = 'file' AND name = ?", [str(path)])
        db.execute("INSERT INTO memory_search(memory_search) VALUES ('optimize')")


def file_figures(store: Store) -> tuple[int, int, list[str]]:
    """Count files and passages, and list the first sentences on files that could not be read."""
    with store.reading() as db:
        (files,) = db.execute("SELECT count(*) FROM memory_sources WHERE kind = 'file'").fetchone()
        (passages,) = db.execute(
            "SELECT count(*) FROM memory_passages WHERE forgotten IS NULL AND example = 0"
        ).fetchone()
        problems = db.execute(
            "SELECT problem FROM memory_sources WHERE problem <> '' ORDER BY name LIMIT 5"
        ).fetchall()
    return files, passages, [row[0] for row in problems]


def forget_passage(store: Store, passage_id: int) -> None:
    """Take a passage out for good: its text goes, and does not come back with its source."""
    with store.writing() as db:
        row = db.execute(
            "SELECT p.text, s.kind FROM memory_passages p JOIN memory_sources s"
            " ON s.id = p.source_id WHERE p.id = ? AND p.forgotten IS NULL",
            [passage_id],
        ).fetchone()
        if row is None:
            return
        text, kind = row
        db.execute("DELETE FROM memory_search WHERE rowid = ?", [passage_id])
        for table in ("memory_uses", "memory_vectors"):
            db.execute(f"DELETE FROM {table} WHERE passage_id = ?", [passage_id])  # noqa: S608
        db.execute(
            "UPDATE memory_passages SET text = '', forgotten = ? WHERE id = ?",
            [_digest(text), passage_id],
        )
        db.execute("INSERT INTO memory_search(memory_search) VALUES ('optimize')")
    if kind == "note":
        memory_choices.set_notes(store, _without(memory_choices.notes(store), text))
    store.checkpoint()


def example_passages(store: Store, texts: Mapping[int, str]) -> dict[int, MemoryPassage]:
    """Return passages for examples of how the person writes, by message; without forgotten ones.

    Args:
        store: where they are kept from now on.
        texts: the question and the answer, in one text, by the message that holds the answer.
    """
    found = {message_id: _example(store, message_id, text) for message_id, text in texts.items()}
    missing = {one: texts[one] for one, passage in found.items() if passage is None}
    if missing:
        with store.writing() as db:
            for message_id, text in missing.items():
                _add_example(db, message_id, text)
        found |= {one: _example(store, one, text) for one, text in missing.items()}
    return {one: passage for one, passage in found.items() if passage is not None and passage.text}


def _example(store: Store, message_id: int, text: str) -> MemoryPassage | None:
    """Return the passage of an example; its text is empty if it has been forgotten."""
    with store.reading() as db:
        row = db.execute(
            """
            SELECT p.id, 'example', c.title, p.text, p.said_at, c.id
            FROM memory_sources s
            JOIN memory_passages p ON p.source_id = s.id AND p.example = 1
            JOIN messages m ON m.id = s.message_id
            JOIN conversations c ON c.id = m.conversation_id
            WHERE s.message_id = ? AND (p.text = ? OR p.forgotten = ?)
            """,
            [message_id, text, _digest(text)],
        ).fetchone()
    return None if row is None else MemoryPassage(*row)


def _add_example(db: Database, message_id: int, text: str) -> None:
    row = db.execute(
        "SELECT s.id FROM memory_sources s WHERE s.message_id = ?", [message_id]
    ).fetchone()
    source = row[0] if row else _add_source(db, "chat", message_id=message_id)
    db.execute(
        "INSERT INTO memory_passages (source_id, position, text, said_at, first_person, example)"
        " SELECT ?, 0, ?, created_at, 0, 1 FROM messages WHERE id = ?",
        [source, text, message_id],
    )


def keep_uses(store: Store, message_id: int, passages: Sequence[MemoryPassage]) -> None:
    """Remember which passages the local model read for an answer."""
    with store.writing() as db:
        db.conn.executemany(
            "INSERT OR IGNORE INTO memory_uses SELECT ?, id FROM memory_passages WHERE id = ?",
            [(message_id, each.id) for each in passages],
        )


def uses_of(store: Store, message_id: int) -> list[MemoryPassage]:
    """Return the passages that were read for an answer, as far as they are still there."""
    with store.reading() as db:
        rows = db.execute(
            """
            SELECT p.id, iif(p.example, 'example', s.kind), coalesce(c.title, s.name), p.text,
                   p.said_at, c.id
            FROM memory_uses u
            JOIN memory_passages p ON p.id = u.passage_id
            JOIN memory_sources s ON s.id = p.source_id
            LEFT JOIN messages m ON m.id = s.message_id
            LEFT JOIN conversations c ON c.id = m.conversation_id
            WHERE u.message_id = ? ORDER BY u.rowid
            """,
            [message_id],
        ).fetchall()
    return [MemoryPassage(*row) for row in rows]


def _message_passages(content: str, role: str, before: str, said_before: str) -> list[str]:
    """Return what a message tells: no questions.

    A short reply goes with what it goes on from: the person's own sentence before, and the question
    that it answers.

    Args:
        content: the message.
        role: whose it is.
        before: the answer that it replies to, or empty.
        said_before: the person's message before that, or empty.
    """
    told = own_statements(content) if role == "user" else content
    if role == "user" and told and len(told) <= _SHORT_REPLY:
        question = last_question(before)
        statement = last_statement(said_before)
        if question or points_back(told) or goes_on_from(statement, told):
            told = " ".join(filter(None, [statement, question, told]))
    return split_passages(told)[:_MOST_OF_A_MESSAGE]


def _source(db: Database, kind: SourceKind, name: str) -> int | None:
    row = db.execute(
        "SELECT id FROM memory_sources WHERE kind = ? AND name = ? AND message_id IS NULL",
        [kind, name],
    ).fetchone()
    return None if row is None else int(row[0])


def _add_source(
    db: Database, kind: SourceKind, name: str = "", message_id: int | None = None
) -> int:
    added = db.execute(
        "INSERT INTO memory_sources (kind, name, message_id) VALUES (?, ?, ?)",
        [kind, name, message_id],
    ).lastrowid
    assert added is not None
    return added


def _replace(db: Database, source: int, texts: Sequence[str], said_at: float) -> None:
    """Make a source's passages these; those that were there stay, and forgotten ones stay out."""
    rows = db.execute(
        "SELECT id, text, forgotten FROM memory_passages WHERE source_id = ?", [source]
    ).fetchall()
    wanted = dict.fromkeys(texts)
    forgotten = {bytes(digest) for _, _, digest in rows if digest is not None}
    there = {text for _, text, digest in rows if digest is None}
    gone = [one for one, text, digest in rows if digest is None and text not in wanted]
    for one in gone:
        db.execute("DELETE FROM memory_passages WHERE id = ?", [one])
    for position, text in enumerate(wanted):
        if text in there or _digest(text) in forgotten:
            continue
        added = db.execute(
            "INSERT INTO memory_passages (source_id, position, text, said_at, first_person)"
            " VALUES (?, ?, ?, ?, ?)",
            [source, position, text, said_at, int(is_first_person(text))],
        ).lastrowid
        db.execute("INSERT INTO memory_search (rowid, text) VALUES (?, ?)", [added, segment(text)])


def _without(notes: str, passage: str) -> str:
    """Take a passage out of the notes where it is a paragraph or a line; all else stays."""
    kept = []
    for paragraph in re.split(r"(\n[^\S\n]*\n\s*)", notes):
        if split_passages(paragraph) == [passage]:
            continue
        lines = paragraph.splitlines(keepends=True)
        kept += [line for line in lines if split_passages(line) != [passage]]
    return "".join(kept)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
