"""The planner's predictions of time and memory against what trainings took.

Other plans than those by which the cost model is fitted to a device, each run once. Those of the
autograd back end run on one thread, on the default model and on the stand-in cloud's (another
size), and their seconds are CPU seconds, which do not depend on who else is busy.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from floe.adapters.architecture import Architecture, read_architecture
from floe.config import Settings
from floe.models.catalog import resolve_model
from floe.records import TrainPlan
from floe.store import Store
from floe.training.planning.calibration import (
    AUTOGRAD_CHECK_RUNS,
    CHECK_RUNS,
    calibrate_hardware,
    measure_run,
)
from floe.training.planning.cost import Workload, predict_peak_mb, predict_seconds
from floe.training.planning.hardware import Hardware, load_or_measure_hardware, save_hardware


def run(*, calibrate: bool = False) -> dict[str, Any]:
    """Run the bench.

    Args:
        calibrate: fit the cost model to this device first, and keep it for the planner.

    Raises:
        FloeError: the model cannot be read, or a training failed.
    """
    settings = Settings.load()
    base = resolve_model(settings.model, settings.models_dir)
    architecture = read_architecture(base)
    with Store(settings.database) as store:
        device = load_or_measure_hardware(store)
        if calibrate:
            device = calibrate_hardware(device, base, architecture)
            save_hardware(store, device)
    rows: list[dict[str, Any]] = []
    time_errors, memory_errors = [], []
    for place, each in enumerate(CHECK_RUNS, 1):
        print(f"plan {place} of {len(CHECK_RUNS)}", file=sys.stderr)
        found = measure_run(base, each, device.cores)
        plan = each.plan(device.cores)
        row = _compare(device, architecture, plan, found.workload, found.seconds, found.peak_mb)
        time_errors.append(row["time_error"])
        memory_errors.append(row["memory_error"])
        rows.append({"plan": each.name, **row})
    autograd = _check_autograd(
        device, (base, resolve_model(settings.stand_in_model, settings.models_dir))
    )
    return {
        "autograd_plans": autograd,
        "worst_autograd_time_error": max(abs(row["time_error"]) for row in autograd),
        "worst_autograd_memory_error": max(abs(row["memory_error"]) for row in autograd),
        "plans": rows,
        "calibrated": bool(device.time_factors),
        "worst_time_error": max(map(abs, time_errors)),
        "worst_memory_error": max(map(abs, memory_errors)),
    }


def _check_autograd(device: Hardware, bases: Sequence[Path]) -> list[dict[str, Any]]:
    one = device.with_cores(1)
    rows = []
    for base in bases:
        architecture = read_architecture(base)
        for each in AUTOGRAD_CHECK_RUNS:
            print(f"plan on {base.name}: {each.name}", file=sys.stderr)
            found = measure_run(base, each, 1)
            row = _compare(
                one, architecture, each.plan(1), found.workload, found.cpu_seconds, found.peak_mb
            )
            rows.append({"model": base.name, "plan": each.name, **row})
    return rows


def _compare(
    device: Hardware,
    architecture: Architecture,
    plan: TrainPlan,
    workload: Workload,
    seconds: float,
    peak_mb: float,
) -> dict[str, Any]:
    predicted_seconds = predict_seconds(device, architecture, plan, workload)
    predicted_peak = predict_peak_mb(device, architecture, plan, workload)
    return {
        "seconds": round(seconds, 2),
        "predicted_seconds": round(predicted_seconds, 2),
        "time_error": round(predicted_seconds / seconds - 1, 3),
        "peak_mb": round(peak_mb),
        "predicted_peak_mb": round(predicted_peak),
        "memory_error": round(predicted_peak / peak_mb - 1, 3),
    }
