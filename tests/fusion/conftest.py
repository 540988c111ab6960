"""A fake clock for everything that waits."""

import pytest

from tests.fusion.fakes import FakeClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr("floe.fusion.follower.monotonic", clock)
    monkeypatch.setattr("floe.fusion.follower.sleep", clock.sleep)
    monkeypatch.setattr("floe.fusion.local_lookahead.perf_counter", clock)
    return clock
