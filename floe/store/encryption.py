"""Encryption at rest: the key of a data folder, its files, its database connection.

`encryption.json` in a data folder says that it is encrypted. It holds the folder's random 256-bit
key, wrapped (AES-GCM) by another one that is in the system's keyring or is made of a passphrase
(scrypt). Files and databases tell by their first bytes whether they are encrypted, so that a
folder half way between the two states can be read like any other.

Files: magic, a random prefix, then chunks in AES-256-GCM whose nonces are the prefix, the chunk's
number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
Vizár, 2015): none can be cut off, moved or left out unnoticed. Databases: SQLCipher, through the
optional package `sqlcipher3`. Knows neither what the files hold nor the page.
"""

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

import keyring
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from floe.errors import EncryptionError

try:
    from sqlcipher3 import dbapi2
except ImportError:
    dbapi2 = None

EncryptionKind = Literal["keyring", "passphrase"]
EncryptionState = Literal["encrypting", "on", "decrypting"]

sqlcipher: Any = dbapi2
"""The package's module; None where it is not installed."""
HEADER: Final = "encryption.json"
DATABASE_ERRORS: Final[tuple[type[Exception], ...]] = (sqlcipher.Error,) if sqlcipher else ()
"""What SQLCipher raises; `sqlite3.Error` is another class."""
NO_SQLCIPHER: Final = (
    "Encryption needs the package sqlcipher3. Install it with “pip install sqlcipher3”, then start "
    "Floe again."
)

_SERVICE: Final = "floe"
_MAGIC: Final = b"FLOEAES1"
_PLAIN_DATABASE: Final = b"SQLite format 3\0"
_CHUNK: Final = 1 << 20
_TAG: Final = 16
_PREFIX: Final = 7
_SCRYPT: Final = (2**17, 8, 1)
"""n, r, p: 128 MiB and some 0.3 s for each guess (OWASP's first choice for scrypt)."""
_MOST_SCRYPT: Final = (2**20, 8, 4)
"""A header may come with a backup from elsewhere; more than this would only stop the machine."""
_SHORTEST_PASSPHRASE: Final = 8

_keys: dict[Path, bytes] = {}
"""The key of each data folder that this process has opened."""


_encrypted_databases: dict[tuple[str, int, int], bool] = {}
"""What each database file (path, device, inode) was when this process first read it."""


@dataclass(frozen=True, slots=True)
class EncryptionHeader:
    """The content of `encryption.json`; bytes are in base64.

    `id` names the entry in the keyring. `salt`, `n`, `r`, `p` are scrypt's and stand for a
    passphrase alone.
    """

    id: str
    kind: EncryptionKind
    state: EncryptionState
    nonce: str
    wrapped: str
    salt: str = ""
    n: int = 0
    r: int = 0
    p: int = 0

    def write(self, folder: Path) -> None:
        """Replace the folder's header, whole or not at all."""
        write_atomically(folder / HEADER, json.dumps(asdict(self)).encode())


def read_header(folder: Path) -> EncryptionHeader | None:
    """Read the folder's header; None: it is not encrypted.

    Raises:
        EncryptionError: the header cannot be read.
    """
    path = folder / HEADER
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = EncryptionHeader(**values)
        texts = (found.id, found.nonce, found.wrapped, found.salt)
        limits = zip((found.n, found.r, found.p), _MOST_SCRYPT, strict=True)
        if (
            found.kind not in ("keyring", "passphrase")
            or found.state not in ("encrypting", "on", "decrypting")
            or not all(isinstance(each, str) for each in texts)
            or not all(type(each) is int and 0 <= each <= most for each, most in limits)
        ):
            raise ValueError  # noqa: TRY301 - so that all that is wrong has one sentence
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise EncryptionError(
            f"{path} cannot be read, and without it nothing here can be decrypted. Put it back "
            "from a backup (it is in each of them)."
        ) from error
    return found


def make_key(kind: EncryptionKind, passphrase: str = "") -> tuple[EncryptionHeader, bytes]:
    """Make a random key and the header that keeps it, which encrypts a folder once it is written.

    Raises:
        EncryptionError: no SQLCipher, no keyring that keeps the key, or a passphrase that is
            shorter than eight characters.
    """
    if sqlcipher is None:
        raise EncryptionError(NO_SQLCIPHER)
    key = secrets.token_bytes(32)
    return wrap_key(key, kind, passphrase, "encrypting"), key


def wrap_key(
    key: bytes, kind: EncryptionKind, passphrase: str, state: EncryptionState
) -> EncryptionHeader:
    """Make a header that keeps a key; errors as `make_key`."""
    header = EncryptionHeader(secrets.token_hex(8), kind, state, "", "")
    if kind == "passphrase":
        check_passphrase(passphrase)
        n, r, p = _SCRYPT
        header = replace(header, salt=_to_base64(secrets.token_bytes(16)), n=n, r=r, p=p)
        outer = _derive_key(header, passphrase)
    else:
        outer = secrets.token_bytes(32)
        _save_to_keyring(header.id, _to_base64(outer))
    nonce = secrets.token_bytes(12)
    wrapped = AESGCM(outer).encrypt(nonce, key, _MAGIC)
    return replace(header, nonce=_to_base64(nonce), wrapped=_to_base64(wrapped))


def check_passphrase(passphrase: str) -> None:
    """Refuse what is guessed at once.

    Raises:
        EncryptionError: it is too short.
    """
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        raise EncryptionError(
            f"A passphrase needs at least {_SHORTEST_PASSPHRASE} characters; four or five words "
            "that nobody would guess are best."
        )


def unwrap_key(header: EncryptionHeader, passphrase: str | None = None) -> bytes:
    """Return the key that a header keeps.

    Raises:
        EncryptionError: the passphrase is missing or wrong, or the keyring has no such entry.
    """
    if header.kind == "passphrase":
        if passphrase is None:
            raise EncryptionError(
                "The data folder is encrypted with a passphrase. Start Floe in a terminal, which "
                "asks for it, or name a file that holds it with --passphrase-file."
            )
        outer = _derive_key(header, passphrase)
        wrong = "This is not the passphrase of the data folder. Try again."
    else:
        outer = _load_from_keyring(header.id)
        wrong = "The keyring's key is not that of the data folder. Restore the keyring's own entry."
    try:
        return AESGCM(outer).decrypt(
            _from_base64(header.nonce), _from_base64(header.wrapped), _MAGIC
        )
    except (InvalidTag, ValueError):
        raise EncryptionError(wrong) from None


def unlock(folder: Path, passphrase: str | None = None) -> bytes | None:
    """Open a data folder for this process; returns its key, or None if it is not encrypted.

    Raises:
        EncryptionError: as `unwrap_key`, or its database cannot be read without sqlcipher3.
    """
    folder = folder.resolve()
    header = read_header(folder)
    if header is None:
        return None
    if sqlcipher is None:
        raise EncryptionError(f"The data folder {folder} is encrypted. {NO_SQLCIPHER}")
    if folder not in _keys:
        _keys[folder] = unwrap_key(header, passphrase)
    return _keys[folder]


def remember_key(folder: Path, key: bytes | None) -> None:
    """Let this process read and write the folder with a key that is known already."""
    _encrypted_databases.clear()  # whoever calls has changed what lies there
    if key is None:
        _keys.pop(folder.resolve(), None)
    else:
        _keys[folder.resolve()] = key


def forget_keyring_entry(header: EncryptionHeader) -> None:
    """Remove the key's wrapper from the keyring: what it wrapped cannot be read any more."""
    if header.kind == "keyring":
        with suppress(Exception):  # every backend fails in its own way; most often it has gone
            keyring.delete_password(_SERVICE, _keyring_entry(header.id))


def needs_passphrase(folder: Path) -> bool:
    """Return whether this process cannot open the folder before it is told the passphrase."""
    header = read_header(folder)
    return header is not None and header.kind == "passphrase" and folder.resolve() not in _keys


# Files


def is_encrypted(path: Path) -> bool:
    """Return whether a file is one of ours, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def is_plain_database(path: Path) -> bool:
    """Return whether a file is a database that any SQLite can read."""
    with path.open("rb") as file:
        return file.read(len(_PLAIN_DATABASE)) == _PLAIN_DATABASE


def read_bytes(path: Path) -> bytes:
    """All of a file, decrypted if it is encrypted.

    Raises:
        OSError: it cannot be read.
        EncryptionError: there is no key for it, or it was altered.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            file.seek(0)
            return file.read()
        return b"".join(decrypt_chunks(file, _needed_key(path), path.name))


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Replace a file, whole or not at all; encrypted where its data folder is.

    Raises:
        OSError: it cannot be written.
        EncryptionError: there is no key for the folder.
    """
    key = key_for(path)
    write_atomically(path, content if key is None else b"".join(encrypt_chunks(content, key)))


@contextmanager
def readable_file(path: Path) -> Iterator[Path]:
    """Give a path from which a library may read what the file holds, within the block.

    A file in clear is that path itself. Of an encrypted one it is a file in memory that has no
    name (Linux), or elsewhere a temporary file for this user's eyes, removed with the block.
    """
    if not path.is_file() or not is_encrypted(path):
        yield path
        return
    with path.open("rb") as source, _in_memory() as (file, name):
        source.seek(len(_MAGIC))
        for chunk in decrypt_chunks(source, _needed_key(path), path.name):
            file.write(chunk)
        file.flush()
        yield name


@contextmanager
def writable_file(path: Path) -> Iterator[Path]:
    """Give a path where a library may write; at the block's end it replaces `path`.

    In memory, as above, where the data folder is encrypted. Nothing is replaced upon an error.
    """
    key = key_for(path)
    if key is None:
        part = path.with_name(path.name + ".part")
        try:
            yield part
            os.replace(part, path)  # noqa: PTH105 - the name of the call says that it is atomic
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return
    with _in_memory() as (file, name):
        yield name
        with name.open("rb") as written:
            content = written.read()
        del file
        write_atomically(path, b"".join(encrypt_chunks(content, key)))


def temporary_parent(data_dir: Path) -> Path:
    """Choose where a temporary folder with private text lies: in memory if data is encrypted."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder made in it is for this user's eyes
    if read_header(data_dir) is not None and os.access(memory, os.W_OK):
        return memory
    swept = data_dir / "temporary"  # emptied at the next start, should this one be killed
    return swept if swept.is_dir() else data_dir


def encrypt_chunks(content: bytes | memoryview, key: bytes) -> Iterator[bytes]:
    """Yield the pieces of an encrypted file, in order."""
    cipher, prefix = AESGCM(_subkey(key, b"files")), secrets.token_bytes(_PREFIX)
    yield _MAGIC + prefix
    view = memoryview(content)
    last = max(0, (len(view) - 1) // _CHUNK)
    for number in range(last + 1):
        chunk = view[number * _CHUNK : (number + 1) * _CHUNK]
        yield cipher.encrypt(_nonce(prefix, number, number == last), chunk, _MAGIC)


def decrypt_chunks(file: IO[bytes], key: bytes, name: str) -> Iterator[bytes]:
    """Yield the pieces of what was encrypted; `file` stands behind the magic.

    Raises:
        EncryptionError: the file was altered, or has another key; `name` is for the sentence.
    """
    cipher, prefix = AESGCM(_subkey(key, b"files")), file.read(_PREFIX)
    number, chunk = 0, file.read(_CHUNK + _TAG)
    try:
        while True:
            following = file.read(_CHUNK + _TAG)
            yield cipher.decrypt(_nonce(prefix, number, not following), chunk, _MAGIC)
            if not following:
                return
            number, chunk = number + 1, following
    except (InvalidTag, ValueError):
        raise EncryptionError(
            f"{name} is damaged, or was encrypted with another key. Restore it from a backup."
        ) from None


def key_for(path: Path) -> bytes | None:
    """Return the key with which a new file at `path` is written; None: in clear.

    Raises:
        EncryptionError: the data folder around it is encrypted, and this process has no key.
    """
    folder = _data_folder(path)
    if folder is None:
        return None
    header = read_header(folder)
    assert header is not None
    return None if header.state == "decrypting" else unlock(folder)


# Databases


def connect_database(path: Path, timeout: float) -> Any:
    """Connect through SQLCipher; None: the database is, or will be, one in clear.

    Raises:
        EncryptionError: there is no key for it.
        sqlcipher3.Error: it cannot be opened.
    """
    folder = path.parent.resolve()
    if read_header(folder) is None or not _is_to_be_encrypted(path):
        return None
    key = unlock(folder)
    assert key is not None
    return connect_with_key(path, key, timeout)


def _is_to_be_encrypted(path: Path) -> bool:
    """Return whether a database is, or is about to become, one of SQLCipher's.

    The file is opened once, before this process has a connection to it: closing a descriptor of
    its own would drop all POSIX locks that SQLite holds on that file here, and another process
    would then remove the log under a connection ("How To Corrupt An SQLite Database File", 2.2).
    """
    try:
        about = path.stat()
    except OSError:
        return key_for(path) is not None
    place = (str(path.resolve()), about.st_dev, about.st_ino)
    if place not in _encrypted_databases:
        is_empty = about.st_size == 0
        found = key_for(path) is not None if is_empty else not is_plain_database(path)
        _encrypted_databases[place] = found
    return _encrypted_databases[place]


def connect_with_key(path: Path, key: bytes, timeout: float = 5.0) -> Any:
    """Connect through SQLCipher to a database with this key.

    Raises:
        EncryptionError: sqlcipher3 is not installed.
    """
    if sqlcipher is None:
        raise EncryptionError(NO_SQLCIPHER)
    connection = sqlcipher.connect(
        str(path), timeout=timeout, isolation_level=None, check_same_thread=False
    )
    # Raw, so that nothing is derived anew for each connection: the key is random already.
    connection.execute(f'PRAGMA key = "{database_key(key)}"')
    return connection


def database_key(key: bytes) -> str:
    """Spell the database's own key as SQLCipher spells raw ones."""
    return f"x'{_subkey(key, b'database').hex()}'"


# Handing the key to a process of our own


def key_line(data_dir: Path) -> bytes:
    """Return the first line for the standard input of a child; empty: it needs no key."""
    key = _keys.get(data_dir.resolve())
    return b"" if key is None or read_header(data_dir) is None else key.hex().encode() + b"\n"


def receive_key(data_dir: Path, stream: IO[bytes]) -> None:
    """Take, in a child, the key that the app has written; nothing is read if none is needed.

    Without one the keyring is asked, once the folder is opened.
    """
    if read_header(data_dir) is None:
        return
    line = bytearray()
    # One byte at a time: whoever reads this stream after us must find all that follows.
    while (byte := os.read(stream.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    with suppress(ValueError):
        key = bytes.fromhex(line.decode("ascii", "replace"))
        if len(key) == 32:
            remember_key(data_dir, key)


def key_pipe(data_dir: Path) -> int | None:
    """Open a descriptor that the next program in this process finds open, with the key in it."""
    line = key_line(data_dir)
    if not line:
        return None
    reader, writer = os.pipe()
    os.write(writer, line)
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def data_folder_of(path: Path) -> Path:
    """Return the encrypted data folder around a path, or the path's own folder."""
    return _data_folder(path) or path.parent


def _needed_key(path: Path) -> bytes:
    folder = _data_folder(path)
    key = None if folder is None else unlock(folder)
    if key is None:
        raise EncryptionError(
            f"{path.name} is encrypted, and {HEADER} with its key is missing. Put that back from a "
            "backup."
        )
    return key


def _data_folder(path: Path) -> Path | None:
    for folder in path.absolute().parents:
        if (folder / HEADER).is_file():
            return folder.resolve()
    return None


@contextmanager
def _in_memory() -> Iterator[tuple[IO[bytes], Path]]:
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("floe"), "w+b") as file:
            yield file, Path(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.NamedTemporaryFile() as file:  # 0600
        yield file, Path(file.name)


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Replace a file, whole or not at all, for this user's eyes and as the content is.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        # On a full disk this leaves room for the words that say so.
        part.unlink(missing_ok=True)
        raise


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


def _subkey(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"floe " + purpose).derive(key)


def _derive_key(header: EncryptionHeader, passphrase: str) -> bytes:
    if header.n < 2 or header.r < 1 or header.p < 1:
        raise EncryptionError(f"{HEADER} is damaged. Put it back from a backup.")
    kdf = Scrypt(_from_base64(header.salt), 32, header.n, header.r, header.p)
    return kdf.derive(passphrase.encode())


def _keyring_entry(identity: str) -> str:
    return f"data folder {identity}"


def _save_to_keyring(identity: str, text: str) -> None:
    found = None
    with suppress(Exception):  # every backend fails in its own way
        keyring.set_password(_SERVICE, _keyring_entry(identity), text)
        found = keyring.get_password(_SERVICE, _keyring_entry(identity))
    if found != text:  # the null backend takes everything and keeps nothing
        raise EncryptionError(
            "This machine has no keyring that keeps the key. Choose a passphrase instead."
        )


def _load_from_keyring(identity: str) -> bytes:
    found = None
    with suppress(Exception):
        found = keyring.get_password(_SERVICE, _keyring_entry(identity))
    if not found:
        raise EncryptionError(
            "The data folder is encrypted, and its key is not in this system's keyring, or the "
            "keyring is locked. Unlock it, and start Floe as the user who encrypted the folder."
        )
    return _from_base64(found)


def _to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text)
