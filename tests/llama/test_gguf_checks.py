"""Files that would end the process inside llama.cpp are refused before it sees them."""

import json
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import pytest

from floe.errors import ModelError
from floe.llama.gguf_checks import check_adapter, check_gguf, check_model
from floe.llama.gguf_header import HeaderError, parse_gguf_header
from floe.llama.runtime import LlamaModel
from tests.llama.gguf_edits import Edited, F, hostile_adapters, write_adapter, write_hostile
from tests.training.tiny import write_tiny

ROOT = Path(__file__).parents[2]


def outcomes(files: Sequence[Path], *options: str) -> dict[Path, str]:
    """How llama.cpp takes the files without a look at them first."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.llama.loading", *map(str, files), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(line["path"]): line["outcome"] for line in lines}


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_no_model_that_passes_ends_the_process(tmp_path: Path, kind: str) -> None:
    files = write_hostile(tmp_path, kind)
    found = outcomes([*files.values(), tmp_path / "good.gguf"])
    assert found.pop(tmp_path / "good.gguf") == "loaded"
    check_model(tmp_path / "good.gguf")
    deadly = [path for path, how in found.items() if how.startswith("SIG")]
    assert len(deadly) > 60, "llama.cpp has changed: which of these does it survive now?"
    for path in deadly:
        with pytest.raises(ModelError):
            check_model(path)


def test_no_adapter_that_passes_ends_the_process(tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "base.gguf")
    good = write_adapter(tmp_path / "good.gguf", base)
    whole = Edited(good)
    files = []
    for i, (_, change) in enumerate(hostile_adapters()):
        adapter = deepcopy(whole)
        change(adapter)
        files.append(adapter.write(tmp_path / f"{i:03}.gguf"))
    found = outcomes([*files, good], "--adapters", str(base))
    assert found.pop(good) == "loaded"
    check_adapter(good, base)
    deadly = [path for path, how in found.items() if how.startswith("SIG")]
    assert len(deadly) > 5
    for path in deadly:
        with pytest.raises(ModelError, match=r"^The adapter .* does not fit base\.gguf: it "):
            check_adapter(path, base)
    with LlamaModel(base, context=256) as model, pytest.raises(ModelError):
        model.load_adapter(deadly[0])


@pytest.mark.parametrize(
    ("layers", "said"), [(0, "0 layers"), (2**31, "2,147,483,648 layers"), (513, "513 layers")]
)
def test_an_impossible_number_of_layers_is_a_sentence(
    tmp_path: Path, layers: int, said: str
) -> None:
    model = Edited(write_tiny(tmp_path / "good.gguf"))
    path = model.set("llama.block_count", F.UINT32, layers).write(tmp_path / "bad.gguf")
    with pytest.raises(ModelError) as error:
        LlamaModel(path)
    assert str(error.value) == (
        f"bad.gguf says it has {said}: it is damaged or not a language model. Fetch it again, or "
        "choose another."
    )


def test_a_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "good.gguf").read_bytes()
    parse_gguf_header(data)
    for end in [*range(0, 12_000, 7), *range(12_000, len(data), 4001), len(data) - 1]:
        with pytest.raises(HeaderError):
            parse_gguf_header(data[:end])


def header(*parts: bytes, tensors: int = 0, fields: int = 0, version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, tensors, fields) + b"".join(parts)


KEY = struct.pack("<Q", 1) + b"k"


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not a GGUF"),
        (b"GGUF", "cut short"),
        (b"PK\3\4" + bytes(100), "not a GGUF"),
        (header(version=1), "version 1"),
        (header(version=4), "version 4"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "other byte order"),
        (header(fields=2**63), "fields, more than"),
        (header(fields=2**32), "fields, more than"),
        (header(tensors=2**64 - 1), "tensors, more than"),
        (header(struct.pack("<Q", 2**63) + bytes(40), fields=1), "name of a field"),
        (header(struct.pack("<Q", 0) + bytes(40), fields=1), "empty or no text"),
        (header(struct.pack("<Q2s", 2, b"a\0") + bytes(40), fields=1), "empty or no text"),
        (header((KEY + struct.pack("<IB", 0, 1)) * 2, bytes(9), fields=2), "two fields"),
        (header(KEY + struct.pack("<I", 13) + bytes(9), fields=1), "unknown kind 13"),
        (header(KEY + struct.pack("<IQ", 8, 2**62) + bytes(9), fields=1), "a text"),
        (header(KEY + struct.pack("<IIQ", 9, 9, 1) + bytes(99), fields=1), "lists inside"),
        (header(KEY + struct.pack("<IIQ", 9, 8, 2**60) + bytes(99), fields=1), "texts, which"),
        (header(KEY + struct.pack("<IIQ", 9, 4, 2**62) + bytes(99), fields=1), "numbers, which"),
        (header(KEY + struct.pack("<IIQ", 9, 99, 1) + bytes(99), fields=1), "unknown kind 99"),
        (header(KEY + struct.pack("<IIQQ", 9, 8, 1, 2**64 - 20) + bytes(9), fields=1), "cut short"),
    ],
)
def test_a_header_that_lies_about_its_own_size(data: bytes, match: str) -> None:
    tracemalloc.start()
    with pytest.raises(HeaderError, match=match):
        parse_gguf_header(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def tensor(name: bytes, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    head = struct.pack("<Q", len(name)) + name + struct.pack("<I", len(shape))
    return head + struct.pack(f"<{len(shape)}QIQ", *shape, kind, offset)


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ([tensor(b"a", [4], offset=32)], "wrong place"),
        ([tensor(b"a", [4]), tensor(b"b", [4])], "wrong place"),  # they overlap
        ([tensor(b"a", [4]), tensor(b"a", [4], offset=32)], "two tensors"),
        ([tensor(b"a", [2**32, 2**32])], "larger than the whole file"),
        ([tensor(b"a", [60])], "beyond its end"),
        ([tensor(b"a", [0])], "impossible shape 0"),
        ([tensor(b"a", [5], kind=2)], "impossible shape 5"),
        ([tensor(b"a", [4], kind=4)], "unknown kind 4"),
        ([tensor(b"a", [1] * 5)], "5 dimensions"),
        ([tensor(b"a", [])], "0 dimensions"),
        ([tensor(b"a" * 64, [4])], "64 bytes"),
    ],
)
def test_a_tensor_that_cannot_be_there(parts: list[bytes], match: str) -> None:
    with pytest.raises(HeaderError, match=match):
        parse_gguf_header(header(*parts, bytes(200), tensors=len(parts)))


def test_parts_of_a_split_model_are_looked_at_too(tmp_path: Path) -> None:
    whole = Edited(write_tiny(tmp_path / "good.gguf"))
    whole.set("split.count", F.UINT16, 2).set("split.no", F.UINT16, 0)
    path = whole.write(tmp_path / "m-00001-of-00002.gguf")
    with pytest.raises(ModelError, match=r"There is no file .*m-00002-of-00002\.gguf"):
        check_model(path)
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(header(fields=2**63))
    with pytest.raises(ModelError, match="fields, more than"):
        check_model(path)
    with pytest.raises(ModelError, match="one of 2 parts"):
        check_model(path.rename(tmp_path / "other.gguf"))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an ordinary file"):
        check_gguf(Path("/dev/zero"))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"holds a model as safetensors.*convert_hf_to_gguf"):
        check_model(tmp_path / "hub")
    with pytest.raises(ModelError, match="is a folder"):
        check_gguf(tmp_path)


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "good.gguf")
    check_model(path)
    path.write_bytes(b"GGUF" + path.read_bytes()[4:2000])
    with pytest.raises(ModelError):
        check_model(path)


def test_the_models_of_the_catalog_pass(smollm_path: Path, qwen_path: Path) -> None:
    assert len(check_model(smollm_path).tensors) == 272
    assert len(check_model(qwen_path).tensors) == 291
