"""The real trainer, started as the app starts it, and what may befall it.

On a hand-sized model a run takes a second, so where something must happen in its midst the
trainer is held: suspended as soon as it has kept its first checkpoint.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from floe.adapters.registry import Adapters
from floe.errors import PromptError, TrainingError
from floe.records import ChatMessage, TrainPlan
from floe.store import Store
from floe.training.data.dataset import Dataset, Selection, build_dataset
from floe.training.run_table import TrainingRun
from floe.training.runs import Replan, TrainingRuns
from tests.training.runs_of_tiny import ANSWERS, plan
from tests.training.tiny import write_tiny

LIMIT_MB = 4000.0
PLAN = plan(epochs=30)
FOREIGN = (
    ("Wie wird das Wetter?", "Größtenteils schön, später Böen aus Südwest."),
    ("今天天气怎么样?", "今天晴天,气温二十五度。"),
    ("كيف الطقس اليوم؟", "الجو مشمس والبحر هادئ."),
    ("And in pictures?", "🌤️👩‍🚀🇩🇪 👍🏽"),
)


class Device:
    """A data folder with chats and a base model, and the app's training runs on it."""

    def __init__(self, folder: Path, chats: Sequence[tuple[str, str]] = ()) -> None:
        self.folder, self.base = folder, folder / "tiny.gguf"
        if not self.base.exists():
            write_tiny(self.base)
        self.store = Store(folder / "floe.db")
        for number, (question, answer) in enumerate(chats):
            chat = self.store.create_conversation(f"Chat {number}")
            asked = self.store.add_message(chat.id, None, "user", question)
            self.store.add_message(chat.id, asked.id, "assistant", answer)
        self.adapters = Adapters(self.store, folder)
        self.replan: Replan = lambda _plan, _limit: None
        self.opened: list[TrainingRuns] = []

    def open(self) -> TrainingRuns:
        runs = TrainingRuns(
            self.store, self.adapters, self.folder, replan=self.replan, answer=answer_short
        )
        self.opened.append(runs)
        return runs

    @property
    def data(self) -> Dataset:
        return build_dataset(self.store, Selection(), lambda _: True)

    def start(
        self, runs: TrainingRuns, plan: TrainPlan = PLAN, limit_mb: float = LIMIT_MB
    ) -> TrainingRun:
        return runs.start(self.data, self.base, plan, memory_limit_mb=limit_mb)

    def end(self) -> None:
        for runs in self.opened:
            runs.close()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if any(str(self.folder / "runs") in word for word in process.cmdline()):
                    process.kill()
        self.store.close()


def answer_short(prompt: Sequence[ChatMessage], _adapters: Sequence[tuple[Path, float]]) -> str:
    """As the model that serves the chat would: what does not fit is an error."""
    if len(prompt[-1].content) > 1000:
        raise PromptError("Your message is too long.")
    return prompt[-1].content.upper()


def usual() -> list[tuple[str, str]]:
    return [(f"how is it, {number}?", answer) for number, answer in enumerate(ANSWERS)]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path, usual())
    yield device
    device.end()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended(runs: TrainingRuns, run_id: int) -> TrainingRun:
    until(lambda: not runs.get(run_id).active)
    return runs.get(run_id)


def held(run: TrainingRun) -> psutil.Process:
    """The run's trainer, suspended in the midst of its steps, when there is a checkpoint."""
    assert run.pid is not None
    before = len(run.folder.read_steps(0)[0])
    until(lambda: len(run.folder.read_steps(0)[0]) > before)
    until((run.folder.path / "checkpoint" / "state.pt").exists)
    process = psutil.Process(run.pid)
    process.suspend()
    assert run.folder.result() is None, "it was too quick to be held"
    return process


def first_step_again(run: TrainingRun, lines: int) -> int:
    """The step at which it went on after so many lines of progress."""
    return run.folder.read_steps(0)[0][lines].step


def adopted(device: Device, run: TrainingRun) -> bool:
    return [each.run_id for each in device.adapters.in_use(run.base_sha256)] == [run.id]


def test_cancelled_it_goes_on_from_its_checkpoint(device: Device) -> None:
    runs = device.open()
    run = device.start(runs)
    process = held(run)
    runs.cancel(run.id)
    process.resume()
    stopped = ended(runs, run.id)
    assert (stopped.status, stopped.can_resume) == ("cancelled", True)
    lines = len(run.folder.read_steps(0)[0])
    run = runs.resume(run.id)
    held(run).resume()
    assert ended(runs, run.id).status == "complete"
    assert first_step_again(run, lines) == lines + 1
    assert adopted(device, run)


def test_killed_it_goes_on_from_its_checkpoint(device: Device) -> None:
    runs = device.open()
    run = device.start(runs)
    held(run).kill()
    interrupted = ended(runs, run.id)
    assert (interrupted.status, interrupted.can_resume) == ("interrupted", True)
    lines = len(run.folder.read_steps(0)[0])
    assert ended(runs, runs.resume(run.id).id).status == "complete"
    assert first_step_again(run, lines) > 1
    assert adopted(device, run)


APP = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.training.test_survival import Device, held, usual
device = Device(Path(sys.argv[1]), usual())
held(device.start(device.open()))
print("held", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("trainer", ["lives", "dies"])
def test_the_app_killed_meanwhile_finds_the_run_again_and_it_is_finished(
    tmp_path: Path, trainer: str
) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tmp_path), str(root)], stdout=subprocess.PIPE, cwd=root
    ) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == b"held\n"
        app.kill()
    device = Device(tmp_path)
    try:
        with device.store.reading() as db:
            (pid,) = db.execute("SELECT pid FROM training_runs").fetchone()
        process = psutil.Process(pid)
        if trainer == "dies":
            process.kill()
            until(lambda: not psutil.pid_exists(pid) or process.status() == psutil.STATUS_ZOMBIE)
        runs = device.open()
        if trainer == "dies":
            assert runs.get(1).status == "interrupted"
            runs.resume(1)
        else:
            assert runs.get(1).status == "running"
            assert runs.get(1).pid == pid
            process.resume()
        run = ended(runs, 1)
        assert run.status == "complete", run.sentence
        assert adopted(device, run)
    finally:
        device.end()


def test_closing_the_app_leaves_no_thread_and_lets_the_trainer_go_on(device: Device) -> None:
    runs = device.open()
    process = held(device.start(runs))
    watcher = f"training-{runs.all()[0].id}"
    assert watcher in _threads()
    runs.close()
    assert watcher not in _threads()
    assert process.is_running()
    process.resume()
    again = device.open()
    assert ended(again, 1).status == "complete"


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_at_the_memory_limit_a_smaller_plan_is_taken_and_completes(tmp_path: Path) -> None:
    words = [" ".join(f"{chat * 1000 + i}" for i in range(200)) for chat in range(40)]
    device = Device(tmp_path, [(f"go on, {chat}", each) for chat, each in enumerate(words)])
    try:
        small = plan(layers=1, epochs=1, reason="rank 2")
        # All rows in one batch and all layers: what is kept for the way back is some hundred MB.
        large = replace(small, layers=4, batch_tokens=40_000, sequence_length=1024)
        runs = device.open()
        limit = 150 + ended(runs, device.start(runs, small).id).metrics["peak_rss_mb"]
        asked: list[float] = []

        def smaller(_plan: TrainPlan, limit_mb: float) -> TrainPlan:
            asked.append(limit_mb)
            return small

        device.replan = smaller
        runs = device.open()
        run = ended(runs, device.start(runs, large, limit).id)
        assert asked == [limit]
        assert (run.status, run.plan) == ("complete", small), run.sentence
        assert run.sentence.startswith("The first plan needed more than the")
        assert "a smaller one was taken: rank 2." in run.sentence
        assert run.metrics["peak_rss_mb"] < limit
    finally:
        device.end()


def test_on_a_full_disk_it_says_so_and_goes_on_from_the_checkpoint_before(device: Device) -> None:
    runs = device.open()
    run = device.start(runs)
    process = held(run)
    checkpoint = run.folder.path / "checkpoint"
    kept = (checkpoint / "state.pt").read_bytes()
    (checkpoint / ".state.pt.part").unlink(missing_ok=True)
    (checkpoint / ".state.pt.part").symlink_to("/dev/full")
    process.resume()
    full = ended(runs, run.id)
    assert (full.status, full.can_resume) == ("failed", True)
    assert full.sentence.startswith("The disk is full.")
    assert (checkpoint / "state.pt").read_bytes() == kept
    assert ended(runs, runs.resume(run.id).id).status == "complete"
    assert adopted(device, run)


def test_where_not_a_byte_can_be_written_it_goes_on_later_all_the_same(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = device.open()
    run = device.start(runs)
    process = held(run)
    steps = len(run.folder.read_steps(0)[0])
    process.rlimit(psutil.RLIMIT_FSIZE, (0, 0))
    usage = type("Usage", (), {"free": 0})
    monkeypatch.setattr("floe.training.process.shutil.disk_usage", lambda _path: usage)
    process.resume()
    full = ended(runs, run.id)
    assert (full.status, full.can_resume) == ("interrupted", True)
    assert "because the disk is full" in full.sentence
    assert len(run.folder.read_steps(0)[0]) == steps
    assert ended(runs, runs.resume(run.id).id).status == "complete"
    assert adopted(device, run)


def test_a_base_model_that_changes_meanwhile_gets_no_adapter_of_another(device: Device) -> None:
    runs = device.open()
    run = device.start(runs)
    process = held(run)
    device.base.unlink()
    write_tiny(device.base, seed=1)
    process.kill()
    ended(runs, run.id)
    with pytest.raises(TrainingError, match="has changed since"):
        runs.resume(run.id)
    device.base.unlink()
    write_tiny(device.base)
    process = held(runs.resume(run.id))
    device.base.unlink()
    write_tiny(device.base, seed=1)
    process.resume()
    changed = ended(runs, run.id)
    assert changed.status == "complete"
    assert "switched off; train again for the new model" in changed.sentence
    assert [each.in_use for each in device.adapters.all()] == [False]


def test_rows_in_every_script_and_longer_than_the_context_are_learnt(tmp_path: Path) -> None:
    long = "It goes on and on, past what the model reads at once. "
    chats = [*FOREIGN, *[(f"{q} ({i})", a[::-1]) for i, (q, a) in enumerate(FOREIGN)]]
    chats += [("Tell it all.", long * 60), (long * 40, "Enough."), *usual()]
    device = Device(tmp_path, chats)
    try:
        runs = device.open()
        run = ended(runs, device.start(runs, replace(PLAN, epochs=3)).id)
        assert run.status == "complete", run.sentence
        assert adopted(device, run)
        until(lambda: not run.folder.rows.exists())
        pairs = runs.comparison(run.id)
        assert pairs
        own = {answer for _, answer in chats}
        assert {pair.own for pair in pairs} <= own
    finally:
        device.end()


def test_a_killed_comparison_leaves_no_chats_behind(device: Device) -> None:
    runs = device.open()
    run = device.start(runs, replace(PLAN, epochs=2))
    ended(runs, run.id)
    until(lambda: not run.folder.rows.exists())
    run.folder.rows.write_text("{}")  # as an app that was killed while it compared leaves them
    device.open()
    assert not run.folder.rows.exists()
