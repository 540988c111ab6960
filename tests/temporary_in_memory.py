"""Keeps what tests write in memory: nobody reads it afterwards, and no commit waits for a disk.

A database that each test makes anew is two dozen commits, and each waits for the disk as it does
in the program: on a small server that was three quarters of the time of the tests of the store.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")
_NAME: Final = "floe-tests-"
_ROOM: Final = 4e9
"""Bytes that must be free there; a run of all tests takes a third of it at most."""


def use_memory() -> Path | None:
    """Have this process and its children put temporary files into memory, where there is room.

    Returns:
        The new folder; None where everything is as it was.
    """
    if "TMPDIR" in os.environ or not _has_room():
        return None
    for folder in _MEMORY.glob(f"{_NAME}*"):
        if not Path("/proc", folder.name.removeprefix(_NAME)).exists():
            shutil.rmtree(folder, ignore_errors=True)  # its run was killed
    folder = _MEMORY / f"{_NAME}{os.getpid()}"
    folder.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # to be looked up anew
    return folder


def _has_room() -> bool:
    with suppress(OSError, ValueError):
        shared = os.statvfs(_MEMORY)
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return shared.f_bavail * shared.f_frsize >= _ROOM and pages >= 3 * _ROOM
    return False
