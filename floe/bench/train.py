"""The `train` bench: Floe's trainer with the default plan beside transformers.Trainer and peft.

Both learn the same rows in processes of their own: Floe's through a run folder, as the page does
it; the reference (`floe.bench.reference`) as the libraries' defaults would have it. Nothing is
held out, so that neither spends time on looking.

`autograd_tok_s` is Floe's other back end on the same rows by the same plan: same precision,
packing and adapter, dense weights. `cpu_ratio` is what a token costs there over what it costs the
hand-written passes, in CPU seconds of whole processes, which a busy machine disturbs less than
`autograd_tok_s`.

`tok_s` counts every token that was learned from, as often as it was, over the time of the training
loop, what is computed once for all epochs included; `reference_tok_s` likewise (padding does not
count). `utilisation` is the number of operations that the plan needs, counted by
`floe.training.planning.flops`, over that time and over the matrix peak of this device, the better
of two measurements, before and after, in the plan's precision. `seconds` and `peak_rss_mb` are of
Floe's process as a whole, loading and export included.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from floe.adapters.architecture import Architecture, read_architecture
from floe.bench.rows import example_lines
from floe.child_environment import child_environment
from floe.config import Settings
from floe.errors import TrainingError
from floe.models.catalog import resolve_model
from floe.records import TrainPlan
from floe.resources import IMPORT_ROOT
from floe.training.data.tokenisation import Encoder, read_rows
from floe.training.planning.backend_choice import BackendWish
from floe.training.planning.calibration import children_cpu_seconds
from floe.training.planning.flops import TokenCounts, training_flops
from floe.training.planning.hardware import Hardware, measure_hardware
from floe.training.planning.plan import choose_plan, workload_of
from floe.training.process import TRAINER, RunFolder, environment

_WRITERS: Final = ("letters", "site")
_PATIENCE_SECONDS: Final = 900.0


def run() -> dict[str, object]:
    """Measure with the default model and the plan that the page would choose."""
    settings = Settings.load()
    base = resolve_model(settings.model, settings.models_dir)
    lines = [line for writer in _WRITERS for line in example_lines(writer)]
    _say("measuring this device")
    device = measure_hardware()
    architecture = read_architecture(base)
    workload, _ = workload_of(base, lines)
    plan = choose_plan(device, architecture, workload, wish=BackendWish("cpu"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _say(plan.reason)
        result = _ours(folder / "run", base, plan, lines)
        _say("the autograd back end")
        autograd = _ours(folder / "autograd", base, replace(plan, backend="autograd"), lines)
        _say("transformers.Trainer and peft")
        reference = _reference(folder, base, plan)
        again = measure_hardware()
        learned = _token_counts(folder / "rows.jsonl", base, plan)
    return _figures(architecture, plan, result, reference, learned, (device, again)) | {
        "rows": len(lines),
        "model": base.name,
        "autograd_tok_s": round(autograd["tok_s"], 1),
        "autograd_peak_rss_mb": autograd["peak_rss_mb"],
        "cpu_ratio": round(autograd["cpu_seconds"] / result["cpu_seconds"], 3),
        "cpu_seconds": round(result["cpu_seconds"], 1),
        "autograd_cpu_seconds": round(autograd["cpu_seconds"], 1),
    }


def _say(text: str) -> None:
    print(f"train: {text}", file=sys.stderr)


def _figures(
    architecture: Architecture,
    plan: TrainPlan,
    result: dict[str, Any],
    reference: dict[str, Any],
    learned: TokenCounts,
    devices: Sequence[Hardware],
) -> dict[str, object]:
    peak = max(device.gflops(plan.precision) for device in devices) * 1e9
    needed = training_flops(
        architecture, plan, learned, TokenCounts(0, 0, 0), epochs=plan.epochs, evaluations=0
    )
    loop_seconds = result["tokens"] / result["tok_s"]
    return {
        "tok_s": round(result["tok_s"], 1),
        "reference_tok_s": round(reference["tok_s"], 1),
        "speedup": round(result["tok_s"] / reference["tok_s"], 3),
        "utilisation": round(needed / loop_seconds / peak, 3),
        "peak_rss_mb": result["peak_rss_mb"],
        "seconds": round(result["seconds"], 1),
        "predicted_seconds": round(plan.seconds, 1),
        "predicted_peak_mb": round(plan.peak_mb),
        "tokens": result["tokens"],
        "gflop": round(needed / 1e9),
        "peak_gflops": round(peak / 1e9),
        "reference_peak_rss_mb": reference["peak_rss_mb"],
        "reference_tokens": reference["tokens"],
        "plan": plan.reason,
    }


def _ours(
    folder: Path, base: Path, plan: TrainPlan, lines: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    run = RunFolder(folder)
    run.make()
    text = "".join(json.dumps(line) + "\n" for line in lines)
    run.rows.write_text(text, encoding="utf-8")
    (folder.parent / "rows.jsonl").write_text(text, encoding="utf-8")
    run.request(base, plan, 0, None, 1e6)
    before = children_cpu_seconds()
    done = subprocess.run(
        [*TRAINER, "--folder", str(folder)],
        cwd=IMPORT_ROOT,
        env=environment(),
        capture_output=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    result = run.result()
    if result is None or result["status"] != "complete":
        raise TrainingError(result["sentence"] if result else done.stderr.decode()[-500:])
    return {**result, "cpu_seconds": children_cpu_seconds() - before}


def _reference(folder: Path, base: Path, plan: TrainPlan) -> dict[str, Any]:
    options = {
        "base": base,
        "rows": folder / "rows.jsonl",
        "folder": folder / "reference",
        "length": plan.sequence_length,
        "threads": plan.threads,
    }
    flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "floe.bench.reference", *flags],
        cwd=IMPORT_ROOT,
        env=child_environment(),
        capture_output=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise TrainingError("The reference failed: " + done.stderr.decode()[-500:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _token_counts(rows: Path, base: Path, plan: TrainPlan) -> TokenCounts:
    with Encoder(base) as encoder:
        return TokenCounts.of(encoder.examples(read_rows(rows), plan.sequence_length))
