"""A device's answers, message by message, with a hand-sized model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

from floe.errors import FederationError
from floe.federation.aggregate import _in_order_of_size
from floe.federation.device import simulated_device
from floe.federation.learner import Learner
from floe.federation.messages import CONFIG, START, UPDATE
from floe.federation.participant import Participant
from floe.federation.recipe import common_start
from floe.federation.update import from_arrays
from floe.federation.wire import from_record, to_record
from tests.federation.small import TINY, use_small_tasks
from tests.personal.tiny import write_tiny


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
    start = common_start(Learner.shared(base, TINY, device.precision).shapes(), device.rank)
    arrays = {}
    for module, (a, b) in start.items():
        arrays[module + ".lora_A"] = a
        arrays[module + ".lora_B"] = np.full_like(b, 1e38)
    content[START] = to_record(arrays)
    with pytest.raises(FederationError, match="astray"):
        Participant(2, device, RecordDict()).train(content)
