"""The zip of a backup: what may be in it, how it is written, checked and unpacked.

It holds `floe.db`, the files of the adapters that it names, `encryption.json` where the folder is
encrypted (then all is encrypted as it lies there), and `manifest.json` with sizes and hashes. It
holds no models, no training runs, no log, no keys of the cloud. Knows neither when a backup is
made nor what a restore does with it.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from floe.errors import StoreError
from floe.store import encryption, schema
from floe.store.reencryption import convert_database, convert_file, copy_database, free_room

DATABASE: Final = "floe.db"
FOLDER: Final = "backups"
REPLACED: Final = "replaced"
STAGED: Final = ".restore-"
COPYING: Final = ".copy-"
JOURNAL: Final = "restore.json"
FORMAT: Final = 1
SPARE_BYTES: Final = 16 << 20
"""Bytes that stay free whatever is copied."""
MEMBER: Final = re.compile(
    r"floe\.db|encryption\.json|adapters/\d+/(?:adapter\.gguf|marks|adapter/[\w][\w.-]*)"
)
"""Names that a backup may hold."""

_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 16 << 20


def write_archive(folder: Path, path: Path, manifest: Mapping[str, Any]) -> None:
    """All files of a folder, read back and compared before the zip takes its name."""
    part = path.with_name(f".{path.name}.part")
    files: dict[str, dict[str, Any]] = {}
    secret = (folder / encryption.HEADER).exists()  # and nothing to be pressed together
    kind = zipfile.ZIP_STORED if secret else zipfile.ZIP_DEFLATED
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as raw:
            with zipfile.ZipFile(raw, "w", kind, compresslevel=1) as archive:
                for file in sorted(each for each in folder.rglob("*") if each.is_file()):
                    name = file.relative_to(folder).as_posix()
                    archive.write(file, name)
                    with file.open("rb") as content:
                        digest = hashlib.file_digest(content, "sha256").hexdigest()
                    files[name] = {"bytes": file.stat().st_size, "sha256": digest}
                archive.writestr(_MANIFEST, json.dumps({**manifest, "files": files}))
            raw.flush()
            os.fsync(raw.fileno())
            raw.seek(0)
            with zipfile.ZipFile(raw) as archive:
                for _, checked in _checked(archive, files):
                    while checked.read(_CHUNK):
                        pass
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def unpack_archive(file: Path, folder: Path) -> dict[str, Any]:
    """Put what a backup holds into an empty folder; returns its manifest.

    Raises:
        StoreError: it is no backup, or not what its manifest says.
    """
    not_one = StoreError(f"{file.name} is not a backup of Floe's. Choose another file.")
    with file.open("rb") as raw:
        start = raw.read(16)
    if start.startswith(b"SQLite format 3"):
        # The log comes along, because it may hold what the database has not.
        with (
            schema.translate_errors(file),
            closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            copy_database(db, folder / DATABASE)
        return {"kind": "manual"}
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(_MANIFEST).file_size > _LARGEST_MANIFEST:
                raise not_one
            manifest = json.loads(archive.read(_MANIFEST))
            if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
                raise StoreError(
                    f"{file.name} was made by a newer version of Floe. Update Floe, then restore."
                )
            files = manifest["files"]
            free_room(folder, sum(int(each["bytes"]) for each in files.values()) + SPARE_BYTES)
            for name, content in _checked(archive, files):
                target = folder / PurePosixPath(name)
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with os.fdopen(
                    os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
                ) as out:
                    shutil.copyfileobj(content, out, _CHUNK)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, EOFError) as error:
        raise not_one from error
    except (NotImplementedError, RuntimeError, RecursionError) as error:  # encrypted, odd methods
        raise not_one from error
    if not (folder / DATABASE).exists():
        raise not_one
    return manifest


def _checked(
    archive: zipfile.ZipFile, files: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, "_Hashed"]]:
    """Yield every file of the manifest, to be read to its end, where its hash is checked.

    Raises:
        StoreError: a name, size or hash is not as it should be.
    """
    for name, said in files.items():
        if not MEMBER.fullmatch(name):
            raise StoreError(f"The backup holds something that is not Floe's ({name[:80]!r}).")
        with archive.open(name) as content:
            reader = _Hashed(content, int(said["bytes"]))
            yield name, reader
            if reader.left or content.read(1) or reader.digest != said["sha256"]:
                raise StoreError(
                    f"The backup is damaged: {name} is not what was put in. Choose another one."
                )


class _Hashed:
    """Reads at most so many bytes, and hashes them."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._hash = hashlib.sha256()
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        data = self._content.read(self.left if size < 0 else min(size, self.left))
        self._hash.update(data)
        self.left -= len(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def rewrite_backup(
    path: Path, old_key: bytes | None, header: Path | None, key: bytes | None
) -> None:
    """Give a backup another key, None being none; an error leaves it as it was.

    Args:
        path: the zip.
        old_key: of what it holds.
        header: the `encryption.json` that goes with `key`.
        key: the new one.

    Raises:
        StoreError: it is damaged, or the disk is full.
    """
    folder = Path(tempfile.mkdtemp(prefix=COPYING, dir=path.parent))
    try:
        with translate_disk_errors(path.parent):
            manifest = unpack_archive(path, folder)
            convert_tree(folder, old_key, key)
            (folder / encryption.HEADER).unlink(missing_ok=True)
            if header is not None:
                shutil.copyfile(header, folder / encryption.HEADER)
            write_archive(folder, path, {**manifest, "files": {}})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def convert_tree(folder: Path, old_key: bytes | None, new_key: bytes | None) -> None:
    """Give what was unpacked another key, None being none.

    Raises:
        StoreError: it cannot be read with the old one.
    """
    convert_database(folder / DATABASE, old_key, new_key)
    for file in (folder / "adapters").rglob("*"):
        if file.is_file():
            convert_file(file, old_key, new_key)


@contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Raise a StoreError with a way out where the disk refuses something in `folder`."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{error.filename or folder} could not be read or written ({error.strerror or error}). "
            "Make room on the disk or check its rights, then try again; nothing has been lost."
        ) from error
