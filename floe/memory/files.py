"""A folder of the person's own files: which are read, how much of each, and what a PDF says.

Text, Markdown and PDF. No link is followed and nothing hidden is read. A PDF is read in a process
of its own with little memory and little time, because a file from elsewhere may be made to take
both; it prints the text, so that no copy of it lies anywhere but in the database.

    python -m floe.memory.files < FILE.pdf

It is piped in: the name of a file says what it is about, and every user of the machine can read
the list of processes.
"""

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from floe.child_environment import child_environment
from floe.errors import DataError
from floe.resources import IMPORT_ROOT
from floe.store.text import clean, one_line
from floe.units import format_bytes

SUFFIXES: Final = frozenset({".txt", ".md", ".markdown", ".pdf"})
MAX_FILES: Final = 2_000
"""Files of a folder that are read; what is left out is said."""
MAX_TEXT_BYTES: Final = 2_000_000
MAX_PDF_BYTES: Final = 50_000_000
MAX_CHARACTERS: Final = 1_000_000
"""Of one file; a long book has as many."""
_MAX_DEPTH: Final = 12
_PDF_SECONDS: Final = 60
_PDF_MEMORY: Final = 1_500_000_000
"""Bytes of address space."""
_REFUSED: Final = 3
_PDF_HEAD: Final = 1024
"""Bytes in which a PDF's mark stands, as readers of PDF have it."""
_LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be read; `modified_at` in seconds since the epoch, `size` in bytes."""

    path: Path
    modified_at: float
    size: int


def check_folder(folder: Path) -> Path:
    """Return the folder as it is read.

    Raises:
        DataError: it is none, or cannot be read.
    """
    path = folder.expanduser()
    if not path.is_absolute():
        raise DataError("Give the whole path of the folder, from the root or from ~.")
    if path.is_symlink() or not path.is_dir():
        raise DataError(f"There is no folder {_shown(path)}. See how its path is written.")
    if not os.access(path, os.R_OK | os.X_OK):
        raise DataError(f"The folder {_shown(path)} cannot be read. Allow it, or choose another.")
    return path


def list_files(folder: Path) -> tuple[list[FoundFile], int]:
    """List the files to read, by path, and count those beyond `MAX_FILES`."""
    found = sorted(_walk(folder, 0), key=lambda each: str(each.path))
    return found[:MAX_FILES], max(0, len(found) - MAX_FILES)


def _walk(folder: Path, depth: int) -> Iterator[FoundFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < _MAX_DEPTH:
                    yield from _walk(Path(entry.path), depth + 1)
            elif entry.is_file(follow_symlinks=False) and _is_read(entry.name):
                status = entry.stat(follow_symlinks=False)
                yield FoundFile(Path(entry.path), status.st_mtime, status.st_size)
        except OSError:
            continue


def _is_read(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES


def read_text(file: FoundFile) -> str:
    """Return what a file says, at most `MAX_CHARACTERS` of it.

    Raises:
        DataError: it is too large, damaged, or has no text.
    """
    pdf = file.path.suffix.lower() == ".pdf"
    most = MAX_PDF_BYTES if pdf else MAX_TEXT_BYTES
    name = one_line(file.path.name)[:_LONGEST_NAME]
    if file.size > most:
        raise DataError(
            f"{name} has {format_bytes(file.size)}; at most {format_bytes(most)} are read of one "
            "file. Split it into several."
        )
    data = _read_file(file.path, name, most)
    text = _read_pdf(name, data) if pdf else _decode(data, name)
    if not text.strip():
        said = "It may be a scan: pictures of pages." if pdf else "It is empty."
        raise DataError(f"{name} has no text. {said}")
    return clean(text)[:MAX_CHARACTERS]


def _read_file(path: Path, name: str, most: int) -> bytes:
    try:
        # A link that took the file's place since it was listed is not followed either.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DataError(f"{name} is no file.")
            return file.read(most)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}.") from error


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        raise DataError(
            f"{name} is no text. Text, Markdown, code and PDF can be read; pictures, sound and "
            "office documents cannot."
        )
    return data.decode("utf-8-sig", "replace")


def read_bytes(name: str, data: bytes) -> str:
    """Return what a file says whose bytes somebody hands over, at most `MAX_CHARACTERS` of it.

    Args:
        name: what it is called, for sentences alone: nothing is opened by it.
        data: all of it; a PDF is told by its beginning, anything else must be text.

    Raises:
        DataError: it is too large, damaged, or has no text.
    """
    pdf = data[:_PDF_HEAD].lstrip().startswith(b"%PDF-")
    most = MAX_PDF_BYTES if pdf else MAX_TEXT_BYTES
    if len(data) > most:
        raise DataError(
            f"{name} has {format_bytes(len(data))}; at most {format_bytes(most)} are read of "
            f"{'a PDF' if pdf else 'a text'}. Attach a part of it."
        )
    text = _read_pdf(name, data) if pdf else _decode(data, name)
    if not text.strip():
        said = "It may be a scan: pictures of pages." if pdf else "It is empty."
        raise DataError(f"{name} has no text. {said}")
    return clean(text)[:MAX_CHARACTERS]


def _read_pdf(name: str, data: bytes) -> str:
    """Read a PDF in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "floe.memory.files"],
            env=child_environment(),
            cwd=IMPORT_ROOT,
            input=data,
            capture_output=True,
            timeout=_PDF_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{name} took more than {_PDF_SECONDS} seconds to read.") from None
    if done.returncode == _REFUSED:
        raise DataError(f"{name} is encrypted. Save a copy without a password to have it read.")
    if done.returncode != 0:
        raise DataError(f"{name} is damaged, or no PDF that can be read.")
    return done.stdout.decode("utf-8", "replace")


def print_pdf_text() -> int:
    """Print the text of the PDF that is piped in; the limits hold for this process from here on."""
    resource.setrlimit(resource.RLIMIT_AS, (_PDF_MEMORY, _PDF_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_PDF_SECONDS, _PDF_SECONDS))
    from pypdf import PdfReader  # noqa: PLC0415 (in this process alone)

    reader = PdfReader(BytesIO(sys.stdin.buffer.read()))
    if reader.is_encrypted and not reader.decrypt(""):
        return _REFUSED
    left = MAX_CHARACTERS
    for page in reader.pages:
        text = clean(page.extract_text())[:left]
        sys.stdout.buffer.write(text.encode() + b"\n\n")
        left -= len(text)
        if left <= 0:
            break
    return 0


def _shown(path: Path) -> str:
    return one_line(str(path))[-200:]


if __name__ == "__main__":
    sys.exit(print_pdf_text())
