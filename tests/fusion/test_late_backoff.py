"""A cloud that is late again and again is asked ever more seldom; one that recovers takes part."""

from itertools import pairwise

import pytest

from floe.fusion.follower import Follower, FollowPolicy
from floe.fusion.late_backoff import LONGEST, SAID
from tests.fusion.fakes import FakeClock, FakeCloud, peaked, row_after

WORDS = [b"a", b"b", b" c", b" d"]
CLOUD = peaked(WORDS, "cloud")
PROMPT = 120
"""Tokens that each request pays for beside the answer so far."""
TOKEN = 0.03
"""Seconds of a local token."""


class Answer:
    """Written by a local model that says "zz" where the cloud does not say something else."""

    def __init__(self, clock: FakeClock, *, round_trip: float, spacing: float = 0.0) -> None:
        self.clock = clock
        self.cloud = FakeCloud(CLOUD, clock, round_trip=round_trip, spacing=spacing)
        self.said: list[str] = []
        self.follower = Follower(
            self.cloud.open, self.said.append, policy=FollowPolicy(max_requests=10_000)
        )
        self.follower.begin()
        self.used: list[bool] = []
        self.asked_at: list[int] = []

    def write(self, count: int, deadline: float = 0.2) -> None:
        for _ in range(count):
            row = self.follower.next_distribution(deadline)
            self.asked_at += [len(self.used)] * (len(self.cloud.opened) - len(self.asked_at))
            self.used.append(row is not None)
            self.follower.advance(row.text_bytes if row else b"zz")
            self.clock.now += TOKEN

    @property
    def paid(self) -> int:
        return sum(PROMPT + len(text) // 2 for text in self.cloud.opened)


def test_what_a_slow_cloud_is_paid_for_grows_with_the_logarithm_of_the_answer(
    clock: FakeClock,
) -> None:
    answer = Answer(clock, round_trip=0.3)
    answer.write(437)
    assert not any(answer.used)
    # Without a back-off: 45 requests, which pay for 15,036 tokens.
    assert (len(answer.cloud.opened), answer.paid) == (9, 2026)
    assert answer.said.count(SAID) >= 1
    gaps = [b - a for a, b in pairwise(answer.asked_at)]
    assert gaps[-5:] == [16, 32, 64, 128, 128]
    assert max(gaps) == LONGEST


@pytest.mark.parametrize("slow", [20, 200])
def test_a_cloud_that_becomes_quick_again_takes_part_again(clock: FakeClock, slow: int) -> None:
    answer = Answer(clock, round_trip=0.5)
    answer.write(slow)
    assert not any(answer.used)
    answer.cloud.round_trip = 0.02
    answer.write(LONGEST + 20)
    assert answer.used.index(True) <= slow + min(slow, LONGEST) + 20
    assert all(answer.used[-10:])


def test_a_cloud_that_is_in_time_is_asked_as_before(clock: FakeClock) -> None:
    answer = Answer(clock, round_trip=0.1)
    for _ in range(50):
        answer.write(1)
        answer.follower.advance(b"zz")  # the stream is left at every second token
    assert all(answer.used)
    assert len(answer.cloud.opened) == 50
    assert SAID not in answer.said


def test_rows_that_come_one_by_one_and_late_do_not_pay(clock: FakeClock) -> None:
    answer = Answer(clock, round_trip=0.1, spacing=1.0)
    answer.write(437)
    assert answer.used[0]
    assert len(answer.cloud.opened) < 20


def test_the_late_rows_that_agree_are_worth_their_price(clock: FakeClock) -> None:
    answer = Answer(clock, round_trip=0.5)
    text = b""
    for _ in range(100):
        row = answer.follower.next_distribution(0.1)
        piece = row_after(text, CLOUD).text_bytes
        answer.used.append(row is not None)
        answer.follower.advance(piece)
        text += piece
        clock.now += TOKEN
    assert sum(answer.used) > 50
    assert SAID not in answer.said
