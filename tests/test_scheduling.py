"""Which worker gets which file where one is left to what waits."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import LONG
from tests.scheduling import WAITING, WaitingApart, give_way
from tests.tiers import ROOT

WAITS = [*WAITING]
BUSY = ["tests/a.py", "tests/b.py", "tests/c.py", "tests/d.py"]


class Worker:
    """Runs all that it was given when asked to."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.given: list[int] = []
        self.ran: list[str] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def run(workers: int, files: list[str]) -> list[list[str]]:
    """Have all files of three tests each run, worker by worker in turn; return who ran what."""
    config: Any = SimpleNamespace(
        getvalue=lambda _: ["popen"] * workers, option=SimpleNamespace(loadscopereorder=False)
    )
    scheduler = WaitingApart(config)
    made: list[Any] = [Worker(number) for number in range(workers)]
    tests = [f"{file}::test_{number}" for file in files for number in range(3)]
    for worker in made:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    while any(worker.given for worker in made):
        for worker in made:
            if worker.given:
                index = worker.given.pop(0)
                worker.ran.append(tests[index].partition("::")[0])
                scheduler.mark_test_complete(worker, index)
    assert sorted(file for worker in made for file in worker.ran) == sorted([*files] * 3)
    assert all(worker.shutting_down for worker in made)
    return [list(dict.fromkeys(worker.ran)) for worker in made]


def test_the_last_of_several_workers_takes_what_waits_and_nothing_else() -> None:
    *busy, last = run(3, [WAITS[0], *BUSY[:2], WAITS[1], *BUSY[2:]])
    assert last == WAITS[:2]
    assert sorted(file for each in busy for file in each) == BUSY


def test_what_waits_is_taken_by_whoever_has_nothing_else_to_do() -> None:
    first, last = run(2, [*WAITS, BUSY[0]])
    assert first[0] == BUSY[0]
    assert {*first[1:], *last} == {*WAITING}


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_every_test_runs_however_many_workers_there_are(workers: int) -> None:
    for files in (BUSY, WAITS, [*BUSY, *WAITS], [*WAITS[:1], *BUSY]):
        run(workers, files)


def test_what_waits_is_a_file_without_the_page() -> None:
    for file in WAITING:
        assert "tests.ui" not in (ROOT / file).read_text(encoding="utf-8")
        assert not file.startswith("tests/ui/")


def test_a_file_stands_in_one_list_and_is_there() -> None:
    files = [*WAITING, *(f"tests/{name}" for name in LONG)]
    assert len(files) == len({*files})
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_who_computes_comes_after_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[int] = []
    monkeypatch.setattr("os.nice", added.append)
    give_way("gw2", 3)
    assert added == []
    give_way("gw0", 3)
    give_way("gw1", 3)
    assert added == [10, 10]
