"""Encryption of a data folder turned on and off, while nobody has it open.

The header says what is under way ("encrypting", "decrypting") before anything is changed and that
it is done after everything has been; files and databases say for themselves what they are. So
there is no journal: whatever a kill leaves, the same pass over all files goes on from there.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from floe.errors import EncryptionError, FloeError, StoreError
from floe.store import backup, backup_archive, data_lock, encryption
from floe.store.encryption import EncryptionKind
from floe.store.reencryption import PART, convert_database, convert_file, free_room
from floe.store.restore import finish_restore

logger = logging.getLogger(__name__)

PROTECTS: Final = (
    "Protects against whoever has the disk but not your login: a stolen or lost device, a disk "
    "that is passed on, another user who can read the disk."
)
PROTECTS_NOT: Final = (
    "It does not protect against whoever is logged in as you while Floe runs, nor what you have "
    "exported."
)
LOST: Final = (
    "If the passphrase is lost, or the keyring's entry, nothing can be read any more, backups "
    "included: nobody has another key."
)

_TEXT_FILES: Final = frozenset(
    {
        "rows.jsonl",
        "answers.json",
        "state.pt",
        "adapter.gguf",
        "adapter_model.safetensors",
        "adapter_config.json",
        "marks",
        "unmarked.json",
    }
)
"""Files of runs and adapters that hold words of the person, or what was learnt from them."""
_ROOM: Final = 64 << 20
_ALREADY: Final = "The data folder is encrypted already."

SwitchStep = Callable[[str], None]


def check_switch(data_dir: Path, kind: EncryptionKind, passphrase: str) -> None:
    """See what stands in the way before anything is closed for it.

    Raises:
        EncryptionError: no sqlcipher3, encrypted already, or too short a passphrase.
        StoreError: a training is going on.
    """
    if encryption.sqlcipher is None:
        raise EncryptionError(encryption.NO_SQLCIPHER)
    if encryption.read_header(data_dir) is not None:
        raise EncryptionError(_ALREADY)
    if kind == "passphrase":
        encryption.check_passphrase(passphrase)
    data_lock.refuse_training(data_dir)


def turn_on(
    data_dir: Path,
    kind: EncryptionKind,
    passphrase: str = "",
    step: SwitchStep = lambda _: None,
) -> str:
    """Encrypt everything in a data folder that holds words of the person, or goes back to them.

    Args:
        data_dir: the folder; its lock is held by the caller.
        kind: where the key is kept: the keyring, or nowhere but in the person's head.
        passphrase: for the latter.
        step: told of each step before it is taken.

    Returns:
        What was done, as a sentence.

    Raises:
        EncryptionError: it is encrypted already, no sqlcipher3, no keyring, too short a passphrase.
        StoreError: a child is at work, the disk has no room, or a file is damaged. What has not
            been encrypted yet is, at the next start.
    """
    if encryption.read_header(data_dir) is not None:
        raise EncryptionError(_ALREADY)
    data_lock.refuse_children(data_dir)
    finish_restore(data_dir)
    free_room(data_dir, _largest(data_dir) * 2 + _ROOM)
    header, key = encryption.make_key(kind, passphrase)
    step("header")
    try:
        header.write(data_dir)
    except OSError as error:
        encryption.forget_keyring_entry(header)
        raise _cannot_write(data_dir, error) from error
    encryption.remember_key(data_dir, key)
    finish_switch(data_dir, step)
    where = "the passphrase" if kind == "passphrase" else "this system's keyring"
    return f"Everything in the data folder is encrypted now; the key is in {where}."


def turn_off(data_dir: Path, step: SwitchStep = lambda _: None) -> str:
    """Decrypt everything; the folder is unlocked, and its lock is held by the caller.

    Raises:
        EncryptionError: it is not encrypted, or its key is missing.
        StoreError: as `turn_on`.
    """
    header = encryption.read_header(data_dir)
    if header is None:
        raise EncryptionError("The data folder is not encrypted.")
    encryption.unlock(data_dir)
    data_lock.refuse_children(data_dir)
    free_room(data_dir, _largest(data_dir) * 2 + _ROOM)
    step("header")
    try:
        replace(header, state="decrypting").write(data_dir)
    except OSError as error:
        raise _cannot_write(data_dir, error) from error
    finish_switch(data_dir, step)
    return "The data folder is in clear again."


def finish_switch(data_dir: Path, step: SwitchStep = lambda _: None) -> None:
    """Go on with what was begun, if anything was; at every start, once the folder is unlocked.

    Raises:
        EncryptionError: the key is missing, or a file has another one.
        StoreError: a file is damaged, or the disk is full.
    """
    header = encryption.read_header(data_dir)
    if header is None or header.state == "on":
        return
    key = encryption.unlock(data_dir)
    new_key = key if header.state == "encrypting" else None
    encryption.remember_key(data_dir, key)
    try:
        for database in _databases(data_dir):
            step(f"database {database.name}")
            convert_database(database, key, new_key, step)
        for file in _files(data_dir):
            convert_file(file, key, new_key, step)
        for path in _backups(data_dir):
            step(f"backup {path.name}")
            _convert_backup(data_dir, path, key, new_key)
        step("done")
        encryption.remember_key(data_dir, key)
        if new_key is not None:
            replace(header, state="on").write(data_dir)
            return
        # The entry in the keyring stays where backups elsewhere may still be opened with it.
        (data_dir / encryption.HEADER).unlink()
    except OSError as error:
        raise _cannot_write(data_dir, error) from error
    encryption.remember_key(data_dir, None)


def _databases(data_dir: Path) -> Iterator[Path]:
    found = [data_dir / backup_archive.DATABASE, *data_dir.glob("unsaved-*.db*")]
    found += data_dir.glob(f"{backup_archive.REPLACED}/*/{backup_archive.DATABASE}")
    ends = (PART, "-wal", "-shm", "-journal")
    yield from (each for each in found if each.is_file() and not each.name.endswith(ends))


def _files(data_dir: Path) -> Iterator[Path]:
    for name in ("adapters", "runs", f"{backup_archive.REPLACED}"):
        for file in sorted((data_dir / name).rglob("*")):
            if not file.is_file() or file.is_symlink():
                continue
            if file.name.endswith((PART, ".part")):
                file.unlink()  # what a kill has left
            elif file.name in _TEXT_FILES:
                yield file


def _backups(data_dir: Path) -> list[Path]:
    return [each.path for each in backup.list_backups(data_dir)]


def _convert_backup(data_dir: Path, path: Path, key: bytes | None, new_key: bytes | None) -> None:
    header = data_dir / encryption.HEADER
    try:
        backup_archive.rewrite_backup(path, key, header if new_key is not None else None, new_key)
    except (FloeError, OSError) as error:
        if isinstance(error, OSError):
            raise
        if new_key is None:
            logger.warning("%s stays encrypted: %s", path.name, error)
            return
        # A broken backup goes: it cannot be restored, and its content must not stay readable.
        if "damaged" in str(error) or "not a backup" in str(error):
            logger.warning("%s is damaged and has been deleted: %s", path.name, error)
            with suppress(FileNotFoundError):
                path.unlink()
            return
        raise


def _largest(data_dir: Path) -> int:
    return max((each.stat().st_size for each in _databases(data_dir)), default=0)


def _cannot_write(data_dir: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{error.filename or data_dir} cannot be written ({error.strerror or error}). Make room or "
        "check its rights, then start Floe again: it goes on from there, and nothing is lost."
    )
