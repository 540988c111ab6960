"""Threads that share a batch: the same gradient as one, the same again, and nothing left behind."""

from pathlib import Path

import numpy as np
import pytest
import torch

from floe.training.backends.cpu.data_parallel import ThreadedDataParallel
from floe.training.backends.cpu.network import LoraNetwork
from floe.training.data.packing import Shares, replica_count, share
from floe.training.memory_limit import MemoryLimit
from floe.training.training_loop import LoopStep, TrainingLoop
from tests.training.random_rows import backend_of, examples, network_of
from tests.training.runs_of_tiny import plan

LENGTHS = (5, 40, 9, 3, 70, 20, 7, 31)
SHARES: Shares = (((1,), (0, 2)), ((4,),), ((5, 3), (6, 7)))


@pytest.fixture
def network(tmp_path: Path) -> LoraNetwork:
    return network_of(tmp_path)


def stepped(network: LoraNetwork, shares: Shares, *, dropout: float, seed: int) -> torch.Tensor:
    with ThreadedDataParallel(network, threads=2, count=3) as replicas:
        replicas.step(
            examples(LENGTHS),
            shares,
            network.frozen_prefix,
            dropout=dropout,
            checkpointing=False,
            seed=seed,
        )
    return network.lora.gradient.clone()


def test_shares_have_the_loss_and_gradient_of_the_batch_as_a_whole(network: LoraNetwork) -> None:
    whole = network.batch(examples(LENGTHS), tuple(one for part in SHARES for one in part))
    network.lora.gradient.zero_()
    loss = network.step(whole, network.frozen_prefix(whole))
    expected = network.lora.gradient.clone()
    with ThreadedDataParallel(network, threads=2, count=3) as replicas:
        # Twice: what the first leaves behind must not count.
        for _ in range(2):
            shared = replicas.step(
                examples(LENGTHS),
                SHARES,
                network.frozen_prefix,
                dropout=0.0,
                checkpointing=False,
                seed=0,
            )
    assert shared == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(network.lora.gradient, expected, rtol=1e-4, atol=1e-6)


def test_what_is_dropped_depends_on_the_seed_alone(network: LoraNetwork) -> None:
    first = stepped(network, SHARES, dropout=0.5, seed=3)
    assert torch.equal(stepped(network, SHARES, dropout=0.5, seed=3), first)
    assert not torch.equal(stepped(network, SHARES, dropout=0.5, seed=4), first)


def test_a_share_that_fails_ends_the_step_with_its_error(network: LoraNetwork) -> None:
    def watch(_coming: int) -> None:
        raise MemoryLimit("enough")

    network._watch = watch
    with (
        ThreadedDataParallel(network, threads=2, count=2) as replicas,
        pytest.raises(MemoryLimit, match="enough"),
    ):
        replicas.step(
            examples(LENGTHS),
            SHARES[:2],
            network.frozen_prefix,
            dropout=0.0,
            checkpointing=False,
            seed=0,
        )


def test_replicas_leave_torchs_threads_to_everybody_else_as_they_were(network: LoraNetwork) -> None:
    before = torch.get_num_threads()
    stepped(network, SHARES, dropout=0.0, seed=0)
    assert torch.get_num_threads() == before


def test_every_example_is_in_one_share_and_shares_are_as_long_as_each_other() -> None:
    lengths = [20, 300, 170, 30, 310, 180, 175, 600, 165, 25, 180]
    batches = share(lengths, 512, 2, range(len(lengths)))
    members = [i for batch in batches for part in batch for one in part for i in one]
    assert sorted(members) == list(range(len(lengths)))
    sizes = [[sum(lengths[i] for one in part for i in one) for part in batch] for batch in batches]
    # 20, 30 and 25 go with 170; 600 finds no partner that a batch has room for.
    assert sizes == [[600], [310, 300], [245, 180], [180, 175], [165]]


def test_a_batch_is_shared_only_where_each_thread_has_enough_to_do() -> None:
    assert replica_count(512, 2) == 2
    assert replica_count(512, 1) == 1
    assert replica_count(256, 2) == 1
    assert replica_count(1024, 16) == 4


def test_stopped_and_resumed_with_replicas_is_the_same_as_uninterrupted(tmp_path: Path) -> None:
    two = plan(batch_tokens=512, threads=2)
    some = examples((200, 210, 190, 60, 205, 150, 70))
    whole = TrainingLoop(backend_of(tmp_path, two), some, (), two, seed=5).run()
    assert whole.steps > 4
    half = TrainingLoop(backend_of(tmp_path, two), some, (), two, seed=5)
    done: list[LoopStep] = []
    half.run(done.append, lambda: len(done) == 3)
    again = TrainingLoop(backend_of(tmp_path, two), some, (), two, seed=5)
    again.load_state(half.state())
    rest = again.run()
    for name, (a, b) in whole.factors.items():
        assert np.array_equal(a, rest.factors[name][0])
        assert np.array_equal(b, rest.factors[name][1])
