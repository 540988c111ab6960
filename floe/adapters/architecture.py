"""The sizes of a base model, from the header of its GGUF file; torch is not needed for that."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.errors import ModelError
from floe.llama.gguf_checks import check_model
from floe.llama.gguf_file import ModelHeader

ARCHITECTURES: Final = ("llama", "qwen2")
"""Kinds of GGUF that can be trained."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a decoder with grouped-query attention, RMS norms and a gated MLP.

    `kind` is the GGUF's own name; the q and k rows of `llama` files are permuted.
    """

    kind: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    context: int
    rope_theta: float
    norm_epsilon: float

    def module_shape(self, module: str) -> tuple[int, int]:
        """Return (outputs, inputs) of a projection."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (queries, self.hidden),
            "k_proj": (keys, self.hidden),
            "v_proj": (keys, self.hidden),
            "o_proj": (self.hidden, queries),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }[module]

    def permuted_heads(self, module: str) -> int:
        """Return how many heads have their rows permuted in a GGUF of this kind; 0: none."""
        if self.kind != "llama":
            return 0
        return {"q_proj": self.heads, "k_proj": self.kv_heads}.get(module, 0)


def read_architecture(path: Path) -> Architecture:
    """Sizes from the header of a GGUF file.

    Raises:
        ModelError: it is no GGUF, or of a kind that cannot be trained here.
    """
    check_model(path)
    return architecture_of(ModelHeader(path), path)


def architecture_of(reader: ModelHeader, path: Path) -> Architecture:
    """`read_architecture` of a file that is already open."""

    def value(key: str, default: object = None) -> object:
        field = reader.get_field(key)
        return default if field is None else field.contents()

    kind = str(value("general.architecture"))
    if kind not in ARCHITECTURES:
        raise ModelError(
            f"{path.name} is a model of the kind “{kind}”; models of the kinds "
            f"{' and '.join(ARCHITECTURES)} can be personalised. Choose one of those."
        )

    def number(key: str, default: float | None = None) -> float:
        found = value(f"{kind}.{key}", default)
        if not isinstance(found, int | float):
            raise ModelError(f"{path.name} does not say its {key}. Fetch it again.")
        return found

    hidden, heads = int(number("embedding_length")), int(number("attention.head_count"))
    head_size = int(number("attention.key_length", hidden // heads))
    embedding = next((t for t in reader.tensors if t.name == "token_embd.weight"), None)
    stretched = value(f"{kind}.rope.scaling.type", "none") != "none"
    if embedding is None or stretched or number("rope.dimension_count", head_size) != head_size:
        raise ModelError(
            f"{path.name} lays out its weights or positions in a way that training does not know. "
            "Choose another model to personalise."
        )
    return Architecture(
        kind=kind,
        layers=int(number("block_count")),
        hidden=hidden,
        heads=heads,
        kv_heads=int(number("attention.head_count_kv", heads)),
        head_size=head_size,
        intermediate=int(number("feed_forward_length")),
        vocabulary=int(embedding.shape[1]),
        context=int(number("context_length")),
        rope_theta=number("rope.freq_base", 10000.0),
        norm_epsilon=number("attention.layer_norm_rms_epsilon"),
    )
