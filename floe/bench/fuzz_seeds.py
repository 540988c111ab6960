"""Inputs for the `fuzz` bench: small valid ones, and the ways to break them.

A change is made where a parser looks: in a count, a length, a kind, a key, in a piece of JSON.
"""

import io
import json
import math
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from floe.bench.chat_examples import CHAT_EXAMPLES, WHATSAPP_EXAMPLES

_INTEGERS: Final = (
    *(0, 1, 2, 3, 4, 7, 8, 9, 12, 13, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 513),
    *(2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53),
    *(2**62, 2**63 - 1, 2**63, 2**64 - 1),
)
_FLOATS: Final = (0.0, -0.0, 1e-320, -1.0, 1e38, math.nan, math.inf, -math.inf)
_NAMES: Final = (
    *("general.architecture", "general.type", "general.alignment", "split.count"),
    *("llama.block_count", "llama.expert_count", "llama.attention.head_count", "llama.rope.x"),
    *("tokenizer.ggml.tokens", "tokenizer.ggml.model", "adapter.lora.alpha", "x", ""),
)


def make_gguf(dice: random.Random) -> bytes:
    """Make a model's or an adapter's header, with faulty fields or broken bytes."""
    if dice.random() < 0.5:
        return _break_bytes(dice, dice.choice((GGUF_MODEL, GGUF_ADAPTER)), _GGUF_OFFSETS)
    return _GgufWriter(dice).write()


class _GgufWriter:
    """Writes a header in which anything may be wrong, mostly one or two things."""

    def __init__(self, dice: random.Random | None) -> None:
        self._dice = dice
        self.offsets: list[int] = []

    def write(self, *, adapter: bool | None = None) -> bytes:
        """Return the bytes of a file, with its tensors' data as zeros."""
        dice = self._dice
        if adapter is None:
            adapter = dice is not None and dice.random() < 0.3
        fields: list[Any] = list(_ADAPTER_FIELDS if adapter else _MODEL_FIELDS)
        tensors: list[Any] = [
            list(each) for each in (_ADAPTER_TENSORS if adapter else _MODEL_TENSORS)
        ]
        if dice is not None:
            for _ in range(dice.choice((1, 1, 1, 2, 3))):
                self._spoil(dice, fields, tensors)
        out = io.BytesIO()
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(fields)))
        self.offsets += [4, 8, 16]
        for key, kind, value in fields:
            self._text(out, key)
            self._number(out, "<I", kind)
            self._value(out, kind, value)
        offset = 0
        for name, shape, kind, size in tensors:
            self._text(out, name)
            self._number(out, "<I", len(shape))
            for each in shape:
                self._number(out, "<Q", each)
            self._number(out, "<I", kind)
            self._number(out, "<Q", offset)
            offset += -(-size // 32) * 32
        out.write(bytes(-out.tell() % 32 + min(offset, 1 << 16)))
        return out.getvalue()

    def _spoil(self, dice: random.Random, fields: list[Any], tensors: list[Any]) -> None:
        place = dice.randrange(len(fields)) if fields else 0
        match dice.randrange(8):
            case 0 if fields:
                del fields[place]
            case 1:
                fields.insert(place, (dice.choice(_NAMES), 4, dice.choice(_INTEGERS) % 2**32))
            case 2 if fields:
                fields[place] = (fields[place][0], *_any_value(dice))
            case 3 | 4 if fields:
                key, kind, value = fields[place]
                if kind in (4, 6):
                    number = dice.choice(_FLOATS) if kind == 6 else dice.choice(_INTEGERS) % 2**32
                    value = number
                fields[place] = (key, kind, value)
            case 5 if tensors:
                tensor = dice.choice(tensors)
                tensor[1] = [dice.choice((*tensor[1], *_INTEGERS)) for _ in tensor[1]]
            case 6 if tensors:
                dice.choice(tensors)[2] = dice.randrange(45)
            case _ if tensors:
                tensors.remove(dice.choice(tensors))

    def _number(self, out: io.BytesIO, layout: str, value: int) -> None:
        self.offsets.append(out.tell())
        out.write(struct.pack(layout, value % (1 << 8 * struct.calcsize(layout))))

    def _text(self, out: io.BytesIO, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self._number(out, "<Q", len(data))
        out.write(data)

    def _value(self, out: io.BytesIO, kind: int, value: Any) -> None:
        if kind == 8:
            self._text(out, value)
        elif kind == 9:
            item, values = value
            self._number(out, "<I", item)
            self._number(out, "<Q", len(values))
            for each in values:
                self._value(out, item, each)
        elif kind == 6:
            out.write(struct.pack("<f", value))
        elif kind == 7:
            out.write(struct.pack("<?", value))
        else:
            self._number(out, "<I", value)


def _any_value(dice: random.Random) -> tuple[int, Any]:
    return dice.choice(
        (
            (4, dice.choice(_INTEGERS) % 2**32),
            (6, dice.choice(_FLOATS)),
            (7, True),
            (8, dice.choice(("", "llama", "gpt2", "none", "x" * 200))),
            (9, (4, [dice.choice(_INTEGERS) % 2**32 for _ in range(dice.randrange(5))])),
            (9, (8, ["a"] * dice.randrange(20))),
            (9, (6, [dice.choice(_FLOATS)])),
            (9, (9, [(4, [1])])),
        )
    )


_WORDS: Final = [chr(33 + i) * (1 + i // 60) for i in range(40)]
_MODEL_FIELDS: Final[tuple[tuple[str, int, Any], ...]] = (
    ("general.architecture", 8, "llama"),
    ("llama.block_count", 4, 1),
    ("llama.context_length", 4, 128),
    ("llama.embedding_length", 4, 8),
    ("llama.feed_forward_length", 4, 16),
    ("llama.attention.head_count", 4, 2),
    ("llama.attention.head_count_kv", 9, (4, [1])),
    ("llama.attention.layer_norm_rms_epsilon", 6, 1e-5),
    ("llama.rope.freq_base", 6, 10_000.0),
    ("llama.rope.dimension_count", 4, 4),
    ("llama.expert_count", 4, 0),
    ("tokenizer.ggml.model", 8, "gpt2"),
    ("tokenizer.ggml.tokens", 9, (8, _WORDS)),
    ("tokenizer.ggml.token_type", 9, (5, [1] * 40)),
    ("tokenizer.ggml.merges", 9, (8, ["a b"])),
    ("tokenizer.ggml.add_bos_token", 7, False),
    ("tokenizer.chat_template", 8, "{{ messages }}"),
)
_MODEL_TENSORS: Final[tuple[tuple[str, list[int], int, int], ...]] = (
    ("token_embd.weight", [8, 40], 0, 1280),
    ("output_norm.weight", [8], 0, 32),
    ("blk.0.attn_q.weight", [8, 8], 0, 256),
    ("blk.0.attn_k.weight", [8, 4], 1, 64),
)
_ADAPTER_FIELDS: Final[tuple[tuple[str, int, Any], ...]] = (
    ("general.architecture", 8, "llama"),
    ("general.type", 8, "adapter"),
    ("adapter.type", 8, "lora"),
    ("adapter.lora.alpha", 6, 4.0),
)
_ADAPTER_TENSORS: Final[tuple[tuple[str, list[int], int, int], ...]] = (
    ("blk.0.attn_q.weight.lora_a", [8, 2], 0, 64),
    ("blk.0.attn_q.weight.lora_b", [2, 8], 0, 64),
)
_MODEL_WRITER: Final = _GgufWriter(None)
GGUF_MODEL: Final = _MODEL_WRITER.write(adapter=False)
"""A model of one layer and 40 words; it passes every check."""
_GGUF_OFFSETS: Final = tuple(_MODEL_WRITER.offsets)
GGUF_ADAPTER: Final = _GgufWriter(None).write(adapter=True)
"""A LoRA adapter for it."""

_CHAT: Final[dict[str, Any]] = {
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "How far is it?", "name": "Ann"},
        {"role": "assistant", "content": "Two miles. \u6771\u4eac \U0001f600"},
    ],
    "weight": 1.0,
    "meta": {"tags": ["a", "b"], "at": 1_700_000_000},
}


def make_chat_file(dice: random.Random) -> bytes:
    """Make some lines of chats, with faults in JSON, in its values and in the bytes."""
    lines = [_json_line(dice, _CHAT) for _ in range(dice.choice((1, 1, 2, 3)))]
    data = dice.choice((b"\n", b"\n", b"\r\n", b"\r", b"\n\n")).join(lines)
    if dice.random() < 0.1:
        data = dice.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0")) + data
    if dice.random() < 0.05:
        data = data.decode("utf-8", "replace").encode(
            dice.choice(("utf-16", "utf-32", "cp1252")), "replace"
        )
    return _break_bytes(dice, data) if dice.random() < 0.3 else data


def make_chat_export(dice: random.Random) -> bytes:
    """Make a file of chats as another program writes it, or a zip of it, with faults."""
    if dice.random() < 0.2:
        data = dice.choice(WHATSAPP_EXAMPLES).encode()
        for _ in range(dice.choice((0, 1, 3))):
            old = dice.choice((b"26", b"11", b"2:0", b": ", b" - ", b"Ben", b"[", b"]", b"\n"))
            data = data.replace(old, dice.choice((b"", b"99", b"0", b"\xff", b": ", b"9" * 30)), 1)
    elif dice.random() < 0.5:
        pieces = [_json_line(dice, dice.choice(CHAT_EXAMPLES)) for _ in range(dice.choice((1, 3)))]
        data = b"[" + b", ".join(pieces) + b"]"
    else:
        data = b"\n".join(_json_line(dice, dice.choice(CHAT_EXAMPLES)) for _ in range(2))
    if dice.random() < 0.1:
        text = data.decode("utf-8", "replace")
        data = text.encode(dice.choice(("utf-16", "utf-16-le", "cp1252")), "replace")
    if dice.random() < 0.2:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(dice.choice(("conversations.json", "../x.txt", "a/b.jsonl")), data)
        data = file.getvalue()
    return _break_bytes(dice, data) if dice.random() < 0.3 else data


def _entry(token: str, logprob: float, **more: Any) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode()), **more}


_ROW: Final = _entry(
    " far", -0.5, top_logprobs=[_entry(" far", -0.5), _entry(" near", -1.5), _entry("", -9999.0)]
)
_CHUNK: Final[dict[str, Any]] = {
    "id": "1",
    "object": "chat.completion.chunk",
    "choices": [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": " far"},
            "logprobs": {"content": [_ROW]},
            "finish_reason": None,
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
_OTHER_CHUNKS: Final[tuple[dict[str, Any], ...]] = (
    {"choices": [{"delta": {"content": "The begin"}}]},
    {
        "choices": [
            {"delta": {"content": "\ufffd"}, "logprobs": {"content": [_entry("\ufffd", -1)]}}
        ]
    },
    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    {
        "choices": [
            {
                "text": " far",
                "logprobs": {
                    "tokens": [" far"],
                    "token_logprobs": [-0.5],
                    "top_logprobs": [{" far": -0.5, " near": -1.0}],
                },
            }
        ]
    },
    {"choices": [{"delta": {"content": "x"}, "logprobs": -0.25}]},
)


def make_chunks(dice: random.Random) -> bytes:
    """Make a stream of server-sent events with chunks of several dialects."""
    lines = []
    for _ in range(dice.choice((1, 2, 3, 4))):
        chunk = dice.choice((_CHUNK, _CHUNK, *_OTHER_CHUNKS))
        lines.append(b"data: " + _json_line(dice, chunk))
    return b"\n\n".join(lines)


_SPELLINGS: Final = (
    *("\u0120far", "\u010a", "\\x20", "\\xe6\\x9d", "<0x0A>", "<0xE6><0x9D>", "bytes:\\xf0\\x9f"),
    *("\u0120\u010d\u0109", "\ufffd", "<|im_end|>", "</s>", "", " far", "\u6771", "\U0001f600"),
    *("\\x", "\\xzz", "<0x>", "<0xGG>", "bytes:", "bytes:\\x", "\ud800", "\0", "\u0143", "\xff"),
)
_BYTES: Final[tuple[Any, ...]] = (
    *(None, None, [], [32], [0xEF, 0xBF, 0xBD], [0xE6, 0x9D], [256], [-1], ["a"], [1.5], [None]),
    *("far", 7, 10**10, -5, True, {}, [[1]], [10**30]),
)
_LOGPROBS: Final[tuple[Any, ...]] = (
    *(-0.5, -1, 0, 0.0, 2.5, -9999.0, -1e308, math.nan, math.inf, -math.inf, 10**400, -(10**400)),
    *("-0.5", "x", None, [], {}, True),
)


def make_spelling(dice: random.Random) -> bytes:
    """Rows in which tokens, bytes and log-probabilities are of any kind."""

    def token() -> str:
        return "".join(dice.choice(_SPELLINGS) for _ in range(dice.choice((1, 1, 1, 2, 3))))

    def entry() -> dict[str, Any]:
        plain = dice.random() < 0.7
        return {
            "token": token() if dice.random() < 0.97 else _junk(dice),
            "logprob": -dice.random() * 5 if plain else dice.choice(_LOGPROBS),
            "bytes": None if plain else dice.choice(_BYTES),
        }

    rows = [
        entry() | {"top_logprobs": [entry() for _ in range(dice.randrange(6))]}
        for _ in range(dice.choice((1, 2, 3)))
    ]
    return json.dumps(rows).encode()


_SETTINGS: Final[dict[str, Any]] = {
    "data_dir": "data",
    "models_dir": "models",
    "port": 7860,
    "browser": False,
    "model": "smollm2-135m-instruct",
    "context": 4096,
    "threads": 2,
    "system_prompt": "Be short.",
    "cloud": "off",
    "cloud_model": "m",
    "stand_in_args": "--delay 5",
    "rule": "linear",
    "deadline_ms": 500.0,
}


def make_settings(dice: random.Random) -> bytes:
    """Make a `floe.toml` with faults."""
    kept = {name: value for name, value in _SETTINGS.items() if dice.random() < 0.8}
    lines = [f"{name} = {json.dumps(value)}" for name, value in kept.items()]
    for _ in range(dice.choice((0, 1, 1, 2))):
        name = dice.choice((*_SETTINGS, "unknown", "cloud_key", "a.b", '"\\u0000"', "[table]"))
        lines.insert(dice.randrange(len(lines) + 1), f"{name} = {_toml_value(dice)}")
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    return _break_bytes(dice, data) if dice.random() < 0.3 else data


def _toml_value(dice: random.Random) -> str:
    depth = dice.choice((1, 3, 50, 2000))
    return dice.choice(
        (
            str(dice.choice(_INTEGERS)),
            "9" * dice.choice((20, 400, 5000)),
            dice.choice(("inf", "-inf", "nan", "1e400", "0x7fffffffffffffffff", "1979-05-27")),
            '"' + dice.choice(("javascript:x", "\\u0000", "a" * 5000, "/", "", "'", "~")) + '"',
            "[" * depth + "]" * depth,
            "{a = " * depth + "1" + "}" * depth,
            ".".join("a" * depth) + " = 1",
            '"""\n' + "x\n" * depth,
            "true",
        )
    )


def make_group_arrays(dice: random.Random) -> bytes:
    """Named arrays as a member sends them: (lengths, name, numpy's file) one after the other."""
    arrays: list[list[Any]] = [
        ["header", np.frombuffer(json.dumps(_update_header(dice)).encode(), np.uint8)],
        ["model.layers.0.q_proj.lora_A", np.ones((2, 4), np.float32)],
        ["model.layers.0.q_proj.lora_B", np.ones((4, 2), np.float32)],
        ["centroid", np.ones(4, np.float32)],
    ]
    if dice.random() < 0.4:
        one = dice.choice(arrays)
        one[0] = dice.choice(("", "x", "header", "a.lora_A", "n" * 300, "../../x", "\0"))
    if dice.random() < 0.2:
        del arrays[dice.randrange(len(arrays))]
    out = io.BytesIO()
    for name, array in arrays:
        file = io.BytesIO()
        kind = dice.choice(("f4", "f4", "f4", "f8", "u1", "i8", "c8", "M8[s]", "U3", "b1"))
        changed = array if dice.random() < 0.7 or array.dtype == np.uint8 else array.astype(kind)
        np.save(file, changed, allow_pickle=False)
        data = file.getvalue()
        if dice.random() < 0.3:
            data = _spoil_array(dice, data)
        label = str(name).encode()
        out.write(struct.pack("<HH", len(label), len(data) % 65_536) + label + data)
    return out.getvalue()


_CLAIMS: Final = (
    b"(1000000000000, 4)",
    b"(-1, 4)",
    b"(4)",
    b"'x'",
    b"None",
    b"(" * 90,
    b"9" * 100,
    b"(True, 4)",
    b"(2.0, 4)",
    b"|O",
    b"<f4, x",
)


def _spoil_array(dice: random.Random, data: bytes) -> bytes:
    if dice.random() < 0.5:
        old = dice.choice((b"(2, 4)", b"(4, 2)", b"(4,)", b"<f4", b"'shape'", b"False"))
        new = dice.choice(_CLAIMS)
        if old in data[:128]:
            head = data[:128].replace(old, new)
            # numpy's header keeps its length: what is too long takes the padding's place.
            return (head.rstrip(b" \n")[:127].ljust(127) + b"\n") + data[128:]
    return _break_bytes(dice, data)


def _update_header(dice: random.Random) -> dict[str, Any]:
    header: dict[str, Any] = {
        "update_id": "u",
        "client_id": "c",
        "round": 1,
        "base_sha256": "f" * 64,
        "rank": 2,
        "alpha": 4.0,
        "examples": 10,
        "radius": 0.5,
    }
    if dice.random() < 0.5:
        header[dice.choice(list(header))] = _junk(dice)
    if dice.random() < 0.1:
        del header[dice.choice(list(header))]
    return header


def _junk(dice: random.Random) -> Any:
    return dice.choice(
        (
            *(None, True, False, 0, -1, 1.5, 2**63, 10**30, 10**400, "", "x", "\ud800", "\0"),
            *([], {}, [None], {"a": 1}, [[]], math.nan, math.inf, "x" * 3000, ["a"] * 50),
        )
    )


def _json_line(dice: random.Random, value: Any) -> bytes:
    """Write a value as JSON, with a fault in its values, in its text or in neither."""
    if dice.random() < 0.8:
        value = _changed(dice, value, 0.04)
    text = json.dumps(value, ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.25:
        text = _break_json(dice, text)
    data = text.encode("utf-8", "surrogatepass")
    return data.replace(b"\n", b" ")


def _changed(dice: random.Random, value: Any, chance: float) -> Any:
    if dice.random() < chance:
        return _junk(dice)
    if isinstance(value, dict):
        kept = {key: _changed(dice, item, chance) for key, item in value.items()}
        if kept and dice.random() < chance:
            del kept[dice.choice(list(kept))]
        return kept
    if isinstance(value, list):
        items = [_changed(dice, item, chance) for item in value]
        return items * dice.choice((0, 2)) if dice.random() < chance else items
    return value


_JSON_PIECES: Final[tuple[Callable[[random.Random], str], ...]] = (
    lambda dice: dice.choice("[{") * dice.choice((1, 20, 1500)),
    lambda dice: dice.choice("]}") * dice.choice((1, 20)),
    lambda dice: dice.choice(('"', ",", ":", "\\", "\\u", "\\ud83d", "\\u0000", "\t", "\x7f")),
    lambda dice: dice.choice(("NaN", "Infinity", "-Infinity", "1e999", "-0", "01", "1.", ".5")),
    lambda dice: dice.choice(("9" * 30, "9" * 400, "9" * 5000, "1e" + "9" * 30)),
    lambda dice: dice.choice(('"messages": [],', '"role": "user",', "null,", "true", "/* */")),
)


def _break_json(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    match dice.randrange(3):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[min(len(text), at + dice.choice((1, 2, 9))) :]
        case _:
            return text[:at] + dice.choice(_JSON_PIECES)(dice) + text[at:]


def _break_bytes(dice: random.Random, data: bytes, offsets: tuple[int, ...] = ()) -> bytes:
    """Change some bytes; `offsets` are where numbers stand that a parser reads."""
    if dice.random() < 0.02:
        return dice.randbytes(dice.choice((0, 1, 3, 30, 300)))
    broken = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(broken) + 1)
        if offsets and dice.random() < 0.6:
            at = min(dice.choice(offsets), len(broken))
            layout = dice.choice(("<I", "<Q"))
            number = dice.choice(_INTEGERS) % (1 << 8 * struct.calcsize(layout))
            broken[at : at + struct.calcsize(layout)] = struct.pack(layout, number)
            continue
        match dice.randrange(6):
            case 0 if broken:
                broken[min(at, len(broken) - 1)] ^= 1 << dice.randrange(8)
            case 1:
                del broken[at:]
            case 2:
                del broken[at : at + dice.choice((1, 4, 8, 100))]
            case 3:
                broken[at:at] = dice.randbytes(dice.choice((1, 4, 8, 40)))
            case 4:
                broken[at:at] = broken[at : at + dice.choice((1, 8, 100))]
            case _:
                broken[at : at + 1] = bytes([dice.choice((0, 9, 10, 13, 32, 34, 92, 127, 255))])
    return bytes(broken)
