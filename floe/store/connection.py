"""The database file: connections that threads share, transactions kept whole or not at all.

One SQLite file in WAL mode. Any number of threads and processes may read while one writes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlite_utils import Database

from floe.errors import StoreError
from floe.private_files import make_private_file, make_private_folder
from floe.store import schema
from floe.store.backup import copy_before_migration
from floe.store.file_checks import refuse_unsound


class DatabaseFile:
    """The database at `path`; folder and file are made when missing.

    Any thread may call any method: each call borrows a connection from a small pool. A process
    opens one of its own; one that was carried over a fork must not be used.

    Raises:
        StoreError: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[Database] = []
        self._watcher: Database | None = None  # writes nothing, so that it sees all who do
        self._watchers = 0
        self._watching = threading.Lock()
        self._writing = threading.Lock()  # threads take turns; SQLite's own wait is for processes
        try:
            make_private_folder(path.parent)
            refuse_unsound(path)
            if not path.exists():
                path.touch(mode=0o600)  # for this user's eyes; SQLite's side files follow
            make_private_file(path)
        except OSError as error:
            raise StoreError(
                f"The chats cannot be kept in {path}: {error.strerror}. Choose another data folder."
            ) from error
        with self._connection() as db:
            schema.prepare(db, path, copy_before_migration)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all idle connections; the last one folds the log file into the database."""
        while self._idle:
            self._idle.pop().close()
        with self._watching:
            if self._watcher is not None:
                self._watcher.close()
                self._watcher = None

    def data_version(self) -> tuple[int, int]:
        """Return numbers that are others after every commit, whichever process made it."""
        with self._watching, schema.translate_errors(self.path):
            if self._watcher is None:
                self._watcher = schema.connect(self.path)
                self._watchers += 1  # each counts from the beginning
            version = self._watcher.execute("PRAGMA data_version").fetchone()[0]
            return self._watchers, int(version)

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """One snapshot for all that is read within."""
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                yield db
            finally:
                db.rollback()

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One transaction, kept whole or not at all.

        IMMEDIATE, because a transaction that starts by reading cannot wait for the lock.
        """
        with self._writing, self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.commit()
            except BaseException:
                db.rollback()
                raise

    @contextmanager
    def _connection(self) -> Iterator[Database]:
        with schema.translate_errors(self.path):
            try:
                db = self._idle.pop()
            except IndexError:
                db = schema.connect(self.path)
            try:
                yield db
            except BaseException:
                db.close()
                raise
            self._idle.append(db)
