"""Copies of a data folder, and the way back: one zip with the database and the adapters.

A backup holds `floe.db`, the files of the adapters that it names, `encryption.json` where the
folder is encrypted (then all is encrypted as it lies there), and `manifest.json` with sizes and
hashes. It holds no models, no training runs, no log, no keys of the cloud. Those that Floe makes
by itself lie in `backups/`: three daily ones, and for a month up to three from before a change of
the schema (the database alone, since nothing else is changed).
"""

import calendar
import hashlib
import json
import logging
import os
import re
import shutil
import sqlite3
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Literal, cast

from sqlite_utils import Database

from floe.errors import FloeError, StoreError
from floe.store import encryption, schema
from floe.store.data_lock import child_processes, exclusive_access
from floe.store.reencryption import (
    check_database,
    convert_database,
    convert_file,
    copy_database,
    free_room,
    open_database,
)

logger = logging.getLogger(__name__)

BackupKind = Literal["daily", "migration", "manual"]

DATABASE: Final = "floe.db"
FOLDER: Final = "backups"
REPLACED: Final = "replaced"
STAGED: Final = ".restore-"
COPYING: Final = ".copy-"
JOURNAL: Final = "restore.json"
KEPT: Final = 3
DAY_SECONDS: Final = 86_400.0
MONTH_SECONDS: Final = 30 * DAY_SECONDS

_MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_CHUNK: Final = 1 << 20
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0
_LARGEST_MANIFEST: Final = 16 << 20
_ROOM: Final = 16 << 20
"""Bytes that stay free whatever is copied."""
NAME: Final = re.compile(r"floe-(\d{8}-\d{6})(?:-\d+)?-(daily|migration|manual)\.zip")
_MEMBER: Final = re.compile(
    r"floe\.db|encryption\.json|adapters/\d+/adapter\.gguf|adapters/\d+/adapter/[\w][\w.-]*"
)
_SIDE_FILES: Final = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")


@dataclass(frozen=True, slots=True)
class Backup:
    """One of `backups/`. `made_at`: seconds since the epoch (UTC), from its name."""

    path: Path
    kind: BackupKind
    made_at: float
    size: int


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: where the data of before lies now, and a sentence for the person."""

    replaced: Path
    sentence: str


def create_backup(
    data_dir: Path,
    target: Path | None = None,
    *,
    kind: BackupKind = "manual",
    now: float | None = None,
) -> Path:
    """Copy the database and its adapters, checked before it takes its name. An app may run.

    Args:
        data_dir: the data folder.
        target: the zip to write; None: one in `backups/`, named after the moment.
        kind: for the name; of the daily ones and those before a migration three are kept.
        now: seconds since the epoch (UTC); None: the clock's.

    Returns:
        The zip, readable by this user alone.

    Raises:
        StoreError: there is no database, it is damaged, or the zip cannot be written. Neither the
            data nor an older backup has changed.
    """
    path = data_dir / DATABASE
    if not path.is_file():
        raise StoreError(f"There is nothing to back up: {path} does not exist.")
    with schema.translate_errors(path), closing(schema.connect(path)) as db:
        return _create(data_dir, db, target, kind, time.time() if now is None else now)


def copy_before_migration(db: Database, path: Path) -> None:
    """Keep a database as it is before its schema changes; a new or empty one needs no copy.

    Raises:
        StoreError: it cannot be kept, so nothing is changed.
    """
    if path.name != DATABASE or not db.table_names():
        return
    try:
        made = _create(path.parent, db, None, "migration", time.time())
    except StoreError as error:
        raise StoreError(
            f"{path} is of an older version and has to be brought up to date, but a copy of it as "
            f"it is now cannot be kept. {error}"
        ) from error
    logger.info("the database as it was before an update of its schema is kept in %s", made)


def list_backups(data_dir: Path, kind: BackupKind | None = None) -> list[Backup]:
    """List those in `backups/`, the newest first; files that are none of ours are passed over."""
    found = []
    with suppress(OSError):
        for path in (data_dir / FOLDER).iterdir():
            named = NAME.fullmatch(path.name)
            if named and path.is_file() and not path.is_symlink():
                at = time.strptime(f"{named[1]} UTC", "%Y%m%d-%H%M%S %Z")
                of = cast(BackupKind, named[2])
                found.append(Backup(path, of, float(calendar.timegm(at)), path.stat().st_size))
    found = [each for each in found if kind is None or each.kind == kind]
    return sorted(found, key=lambda each: (each.made_at, each.path.name), reverse=True)


def delete_backups(data_dir: Path) -> int:
    """Remove every backup of `backups/` and what restores have replaced; returns how many.

    Raises:
        StoreError: one cannot be removed.
    """
    backups = list_backups(data_dir)
    try:
        for backup in backups:
            backup.path.unlink()
        aside = data_dir / REPLACED
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
    except OSError as error:
        raise StoreError(
            f"{error.filename} cannot be deleted ({error.strerror}). Allow writing there and try "
            "again."
        ) from error
    return len(backups)


class BackupSchedule:
    """The daily backup while an app runs: checked when it starts and every hour.

    `problem` says why the last one failed; empty if it did not.
    """

    def __init__(
        self,
        data_dir: Path,
        busy: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is done before `start`.

        Args:
            data_dir: the data folder.
            busy: whether an answer is being written, which no copy shall slow down.
            clock: seconds since the epoch (UTC).
        """
        self._data_dir = data_dir
        self._busy = busy
        self._clock = clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Check now and every hour, until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Stop checking; a copy under way is finished."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def due(self) -> bool:
        """True if the newest daily backup is a day old, or of a time that has not come yet."""
        newest = next(iter(list_backups(self._data_dir, "daily")), None)
        if newest is None:
            return _holds_something(self._data_dir / DATABASE)
        return not 0 <= self._clock() - newest.made_at < DAY_SECONDS

    def check(self) -> Path | None:
        """Make the daily backup if it is due and nothing is being answered; returns it."""
        try:
            if not self.due or self._busy():
                return None
            made = create_backup(self._data_dir, kind="daily", now=self._clock())
        except FloeError as error:
            # A full disk does not end the chat; the page says it, and the next hour tries again.
            logger.warning("the daily backup failed: %s", error)
            self.problem = str(error)
            return None
        self.problem = ""
        return made

    def _run(self) -> None:
        wait = 0.0
        while not self._closing.wait(wait):
            try:
                self.check()
                wait = _MINUTE if self._busy() else _HOUR
            except Exception:
                logger.exception("the daily backup failed")
                wait = _HOUR


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
        finish_restore(data_dir)
        refuse_children(data_dir)
        staged = Path(tempfile.mkdtemp(prefix=STAGED, dir=data_dir))
        try:
            with _translate_disk_errors(data_dir):
                made = _unpack(file, staged)
                _make_current(staged, data_dir, passphrase)
                return _put_in_place(data_dir, staged, made)
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
        with _translate_disk_errors(data_dir):
            try:
                values = json.loads(journal.read_text(encoding="utf-8"))
                staged, aside = str(values["staged"]), str(values["aside"])
                names = [str(each) for each in values["names"]]
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(
                    f"{journal} is damaged, so a restore cannot be finished. The data of before "
                    f"lie in {data_dir / REPLACED}, those of the backup in a folder {STAGED}…"
                ) from error
            _move(data_dir, data_dir / staged, data_dir / REPLACED / aside, names)
    for pattern in (f"{STAGED}*", f"{FOLDER}/{COPYING}*"):
        for left in data_dir.glob(pattern):
            if not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)


def refuse_children(data_dir: Path) -> None:
    """See that no trainer and no member of a group works in the folder.

    Raises:
        StoreError: one does.
    """
    if child_processes(data_dir):
        raise StoreError(
            "A training or a group is still at work in the data folder. Wait for it or end it, "
            "then try again."
        )


def refuse_training(data_dir: Path) -> None:
    """See that no trainer works in the folder: what else does, ends with the app.

    Raises:
        StoreError: one does.
    """
    words = [" ".join(process.cmdline()) for process in child_processes(data_dir)]
    if any("floe.training.worker" in each for each in words):
        raise StoreError("A training is going on. Wait for it or cancel it, then try again.")


def rewrite_backup(
    path: Path, old_key: bytes | None, header: Path | None, key: bytes | None
) -> None:
    """Give a backup another key, None being none; an error leaves it as it was.

    Args:
        path: the zip.
        old_key: of what it holds.
        header: the `encryption.json` that goes with `key`.
        key: the new one.

    Raises:
        StoreError: it is damaged, or the disk is full.
    """
    folder = Path(tempfile.mkdtemp(prefix=COPYING, dir=path.parent))
    try:
        with _translate_disk_errors(path.parent):
            manifest = _unpack(path, folder)
            _convert_tree(folder, old_key, key)
            (folder / encryption.HEADER).unlink(missing_ok=True)
            if header is not None:
                shutil.copyfile(header, folder / encryption.HEADER)
            _write_zip(folder, path, {**manifest, "files": {}})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Making one


def _create(
    data_dir: Path, db: Database, target: Path | None, kind: BackupKind, now: float
) -> Path:
    folder = data_dir / FOLDER
    with _translate_disk_errors(folder if target is None else target.parent):
        if target is None:
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = target.parent
            folder.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise StoreError(f"{target} is a folder. Give the name of the zip to write in it.")
        path = data_dir / DATABASE
        free_room(folder, 2 * path.stat().st_size + _ROOM)
        copy = Path(tempfile.mkdtemp(prefix=COPYING, dir=folder))
        try:
            with schema.translate_errors(path):
                copy_database(db, copy / DATABASE)
            key = None
            if not encryption.is_plain_database(copy / DATABASE):
                key = encryption.unlock(data_dir)
                shutil.copyfile(data_dir / encryption.HEADER, copy / encryption.HEADER)
            check_database(copy / DATABASE, key)
            applied = _applied(copy / DATABASE, key)
            if kind != "migration":
                _copy_adapters(data_dir, copy, key)
            manifest = {"format": _FORMAT, "made_at": now, "kind": kind, "schema": applied}
            path = target or _free_name(folder, kind, now)
            _write_zip(copy, path, manifest)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        if target is None and kind != "manual":
            # The old backups go only now, because the new one has been read back.
            outdated = list_backups(data_dir, kind)[KEPT:]
            # Old copies go: nobody goes back to them, and they hold chats that were deleted since.
            outdated += [
                each
                for each in list_backups(data_dir, "migration")
                if now - each.made_at > MONTH_SECONDS and each not in outdated
            ]
            for old in outdated:
                old.path.unlink()
    return path


def _applied(path: Path, key: bytes | None) -> list[str]:
    with closing(open_database(path, key)) as db:
        rows = db.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'floe'")
        return sorted(row[0] for row in rows)


def _copy_adapters(data_dir: Path, copy: Path, key: bytes | None) -> None:
    """Copy the adapters that the copied database names, as they lie there."""
    with closing(open_database(copy / DATABASE, key)) as db:
        ids = [row[0] for row in db.execute("SELECT id FROM adapters")]
    for adapter_id in ids:
        source, target = (root / "adapters" / str(adapter_id) for root in (data_dir, copy))
        # Deleted since, or lost: the row alone is then restored, as it is here.
        with suppress(FileNotFoundError):
            for file in sorted(source.rglob("*")):
                name = file.relative_to(data_dir).as_posix()
                if file.is_file() and not file.is_symlink() and _MEMBER.fullmatch(name):
                    (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target / file.relative_to(source))


def _write_zip(folder: Path, path: Path, manifest: Mapping[str, Any]) -> None:
    """All files of a folder, read back and compared before the zip takes its name."""
    part = path.with_name(f".{path.name}.part")
    files: dict[str, dict[str, Any]] = {}
    secret = (folder / encryption.HEADER).exists()  # and nothing to be pressed together
    kind = zipfile.ZIP_STORED if secret else zipfile.ZIP_DEFLATED
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as raw:
            with zipfile.ZipFile(raw, "w", kind, compresslevel=1) as archive:
                for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                    name = file.relative_to(folder).as_posix()
                    archive.write(file, name)
                    with file.open("rb") as content:
                        digest = hashlib.file_digest(content, "sha256").hexdigest()
                    files[name] = {"bytes": file.stat().st_size, "sha256": digest}
                archive.writestr(_MANIFEST, json.dumps({**manifest, "files": files}))
            raw.flush()
            os.fsync(raw.fileno())
            raw.seek(0)
            with zipfile.ZipFile(raw) as archive:
                for _, checked in _checked(archive, files):
                    while checked.read(_CHUNK):
                        pass
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _free_name(folder: Path, kind: BackupKind, now: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    path, number = folder / f"floe-{stamp}-{kind}.zip", 1
    while path.exists():
        number += 1
        path = folder / f"floe-{stamp}-{number}-{kind}.zip"
    return path


def _holds_something(path: Path) -> bool:
    if not path.is_file():
        return False
    with schema.translate_errors(path), closing(schema.connect(path)) as db:
        tables = [name for name in ("conversations", "adapters") if name in db.table_names()]
        return any(db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() for name in tables)  # noqa: S608


# The way back


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    """Put what a backup holds into an empty folder; returns its manifest.

    Raises:
        StoreError: it is no backup, or not what its manifest says.
    """
    not_one = StoreError(f"{file.name} is not a backup of Floe's. Choose another file.")
    with file.open("rb") as raw:
        start = raw.read(16)
    if start.startswith(b"SQLite format 3"):
        # The log comes along, because it may hold what the database has not.
        with (
            schema.translate_errors(file),
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            copy_database(db, folder / DATABASE)
        return {"kind": "manual"}
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
                raise not_one
            manifest = json.loads(archive.read(_MANIFEST))
            if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
                raise StoreError(
                    f"{file.name} was made by a newer version of Floe. Update Floe, then restore."
                )
            files = manifest["files"]
            free_room(folder, sum(int(each["bytes"]) for each in files.values()) + _ROOM)
            for name, content in _checked(archive, files):
                target = folder / PurePosixPath(name)
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with os.fdopen(
                    os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
                ) as out:
                    shutil.copyfileobj(content, out, _CHUNK)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise not_one from error
    except (NotImplementedError, RuntimeError, RecursionError) as error:  # encrypted, odd methods
        raise not_one from error
    if not (folder / DATABASE).exists():
        raise not_one
    return manifest


def _checked(
    archive: zipfile.ZipFile, files: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, "_Hashed"]]:
    """Yield every file of the manifest, to be read to its end, where its hash is checked.

    Raises:
        StoreError: a name, size or hash is not as it should be.
    """
    for name, said in files.items():
        if not _MEMBER.fullmatch(name):
            raise StoreError(f"The backup holds something that is not Floe's ({name[:80]!r}).")
        with archive.open(name) as content:
            reader = _Hashed(content, int(said["bytes"]))
            yield name, reader
            if reader.left or content.read(1) or reader.digest != said["sha256"]:
                raise StoreError(
                    f"The backup is damaged: {name} is not what was put in. Choose another one."
                )


class _Hashed:
    """Reads at most so many bytes, and hashes them."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._hash = hashlib.sha256()
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(self.left if size < 0 else min(size, self.left))
        self._hash.update(data)
        self.left -= len(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def _make_current(staged: Path, data_dir: Path, passphrase: str | None) -> None:
    """Check what was unpacked, bring its schema up to date, and give it the data folder's key."""
    header = encryption.read_header(staged)
    key = None if header is None else _staged_key(header, data_dir, passphrase)
    path = staged / DATABASE
    check_database(path, key)
    with schema.translate_errors(path):
        db = Database(open_database(path, key), execute_plugins=False)
        with closing(db.conn):
            schema.prepare(db, path)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    there = encryption.read_header(data_dir)
    if there is None and not (data_dir / DATABASE).exists():
        return  # a new place: as the backup is
    new_key = encryption.unlock(data_dir, passphrase)
    _convert_tree(staged, key, new_key)
    (staged / encryption.HEADER).unlink(missing_ok=True)


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


def _convert_tree(folder: Path, old_key: bytes | None, new_key: bytes | None) -> None:
    convert_database(folder / DATABASE, old_key, new_key)
    for file in (folder / "adapters").rglob("*"):
        if file.is_file():
            convert_file(file, old_key, new_key)


def _put_in_place(data_dir: Path, staged: Path, manifest: Mapping[str, Any]) -> Restored:
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
    return Restored(
        kept,
        f"{what} are those of the backup now. What was there before is kept in {kept}; delete that "
        "folder once you do not need it any more.",
    )


def _move(data_dir: Path, staged: Path, aside: Path, names: list[str]) -> None:
    """Move each name aside, then the staged one into its place; whatever was moved already stays.

    What is still staged has not been moved, so that what lies in its place is of before.
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


@contextmanager
def _translate_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder} could not be read or written ({error.strerror or error}). "
            "Make room on the disk or check its rights, then try again; nothing has been lost."
        ) from error
