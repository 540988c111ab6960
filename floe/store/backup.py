"""Copies of a data folder: one zip with the database and the adapters, made by hand or daily.

Those that Floe makes by itself lie in `backups/`: three daily ones, and for a month up to three
from before a change of the schema (the database alone, since nothing else is changed).
"""

import calendar
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from sqlite_utils import Database

from floe.errors import FloeError, StoreError
from floe.store import encryption, schema
from floe.store.backup_archive import (
    COPYING,
    DATABASE,
    FOLDER,
    FORMAT,
    MEMBER,
    REPLACED,
    SPARE_BYTES,
    translate_disk_errors,
    write_archive,
)
from floe.store.reencryption import check_database, copy_database, free_room, open_database
from floe.units import DAY_SECONDS

logger = logging.getLogger(__name__)

BackupKind = Literal["daily", "migration", "manual"]

KEPT: Final = 3
MONTH_SECONDS: Final = 30 * DAY_SECONDS
NAME: Final = re.compile(r"floe-(\d{8}-\d{6})(?:-\d+)?-(daily|migration|manual)\.zip")

_HOUR: Final = 3600.0
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backup:
    """One of `backups/`. `made_at`: seconds since the epoch (UTC), from its name."""

    path: Path
    kind: BackupKind
    made_at: float
    size: int


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
    """List those in `backups/`, the newest first; other files are passed over."""
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


def _create(
    data_dir: Path, db: Database, target: Path | None, kind: BackupKind, now: float
) -> Path:
    folder = data_dir / FOLDER
    with translate_disk_errors(folder if target is None else target.parent):
        if target is None:
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = target.parent
            folder.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise StoreError(f"{target} is a folder. Give the name of the zip to write in it.")
        path = data_dir / DATABASE
        free_room(folder, 2 * path.stat().st_size + SPARE_BYTES)
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
            manifest = {"format": FORMAT, "made_at": now, "kind": kind, "schema": applied}
            path = target or _free_name(folder, kind, now)
            write_archive(copy, path, manifest)
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
                if file.is_file() and not file.is_symlink() and MEMBER.fullmatch(name):
                    (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, target / file.relative_to(source))


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
