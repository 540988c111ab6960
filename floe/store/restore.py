"""Putting a backup in the place of the data, so that a kill at any moment loses neither.

Files are moved by a journal that the next start finishes; what was there is kept in `replaced/`.
"""

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database

from floe.errors import StoreError
from floe.store import encryption, schema
from floe.store.backup_archive import (
    COPYING,
    DATABASE,
    FOLDER,
    JOURNAL,
    REPLACED,
    STAGED,
    convert_tree,
    translate_disk_errors,
    unpack_archive,
)
from floe.store.data_lock import exclusive_access, refuse_children
from floe.store.reencryption import check_database, open_database

_API: Final = "api"
"""The setting of `floe.jobs.api_switch`, which this module may not import."""
_SENDING: Final = ("endpoint", "private_prompts", "kind_treatments")
"""Settings of `floe.cloud` and `floe.privacy`: which cloud is asked, and what it is sent."""
_SIDE_FILES: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: where the earlier data is now, and a sentence for the person."""

    replaced: Path
    sentence: str


def restore_backup(data_dir: Path, file: Path, passphrase: str | None = None) -> Restored:
    """Put a backup in the place of the data; what was there is kept in `replaced/`.

    Checked before anything is touched: its hashes, its pages, and that its schema is one of this
    Floe's or an older one, which is brought up to date. The adapters of a backup without any (from
    before a migration) stay as they are. It becomes encrypted, or in clear, as the data are now;
    where there are none yet, it stays as it is.

    Args:
        data_dir: the data folder; made if missing.
        file: a zip made by Floe, or a bare database.
        passphrase: that of the backup, where it is encrypted with one.

    Raises:
        DataFolderInUseError: an app has the folder.
        EncryptionError: the backup's key is missing or the passphrase is wrong.
        StoreError: it is damaged, of a newer Floe, no backup, or there is no room.
    """
    if not file.is_file():
        raise StoreError(f"There is no file {file}. Give the path of a backup.")
    with exclusive_access(data_dir, f"restore {file.name} again"):
        return restore_within_lock(data_dir, file, passphrase)


def restore_within_lock(data_dir: Path, file: Path, passphrase: str | None = None) -> Restored:
    """Do as `restore_backup` for who has the lock of the folder, and has closed its files."""
    finish_restore(data_dir)
    refuse_children(data_dir)
    staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=data_dir))
    try:
        with translate_disk_errors(data_dir):
            made = unpack_archive(file, staged)
            ended = _make_current(staged, data_dir, passphrase)
            return _put_in_place(data_dir, staged, made, ended)
    except BaseException:
        if not (data_dir / JOURNAL).exists():  # else the next start finishes it
            shutil.rmtree(staged, ignore_errors=True)
        raise


def finish_restore(data_dir: Path) -> None:
    """Finish a restore that was killed while it moved files; remove what one before that left.

    Raises:
        StoreError: the files cannot be moved.
    """
    journal = data_dir / JOURNAL
    if journal.exists():
        with translate_disk_errors(data_dir):
            try:
                values = json.loads(journal.read_text(encoding="utf-8"))
                staged, aside = str(values["staged"]), str(values["aside"])
                names = [str(each) for each in values["names"]]
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"{journal} is damaged, so a restore cannot be finished. The earlier data "
                    f"is in {data_dir / REPLACED}, that of the backup in a folder {STAGED}…"
                ) from error
            _move(data_dir, data_dir / staged, data_dir / REPLACED / aside, names)
    for pattern in (f"{STAGED}*", f"{FOLDER}/{COPYING}*"):
        for left in data_dir.glob(pattern):
            if not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)


def _make_current(staged: Path, data_dir: Path, passphrase: str | None) -> list[str]:
    """Check what was unpacked, bring its schema up to date, and give it the data folder's key.

    Returns:
        Sentences about what was on and is off now, see `_close_connections`, `_keep_choices`.
    """
    header = encryption.read_header(staged)
    key = None if header is None else _staged_key(header, data_dir, passphrase)
    path = staged / DATABASE
    check_database(path, key)
    with schema.translate_errors(path):
        db = Database(open_database(path, key), execute_plugins=False)
        with closing(db.conn):
            schema.prepare(db, path)
            ended = _close_connections(db) + _keep_choices(db, data_dir, passphrase)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    there = encryption.read_header(data_dir)
    if there is None and not (data_dir / DATABASE).exists():
        return ended  # a new place: as the backup is
    new_key = encryption.unlock(data_dir, passphrase)
    convert_tree(staged, key, new_key)
    (staged / encryption.HEADER).unlink(missing_ok=True)
    return ended


def _close_connections(db: Database) -> list[str]:
    """Switch off what the next start would open by itself, because it was on when it was copied.

    A person who puts old chats back has not asked for a port to be opened, nor to be in a group
    that they may have left since.

    Returns:
        A sentence for each that was on.
    """
    told = []
    with db.conn:
        on = db.execute("DELETE FROM settings WHERE key = ? RETURNING value", [_API]).fetchall()
        if any(json.loads(value) is True for (value,) in on):
            told.append("The API for other programs is off: switch it on again if you need it.")
        left = db.execute(
            "UPDATE federations SET status = 'left', sentence = ?, ended_at = ?, pid = NULL"
            " WHERE kind = 'joined' AND status = 'running' RETURNING id",
            ["A backup was restored, which ended this membership.", time.time()],
        ).fetchall()
        if left:
            told.append("This device is in no group now: join again under Federate if you like.")
    return told


def _keep_choices(db: Database, data_dir: Path, passphrase: str | None) -> list[str]:
    """Let nothing more be sent, and nowhere else, than before the restore.

    In a new place all is as in the backup; where the database that is there is damaged, all is as
    at a first start.

    Returns:
        A sentence if the backup had it otherwise.
    """
    path = data_dir / DATABASE
    if not path.exists():
        return []
    now: dict[str, str] = {}
    with (
        suppress(StoreError, sqlite3.Error, *encryption.DATABASE_ERRORS),
        closing(open_database(path, encryption.unlock(data_dir, passphrase))) as before,
    ):
        now = _sending_choices(before)
    found = _sending_choices(db.conn)
    with db.conn:
        for key in _SENDING:
            db.execute("DELETE FROM settings WHERE key = ?", [key])
            if key in now:
                db.execute("INSERT INTO settings (key, value) VALUES (?, ?)", [key, now[key]])
    if found == now:
        return []
    return [
        "Which cloud is asked and what it may be sent is as it was here, not as in the backup: "
        "see Cloud and Privacy."
    ]


def _sending_choices(database: Any) -> dict[str, str]:
    places = ", ".join("?" * len(_SENDING))
    query = f"SELECT key, value FROM settings WHERE key IN ({places})"  # noqa: S608
    return dict(database.execute(query, _SENDING).fetchall())


def _staged_key(
    header: encryption.EncryptionHeader, data_dir: Path, passphrase: str | None
) -> bytes:
    """Return the backup's key; that of the folder, opened already, if it is the same one."""
    there = encryption.read_header(data_dir)
    if there is not None and there.wrapped == header.wrapped:
        key = encryption.unlock(data_dir, passphrase)
        assert key is not None
        return key
    return encryption.unwrap_key(header, passphrase)


def _put_in_place(
    data_dir: Path, staged: Path, manifest: Mapping[str, Any], ended: Sequence[str]
) -> Restored:
    names = [DATABASE]
    with_adapters = (staged / "adapters").is_dir() or manifest.get("kind") != "migration"
    if with_adapters:
        (staged / "adapters").mkdir(exist_ok=True, mode=0o700)
        names.append("adapters")
    if (staged / encryption.HEADER).exists():
        names.insert(0, encryption.HEADER)
    aside = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    while (data_dir / REPLACED / aside).exists():
        aside += "+"
    journal = {"staged": staged.name, "aside": aside, "names": names}
    encryption.write_atomically(data_dir / JOURNAL, json.dumps(journal).encode())
    _move(data_dir, staged, data_dir / REPLACED / aside, names)
    kept = data_dir / REPLACED / aside
    what = "The chats and adapters" if with_adapters else "The chats"
    sentences = [
        f"{what} are those of the backup now.",
        *ended,
        f"What was there before is kept in {kept}; delete that folder once you do not need it any "
        "more.",
    ]
    return Restored(kept, " ".join(sentences))


def _move(data_dir: Path, staged: Path, aside: Path, names: list[str]) -> None:
    """Move each name aside, then the staged one into its place; whatever was moved already stays.

    What is still staged has not been moved, so that what lies in its place is the earlier one.
    """
    aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    # The log of the old database first: beside the new one it would be taken for its own.
    if (staged / DATABASE).exists():
        for name in _SIDE_FILES:
            if (data_dir / name).exists():
                (data_dir / name).replace(aside / name)
    for name in names:
        if (staged / name).exists():
            if (data_dir / name).exists():
                (data_dir / name).replace(aside / name)
            (staged / name).replace(data_dir / name)
    (data_dir / JOURNAL).unlink(missing_ok=True)
    shutil.rmtree(staged, ignore_errors=True)
