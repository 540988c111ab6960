"""A test is slow by what it needs, whoever wrote it and wherever it stands."""

import subprocess
import sys
from typing import Any

import pytest

from tests.tiers import is_slow


def start_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


class Starter:
    def start(self) -> None:
        start_process()


def by_a_helper() -> None:
    start_process()


def by_a_class() -> None:
    Starter().start()


def inside() -> Any:
    def later() -> None:
        start_process()

    return later


def asks_by_name(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("smollm")


def adds() -> int:
    return sum(map(len, ("a", "b")))


@pytest.mark.parametrize("needs", [start_process, by_a_helper, by_a_class, inside, asks_by_name])
def test_what_starts_a_process_by_whatever_way_is_slow(needs: Any) -> None:
    assert is_slow(needs, iter(()), frozenset())
    assert is_slow(adds, iter([needs]), frozenset())


def test_what_needs_nothing_is_not() -> None:
    assert not is_slow(adds, iter([adds]), frozenset(("tmp_path",)))
    assert is_slow(adds, iter(()), frozenset(("tmp_path", "smollm")))
