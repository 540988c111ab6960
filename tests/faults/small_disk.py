"""A disk that can be filled: a file system in memory of a few megabytes, mounted for one test.

Mounting needs root. Elsewhere SQLite itself is told to let the database grow no further
(`max_page_count`), which gives the same error from the same call, but for the database alone.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from floe.store import schema

_MEGABYTES = 8


class SmallDisk:
    """A folder on a disk of its own."""

    real = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, leave: int = 0) -> None:
        """Leave room for `leave` bytes and no more, and keep it so."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096, 512, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
        if leave:
            with (self.path / "filler").open("r+b") as file:
                file.truncate(max(0, (self.path / "filler").stat().st_size - leave))

    def make_room(self) -> None:
        """As a person does who deletes something."""
        (self.path / "filler").unlink()


class FrozenDatabase(SmallDisk):
    """The fallback: connections that may not make their database larger."""

    real = False

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(path)
        self._connections: list[Any] = []
        self._full = False
        connect = schema.connect

        def limited(database: Path) -> Any:
            db = connect(database)
            self._connections.append(db)
            self._limit(db)
            return db

        patch.setattr(schema, "connect", limited)

    def fill(self, leave: int = 0) -> None:
        self._full = True
        for db in self._connections:
            self._limit(db)

    def make_room(self) -> None:
        self._full = False
        for db in self._connections:
            self._limit(db)

    def _limit(self, db: Any) -> None:
        with suppress(Exception):  # it has been closed meanwhile
            db.execute(f"PRAGMA max_page_count = {1 if self._full else 2**30}")


@contextmanager
def small_disk(path: Path, patch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Mount one at `path`, or stand in for it."""
    path.mkdir()
    options = f"size={_MEGABYTES}m,mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield FrozenDatabase(path, patch)
        return
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that was killed a moment ago may still stand in the folder.
        subprocess.run(["umount", "-l", str(path)], check=True)
