"""What this device gives to training does not depend on who else is busy while it is measured."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from pydantic import TypeAdapter

from floe.training.planning import hardware_benchmark
from floe.training.planning.hardware import TrainingSpeed
from floe.training.planning.hardware_benchmark import gflops, training_speed


@pytest.mark.parametrize(("own_share", "found"), [(0.1, 200.0), (1.0, 150.0)])
def test_a_busy_device_is_measured_by_the_clock_of_one_thread(
    own_share: float, found: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once measured while other programs ran, a plan of a minute was told as one of four."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda _count: None)
    wall, own = itertools.count(), itertools.count()
    clocks = SimpleNamespace(
        perf_counter=lambda: float(next(wall)),
        process_time=lambda: 2 * own_share * next(own),
        thread_time=lambda: 0.0,
    )
    monkeypatch.setattr(hardware_benchmark, "time", clocks)
    # All threads together, as the clock on the wall has it; and one by its own.
    speeds = {clocks.perf_counter: 150.0, clocks.thread_time: 100.0}
    monkeypatch.setattr(hardware_benchmark, "_best_gflops", lambda _dtype, clock: speeds[clock])
    assert gflops(torch.float32) == found


def test_the_speed_of_layers_is_measured_by_learning_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware_benchmark, "_LAYER_SECONDS", 0.01)
    shapes = hardware_benchmark._SHAPES[:2]
    monkeypatch.setattr(hardware_benchmark, "_SHAPES", shapes)
    found = TypeAdapter(TrainingSpeed).validate_python(training_speed(torch.bfloat16))
    (small, quick), (large, slow) = found.layers
    assert small < large
    assert 0 < quick < slow
    assert found.head > 0
