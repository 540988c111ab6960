"""The planner's predictions of time and memory against what trainings took.

Other plans than those by which the cost model is fitted to a device, each run once.
"""

import sys
from typing import Any

from floe.adapters.architecture import read_architecture
from floe.config import Settings
from floe.models.catalog import resolve_model
from floe.store import Store
from floe.training.planning.calibration import CHECK_RUNS, calibrate_hardware, measure_run
from floe.training.planning.cost import predict_peak_mb, predict_seconds
from floe.training.planning.hardware import load_or_measure_hardware, save_hardware


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
        took, peak, workload = measure_run(base, each, device.cores)
        plan = each.plan(device.cores)
        predicted_took = predict_seconds(device, architecture, plan, workload)
        predicted_peak = predict_peak_mb(device, architecture, plan, workload)
        time_errors.append(abs(predicted_took / took - 1))
        memory_errors.append(abs(predicted_peak / peak - 1))
        rows.append(
            {
                "plan": each.name,
                "seconds": round(took, 2),
                "predicted_seconds": round(predicted_took, 2),
                "peak_mb": round(peak),
                "predicted_peak_mb": round(predicted_peak),
            }
        )
    return {
        "plans": rows,
        "calibrated": bool(device.time_factors),
        "worst_time_error": round(max(time_errors), 3),
        "worst_memory_error": round(max(memory_errors), 3),
    }
