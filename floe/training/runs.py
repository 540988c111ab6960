"""Training started from the app: one run at a time, in a process that may outlive the app.

What a run reports goes into the database, so that a page can be reloaded or closed at any time;
after a crash of either side the run is found again, or can go on from its checkpoint. Knows
neither torch nor llama.cpp.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from floe.adapters.registry import Adapters, LearntAdapter, model_sha256
from floe.errors import FloeError, TrainingError
from floe.extras import require
from floe.privacy.training_marks import (
    LearntAnswer,
    LoadableExaminer,
    make_marks,
    read_marks,
)
from floe.records import TrainPlan
from floe.store import Store
from floe.training.comparison import Answerer, SideBySide, compare, judge, read_comparison
from floe.training.data.dataset import Dataset
from floe.training.process import TRAINER, RunFolder, TrainerProcess, TrainingStep
from floe.training.run_table import RunTable, TrainingRun
from floe.training.trial.request import BASE_ANSWERS, TrialRequest
from floe.units import format_gigabytes

logger = logging.getLogger(__name__)

Replan = Callable[[TrainPlan, float], TrainPlan | None]
"""A smaller plan in place of one that needed more memory than the limit (10^6 bytes), or None."""

_POLL_SECONDS: Final = 0.3
_RETRY_SECONDS: Final = 1.5
_GRACE_SECONDS: Final = 1.0
"""Time in which a trainer has to stop in order before its first step: it can keep nothing yet, and
while it imports torch or reads the model it hears of nothing."""
_PATIENCE_SECONDS: Final = 30.0
"""Time in which a trainer has to stop in order that has made a step."""
_LATEST: Final = 50
_INTERRUPTED: Final = (
    "The training was ended from outside, perhaps because the memory of this device ran out. "
    "Nothing is lost: it can go on from where it was."
)
_DISK_FULL: Final = (
    "The training has ended because the disk is full. Nothing is lost: free some space, then let "
    "it go on from where it was."
)
_STOPPED: Final = "You stopped the training. It can go on from where it was."


class TrainingRuns:
    """All runs of this device; any thread may call any method.

    Raises:
        StoreError: from every method, when the database cannot be used.
    """

    def __init__(
        self,
        store: Store,
        adapters: Adapters,
        data_dir: Path,
        *,
        replan: Replan,
        answer: Answerer | None = None,
        adopted: Callable[[TrainingRun], None] = lambda _run: None,
        examiner: LoadableExaminer | None = None,
        command: Sequence[str] = TRAINER,
    ) -> None:
        """Find the runs again that the last app left: alive, ended meanwhile, or interrupted.

        Args:
            store: where runs and steps are kept.
            adapters: where a finished adapter goes.
            data_dir: `runs/` in it holds what goes in and out.
            replan: asked once when the memory did not suffice.
            answer: answers a prompt with given adapters, to show before and after.
            adopted: told of the run whose adapter is in use from now on.
            examiner: says what of the answers is harmless; None: nothing is known to be.
            command: the trainer.
        """
        root = data_dir.resolve()
        self._table = RunTable(store, root)
        self._store = store
        self._adapters = adapters
        self._folders = root / "runs"
        self._replan = replan
        self._answer = answer
        self._adopted = adopted
        self._examiner = examiner
        self._command = command
        self._closing = threading.Event()
        self._watchers: dict[int, threading.Thread] = {}
        self._comparison: threading.Thread | None = None
        self._folders.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Held while a run starts or ends, by one thread of one app; even a kill -9 lets go of it.
        self._lock = FileLock(self._folders / ".lock")
        with self._lock:
            self._refresh()

    def close(self) -> None:
        """Stop watching and comparing. The trainer goes on and is found again at the next start."""
        self._closing.set()
        with self._lock:  # not while one of them ends a run and begins something else
            watchers = list(self._watchers.values())
        for watcher in watchers:
            watcher.join()
        if self._comparison is not None:
            self._comparison.join()

    def all(self) -> list[TrainingRun]:
        """Return at most 50, the newest first."""
        return self._table.all(_LATEST)

    def latest(self) -> TrainingRun | None:
        """Return the run that a reloaded page shows."""
        return next(iter(self._table.all(1)), None)

    def get(self, run_id: int) -> TrainingRun:
        """One of them.

        Raises:
            TrainingError: there is no such run.
        """
        return self._table.get(run_id)

    def steps(self, run_id: int) -> list[TrainingStep]:
        """All that it reported so far, in order."""
        return self._table.steps(run_id)

    def comparison(self, run_id: int) -> list[SideBySide]:
        """Held-out questions answered before and after; kept until the next run starts."""
        return read_comparison(self.get(run_id).folder)

    def wait(self, run_id: int, seconds: float) -> bool:
        """Sleep until the run has ended, at most `seconds`; whether it has."""
        watcher = self._watchers.get(run_id)
        if watcher is not None:
            watcher.join(seconds)
        return not self.get(run_id).active

    def start(
        self,
        dataset: Dataset,
        base: Path,
        plan: TrainPlan,
        *,
        memory_limit_mb: float,
        continue_from: LearntAdapter | None = None,
        seed: int = 0,
        trial: TrialRequest | None = None,
    ) -> TrainingRun:
        """Start a run, and delete the folders of those before it.

        Args:
            dataset: what is learnt from and judged by.
            base: the GGUF that serves the chat.
            plan: how.
            memory_limit_mb: 10^6 bytes that the trainer may use.
            continue_from: an adapter to start from; None: from scratch.
            seed: of everything random.
            trial: how the chat answers, to try the adapter out by what it writes; what the base
                answers is kept in the data folder. None: it is judged by its loss alone.

        Raises:
            DataError: there is too little to learn from.
            TrainingError: another run is going on, or this one cannot start.
            ModelError: `base` is no model.
        """
        require("train")
        dataset.check()
        base = base.resolve()
        sha256 = model_sha256(self._store, base)
        if continue_from is not None and continue_from.base_sha256 != sha256:
            raise TrainingError(
                f"“{continue_from.name}” was trained on another base model: start from scratch."
            )
        with self._lock:
            self._refresh()
            run = self._table.insert(base, sha256, plan, dataset.fingerprint, len(dataset.used))
            try:
                run.folder.make()
                dataset.write(run.folder.rows)
                run.folder.keep_held_out(dataset.held_out)
                earlier = read_marks(continue_from.marks) if continue_from else frozenset[bytes]()
                run.folder.keep_unmarked(dataset.unmarked, earlier)
                source = continue_from.peft if continue_from else None
                if trial is not None:
                    trial = replace(trial, cache=self._folders.parent / BASE_ANSWERS)
                run.folder.request(
                    base, plan, seed, source, memory_limit_mb, trial.to_json() if trial else None
                )
                self._launch(run)
            except (OSError, FloeError) as error:
                run.folder.remove()
                raise self._cannot_start(run, error) from error
            for path in self._folders.iterdir():
                if path.is_dir() and path != run.folder.path:
                    RunFolder(path).remove()
        return self.get(run.id)

    def resume(self, run_id: int) -> TrainingRun:
        """Go on from the checkpoint.

        Raises:
            TrainingError: another run is going on, this one cannot go on, or its base model has
                changed.
        """
        with self._lock:
            self._refresh()
            run = self.get(run_id)
            if run.active:
                return run
            if not run.can_resume:
                raise TrainingError("This training cannot go on any more. Start a new one.")
            if not self._same_base(run):
                raise TrainingError(
                    f"{run.base_path.name} has changed since this training began. Start a new one."
                )
            self._table.requeue(run_id)
            try:
                if (run.folder.result() or {}).get("status") == "complete":
                    self._finish(run)  # it was only the keeping that failed
                else:
                    run.folder.clear()
                    self._launch(run)
            except OSError as error:
                raise self._cannot_start(run, error) from error
        return self.get(run_id)

    def cancel(self, run_id: int) -> None:
        """Ask it to stop after the step it is at; what it has learnt so far is kept to go on.

        One that has made no step yet is ended soon, whatever it is at.

        Raises:
            TrainingError: there is no such run, or the wish cannot be written.
        """
        run = self.get(run_id)
        if run.active:
            try:
                run.folder.stop()
            except OSError as error:
                raise TrainingError(
                    f"The training cannot be told to stop ({error.strerror}). Make room on the "
                    "disk and try again."
                ) from error

    def discard(self, run_id: int) -> None:
        """Delete what an ended run has left, rows and checkpoint included.

        Raises:
            TrainingError: it is still going on.
        """
        with self._lock:
            run = self.get(run_id)
            if run.active:
                raise TrainingError("This training is still running. Cancel it first.")
            run.folder.remove()

    def _refresh(self) -> None:
        """Bring what the database says in line with which trainers live. The lock is held."""
        for run in self.all():
            if run.status == "complete" and self._comparison is None:
                run.folder.remove_inputs()  # left if an app was killed while it compared
            if not run.active or run.id in self._watchers:
                continue
            process = TrainerProcess.find(run.folder)
            if process is not None:
                self._watch(run.id, process)
            else:
                self._record(run, 0)
                self._finish(run)

    def _launch(self, run: TrainingRun) -> None:
        process = TrainerProcess.start(self._command, run.folder)
        try:
            self._table.running(run.id, process.pid)
        except BaseException:
            process.kill()
            raise
        self._watch(run.id, process)

    def _watch(self, run_id: int, process: TrainerProcess) -> None:
        watcher = threading.Thread(
            target=self._follow, args=(run_id, process), name=f"training-{run_id}", daemon=True
        )
        self._watchers[run_id] = watcher
        watcher.start()

    def _follow(self, run_id: int, process: TrainerProcess) -> None:
        """Watcher thread: carry progress over until the trainer has ended, then finish the run."""
        offset, wait = 0, 0.0
        asked_at: float | None = None
        while not self._closing.wait(wait):
            wait = _POLL_SECONDS
            try:
                ended = not process.alive  # looked at first: what it wrote last is then read
                run = self.get(run_id)
                offset = self._record(run, offset)
                if ended:
                    self._conclude(run)
                    return
                if run.folder.stopping:
                    asked_at = asked_at or time.monotonic()
                    waited = time.monotonic() - asked_at
                    if waited > _PATIENCE_SECONDS:
                        process.kill()
                    elif waited > _GRACE_SECONDS and not run.folder.stepping:
                        process.terminate()
            except FloeError as error:
                # A full disk or a busy database: tried again as long as the app lives.
                logger.warning("training run %d: %s", run_id, error)
                wait = _RETRY_SECONDS
            except Exception:
                logger.exception("training run %d is no longer watched", run_id)
                self._watchers.pop(run_id, None)
                return

    def _conclude(self, run: TrainingRun) -> None:
        with self._lock:
            me = self._watchers[run.id]
            self._finish(run)
            if self._watchers[run.id] is me:  # else a smaller plan has one of its own
                del self._watchers[run.id]

    def _record(self, run: TrainingRun, offset: int) -> int:
        steps, offset = run.folder.read_steps(offset)
        if steps:
            self._table.add_steps(run.id, steps)
        return offset

    def _finish(self, run: TrainingRun) -> None:
        """Record how an ended trainer left its run. The lock is held."""
        result = run.folder.result()
        if result is None:
            logger.info(
                "trainer %s ended without a word: %s", run.pid, run.folder.last_output_line()
            )
            if run.folder.stopping:
                self._table.end(run.id, "cancelled", _STOPPED)
            else:
                sentence = _DISK_FULL if run.folder.disk_is_full else _INTERRUPTED
                self._table.end(run.id, "interrupted", sentence)
        elif result["status"] == "complete":
            self._keep(run, result)
        elif result["status"] == "cancelled":
            self._table.end(run.id, "cancelled", _STOPPED, result)
        elif result.get("code") != "memory" or not self._try_smaller(run):
            self._table.end(run.id, "failed", str(result["sentence"]), result)

    def _try_smaller(self, run: TrainingRun) -> bool:
        request = run.folder.read_request()
        if request.get("smaller"):
            return False
        limit = float(request["memory_limit_mb"])
        plan = self._replan(run.plan, limit)
        if plan is None:
            return False
        sentence = (
            f"The first plan needed more than the {format_gigabytes(limit)} it may use, so a "
            f"smaller one was taken: {plan.reason}."
        )
        self._table.replan(run.id, plan, sentence)
        run.folder.request_smaller(plan)
        self._launch(run)
        return True

    def _keep(self, run: TrainingRun, result: dict[str, Any]) -> None:
        """Register the adapter and put it to use, if it is better."""
        same = self._same_base(run)
        better, sentence = judge(result)
        if better and not same:
            sentence = (
                f"{run.base_path.name} has changed since the training began, and an adapter works "
                "on the very model it was trained on alone. It is in the list, switched off; train "
                "again for the new model."
            )
        before = [(a.gguf, a.scale) for a in self._adapters.in_use(run.base_sha256)]
        sentence = f"{run.sentence} {sentence}"
        try:
            new = replace(run.adapter(result), marks=self._marks(run)) if better else None
            with self._store.writing() as db:
                if not self._table.end_within(db, run.id, "complete", sentence, result):
                    return
                adapter = self._adapters.add_within(db, new) if new is not None else None
                if adapter is not None and same:
                    self._adapters.use_only(db, adapter.id)
        except TrainingError as error:
            self._table.end(run.id, "failed", str(error), result)
            return
        if adapter is None or not same:
            run.folder.remove_inputs()
            return
        self._adopted(run)
        after = [(adapter.gguf, adapter.scale)]
        comparison = threading.Thread(target=self._compare, args=(run, before, after))
        comparison.start()
        self._comparison = comparison  # once it can be joined

    def _marks(self, run: TrainingRun) -> frozenset[bytes]:
        answers = LearntAnswer.read_all(run.folder.unmarked)
        return run.folder.marks | make_marks(self._store, self._examiner, answers)

    def _compare(
        self,
        run: TrainingRun,
        before: Sequence[tuple[Path, float]],
        after: Sequence[tuple[Path, float]],
    ) -> None:
        """Answers side by side; then nothing of what was learnt from stays in the folder."""
        try:
            if self._answer is not None:
                compare(run.folder, self._answer, before, after, self._closing.is_set)
        except (FloeError, OSError) as error:
            logger.info("no answers side by side: %s", error)
        except Exception:
            logger.exception("no answers side by side")
        finally:
            run.folder.remove_inputs()

    def _same_base(self, run: TrainingRun) -> bool:
        with suppress(FloeError, OSError):
            return model_sha256(self._store, run.base_path) == run.base_sha256
        return False

    def _cannot_start(self, run: TrainingRun, error: Exception) -> TrainingError:
        sentence = str(error)
        if isinstance(error, OSError):
            sentence = f"The training cannot start ({error.strerror}). Make room on the disk first."
        self._table.end(run.id, "failed", sentence)
        return TrainingError(sentence)
