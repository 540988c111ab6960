"""The header of a GGUF file, read before llama.cpp sees it: llama.cpp ends the process over some.

Every count, length and offset is compared with the size of the file before anything is made of
it, and no weight is read. Knows the format (ggml's `gguf.cpp`, versions 2 and 3), not what a
model needs; that is for `floe.llama.gguf_checks`.
"""

import errno
import math
import mmap
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from gguf import GGML_QUANT_SIZES
from numpy.typing import NDArray

from floe.errors import ModelError

Buffer: TypeAlias = bytes | mmap.mmap

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_MAX_FIELDS: Final = 65_536
_MAX_TENSORS: Final = 65_536
_MAX_NAME: Final = 64
"""ggml keeps tensor names of at most 63 bytes."""
_MAX_KEY: Final = 65_535
_MAX_DIMENSIONS: Final = 4
_MAX_TEXT: Final = 16 << 20
"""Bytes of one text: the longest chat templates have some 30,000."""
_MAX_TEXTS: Final = 2 << 20
"""Texts in one list: the largest vocabularies have 262,144 words and twice as many merges."""
_MAX_NUMBERS: Final = 64 << 20
_MAX_ALIGNMENT: Final = 1 << 20
_EXTRA_TYPES: Final = {41: (128, 18), 42: (64, 18)}
"""Q1_0 and Q2_0 as (weights, bytes) of a block, which the `gguf` package need not know yet."""
TENSOR_TYPES: Final[dict[int, tuple[int, int]]] = _EXTRA_TYPES | {
    int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()
}
"""(weights, bytes) of a block of each number format, by ggml's number for it."""


class FieldType(IntEnum):
    """GGUF's own numbers for what a field holds."""

    UINT8 = 0
    INT8 = 1
    UINT16 = 2
    INT16 = 3
    UINT32 = 4
    INT32 = 5
    FLOAT32 = 6
    BOOL = 7
    STRING = 8
    ARRAY = 9
    UINT64 = 10
    INT64 = 11
    FLOAT64 = 12


_NUMBERS: Final = {
    FieldType.UINT8: struct.Struct("<B"),
    FieldType.INT8: struct.Struct("<b"),
    FieldType.UINT16: struct.Struct("<H"),
    FieldType.INT16: struct.Struct("<h"),
    FieldType.UINT32: struct.Struct("<I"),
    FieldType.INT32: struct.Struct("<i"),
    FieldType.FLOAT32: struct.Struct("<f"),
    FieldType.BOOL: struct.Struct("<?"),
    FieldType.UINT64: struct.Struct("<Q"),
    FieldType.INT64: struct.Struct("<q"),
    FieldType.FLOAT64: struct.Struct("<d"),
}
_DTYPES: Final = {
    FieldType.UINT8: "u1",
    FieldType.INT8: "i1",
    FieldType.UINT16: "<u2",
    FieldType.INT16: "<i2",
    FieldType.UINT32: "<u4",
    FieldType.INT32: "<i4",
    FieldType.FLOAT32: "<f4",
    FieldType.BOOL: "u1",
    FieldType.UINT64: "<u8",
    FieldType.INT64: "<i8",
    FieldType.FLOAT64: "<f8",
}
_U32: Final = _NUMBERS[FieldType.UINT32]
_U64: Final = _NUMBERS[FieldType.UINT64]
_TENSOR_TAIL: Final = struct.Struct("<iQ")


class HeaderError(ValueError):
    """A header is broken; the text goes on after the name of the file ("says it has 0 layers")."""


@dataclass(frozen=True, slots=True)
class NumberField:
    """A single number or truth value, and how wide it was written."""

    kind: FieldType
    value: int | float


@dataclass(frozen=True, slots=True)
class NumberList:
    """Numbers of one kind, shape (count,)."""

    kind: FieldType
    values: NDArray[Any]


@dataclass(frozen=True, slots=True)
class TextList:
    """A list of texts, of which only this is kept.

    `distinct` and `spells_bytes` (whether each of the 256 bytes has a text of its own, as itself
    or as `<0x0A>`) are found out for `tokenizer.ggml.tokens` alone.
    """

    count: int
    distinct: bool = True
    spells_bytes: bool = False


Field: TypeAlias = NumberField | NumberList | TextList | str


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor as announced: `shape` as ggml writes it, the length of a row first."""

    name: str
    shape: tuple[int, ...]
    kind: int
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """A file's header. `size`: bytes of it, with the padding behind it."""

    fields: Mapping[str, Field]
    tensors: Mapping[str, TensorInfo]
    size: int

    def text(self, key: str) -> str | None:
        """Read a field that is a text; None if it is absent or something else."""
        found = self.fields.get(key)
        return found if isinstance(found, str) else None

    def number(self, key: str) -> int | float | None:
        """Read a field that is a single number; None if it is absent or something else."""
        found = self.fields.get(key)
        return found.value if isinstance(found, NumberField) else None


TOKENS: Final = "tokenizer.ggml.tokens"


def read_gguf_header(path: Path) -> GgufHeader:
    """Read and check the header of the file at `path`; read once as long as the file is the same.

    Raises:
        ModelError: there is no such file, it cannot be read, or its header is broken.
    """
    if path.is_dir():
        raise ModelError(_folder_fault(path))
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path} is not an ordinary file. Give the path of a GGUF file.")
        return _read_cached(
            str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        )
    except FileNotFoundError:
        raise ModelError(f"There is no file {path}. Give the path of a GGUF file.") from None
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise ModelError(
                f"There is not enough memory to read {path}. Close other programs, or choose a "
                "smaller model."
            ) from error
        raise ModelError(f"{path} cannot be read ({error.strerror}). Check its rights.") from error
    except HeaderError as error:
        raise ModelError(f"{path} {error}. Fetch it again, or choose another file.") from error


def _folder_fault(path: Path) -> str:
    """Say what to do with a folder that was given for a model."""
    packed = any(path.glob("*.safetensors")) and not any(path.glob("*.gguf"))
    if packed:
        return (
            f"{path} holds a model as safetensors, which llama.cpp does not read. Make a GGUF file "
            "of it with llama.cpp's convert_hf_to_gguf.py and give the path of that, from which "
            "training reads the weights, too."
        )
    return f"{path} is a folder. Give the path of a GGUF file inside it."


@lru_cache(maxsize=64)
def _read_cached(path: str, device: int, inode: int, size: int, mtime_ns: int) -> GgufHeader:
    del device, inode, mtime_ns  # they are part of the key, because another file is read anew
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if size < len(_MAGIC):
            return parse_gguf_header(b"")
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
            return parse_gguf_header(data)
    finally:
        os.close(descriptor)


def parse_gguf_header(data: Buffer) -> GgufHeader:
    """Read a header from a whole file in memory.

    Raises:
        HeaderError: it is broken, or says something that cannot be true of `data`.
    """
    if data[: len(_MAGIC)] != _MAGIC:
        raise HeaderError(
            "is not a GGUF file. llama.cpp's convert_hf_to_gguf.py makes one from a Hugging "
            "Face model"
        )
    try:
        return _Parser(data).parse()
    except (struct.error, OverflowError):
        raise HeaderError("is cut short: its header goes beyond its end") from None


class _Parser:
    """Walks over a header once; `_offset` never passes the end of the data."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._size = len(data)
        self._offset = len(_MAGIC)

    def parse(self) -> GgufHeader:
        version = self._number(_U32)
        if version not in _VERSIONS:
            raise HeaderError(_version_fault(version))
        tensors, fields = self._number(_U64), self._number(_U64)
        # 13 and 24 bytes are the least that a field and a tensor take.
        if fields > min(_MAX_FIELDS, self._left // 13):
            raise HeaderError(f"says it has {fields:,} fields, more than it has room for")
        if tensors > min(_MAX_TENSORS, self._left // 24):
            raise HeaderError(f"says it has {tensors:,} tensors, more than it has room for")
        found = self._fields(fields)
        alignment = self._alignment(found)
        infos = list(self._tensors(tensors))
        start = -(-self._offset // alignment) * alignment
        placed = self._placed(infos, start, alignment)
        return GgufHeader(found, placed, start)

    @property
    def _left(self) -> int:
        return self._size - self._offset

    def _number(self, layout: struct.Struct) -> int:
        value: int = layout.unpack_from(self._data, self._offset)[0]
        self._offset += layout.size
        return value

    def _bytes(self, most: int, what: str) -> bytes:
        length = self._number(_U64)
        if length > most or length > self._left:
            raise HeaderError(f"has {what} of {length:,} bytes, which cannot be")
        start = self._offset
        self._offset += length
        return self._data[start : self._offset]

    def _name(self, most: int, what: str) -> str:
        data = self._bytes(most, what)
        try:
            name = data.decode("utf-8")
        except UnicodeDecodeError:
            name = ""
        if not name or not name.isprintable():
            raise HeaderError(f"has {what} that is empty or no text")
        return name

    def _fields(self, count: int) -> dict[str, Field]:
        found: dict[str, Field] = {}
        for _ in range(count):
            key = self._name(_MAX_KEY, "the name of a field")
            if key in found:
                raise HeaderError(f"has two fields “{key[:80]}”")
            found[key] = self._field(key, self._kind(key))
        return found

    def _kind(self, key: str) -> FieldType:
        kind = self._number(_U32)
        try:
            return FieldType(kind)
        except ValueError:
            raise HeaderError(f"has a field “{key[:80]}” of the unknown kind {kind}") from None

    def _field(self, key: str, kind: FieldType) -> Field:
        if kind is FieldType.STRING:
            return self._bytes(_MAX_TEXT, f"a text “{key[:80]}”").decode("utf-8", "replace")
        if kind is not FieldType.ARRAY:
            return NumberField(kind, self._number(_NUMBERS[kind]))
        item = self._kind(key)
        count = self._number(_U64)
        if item is FieldType.ARRAY:
            raise HeaderError(f"has lists inside the list “{key[:80]}”, which no model has")
        if item is FieldType.STRING:
            return self._texts(key, count)
        dtype = np.dtype(_DTYPES[item])
        length = count * dtype.itemsize
        if count > _MAX_NUMBERS or length > self._left:
            raise HeaderError(f"has a list “{key[:80]}” of {count:,} numbers, which cannot be")
        start = self._offset
        self._offset += length
        # A copy: nothing may point into the mapped file when it is closed.
        return NumberList(item, np.frombuffer(self._data[start : self._offset], dtype))

    def _texts(self, key: str, count: int) -> TextList:
        if count > min(_MAX_TEXTS, self._left // 8):
            raise HeaderError(f"has a list “{key[:80]}” of {count:,} texts, which cannot be")
        # Local names: this runs 300,000 times for a large vocabulary.
        data, unpack, offset, size = self._data, _U64.unpack_from, self._offset, self._size
        texts: list[bytes] = []
        if key == TOKENS:
            for _ in range(count):
                start = offset + 8
                offset = start + unpack(data, offset)[0]
                texts.append(data[start:offset])
        else:
            for _ in range(count):
                offset += 8 + unpack(data, offset)[0]
        if offset > size:
            raise struct.error
        self._offset = offset
        return _word_list(texts) if key == TOKENS else TextList(count)

    def _alignment(self, fields: Mapping[str, Field]) -> int:
        found = fields.get("general.alignment", NumberField(FieldType.UINT32, 32))
        value = found.value if isinstance(found, NumberField) else 0
        fits = isinstance(value, int) and 0 < value <= _MAX_ALIGNMENT and value & (value - 1) == 0
        if not fits or not isinstance(found, NumberField) or found.kind is not FieldType.UINT32:
            raise HeaderError("says that its weights begin at multiples of an impossible number")
        return int(value)

    def _tensors(self, count: int) -> Iterator[TensorInfo]:
        for _ in range(count):
            name = self._name(_MAX_NAME - 1, "the name of a tensor")
            dimensions = self._number(_U32)
            if not 1 <= dimensions <= _MAX_DIMENSIONS:
                raise HeaderError(f"has a tensor {name} of {dimensions:,} dimensions")
            shape = tuple(self._number(_U64) for _ in range(dimensions))
            kind, start = _TENSOR_TAIL.unpack_from(self._data, self._offset)
            self._offset += _TENSOR_TAIL.size
            yield TensorInfo(name, shape, kind, start, self._tensor_size(name, shape, kind))

    def _tensor_size(self, name: str, shape: tuple[int, ...], kind: int) -> int:
        if kind not in TENSOR_TYPES:
            raise HeaderError(f"has a tensor {name} of numbers of the unknown kind {kind}")
        block, block_bytes = TENSOR_TYPES[kind]
        count = math.prod(shape)
        if count == 0 or shape[0] % block:
            raise HeaderError(f"has a tensor {name} of the impossible shape {_shape(shape)}")
        size = count // block * block_bytes
        if size > self._size:
            raise HeaderError(f"is cut short: the tensor {name} is larger than the whole file")
        return size

    def _placed(self, infos: list[TensorInfo], start: int, alignment: int) -> dict[str, TensorInfo]:
        """See that the tensors lie one behind the other and end within the file, as ggml asks."""
        placed: dict[str, TensorInfo] = {}
        expected = 0
        for info in infos:
            if info.name in placed:
                raise HeaderError(f"has two tensors {info.name}")
            if info.start != expected:
                raise HeaderError(f"has a tensor {info.name} that lies in the wrong place")
            if start + info.start + info.size > self._size:
                raise HeaderError(f"is cut short: the tensor {info.name} goes beyond its end")
            placed[info.name] = info
            expected += -(-info.size // alignment) * alignment
        return placed


def _word_list(texts: list[bytes]) -> TextList:
    words = set(texts)
    # llama.cpp calls an empty word by its number, so that several of them are distinct.
    empty = texts.count(b"")
    named = len(words) + max(empty - 1, 0)
    clash = empty and any(b"[EMPTY_%d]" % i in words for i, text in enumerate(texts) if not text)
    spelled = all(b"<0x%02X>" % byte in words or bytes([byte]) in words for byte in range(256))
    return TextList(len(texts), named == len(texts) and not clash, spelled)


def _version_fault(version: int) -> str:
    if version & 0xFFFF == 0:
        return "was written for a computer with the other byte order"
    return f"is of GGUF's version {version}, and versions 2 and 3 can be read"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(str(each) for each in shape)
