"""What a GGUF says of itself, read through llama.cpp."""

import ctypes
from collections.abc import Callable
from typing import Any

from llama_cpp import llama_cpp as lib


def read_metadata(model: Any) -> dict[str, str]:
    """A GGUF's key-value pairs as text; `model` is llama.cpp's handle."""
    metadata = {}
    for i in range(lib.llama_model_meta_count(model)):
        key, value = (
            _text(read, model, i)
            for read in (lib.llama_model_meta_key_by_index, lib.llama_model_meta_val_str_by_index)
        )
        metadata[key] = value
    return metadata


def _text(read: Callable[..., int], model: Any, index: int) -> str:
    buffer = ctypes.create_string_buffer(256)
    length = read(model, index, buffer, len(buffer))
    if length >= len(buffer):
        buffer = ctypes.create_string_buffer(length + 1)
        read(model, index, buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")
