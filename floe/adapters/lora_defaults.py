"""The shape of the default adapter: which projections, of which layers, at which rank.

Plain numbers, so that the planner, the benches and the page can read them without torch.
"""

from dataclasses import dataclass
from typing import Final

MODULES: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""All projections of a layer, as peft names them, in the order of their use."""

FUSED_MODULES: Final = {
    "qkv_proj": frozenset(MODULES[:3]),
    "o_proj": frozenset(MODULES[3:4]),
    "gate_up_proj": frozenset(MODULES[4:6]),
    "down_proj": frozenset(MODULES[6:]),
}
"""The projections of models that keep some of them as one matrix, with what each holds."""

PROJECTION_GROUPS: Final = {
    "qkv": MODULES[:3],
    "output": MODULES[3:4],
    "gate_up": MODULES[4:6],
    "down": MODULES[6:],
}
"""Projections that share an input: their factors are multiplied together."""

GGUF_NAMES: Final = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
    "qkv_proj": "attn_qkv",
    "gate_up_proj": "ffn_up",
}
"""The same projections as a GGUF file names them, `blk.N.<name>.weight`."""

PEFT_CONFIG: Final = "adapter_config.json"
PEFT_TENSORS: Final = "adapter_model.safetensors"
"""The two files of an adapter as peft saves it."""

KEPT_TOKENS: Final = 256
"""Tokens in one pass up to which all activations are kept; of more, some are made again."""


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """`layer_share`: the part of all layers, counted from the top, that gets adapters."""

    rank: int
    alpha: float
    modules: tuple[str, ...]
    layer_share: float

    def layers(self, total: int) -> int:
        """Return how many of `total` layers get adapters, at least one."""
        return max(1, round(self.layer_share * total))


DEFAULT_SHAPE: Final = AdapterShape(
    rank=8, alpha=16.0, modules=("v_proj", "o_proj", "down_proj"), layer_share=1.0
)
"""In all layers the values and what writes into the stream of hidden states. Held out of four
writers' chats this lowers the loss by a tenth more than all seven projections of the upper half."""
