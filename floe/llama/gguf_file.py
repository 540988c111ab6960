"""Contents of a model file that `floe.llama.gguf_checks` has found sound."""

import math
import mmap
import platform
import struct
from pathlib import Path
from typing import Any, Final

import gguf
from gguf import GGMLQuantizationType

from floe.errors import ModelError
from floe.llama.gguf_header import read_gguf_header

_REPACKED: Final = frozenset(
    {
        GGMLQuantizationType.Q2_K,
        GGMLQuantizationType.Q4_0,
        GGMLQuantizationType.Q4_K,
        GGMLQuantizationType.IQ4_NL,
    }
)
"""Kinds of numbers that llama.cpp can lay out anew for this family of processors."""
_WORTH: Final = 0.5


class ModelHeader(gguf.GGUFReader):
    """A GGUF's single values and tensors; lists of values are passed over.

    The library makes four arrays of every word of the vocabulary, which takes seconds and a
    hundred megabytes; nothing here wants those words.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))

    def release(self, tensor: gguf.ReaderTensor) -> None:
        """Let go of a tensor's part of the file, which counts as memory of this process once read.

        It is read from the file again when it is wanted again.
        """
        mapped = getattr(self.data, "_mmap", None)
        if mapped is None or not hasattr(mmap, "MADV_DONTNEED"):
            return
        # Of pages that it shares with its neighbours, too: what is mapped for reading is not lost.
        start = int(tensor.data_offset) // mmap.PAGESIZE * mmap.PAGESIZE
        length = int(tensor.data_offset) + int(tensor.n_bytes) - start
        mapped.madvise(mmap.MADV_DONTNEED, start, length)

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
        if raw_type != gguf.GGUFValueType.ARRAY:
            return super()._get_field_parts(orig_offs, raw_type)
        data: Any = self.data
        kind, count = struct.unpack_from("<IQ", data, orig_offs)
        offset = orig_offs + 12
        scalar = self.gguf_scalar_to_np.get(gguf.GGUFValueType(kind))
        if scalar is not None:
            offset += count * scalar().itemsize
        else:
            for _ in range(count):
                offset += 8 + struct.unpack_from("<Q", data, offset)[0]
        return offset - orig_offs, [], [], [gguf.GGUFValueType.ARRAY]


def choose_repacking(path: Path) -> tuple[bool, str]:
    """Choose whether llama.cpp lays out weights anew for batches as it loads `path`, and say why.

    Long prompts gain by it where most weights are of a kind that can be laid out so. But the
    kernels round differently from those for one token, so that only short batches are exact: a
    quick cloud's proposals are then checked three at a time, not seven.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True, "as llama.cpp does by itself"
    try:
        tensors = read_gguf_header(path).tensors.values()
    except ModelError:
        return True, "its header cannot be read here"  # llama.cpp will say what is wrong with it
    matrices = [t for t in tensors if len(t.shape) > 1 and "embd" not in t.name]
    total = sum(math.prod(t.shape) for t in matrices)
    gain = sum(math.prod(t.shape) for t in matrices if t.kind in _REPACKED)
    share = gain / max(total, 1)
    if share >= _WORTH:
        return True, f"{share:.0%} of the weights gain by it"
    return False, f"only {share:.0%} of the weights would gain by it"
