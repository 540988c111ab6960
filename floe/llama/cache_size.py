"""The size of a model's KV cache, from the header of its file."""

from typing import Final

from floe.llama.gguf_header import GgufHeader, NumberList

CACHE_BYTES: Final = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes of one number in each kind of cache; the blocks of 32 carry a scale of 16 bit."""


def cache_bytes_per_token(header: GgufHeader) -> float:
    """Return numbers x 2 bytes that the cache keeps of one token, in 16 bit.

    An upper bound for models with sliding windows, whose cache llama.cpp cuts short.
    """
    kind = header.text("general.architecture") or ""

    def number(key: str, default: float) -> float:
        found = header.number(f"{kind}.{key}")
        return default if found is None else float(found)

    layers = number("block_count", 0)
    heads = max(number("attention.head_count", 1), 1)
    head_size = number("embedding_length", 0) / heads
    kv_heads = header.fields.get(f"{kind}.attention.head_count_kv")
    if isinstance(kv_heads, NumberList):
        all_heads = float(kv_heads.values.sum())
    else:
        all_heads = layers * number("attention.head_count_kv", heads)
    keys = number("attention.key_length", head_size)
    values = number("attention.value_length", head_size)
    return all_heads * (keys + values) * CACHE_BYTES["f16"]
