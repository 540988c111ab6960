"""Checks of a model's or an adapter's header, so that llama.cpp does not end the process.

llama.cpp throws for some faults of a header, which its callers turn into an error, and asserts for
others, which ends Floe with all that is in it. What asserts is found here first: the sizes in
`llama-model.cpp` (`load_hparams`), the vocabulary in `llama-vocab.cpp`, the number formats that
`ggml-cpu` has no code for, the head sizes of the graphs, and the fields of an adapter in
`llama-adapter.cpp`. Read from the sources of llama-cpp-python 0.3.36.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np
from gguf import GGMLQuantizationType

from floe.errors import ModelError
from floe.llama.chat_template import MAX_SOURCE
from floe.llama.gguf_header import (
    TOKENS,
    FieldType,
    GgufHeader,
    HeaderError,
    NumberField,
    NumberList,
    TensorInfo,
    TextList,
    read_gguf_header,
)

_MAX_LAYERS: Final = 512
_MAX_EXPERTS: Final = 1024
_MAX_HEADS: Final = 65_536
_MAX_WIDTH: Final = 1 << 20
_MAX_CONTEXT: Final = (1 << 31) - 1
_MAX_SPLITS: Final = 1000
_LEAST_WORDS: Final = 16
"""Some tokenizers take word 11 for the beginning of a text where the file names none."""
MAX_ALPHA: Final = 1e6
"""Of an adapter; a larger one is damage or an attack."""
_NO_CHAT: Final = frozenset(
    {
        "clip",
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "t5",
        "t5encoder",
        "gemma-embedding",
        "llama-embed",
        "wavtokenizer-dec",
        "eagle3",
        "dflash",
        "gemma4-assistant",
        "pockettts",
        "qwen3tts",
    }
)
"""Kinds that llama.cpp loads for other ends than to go on with a text."""
_WHOLE_HEADS: Final = frozenset(
    {
        "apertus",
        "arcee",
        "arctic",
        "baichuan",
        "chameleon",
        "codeshell",
        "cogvlm",
        "dbrx",
        "deci",
        "deepseek",
        "dots1",
        "dream",
        "ernie4_5",
        "ernie4_5-moe",
        "exaone",
        "exaone4",
        "falcon",
        "granite",
        "granitemoe",
        "grok",
        "grovemoe",
        "hunyuan-moe",
        "internlm2",
        "jais2",
        "llada",
        "llada-moe",
        "llama",
        "llama4",
        "maincoder",
        "mistral3",
        "olmo",
        "olmo2",
        "olmoe",
        "orion",
        "pangu-embedded",
        "plamo",
        "qwen2",
        "qwen2moe",
        "qwen3",
        "qwen3moe",
        "seed_oss",
        "smallthinker",
        "smollm3",
        "starcoder2",
        "xverse",
    }
)
"""Kinds whose graph asserts that all of a head is rotated, and that keys and values are alike."""
_TOKENIZERS: Final = frozenset({"llama", "gpt2", "gemma4", "plamo2", "rwkv"})
"""The others assert on some texts, or have no words at all."""
_ROPE_SCALINGS: Final = frozenset({"none", "linear", "yarn", "longrope"})
_INTERMEDIATE: Final = frozenset(
    {
        GGMLQuantizationType.Q8_1,
        GGMLQuantizationType.Q8_K,
        GGMLQuantizationType.I8,
        GGMLQuantizationType.I16,
        GGMLQuantizationType.I32,
        GGMLQuantizationType.I64,
        GGMLQuantizationType.F64,
    }
)
"""Number formats that ggml uses within a computation, or for indices, never for weights."""
_F32: Final = int(GGMLQuantizationType.F32)
_DAMAGED: Final = "it is damaged or not a language model"


def check_gguf(path: Path) -> GgufHeader:
    """See that `path` is a GGUF file whose header can be true, whatever it is for.

    Raises:
        ModelError: there is no such file, it cannot be read, or it is something else.
    """
    return read_gguf_header(path)


def check_model(path: Path) -> GgufHeader:
    """See that llama.cpp can be given `path` as a model; no weight is read.

    Raises:
        ModelError: it cannot, with the reason.
    """
    header = read_gguf_header(path)
    try:
        check_model_header(header)
    except HeaderError as error:
        raise ModelError(f"{path.name} {error}. Fetch it again, or choose another.") from error
    for part in _other_parts(path, header):
        read_gguf_header(part)
    return header


def check_adapter(path: Path, base: Path, name: str = "") -> None:
    """See that llama.cpp can be given `path` as an adapter for the model `base`.

    `name` is what to call it in a sentence; empty: by its own name.

    Raises:
        ModelError: it cannot, with the reason.
    """
    header = read_gguf_header(path)
    try:
        check_adapter_header(header, read_gguf_header(base))
    except HeaderError as error:
        raise ModelError(
            f"The adapter {name or path.name} does not fit {base.name}: it {error}. Train it "
            "again, or choose another."
        ) from error


def check_model_header(header: GgufHeader) -> None:
    """Compare what a model's header says with what llama.cpp asserts.

    Raises:
        HeaderError: they do not agree.
    """
    kind = header.text("general.architecture")
    if not kind:
        raise HeaderError(f"does not say what kind of model it is: {_DAMAGED}")
    if kind in _NO_CHAT or header.text("general.type") in ("adapter", "mmproj"):
        raise HeaderError(f"is of the kind “{kind[:40]}”, which is not for chatting")
    sizes = _Sizes(header, kind)
    sizes.check()
    _check_words(header)
    _check_floats(header, kind)
    _check_tensors(header, sizes)


def check_adapter_header(header: GgufHeader, base: GgufHeader) -> None:
    """Compare an adapter's header with that of the model it is for.

    Raises:
        HeaderError: it is no LoRA adapter, or one of another model.
    """
    kind = header.text("general.architecture")
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        if header.text(key) != expected:
            raise HeaderError("is not a LoRA adapter")
    if kind != base.text("general.architecture"):
        raise HeaderError(f"was made for a model of the kind “{(kind or '')[:40]}”")
    alpha = header.fields.get("adapter.lora.alpha")
    if not (
        isinstance(alpha, NumberField)
        and alpha.kind is FieldType.FLOAT32
        and abs(alpha.value) <= MAX_ALPHA  # false for "not a number", too
    ):
        raise HeaderError("does not say how strongly it acts")
    if not header.tensors:
        raise HeaderError("is empty")
    for name in header.tensors:
        _check_pair(name, header, base)


def _check_pair(name: str, header: GgufHeader, base: GgufHeader) -> None:
    place, _, half = name.rpartition(".")
    if half not in ("lora_a", "lora_b"):
        raise HeaderError(f"holds {name}, which is no part of a LoRA adapter")
    first, second = header.tensors.get(f"{place}.lora_a"), header.tensors.get(f"{place}.lora_b")
    weight = base.tensors.get(place)
    if first is None or second is None or weight is None:
        raise HeaderError(f"holds {name}, which the model has no counterpart for")
    shapes = [each.shape for each in (first, second, weight)]
    if any(len(shape) != 2 for shape in shapes):
        raise HeaderError(f"holds {name}, whose shape cannot be")
    inputs, rank = first.shape
    if place == "token_embd.weight":
        # llama.cpp multiplies here the other way round.
        fits = (second.shape[1], first.shape[1]) == weight.shape and inputs == second.shape[0]
    else:
        fits = (inputs, second.shape[1]) == weight.shape and rank == second.shape[0]
    if not fits:
        raise HeaderError("was made for a model of another size")
    for tensor in (first, second):
        _check_format(tensor)


class _Sizes:
    """The numbers of layers, heads and experts, as llama.cpp reads them."""

    def __init__(self, header: GgufHeader, kind: str) -> None:
        self._header = header
        self.kind = kind
        self.layers = self._number("block_count", "layers", 1, _MAX_LAYERS)
        self.width = self._number("embedding_length", "numbers for a token", 1, _MAX_WIDTH)
        self.heads = self._per_layer("attention.head_count", "attention heads", 0)
        self.kv_heads = self._per_layer("attention.head_count_kv", "key-value heads", self.heads)
        first = self.heads[0]
        self.head_size = self.width // first if first else 0
        self.key_size = self._number(
            "attention.key_length", "numbers for a key", 1, _MAX_WIDTH, self.head_size
        )
        self.value_size = self._number(
            "attention.value_length", "numbers for a value", 1, _MAX_WIDTH, self.head_size
        )

    def check(self) -> None:
        """Check what llama.cpp asserts of the sizes.

        Raises:
            HeaderError: they cannot be true together.
        """
        self._number("context_length", "tokens of context", 1, _MAX_CONTEXT)
        self._number("feed_forward_length", "", 0, _MAX_WIDTH, 0, lists=True)
        self._number("nextn_predict_layers", "extra layers", 0, self.layers, 0)
        self._number("pooling_type", "for its kind of pooling", 0, 4, 0)
        self._check_heads()
        self._check_rotation()
        self._check_experts()

    def _check_heads(self) -> None:
        for heads, kv_heads in zip(self.heads, self.kv_heads, strict=True):
            if kv_heads and heads % kv_heads:
                raise self._fault(
                    f"shares {kv_heads:,} key-value heads among {heads:,} attention heads"
                )
        if self.heads[0] and (self.key_size < 1 or self.value_size < 1):
            raise self._fault(f"says it has {self.heads[0]:,} attention heads")

    def _check_rotation(self) -> None:
        scaling = self._header.fields.get(f"{self.kind}.rope.scaling.type")
        if scaling is not None and scaling not in _ROPE_SCALINGS:
            raise self._fault("stretches its positions in an unknown way")
        if not self.heads[0]:
            return
        rotated = self._number(
            "rope.dimension_count", "rotated numbers of a head", 0, _MAX_WIDTH, self.key_size
        )
        whole = self.kind in _WHOLE_HEADS
        if rotated > self.key_size or rotated % 2 or (whole and rotated != self.key_size):
            raise self._fault(f"rotates {rotated:,} of the {self.key_size:,} numbers of a head")
        if whole and self.key_size != self.value_size:
            raise self._fault("has keys and values of different sizes")

    def _check_experts(self) -> None:
        experts = self._number("expert_count", "experts", 0, _MAX_EXPERTS, 0)
        used = max(self._per_layer("expert_used_count", "experts for a token", 0))
        groups = self._number("expert_group_count", "groups of experts", 0, _MAX_EXPERTS, 0)
        chosen = self._number("expert_group_used_count", "groups", 0, _MAX_EXPERTS, 0)
        if self.kind in ("hunyuan_vl", "hunyuan-dense") and experts <= 1:
            return
        fits = used <= experts and (used > 0) == (experts > 0)
        fits = fits and (groups < experts if experts else groups == 0)
        if groups > 1:
            fits = fits and experts % groups == 0 and 0 < chosen < groups
        if not fits:
            raise self._fault(f"uses {used:,} of {experts:,} experts in {groups:,} groups")

    def _number(
        self,
        key: str,
        what: str,
        least: int,
        most: int,
        default: int | None = None,
        *,
        lists: bool = False,
    ) -> int:
        """Read a whole number within its range.

        A default takes the place of an absent one only: llama.cpp has none for what is required.
        """
        found = self._header.fields.get(f"{self.kind}.{key}")
        if found is None and default is not None:
            return default
        if lists and isinstance(found, NumberList):
            if found.values.dtype.kind == "f":
                raise self._fault(f"does not say {key} in whole numbers")
            return int(found.values.max(initial=0))
        if not isinstance(found, NumberField) or not isinstance(found.value, int):
            raise self._fault(f"does not say how many {what or key} it has")
        if not least <= found.value <= most:
            raise self._fault(f"says it has {found.value:,} {what or key}")
        return found.value

    def _per_layer(self, key: str, what: str, default: int | list[int]) -> list[int]:
        """One number for all layers, or a list with one for each."""
        found = self._header.fields.get(f"{self.kind}.{key}")
        if found is None:
            return default if isinstance(default, list) else [default] * self.layers
        if isinstance(found, NumberList):
            if len(found.values) != self.layers or found.values.dtype.kind == "f":
                raise self._fault(f"has no number of {what} for each of its layers")
            values = [int(value) for value in found.values]
        else:
            values = [self._number(key, what, 0, _MAX_HEADS)] * self.layers
        if min(values) < 0 or max(values) > _MAX_HEADS:
            raise self._fault(f"says it has {max(values, key=abs):,} {what}")
        return values

    @staticmethod
    def _fault(text: str) -> HeaderError:
        return HeaderError(f"{text}: {_DAMAGED}")


def _check_words(header: GgufHeader) -> None:
    """Check the vocabulary; a text that it cannot spell ends the process long after loading."""
    tokenizer = header.text("tokenizer.ggml.model")
    if tokenizer not in _TOKENIZERS:
        raise HeaderError(f"has a vocabulary of the unknown kind “{(tokenizer or '')[:40]}”")
    words = header.fields.get(TOKENS)
    if not isinstance(words, TextList) or words.count < _LEAST_WORDS:
        raise HeaderError(f"has no vocabulary: {_DAMAGED}")
    if not words.distinct:
        raise HeaderError(f"has the same word twice in its vocabulary: {_DAMAGED}")
    if tokenizer == "llama" and not words.spells_bytes:
        raise HeaderError("has a vocabulary that cannot spell every text")
    merges = header.fields.get("tokenizer.ggml.merges")
    merged = tokenizer in ("gpt2", "gemma4") and header.text("tokenizer.ggml.pre") != "kimi-k2"
    if merged and not isinstance(merges, TextList):
        raise HeaderError(f"does not say how its words are put together: {_DAMAGED}")
    _check_word_lists(header, words.count)
    if tokenizer == "gemma4":
        ends = [header.number(f"tokenizer.ggml.{key}_token_id") for key in ("bos", "eos")]
        if any(end is None or not 0 <= end < words.count for end in ends):
            raise HeaderError(f"does not say how a text begins and ends: {_DAMAGED}")
    template = header.fields.get("tokenizer.chat_template", "")
    if not isinstance(template, str) or len(template) > MAX_SOURCE:
        raise HeaderError("has a chat template that is far too long")


def _check_word_lists(header: GgufHeader, count: int) -> None:
    for key in ("token_type", "scores"):
        found = header.fields.get(f"tokenizer.ggml.{key}")
        if found is None:
            continue
        if not isinstance(found, NumberList) or len(found.values) < count:
            raise HeaderError(f"has a vocabulary with words of no known kind: {_DAMAGED}")
        if found.kind is FieldType.FLOAT32 and np.isnan(found.values).any():
            raise HeaderError(f"has a vocabulary with words of no known weight: {_DAMAGED}")


def _check_floats(header: GgufHeader, kind: str) -> None:
    """Check, as llama.cpp asserts, that what is added to a variance is not negative nor NaN."""
    for key, found in header.fields.items():
        if not isinstance(found, NumberField) or not key.startswith(f"{kind}."):
            continue
        value = found.value
        if isinstance(value, float) and not math.isfinite(value):
            raise HeaderError(f"says that {key[:80]} is {value}: {_DAMAGED}")
        if key.endswith(("epsilon", "_eps")) and not 0 <= value <= 1:
            raise HeaderError(f"says that {key[:80]} is {value}: {_DAMAGED}")
        if key.endswith(("rope.freq_base", "rope.freq_base_swa")) and value <= 0:
            raise HeaderError(f"says that {key[:80]} is {value}: {_DAMAGED}")


def _check_tensors(header: GgufHeader, sizes: _Sizes) -> None:
    split = (header.number("split.count") or 0) > 1
    words = header.fields[TOKENS]
    assert isinstance(words, TextList)
    table = header.tensors.get("token_embd.weight")
    if table is None:
        if not split:
            raise HeaderError(f"has no table of its words: {_DAMAGED}")
    elif table.shape != (sizes.width, words.count):
        raise HeaderError(
            f"has a vocabulary of {words.count:,} words and a table of the shape "
            f"{' x '.join(str(each) for each in table.shape)}: {_DAMAGED}"
        )
    for tensor in header.tensors.values():
        _check_format(tensor)
    if header.fields.get(f"{sizes.kind}.attention.key_length_mla") is None:
        for i, (heads, kv_heads) in enumerate(zip(sizes.heads, sizes.kv_heads, strict=True)):
            _check_rows(header, f"blk.{i}.attn_q.weight", heads * sizes.key_size, sizes)
            _check_rows(header, f"blk.{i}.attn_k.weight", kv_heads * sizes.key_size, sizes)
            _check_rows(header, f"blk.{i}.attn_v.weight", kv_heads * sizes.value_size, sizes)


def _check_rows(header: GgufHeader, name: str, rows: int, sizes: _Sizes) -> None:
    """Rows of a projection are heads: a graph that cannot part them asserts."""
    tensor = header.tensors.get(name)
    if sizes.kind in _WHOLE_HEADS and tensor is not None and tensor.shape[1:] != (rows,):
        raise HeaderError(f"has {name} for another number of heads than it says: {_DAMAGED}")


def _check_format(tensor: TensorInfo) -> None:
    """Check that ggml has code for the number formats, each in its place."""
    alone = len(tensor.shape) == 1 or tensor.name.endswith(("norm.weight", ".bias"))
    if tensor.kind in _INTERMEDIATE or (alone and tensor.kind != _F32):
        raise HeaderError(f"holds {tensor.name} in numbers of a kind that cannot be computed with")


def _other_parts(path: Path, header: GgufHeader) -> list[Path]:
    """Return the other files of a model that was split; llama.cpp opens them by their names."""
    count = header.number("split.count") or 0
    if count <= 1:
        return []
    end = f"-00001-of-{int(count):05d}.gguf"
    if count > _MAX_SPLITS or not path.name.endswith(end):
        raise ModelError(
            f"{path.name} is one of {int(count):,} parts of a model. Give the path of the first "
            "part, and keep the names that the parts came with."
        )
    stem = path.name.removesuffix(end)
    return [
        path.with_name(f"{stem}-{i:05d}-of-{int(count):05d}.gguf") for i in range(2, int(count) + 1)
    ]
