"""Fit the constants of the cost model to this device, by short runs of the real trainer."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import DEFAULT_SHAPE, MODULES
from floe.errors import TrainingError
from floe.records import BackendKind, Precision, TrainPlan
from floe.resources import GENERAL, IMPORT_ROOT
from floe.training.data.asked_prompts import find_domain
from floe.training.data.tokenisation import Encoder, read_rows
from floe.training.planning.cost import Workload, memory_work, time_work
from floe.training.planning.hardware import Hardware
from floe.training.process import RunFolder, environment

_PATIENCE_SECONDS: Final = 900.0
_SENTENCES: Final = (
    "The harbour lies still in the morning, and nobody speaks before six.",
    "Two boats came in last night with their sails torn and their crews asleep.",
    "A rope that is coiled the wrong way will find a foot sooner or later.",
    "Ask the cat on the pier about the weather, and then look at the glass.",
)


@dataclass(frozen=True, slots=True)
class CalibrationRun:
    """A plan to try and how much to learn with it: `rows` an epoch, each of about `sentences`."""

    rank: int = 8
    modules: tuple[str, ...] = DEFAULT_SHAPE.modules
    layers: int = 30
    batch_tokens: int = 512
    sequence_length: int = 512
    checkpointing: bool = False
    precision: Precision = "bfloat16"
    epochs: int = 1
    rows: int = 12
    sentences: int = 10
    backend: BackendKind = "cpu"
    blocks: bool = False

    def plan(self, threads: int) -> TrainPlan:
        """Return the plan as the trainer reads it."""
        return TrainPlan(
            self.rank,
            2.0 * self.rank,
            self.modules,
            self.layers,
            self.batch_tokens,
            self.sequence_length,
            self.checkpointing,
            self.precision,
            self.epochs,
            1e-4,
            threads,
            0,
            0.0,
            0.0,
            "a trial",
            backend=self.backend,
            blocks=self.blocks,
        )

    @property
    def name(self) -> str:
        """The run's settings, in short."""
        return (
            f"rank {self.rank}, {len(self.modules)} modules, {self.layers} layers, "
            f"{self.batch_tokens} tokens a batch, rows up to {self.sequence_length}, "
            f"{'checkpointing, ' if self.checkpointing else ''}{self.precision}, "
            f"{self.epochs} x {self.rows} rows of {self.sentences} sentences"
            f"{', autograd' if self.backend == 'autograd' else ''}"
            f"{', weights in blocks' if self.blocks else ''}"
        )


_QV: Final = ("q_proj", "v_proj")
_ATTENTION: Final = MODULES[:4]

CALIBRATION_RUNS: Final = (
    CalibrationRun(layers=2, modules=_QV, rank=2, batch_tokens=128, rows=10),
    CalibrationRun(rows=24),
    CalibrationRun(layers=15, modules=MODULES, epochs=2, batch_tokens=256),
    CalibrationRun(rank=32, modules=MODULES, batch_tokens=128),
    CalibrationRun(batch_tokens=1024, rows=16),
    CalibrationRun(batch_tokens=1024, rows=16, checkpointing=True),
    CalibrationRun(layers=4, modules=_QV, rank=2, rows=40),
    CalibrationRun(sentences=30, rows=8, batch_tokens=1024),
    CalibrationRun(layers=8, precision="float32", rows=8),
    CalibrationRun(layers=20, sentences=2, rows=50, batch_tokens=256),
)
"""Runs that the constants are fitted to: each kind of work is large in one, small in another."""

CHECK_RUNS: Final = (
    CalibrationRun(epochs=2),
    CalibrationRun(epochs=2, checkpointing=True),
    CalibrationRun(rank=16, batch_tokens=1024, rows=20),
    CalibrationRun(layers=15, rank=4, batch_tokens=256, epochs=3),
    CalibrationRun(layers=15, modules=MODULES, rows=14),
    CalibrationRun(batch_tokens=256, rows=10, checkpointing=True),
    CalibrationRun(layers=8, epochs=3),
    CalibrationRun(layers=8, modules=_ATTENTION, rank=4, epochs=2),
    CalibrationRun(layers=3, modules=_QV, rank=2, batch_tokens=128, epochs=2),
    CalibrationRun(sequence_length=128, sentences=20, rows=10),
    CalibrationRun(sentences=3, rows=60),
    CalibrationRun(layers=15, precision="float32", rows=8),
    CalibrationRun(layers=22, modules=_ATTENTION, rank=16, sentences=20, rows=10),
)
"""Runs that the fitted model is checked on."""

LARGE_CHECK_RUNS: Final = (
    CalibrationRun(layers=6, epochs=2),
    CalibrationRun(layers=24, batch_tokens=256, rows=8),
)
"""Runs of a larger model, on which its speed was not fitted."""

AUTOGRAD_CHECK_RUNS: Final = (
    CalibrationRun(backend="autograd", epochs=2, rows=6, batch_tokens=256),
    CalibrationRun(backend="autograd", blocks=True, checkpointing=True, rows=6),
    CalibrationRun(backend="autograd", layers=10, rank=16, batch_tokens=1024, rows=8),
)
"""Runs that the autograd back end's constants are checked on."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """What a run of the trainer took.

    `seconds` from its start to its end, `cpu_seconds` of all its threads, `peak_mb` (10^6 bytes)
    at most, and the `workload` that it learnt from.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    workload: Workload


def measure_run(base: Path, run: CalibrationRun, threads: int) -> MeasuredRun:
    """Run the trainer once.

    Raises:
        TrainingError: it did not finish.
    """
    with tempfile.TemporaryDirectory(prefix="floe-probe-") as name:
        folder = RunFolder(Path(name))
        folder.rows.write_text("".join(_make_rows(run)), encoding="utf-8")
        folder.request(base.resolve(), run.plan(threads), 0, None, 1e6)
        began, cpu_began = time.perf_counter(), children_cpu_seconds()
        # What did not end in time is ended, and leaves no result.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "floe.training.worker", "--folder", name],
                cwd=IMPORT_ROOT,
                env=environment(),
                capture_output=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        took, cpu = time.perf_counter() - began, children_cpu_seconds() - cpu_began
        result = folder.result() or {"status": "failed", "sentence": "The trainer ended early."}
        if result["status"] != "complete":
            raise TrainingError(f"A trial run failed: {result['sentence']}")
        workload = _count_workload(base, folder, run)
        return MeasuredRun(took, cpu, float(result["peak_rss_mb"]), workload)


def children_cpu_seconds() -> float:
    """Return the CPU time of all processes that were started here and have ended."""
    times = psutil.Process().cpu_times()
    return float(times.children_user + times.children_system)


def _make_rows(run: CalibrationRun) -> list[str]:
    lines = []
    for row in range(run.rows + max(1, run.rows // 4)):
        # From half to one and a half times as long: as in real chats, no two batches are alike.
        count = max(1, round(run.sentences * (0.5 + row * 7 % 11 / 10)))
        said = " ".join(
            f"{row}.{i} {_SENTENCES[(row + i) % len(_SENTENCES)]}" for i in range(count)
        )
        messages = [
            {"role": "user", "content": _SENTENCES[row % len(_SENTENCES)]},
            {"role": "assistant", "content": said},
        ]
        split = "train" if row < run.rows else "held_out"
        lines.append(json.dumps({"messages": messages, "weight": 1.0, "split": split}) + "\n")
    return lines


def _count_workload(base: Path, folder: RunFolder, run: CalibrationRun) -> Workload:
    with Encoder(base) as encoder:
        rows = read_rows(folder.rows)
        learnt = encoder.examples([r for r in rows if not r.held_out], run.sequence_length)
        held_out = encoder.examples([r for r in rows if r.held_out], run.sequence_length)
        domain = find_domain(encoder, base, rows)
        general = read_rows(GENERAL)
        taken = [row for row in general if domain.takes(row.messages[0].content)]
        sizes = [
            sum(map(len, encoder.examples(part, run.sequence_length, some=False)))
            for part in (taken, general)
        ]
    return Workload(
        sum(map(len, learnt)),
        sum(int((example.weights > 0).sum()) for example in learnt),
        sum(map(len, held_out)),
        sum(int((example.weights > 0).sum()) for example in held_out),
        max(map(len, [*learnt, *held_out])),
        sizes[0] / sizes[1],
    )


def calibrate_hardware(device: Hardware, base: Path, architecture: Architecture) -> Hardware:
    """Fit the device's own constants; takes a minute or two.

    Raises:
        TrainingError: a trial run failed.
    """
    time_rows, memory_rows, times, peaks = [], [], [], []
    for place, run in enumerate(CALIBRATION_RUNS, 1):
        print(f"trial {place} of {len(CALIBRATION_RUNS)}: {run.name}", file=sys.stderr)
        found = measure_run(base, run, device.cores)
        plan = run.plan(device.cores)
        time_rows.append(time_work(device, architecture, plan, found.workload))
        memory_rows.append(memory_work(architecture, plan, found.workload))
        times.append(found.seconds)
        peaks.append(found.peak_mb)
    return replace(
        device,
        time_factors=fit_constants(time_rows, times),
        memory_factors=fit_constants(memory_rows, peaks),
    )


def fit_constants(
    work: Sequence[Mapping[str, float]], measured: Sequence[float]
) -> dict[str, float]:
    """Constants >= 0 that make the sum of squared relative errors least."""
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to load, and seldom needed

    kinds = list(work[0])
    scale = np.array(measured)
    matrix = np.array([[row[kind] for kind in kinds] for row in work]) / scale[:, None]
    factors, _ = nnls(matrix, np.ones(len(scale)))
    return dict(zip(kinds, map(float, factors), strict=True))
