"""A recovery file for what cannot be kept when the program ends, restored at the next start.

The file is a database like that of the chats, beside it and opened in the same way: readable by
its owner alone, and encrypted where that one is. Knows neither turns' threads nor the page.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from floe.chat.turn import UnsavedPart
from floe.errors import StoreError
from floe.records import AnswerStats, Status
from floe.store import Store
from floe.store.rows import token_row, token_step_of

logger = logging.getLogger(__name__)

_RESERVE: Final = "reserve.bin"
_RESERVE_BYTES: Final = 2 * 2**20
_MIN_FREE_BYTES: Final = 64 * 2**20
"""Bytes free from which on a reserve may be taken."""
_FILES: Final = "unsaved-*.db"
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")
_KEY: Final = "unsaved"


def reserve_room(folder: Path) -> None:
    """Hold some of the disk back, for the moment when the program must end and it is full."""
    path = folder / _RESERVE
    with suppress(OSError):
        if path.exists() and path.stat().st_size >= _RESERVE_BYTES:
            return
        if shutil.disk_usage(folder).free < _MIN_FREE_BYTES:
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # The zeros are written out, because a file of nothing but a length takes no room.
            os.write(descriptor, bytes(_RESERVE_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def release_room(folder: Path) -> bool:
    """Give the reserve back; whether there was one."""
    try:
        (folder / _RESERVE).unlink()
    except OSError:
        return False
    return True


def write_recovery_file(store: Store, parts: Sequence[UnsavedPart]) -> Path:
    """Write what is not kept to a file in the data folder.

    Raises:
        StoreError: that cannot be written either.
    """
    folder = store.path.parent
    path = folder / f"unsaved-{parts[0].message_id}.db"
    _remove(path)
    try:
        with Store(path) as recovery:
            recovery.set_setting(_KEY, [_to_json(part) for part in parts])
    except BaseException:
        _remove(path)
        raise
    return path


def restore_recovery_files(store: Store) -> int:
    """Bring recovery files into the database; returns how many answers there were.

    A file goes once all of it is committed. One that cannot be read, or whose answers are not in
    this database, is left under another name.
    """
    count = 0
    for path in sorted(store.path.parent.glob(_FILES)):
        try:
            with Store(path) as recovery:
                parts = recovery.setting(_KEY, [])
            restored = sum(_restore_answer(store, part) for part in parts)
        except StoreError:
            logger.exception("%s cannot be taken in now", path)
            continue
        count += restored
        if restored == len(parts):
            _remove(path)
        else:
            logger.error("%s holds answers of another database; it stays as %s.left", path, path)
            path.rename(path.with_suffix(".db.left"))
    return count


def _restore_answer(store: Store, kept: dict[str, Any]) -> bool:
    """Add one answer's rest; whether the answer is there."""
    message_id: int = kept["message_id"]
    try:
        message = store.message(message_id)
    except StoreError as error:
        if error.failure == "deleted":
            return False
        raise
    if message.conversation_id != kept["conversation_id"] or message.role != "assistant":
        return False
    stats = AnswerStats(**kept["stats"])
    steps = [token_step_of((row[0], row[1].encode("latin-1"), *row[2:])) for row in kept["steps"]]
    store.append_tokens(message_id, steps, kept["content"], at=kept["at"])
    # Nobody writes it any more.
    status: Status = "interrupted" if kept["status"] == "streaming" else kept["status"]
    store.finish_answer(
        message_id,
        content=kept["content"],
        status=status,
        stats=stats,
        notices=kept["notices"],
    )
    return True


def _to_json(part: UnsavedPart) -> dict[str, Any]:
    rows = [token_row(step) for step in part.steps]
    return {
        "message_id": part.message_id,
        "conversation_id": part.conversation_id,
        "at": part.at,
        "steps": [(row[0], row[1].decode("latin-1"), *row[2:]) for row in rows],
        "content": part.content,
        "stats": asdict(part.stats),
        "notices": part.notices,
        "status": part.status,
    }


def _remove(path: Path) -> None:
    for end in _SIDE_FILES:
        with suppress(OSError):
            path.with_name(path.name + end).unlink()
