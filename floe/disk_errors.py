"""Tells a full disk from other errors of the operating system, whoever raised them."""

import errno
import os
import re
import shutil
from typing import Final

DISK_FULL: Final = (
    "The disk is full, so this could not be written, and nothing was changed. Make room and try "
    "again."
)
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SHORT_WRITE: Final = re.compile(r"\d+ requested and \d+ written")
"""numpy's `tofile`, which keeps the system's number to itself."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether the disk, or what this user may write on it, is used up."""
    if not isinstance(error, OSError):
        return False
    if isinstance(error, shutil.Error):
        # Of a folder that was copied: one text for each of its files.
        return any(os.strerror(number) in str(error) for number in _FULL)
    return error.errno in _FULL or bool(_SHORT_WRITE.fullmatch(str(error)))


def describe_os_error(error: OSError) -> str:
    """Return the reason in a few words, to stand in brackets."""
    if is_disk_full(error):
        return "the disk is full"
    return error.strerror or str(error)
