"""A GGUF's header as the configuration that transformers has for its kind of model.

Written here, because transformers passes over what changes the result: Qwen3's size of a head,
the scale of Gemma's queries, stretched positions; and it has no reading of Granite and SmolLM3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    Gemma2Config,
    Gemma3TextConfig,
    GraniteConfig,
    LlamaConfig,
    Phi3Config,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from floe.adapters.architecture import Architecture
from floe.llama.gguf_file import ModelHeader

_NO_ROPE_STEP: Final = 4
"""SmolLM3 rotates nothing in each layer of this number."""
_LOCAL_THETA: Final = 10000.0
_GEMMA2_27B, _GEMMA3_27B = 46, 62
"""Layers by which llama.cpp knows the largest ones, whose queries are scaled in a way of their own
(`llama-model.cpp`)."""


@dataclass(frozen=True, slots=True)
class HeaderValues:
    """The values of a header under the kind's own prefix."""

    reader: ModelHeader
    kind: str

    def number(self, key: str, default: float) -> float:
        """Return a number, or `default` where the header has none."""
        field = self.reader.get_field(f"{self.kind}.{key}")
        found = default if field is None else field.contents()
        return float(found) if isinstance(found, int | float) else default

    def text(self, key: str, default: str) -> str:
        """Return a text, or `default` where the header has none."""
        field = self.reader.get_field(f"{self.kind}.{key}")
        return default if field is None else str(field.contents())


def config_of(architecture: Architecture, values: HeaderValues, *, tied: bool) -> PreTrainedConfig:
    """Build the configuration; `tied`: the head is the table of the words."""
    a = architecture
    common: dict[str, Any] = {
        "vocab_size": a.vocabulary,
        "hidden_size": a.hidden,
        "intermediate_size": a.intermediate,
        "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads,
        "num_key_value_heads": a.kv_heads,
        "head_dim": a.head_size,
        "max_position_embeddings": a.context,
        "rms_norm_eps": a.norm_epsilon,
        "tie_word_embeddings": tied,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": a.rope_theta},
    }
    made = _BUILDERS[a.kind](a, values)
    kind = made.pop("config")
    config: PreTrainedConfig = kind(**{**common, **made})
    return config


def _gemma(a: Architecture, values: HeaderValues, largest: int) -> dict[str, Any]:
    size = a.hidden / a.heads if a.layers == largest else a.head_size
    return {"query_pre_attn_scalar": size, "sliding_window": int(values.number(_WINDOW, 4096))}


def _gemma2(a: Architecture, values: HeaderValues) -> dict[str, Any]:
    return {
        "config": Gemma2Config,
        "attn_logit_softcapping": values.number("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": values.number("final_logit_softcapping", 30.0),
        "layer_types": _layer_types(a.layers, 2),
        **_gemma(a, values, _GEMMA2_27B),
    }


def _gemma3(a: Architecture, values: HeaderValues) -> dict[str, Any]:
    local = values.number("rope.freq_base_swa", _LOCAL_THETA)
    return {
        "config": Gemma3TextConfig,
        "final_logit_softcapping": values.number("final_logit_softcapping", 0.0) or None,
        "layer_types": _layer_types(a.layers, 6),
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": a.rope_theta},
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        },
        **_gemma(a, values, _GEMMA3_27B),
    }


def _phi3(a: Architecture, values: HeaderValues) -> dict[str, Any]:
    rotated = values.number("rope.dimension_count", a.head_size) / a.head_size
    return {
        "config": Phi3Config,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": a.rope_theta,
            "partial_rotary_factor": rotated,
        },
    }


def _granite(a: Architecture, values: HeaderValues) -> dict[str, Any]:
    return {
        "config": GraniteConfig,
        "attention_multiplier": values.number("attention.scale", 0.0) or a.head_size**-0.5,
        "embedding_multiplier": values.number("embedding_scale", 0.0) or 1.0,
        "residual_multiplier": values.number("residual_scale", 0.0) or 1.0,
        "logits_scaling": values.number("logit_scale", 0.0) or 1.0,
    }


def _smollm3(a: Architecture, _: HeaderValues) -> dict[str, Any]:
    rotated = [int((i + 1) % _NO_ROPE_STEP != 0) for i in range(a.layers)]
    return {"config": SmolLM3Config, "no_rope_layers": rotated}


def _layer_types(layers: int, step: int) -> list[str]:
    """Each layer of number `step` looks at everything, the others at a window."""
    return ["full_attention" if (i + 1) % step == 0 else "sliding_attention" for i in range(layers)]


_WINDOW: Final = "attention.sliding_window"
_BUILDERS: Final[dict[str, Callable[[Architecture, HeaderValues], dict[str, Any]]]] = {
    "llama": lambda _a, _v: {"config": LlamaConfig},
    "qwen2": lambda _a, _v: {"config": Qwen2Config},
    "qwen3": lambda _a, _v: {"config": Qwen3Config},
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "phi3": _phi3,
    "granite": _granite,
    "smollm3": _smollm3,
}


def stretch_positions(
    rotary: Any, values: HeaderValues, factors: NDArray[np.float32] | None
) -> None:
    """Stretch the positions of a model of transformers as llama.cpp does.

    Args:
        rotary: the model's module of rotary embeddings, which is changed.
        values: of the header.
        factors: divisors of the frequencies, where the file has some.
    """
    scaling = values.text("rope.scaling.type", "linear")
    factor = values.number("rope.scaling.factor", 0.0) or values.number("rope.scale_linear", 0.0)
    # Gemma 3 stretches the layers that look at everything alone.
    names = [name for name, _ in rotary.named_buffers(recurse=False)]
    for name in names:
        if "original" in name or name.startswith("sliding"):
            continue
        frequencies: Tensor = getattr(rotary, name)
        if scaling == "linear" and factor:
            frequencies /= factor
        if factors is not None:
            frequencies /= torch.from_numpy(factors)
    if scaling == "longrope":
        rotary.attention_scaling = values.number("rope.scaling.attn_factor", 1.0)
