"""The planner picks what learns the most within memory and time, and its prices follow the work."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.adapters.architecture import Architecture, read_architecture
from floe.adapters.lora_defaults import MODULES
from floe.chats.jsonl import import_chats
from floe.errors import TrainingError
from floe.llama.threads import usable_cores
from floe.records import TrainPlan
from floe.store import Store
from floe.training.adapter_scale import choose_adapter_scale
from floe.training.data.dataset import Selection, build_dataset
from floe.training.planning.calibration import (
    CALIBRATION_RUNS,
    CHECK_RUNS,
    CalibrationRun,
    fit_constants,
    measure_run,
)
from floe.training.planning.cost import (
    Workload,
    predict_peak_mb,
    predict_seconds,
    time_work,
)
from floe.training.planning.hardware import (
    SETTING,
    Hardware,
    load_hardware,
    load_or_measure_hardware,
    save_hardware,
)
from floe.training.planning.plan import choose_plan, smaller_plan, workload_of

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
DEVICE = Hardware(2, 180.0, 750.0, 1.3, 0.0)
SMOLLM = Architecture("llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, 1e5, 1e-5)
WORK = Workload(3200, 2600, 900, 750, 250)


def plan_for(
    device: Hardware = DEVICE, memory: float = 2000, deadline: float = 60, work: Workload = WORK
) -> TrainPlan:
    return choose_plan(device, SMOLLM, work, memory_limit_mb=memory, deadline_s=deadline)


def test_the_cost_counts_as_many_scales_as_the_trainer_may_try() -> None:
    tried: list[float] = []

    def held_out(scale: float) -> float:
        tried.append(scale)
        return 2.0 - scale

    choose_adapter_scale(lambda scale: 1.0 + scale, held_out, 3.0)
    plan = plan_for()
    more = dataclasses.replace(WORK, held_out_targets=WORK.held_out_targets + 1)
    head = [time_work(DEVICE, SMOLLM, plan, work)["head"] for work in (WORK, more)]
    one_row = SMOLLM.hidden * SMOLLM.vocabulary / 1e9 * DEVICE.speed(plan.precision).head
    evaluations = (head[1] - head[0]) / one_row
    # Once before, after each pass, and at each scale but the full one, at which it is known then.
    assert evaluations == pytest.approx(1 + plan.epochs + len(tried) - 1)


def test_general_text_counts_as_far_as_the_adapter_acts_on_it() -> None:
    plan = plan_for()
    none, all_ = (
        predict_seconds(DEVICE, SMOLLM, plan, dataclasses.replace(WORK, taken=share))
        for share in (0.0, 1.0)
    )
    assert 1.05 * none < all_ < 2 * none


def test_the_reason_names_shape_time_memory_and_both_limits() -> None:
    plan = plan_for()
    assert plan.reason == (
        "rank 8 on the v, o and down projections of all 30 layers, 512 tokens a batch, 3 passes, "
        f"about {plan.seconds:.0f} s and {plan.peak_mb / 1000:.1f} GB on 2 cores: "
        "2.0 GB may be used and you asked for under a minute"
    )


def test_without_a_limit_of_its_own_a_plan_leaves_memory_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for place in ("plan", "hardware"):
        monkeypatch.setattr(f"floe.training.planning.{place}.free_memory_mb", lambda: 2500.0)
    plan = choose_plan(DEVICE, SMOLLM, WORK)
    assert plan.peak_mb <= 1500
    assert "2.5 GB are free" in plan.reason


@settings(deadline=None)
@given(st.floats(1200, 2000), st.floats(5, 200))
def test_a_plan_stays_within_its_limits_or_says_that_none_does(
    memory: float, deadline: float
) -> None:
    plan = plan_for(memory=memory, deadline=deadline)
    assert plan.peak_mb <= memory
    assert plan.seconds <= deadline or "no plan takes less" in plan.reason


def test_too_little_memory_for_any_plan_is_told() -> None:
    with pytest.raises(TrainingError, match=r"needs at least \d\.\d GB .* 0\.2 GB may be used"):
        plan_for(memory=200)


def test_more_time_or_memory_never_gives_a_poorer_plan() -> None:
    sizes = [
        plan.rank * plan.layers * len(plan.modules) * plan.epochs
        for plan in (plan_for(deadline=s) for s in (12, 20, 40, 80))
    ]
    assert sizes == sorted(sizes)


def test_a_weak_device_gets_a_smaller_plan() -> None:
    weak = plan_for(DEVICE.with_cores(1), memory=1500, deadline=25)
    strong = plan_for(memory=2000, deadline=25)
    assert weak.threads == 1
    assert weak.peak_mb <= 1500
    assert weak.seconds <= 25
    assert weak.rank * weak.layers * weak.epochs < strong.rank * strong.layers * strong.epochs


def test_the_faster_precision_is_taken() -> None:
    assert plan_for().precision == "bfloat16"
    slow = dataclasses.replace(DEVICE, bfloat16_gflops=20.0)
    assert plan_for(slow, deadline=600).precision == "float32"


def test_few_rows_come_in_smaller_batches() -> None:
    assert plan_for(work=Workload(700, 500, 200, 150, 200)).batch_tokens == 128
    assert plan_for(work=Workload(20000, 16000, 4000, 3000, 400), deadline=600).batch_tokens == 512


def test_what_outgrew_its_limit_is_followed_by_less() -> None:
    first = plan_for(memory=2000)
    second = smaller_plan(DEVICE, SMOLLM, first, 0.95 * first.peak_mb)
    assert second is not None
    assert second.peak_mb < 0.86 * first.peak_mb
    assert smaller_plan(DEVICE, SMOLLM, first, 100) is None


@pytest.mark.parametrize(
    ("change", "more_time", "more_memory"),
    [
        ({"layers": 30}, True, True),
        ({"epochs": 8}, True, True),
        ({"checkpointing": True}, True, False),
        ({"batch_tokens": 1024}, False, True),
        ({"precision": "float32"}, True, True),
        ({"rank": 64}, True, True),
    ],
)
def test_prices_follow_the_work(
    change: dict[str, object], more_time: bool, more_memory: bool
) -> None:
    plan = CalibrationRun(epochs=4, layers=15, modules=MODULES).plan(2)
    dearer = dataclasses.replace(plan, **change)  # type: ignore[arg-type]
    took, takes = (predict_seconds(DEVICE, SMOLLM, p, WORK) for p in (plan, dearer))
    held, holds = (predict_peak_mb(DEVICE, SMOLLM, p, WORK) for p in (plan, dearer))
    assert (takes > took) == more_time
    assert (holds > held) == more_memory


def test_half_the_cores_take_longer_but_not_more_memory() -> None:
    plan = CalibrationRun(epochs=4).plan(2)
    one = DEVICE.with_cores(1)
    assert predict_seconds(one, SMOLLM, plan, WORK) > 1.3 * predict_seconds(
        DEVICE, SMOLLM, plan, WORK
    )
    assert predict_peak_mb(one, SMOLLM, plan, WORK) == predict_peak_mb(DEVICE, SMOLLM, plan, WORK)


def test_fitting_finds_the_constants_that_made_the_measurements() -> None:
    rng = np.random.default_rng(0)
    truth = {"a": 2.0, "b": 0.0, "c": 0.5}
    work = [{kind: float(rng.uniform(1, 10)) for kind in truth} for _ in range(8)]
    measured = [sum(row[kind] * truth[kind] for kind in truth) for row in work]
    assert fit_constants(work, measured) == pytest.approx(truth, abs=1e-9)


def test_the_plans_that_check_the_model_are_not_those_it_was_fitted_to() -> None:
    assert len(CHECK_RUNS) >= 12
    assert not set(CHECK_RUNS) & set(CALIBRATION_RUNS)


def test_tokens_are_counted_as_the_trainer_counts_them(store: Store, smollm_path: Path) -> None:
    import_chats(store, EXAMPLES / "site.jsonl")
    data = build_dataset(store, Selection(system_prompt="Be brief."), lambda _: True)
    work, _ = workload_of(smollm_path, data.lines())
    assert work.targets < work.tokens
    assert work.held_out_targets < work.held_out < work.tokens
    assert 100 < work.longest <= 512


def test_the_header_of_the_base_is_enough_to_plan(smollm_path: Path) -> None:
    architecture = read_architecture(smollm_path)
    assert (architecture.layers, architecture.hidden) == (SMOLLM.layers, SMOLLM.hidden)
    assert choose_plan(DEVICE, architecture, WORK, memory_limit_mb=2000).layers == 30


def test_the_device_is_measured_once_and_again_when_its_cores_change(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = load_or_measure_hardware(store)
    assert device.float32_gflops > 1
    assert device.bfloat16_gflops > 1
    monkeypatch.setattr("floe.training.planning.hardware.measure_hardware", pytest.fail)
    assert load_or_measure_hardware(store) == device
    save_hardware(store, dataclasses.replace(device, cores=device.cores + 1))
    assert load_hardware(store) is None


def test_a_device_that_was_measured_in_an_earlier_way_is_measured_anew(store: Store) -> None:
    here = dataclasses.replace(DEVICE, cores=usable_cores())
    save_hardware(store, here)
    assert load_hardware(store) == here
    kept = dataclasses.asdict(here)
    del kept["method"]
    store.set_setting(SETTING, kept)
    assert load_hardware(store) is None


def test_planning_does_not_load_torch() -> None:
    code = (
        "import sys, floe.training.planning.plan, floe.training.runs, floe.training.data.dataset;"
        "print('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_weak_device_completes_its_plan_within_its_memory(smollm_path: Path) -> None:
    weak = choose_plan(
        DEVICE.with_cores(1), SMOLLM, Workload.of_tokens(600), memory_limit_mb=1500, deadline_s=20
    )
    run = CalibrationRun(
        weak.rank,
        weak.modules,
        weak.layers,
        weak.batch_tokens,
        weak.sequence_length,
        weak.checkpointing,
        weak.precision,
        epochs=1,
        rows=2,
        sentences=4,
    )
    peak = measure_run(smollm_path, run, 1).peak_mb
    assert peak <= 1500
