"""The kinds of decoder that can be personalised, told by the tensors that their files hold.

Each kind has the tensors named here and no others: what training does not know of would be left
out of the computation, and the adapter would be learnt on another model than the one that answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_QKV: Final = frozenset({"attn_q.weight", "attn_k.weight", "attn_v.weight"})
_LAYER: Final = _QKV | {
    "attn_norm.weight",
    "attn_output.weight",
    "ffn_norm.weight",
    "ffn_gate.weight",
    "ffn_up.weight",
    "ffn_down.weight",
}
_HEAD_NORMS: Final = frozenset({"attn_q_norm.weight", "attn_k_norm.weight"})
_AFTER_NORMS: Final = frozenset({"post_attention_norm.weight", "post_ffw_norm.weight"})
_WHOLE: Final = frozenset({"token_embd.weight", "output_norm.weight"})
_LONG_ROPE: Final = frozenset({"rope_factors_long.weight", "rope_factors_short.weight"})


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of decoder.

    `layer`: tensors of every layer, after `blk.N.`; `optional`: tensors beside the layers that
    may be there. `permuted`: the rows of q and k stand in llama.cpp's order of pairs. `fused`: q,
    k and v are one matrix, gate and up another. `hand_written`: the cpu back end computes it.
    """

    layer: frozenset[str]
    optional: frozenset[str] = frozenset({"output.weight", "rope_freqs.weight"})
    permuted: bool = False
    fused: bool = False
    hand_written: bool = False


FAMILIES: Final[dict[str, Family]] = {
    # Mistral's files are of this kind, too.
    "llama": Family(_LAYER, permuted=True, hand_written=True),
    "qwen2": Family(_LAYER | {name.replace("weight", "bias") for name in _QKV}, hand_written=True),
    "qwen3": Family(_LAYER | _HEAD_NORMS),
    "gemma2": Family(_LAYER | _AFTER_NORMS),
    "gemma3": Family(_LAYER | _AFTER_NORMS | _HEAD_NORMS),
    "phi3": Family(
        _LAYER - _QKV - {"ffn_gate.weight"} | {"attn_qkv.weight"},
        optional=_LONG_ROPE | {"output.weight"},
        fused=True,
    ),
    "granite": Family(_LAYER, permuted=True),
    "smollm3": Family(_LAYER, permuted=True),
}
"""By the GGUF's own name of the kind (`general.architecture`)."""


def describe_kinds() -> str:
    """Name all kinds, for a sentence."""
    *first, last = FAMILIES
    return f"{', '.join(first)} and {last}"


def find_misfit(family: Family, layers: int, names: Iterable[str]) -> str:
    """Say in what the tensors of a file differ from those of its kind.

    Returns:
        The end of a sentence that begins with the file's name; empty where nothing differs.
    """
    found = frozenset(names)
    needed = _WHOLE | {f"blk.{i}.{part}" for i in range(layers) for part in family.layer}
    missing = sorted(needed - found)
    unknown = sorted(found - needed - family.optional)
    if any("_exps" in name or "_inp" in name or "_shexp" in name for name in unknown):
        return (
            "is a mixture of experts, and training knows models with one network in each layer "
            "alone. Choose another model to personalise."
        )
    if missing:
        return f"has no {missing[0]}. Fetch it again, or choose another model."
    if unknown and unknown[0].endswith(".bias"):
        return (
            f"adds a bias in its layers ({unknown[0]}), which training does not know in models of "
            "this kind. Choose another model to personalise."
        )
    if unknown:
        return (
            f"has parts that training does not know ({unknown[0]}). Choose another model to "
            "personalise."
        )
    return ""
