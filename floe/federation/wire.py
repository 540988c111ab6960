"""Named arrays as Flower's records and back: looked at before a byte of them is decoded.

Knows nothing of what the arrays mean; that is for `floe.federation.guard`.
"""

import io
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from floe.errors import FederationError

_HEADER_BYTES: Final = 512
"""What numpy writes before the values of a small array; more is no array of ours."""
_LONGEST_NAME: Final = 200


def to_record(arrays: Mapping[str, NDArray[Any]]) -> ArrayRecord:
    """Arrays as they travel."""
    return ArrayRecord({name: Array(np.ascontiguousarray(array)) for name, array in arrays.items()})


def record_size(record: ArrayRecord) -> int:
    """Bytes of all its arrays as they travel; nothing is decoded."""
    return sum(len(array.data) for array in record.values())


def from_record(record: ArrayRecord, most_bytes: int, most_arrays: int) -> dict[str, Any]:
    """What was received, if it is of a size that can be meant.

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
    return {name: _decoded(name, array) for name, array in record.items()}


def _decoded(name: str, array: Array) -> NDArray[Any]:
    """An array whose own header agrees with its length; numpy would make room for any claim."""
    if len(name) > _LONGEST_NAME or array.stype != "numpy.ndarray":
        raise FederationError("it holds something other than arrays")
    try:
        honest = _is_honest(array.data)
        decoded: NDArray[Any] | None = array.numpy() if honest else None
    except (ValueError, TypeError, EOFError, OverflowError):
        decoded = None
    if decoded is None:
        raise FederationError("it holds an array that is not what it says it is")
    return decoded


def _is_honest(data: bytes) -> bool:
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        return False
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    start = stream.tell()
    claimed = math.prod(shape) * dtype.itemsize
    return start <= _HEADER_BYTES and not dtype.hasobject and claimed == len(data) - start
