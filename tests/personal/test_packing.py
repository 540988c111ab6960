"""Batches without padding: everything once, nothing too long, and the same loss as alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from floe.personal.base import read_base
from floe.personal.lora import Lora
from floe.personal.network import Network
from floe.personal.packing import Example, pack
from tests.personal.tiny import write_tiny

LENGTHS = (5, 40, 9, 3, 70, 20, 7)


def examples() -> list[Example]:
    random = np.random.default_rng(0)
    return [
        Example(
            tokens=random.integers(0, 256, n).astype(np.int32),
            targets=random.integers(0, 256, n).astype(np.int32),
            weights=(random.random(n) < 0.7).astype(np.float32),
            text_bytes=n,
        )
        for n in LENGTHS
    ]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    base = read_base(write_tiny(tmp_path / "tiny.gguf"), torch.float32)
    lora = Lora(
        base.architecture,
        rank=2,
        alpha=4.0,
        modules=("q_proj", "up_proj"),
        layers=2,
        dtype=torch.float32,
        seed=0,
    )
    random = np.random.default_rng(1)
    lora.load(
        {
            name: (a, random.normal(scale=0.1, size=b.shape).astype(np.float32))
            for name, (a, b) in lora.factors().items()
        }
    )
    return Network(base, lora)


def test_every_example_comes_once_and_in_the_given_order() -> None:
    order = [6, 2, 4, 0, 1, 3, 5]
    batches = pack(LENGTHS, 60, order)
    members = [i for batch in batches for one in batch for i in one]
    assert sorted(members) == list(range(len(LENGTHS)))
    assert [sorted(i for one in batch for i in one) for batch in batches] == [
        [2, 6],
        [4],
        [0, 1, 3],
        [5],
    ]


def test_a_batch_is_no_longer_than_asked_but_for_one_long_example() -> None:
    for batch in pack(LENGTHS, 60):
        members = [i for one in batch for i in one]
        assert sum(LENGTHS[i] for i in members) <= 60 or len(members) == 1


def test_short_examples_share_a_bin_and_long_ones_have_their_own() -> None:
    (batch,) = pack(LENGTHS, 1000, bin_tokens=32)
    for one in batch:
        assert sum(LENGTHS[i] for i in one) <= 32 or len(one) == 1
    assert len(batch) == 4  # 70 | 40 | 20 + 9 + 3 | 7 + 5


def test_packed_examples_have_the_loss_and_gradient_that_they_have_alone(network: Network) -> None:
    some = examples()
    gradient = network.lora.parameters.grad
    assert gradient is not None
    total = sum(float(example.weights.sum()) for example in some)
    alone = torch.zeros_like(gradient)
    loss = 0.0
    for example in some:
        gradient.zero_()
        batch = network.batch([example], ((0,),))
        share = float(example.weights.sum()) / total
        loss += share * network.step(batch, network.trunk(batch))
        network.lora.clean_gradient()
        alone += share * gradient
    gradient.zero_()
    (packed,) = pack(LENGTHS, 1000, bin_tokens=32)
    batch = network.batch(some, packed)
    together = network.step(batch, network.trunk(batch))
    network.lora.clean_gradient()
    assert together == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(gradient, alone, rtol=1e-4, atol=1e-6)


def test_what_frozen_layers_make_of_an_example_does_not_depend_on_its_neighbours(
    network: Network,
) -> None:
    some = examples()
    together = network.trunks(some, 1000)
    for example, states in zip(some, together, strict=True):
        (alone,) = network.trunks([example], 1000)
        torch.testing.assert_close(states, alone)
