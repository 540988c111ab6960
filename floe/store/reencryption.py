"""Databases and files from clear to encrypted, from one key to another, and back to clear.

Each is written beside the old one, read back and compared, and only then takes its place: a kill
at any step leaves the old or the new one whole. Knows one file at a time.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from floe.errors import EncryptionError, StoreError
from floe.store import encryption, schema
from floe.units import format_bytes

PART: Final = ".converted"
"""The suffix of what is not in place yet."""
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")

Step = Callable[[str], None]
"""Told what is about to be done; where tests end the process."""


def _ignore(_: str) -> None: ...


def open_database(path: Path, key: bytes | None) -> Any:
    """Open a bare connection to a database anywhere, by its first bytes in clear or with `key`.

    Raises:
        EncryptionError: it is encrypted, and `key` is None.
        sqlite3.Error, sqlcipher3.Error: it cannot be opened.
    """
    if path.stat().st_size == 0 or encryption.is_plain_database(path):
        return sqlite3.connect(path, isolation_level=None, timeout=schema.BUSY_SECONDS)
    if key is None:
        raise EncryptionError(f"{path.name} is encrypted, or is not a database.")
    return encryption.connect_with_key(path, key, schema.BUSY_SECONDS)


def check_database(path: Path, key: bytes | None) -> None:
    """See that every page and index of a database is sound.

    Raises:
        StoreError: it is not.
        EncryptionError: it is encrypted, and `key` is not its key.
    """
    with schema.translate_errors(path), closing(open_database(path, key)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        if found == ["ok"] and not encryption.is_plain_database(path):
            found += [row[0] for row in db.execute("PRAGMA cipher_integrity_check")]
    if found != ["ok"]:
        raise StoreError(f"{path.name} is damaged ({found[-1]}).")


def convert_database(
    path: Path, old_key: bytes | None, new_key: bytes | None, step: Step = _ignore
) -> bool:
    """Give a database another key, None being none. Nobody else may have it open.

    Returns:
        False: it was so already.

    Raises:
        EncryptionError: sqlcipher3 is not installed, or `old_key` is not the database's.
        StoreError: it is damaged or the disk is full; the database is as it was.
    """
    if _has_key(path, new_key):
        _remove_part(path)
        return False
    part = path.with_name(path.name + PART)
    _remove_part(path)
    with schema.translate_errors(path):
        try:
            step("database copy")
            # What is still in the log belongs to the old file.
            with closing(open_database(path, old_key)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                before = _digest(db)
            _export(path, old_key, part, new_key)
            step("database check")
            check_database(part, new_key)
            with closing(open_database(part, new_key)) as db:
                if _digest(db) != before:
                    raise StoreError(  # noqa: TRY301 - for the one who removes the copy
                        f"The copy of {path.name} is not like it. Try again."
                    )
            with part.open("rb+") as file:
                os.fsync(file.fileno())
        except BaseException:
            _remove_part(path)
            raise
    step("database replace")
    _replace(part, path)
    for suffix in _SIDE_FILES:
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink()
    return True


def convert_file(
    path: Path, old_key: bytes | None, new_key: bytes | None, step: Step = _ignore
) -> bool:
    """Give a file another key, None being none; False: it was so already.

    Raises:
        EncryptionError: `old_key` is not the file's.
        OSError: it cannot be read or written; the file is as it was.
    """
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    was = encryption.is_encrypted(path)
    if not was and new_key is None:
        return False
    content = _content(path, old_key, new_key)
    if content is None:  # it has the new key
        return False
    try:
        step(f"{path.name} copy")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            pieces = [content] if new_key is None else encryption.encrypt_chunks(content, new_key)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if _content(part, new_key, None) != content:
            raise OSError(None, f"the copy of {path.name} is not like it")  # noqa: TRY301
        step(f"{path.name} replace")
        _replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return True


def copy_database(source: Any, target: Path) -> None:
    """Copy an open database consistently, with its key, for this user's eyes.

    Nobody waits for it, neither reader nor writer.

    Args:
        source: a connection, or what executes like one.
        target: not there yet.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source.execute("VACUUM INTO ?", [str(target)])


def _content(path: Path, key: bytes | None, unless: bytes | None) -> bytes | None:
    """Read what a file holds in clear; None: it has the key `unless` already."""
    with path.open("rb") as file:
        magic = file.read(8)
        if not encryption.is_encrypted(path):
            return magic + file.read()
        if unless is not None:
            with suppress(EncryptionError):
                for _ in encryption.decrypt_chunks(file, unless, path.name):
                    pass
                return None
            file.seek(len(magic))
        if key is None:
            raise EncryptionError(f"{path.name} is encrypted, and its key is missing.")
        return b"".join(encryption.decrypt_chunks(file, key, path.name))


def _has_key(path: Path, key: bytes | None) -> bool:
    if path.stat().st_size == 0 or encryption.is_plain_database(path):
        return key is None
    if key is None:
        return False
    try:
        with closing(encryption.connect_with_key(path, key)) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except encryption.DATABASE_ERRORS:
        return False
    return True


def _export(path: Path, old_key: bytes | None, part: Path, new_key: bytes | None) -> None:
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if encryption.sqlcipher is None:
        raise EncryptionError(encryption.NO_SQLCIPHER)
    # In clear too, through SQLCipher, which alone can write the other kind.
    if old_key is None or encryption.is_plain_database(path):
        db = encryption.sqlcipher.connect(str(path), isolation_level=None)
    else:
        db = encryption.connect_with_key(path, old_key)
    with closing(db):
        name = "" if new_key is None else encryption.database_key(new_key)
        db.execute("ATTACH DATABASE ? AS converted KEY ?", [str(part), name])
        db.execute("SELECT sqlcipher_export('converted')").fetchone()
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA converted.user_version = {int(version)}")
        db.execute("DETACH DATABASE converted")


def _digest(db: Any) -> str:
    """Hash the tables' definitions and every row of every table but FTS5's own, in order.

    The search tables' shadows are rows like others and stand for what FTS5 would say.
    """
    found = hashlib.sha256()
    tables = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
    ).fetchall()
    found.update(repr(tables).encode())
    names = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        " ORDER BY name"
    ).fetchall()
    for (name,) in names:
        found.update(name.encode())
        # SQLite's own tables have no order that a copy keeps.
        order = " ORDER BY 1" if name.startswith("sqlite_") else ""
        for row in db.execute(f'SELECT * FROM "{name}"{order}'):  # noqa: S608 - our own names
            found.update(repr(row).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _replace(part: Path, path: Path) -> None:
    """Put the new one in the old one's place, and zeros over the old one's bytes.

    That helps on a disk that writes in place; one that does not (most flash, btrfs, snapshots)
    keeps them until it needs the room.
    """
    with path.open("rb+") as old:
        part.replace(path)
        _sync_folder(path.parent)
        with suppress(OSError):
            left = old.seek(0, os.SEEK_END)
            old.seek(0)
            while left > 0:
                left -= old.write(bytes(min(left, 1 << 20)))
            old.flush()
            os.fsync(old.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some systems know no such thing
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_part(path: Path) -> None:
    part = path.with_name(path.name + PART)
    for suffix in ("", *_SIDE_FILES):
        with suppress(OSError):
            part.with_name(part.name + suffix).unlink()


def free_room(folder: Path, needed: int) -> None:
    """See that the disk has room before anything is begun.

    Raises:
        StoreError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"The disk has {format_bytes(free)} free, and {format_bytes(needed)} are needed. Make "
            "room and try again; nothing has been changed."
        )
