"""Checks before SQLite opens a database, because SQLite overwrites what it finds odd.

A log beside an empty file is deleted by it, and one that it does not understand is written over;
both may hold the newest chats. Knows nothing of tables.
"""

import time
from pathlib import Path
from typing import Final

from floe.errors import StoreError
from floe.store import schema

_LOG_MAGIC: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
"""The first bytes of a write-ahead log (sqlite.org/fileformat2.html#the_write_ahead_log)."""
_LOG_HEADER_BYTES: Final = 32


def refuse_unsound(path: Path) -> None:
    """Check a database's files, if there are any, without changing them.

    Raises:
        StoreError: opening them with SQLite could destroy something.
        OSError: they cannot be looked at.
    """
    log = path.with_name(path.name + "-wal")
    header = _header(log)
    if path.is_dir() or (not path.exists() and not header):
        return
    if not path.exists() or (path.stat().st_size == 0 and (header or not _grows(path))):
        if header:
            state = "empty" if path.exists() else "missing"
            raise StoreError(
                f"{path} is {state}, but {log.name} beside it may hold the newest chats; both "
                "have been left as they are. Put a backup in its place, or move both away to "
                "start afresh."
            )
        raise StoreError(
            f"{path} is empty: what was in it is gone. Put a backup in its place, or delete the "
            "empty file to start afresh."
        )
    if header.strip(b"\0") and header[:4] not in _LOG_MAGIC:
        raise StoreError(
            f"{log} is not the log of a database and has been left as it is; the newest chats may "
            f"be missing without it. Put a backup in the place of both, or move {log.name} away "
            "to go on without it."
        )


def _header(log: Path) -> bytes:
    """Read the first bytes of the log; empty if there is none, or nothing in it yet."""
    try:
        with log.open("rb") as file:
            header = file.read(_LOG_HEADER_BYTES)
    except FileNotFoundError:
        return b""
    return header if len(header) == _LOG_HEADER_BYTES else b""


def _grows(path: Path) -> bool:
    """Return whether an empty file is one that another start of Floe is just making."""
    deadline = time.monotonic() + schema.BUSY_SECONDS
    while path.stat().st_size == 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
