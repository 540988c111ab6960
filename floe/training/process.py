"""The trainer as a process of its own, and the folder through which it is spoken to.

It outlives the app: closed or killed, the app finds it again by its folder. Knows nothing of what
is trained, nor of the database.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from floe.child_environment import child_environment
from floe.privacy.training_marks import LearntAnswer, read_marks, write_marks
from floe.records import TrainPlan
from floe.resources import IMPORT_ROOT
from floe.store import encryption

TRAINER: Final = (sys.executable, "-m", "floe.training.worker")
_LOG: Final = "trainer.log"
_HELD_OUT: Final = "held_out.json"
_MARKS: Final = "marks"
_STAGE: Final = "stage.json"
_STEPPING: Final = "stepping"
_LOW_DISK_BYTES: Final = 4 * 10**6
"""Bytes; a checkpoint needs more."""
_ENVIRONMENT: Final = {
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "32",
    "THP_MEM_ALLOC_ENABLE": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Number of compiled kernels that oneDNN and torch may keep. Batches are of many lengths, and
each has kernels of its own, some ten kinds for all layers: with the usual 1,024 of both a run of 19
batches took 500 MB more, with 8 of them half the speed is gone. And large pages, for torch's
large tensors and for all else: 3 % of the time of a step."""

_children_lock = threading.Lock()
_children: list[subprocess.Popen[bytes]] = []
"""Trainers started here: kept until they have ended, so that none is left as a zombie."""


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """A line of progress. Losses in nats a token; `at` is seconds since the epoch (UTC)."""

    step: int
    steps: int
    at: float
    train_loss: float | None
    held_out_loss: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """Stage of a trainer beside its steps: `done` of `count`; 0: nothing that can be counted."""

    sentence: str
    done: int
    count: int


MEASURING: Final = TrainingStage("The steps are done; what was learnt is being measured", 0, 0)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Files of a run: in go rows, request, the wish to stop; out come progress, result, adapter."""

    path: Path

    @property
    def rows(self) -> Path:
        """The rows that are learnt from and judged by."""
        return self.path / "rows.jsonl"

    @property
    def _stop(self) -> Path:
        return self.path / "stop"

    @property
    def _result(self) -> Path:
        return self.path / "result.json"

    def make(self) -> None:
        """Make an empty folder for this user's eyes; files that another database left there go."""
        self.remove()
        self.path.mkdir(mode=0o700)

    def request(
        self,
        base: Path,
        plan: TrainPlan,
        seed: int,
        continue_from: Path | None,
        limit_mb: float,
        trial: dict[str, Any] | None = None,
    ) -> None:
        """Write what the trainer shall do; `trial`: a `TrialRequest` as JSON, None: no trial."""
        values = {
            "base": str(base),
            "plan": asdict(plan),
            "seed": seed,
            "continue_from": str(continue_from) if continue_from else None,
            "memory_limit_mb": limit_mb,
            "trial": trial,
        }
        self._write("run.json", values)

    def request_smaller(self, plan: TrainPlan) -> None:
        """Request the same task with another plan, from the start."""
        # A checkpoint of another shape is of no use, and the old result must not count again.
        shutil.rmtree(self.path / "checkpoint", ignore_errors=True)
        (self.path / "progress.jsonl").unlink(missing_ok=True)
        self._write("run.json", self.read_request() | {"plan": asdict(plan), "smaller": True})
        self.clear()

    def read_request(self) -> dict[str, Any]:
        """Read the request; `smaller` is set once a smaller plan was tried."""
        found: dict[str, Any] = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        return found

    def keep_held_out(self, message_ids: Sequence[int]) -> None:
        """Note which answers the adapter will not have learnt from; no word of them."""
        self._write(_HELD_OUT, {"messages": [*message_ids]})

    @property
    def held_out(self) -> frozenset[int]:
        """Those answers by message id; empty if nobody has noted them. Outlives `remove_inputs`."""
        with suppress(OSError, ValueError):
            noted = json.loads((self.path / _HELD_OUT).read_text(encoding="utf-8"))
            return frozenset(noted["messages"])
        return frozenset()

    def keep_unmarked(self, answers: Sequence[LearntAnswer], marks: frozenset[bytes]) -> None:
        """Keep the answers that are yet to be marked, and marks of what was learnt before them."""
        LearntAnswer.write_all(self.unmarked, answers)
        write_marks(self.path / _MARKS, marks)

    @property
    def unmarked(self) -> Path:
        """Answers of the run that are yet to be marked."""
        return self.path / "unmarked.json"

    @property
    def marks(self) -> frozenset[bytes]:
        """Marks of what was learnt before this run; raises StoreError."""
        return read_marks(self.path / _MARKS)

    def stop(self) -> None:
        """Ask the trainer to end in order."""
        self._stop.touch()

    @property
    def stopping(self) -> bool:
        """True once it was asked to end."""
        return self._stop.exists()

    def tell_stepping(self) -> None:
        """Note that this process has made a step; a full disk costs no training."""
        with suppress(OSError):
            (self.path / _STEPPING).touch()

    @property
    def stepping(self) -> bool:
        """True once the process has made a step; before that it has nothing to lose."""
        return (self.path / _STEPPING).exists()

    def clear(self) -> None:
        """Forget how the last process ended, so that another may go on."""
        (self.path / _STEPPING).unlink(missing_ok=True)
        self._stop.unlink(missing_ok=True)
        self._result.unlink(missing_ok=True)
        self.tell_stage(None)

    def result(self) -> dict[str, Any] | None:
        """Read what the trainer said at its end; None if it ended without a word."""
        try:
            found = json.loads(self._result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def read_steps(self, offset: int) -> tuple[list[TrainingStep], int]:
        """Whole lines of progress from a byte on, and where the next call goes on."""
        steps = []
        try:
            with (self.path / "progress.jsonl").open("rb") as file:
                file.seek(offset)
                data = file.read()
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            # A process that was killed in mid-line leaves half of one, to which the next one adds.
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                steps.append(
                    TrainingStep(
                        int(row["step"]),
                        int(row["steps"]),
                        float(row["at"]),
                        row["train_loss"],
                        row["held_out_loss"],
                        row["seconds_left"],
                    )
                )
        return steps, offset + len(whole)

    def tell_stage(self, stage: TrainingStage | None) -> None:
        """Say what is done beside the steps; None: steps again. A full disk costs no training."""
        with suppress(OSError):
            if stage is None:
                (self.path / _STAGE).unlink(missing_ok=True)
            else:
                self._write(_STAGE, asdict(stage))

    def stage(self) -> TrainingStage | None:
        """Read what a trainer that runs does beside its steps."""
        with suppress(OSError, ValueError, TypeError):
            found = json.loads((self.path / _STAGE).read_text(encoding="utf-8"))
            return TrainingStage(**found)
        return None

    @property
    def disk_is_full(self) -> bool:
        """True if the disk is as good as full: a trainer cannot even say so then."""
        try:
            return shutil.disk_usage(self.path).free < _LOW_DISK_BYTES
        except OSError:
            return False

    def last_output_line(self) -> str:
        """Return the trainer's last line of output, for the log."""
        with suppress(OSError):
            lines = (self.path / _LOG).read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""

    def remove_inputs(self) -> None:
        """Delete what a finished run no longer needs: rows, checkpoint, what was copied."""
        for path in (self.rows, self.unmarked, self.path / _MARKS, self.path / "adapter.gguf"):
            path.unlink(missing_ok=True)
        for path in (self.path / "checkpoint", self.path / "adapter"):
            shutil.rmtree(path, ignore_errors=True)

    def remove(self) -> None:
        """Delete everything, the person's words among it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _write(self, name: str, values: dict[str, Any]) -> None:
        part = self.path / f".{name}.part"
        part.write_text(json.dumps(values), encoding="utf-8")
        part.replace(self.path / name)


class TrainerProcess:
    """A running trainer, started here or found again."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    @classmethod
    def start(cls, command: Sequence[str], folder: RunFolder) -> "TrainerProcess":
        """Start it; it gives way to the chat by itself.

        Raises:
            OSError: it cannot be started, or its log cannot be written.
        """
        _forget_ended_children()
        key = encryption.key_line(encryption.data_folder_of(folder.path))
        descriptor = os.open(folder.path / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # A session of its own: Ctrl-C in the terminal is for the app alone.
            child = subprocess.Popen(
                [*command, "--folder", str(folder.path)],
                cwd=IMPORT_ROOT,
                env=environment(),
                stdin=subprocess.PIPE if key else subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
            if child.stdin is not None:
                # A pipe, because arguments and environments can be read by others.
                with suppress(OSError), child.stdin:
                    child.stdin.write(key)
        finally:
            os.close(descriptor)
        with _children_lock:
            _children.append(child)
        return cls(psutil.Process(child.pid))

    @classmethod
    def find(cls, folder: RunFolder) -> "TrainerProcess | None":
        """Find the trainer that works in this folder, whoever started it.

        Known by its command line: process ids are used again.
        """
        _forget_ended_children()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                if words[-2:] == ["--folder", str(folder.path)]:
                    return cls(process)
        return None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        try:
            if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
                return True
        except psutil.Error:
            pass
        _forget_ended_children()
        return False

    def terminate(self) -> None:
        """Tell the system to end it: it has nothing to put in order."""
        with suppress(psutil.Error):
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        with suppress(psutil.Error):
            self._process.kill()


def environment() -> dict[str, str]:
    """Return a trainer's environment; variables that the person has set come before our own."""
    return {**_ENVIRONMENT, **child_environment()}


def _forget_ended_children() -> None:
    with _children_lock:
        _children[:] = [child for child in _children if child.poll() is None]
