"""Named arrays as Flower's records and back: checked before a byte of their values is decoded.

Knows nothing of what the arrays mean; that is for `floe.federation.app.update_filter` and
`floe.federation.app.validation`.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from floe.errors import FederationError

_LONGEST_NAME: Final = 200
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER_BYTES: Final = 512
"""Bytes that numpy writes before the values of a small array; more is no array of ours."""
_HEADER: Final = re.compile(
    rb"\{'descr': '(<f4|\|u1)', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,9}, ?)*\d{0,9})\), \} *\n"
)
"""Header as numpy writes it. This reads it because numpy would evaluate it as Python."""


def to_record(arrays: Mapping[str, NDArray[Any]]) -> ArrayRecord:
    """Arrays as they travel."""
    return ArrayRecord({name: Array(np.ascontiguousarray(array)) for name, array in arrays.items()})


def record_size(record: ArrayRecord) -> int:
    """Bytes of all its arrays as they travel; nothing is decoded."""
    return sum(len(array.data) for array in record.values())


def from_record(record: ArrayRecord, most_bytes: int, most_arrays: int) -> dict[str, Any]:
    """Return the received arrays, float32 or bytes, if they are of a size that can be meant.

    Raises:
        FederationError: too large, too many, or not what it says it is.
    """
    if len(record) > most_arrays:
        raise FederationError(f"it holds {len(record)} arrays, more than the {most_arrays} asked")
    size = record_size(record)
    if size > most_bytes:
        raise FederationError(
            f"it is oversized: {size:,} bytes, more than the {most_bytes:,} allowed"
        )
    return {name: _decode(name, array) for name, array in record.items()}


def _decode(name: str, array: Array) -> NDArray[Any]:
    """Decode an array whose header agrees with its length; numpy would make room for any claim."""
    if len(name) > _LONGEST_NAME or array.stype != "numpy.ndarray":
        raise FederationError("it holds something other than arrays")
    data = array.data
    start = len(_MAGIC) + 2 + int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    header = _HEADER.fullmatch(data[len(_MAGIC) + 2 : start]) if start <= _HEADER_BYTES else None
    if not data.startswith(_MAGIC) or header is None:
        raise FederationError("it holds an array that is not what it says it is")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(size) for size in header[2].split(b",") if size.strip())
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise FederationError("it holds an array that is not what it says it is")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).copy()
