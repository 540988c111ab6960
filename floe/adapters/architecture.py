"""The sizes of a base model, from the header of its GGUF file; torch is not needed for that."""

from dataclasses import dataclass
from pathlib import Path

from floe.adapters.families import FAMILIES, describe_kinds, find_misfit
from floe.adapters.lora_defaults import FUSED_MODULES, MODULES
from floe.errors import ModelError
from floe.llama.gguf_checks import check_model
from floe.llama.gguf_file import ModelHeader


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a decoder with grouped-query attention, RMS norms and a gated MLP.

    `kind` is the GGUF's own name. `file_bytes`: of its weights as they are in the file. `own_head`:
    the head is a matrix of its own, and not the table of the words.
    `slow_reason`: why the hand-written passes of the cpu back end cannot compute it, as the end of
    a sentence; empty where they can.
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
    file_bytes: int = 0
    slow_reason: str = ""
    own_head: bool = False

    @property
    def modules(self) -> tuple[str, ...]:
        """All projections of a layer, in the order of their use."""
        return tuple(FUSED_MODULES) if FAMILIES[self.kind].fused else MODULES

    def present_modules(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Return the projections that hold those of `wanted`, where some of them are one matrix."""
        if not FAMILIES[self.kind].fused:
            return wanted
        return tuple(
            name for name, parts in FUSED_MODULES.items() if name in wanted or parts & {*wanted}
        )

    def module_shape(self, module: str) -> tuple[int, int]:
        """Return (outputs, inputs) of a projection."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (queries, self.hidden),
            "k_proj": (keys, self.hidden),
            "v_proj": (keys, self.hidden),
            "qkv_proj": (queries + 2 * keys, self.hidden),
            "o_proj": (self.hidden, queries),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "gate_up_proj": (2 * self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }[module]

    def permuted_heads(self, module: str) -> int:
        """Return how many heads have their rows permuted in a GGUF of this kind; 0: none."""
        if not FAMILIES[self.kind].permuted:
            return 0
        return {"q_proj": self.heads, "k_proj": self.kv_heads}.get(module, 0)


def read_architecture(path: Path) -> Architecture:
    """Sizes from the header of a GGUF file.

    Raises:
        ModelError: it is no GGUF, or of a kind that cannot be trained here.
    """
    check_model(path)
    return architecture_of(ModelHeader(path), path)


def require_hand_written(architecture: Architecture) -> None:
    """See that the hand-written passes compute it.

    Raises:
        ModelError: they do not.
    """
    if architecture.slow_reason:
        raise ModelError(
            f"This model cannot be used for that: {architecture.slow_reason}. Choose a model "
            "of the kind llama or qwen2."
        )


def architecture_of(reader: ModelHeader, path: Path) -> Architecture:
    """`read_architecture` of a file that is already open."""

    def value(key: str, default: object = None) -> object:
        field = reader.get_field(key)
        return default if field is None else field.contents()

    kind = str(value("general.architecture"))
    if kind not in FAMILIES:
        raise ModelError(
            f"{path.name} is a model of the kind “{kind}”; models of the kinds "
            f"{describe_kinds()} can be personalised. Choose one of those."
        )

    def number(key: str, default: float | None = None) -> float:
        found = value(f"{kind}.{key}", default)
        if not isinstance(found, int | float):
            raise ModelError(f"{path.name} does not say its {key}. Fetch it again.")
        return found

    layers = int(number("block_count"))
    misfit = find_misfit(FAMILIES[kind], layers, (tensor.name for tensor in reader.tensors))
    if misfit:
        raise ModelError(f"{path.name} {misfit}")
    hidden, heads = int(number("embedding_length")), int(number("attention.head_count"))
    head_size = int(number("attention.key_length", hidden // heads))
    scaling = value(f"{kind}.rope.scaling.type", "none")
    known = ("none", "linear", "longrope") if kind == "phi3" else ("none", "linear")
    odd = (
        scaling not in known
        or number("attention.value_length", head_size) != head_size
        or (kind == "granite" and value("granite.rope.scaling.finetuned", True) is False)
        or (kind != "phi3" and number("rope.dimension_count", head_size) != head_size)
    )
    if odd:
        raise ModelError(
            f"{path.name} lays out its weights or positions in a way that training does not know. "
            "Choose another model to personalise."
        )
    embedding = next(t for t in reader.tensors if t.name == "token_embd.weight")
    return Architecture(
        kind=kind,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=int(number("attention.head_count_kv", heads)),
        head_size=head_size,
        intermediate=int(number("feed_forward_length")),
        vocabulary=int(embedding.shape[1]),
        context=int(number("context_length")),
        rope_theta=number("rope.freq_base", 10000.0),
        norm_epsilon=number("attention.layer_norm_rms_epsilon"),
        file_bytes=sum(int(tensor.n_bytes) for tensor in reader.tensors),
        slow_reason=_slow_reason(kind, stretched=scaling != "none"),
        own_head=any(tensor.name == "output.weight" for tensor in reader.tensors),
    )


def _slow_reason(kind: str, *, stretched: bool) -> str:
    if not FAMILIES[kind].hand_written:
        return f"the quicker way of training does not know models of the kind “{kind}”"
    if stretched:
        return "the quicker way of training does not know stretched positions"
    return ""
