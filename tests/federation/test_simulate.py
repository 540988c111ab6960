"""The simulation from end to end, with a hand-sized model and tasks of a few words."""

import json
from pathlib import Path

import pytest

from floe.errors import FederationError
from floe.federation.app.round_report import RoundReport
from floe.federation.group.history import History
from floe.federation.group.membership import Simulation
from floe.federation.simulation import simulate
from floe.federation.simulation.simulate import Outcome, main, table
from floe.federation.simulation.simulated_device import RANKS, TASKS, simulated_device
from floe.store import Store
from tests.federation.small import TINY, use_small_tasks
from tests.training.tiny import write_tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(autouse=True)
def _small_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_tasks(tmp_path, monkeypatch)


def test_progress_names_round_device_and_time_left() -> None:
    now = 0.0
    said: list[str] = []
    progress = simulate.SimulationProgress(2, 3, said.append, said.append, lambda: now)
    progress.begin("Devices train")
    progress.turn(0, 1, 8)
    now = 30.0
    progress.turn(0, 5, 8)  # half a round of six has taken half a minute
    now = 120.0
    progress.turn(2, 1, 8)
    progress.begin("To compare")
    now = 180.0
    progress.turn(1, 1, 8, over=1.0)
    assert said == [
        "Devices train.",
        "Devices train: round 1 of 2, device 1 of 8.",
        "Devices train: round 1 of 2, device 5 of 8. About 6 minutes left.",
        "Devices train: last look at device 1 of 8. About 4 minutes left.",
        "To compare.",
        "To compare: round 2 of 2, device 1 of 8. About 3 minutes left.",
    ]


def test_eight_devices_find_their_four_tasks_and_gain_by_it(base: Path) -> None:
    reports: list[RoundReport] = []
    said: list[str] = []
    outcome = simulate.simulate(base, 2, recipe=TINY, on_report=reports.append, on_turn=said.append)
    for part in ("Eight devices", "each device trains by itself", "all devices train one"):
        told = [sentence for sentence in said if part in sentence]
        assert any("round 2 of 2, device 8 of 8. About" in sentence for sentence in told), part
    assert outcome.cluster_ari == 1
    assert outcome.ranks == RANKS
    assert [report.round for report in reports] == [1, 2]
    assert all(after < before for before, after in zip(outcome.base, outcome.expert, strict=True))
    first, last = reports[0].clusters, reports[-1].clusters
    for one, other in zip(first, last, strict=True):
        assert one.loss is not None
        assert other.loss is not None
        assert other.loss < one.loss
    assert outcome.average is not None
    assert sum(outcome.expert) < sum(outcome.average)
    assert outcome.bytes_in > 0
    assert "4 clusters, adjusted Rand index 1.00" in outcome.sentence
    assert len(table(outcome).splitlines()) == 1 + len(RANKS)


def test_the_command_writes_its_rounds_where_the_page_reads_them(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulate, "Recipe", lambda: TINY)
    store = Store(tmp_path / "floe.db")
    history = History(store)
    row = history.begin("simulated", {"rounds": 1}, "Starting.")
    arguments = ["--rounds", "1", "--model", str(base), "--no-baselines", "--json"]
    assert main([*arguments, "--data-dir", str(tmp_path), "--record", str(row)]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed["ranks"] == list(RANKS)
    kept = history.get(row)
    assert kept is not None
    assert kept.status == "complete"
    assert kept.settings["outcome"]["clusters"] == printed["clusters"]
    (report,) = history.rounds(row)
    assert len(report.clients) == len(report.positions) == len(RANKS)


def test_a_model_that_cannot_be_trained_ends_it_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "floe.db")
    history = History(store)
    row = history.begin("simulated", {}, "Starting.")
    arguments = ["--model", str(tmp_path / "none.gguf"), "--data-dir", str(tmp_path)]
    assert main([*arguments, "--record", str(row)]) == 1
    assert "none.gguf" in capsys.readouterr().err
    kept = history.get(row)
    assert kept is not None
    assert (kept.status, "none.gguf" in kept.sentence) == ("failed", True)


def test_one_simulation_at_a_time_and_it_can_be_stopped(base: Path, tmp_path: Path) -> None:
    simulation = Simulation(Store(tmp_path / "floe.db"), tmp_path)
    row = simulation.start(base, rounds=500)
    with pytest.raises(FederationError, match="already running"):
        simulation.start(base)
    simulation.stop()
    current = simulation.current()
    assert current is not None
    assert (current.id, current.status, current.pid) == (row, "left", None)


def test_every_task_has_two_devices_with_rows_of_their_own(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    simulated_device.cache_clear()
    devices = [simulated_device(number, base) for number in range(len(RANKS))]
    for one, other in zip(devices[::2], devices[1::2], strict=True):
        assert one.held_out == other.held_out
        assert not {*one.train} & {*other.train}
        assert not {*one.held_out} & {*one.train, *other.train}
        assert len(one.train) >= 20
    assert len({d.held_out for d in devices}) == len(TASKS)
    with pytest.raises(FederationError, match="no 8"):
        simulated_device(8, base)
    simulated_device.cache_clear()


def test_an_outcome_says_how_many_devices_gained() -> None:
    outcome = Outcome(
        ("a", "b"),
        (2, 4),
        ("g", "g"),
        1.0,
        (3.0, 3.0),
        (1.0, 2.0),
        (2.0, 1.5),
        (2.0, 3.0),
        1,
        1,
        1.0,
    )
    assert "own training on 1 of 2 devices" in outcome.sentence
    assert "one average of all on 2 of 2" in outcome.sentence
