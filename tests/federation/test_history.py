"""What a device remembers of groups and their rounds."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.group.history import History
from floe.store import Store

REPORT = RoundReport(
    1,
    2,
    at=100.0,
    seconds=3.0,
    clients=(
        ClientLine("7", "Anna", 4, "group-1", examples=10, loss_expert=1.0, bytes_in=5),
        ClientLine("8", "Ben", 8, "", dropped="no answer in time", bytes_out=9),
    ),
    clusters=(ClusterLine("group-1", ("7",), 4, 1.0),),
)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(Store(tmp_path / "floe.db"))


def test_a_report_that_comes_twice_is_kept_once(history: History) -> None:
    group = history.begin("joined", {"address": "here:1"}, "Connecting.")
    history.add_round(group, REPORT)
    history.add_round(group, REPORT)
    assert history.rounds(group) == [REPORT]


def test_a_second_run_does_not_overwrite_the_first(history: History) -> None:
    group = history.begin("joined", {}, "")
    reports = [REPORT, replace(REPORT, round=2, at=200.0), replace(REPORT, at=300.0)]
    for report in reports:
        history.add_round(group, report)
    assert history.rounds(group) == reports


def test_what_is_over_stays_as_it_ended(history: History) -> None:
    group = history.begin("joined", {}, "")
    history.say(group, "Joined.", pid=42)
    history.end(group, "left", "You left.")
    history.end(group, "failed", "The process ended.")
    found = history.get(group)
    assert found is not None
    assert (found.status, found.sentence, found.pid) == ("left", "You left.", None)


def test_groups_and_simulations_are_told_apart(history: History) -> None:
    group = history.begin("joined", {}, "")
    simulation = history.begin("simulated", {"rounds": 5}, "")
    assert [found.id for found in history.all()] == [simulation, group]
    assert [found.id for found in history.all("simulated")] == [simulation]
    history.set_outcome(simulation, {"cluster_ari": 1.0})
    found = history.get(simulation)
    assert found is not None
    assert found.settings == {"rounds": 5, "outcome": {"cluster_ari": 1.0}}


def test_a_round_in_one_sentence() -> None:
    assert REPORT.sentence == (
        "Round 1 of 2: 1 of 2 devices in 1 cluster, mean loss 1.000; left out: Ben: no answer in "
        "time."
    )
    assert (REPORT.bytes_in, REPORT.bytes_out) == (5, 9)


def test_the_page_needs_neither_torch_nor_flower() -> None:
    code = (
        "import sys, floe.federation.group.membership, floe.federation.group.history\n"
        "import floe.federation.group.host\n"
        "print([name for name in ('torch', 'flwr', 'ray', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
