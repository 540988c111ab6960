"""A frozen decoder as a model of transformers, with the weights of the GGUF that serves the chat.

Knows nothing of adapters, tokens or training.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from floe.adapters.architecture import Architecture, architecture_of
from floe.adapters.lora_defaults import GGUF_NAMES
from floe.errors import ModelError
from floe.llama.dequantise import dequantise_into
from floe.llama.gguf_checks import check_model
from floe.llama.gguf_file import ModelHeader
from floe.training.backends.autograd.block_linear import BlockEmbedding, BlockLinear, BlockMatrix
from floe.training.backends.autograd.decoder_config import (
    HeaderValues,
    config_of,
    stretch_positions,
)

_WITHOUT_BLOCKS: Final = ("F32", "F16", "BF16")
_NORMS: Final = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "q_norm": "attn_q_norm",
    "k_norm": "attn_k_norm",
}
_GEMMA_NORMS: Final = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


@dataclass(frozen=True, slots=True, eq=False)
class FrozenDecoder:
    """A model of transformers, all of it frozen, on `device`.

    `adapted` holds the one adapter that is in it, if there is one: peft puts its layers into the
    model itself.
    """

    architecture: Architecture
    model: Any
    device: torch.device
    dtype: torch.dtype
    adapted: list[Any] = field(default_factory=list)


def read_decoder(
    path: Path,
    dtype: torch.dtype,
    device: torch.device | None = None,
    *,
    blocks: bool = False,
    on_tensor: Callable[[int], None] = lambda _: None,
) -> FrozenDecoder:
    """Load a GGUF file.

    Args:
        path: of one of the kinds in `floe.adapters.families`.
        dtype: of everything that is computed, and of the weights unless they stay in blocks.
        device: where; None: the processor.
        blocks: leave matrices in the file's own blocks; on the processor alone.
        on_tensor: told before each tensor how many bytes it takes; what it raises ends the loading.

    Raises:
        ModelError: it is no GGUF, broken, or of a kind that cannot be trained here.
    """
    check_model(path)
    reader = ModelHeader(path)
    architecture = architecture_of(reader, path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    values = HeaderValues(reader, architecture.kind)
    config = config_of(architecture, values, tied="output.weight" not in tensors)
    # Only eager attention caps its scores as Gemma 2 does.
    config._attn_implementation = "eager" if architecture.kind == "gemma2" else "sdpa"
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    with init_empty_weights(include_buffers=False):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=dtype
        )
    place = device or torch.device("cpu")
    filler = _Filler(architecture, reader, dtype, place, on_tensor, blocks=blocks)
    try:
        filler.fill(model)
        factors = tensors.get("rope_freqs.weight") or tensors.get("rope_factors_short.weight")
        stretch_positions(
            model.model.rotary_emb, values, None if factors is None else _floats(factors)
        )
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path.name} cannot be used for training: {error}. Fetch it again, or choose "
            "another model."
        ) from error
    model.to(place)
    model.requires_grad_(requires_grad=False)
    model.eval()
    return FrozenDecoder(architecture, model, place, dtype)


class _Filler:
    """Puts the tensors of a file into the empty modules of a model."""

    def __init__(
        self,
        architecture: Architecture,
        reader: ModelHeader,
        dtype: torch.dtype,
        device: torch.device,
        on_tensor: Callable[[int], None],
        *,
        blocks: bool,
    ) -> None:
        self._architecture, self._reader = architecture, reader
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}
        self._dtype, self._device, self._on_tensor = dtype, device, on_tensor
        self._blocks = blocks and device.type == "cpu"

    def fill(self, model: Any) -> None:
        """Fill all modules; the head is the table of the words where the file has no other."""
        for name, module in list(model.named_modules()):
            for kind, parameter in list(module.named_parameters(recurse=False)):
                if name == "lm_head" and "output.weight" not in self._tensors:
                    continue
                found = self._tensors[self._gguf_name(name, kind)]
                if tuple(int(n) for n in reversed(found.shape)) != tuple(parameter.shape):
                    raise ValueError(f"{found.name} has another shape than its header says")
                if kind == "weight" and isinstance(module, nn.Linear | nn.Embedding):
                    self._place_matrix(model, name, module, found)
                else:
                    self._set(module, kind, self._vector(found))
        if "output.weight" not in self._tensors:
            self._tie(model)

    def _place_matrix(
        self, model: Any, name: str, module: nn.Module, found: gguf.ReaderTensor
    ) -> None:
        part = name.rsplit(".", 1)[-1]
        heads = self._architecture.permuted_heads(part)
        if not self._blocks or found.tensor_type.name in _WITHOUT_BLOCKS:
            self._set(module, "weight", self._dense(found, heads))
            return
        rows, columns = (int(n) for n in reversed(found.shape))
        self._on_tensor(int(found.n_bytes))
        matrix = BlockMatrix(found.data, found.tensor_type, (rows, columns), heads)
        if isinstance(module, nn.Embedding):
            scale = getattr(module, "scalar_embed_scale", 1.0)
            model.set_submodule(name, BlockEmbedding(matrix, self._dtype, scale))
            return
        bias = None
        if module.bias is not None:
            bias = self._vector(self._tensors[self._gguf_name(name, "bias")])
        model.set_submodule(name, BlockLinear(matrix, self._dtype, bias))

    def _tie(self, model: Any) -> None:
        table = model.model.embed_tokens
        if isinstance(table, BlockEmbedding):
            model.lm_head = BlockLinear(table.matrix, self._dtype, None)
        else:
            model.lm_head.weight = table.weight

    def _set(self, module: nn.Module, kind: str, values: Tensor) -> None:
        setattr(module, kind, nn.Parameter(values, requires_grad=False))

    def _gguf_name(self, name: str, kind: str) -> str:
        whole = {
            "model.embed_tokens": "token_embd",
            "model.norm": "output_norm",
            "lm_head": "output",
        }
        if name in whole:
            return f"{whole[name]}.{kind}"
        _, _, layer, *_, part = name.split(".")
        gemma = self._architecture.kind.startswith("gemma")
        names = {**_NORMS, **GGUF_NAMES, **(_GEMMA_NORMS if gemma else {})}
        return f"blk.{layer}.{names[part]}.{kind}"

    def _vector(self, found: gguf.ReaderTensor) -> Tensor:
        values = torch.from_numpy(_floats(found))
        if self._architecture.kind.startswith("gemma") and found.name.endswith("norm.weight"):
            # The file holds 1 + weight, as llama.cpp multiplies by it.
            values -= 1
        return values.to(self._dtype)

    def _dense(self, found: gguf.ReaderTensor, heads: int) -> Tensor:
        rows, columns = (int(n) for n in reversed(found.shape))
        self._on_tensor(int(found.n_elements) * self._dtype.itemsize)
        matrix = BlockMatrix(found.data, found.tensor_type, (rows, columns), heads)
        out = torch.empty((rows, columns), dtype=self._dtype, device=self._device)
        for start in range(0, rows, matrix.step):
            end = min(start + matrix.step, rows)
            out[start:end] = matrix.rows(start, end, torch.float32)
        self._reader.release(found)
        return out


def _floats(found: gguf.ReaderTensor) -> NDArray[np.float32]:
    out = np.empty(int(found.n_elements), np.float32)
    dequantise_into(found.data, found.tensor_type, out)
    return out


def release_adapter(decoder: FrozenDecoder) -> None:
    """Take the adapter out again that is in the model, if there is one."""
    while decoder.adapted:
        decoder.adapted.pop().unload()
