"""Files of chats as JSON values, one by one: JSON, JSON Lines, text; zips of these.

What cannot be read is told with its place, and the rest goes on. Limits hold for all kinds: how
large a file, a line, a member of a zip may be, how deep a value, how long a number. Knows no
format of chats.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import orjson

from floe.chats.encoding import TextEncoding
from floe.chats.imported import LeftOut
from floe.errors import DataError
from floe.units import format_bytes

MAX_FILE_BYTES: Final = 2_000_000_000
MAX_LINE_BYTES: Final = 50_000_000
"""The longest chats that people have, pasted files included, take some 5 MB."""
MAX_DOCUMENT_BYTES: Final = 500_000_000
"""A JSON document or a text is in memory while it is read; lines are not."""
_MAX_MEMBERS: Final = 100_000
_MAX_RATIO: Final = 200
"""JSON packs to a tenth; what unpacks to more than this, and to much, is a trap."""
_SMALL: Final = 20_000_000
_FIRST_LINES: Final = 20
_HEAD: Final = 100_000
_READ: Final = (".json", ".jsonl", ".ndjson", ".txt", ".csv")
_ZIP_ERRORS: Final[tuple[type[Exception], ...]] = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,
)
_LISTS: Final = ("conversations", "chats", "data", "rows", "train", "messages_list")

ReadProgress = Callable[[int, int], None]
"""Told how many bytes of how many have been read."""


@dataclass(frozen=True, slots=True)
class Element:
    """A JSON value and its place, `line 3` or `chat 3`; a text that is no JSON has `text`."""

    where: str
    value: Any = None
    text: str | None = None


def parse_json(line: bytes | str) -> Any:
    """Parse JSON, what only Python writes (NaN, half a character) too.

    Raises:
        ValueError: it is none (`JSONDecodeError`, `UnicodeDecodeError`), or has a number of more
            digits than Python reads.
        RecursionError: it is nested too deeply.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return json.loads(line if isinstance(line, str) else line.decode("utf-8"))


def explain(error: Exception) -> str:
    """Return why something is no JSON, as what follows "line 3"; nobody's words are repeated."""
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON ({error.msg})"
    return "holds a number of far too many digits"


def open_members(file: BinaryIO, name: str) -> Iterator[tuple[BinaryIO, str]]:
    """Yield a file and its name, or those in it that may hold chats if it is a zip.

    Raises:
        DataError: it is too large, broken, locked, or unpacks to far more than chats do.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_FILE_BYTES:
        raise DataError(
            f"{name} has {format_bytes(size)}; at most {format_bytes(MAX_FILE_BYTES)} can be "
            "imported at once. Split it into several files."
        )
    if file.read(4) != b"PK\x03\x04":
        file.seek(0)
        yield file, name
        return
    try:
        yield from _members(file, name, size)
    except _ZIP_ERRORS as error:
        raise DataError(f"{name} is a zip that is damaged. Make or fetch it again.") from error
    except RuntimeError as error:  # what zipfile raises without a password
        raise DataError(
            f"{name} is locked with a password. Unpack it, and choose the file in it."
        ) from error


def _members(file: BinaryIO, name: str, size: int) -> Iterator[tuple[BinaryIO, str]]:
    with zipfile.ZipFile(file) as archive:
        members = [
            each
            for each in archive.infolist()
            if each.filename.lower().endswith(_READ)
            and not each.is_dir()
            and "__MACOSX" not in each.filename
        ]
        total = sum(each.file_size for each in members)
        if len(members) > _MAX_MEMBERS or total > max(_SMALL, _MAX_RATIO * size):
            raise DataError(
                f"{name} unpacks to {format_bytes(total)} in {len(members):,} files, which no "
                "export of chats does. Nothing was read."
            )
        if not members:
            pages = any(each.filename.lower().endswith(".html") for each in archive.infolist())
            more = " Web pages cannot be read: export as JSON where the program offers it."
            raise DataError(
                f"{name} is a zip without a .json, .jsonl, .txt or .csv file in it."
                + (more if pages else "")
            )
        for member in members:
            # A member's name in a sentence is one line, and no path is ever made of it.
            short = " ".join(member.filename.rpartition("/")[2].split())[:100]
            if member.file_size > MAX_DOCUMENT_BYTES:
                raise DataError(
                    f"{short} in {name} has {format_bytes(member.file_size)}; at most "
                    f"{format_bytes(MAX_DOCUMENT_BYTES)} can be read from a zip. Unpack it."
                )
            with archive.open(member) as packed:
                content = packed.read(member.file_size + 1)  # what it claims is not believed
            if len(content) > member.file_size:
                raise zipfile.BadZipFile
            yield io.BytesIO(content), short


def read_elements(
    file: BinaryIO,
    encoding: TextEncoding,
    is_plain: Callable[[str], bool] = lambda _text: False,
    progress: ReadProgress = lambda _done, _all: None,
) -> Iterator[Element | LeftOut]:
    """Yield the values of a file that can be read, and the places that cannot.

    Args:
        file: open for reading.
        encoding: of the file.
        is_plain: whether a text is none of JSON, by its beginning, whatever brackets it has.
        progress: told how many bytes of how many have been read.

    Raises:
        DataError: it is one document, and far too large.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    plain = is_plain(file.read(_HEAD).decode(encoding.name, "replace"))
    if not plain and _is_in_lines(file, encoding):
        yield from _read_lines(file, encoding, size, progress)
        return
    if size > MAX_DOCUMENT_BYTES:
        raise DataError(
            f"It is one piece of {format_bytes(size)}, and at most "
            f"{format_bytes(MAX_DOCUMENT_BYTES)} can be read so. Split it into several files."
        )
    file.seek(0)
    text = file.read().decode(encoding.name, encoding.errors)
    if not plain and text.lstrip("\ufeff \t\r\n")[:1] in {"[", "{"}:
        yield from _read_document(text, size, progress)
    elif text.strip():
        progress(size, size)
        yield Element("the file", text=text)


def _lines(file: BinaryIO, encoding: TextEncoding) -> Iterator[bytes]:
    """Yield lines in UTF-8; one that is longer than `MAX_LINE_BYTES` is cut behind that."""
    if encoding.name in {"utf-8", "utf-8-sig"}:
        file.seek(3 if encoding.name == "utf-8-sig" else 0)
        while line := file.readline(MAX_LINE_BYTES + 1):
            yield line
        return
    file.seek(0)
    text = io.TextIOWrapper(file, encoding.name, encoding.errors, newline="\n")
    try:
        while words := text.readline(MAX_LINE_BYTES + 1):
            yield words.encode("utf-8", "surrogateescape")
    finally:
        text.detach()


def _is_in_lines(file: BinaryIO, encoding: TextEncoding) -> bool:
    """Return whether each line is a value: the first is, or it is not, and neither is the whole."""
    first: list[bytes] = []
    for line in _lines(file, encoding):
        if line.strip():
            first.append(line)
        if len(first) == _FIRST_LINES or len(line) > MAX_LINE_BYTES:
            break
    if not first:
        return True
    if len(first[0]) > MAX_LINE_BYTES:
        return not first[0].lstrip().startswith((b"[", b"{"))
    whole = [_is_value(line) for line in first]
    if whole[0]:
        return len(first) > 1
    begins = first[0].strip()
    if begins in {b"[", b"{"}:
        return False
    return any(whole) and not _begins_document(file, encoding)


def _is_value(line: bytes) -> bool:
    if len(line) > MAX_LINE_BYTES or not line.strip().startswith((b"{", b"[")):
        return False
    try:
        parse_json(line)
    except (ValueError, RecursionError):
        return False
    return True


def _begins_document(file: BinaryIO, encoding: TextEncoding) -> bool:
    """Return whether the file as a whole begins with a value that spans lines."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MAX_DOCUMENT_BYTES:
        return False
    text = file.read().decode(encoding.name, encoding.errors).lstrip("\ufeff \t\r\n")
    try:
        if text.startswith("["):
            _DECODER.raw_decode(text, _skip(text, 1))
        else:
            _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return True


_DECODER: Final = json.JSONDecoder()


def _read_lines(
    file: BinaryIO, encoding: TextEncoding, size: int, progress: ReadProgress
) -> Iterator[Element | LeftOut]:
    number = done = 0
    cut = False
    for line in _lines(file, encoding):
        done += len(line)
        if cut:  # the rest of a line that was too long
            cut = not line.endswith(b"\n")
            continue
        number += 1
        where = f"line {number:,}"
        if len(line) > MAX_LINE_BYTES:
            cut = not line.endswith(b"\n")
            yield LeftOut(where, f"is longer than {format_bytes(MAX_LINE_BYTES)}")
            continue
        progress(min(done, size), size)
        if not line.strip():
            continue
        try:
            yield Element(where, parse_json(line))
        except (ValueError, RecursionError) as error:
            yield LeftOut(where, explain(error))


def _read_document(text: str, size: int, progress: ReadProgress) -> Iterator[Element | LeftOut]:
    start = _skip(text, 0)
    if text[start] == "{":
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            yield LeftOut("the file", explain(error))
            return
        yield from _unwrapped(value, text[start:end])
        return
    yield from _read_array(text, start + 1, size, progress)


def _unwrapped(value: dict[str, Any], text: str) -> Iterator[Element | LeftOut]:
    """Yield the chats of an object that holds a list of them, or the object."""
    for key in _LISTS:
        found = value.get(key)
        if (
            isinstance(found, list)
            and found
            and isinstance(found[0], dict)
            and not ("from" in found[0] or "role" in found[0])
        ):
            for number, each in enumerate(found, 1):
                yield Element(f"chat {number:,}", each)
            return
    if _is_broken(text):
        yield LeftOut("the file", "is not UTF-8")
    else:
        yield Element("the file", value)


def _read_array(
    text: str, place: int, size: int, progress: ReadProgress
) -> Iterator[Element | LeftOut]:
    number = 0
    while True:
        place = _skip(text, place)
        if text[place : place + 1] in {"]", ""}:
            if not text[place:]:
                yield LeftOut(f"chat {number + 1:,}", "and what follows is not there")
            return
        number += 1
        where = f"chat {number:,}"
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            # Nothing tells where the next one begins.
            yield LeftOut(f"{where} and all behind it", explain(error))
            return
        progress(int(size * end / len(text)), size)
        if end - place > MAX_LINE_BYTES:
            yield LeftOut(where, f"is longer than {format_bytes(MAX_LINE_BYTES)}")
        elif _is_broken(text, place, end):
            yield LeftOut(where, "is not UTF-8")
        else:
            yield Element(where, value)
        place = _skip(text, end)
        if text[place : place + 1] == ",":
            place += 1
        elif text[place : place + 1] not in {"]", ""}:
            yield LeftOut(f"what follows {where}", "is not JSON")
            return


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] in {"\ufeff", " ", "\t", "\r", "\n"}:
        place += 1
    return place


def _is_broken(text: str, start: int = 0, end: int | None = None) -> bool:
    """Return whether bytes that are no characters stand there (see `surrogateescape`)."""
    piece = text[start:end]
    if piece.isascii():
        return False
    try:
        piece.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
