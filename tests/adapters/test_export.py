"""Adapters on disk mean the same in peft and in llama.cpp as in training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from floe.adapters.architecture import read_architecture
from floe.adapters.export import (
    permute,
    rank_of,
    read_gguf,
    read_peft,
    unpermute,
    write_gguf,
    write_peft,
)
from floe.adapters.lora_defaults import MODULES
from floe.adapters.lora_factors import Factors, module_name, truncate
from floe.errors import ModelError
from floe.llama.runtime import LlamaModel
from tests.training.tiny import HIDDEN, LAYERS, write_tiny
from tests.training.torch_side import from_gguf, with_adapter

ALPHA = 6.0


def random_factors(path: Path, layers: range, scale: float = 0.3, rank: int = 3) -> Factors:
    architecture = read_architecture(path)
    random = np.random.default_rng(0)
    found: Factors = {}
    for layer in layers:
        for module in MODULES:
            outputs, inputs = architecture.module_shape(module)
            found[module_name(layer, module)] = (
                random.normal(scale=inputs**-0.5, size=(rank, inputs)).astype(np.float32),
                random.normal(scale=scale, size=(outputs, rank)).astype(np.float32),
            )
    return found


def mean_kl(p: NDArray[np.float32], q: NDArray[np.float32]) -> float:
    log_p = torch.from_numpy(p.astype(np.float64)).log_softmax(-1)
    log_q = torch.from_numpy(q.astype(np.float64)).log_softmax(-1)
    return float((log_p.exp() * (log_p - log_q)).sum(-1).mean())


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_an_exported_adapter_says_the_same_in_llama_cpp_as_in_peft(
    tmp_path: Path, kind: str
) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", kind)
    factors = random_factors(path, range(1, LAYERS))
    architecture = read_architecture(path)
    write_peft(tmp_path / "adapter", factors, alpha=ALPHA, base_name="tiny")
    write_gguf(tmp_path / "adapter.gguf", factors, alpha=ALPHA, architecture=architecture)
    tokens = list(b"the harbour is calm today")
    with LlamaModel(path, context=64) as model:
        bare = model.evaluate(tokens, len(tokens)).copy()
        model.use_adapters([(model.load_adapter(tmp_path / "adapter.gguf"), 1.0)])
        adapted = model.evaluate(tokens, len(tokens)).copy()
        model.use_adapters([])
        assert np.array_equal(model.evaluate(tokens, len(tokens)), bare)
    reference = from_gguf(path)
    with torch.no_grad():
        ids = torch.tensor([tokens])
        torch_bare = reference(input_ids=ids).logits[0].numpy()
        torch_adapted = (
            with_adapter(reference, tmp_path / "adapter")(input_ids=ids).logits[0].numpy()
        )
    assert mean_kl(torch_bare, bare) < 1e-4
    assert mean_kl(torch_adapted, torch_bare) > 0.1
    assert mean_kl(torch_adapted, adapted) < 1e-4


def test_on_the_real_model_too(smollm: LlamaModel, smollm_path: Path, tmp_path: Path) -> None:
    factors = random_factors(smollm_path, range(15, 30), scale=0.1)
    architecture = read_architecture(smollm_path)
    write_peft(tmp_path / "adapter", factors, alpha=ALPHA, base_name="smollm")
    write_gguf(tmp_path / "adapter.gguf", factors, alpha=ALPHA, architecture=architecture)
    tokens = smollm.tokenize(b"The harbour was calm that morning, and all the boats were in. " * 4)
    smollm.roll_back(0)
    smollm.use_adapters([(smollm.load_adapter(tmp_path / "adapter.gguf"), 1.0)])
    adapted = smollm.evaluate(tokens, len(tokens)).copy()
    smollm.use_adapters([])
    bare = smollm.evaluate(tokens, len(tokens)).copy()
    smollm.roll_back(0)
    with torch.no_grad():
        reference = with_adapter(from_gguf(smollm_path), tmp_path / "adapter")
        expected = reference(input_ids=torch.tensor([tokens])).logits[0].numpy()
    assert mean_kl(expected, bare) > 0.03
    assert mean_kl(expected, adapted) < 0.01
    assert (expected.argmax(1) == adapted.argmax(1)).mean() >= 0.9


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_factors_come_back_as_they_went(tmp_path: Path, kind: str) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", kind)
    factors = random_factors(path, range(2, LAYERS))
    architecture = read_architecture(path)
    write_peft(tmp_path / "adapter", factors, alpha=ALPHA, base_name="tiny")
    write_gguf(tmp_path / "adapter.gguf", factors, alpha=ALPHA, architecture=architecture)
    for back, alpha in (
        read_peft(tmp_path / "adapter"),
        read_gguf(tmp_path / "adapter.gguf", architecture),
    ):
        assert alpha == ALPHA
        assert back.keys() == factors.keys()
        for name, (a, b) in factors.items():
            assert np.array_equal(back[name][0], a)
            assert np.array_equal(back[name][1], b)


def test_rows_of_q_and_k_go_from_halves_to_pairs_and_back() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]
    # One head of eight: (0, 4) are a pair, then (1, 5), ...
    assert permute(rows, 1)[:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert permute(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert np.array_equal(unpermute(permute(rows, 2), 2), rows)


def test_a_broken_adapter_is_refused_in_words(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    factors = random_factors(path, range(1))
    write_peft(tmp_path / "adapter", factors, alpha=ALPHA, base_name="tiny")
    tensors = tmp_path / "adapter" / "adapter_model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read"):
        read_peft(tmp_path / "adapter")
    with pytest.raises(ModelError, match="cannot be read"):
        read_peft(tmp_path / "nothing")


def test_an_adapter_for_another_kind_of_base_is_refused(tmp_path: Path) -> None:
    llama = write_tiny(tmp_path / "llama.gguf")
    qwen = write_tiny(tmp_path / "qwen.gguf", "qwen2")
    write_gguf(
        tmp_path / "adapter.gguf",
        random_factors(llama, range(1)),
        alpha=ALPHA,
        architecture=read_architecture(llama),
    )
    with pytest.raises(ModelError, match="another model"):
        read_gguf(tmp_path / "adapter.gguf", read_architecture(qwen))


def test_factors_of_unequal_ranks_have_no_one_rank() -> None:
    one = (np.zeros((2, 4), np.float32), np.zeros((4, 2), np.float32))
    two = (np.zeros((3, 4), np.float32), np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="one rank"):
        rank_of({"a": one, "b": two})


def test_truncation_is_the_best_approximation_of_a_smaller_rank() -> None:
    random = np.random.default_rng(0)
    a = random.normal(size=(5, 12)).astype(np.float32)
    b = random.normal(size=(9, 5)).astype(np.float32)
    low_a, low_b = truncate(a, b, 2)
    u, s, vt = np.linalg.svd(b @ a)
    np.testing.assert_allclose(low_b @ low_a, (u[:, :2] * s[:2]) @ vt[:2], atol=1e-4)


def test_the_peft_folder_names_what_is_adapted(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    write_peft(tmp_path / "a", random_factors(path, range(2, 4)), alpha=ALPHA, base_name="tiny")
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["layers_to_transform"]) == (3, ALPHA, [2, 3])
    assert config["target_modules"] == sorted(MODULES)
    assert read_architecture(path).hidden == HIDDEN


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        "7",
        "[" * 100_000,
        '{"lora_alpha": null}',
        '{"lora_alpha": NaN}',
        '{"lora_alpha": 1e400}',
        '{"lora_alpha": "6"}',
        '{"lora_alpha": 1' + "0" * 400 + "}",
        " " * 1_000_001,
    ],
)
def test_a_foreign_folder_with_a_hostile_config_is_refused(tmp_path: Path, config: str) -> None:
    path = write_tiny(tmp_path / "base.gguf")
    folder = tmp_path / "adapter"
    write_peft(folder, random_factors(path, range(1)), alpha=ALPHA, base_name="base")
    (folder / "adapter_config.json").write_text(config)
    with pytest.raises(ModelError, match="cannot be read"):
        read_peft(folder)
