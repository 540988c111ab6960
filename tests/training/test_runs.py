"""A run started from the app survives whatever happens to the page, the app and the trainer.

Most tests speak with a scripted trainer; the last one trains.
"""

import os
import shutil
import signal
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

from floe.adapters.registry import Adapters, NewAdapter, model_sha256
from floe.chats.jsonl import import_chats
from floe.errors import DataError, TrainingError
from floe.privacy.training_marks import read_marks
from floe.privacy.verdict import Verdict
from floe.records import ChatMessage, Sampling, TrainPlan
from floe.store import Store
from floe.training.data.dataset import Dataset, Selection, build_dataset
from floe.training.process import RunFolder, TrainingStage, TrainingStep
from floe.training.run_table import TrainingRun
from floe.training.runs import Replan, TrainingRuns
from floe.training.trial.measures import AnswerMeasures
from floe.training.trial.request import TrialRequest
from floe.training.trial.trial import TrialResult
from floe.ui.personalise.training_view import run_value, trial_lines

EXAMPLES = Path(__file__).parents[2] / "data" / "examples"
PLAN = TrainPlan(
    8, 16.0, ("q_proj", "v_proj"), 4, 256, 192, False, "bfloat16", 1, 1e-3, 2, 500, 40.0, 1400.0,
    "rank 8",
)  # fmt: skip
SMALLER = replace(PLAN, rank=4, reason="rank 4")


class Examiner:
    """Takes what holds "glass" for private; `loaded` counts."""

    def __init__(self) -> None:
        self.loaded = 0

    def load(self) -> None:
        self.loaded += 1

    def examine(self, text: str) -> Verdict:
        return Verdict("glass" in text, ())

    def rare_words(self, text: str) -> tuple[str, ...]:
        return tuple({"gland", "gurnard"} & {*text.split()})


class App:
    """What the app has around a training run, with a trainer that follows a script."""

    examiner: Examiner | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "scripted_trainer.py"
        shutil.copy(Path(__file__).with_name("scripted_trainer.py"), self.script)
        self.base = folder / "base.gguf"
        self.base.write_bytes(b"GGUF base")
        self.store = Store(folder / "floe.db")
        import_chats(self.store, EXAMPLES / "harbour.jsonl")
        self.adapters = Adapters(self.store, folder)
        self.adopted: list[int] = []
        self.asked: list[tuple[str, list[Path]]] = []
        self.replan: Replan = lambda _plan, _limit: SMALLER
        self.opened: list[TrainingRuns] = []
        self.mode("good")

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    def open(self) -> TrainingRuns:
        runs = TrainingRuns(
            self.store,
            self.adapters,
            self.folder,
            replan=self.replan,
            answer=self.answer,
            adopted=self.adopt,
            examiner=self.examiner,
            command=[sys.executable, str(self.script)],
        )
        self.opened.append(runs)
        return runs

    def answer(self, prompt: Sequence[ChatMessage], adapters: Sequence[tuple[Path, float]]) -> str:
        self.asked.append((prompt[-1].content, [path for path, _ in adapters]))
        return f"with {len(adapters)}"

    def adopt(self, run: TrainingRun) -> None:
        self.adopted.append(run.id)

    @property
    def data(self) -> Dataset:
        return build_dataset(self.store, Selection(), lambda _: True)

    def start(self, runs: TrainingRuns) -> TrainingRun:
        return runs.start(self.data, self.base, PLAN, memory_limit_mb=1500)

    def end(self) -> None:
        for runs in self.opened:
            runs.close()
        for run in self.opened[-1].all() if self.opened else ():
            with suppress(psutil.Error):
                process = psutil.Process(run.pid)
                if str(run.folder.path) in process.cmdline():
                    process.kill()
                    process.wait(5)
        self.store.close()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    yield app
    app.end()


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(runs: TrainingRuns, run_id: int) -> TrainingRun:
    until(lambda: not runs.get(run_id).active)
    return runs.get(run_id)


def under_way(runs: TrainingRuns, run_id: int, step: int = 2) -> None:
    until(lambda: len(runs.steps(run_id)) >= step)


def test_an_adapter_keeps_marks_of_what_it_was_trained_on_and_the_next_one_has_them_too(
    app: App,
) -> None:
    app.examiner = Examiner()
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    (adapter,) = app.adapters.all()
    assert app.examiner.loaded
    learnt = [row.answer for row in app.data.used if row.split == "train"]
    assert all(row.disclosure == "unjudged" for row in app.data.used)
    marks = app.adapters.training_marks()
    told = [text for text in learnt if "glass" in text]
    assert told
    assert all(map(marks.found_in, told))
    assert not any(map(marks.found_in, set(learnt) - {*told}))
    until(lambda: not run.folder.rows.exists())
    assert not run.folder.unmarked.exists()
    assert run.folder.marks == frozenset()
    # The next one goes on from it, though nothing that it learns itself is private.
    app.examiner = None
    kept = read_marks(adapter.marks)
    runs.close()
    runs = app.open()
    run = runs.start(
        replace(app.data, rows=tuple(replace(row, disclosure="had") for row in app.data.rows)),
        app.base,
        PLAN,
        memory_limit_mb=1500,
        continue_from=adapter,
    )
    app.adapters.delete(adapter.id)
    ended(runs, run.id)
    (adapter,) = app.adapters.all()
    assert read_marks(adapter.marks) == kept


def test_a_better_adapter_is_in_use_at_the_end_and_shown_beside_what_was_before(app: App) -> None:
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    assert run.status == "complete"
    assert run.sentence == (
        "Loss on the answers kept aside fell from 2.500 to 2.000: the new adapter is in use."
    )
    (adapter,) = app.adapters.in_use(model_sha256(app.store, app.base))
    assert (adapter.run_id, adapter.data_sha256, adapter.plan) == (
        run.id,
        app.data.fingerprint,
        PLAN,
    )
    assert app.adopted == [run.id]
    assert [(s.step, s.train_loss, s.held_out_loss) for s in runs.steps(run.id)] == [
        (1, 3.0, None),
        (2, 1.5, 2.0),
        (3, 1.0, None),
    ]
    until(lambda: not run.folder.rows.exists())  # nothing of the chats stays in the folder
    assert run.folder.held_out == set(app.data.held_out) != set()
    pairs = runs.comparison(run.id)
    assert 2 <= len(pairs) <= 3
    assert {(pair.before, pair.after) for pair in pairs} == {("with 0", "with 1")}
    held_out = {row.question for row in app.data.used if row.split == "held_out"}
    assert {pair.question for pair in pairs} <= held_out
    assert app.asked[1] == (pairs[0].question, [adapter.gguf])
    app.adapters.delete(adapter.id)
    assert not run.folder.path.exists()
    assert runs.comparison(run.id) == []


def test_the_trainer_is_told_how_the_chat_answers_and_where_base_answers_are_kept(
    app: App,
) -> None:
    app.mode("held")
    runs = app.open()
    asked = TrialRequest(Sampling(temperature=0.5, max_tokens=99), "Be kind.")
    run = runs.start(app.data, app.base, PLAN, memory_limit_mb=1500, trial=asked)
    told = TrialRequest.from_json(run.folder.read_request()["trial"])
    assert told == replace(asked, cache=app.folder / "base_answers")
    # What it does beside its steps is seen by a page that comes back, until it has ended.
    run.folder.tell_stage(TrainingStage("The new adapter answers the same questions", 3, 24))
    shown = run_value(runs.get(run.id), [], [])
    assert shown["sentence"] == "The new adapter answers the same questions: 3 of 24."
    assert shown["progress"] == 3 / 24
    run.folder.tell_stage(TrainingStage("The steps are done", 0, 0))
    last = TrainingStep(24, 24, 0.0, 1.0, None, 1.0)
    shown = run_value(runs.get(run.id), [last], [])
    assert (shown["sentence"], shown["left"]) == ("The steps are done.", "")
    assert shown["progress"] is None
    app.mode("good")
    shown = run_value(ended(runs, run.id), [], [])
    assert shown["measured"] == runs.get(run.id).sentence
    assert shown["verdict"] == "Worth using: the new adapter is in use."


def test_both_columns_of_a_trial_are_shown() -> None:
    base = AnswerMeasures(24, 0.75, 0.9, 12, 10, 12)
    personal = AnswerMeasures(24, 0.5, 0.8, 0, 9, 12)
    trial = TrialResult(base, personal, 0.875, 0.0, 0.5, ("it is worse",))
    assert trial_lines(trial) == [
        ("Answers that come to an end", "75%", "50%"),
        ("Runs of four words that are new", "90%", "80%"),
        ("Longest loop", "12 words", "none"),
        ("Simple questions answered right", "10 of 12", "9 of 12"),
        ("Answers that sound more like you", "", "88%"),
        ("Answers that repeat your chats", "", "0%"),
    ]
    assert trial_lines(None) == []


def test_an_adapter_that_is_no_better_is_not_taken_and_the_person_is_told(app: App) -> None:
    runs = app.open()
    first = ended(runs, app.start(runs).id)
    app.mode("worse")
    second = ended(runs, app.start(runs).id)
    assert second.status == "complete"
    assert "no better" in second.sentence
    assert [a.run_id for a in app.adapters.all() if a.in_use] == [first.id]
    assert len(app.adapters.all()) == 1
    assert app.adopted == [first.id]


def test_two_presses_at_once_start_one_run_and_the_other_is_told(app: App) -> None:
    app.mode("slow")
    runs, other_window = app.open(), app.open()
    refused: list[str] = []

    def press(runs: TrainingRuns) -> None:
        try:
            app.start(runs)
        except TrainingError as error:
            refused.append(str(error))

    presses = [threading.Thread(target=press, args=(r,)) for r in (runs, other_window, runs)]
    for thread in presses:
        thread.start()
    for thread in presses:
        thread.join()
    assert len(refused) == 2
    assert all("already running" in sentence for sentence in refused)
    (run,) = runs.all()
    runs.cancel(run.id)
    ended(runs, run.id)


def test_a_cancelled_run_goes_on_from_where_it_was(app: App) -> None:
    app.mode("slow")
    runs = app.open()
    run_id = app.start(runs).id
    under_way(runs, run_id)
    runs.cancel(run_id)
    run = ended(runs, run_id)
    assert (run.status, run.can_resume) == ("cancelled", True)
    reached = len(runs.steps(run_id))
    app.mode("good")
    runs.resume(run_id)
    assert ended(runs, run_id).status == "complete"
    assert len(runs.steps(run_id)) == max(reached, 3)


def test_a_trainer_that_does_not_listen_is_ended(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("floe.training.runs._PATIENCE_SECONDS", 0.1)
    app.mode("deaf")
    runs = app.open()
    run = app.start(runs)
    under_way(runs, run.id)
    runs.cancel(run.id)
    assert ended(runs, run.id).status == "cancelled"


def test_a_killed_trainer_is_told_of_and_goes_on(app: App) -> None:
    app.mode("slow")
    runs = app.open()
    run = app.start(runs)
    under_way(runs, run.id)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    interrupted = ended(runs, run.id)
    assert interrupted.status == "interrupted"
    assert "can go on" in interrupted.sentence
    assert app.adapters.all() == []
    app.mode("good")
    runs.resume(run.id)
    assert ended(runs, run.id).status == "complete"


APP = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.training.test_runs import App
app = App(Path(sys.argv[1]))
app.mode("slow")
runs = app.open()
run = app.start(runs)
while len(runs.steps(run.id)) < 2:
    time.sleep(0.02)
print("under way", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("trainer", ["lives", "dies", "finishes"])
def test_a_run_is_found_again_after_the_app_was_killed(tmp_path: Path, trainer: str) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(tmp_path), str(root)], stdout=subprocess.PIPE, cwd=root
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"under way\n"
        killed.kill()
    app = _again(tmp_path)
    try:
        with app.store.reading() as db:
            (pid,) = db.execute("SELECT pid FROM training_runs").fetchone()
        process = psutil.Process(pid)
        if trainer == "dies":
            process.kill()
        elif trainer == "finishes":
            (tmp_path / "runs" / "1" / "stop").touch()
        if trainer != "lives":
            until(lambda: not psutil.pid_exists(pid) or process.status() == psutil.STATUS_ZOMBIE)
        runs = app.open()
        if trainer == "lives":
            before = len(runs.steps(1))
            until(lambda: len(runs.steps(1)) > before)
            assert runs.get(1).status == "running"
            with pytest.raises(TrainingError, match="already running"):
                app.start(runs)
            runs.cancel(1)
        expected = "interrupted" if trainer == "dies" else "cancelled"
        assert ended(runs, 1).status == expected
        app.mode("good")
        runs.resume(1)
        assert ended(runs, 1).status == "complete"
        assert len(app.adapters.all()) == 1
    finally:
        app.end()


def _again(folder: Path) -> App:
    """The app started once more on the same data folder."""
    app = App.__new__(App)
    app.folder, app.script, app.base = folder, folder / "scripted_trainer.py", folder / "base.gguf"
    app.store = Store(folder / "floe.db")
    app.adapters = Adapters(app.store, folder)
    app.adopted, app.asked, app.opened = [], [], []
    app.replan = lambda _plan, _limit: SMALLER
    return app


def test_a_closed_app_leaves_the_trainer_alone(app: App) -> None:
    app.mode("slow")
    first = app.open()
    run = app.start(first)
    first.close()
    reached = len(first.steps(run.id))
    again = app.open()
    under_way(again, run.id, reached + 2)
    again.cancel(run.id)
    assert ended(again, run.id).status == "cancelled"


def test_when_memory_does_not_suffice_a_smaller_plan_is_tried_once_and_said_so(app: App) -> None:
    app.mode("memory")
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    assert (run.status, run.plan) == ("complete", SMALLER)
    assert run.sentence.startswith("The first plan needed more than the 1.5 GB it may use")
    assert app.adapters.all()[0].rank == 4


def test_without_a_smaller_plan_a_lack_of_memory_is_told(app: App) -> None:
    app.mode("memory")
    app.replan = lambda _plan, _limit: None
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    assert (run.status, run.sentence) == ("failed", "It needs more memory.")


def test_a_full_disk_loses_nothing(app: App) -> None:
    app.mode("disk")
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    assert (run.status, run.sentence, run.can_resume) == ("failed", "The disk is full.", True)
    app.mode("good")
    runs.resume(run.id)
    assert ended(runs, run.id).status == "complete"


def test_an_adapter_that_could_not_be_kept_is_kept_at_the_second_try(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    runs = app.open()
    with monkeypatch.context() as patch:
        patch.setattr("floe.adapters.registry.shutil.copytree", full)
        run = ended(runs, app.start(runs).id)
    assert run.status == "failed"
    assert "the disk is full" in run.sentence
    assert app.adapters.all() == []
    runs.resume(run.id)
    assert runs.get(run.id).status == "complete"
    assert app.adapters.all()[0].in_use


def test_a_run_that_cannot_be_written_does_not_start(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    runs = app.open()
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_write", full)
        with pytest.raises(TrainingError, match="No space left"):
            app.start(runs)
    assert [run.status for run in runs.all()] == ["failed"]
    assert ended(runs, app.start(runs).id).status == "complete"


def test_an_adapter_is_not_put_on_a_base_that_changed_meanwhile(app: App) -> None:
    app.mode("slow")
    runs = app.open()
    run = app.start(runs)
    under_way(runs, run.id)
    runs.cancel(run.id)
    ended(runs, run.id)
    original = app.base.read_bytes()
    app.base.write_bytes(b"GGUF another base")
    with pytest.raises(TrainingError, match="has changed"):
        runs.resume(run.id)
    app.base.write_bytes(original)
    app.mode("held")
    runs.resume(run.id)
    app.base.write_bytes(b"GGUF a third base")
    app.mode("good")
    changed = ended(runs, run.id)
    assert "has changed since" in changed.sentence
    (adapter,) = app.adapters.all()
    assert not adapter.in_use
    assert app.adopted == []


def test_training_does_not_go_on_from_an_adapter_of_another_base(app: App) -> None:
    runs = app.open()
    run = ended(runs, app.start(runs).id)
    until(lambda: not run.folder.rows.exists())
    old = app.adapters.all()[0]
    app.base.write_bytes(b"GGUF another base")
    with pytest.raises(TrainingError, match="another base model"):
        runs.start(app.data, app.base, PLAN, memory_limit_mb=1500, continue_from=old)


def test_without_rows_nothing_starts(app: App) -> None:
    runs = app.open()
    empty = build_dataset(app.store, Selection(conversations=()), lambda _: True)
    with pytest.raises(DataError, match="no answer to learn from"):
        runs.start(empty, app.base, PLAN, memory_limit_mb=1500)
    assert runs.all() == []


def test_discarding_a_run_deletes_what_it_read(app: App) -> None:
    app.mode("slow")
    runs = app.open()
    run = app.start(runs)
    with pytest.raises(TrainingError, match="still running"):
        runs.discard(run.id)
    runs.cancel(run.id)
    ended(runs, run.id)
    runs.discard(run.id)
    assert not run.folder.path.exists()
    with pytest.raises(TrainingError, match="cannot go on"):
        runs.resume(run.id)


def test_a_half_written_line_of_progress_waits_for_its_other_half(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    line = '{"step": 1, "steps": 2, "at": 0, "train_loss": 1, "held_out_loss": null, '
    (tmp_path / "progress.jsonl").write_text(line)
    assert folder.read_steps(0) == ([], 0)
    (tmp_path / "progress.jsonl").write_text(line + '"seconds_left": 3}\nbroken\n')
    steps, offset = folder.read_steps(0)
    assert [step.seconds_left for step in steps] == [3]
    assert folder.read_steps(offset) == ([], offset)


def test_an_adapter_of_an_earlier_run_is_where_the_next_one_starts(app: App) -> None:
    sha256 = model_sha256(app.store, app.base)
    source = app.folder / "made"
    (source / "adapter").mkdir(parents=True)
    (source / "adapter.gguf").write_bytes(b"GGUF")
    old = app.adapters.add(NewAdapter("Old", "personal", source, sha256, 8))
    app.mode("slow")
    runs = app.open()
    run = runs.start(app.data, app.base, PLAN, memory_limit_mb=900, continue_from=old, seed=3)
    request = run.folder.read_request()
    assert request["continue_from"] == str(old.peft)
    assert (request["memory_limit_mb"], request["seed"], request["base"]) == (
        900,
        3,
        str(app.base.resolve()),
    )
    runs.cancel(run.id)
    ended(runs, run.id)


def test_the_real_trainer_learns_and_its_adapter_is_put_to_use(
    tmp_path: Path, smollm_path: Path
) -> None:
    with Store(tmp_path / "floe.db") as store:
        chosen = import_chats(store, EXAMPLES / "kitchen.jsonl")[:5]
        data = build_dataset(store, Selection(conversations=tuple(chosen)), lambda _: True)
        adapters = Adapters(store, tmp_path)
        runs = TrainingRuns(store, adapters, tmp_path, replan=lambda _plan, _limit: None)
        plan = replace(PLAN, layers=2, epochs=2, learning_rate=2e-3)
        run = runs.start(data, smollm_path, plan, memory_limit_mb=4000)
        until(lambda: not runs.get(run.id).active, 120)
        run = runs.get(run.id)
        assert run.status == "complete", run.sentence
        assert "is in use" in run.sentence
        (adapter,) = adapters.in_use(run.base_sha256)
        assert (adapter.peft / "adapter_config.json").is_file()
        assert adapter.metrics["held_out_after"] < adapter.metrics["held_out_before"]
        assert [step.step for step in runs.steps(run.id)] == list(
            range(1, run.metrics["steps"] + 1)
        )
        runs.close()
