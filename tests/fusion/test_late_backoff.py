"""A cloud that is late again and again is asked ever more seldom; one that recovers takes part."""

from itertools import pairwise

import pytest

from floe.fusion.follower import Follower, FollowPolicy
from floe.fusion.late_backoff import LONGEST, SAID, LateBackoff
from tests.fusion.fakes import FakeClock, FakeCloud, peaked, row_after

WORDS = [b"a", b"b", b" c", b" d"]
CLOUD = peaked(WORDS, "cloud")
PROMPT = 120
"""Tokens that each request pays for beside the answer so far."""
TOKEN = 0.03
"""Seconds of a local token."""


class Answer:
    """Written by a local model that says "zz" where the cloud does not say something else."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        round_trip: float,
        spacing: float = 0.0,
        backoff: LateBackoff | None = None,
    ) -> None:
        self.clock = clock
        self.cloud = FakeCloud(CLOUD, clock, round_trip=round_trip, spacing=spacing)
        self.said: list[str] = []
        self.follower = Follower(
            self.cloud.open,
            self.said.append,
            policy=FollowPolicy(max_requests=10_000),
            backoff=backoff,
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


def ask(clock: FakeClock, backoff: LateBackoff | None, tokens: int, round_trip: float) -> Answer:
    answer = Answer(clock, round_trip=round_trip, backoff=backoff)
    answer.write(tokens)
    answer.follower.close()
    clock.now += 5.0
    return answer


@pytest.mark.parametrize(
    ("tokens", "apart", "kept"),
    [(30, [4] * 8, [4, 2, *[1] * 6]), (437, [9] * 4, [9, 4, 4, 4])],
)
def test_what_is_known_of_a_slow_cloud_is_kept_from_answer_to_answer(
    clock: FakeClock, tokens: int, apart: list[int], kept: list[int]
) -> None:
    session = LateBackoff()
    alone = [ask(clock, None, tokens, 0.3) for _ in apart]
    together = [ask(clock, session, tokens, 0.3) for _ in kept]
    assert [len(answer.cloud.opened) for answer in alone] == apart
    assert [len(answer.cloud.opened) for answer in together] == kept
    assert not any(any(answer.used) for answer in together)
    # The first request of an answer never waits, and the page says why others do.
    assert all(answer.asked_at[0] == 0 for answer in together)
    assert all(SAID in answer.said for answer in together[1:])


def test_a_cloud_that_is_quick_again_takes_part_in_all_of_the_next_answer(
    clock: FakeClock,
) -> None:
    session = LateBackoff()
    for _ in range(4):
        ask(clock, session, 200, 0.5)
    answer = ask(clock, session, 60, 0.02)
    assert answer.used.count(False) <= 1
    assert SAID not in answer.said
    # And is given the benefit of the doubt as at the beginning.
    assert len(ask(clock, session, 437, 0.3).cloud.opened) == 9


def test_a_slow_cloud_is_forgotten_in_time(clock: FakeClock) -> None:
    session = LateBackoff()
    for _ in range(4):
        ask(clock, session, 437, 0.3)
    clock.now += 180.0
    requests = len(ask(clock, session, 437, 0.3).cloud.opened)
    assert 4 < requests < 9
    clock.now += 600.0
    assert len(ask(clock, session, 437, 0.3).cloud.opened) == 9


def test_an_answer_without_the_cloud_forgets_nothing(clock: FakeClock) -> None:
    session = LateBackoff()
    for _ in range(4):
        ask(clock, session, 437, 0.3)
    Answer(clock, round_trip=0.3, backoff=session).follower.close()  # stopped before a token
    assert len(ask(clock, session, 437, 0.3).cloud.opened) <= 5
