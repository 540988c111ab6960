"""Hand-sized models of every kind that can be personalised, as GGUF files that llama.cpp serves.

Sizes are chosen so that what is easily forgotten shows: heads that are not hidden / heads wide,
windows shorter than a text, layers without rotation, factors of Granite and divisors of Phi.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.training.tiny import add_vocabulary

HIDDEN, HEADS, KV_HEADS, INTERMEDIATE = 64, 4, 2, 96
LAYERS = {"gemma3": 6, "smollm3": 4, "gemma2": 2}
WIDE_HEADS = ("qwen3", "gemma2", "gemma3")
Kind = gguf.GGMLQuantizationType


class FamilyWriter:
    """Writes one file; `quantised`: the matrices are Q8_0."""

    def __init__(self, path: Path, kind: str, *, quantised: bool = False, seed: int = 0) -> None:
        self.kind, self.layers = kind, LAYERS.get(kind, 2)
        self.head_size = 32 if kind in WIDE_HEADS else HIDDEN // HEADS
        self.writer = gguf.GGUFWriter(str(path), kind)
        self.path, self._quantised = path, quantised
        self._random = np.random.default_rng(seed)

    def write(self) -> Path:
        self._header()
        add_vocabulary(self.writer)
        self._tensors()
        self.finish()
        return self.path

    def finish(self) -> None:
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()

    def _header(self) -> None:
        writer = self.writer
        writer.add_block_count(self.layers)
        writer.add_context_length(1024)
        writer.add_embedding_length(HIDDEN)
        writer.add_feed_forward_length(INTERMEDIATE)
        writer.add_head_count(HEADS)
        writer.add_head_count_kv(KV_HEADS)
        writer.add_rope_freq_base(20000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        if self.kind in WIDE_HEADS:
            writer.add_key_length(self.head_size)
            writer.add_value_length(self.head_size)
        if self.kind in ("llama", "granite", "smollm3"):
            writer.add_rope_dimension_count(self.head_size)
        if self.kind.startswith("gemma"):
            writer.add_sliding_window(8)
        if self.kind == "gemma2":
            writer.add_attn_logit_softcapping(5.0)
            writer.add_final_logit_softcapping(8.0)
        if self.kind == "gemma3":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(8.0)
        if self.kind == "phi3":
            writer.add_rope_dimension_count(self.head_size // 2)
            writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
            writer.add_rope_scaling_attn_factors(1.2)
            writer.add_rope_scaling_orig_ctx_len(512)
            writer.add_sliding_window(512)
        if self.kind == "granite":
            writer.add_attention_scale(0.2)
            writer.add_embedding_scale(3.0)
            writer.add_residual_scale(0.4)
            writer.add_logit_scale(2.0)

    def add(self, name: str, *shape: int, scale: float = 0.12) -> None:
        values = self._random.normal(scale=scale, size=shape).astype(np.float32)
        if "norm" in name:
            values += 1
        if self._quantised and len(shape) == 2:
            blocks = gguf.quants.quantize(values, Kind.Q8_0)
            self.writer.add_tensor(name, blocks, raw_dtype=Kind.Q8_0)
            return
        self.writer.add_tensor(name, values)

    def _tensors(self) -> None:
        self.add("token_embd.weight", 259, HIDDEN, scale=0.5)
        self.add("output_norm.weight", HIDDEN)
        if self.kind in ("phi3", "llama"):
            self.add("output.weight", 259, HIDDEN, scale=0.3)
        if self.kind == "llama":
            self._factors("rope_freqs.weight", self.head_size // 2)
        if self.kind == "phi3":
            for name in ("long", "short"):
                self._factors(f"rope_factors_{name}.weight", self.head_size // 4)
        for i in range(self.layers):
            self._layer(f"blk.{i}")

    def _factors(self, name: str, count: int) -> None:
        values = self._random.uniform(1.0, 3.0, count).astype(np.float32)
        self.writer.add_tensor(name, values)

    def _layer(self, at: str) -> None:
        queries, keys = HEADS * self.head_size, KV_HEADS * self.head_size
        for norm in ("attn_norm", "ffn_norm"):
            self.add(f"{at}.{norm}.weight", HIDDEN)
        if self.kind in ("qwen3", "gemma3"):
            for part in "qk":
                self.add(f"{at}.attn_{part}_norm.weight", self.head_size)
        if self.kind.startswith("gemma"):
            for norm in ("post_attention_norm", "post_ffw_norm"):
                self.add(f"{at}.{norm}.weight", HIDDEN)
        if self.kind == "phi3":
            self.add(f"{at}.attn_qkv.weight", queries + 2 * keys, HIDDEN)
            self.add(f"{at}.ffn_up.weight", 2 * INTERMEDIATE, HIDDEN)
        else:
            for part, rows in (("q", queries), ("k", keys), ("v", keys)):
                self.add(f"{at}.attn_{part}.weight", rows, HIDDEN)
                if self.kind == "qwen2":
                    self.add(f"{at}.attn_{part}.bias", rows)
            for part in ("gate", "up"):
                self.add(f"{at}.ffn_{part}.weight", INTERMEDIATE, HIDDEN)
        self.add(f"{at}.attn_output.weight", HIDDEN, queries)
        self.add(f"{at}.ffn_down.weight", HIDDEN, INTERMEDIATE)


def write_family(path: Path, kind: str, **options: Any) -> Path:
    """A random model of that kind."""
    return FamilyWriter(path, kind, **options).write()
