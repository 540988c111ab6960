"""The base model in torch: the weights of the very GGUF file that serves the chat.

Reads llama and qwen2 files tensor by tensor, so that no more than one of them is held in
float32; names and layouts are those of transformers' `LlamaForCausalLM` and
`Qwen2ForCausalLM`. Knows nothing of tokens, adapters or training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import torch
from torch import Tensor

from floe.adapters.architecture import (
    Architecture,
    architecture_of,
    require_hand_written,
)
from floe.adapters.lora_defaults import GGUF_NAMES, MODULES
from floe.errors import ModelError
from floe.llama.dequantise import dequantise_into
from floe.llama.gguf_checks import check_model
from floe.llama.gguf_file import ModelHeader
from floe.training.backends.cpu.prepacked_linear import PrepackedLinear

_SLICE: Final = 4096
"""Rows of a matrix that are held in float32 at once."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """One decoder layer; projections that share an input are stacked.

    `qkv` (q + 2 kv outputs, hidden), `output` (hidden, q outputs), `gate_up`
    (2 * intermediate, hidden), `down` (hidden, intermediate).
    """

    attention_norm: Tensor
    qkv: PrepackedLinear
    qkv_bias: Tensor | None
    output: PrepackedLinear
    mlp_norm: Tensor
    gate_up: PrepackedLinear
    down: PrepackedLinear


@dataclass(frozen=True, slots=True, eq=False)
class BaseWeights:
    """A frozen base model. `head` holds what `embedding` does where the file ties them."""

    architecture: Architecture
    embedding: Tensor
    layers: tuple[LayerWeights, ...]
    final_norm: Tensor
    head: PrepackedLinear
    rope_factors: Tensor | None

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights and of everything computed with them."""
        return self.embedding.dtype


def read_base_weights(
    path: Path, dtype: torch.dtype, on_tensor: Callable[[int], None] = lambda _: None
) -> BaseWeights:
    """Load and dequantise a GGUF file.

    Args:
        path: a llama or qwen2 GGUF.
        dtype: of the weights in memory.
        on_tensor: told before each tensor how many bytes it takes; what it raises ends the loading.

    Raises:
        ModelError: it is no GGUF, broken, or of a kind that cannot be trained here.
    """
    check_model(path)
    reader = ModelHeader(path)
    architecture = architecture_of(reader, path)
    require_hand_written(architecture)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    unread = set(tensors)

    def read(name: str) -> Tensor | None:
        found = tensors.get(_gguf_name(name))
        if found is None:
            return None
        unread.discard(found.name)
        on_tensor(int(found.n_elements) * dtype.itemsize)
        tensor = _dequantise(found, dtype)
        reader.release(found)
        module = name.split(".")[-2]
        heads = architecture.permuted_heads(module)
        return _unpermute(tensor, heads) if heads else tensor

    try:
        base = assemble(architecture, read)
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path.name} cannot be used for training: {error}. Fetch it again, or choose "
            "another model."
        ) from error
    if unread:
        # A layer with parts that this module does not know would be computed wrongly.
        raise ModelError(
            f"{path.name} has parts that training does not know ({min(unread)}). Choose another "
            "model to personalise."
        )
    return base


def assemble(architecture: Architecture, read: Callable[[str], Tensor | None]) -> BaseWeights:
    """Build a base from tensors by their names in transformers; `read` gives None where missing.

    Raises:
        KeyError: a tensor that every model has is missing.
    """

    def need(name: str) -> Tensor:
        tensor = read(name)
        if tensor is None:
            raise KeyError(name)
        return tensor

    embedding = need("model.embed_tokens.weight")
    # First, and in both directions at once: to lay out the largest matrix takes its memory two
    # times more for a moment, which is the least before there is anything else.
    words = read("lm_head.weight")
    words = embedding if words is None else words
    head = PrepackedLinear(words)
    head.prepare(words)
    del words
    layers = []
    for i in range(architecture.layers):
        at = f"model.layers.{i}"
        biases = [read(f"{at}.self_attn.{name}.bias") for name in MODULES[:3]]
        present = [bias for bias in biases if bias is not None]
        layers.append(
            LayerWeights(
                attention_norm=need(f"{at}.input_layernorm.weight"),
                qkv=PrepackedLinear(
                    torch.cat([need(f"{at}.self_attn.{name}.weight") for name in MODULES[:3]])
                ),
                qkv_bias=torch.cat(present) if len(present) == 3 else None,
                output=PrepackedLinear(need(f"{at}.self_attn.o_proj.weight")),
                mlp_norm=need(f"{at}.post_attention_layernorm.weight"),
                gate_up=PrepackedLinear(
                    torch.cat([need(f"{at}.mlp.{name}.weight") for name in MODULES[4:6]])
                ),
                down=PrepackedLinear(need(f"{at}.mlp.down_proj.weight")),
            )
        )
    return BaseWeights(
        architecture=architecture,
        embedding=embedding,
        layers=tuple(layers),
        final_norm=need("model.norm.weight"),
        head=head,
        rope_factors=read("model.rope_factors.weight"),
    )


def _gguf_name(name: str) -> str:
    fixed = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
        "model.rope_factors.weight": "rope_freqs.weight",
    }
    if name in fixed:
        return fixed[name]
    _, _, layer, *_, module, kind = name.split(".")
    norms = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    return f"blk.{layer}.{norms.get(module) or GGUF_NAMES[module]}.{kind}"


def _dequantise(tensor: gguf.ReaderTensor, dtype: torch.dtype) -> Tensor:
    shape = tuple(int(n) for n in reversed(tensor.shape))
    out = torch.empty(shape, dtype=dtype)
    slice_ = np.empty((min(_SLICE, shape[0]), *shape[1:]), np.float32)
    for start in range(0, shape[0], _SLICE):
        rows = tensor.data[start : start + _SLICE]
        part = slice_[: len(rows)]
        dequantise_into(rows, tensor.tensor_type, part)
        out[start : start + _SLICE] = torch.from_numpy(part)
    return out


def _unpermute(tensor: Tensor, heads: int) -> Tensor:
    """Rows from llama.cpp's order (pairs side by side) to transformers' (halves)."""
    half = tensor.shape[0] // heads // 2
    return tensor.view(heads, half, 2, -1).transpose(1, 2).reshape(tensor.shape)
