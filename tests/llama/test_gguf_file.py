"""How weights are laid out follows from what a file holds."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from floe.llama.gguf_file import choose_repacking


def write(path: Path, kinds: dict[str, gguf.GGMLQuantizationType]) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    for name, kind in kinds.items():
        data = gguf.quants.quantize(np.ones((8, 256), np.float32), kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(autouse=True)
def on_a_pc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_weights_are_laid_out_anew_where_most_of_them_can_be(tmp_path: Path) -> None:
    four, eight = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0
    # The embedding is looked up, not multiplied with.
    most = write(tmp_path / "most.gguf", {"blk.0.ffn_up.weight": four, "token_embd.weight": eight})
    few = write(
        tmp_path / "few.gguf",
        {"blk.0.ffn_up.weight": eight, "blk.0.ffn_down.weight": eight, "output.weight": four},
    )
    assert choose_repacking(most) == (True, "100% of the weights gain by it")
    assert choose_repacking(few) == (False, "only 33% of the weights would gain by it")


def test_a_small_qwen_is_left_as_it_is(qwen_path: Path) -> None:
    # Its rows are no multiple of 256, so that nearly all of the file is of other kinds than Q4_K.
    repacked, reason = choose_repacking(qwen_path)
    assert not repacked, reason


def test_another_processor_is_left_to_llama_cpp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert choose_repacking(tmp_path / "none.gguf")[0]


def test_a_file_that_is_broken_off_is_left_to_llama_cpp(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf", {"output.weight": gguf.GGMLQuantizationType.Q4_0})
    path.write_bytes(path.read_bytes()[:60])
    assert choose_repacking(path)[0]
