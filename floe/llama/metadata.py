"""Metadata of a GGUF, read through llama.cpp."""

import ctypes
from collections.abc import Callable
from typing import Any, Final

from llama_cpp import llama_cpp as lib

_LONGEST: Final = 4096
"""Bytes of a value; a licence may be longer, and nobody reads it here."""
_LONGEST_TEMPLATE: Final = 1 << 20


def read_metadata(model: Any) -> dict[str, str]:
    """Read a GGUF's key-value pairs as text, long ones cut; `model` is llama.cpp's handle."""
    metadata = {}
    for i in range(lib.llama_model_meta_count(model)):
        key = _text(lib.llama_model_meta_key_by_index, model, i, _LONGEST)
        longest = _LONGEST_TEMPLATE if key == "tokenizer.chat_template" else _LONGEST
        value = _text(lib.llama_model_meta_val_str_by_index, model, i, longest)
        metadata[key] = value
    return metadata


def _text(read: Callable[..., int], model: Any, index: int, longest: int) -> str:
    buffer = ctypes.create_string_buffer(256)
    length = read(model, index, buffer, len(buffer))
    if length >= len(buffer):
        buffer = ctypes.create_string_buffer(min(length, longest) + 1)
        read(model, index, buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")
