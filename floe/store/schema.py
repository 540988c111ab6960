"""The database file under `floe.store`: its tables, its connections, its errors as sentences.

A new table is a new migration after the last one; one that has been released is never edited.
Knows nothing of what the rows mean.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from floe.errors import StoreError, StoreFailure
from floe.store import encryption

BUSY_SECONDS = 5.0
"""How long a writer waits for another process to finish its transaction."""

GONE = "This conversation has been deleted. Choose another one or start a new chat."

_SENTENCES = {
    sqlite3.SQLITE_FULL: "The disk is full: {path} cannot be written. Make room and try again.",
    sqlite3.SQLITE_BUSY: (
        "{path} has been in use by another program for too long. Close that program and try again."
    ),
    sqlite3.SQLITE_NOTADB: (
        "{path} is not a database and has been left as it is. Move it away to start afresh, or "
        "choose another data folder."
    ),
    sqlite3.SQLITE_CORRUPT: (
        "{path} is damaged and has been left as it is. Move it away to start afresh, or put a "
        "copy in its place."
    ),
    sqlite3.SQLITE_READONLY: (
        "{path} cannot be written. Allow writing to it and its folder, or choose another data "
        "folder."
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "{path} cannot be opened. See that it is a file you may write, or choose another data "
        "folder."
    ),
    sqlite3.SQLITE_IOERR: (
        "{path} could not be read or written. See that the disk is there, sound and not full."
    ),
}

_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, *encryption.DATABASE_ERRORS)
_FAILURES: dict[int, StoreFailure] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_CANTOPEN: "unreadable",
    sqlite3.SQLITE_IOERR: "unreadable",
}

MIGRATIONS = Migrations("floe")


@MIGRATIONS(name="0001_chats")
def _chats(db: Database) -> None:
    """Keep conversations, their messages as a tree, the tokens of answers, settings, search.

    - AUTOINCREMENT: a page left open on a deleted conversation must not meet a new one.
    - The parent link has no cascade of its own: it would recurse down the chain, and SQLite
      stops at a depth of 1,000. Messages only ever go with their conversation.
    - Token rows are not WITHOUT ROWID: rows of 1.5 kB would each take an overflow page there,
      which made the file more than twice as large.
    - The search tables hold their own, segmented copy of the text (see `floe.store.segment`).
    """
    _execute_each(
        db,
        """
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL,
            leaf_id INTEGER REFERENCES messages(id) ON DELETE SET NULL
        ) STRICT;
        CREATE INDEX conversations_leaf ON conversations(leaf_id);
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            parent_id INTEGER,
            role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
            content TEXT NOT NULL,
            created_at REAL NOT NULL,
            status TEXT NOT NULL CHECK (status IN
                ('streaming', 'complete', 'length', 'stopped', 'interrupted', 'failed')),
            route TEXT,
            stats TEXT,
            notices TEXT NOT NULL DEFAULT '[]',
            UNIQUE (conversation_id, id),
            FOREIGN KEY (conversation_id, parent_id) REFERENCES messages(conversation_id, id)
        ) STRICT;
        CREATE INDEX messages_children ON messages(conversation_id, parent_id);
        CREATE INDEX messages_streaming ON messages(status) WHERE status = 'streaming';
        CREATE TABLE tokens (
            message_id INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            token_id INTEGER NOT NULL,
            text_bytes BLOB NOT NULL,
            p_local REAL,
            p_cloud REAL,
            p_fused REAL NOT NULL,
            weight REAL NOT NULL,
            source TEXT NOT NULL CHECK (source IN
                ('local', 'fused', 'cloud', 'late', 'offline')),
            at_ms REAL NOT NULL,
            alternatives TEXT NOT NULL,
            PRIMARY KEY (message_id, position)
        ) STRICT;
        CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE VIRTUAL TABLE message_search
            USING fts5(content, tokenize = 'unicode61 remove_diacritics 2');
        CREATE VIRTUAL TABLE title_search
            USING fts5(title, tokenize = 'unicode61 remove_diacritics 2');
        CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
            DELETE FROM message_search WHERE rowid = old.id;
        END;
        CREATE TRIGGER conversations_deleted AFTER DELETE ON conversations BEGIN
            DELETE FROM title_search WHERE rowid = old.id;
        END;
    """,
    )


@MIGRATIONS(name="0002_endpoints")
def _endpoints(db: Database) -> None:
    """Keep what was found out about a model at an endpoint, as JSON, and when (seconds, UTC)."""
    _execute_each(
        db,
        """
        CREATE TABLE endpoints (
            base_url TEXT NOT NULL,
            model TEXT NOT NULL,
            tested_at REAL NOT NULL,
            profile TEXT NOT NULL,
            PRIMARY KEY (base_url, model)
        ) STRICT;
    """,
    )


@MIGRATIONS(name="0003_privacy")
def _privacy(db: Database) -> None:
    """Keep what was found private, what the person allows, and what has left the device.

    - `messages.private`: JSON list of kinds found in the text; NULL: nobody has looked.
    - `conversations.train`, `.federate`: NULL: as the person's general consent says.
    - `sent` outlives the conversation: deleting a chat does not unsend it. `route` tells for
      what it was sent; `body` is the request's body, word for word.
    """
    _execute_each(
        db,
        """
        ALTER TABLE messages ADD COLUMN private TEXT;
        ALTER TABLE messages ADD COLUMN rating INTEGER NOT NULL DEFAULT 0
            CHECK (rating IN (-1, 0, 1));
        ALTER TABLE messages ADD COLUMN edited_from INTEGER;
        ALTER TABLE conversations ADD COLUMN local_only INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE conversations ADD COLUMN train INTEGER;
        ALTER TABLE conversations ADD COLUMN federate INTEGER;
        CREATE TABLE sent (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            message_id INTEGER,
            sent_at REAL NOT NULL,
            endpoint TEXT NOT NULL,
            model TEXT NOT NULL,
            purpose TEXT NOT NULL,
            body TEXT NOT NULL,
            size INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX sent_time ON sent(sent_at);
        CREATE TABLE pseudonyms (
            conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            placeholder TEXT NOT NULL,
            kind TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (conversation_id, placeholder)
        ) STRICT;
    """,
    )


@MIGRATIONS(name="0004_personal")
def _personal(db: Database) -> None:
    """Keep adapters, the runs that trained them, and what a run reported while it went.

    Files lie below the data folder; `folder` is relative to it. `base_sha256` is that of the
    GGUF: an adapter never loads onto another base. Times are seconds since the epoch (UTC).
    """
    _execute_each(
        db,
        """
        CREATE TABLE training_runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            created_at REAL NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'cancelled',
                'interrupted', 'failed', 'complete')),
            folder TEXT NOT NULL,
            base_path TEXT NOT NULL,
            base_sha256 TEXT NOT NULL,
            plan TEXT NOT NULL,
            data_sha256 TEXT NOT NULL,
            rows INTEGER NOT NULL,
            pid INTEGER,
            started_at REAL,
            ended_at REAL,
            sentence TEXT NOT NULL DEFAULT '',
            metrics TEXT
        ) STRICT;
        CREATE TABLE training_steps (
            run_id INTEGER NOT NULL REFERENCES training_runs(id) ON DELETE CASCADE,
            step INTEGER NOT NULL,
            steps INTEGER NOT NULL,
            at REAL NOT NULL,
            train_loss REAL,
            held_out_loss REAL,
            seconds_left REAL,
            PRIMARY KEY (run_id, step)
        ) STRICT;
        CREATE TABLE adapters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('personal', 'expert')),
            created_at REAL NOT NULL,
            folder TEXT NOT NULL,
            base_sha256 TEXT NOT NULL,
            rank INTEGER NOT NULL,
            scale REAL NOT NULL DEFAULT 1,
            in_use INTEGER NOT NULL DEFAULT 0,
            run_id INTEGER REFERENCES training_runs(id) ON DELETE SET NULL,
            plan TEXT,
            data_sha256 TEXT,
            metrics TEXT
        ) STRICT;
        CREATE INDEX adapters_run ON adapters(run_id);
    """,
    )


@MIGRATIONS(name="0005_federation")
def _federation(db: Database) -> None:
    """Keep rounds of this device, simulated ones too, and what a router knows of each expert."""
    _execute_each(
        db,
        """
        CREATE TABLE federations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            started_at REAL NOT NULL,
            ended_at REAL,
            kind TEXT NOT NULL CHECK (kind IN ('joined', 'simulated')),
            status TEXT NOT NULL CHECK (status IN ('running', 'left', 'failed', 'complete')),
            settings TEXT NOT NULL,
            sentence TEXT NOT NULL DEFAULT '',
            pid INTEGER
        ) STRICT;
        CREATE TABLE rounds (
            federation_id INTEGER NOT NULL REFERENCES federations(id) ON DELETE CASCADE,
            round INTEGER NOT NULL,
            at REAL NOT NULL,
            report TEXT NOT NULL,
            PRIMARY KEY (federation_id, round)
        ) STRICT;
        CREATE TABLE experts (
            adapter_id INTEGER PRIMARY KEY REFERENCES adapters(id) ON DELETE CASCADE,
            federation_id INTEGER REFERENCES federations(id) ON DELETE SET NULL,
            cluster TEXT NOT NULL,
            centroid BLOB NOT NULL,
            radius REAL NOT NULL,
            samples TEXT NOT NULL DEFAULT '[]'
        ) STRICT;
        CREATE INDEX experts_federation ON experts(federation_id);
    """,
    )


@MIGRATIONS(name="0006_imports")
def _imports(db: Database) -> None:
    """Keep which file brought which chats, so that an import can be undone as a whole.

    - `conversations.import_id`: NULL: the chat was had here. With the import go its chats.
    - `messages.learn`: 0: the file said that this answer is never to be learnt (`weight`).
    """
    _execute_each(
        db,
        """
        CREATE TABLE imports (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            imported_at REAL NOT NULL,
            name TEXT NOT NULL,
            source TEXT NOT NULL DEFAULT '',
            sentence TEXT NOT NULL DEFAULT '',
            details TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
        ALTER TABLE conversations ADD COLUMN import_id INTEGER
            REFERENCES imports(id) ON DELETE CASCADE;
        CREATE INDEX conversations_import ON conversations(import_id);
        ALTER TABLE messages ADD COLUMN learn INTEGER NOT NULL DEFAULT 1 CHECK (learn IN (0, 1));
    """,
    )


@MIGRATIONS(name="0007_memory")
def _memory(db: Database) -> None:
    """Keep passages of what the person wrote, found for later prompts; see `floe.memory`.

    - `memory_sources`: a message, the notes of the page, a file (`name` is its path); a row says
      that it has been read. `problem`: why nothing of it could be.
    - `memory_passages.forgotten`: hash of a text that shall not come back; the text itself is gone.
    - `memory_uses` has no text of its own: what is deleted or forgotten is gone from there too.
    - `memory_answers`: hashes of answers that hold such words and that a program has in its hands.
    """
    _execute_each(
        db,
        """
        CREATE TABLE memory_sources (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('chat', 'note', 'file')),
            name TEXT NOT NULL DEFAULT '',
            message_id INTEGER UNIQUE REFERENCES messages(id) ON DELETE CASCADE,
            modified_at REAL NOT NULL DEFAULT 0,
            size INTEGER NOT NULL DEFAULT 0,
            problem TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE UNIQUE INDEX memory_sources_name ON memory_sources(kind, name)
            WHERE message_id IS NULL;
        CREATE TABLE memory_passages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            source_id INTEGER NOT NULL REFERENCES memory_sources(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            text TEXT NOT NULL,
            said_at REAL NOT NULL,
            first_person INTEGER NOT NULL,
            forgotten BLOB
        ) STRICT;
        CREATE INDEX memory_passages_source ON memory_passages(source_id);
        CREATE TABLE memory_uses (
            message_id INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            passage_id INTEGER NOT NULL REFERENCES memory_passages(id) ON DELETE CASCADE,
            PRIMARY KEY (message_id, passage_id)
        ) STRICT;
        CREATE INDEX memory_uses_passage ON memory_uses(passage_id);
        CREATE TABLE memory_answers (sha256 BLOB PRIMARY KEY) STRICT;
        CREATE VIRTUAL TABLE memory_search
            USING fts5(text, tokenize = 'porter unicode61 remove_diacritics 2');
        CREATE TRIGGER memory_passages_deleted AFTER DELETE ON memory_passages BEGIN
            DELETE FROM memory_search WHERE rowid = old.id;
        END;
    """,
    )


@MIGRATIONS(name="0008_conversation_list")
def _conversation_list(db: Database) -> None:
    """Keep which conversations stand first in the list, and which in that of the archive."""
    _execute_each(
        db,
        """
        ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
    """,
    )


@MIGRATIONS(name="0009_folders")
def _folders(db: Database) -> None:
    """Keep the folder of a conversation; there are those that have one in them."""
    db.execute("ALTER TABLE conversations ADD COLUMN folder TEXT NOT NULL DEFAULT ''")


@MIGRATIONS(name="0010_composer")
def _composer(db: Database) -> None:
    """Keep which files stand in a message, and what was set for one conversation alone.

    - `attachments`: the file's text is part of the message's content, from character `start` to
      `end`; `left_out`: characters of the file after those.
    - `chat_settings.system_prompt`: NULL: as in general; `sampling`: chosen settings, JSON by name.
    """
    _execute_each(
        db,
        """
        CREATE TABLE attachments (
            message_id INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL,
            left_out INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (message_id, position)
        ) STRICT;
        CREATE TABLE chat_settings (
            conversation_id INTEGER PRIMARY KEY REFERENCES conversations(id) ON DELETE CASCADE,
            system_prompt TEXT,
            sampling TEXT NOT NULL DEFAULT '{}'
        ) STRICT;
    """,
    )


@MIGRATIONS(name="0012_examples")
def _examples(db: Database) -> None:
    """Keep which passages are examples of how the person writes; words do not find these.

    - `memory_vectors`: told facts as sentences, numbers of two bytes; `model`: whose they are.
    `messages_own`: answers that the person wrote, or brought along; no model of Floe did.
    """
    _execute_each(
        db,
        """
        ALTER TABLE memory_passages ADD COLUMN example INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE memory_vectors (
            passage_id INTEGER PRIMARY KEY REFERENCES memory_passages(id) ON DELETE CASCADE,
            model TEXT NOT NULL,
            vector BLOB NOT NULL
        ) STRICT;
        CREATE INDEX messages_own ON messages(conversation_id) WHERE role = 'assistant'
            AND status = 'complete' AND (edited_from IS NOT NULL OR route IS NULL);
    """,
    )


def _execute_each(db: Database, script: str) -> None:
    """Execute statements that each end with a line, within the transaction that is open.

    sqlite_utils' own `executescript` looks for their ends letter by letter, and reads all that came
    before again at each: a third of the time that a new database took.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.endswith(";\n") and sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    assert not statement.strip(), statement


def connect(path: Path) -> Database:
    """Open a connection for any thread, one at a time; through SQLCipher where encrypted."""
    connection = encryption.connect_database(path, BUSY_SECONDS) or sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        db = Database(connection, execute_plugins=False)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        # A kill loses nothing either way. What has been shown outlives a power cut as well if each
        # commit waits for the disk: 0.4 ms more, 12 times a second (`floe bench durability`).
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return db


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite reports into a sentence; what nobody can cause or mend stays a bug.

    Raises:
        StoreError: the file cannot be used, or the row written to has gone meanwhile.
    """
    try:
        yield
    except _ERRORS as error:
        code = getattr(error, "sqlite_errorcode", 0)
        # In words too, because SQLCipher's module does not tell the kinds of constraints apart.
        if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY or str(error).startswith("FOREIGN KEY"):
            raise StoreError(GONE, "deleted") from error
        sentence = _SENTENCES.get(code & 0xFF)  # the low byte names the kind, the rest details
        if sentence is None:
            raise
        failure = _FAILURES.get(code & 0xFF, "other")
        raise StoreError(sentence.format(path=path), failure) from error


def prepare(
    db: Database,
    path: Path,
    before_migration: Callable[[Database, Path], None] = lambda _db, _path: None,
) -> None:
    """Bring a new, empty or older database up to date; leave every other file as it is.

    `before_migration` is called while an older one is still as it was; an error ends all.

    Raises:
        StoreError: a newer Floe or another program wrote the file.
        sqlite3.Error: it cannot be read or written, or is no database.
    """
    # The tables are read before anything is switched or written: the file may not be ours.
    _refuse_foreign(db, path)
    _enable_wal(db)
    if MIGRATIONS.pending(db):
        before_migration(db, path)
        # IMMEDIATE: of two processes that start together one migrates, the other waits.
        db.execute("BEGIN IMMEDIATE")
        try:
            _refuse_foreign(db, path)
            MIGRATIONS.apply(db)
            db.commit()
        except BaseException:
            db.rollback()
            raise


def _refuse_foreign(db: Database, path: Path) -> None:
    # In this order: tables and their record appear together, perhaps between the two reads.
    tables = db.table_names()
    applied = {migration.name for migration in MIGRATIONS.applied(db)}
    with Database(memory=True) as empty:
        known = {migration.name for migration in MIGRATIONS.pending(empty)}
    if applied - known:
        raise StoreError(
            f"{path} was written by a newer version of Floe. Update Floe, or choose another "
            "data folder; the file has been left as it is."
        )
    if tables and not applied:
        raise StoreError(
            f"{path} is the database of another program. Choose another data folder; the file "
            "has been left as it is."
        )


def _enable_wal(db: Database) -> None:
    """Let readers never wait for the writer. SQLite does not wait for this switch by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = wal")
        except _ERRORS as error:
            code = getattr(error, "sqlite_errorcode", 0)
            if code != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
