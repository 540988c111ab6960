"""Training runs and their steps as rows of the database. Knows nothing of processes."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sqlite_utils import Database

from floe.adapters.registry import NewAdapter, plan_of
from floe.errors import TrainingError
from floe.records import TrainPlan
from floe.store import Store
from floe.training.process import RunFolder, TrainingStep

RunStatus = Literal["waiting", "running", "cancelled", "interrupted", "failed", "complete"]

_SELECT: Final = (
    "SELECT id, created_at, status, folder, base_path, base_sha256, plan, data_sha256, rows, pid,"
    " started_at, ended_at, sentence, metrics FROM training_runs"
)
_ALREADY: Final = (
    "A training is already running. Wait until it has ended, or cancel it, then start again."
)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run. Times are seconds since the epoch (UTC).

    `rows` counts the answers it learns from and is judged by; `metrics` is what the trainer
    reported at its end.
    """

    id: int
    created_at: float
    status: RunStatus
    folder: RunFolder
    base_path: Path
    base_sha256: str
    plan: TrainPlan
    data_sha256: str
    rows: int
    pid: int | None
    started_at: float | None
    ended_at: float | None
    sentence: str
    metrics: dict[str, Any]

    @property
    def active(self) -> bool:
        """True while the run waits or runs."""
        return self.status in ("waiting", "running")

    @property
    def can_resume(self) -> bool:
        """True if the run did not finish and its folder is still there."""
        return self.status in ("cancelled", "interrupted", "failed") and self.folder.rows.exists()

    def adapter(self, metrics: dict[str, Any]) -> NewAdapter:
        """Return the adapter that its trainer has left; `metrics` is what it reported."""
        return NewAdapter(
            time.strftime("Personal, %d %B %H:%M"),
            "personal",
            self.folder.path,
            self.base_sha256,
            self.plan.rank,
            run_id=self.id,
            plan=self.plan,
            data_sha256=self.data_sha256,
            metrics=metrics,
        )


class RunTable:
    """The two tables; folders of runs lie below `root`."""

    def __init__(self, store: Store, root: Path) -> None:
        self.store = store
        self.root = root

    def all(self, limit: int) -> list[TrainingRun]:
        """Return them, the newest first."""
        with self.store.reading() as db:
            rows = db.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", [limit]).fetchall()
        return [self._run(row) for row in rows]

    def get(self, run_id: int) -> TrainingRun:
        """One of them.

        Raises:
            TrainingError: there is no such run.
        """
        with self.store.reading() as db:
            row = db.execute(f"{_SELECT} WHERE id = ?", [run_id]).fetchone()
        if row is None:
            raise TrainingError("There is no such training run any more.")
        return self._run(row)

    def insert(
        self, base: Path, base_sha256: str, plan: TrainPlan, data_sha256: str, rows: int
    ) -> TrainingRun:
        """Insert a run that waits for its trainer.

        Raises:
            TrainingError: another one is going on.
        """
        with self.store.writing() as db:
            _one_at_a_time(db)
            run_id = db.execute(
                "INSERT INTO training_runs (created_at, status, folder, base_path, base_sha256,"
                " plan, data_sha256, rows) VALUES (?, 'waiting', '', ?, ?, ?, ?, ?)",
                [
                    time.time(),
                    str(base),
                    base_sha256,
                    json.dumps(asdict(plan)),
                    data_sha256,
                    rows,
                ],
            ).lastrowid
            assert run_id is not None
            db.execute(
                "UPDATE training_runs SET folder = ? WHERE id = ?", [f"runs/{run_id}", run_id]
            )
        return self.get(run_id)

    def requeue(self, run_id: int) -> None:
        """Open an ended one again.

        Raises:
            TrainingError: another one is going on.
        """
        with self.store.writing() as db:
            _one_at_a_time(db)
            db.execute(
                "UPDATE training_runs SET status = 'waiting', sentence = '', ended_at = NULL"
                " WHERE id = ?",
                [run_id],
            )

    def running(self, run_id: int, pid: int) -> None:
        """Its trainer has started."""
        with self.store.writing() as db:
            db.execute(
                "UPDATE training_runs SET status = 'running', pid = ?,"
                " started_at = coalesce(started_at, ?) WHERE id = ?",
                [pid, time.time(), run_id],
            )

    def replan(self, run_id: int, plan: TrainPlan, sentence: str) -> None:
        """Start it over with another plan."""
        with self.store.writing() as db:
            db.execute("DELETE FROM training_steps WHERE run_id = ?", [run_id])
            db.execute(
                "UPDATE training_runs SET plan = ?, sentence = ? WHERE id = ?",
                [json.dumps(asdict(plan)), sentence, run_id],
            )

    def end(
        self,
        run_id: int,
        status: RunStatus,
        sentence: str,
        metrics: dict[str, Any] | None = None,
    ) -> None:
        """Close one that is going on."""
        with self.store.writing() as db:
            self.end_within(db, run_id, status, sentence, metrics)

    @staticmethod
    def end_within(
        db: Database,
        run_id: int,
        status: RunStatus,
        sentence: str,
        metrics: dict[str, Any] | None = None,
    ) -> bool:
        """`end` as part of a transaction; False if another app has closed it already."""
        values = [status, sentence.strip(), json.dumps(metrics or {}), time.time(), run_id]
        ended = db.execute(
            "UPDATE training_runs SET status = ?, sentence = ?, metrics = ?, ended_at = ?"
            " WHERE id = ? AND status IN ('waiting', 'running') RETURNING id",
            values,
        )
        return bool(ended.fetchall())

    def add_steps(self, run_id: int, steps: Sequence[TrainingStep]) -> None:
        """Keep what was reported; a step that is reported again replaces the first report."""
        with self.store.writing() as db:
            db.conn.executemany(
                "INSERT OR REPLACE INTO training_steps (run_id, step, steps, at, train_loss,"
                " held_out_loss, seconds_left) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (run_id, s.step, s.steps, s.at, s.train_loss, s.held_out_loss, s.seconds_left)
                    for s in steps
                ],
            )

    def steps(self, run_id: int) -> list[TrainingStep]:
        """All that was reported so far, in order."""
        with self.store.reading() as db:
            rows = db.execute(
                "SELECT step, steps, at, train_loss, held_out_loss, seconds_left"
                " FROM training_steps WHERE run_id = ? ORDER BY step",
                [run_id],
            ).fetchall()
        return [TrainingStep(*row) for row in rows]

    def _run(self, row: tuple[Any, ...]) -> TrainingRun:
        values = list(row)
        values[3] = RunFolder(self.root / row[3])
        values[4] = Path(row[4])
        values[6] = plan_of(row[6])
        values[13] = json.loads(row[13]) if row[13] else {}
        return TrainingRun(*values)


def _one_at_a_time(db: Database) -> None:
    active = "SELECT 1 FROM training_runs WHERE status IN ('waiting', 'running')"
    if db.execute(active).fetchone():
        raise TrainingError(_ALREADY)
