"""A training that is cancelled before its first step, while its trainer hears of nothing."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from floe.ui.personalise.training_view import run_value
from tests.training.test_runs import App, ended, under_way, until


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(tmp_path)
    yield app
    app.end()


@pytest.mark.parametrize("resumed", [False, True])
def test_cancelled_while_the_model_is_read_it_says_so_at_once_and_ends_soon(
    app: App, resumed: bool
) -> None:
    runs = app.open()
    run_id = 0
    if resumed:
        app.mode("slow")
        run_id = app.start(runs).id
        under_way(runs, run_id)
        runs.cancel(run_id)
        ended(runs, run_id)
    app.mode("reading")
    run_id = runs.resume(run_id).id if resumed else app.start(runs).id
    reached = len(runs.steps(run_id))
    until((runs.get(run_id).folder.path / "begun").exists)
    runs.cancel(run_id)
    run = runs.get(run_id)
    shown = run_value(run, runs.steps(run_id), [])
    assert (shown["sentence"], shown["stopping"]) == ("It is being cancelled.", True)
    # Long before a trainer would be given up that has something to keep.
    run = ended(runs, run_id)
    assert run.pid is not None
    assert not psutil.pid_exists(run.pid)
    assert (run.status, run.can_resume) == ("cancelled", True)
    assert app.adapters.all() == []
    assert not list(run.folder.path.glob("adapter*"))
    app.mode("good")
    runs.resume(run_id)
    assert ended(runs, run_id).status == "complete"
    assert len(runs.steps(run_id)) == max(reached, 3)


def test_a_trainer_that_is_read_in_is_ended_by_the_next_app_too(app: App) -> None:
    app.mode("reading")
    first = app.open()
    run = app.start(first)
    until((run.folder.path / "begun").exists)
    first.close()
    run.folder.stop()  # cancelled, and the app was closed at once
    again = app.open()
    assert ended(again, run.id).status == "cancelled"
