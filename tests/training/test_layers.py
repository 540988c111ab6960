"""Gradients worked out by hand, held against autograd through transformers and peft."""

from pathlib import Path

import numpy as np
import pytest
import torch

from floe.adapters.lora_defaults import MODULES
from floe.training.backends.cpu.base_weights import BaseWeights, read_base_weights
from floe.training.backends.cpu.layers import exponentials
from floe.training.backends.cpu.lora_parameters import Lora
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import Example, pack
from tests.training.tiny import write_tiny
from tests.training.torch_side import from_gguf
from tests.training.torch_side import lora as with_lora

RANK, ALPHA = 3, 5.0


def fresh(base: BaseWeights, modules: tuple[str, ...] = MODULES) -> Lora:
    return Lora(
        base.architecture,
        rank=RANK,
        alpha=ALPHA,
        modules=modules,
        layers=2,
        dtype=torch.float32,
        seed=0,
    )


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    ("kind", "modules"), [("llama", MODULES), ("qwen2", ("q_proj", "v_proj", "down_proj"))]
)
def test_gradients_are_those_of_peft(
    tmp_path: Path, kind: str, modules: tuple[str, ...], checkpointing: bool
) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", kind)
    base = read_base_weights(path, torch.float32)
    lora = fresh(base, modules)
    random = np.random.default_rng(0)
    factors = {
        name: (a, random.normal(scale=0.1, size=b.shape).astype(np.float32))
        for name, (a, b) in lora.factors().items()
    }
    lora.load(factors)
    reference = with_lora(
        from_gguf(path),
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=list(modules),
        layers_to_transform=[2, 3],
    )
    named = dict(reference.named_parameters())
    with torch.no_grad():
        for name, pair in factors.items():
            for half, values in zip("AB", pair, strict=True):
                key = f"base_model.model.{name}.lora_{half}.default.weight"
                named[key].copy_(torch.from_numpy(values))
    examples = [
        Example(
            random.integers(0, 256, n).astype(np.int32),
            random.integers(0, 256, n).astype(np.int32),
            (random.random(n) < 0.7).astype(np.float32) * (1 + n % 2),
            n,
        )
        for n in (5, 9, 3, 20, 7)
    ]
    total = sum(float(example.weights.sum()) for example in examples)
    expected = torch.zeros(())
    for example in examples:
        logits = reference(input_ids=torch.from_numpy(example.tokens)[None].long()).logits[0]
        losses = torch.nn.functional.cross_entropy(
            logits, torch.from_numpy(example.targets).long(), reduction="none"
        )
        expected = expected + (losses * torch.from_numpy(example.weights)).sum() / total
    expected.backward()  # type: ignore[no-untyped-call]

    network = LoraNetwork(base, lora)
    (packed,) = pack([len(example) for example in examples], 1000, bin_tokens=16)
    batch = network.batch(examples, packed)
    loss = network.step(batch, network.frozen_prefix(batch), checkpointing=checkpointing)
    lora.clean_gradient()
    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    assert lora.parameters.grad is not None
    lora.parameters.copy_(lora.parameters.grad)
    for name, pair in lora.factors().items():
        for half, values in zip("AB", pair, strict=True):
            gradient = named[f"base_model.model.{name}.lora_{half}.default.weight"].grad
            assert gradient is not None
            np.testing.assert_allclose(values, gradient.numpy(), rtol=1e-4, atol=1e-6)


def test_dropout_with_checkpointing_drops_the_same_values_twice(tmp_path: Path) -> None:
    base = read_base_weights(write_tiny(tmp_path / "tiny.gguf"), torch.float32)
    gradients = []
    for checkpointing in (False, True):
        lora = fresh(base)
        network = LoraNetwork(base, lora)
        example = Example(
            np.arange(40, dtype=np.int32),
            np.arange(1, 41, dtype=np.int32),
            np.ones(40, np.float32),
            40,
        )
        batch = network.batch([example], ((0,),))
        torch.manual_seed(1)
        network.step(batch, network.frozen_prefix(batch), dropout=0.5, checkpointing=checkpointing)
        assert lora.parameters.grad is not None
        gradients.append(lora.parameters.grad.clone())
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("shift", [0.0, 3.0, -3000.0, 3000.0])
def test_attention_weights_are_a_softmax_however_large_the_scores(shift: float) -> None:
    scores = torch.randn(3, 7, 11, generator=torch.Generator().manual_seed(0)) * 4 + shift
    scores[..., 9:] = -torch.inf
    expected = torch.softmax(scores, dim=-1)
    values, inverse = exponentials(scores)
    torch.testing.assert_close(values * inverse, expected)


def test_what_is_made_again_to_save_memory_gives_the_same_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = read_base_weights(write_tiny(tmp_path / "tiny.gguf"), torch.float32)
    tokens = np.arange(40, dtype=np.int32)
    example = Example(tokens, tokens + 1, np.ones(40, np.float32), 40)
    gradients = []
    for most in (40, 39):
        monkeypatch.setattr("floe.training.backends.cpu.layers.KEPT_TOKENS", most)
        lora = fresh(base)
        network = LoraNetwork(base, lora)
        batch = network.batch([example], ((0,),))
        network.step(batch, network.frozen_prefix(batch))
        gradients.append(lora.gradient.clone())
    assert torch.equal(gradients[0], gradients[1])
    assert gradients[0].any()
