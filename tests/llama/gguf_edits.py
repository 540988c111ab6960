"""GGUF files that are almost right: a small model with one thing changed."""

import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.training.tiny import write_tiny

F = gguf.GGUFValueType


class Edited:
    """A model that can be taken apart and written anew; values are (type, value) or lists."""

    def __init__(self, source: Path) -> None:
        reader = gguf.GGUFReader(str(source))
        self.fields: dict[str, tuple[Any, ...]] = {}
        for field in reader.fields.values():
            if field.name.startswith("GGUF."):
                continue
            self.fields[field.name] = (*field.types, field.contents())
        self.tensors: list[list[Any]] = [
            [t.name, [int(n) for n in t.shape], int(t.tensor_type), t.data.tobytes()]
            for t in reader.tensors
        ]

    def set(self, key: str, *value: Any) -> "Edited":
        """Change a field; without a value it goes."""
        self.fields.pop(key, None)
        if value:
            self.fields[key] = value
        return self

    def tensor(self, name: str) -> list[Any]:
        """[name, shape, type, bytes] of a tensor, to be changed."""
        return next(each for each in self.tensors if each[0] == name)

    def write(self, path: Path) -> Path:
        """The file, in GGUF's version 3."""
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(self.tensors), len(self.fields))
        for key, value in self.fields.items():
            head += _text(key) + struct.pack("<I", value[0])
            if value[0] == F.ARRAY:
                items = value[-1]
                head += struct.pack("<IQ", value[1], len(items))
                head += b"".join(_value(value[1], item) for item in items)
            else:
                head += _value(value[0], value[-1])
        offset = 0
        for name, shape, kind, data in self.tensors:
            head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
            head += struct.pack("<IQ", kind, offset)
            offset += -(-len(data) // 32) * 32
        head += bytes(-len(head) % 32)
        body = b"".join(data + bytes(-len(data) % 32) for *_, data in self.tensors)
        path.write_bytes(head + body)
        return path


def _text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def _value(kind: Any, value: Any) -> bytes:
    if kind == F.STRING:
        return _text(value)
    codes = dict(zip(range(13), "BbHhIif?__Qqd", strict=True))
    return struct.pack(f"<{codes[int(kind)]}", value)


def _retype(name: str, kind: int, dtype: str) -> Callable[[Edited], object]:
    def change(model: Edited) -> None:
        tensor = model.tensor(name)
        tensor[2], count = kind, int(np.prod(tensor[1]))
        tensor[3] = np.ones(count, dtype).tobytes()

    return change


def hostile_models(kind: str) -> Iterator[tuple[str, Callable[[Edited], object]]]:
    """Names and changes, each of which makes a model of `kind` into a bad one."""
    numbers = [0, 1, 3, 7, 2**15, 2**31 - 1, 2**31, 2**32 - 1]
    for key in (
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.head_count_kv",
        "rope.dimension_count",
        "attention.key_length",
        "attention.value_length",
        "expert_count",
        "expert_used_count",
        "expert_group_count",
        "nextn_predict_layers",
        "pooling_type",
        "attention.sliding_window",
        "vocab_size",
        "rope.scaling.original_context_length",
    ):
        for number in numbers:
            yield f"{key}={number}", _setter(f"{kind}.{key}", F.UINT32, number)
        yield f"{key}=text", _setter(f"{kind}.{key}", F.STRING, "4")
        yield f"{key}=-1", _setter(f"{kind}.{key}", F.INT32, -1)
        yield f"{key}=list", _setter(f"{kind}.{key}", F.ARRAY, F.UINT32, [1, 0, 2, 4])
        yield f"{key}=short", _setter(f"{kind}.{key}", F.ARRAY, F.INT32, [-4])
        yield f"no {key}", _setter(f"{kind}.{key}")
    for key in ("attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.scaling.factor"):
        for real in (float("nan"), float("inf"), -1.0, 0.0, 1e30):
            yield f"{key}={real}", _setter(f"{kind}.{key}", F.FLOAT32, real)
    yield "causal", _setter(f"{kind}.attention.causal", F.BOOL, False)
    for scaling in ("yarn", "longrope", "nonsense", ""):
        yield f"scaling={scaling}", _setter(f"{kind}.rope.scaling.type", F.STRING, scaling)
    yield "no architecture", _setter("general.architecture")
    yield "architecture a number", _setter("general.architecture", F.UINT32, 7)
    for other in ("bert", "t5", "clip", "gemma3", "gpt2", "mamba", "rwkv6", "nonsense", "phi3"):
        yield f"architecture {other}", _setter("general.architecture", F.STRING, other)
    yield "alignment 0", _setter("general.alignment", F.UINT32, 0)
    yield "alignment 3", _setter("general.alignment", F.UINT32, 3)
    yield "alignment text", _setter("general.alignment", F.STRING, "32")
    yield from _hostile_words()
    yield from _hostile_tensors()


def _setter(key: str, *value: Any) -> Callable[[Edited], object]:
    return lambda model: model.set(key, *value)


def _words(change: Callable[[list[Any]], object]) -> Callable[[Edited], object]:
    def edit(model: Edited) -> None:
        *types, words = model.fields["tokenizer.ggml.tokens"]
        words = list(words)
        change(words)
        model.fields["tokenizer.ggml.tokens"] = (*types, words)

    return edit


def _hostile_words() -> Iterator[tuple[str, Callable[[Edited], object]]]:
    for name in ("none", "no_vocab", "llama", "bert", "t5", "rwkv", "gemma4", "plamo2", "test", ""):
        yield f"tokenizer {name}", _setter("tokenizer.ggml.model", F.STRING, name)
    yield "no tokenizer", _setter("tokenizer.ggml.model")
    yield "no words", _setter("tokenizer.ggml.tokens")
    yield "words a text", _setter("tokenizer.ggml.tokens", F.STRING, "abc")
    yield "words numbers", _setter("tokenizer.ggml.tokens", F.ARRAY, F.UINT32, [1] * 259)
    yield "a word twice", _words(lambda words: words.__setitem__(5, words[4]))
    yield "empty words", _words(lambda words: words.__setitem__(slice(5, 8), ["", "", "[EMPTY_5]"]))
    yield "one word less", _words(lambda words: words.pop())
    yield "one word more", _words(lambda words: words.append("more"))
    yield "four words", _words(lambda words: words.__delitem__(slice(4, None)))
    yield "odd bytes", _words(lambda words: words.__setitem__(9, b"\xf7\xbf\xbf\xbf\xff"))
    yield "long word", _words(lambda words: words.__setitem__(9, "a" * 100_000))
    yield "no merges", _setter("tokenizer.ggml.merges")
    yield "merges numbers", _setter("tokenizer.ggml.merges", F.ARRAY, F.INT32, [1, 2])
    yield "no types", _setter("tokenizer.ggml.token_type")
    yield "few types", _setter("tokenizer.ggml.token_type", F.ARRAY, F.INT32, [1] * 5)
    yield "types of bytes", _setter("tokenizer.ggml.token_type", F.ARRAY, F.INT32, [6] * 259)
    yield "types unknown", _setter("tokenizer.ggml.token_type", F.ARRAY, F.INT32, [99] * 259)
    yield "all control", _setter("tokenizer.ggml.token_type", F.ARRAY, F.INT32, [3] * 259)
    yield "scores", _setter("tokenizer.ggml.scores", F.ARRAY, F.FLOAT32, [float("nan")] * 259)
    yield "few scores", _setter("tokenizer.ggml.scores", F.ARRAY, F.FLOAT32, [0.0])
    yield "pre", _setter("tokenizer.ggml.pre", F.STRING, "nonsense")
    yield (
        "add bos and eos",
        lambda model: model.set("tokenizer.ggml.add_bos_token", F.BOOL, True).set(
            "tokenizer.ggml.add_eos_token", F.BOOL, True
        ),
    )
    for key in ("bos", "eos", "unknown", "padding", "eot", "mask", "seperator"):
        for number in (259, 2**31, 2**32 - 1):
            name = f"tokenizer.ggml.{key}_token_id"
            yield f"{key}={number}", _setter(name, F.UINT32, number)
    yield "template number", _setter("tokenizer.chat_template", F.UINT32, 1)


def _hostile_tensors() -> Iterator[tuple[str, Callable[[Edited], object]]]:
    names = ("token_embd", "output_norm", "blk.0.attn_norm", "blk.1.attn_q", "blk.2.ffn_down")
    kinds = {"F16": (1, "f2"), "I8": (24, "i1"), "I16": (25, "i2"), "I32": (26, "i4")}
    kinds |= {"I64": (27, "i8"), "F64": (28, "f8"), "BF16": (30, "u2")}
    for name in names:
        for label, (kind, dtype) in kinds.items():
            yield f"{name} {label}", _retype(f"{name}.weight", kind, dtype)
        for label, kind, data in (
            ("Q8_1", 9, bytes(36)),
            ("Q8_0", 8, bytes(34)),
            ("Q4_0", 2, bytes(18)),
            ("MXFP4", 39, bytes(17)),
        ):
            yield f"{name} {label}", _blocks(f"{name}.weight", kind, data)
        yield f"no {name}", _drop(f"{name}.weight")
        yield f"{name} twice as long", _reshape(f"{name}.weight", 2)
        yield f"{name} flat", _flat(f"{name}.weight")
        yield f"{name} deep", _deep(f"{name}.weight")


def _blocks(name: str, kind: int, block: bytes) -> Callable[[Edited], object]:
    def change(model: Edited) -> None:
        tensor = model.tensor(name)
        tensor[2], tensor[3] = kind, block * (int(np.prod(tensor[1])) // 32)

    return change


def _drop(name: str) -> Callable[[Edited], object]:
    return lambda model: model.tensors.remove(model.tensor(name))


def _reshape(name: str, times: int) -> Callable[[Edited], object]:
    def change(model: Edited) -> None:
        tensor = model.tensor(name)
        tensor[1] = [tensor[1][0] * times, *tensor[1][1:]]
        tensor[3] *= times

    return change


def _flat(name: str) -> Callable[[Edited], object]:
    def change(model: Edited) -> None:
        tensor = model.tensor(name)
        tensor[1] = [int(np.prod(tensor[1]))]

    return change


def _deep(name: str) -> Callable[[Edited], object]:
    def change(model: Edited) -> None:
        tensor = model.tensor(name)
        tensor[1] = [*tensor[1], 1, 1, 1][:4]

    return change


def write_hostile(folder: Path, kind: str = "llama") -> dict[str, Path]:
    """All of them, by what is wrong with them."""
    # Read once, because the reader takes longer than all that is done with the file.
    good = Edited(write_tiny(folder / "good.gguf", kind))
    found = {}
    for i, (name, change) in enumerate(hostile_models(kind)):
        model = deepcopy(good)
        change(model)
        found[name] = model.write(folder / f"{i:03}.gguf")
    return found


def write_adapter(path: Path, base: Path, rank: int = 2) -> Path:
    """A LoRA adapter on two projections of a small model."""
    reader = gguf.GGUFReader(str(base))
    kind = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(str(path), kind)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    for tensor in reader.tensors:
        if tensor.name in ("blk.0.attn_q.weight", "blk.1.ffn_down.weight"):
            inputs, outputs = (int(each) for each in tensor.shape)
            writer.add_tensor(f"{tensor.name}.lora_a", np.ones((rank, inputs), np.float32))
            writer.add_tensor(f"{tensor.name}.lora_b", np.ones((outputs, rank), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def hostile_adapters() -> Iterator[tuple[str, Callable[[Edited], object]]]:
    """Names and changes, each of which makes an adapter into a bad one."""
    value: tuple[Any, ...]
    for key in ("general.type", "general.architecture", "adapter.type"):
        for value in ((F.UINT32, 1), (F.STRING, "other"), (F.ARRAY, F.STRING, ["lora"]), ()):
            yield f"{key}={value}", _setter(key, *value)
    for value in ((F.UINT32, 4), (F.FLOAT64, 4.0), (F.STRING, "4"), (F.FLOAT32, float("nan"))):
        yield f"alpha={value}", _setter("adapter.lora.alpha", *value)
    for value in ((F.UINT32, 4), (F.ARRAY, F.INT32, [1]), (F.ARRAY, F.STRING, ["a"])):
        yield f"alora={value}", _setter("adapter.alora.invocation_tokens", *value)
    first, second = "blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"
    for name in (first, second):
        yield f"no {name}", _drop(name)
        yield f"{name} twice as long", _reshape(name, 2)
        yield f"{name} flat", _flat(name)
        yield f"{name} deep", _stacked(name)
        for label, kind, dtype in (("I8", 24, "i1"), ("I32", 26, "i4"), ("F64", 28, "f8")):
            yield f"{name} {label}", _retype(name, kind, dtype)
    for other in ("blk.0.attn_q.weight", "blk.9.attn_q.weight.lora_a", "blk.0.attn_norm.weight"):
        yield f"{first} as {other}", _rename(first, other)
    yield (
        "a norm's",
        lambda adapter: [
            _rename(name, f"blk.0.attn_norm.weight.{half}")(adapter)
            for name, half in ((first, "lora_a"), (second, "lora_b"))
        ],
    )
    yield "empty", lambda adapter: adapter.tensors.clear()


def _rename(name: str, other: str) -> Callable[[Edited], object]:
    return lambda adapter: adapter.tensor(name).__setitem__(0, other)


def _stacked(name: str) -> Callable[[Edited], object]:
    def change(adapter: Edited) -> None:
        tensor = adapter.tensor(name)
        tensor[1], tensor[3] = [*tensor[1], 3], tensor[3] * 3

    return change
