"""A device's answers, message by message, with a hand-sized model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from floe.errors import FederationError
from floe.federation.app.array_records import from_record, to_record
from floe.federation.app.learner import Learner
from floe.federation.app.limits import LIMITS
from floe.federation.app.messages import CENTROIDS, CONFIG, START, UPDATE
from floe.federation.app.participant import Participant
from floe.federation.app.recipe import common_start
from floe.federation.app.update import from_arrays
from floe.federation.group.history import History
from floe.federation.maths.aggregate import _in_order_of_size
from floe.federation.simulation.simulated_device import simulated_device
from floe.store import Store
from tests.federation.small import TINY, use_small_tasks
from tests.training.tiny import write_tiny


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_small_tasks(tmp_path, monkeypatch)
    return write_tiny(tmp_path / "tiny.gguf")


def task(base_sha256: str, **other: Any) -> RecordDict:
    config = {
        "round": 1,
        "rounds": 1,
        "base": base_sha256,
        "clip": 1e6,
        "cluster": "",
        "report": "",
    }
    return RecordDict({CONFIG: ConfigRecord(TINY.write() | config | other)})


def test_what_a_device_sends_is_what_it_learnt_as_singular_vectors_in_order(base: Path) -> None:
    device = simulated_device(1, base)
    reply = Participant(2, device, RecordDict()).train(task(device.base_sha256))
    sent = from_arrays(from_record(reply.array_records[UPDATE], 10**7, 100)).factors
    learner = Learner.shared(base, TINY, device.precision)
    start = common_start(learner.shapes(), device.rank)
    learnt = learner.train(learner.examples(device.train), start, device.rank, seed=2001)
    assert sent.keys() == learnt.keys()
    for module, (a, b) in sent.items():
        right = learnt[module][1] @ learnt[module][0]
        np.testing.assert_allclose(b @ a, right, atol=1e-5 * np.abs(right).max())
        for gram in (a @ a.T, b.T @ b):
            sizes = np.diag(gram)
            np.testing.assert_allclose(gram, np.diag(sizes), atol=1e-5 * sizes[0])
            assert (np.diff(sizes) <= 1e-6 * sizes[0]).all()
        # The server, which believes nobody, finds so too and leaves its costlier half out.
        assert _in_order_of_size(b.T[None], a[None]).all()


def test_a_start_that_overflows_is_answered_with_a_sentence(base: Path) -> None:
    device = simulated_device(1, base)
    content = task(device.base_sha256, cluster="g1")
    learner = Learner.shared(base, TINY, device.precision)
    start = common_start(learner.shapes(), device.rank)
    start = {module: (a, np.full_like(b, 1e38)) for module, (a, b) in start.items()}
    arrays = {}
    for module, (a, b) in start.items():
        arrays[module + ".lora_A"], arrays[module + ".lora_B"] = a, b
    content[START] = to_record(arrays)
    with pytest.raises(FederationError, match="beyond recognition"):
        Participant(2, device, RecordDict()).train(content)
    with pytest.raises(FederationError, match="astray"):
        learner.train(learner.examples(device.train), start, device.rank, seed=1)


def no_training(*_: object) -> None:
    pytest.fail("the device began to train")


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (
            {"local-epochs": 5000, "learning-rate": 1.0},
            "asks for epochs 5000; this device takes part with at most 5 epochs a round",
        ),
        ({"learning-rate": 1.0}, "a learning rate of 1.0; .* one of at most 0.02"),
        ({"learning-rate": float("nan")}, "a learning rate of nan"),
        ({"layers": 0}, "layers 0; .* 1 to 256 layers"),
        ({"modules": "q_proj,embed_tokens"}, "an adapter on q_proj,embed_tokens"),
        ({"sequence-length": 10**6}, "sequence length 1000000; .* at most 1,024 tokens a row"),
        ({"batch-tokens": 10**6}, "batch tokens 1000000; .* at most 1,024 tokens a step"),
        ({"rounds": 10**6}, "rounds 1000000; .* 1 to 1000"),
        ({"cluster": "../../../x"}, "names a cluster in a way"),
        ({"clip": float("inf")}, "its clip is no number"),
        ({"report": "{"}, "its report cannot be read"),
        ({"more": 1}, "one too many"),
    ],
)
def test_a_round_beyond_the_limits_is_refused_before_anything_is_computed(
    base: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], sentence: str
) -> None:
    device = simulated_device(1, base)
    monkeypatch.setattr(Learner, "shared", no_training)
    with pytest.raises(FederationError, match=sentence):
        Participant(2, device, RecordDict()).train(task(device.base_sha256, **other))


def test_training_stops_when_a_round_takes_too_long(base: Path) -> None:
    device = simulated_device(1, base)
    limits = replace(LIMITS, seconds=0.0)
    with pytest.raises(FederationError, match="longer than this device allows"):
        Participant(2, device, RecordDict(), limits).train(task(device.base_sha256))


def test_a_device_takes_part_so_often_a_day_and_again_the_next(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "floe.db")
    group = History(store).begin("joined", {}, "")
    device = replace(simulated_device(1, base), home=(tmp_path, group))
    limits = replace(LIMITS, rounds_a_day=2)
    now = 1_000_000_000.0
    monkeypatch.setattr("floe.federation.app.participant.time.time", lambda: now)
    for _ in range(2):
        Participant(2, device, RecordDict(), limits).train(task(device.base_sha256))
    with pytest.raises(FederationError, match=r"2 rounds today; .* again tomorrow"):
        Participant(2, device, RecordDict(), limits).train(task(device.base_sha256))
    now += 86_400
    Participant(2, device, RecordDict(), limits).train(task(device.base_sha256))


def test_experts_before_any_round_are_answered_with_a_sentence(base: Path) -> None:
    content = RecordDict({CONFIG: ConfigRecord({"report": ""}), CENTROIDS: to_record({})})
    with pytest.raises(FederationError, match="no round yet"):
        Participant(2, simulated_device(1, base), RecordDict()).close(content)
