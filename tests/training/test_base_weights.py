"""The base model in torch, held against transformers on the same GGUF."""

from pathlib import Path

import gguf
import psutil
import pytest
import torch

from floe.adapters.architecture import read_architecture
from floe.adapters.lora_defaults import MODULES
from floe.errors import ModelError
from floe.training.backends.cpu.base_weights import read_base_weights
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import Example
from tests.training.tiny import write_tiny
from tests.training.torch_side import from_gguf


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_loss_is_that_of_transformers_on_the_same_file(tmp_path: Path, kind: str) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", kind)
    base = read_base_weights(path, torch.float32)
    lora = Lora(
        base.architecture,
        rank=2,
        alpha=4.0,
        modules=MODULES,
        layers=2,
        dtype=torch.float32,
        seed=0,
    )
    network = LoraNetwork(base, lora)
    tokens = torch.arange(30, 80)
    example = Example(
        tokens=tokens[:-1].int().numpy(),
        targets=tokens[1:].int().numpy(),
        weights=torch.ones(49).numpy(),
        text_bytes=49,
    )
    batch = network.batch([example], ((0,),))
    total, count = network.loss(batch, network.frozen_prefix(batch))
    reference = from_gguf(path)
    with torch.no_grad():
        logits = reference(input_ids=tokens[None, :-1]).logits[0]
    expected = torch.nn.functional.cross_entropy(logits, tokens[1:])
    assert total / count == pytest.approx(float(expected), rel=1e-5)


def test_quantised_weights_are_those_of_transformers(smollm_path: Path) -> None:
    base = read_base_weights(smollm_path, torch.bfloat16)
    reader = gguf.GGUFReader(str(smollm_path))
    found = {tensor.name: tensor for tensor in reader.tensors}
    up = found["blk.7.ffn_up.weight"]
    expected = torch.from_numpy(gguf.quants.dequantize(up.data, up.tensor_type))
    half = base.architecture.intermediate
    assert torch.equal(base.layers[7].gate_up.dense()[half:], expected.bfloat16())
    assert torch.equal(base.head.dense(), base.embedding)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells what is mapped of a file")
def test_a_file_is_let_go_of_as_it_is_read(smollm_path: Path) -> None:
    """All of a model of 1.1 GB lay in memory once beside the weights that were made of it."""
    path = str(smollm_path.resolve())
    told: list[int] = []
    mapped: list[float] = []

    def count_mapped() -> float:
        maps = psutil.Process().memory_maps(grouped=True)
        return sum(each.rss for each in maps if each.path == path) / 1e6

    def look(size: int) -> None:
        told.append(size)
        if len(told) % 32 == 0:
            mapped.append(count_mapped())

    before = count_mapped()  # by a model that other tests have loaded
    base = read_base_weights(smollm_path, torch.bfloat16, look)
    assert sum(told) > 2e8
    # Of its 98 MB some 8, the header and what the system reads ahead, and up to 35 where others map
    # it as well.
    assert max(mapped) < before + 60
    assert base.head.pending_bytes == 0, "the largest matrix is to be laid out before all others"


def test_the_header_tells_the_sizes(smollm_path: Path, qwen_path: Path) -> None:
    small, large = read_architecture(smollm_path), read_architecture(qwen_path)
    assert (small.kind, small.layers, small.hidden, small.heads) == ("llama", 30, 576, 9)
    assert (large.kind, large.layers, large.kv_heads, large.vocabulary) == ("qwen2", 24, 2, 151936)


def test_another_kind_of_model_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", "gemma")
    with pytest.raises(ModelError, match=r"“gemma”.*Choose one of those"):
        read_base_weights(path, torch.float32)


def test_a_file_without_some_weights_is_refused(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"blk.3.ffn_up.weight", b"blk.3.ffn_xx.weight"))
    with pytest.raises(ModelError, match="Fetch it again"):
        read_base_weights(path, torch.float32)
