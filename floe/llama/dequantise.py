"""Weights of a GGUF as float32, by ggml's own routines: those that llama.cpp computes with.

They are in C and take about a second for 10^9 numbers, where the `gguf` package's take ten; and
they let go of Python's lock. Rows that are wanted are read, the others are not.
"""

import ctypes
from typing import Any, Final

import numpy as np
from gguf import GGMLQuantizationType
from llama_cpp import _ggml
from numpy.typing import NDArray

from floe.errors import ModelError


class _TypeTraits(ctypes.Structure):
    """The head of `struct ggml_type_traits` (ggml.h)."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


_traits: Final[Any] = _ggml.libggml.ggml_get_type_traits
_traits.restype = ctypes.POINTER(_TypeTraits)
_traits.argtypes = (ctypes.c_int,)


def dequantise_into(
    blocks: NDArray[np.generic], kind: GGMLQuantizationType, out: NDArray[np.float32]
) -> None:
    """Write the numbers that `blocks` stand for into `out`.

    Args:
        blocks: contiguous, as `gguf.ReaderTensor.data` has them.
        kind: the format of the numbers.
        out: contiguous, of as many numbers as the blocks hold.

    Raises:
        ModelError: ggml has no routine for this format.
    """
    if kind == GGMLQuantizationType.F32:
        out.reshape(-1)[:] = blocks.reshape(-1)
        return
    traits = _traits(int(kind)).contents
    if not traits.to_float:
        raise ModelError(f"The model holds numbers of the kind {kind.name}, which cannot be read.")
    source = np.ascontiguousarray(blocks)
    if source.nbytes // traits.type_size * traits.blck_size != out.size:
        raise ValueError(f"{source.nbytes} bytes of {kind.name} are not {out.size} numbers")
    traits.to_float(source.ctypes.data, out.ctypes.data, out.size)
