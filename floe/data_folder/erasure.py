"""“Delete all my data”: everything that Floe has made in a data folder, and nothing else in it.

Only names that are Floe's own are removed, and no link is followed. Keys of the cloud leave the
keyring too. Models, which hold nothing of anybody, and files that others put into the folder stay.
"""

import logging
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil

from floe.cloud.credentials.keys import Keys
from floe.cloud.credentials.presets import PRESETS
from floe.errors import FloeError, StoreError
from floe.store import Store, backup, backup_archive, encryption
from floe.store.data_lock import ADDRESS, child_processes

logger = logging.getLogger(__name__)

MARK: Final = "erase"
"""Written first: an erasure that is killed is finished at the next start."""
LOG: Final = "floe.log"
QUESTION: Final = (
    "Delete all chats, what was learnt from them, backups, logs and the group's files of this data "
    "folder, and the keys that Floe keeps? They cannot be brought back."
)

_FILES: Final = re.compile(
    rf"floe\.db(-wal|-shm|-journal)?({re.escape('.converted')}(-wal|-shm|-journal)?)?"
    r"|unsaved-\d+\.db(\.left)?(-wal|-shm|-journal)?|reserve\.bin"
    r"|floe\.log(\.\d+)?|encryption\.json|restore\.json|open\.html|access-token|api-key"
    rf"|{re.escape(ADDRESS)}|\.(encryption\.json|restore\.json|{re.escape(ADDRESS)})\.part"
    r"|\.export-\w+\.(gguf|zip)|\.(open\.html|access-token|api-key)-\w+"
)
_FOLDERS: Final = re.compile(
    rf"flower|base_answers|{backup_archive.REPLACED}|{re.escape(backup_archive.STAGED)}\w+"
)
"""All in them is Floe's own, or was made by Flower for it."""
_EXPORTING: Final = re.compile(r"tmp[a-z0-9_]{8}")
"""What an import or export that was killed leaves: chats as JSONL and nothing else."""
_NUMBERED: Final = {"adapters": re.compile(r"\d+"), "runs": re.compile(r"\d+|\.lock")}
_BACKUPS: Final = re.compile(
    rf"{backup.NAME.pattern}|\.{backup.NAME.pattern}\.part|{re.escape(backup_archive.COPYING)}\w+"
)
_PATIENCE_SECONDS: Final = 5.0
_KEYS_OF: Final = (
    "SELECT base_url FROM endpoints UNION SELECT endpoint FROM sent"
    " UNION SELECT json_extract(value, '$.base_url') FROM settings"
    " WHERE json_valid(value) AND json_type(value) = 'object'"
)


def erase(data_dir: Path, keep: Sequence[str] = ()) -> list[Path]:
    """Remove all of it, for good. Nobody may have the folder open but the caller.

    Args:
        data_dir: the data folder.
        keep: names in it that stay, such as the door's token while the page goes on.

    Returns:
        What is left in the folder and is not Floe's.

    Raises:
        StoreError: a group is hosted from the folder, or something cannot be removed; what is
            gone is gone, and the next try goes on.
    """
    _end_children(data_dir)
    _forget_keys(data_dir)
    problems: list[OSError] = []
    with suppress(OSError):
        (data_dir / MARK).touch(mode=0o600)
    # The key first: without it the rest cannot be read, whatever becomes of it.
    with suppress(FloeError):
        header = encryption.read_header(data_dir)
        if header is not None:
            encryption.forget_keyring_entry(header)
    encryption.remember_key(data_dir, None)
    names = [encryption.HEADER, *sorted(each.name for each in _listed(data_dir))]
    for name in dict.fromkeys(names):
        if name not in keep:
            _remove_known(data_dir / name, problems)
    if problems:
        raise StoreError(
            f"{problems[0].filename} cannot be deleted ({problems[0].strerror}). Allow writing "
            "there, then delete again: the rest is gone."
        )
    (data_dir / MARK).unlink(missing_ok=True)
    return [each for each in _listed(data_dir) if each.name not in keep]


def finish_erasure(data_dir: Path) -> None:
    """Finish, at a start, what was killed; see `erase`."""
    if (data_dir / MARK).exists():
        erase(data_dir)


def _remove_known(path: Path, problems: list[OSError]) -> None:
    name = path.name
    if name in _NUMBERED or name == backup_archive.FOLDER:
        _remove_within(path, _NUMBERED.get(name, _BACKUPS), problems)
    elif _FOLDERS.fullmatch(name) and (path.is_dir() or path.is_symlink()):
        _remove(path, problems)
    elif _EXPORTING.fullmatch(name) and path.is_dir() and not path.is_symlink():
        if all(each.suffix in (".jsonl", ".json") for each in _listed(path)):
            _remove(path, problems)
    elif _FILES.fullmatch(name) and (path.is_file() or path.is_symlink()):
        _remove(path, problems)


def _remove_within(folder: Path, known: re.Pattern[str], problems: list[OSError]) -> None:
    """Remove what Floe put into one of its folders, and the folder too if nothing is left."""
    if folder.is_symlink():
        # What it points to was put elsewhere by somebody; what Floe wrote there stays there.
        _remove(folder, problems)
        return
    for each in _listed(folder):
        if known.fullmatch(each.name):
            _remove(each, problems)
    with suppress(OSError):
        folder.rmdir()


def _remove(path: Path, problems: list[OSError]) -> None:
    """Remove a file, a link itself, or a whole folder; links in it are not followed."""

    def note(_call: object, _path: object, info: tuple[object, BaseException, object]) -> None:
        if isinstance(info[1], OSError) and not isinstance(info[1], FileNotFoundError):
            problems.append(info[1])

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=note)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        problems.append(error)


def _listed(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _end_children(data_dir: Path) -> None:
    """End trainers, which outlive the app and read what is to be deleted, but no person's host."""
    children = child_processes(data_dir)
    for process in children:
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if "floe.federation.group.superlink" in words or "flower-superlink" in words:
                raise StoreError(
                    "A group is still hosted from this data folder. End that first (Ctrl-C in its "
                    "window), then delete again."
                )
    for process in children:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(children, _PATIENCE_SECONDS)


def _forget_keys(data_dir: Path) -> None:
    """Remove the keyring's entries for all addresses that this folder knows, and known services."""
    urls = [preset.base_url for preset in PRESETS]
    path = data_dir / backup_archive.DATABASE
    if path.is_file():
        # A database that cannot be opened names no addresses, and goes all the same.
        with suppress(FloeError), Store(path) as store, store.reading() as db:
            urls += [row[0] for row in db.execute(_KEYS_OF) if row[0]]
    keys = Keys()
    for url in dict.fromkeys(each for each in urls if urlsplit(each).scheme in ("http", "https")):
        with suppress(FloeError, ValueError):
            keys.delete(url)
