"""The planner's predictions of time and memory against what trainings took.

Other plans than those by which the cost model is fitted to a device, each run once: most on the
default model, some on the stand-in cloud's (another size) and, where it has been fetched, on
Gemma 3 (another kind, which the autograd back end alone can train). Seconds are those of a clock,
so that they say something on a quiet machine alone: `load` is how many wanted to run meanwhile.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from floe.adapters.architecture import Architecture, read_architecture
from floe.config import Settings
from floe.models.catalog import load_catalog, resolve_model
from floe.records import TrainPlan
from floe.store import Store
from floe.training.planning.calibration import (
    AUTOGRAD_CHECK_RUNS,
    CHECK_RUNS,
    LARGE_CHECK_RUNS,
    CalibrationRun,
    calibrate_hardware,
    measure_run,
)
from floe.training.planning.cost import Workload, predict_peak_mb, predict_seconds
from floe.training.planning.hardware import Hardware, load_or_measure_hardware, save_hardware

_OTHER_KIND: Final = "gemma-3-270m"


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
    plain = [_measure(device, base, each) for each in CHECK_RUNS]
    large = resolve_model(settings.stand_in_model, settings.models_dir)
    plain += [_measure(device, large, each) for each in LARGE_CHECK_RUNS]
    bases = [base, large]
    kinds = settings.models_dir / load_catalog()[_OTHER_KIND].filename
    if kinds.is_file():
        bases.append(kinds)
    autograd = [_measure(device, each, run) for each in bases for run in AUTOGRAD_CHECK_RUNS]
    return {
        "autograd_plans": autograd,
        "worst_autograd_time_error": _worst(autograd, "time_error"),
        "worst_autograd_memory_error": _worst(autograd, "memory_error"),
        "plans": plain,
        "calibrated": bool(device.time_factors),
        "worst_time_error": _worst(plain, "time_error"),
        "worst_memory_error": _worst(plain, "memory_error"),
    }


def _worst(rows: Sequence[dict[str, Any]], kind: str) -> float:
    return max((float(row[kind]) for row in rows), key=abs)


def _measure(device: Hardware, base: Path, run: CalibrationRun) -> dict[str, Any]:
    """Run the trainer once, and say on stderr at once what came out: a bench may be cut short."""
    found = measure_run(base, run, device.cores)
    plan = run.plan(device.cores)
    row = {
        "model": base.name,
        "plan": run.name,
        **_compare(
            device, read_architecture(base), plan, found.workload, found.seconds, found.peak_mb
        ),
        "cpu_seconds": round(found.cpu_seconds, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(row), file=sys.stderr)
    return row


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
