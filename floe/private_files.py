"""Folders and logs that other users of the computer cannot read, whatever the umask is."""

import os
import stat
import tempfile
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

MAX_LOG_BYTES: Final = 5_000_000
_OLD_LOGS: Final = 2
_SHORT: Final = 1024
"""Bytes that are read of a file with a token or a key."""


def make_private_folder(folder: Path) -> None:
    """Make `folder` where it is missing, and take the others' rights from it in any case.

    A folder that is shared on purpose (`/tmp`, which is sticky) or belongs to somebody else keeps
    its rights: what lies in it is made private file by file.

    Raises:
        OSError: it cannot be made, or something else is there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    shared = status.st_mode & stat.S_ISVTX or folder.resolve().parent == folder.resolve()
    if not shared and status.st_mode & 0o077:
        # A file system without rights, or another owner: there is nothing to be had then.
        with suppress(OSError):
            folder.chmod(stat.S_IMODE(status.st_mode) & ~0o077)


def make_private_file(path: Path) -> None:
    """Take the others' rights from a file, if it is there."""
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            path.chmod(mode & ~0o077)


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, not even while it is written.

    Raises:
        OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_private(path: Path) -> str:
    """Give the beginning of a short file; empty if it is missing, or others could read it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if os.name == "posix" and (about.st_mode & 0o177 or about.st_uid != os.getuid()):
            return ""
        return file.read(_SHORT).decode("ascii", "replace")


class PrivateLogFile(RotatingFileHandler):
    """A log of bounded size that only this user reads, with the two before it."""

    def __init__(self, path: Path) -> None:
        """Open the file; raises OSError where it cannot be written."""
        for old in (path, *(path.with_name(f"{path.name}.{i + 1}") for i in range(_OLD_LOGS))):
            make_private_file(old)
        super().__init__(path, maxBytes=MAX_LOG_BYTES, backupCount=_OLD_LOGS, encoding="utf-8")

    def _open(self) -> Any:
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            errors="backslashreplace",
            opener=lambda name, flags: os.open(name, flags, 0o600),
        )
