"""Fit the constants of the cost model to this device, by short runs of the real trainer."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from floe.adapters.architecture import Architecture
from floe.adapters.lora_defaults import DEFAULT_SHAPE, MODULES
from floe.errors import TrainingError
from floe.records import Precision, TrainPlan
from floe.resources import IMPORT_ROOT
from floe.training.data.tokenisation import Encoder, read_rows
from floe.training.planning.cost import Workload, memory_work, time_work
from floe.training.planning.hardware import Hardware
from floe.training.process import RunFolder, environment

_PATIENCE_SECONDS: Final = 300.0
_SENTENCES: Final = (
    "The harbour lies still in the morning, and nobody speaks before six.",
    "Two boats came in last night with their sails torn and their crews asleep.",
    "A rope that is coiled the wrong way will find a foot sooner or later.",
    "Ask the cat on the pier about the weather, and then look at the glass.",
)


@dataclass(frozen=True, slots=True)
class Trial:
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

    def plan(self, threads: int) -> TrainPlan:
        """As the trainer reads it."""
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
        )

    @property
    def name(self) -> str:
        """What differs between trials, in short."""
        return (
            f"rank {self.rank}, {len(self.modules)} modules, {self.layers} layers, "
            f"{self.batch_tokens} tokens a batch, rows up to {self.sequence_length}, "
            f"{'checkpointing, ' if self.checkpointing else ''}{self.precision}, "
            f"{self.epochs} x {self.rows} rows of {self.sentences} sentences"
        )


_QV: Final = ("q_proj", "v_proj")
_ATTENTION: Final = MODULES[:4]

PROBES: Final = (
    Trial(layers=2, modules=_QV, rank=2, batch_tokens=128, rows=10),
    Trial(rows=24),
    Trial(layers=15, modules=MODULES, epochs=2, batch_tokens=256),
    Trial(rank=32, modules=MODULES, batch_tokens=128),
    Trial(batch_tokens=1024, rows=16),
    Trial(batch_tokens=1024, rows=16, checkpointing=True),
    Trial(layers=4, modules=_QV, rank=2, rows=40),
    Trial(sentences=30, rows=8, batch_tokens=1024),
    Trial(layers=8, precision="float32", rows=8),
    Trial(layers=20, sentences=2, rows=50, batch_tokens=256),
)
"""What the constants are fitted to: each kind of work is large in one and small in another."""

GRID: Final = (
    Trial(epochs=2),
    Trial(epochs=2, checkpointing=True),
    Trial(rank=16, batch_tokens=1024, rows=20),
    Trial(layers=15, rank=4, batch_tokens=256, epochs=3),
    Trial(layers=15, modules=MODULES, rows=14),
    Trial(batch_tokens=256, rows=10, checkpointing=True),
    Trial(layers=8, epochs=3),
    Trial(layers=8, modules=_ATTENTION, rank=4, epochs=2),
    Trial(layers=3, modules=_QV, rank=2, batch_tokens=128, epochs=2),
    Trial(sequence_length=128, sentences=20, rows=10),
    Trial(sentences=3, rows=60),
    Trial(layers=15, precision="float32", rows=8),
    Trial(layers=22, modules=_ATTENTION, rank=16, sentences=20, rows=10),
)
"""What the fitted model is checked on."""


def probe(base: Path, trial: Trial, threads: int) -> tuple[float, float, Workload]:
    """Run the trainer once.

    Returns:
        Seconds from its start to its end, its peak memory in 10^6 bytes, and what it learnt from.

    Raises:
        TrainingError: it did not finish.
    """
    with tempfile.TemporaryDirectory(prefix="floe-probe-") as name:
        folder = RunFolder(Path(name))
        folder.rows.write_text("".join(_rows(trial)), encoding="utf-8")
        folder.request(base.resolve(), trial.plan(threads), 0, None, 1e6)
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "floe.training.worker", "--folder", name],
            cwd=IMPORT_ROOT,
            env=environment(),
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        took = time.perf_counter() - began
        result = folder.result() or {"status": "failed", "sentence": "The trainer ended early."}
        if result["status"] != "complete":
            raise TrainingError(f"A trial run failed: {result['sentence']}")
        return took, float(result["peak_rss_mb"]), _workload(base, folder, trial)


def _rows(trial: Trial) -> list[str]:
    lines = []
    for row in range(trial.rows + max(1, trial.rows // 4)):
        # From half to one and a half times as long: as in real chats, no two batches are alike.
        count = max(1, round(trial.sentences * (0.5 + row * 7 % 11 / 10)))
        said = " ".join(
            f"{row}.{i} {_SENTENCES[(row + i) % len(_SENTENCES)]}" for i in range(count)
        )
        messages = [
            {"role": "user", "content": _SENTENCES[row % len(_SENTENCES)]},
            {"role": "assistant", "content": said},
        ]
        split = "train" if row < trial.rows else "held_out"
        lines.append(json.dumps({"messages": messages, "weight": 1.0, "split": split}) + "\n")
    return lines


def _workload(base: Path, folder: RunFolder, trial: Trial) -> Workload:
    with Encoder(base) as encoder:
        rows = read_rows(folder.rows)
        learnt = encoder.examples([r for r in rows if not r.held_out], trial.sequence_length)
        held_out = encoder.examples([r for r in rows if r.held_out], trial.sequence_length)
    return Workload(
        sum(map(len, learnt)),
        sum(int((example.weights > 0).sum()) for example in learnt),
        sum(map(len, held_out)),
        sum(int((example.weights > 0).sum()) for example in held_out),
        max(map(len, [*learnt, *held_out])),
    )


def calibrated(device: Hardware, base: Path, architecture: Architecture) -> Hardware:
    """The device with constants of its own; takes a minute or two.

    Raises:
        TrainingError: a trial run failed.
    """
    time_rows, memory_rows, times, peaks = [], [], [], []
    for place, trial in enumerate(PROBES, 1):
        print(f"trial {place} of {len(PROBES)}: {trial.name}", file=sys.stderr)
        took, peak, workload = probe(base, trial, device.cores)
        plan = trial.plan(device.cores)
        time_rows.append(time_work(device, architecture, plan, workload))
        memory_rows.append(memory_work(architecture, plan, workload))
        times.append(took)
        peaks.append(peak)
    return replace(
        device, time_factors=fit(time_rows, times), memory_factors=fit(memory_rows, peaks)
    )


def fit(work: Sequence[Mapping[str, float]], measured: Sequence[float]) -> dict[str, float]:
    """Constants >= 0 that make the sum of squared relative errors least."""
    from scipy.optimize import nnls  # noqa: PLC0415 - slow to load, and seldom needed

    kinds = list(work[0])
    scale = np.array(measured)
    matrix = np.array([[row[kind] for kind in kinds] for row in work]) / scale[:, None]
    factors, _ = nnls(matrix, np.ones(len(scale)))
    return dict(zip(kinds, map(float, factors), strict=True))
