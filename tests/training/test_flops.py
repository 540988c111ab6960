"""The count of operations, worked out by hand for a model of two layers."""

import numpy as np

from floe.adapters.architecture import Architecture
from floe.training.data.packing import Example
from floe.training.planning.flops import TokenCounts, training_flops
from tests.training.runs_of_tiny import plan

# q 4x4, k 2x4, v 2x4, o 4x4, gate 6x4, up 6x4, down 4x6: 120 weights a layer, 32 of q, k and v.
SMALL = Architecture("llama", 2, 4, 2, 1, 2, 6, 10, 64, 10000.0, 1e-5)
TWO = TokenCounts(tokens=2, targets=1, pairs=3)
NONE = TokenCounts(0, 0, 0)


def test_one_epoch_with_an_adapter_on_the_upper_layer() -> None:
    found = training_flops(
        SMALL, plan(rank=1, modules=("q_proj",), layers=1), TWO, NONE, epochs=1, evaluations=0
    )
    layer = 2 * 2 * 120 + 3 * 4 * 4  # two tokens through the weights, three pairs of four numbers
    head = 2 * 4 * 10
    thin = 2 * 2 * (4 + 4)
    backward = 2 * 2 * (120 - 32) + 2 * 3 * 4 * 4 + head + 2 * thin
    assert found == layer + layer + head + thin + backward


def test_the_frozen_part_is_counted_once_for_all_epochs() -> None:
    some = plan(layers=1)
    one, two, three = (
        training_flops(SMALL, some, TWO, NONE, epochs=n, evaluations=0) for n in (1, 2, 3)
    )
    assert three - two == two - one < one


def test_a_look_is_a_forward_pass() -> None:
    some = plan(rank=1, modules=("q_proj",), layers=2)
    without = training_flops(SMALL, some, TWO, TWO, epochs=1, evaluations=0)
    evaluate = training_flops(SMALL, some, TWO, TWO, epochs=1, evaluations=1) - without
    assert evaluate == 2 * (2 * 2 * 120 + 3 * 4 * 4) + 2 * (2 * 2 * 8) + 2 * 4 * 10


def test_pairs_are_those_of_causal_attention() -> None:
    weights = np.array([0, 1, 1], np.float32)
    example = Example(np.zeros(3, np.int32), np.zeros(3, np.int32), weights, 2)
    assert TokenCounts.of([example, example]) == TokenCounts(tokens=6, targets=4, pairs=12)
