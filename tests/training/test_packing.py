"""Batches without padding: everything once, nothing too long, and the same loss as alone."""

from pathlib import Path

import pytest
import torch

from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import pack
from tests.training.random_rows import examples, network_of

LENGTHS = (5, 40, 9, 3, 70, 20, 7)


@pytest.fixture
def network(tmp_path: Path) -> LoraNetwork:
    return network_of(tmp_path)


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


def test_packed_examples_have_the_loss_and_gradient_that_they_have_alone(
    network: LoraNetwork,
) -> None:
    some = examples(LENGTHS)
    gradient = network.lora.parameters.grad
    assert gradient is not None
    total = sum(float(example.weights.sum()) for example in some)
    alone = torch.zeros_like(gradient)
    loss = 0.0
    for example in some:
        gradient.zero_()
        batch = network.batch([example], ((0,),))
        share = float(example.weights.sum()) / total
        loss += share * network.step(batch, network.frozen_prefix(batch))
        network.lora.clean_gradient()
        alone += share * gradient
    gradient.zero_()
    (packed,) = pack(LENGTHS, 1000, bin_tokens=32)
    batch = network.batch(some, packed)
    together = network.step(batch, network.frozen_prefix(batch))
    network.lora.clean_gradient()
    assert together == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(gradient, alone, rtol=1e-4, atol=1e-6)


def test_what_frozen_layers_make_of_an_example_does_not_depend_on_its_neighbours(
    network: LoraNetwork,
) -> None:
    some = examples(LENGTHS)
    together = network.frozen_prefixes(some, 1000)
    for example, states in zip(some, together, strict=True):
        (alone,) = network.frozen_prefixes([example], 1000)
        torch.testing.assert_close(states, alone)
