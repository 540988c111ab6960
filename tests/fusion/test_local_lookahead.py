"""What the local model writes while the cloud keeps it waiting: used, or rolled back."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.fusion.follower import Follower
from floe.fusion.local_lookahead import MOST_AHEAD, LocalLookahead
from floe.fusion.picking import Pick
from floe.records import PoolingRule, Sampling, TokenStep
from tests.fusion.decoding import (
    CLOUD_WORDS,
    LOCAL_WORDS,
    decode,
    greedy_alone,
    one_row_at_a_time,
    text_of,
)
from tests.fusion.fakes import Distribution, FakeClock, FakeCloud, FakeLocal, peaked

OWN = peaked(LOCAL_WORDS, "local")
OTHER = peaked(CLOUD_WORDS, "cloud")
STEP = 0.01


class SlowLocal(FakeLocal):
    """Takes a hundredth of a second for each evaluation."""

    def __init__(
        self,
        clock: FakeClock,
        own: Distribution = OWN,
        context: int = 10_000,
        words: Sequence[bytes] = LOCAL_WORDS,
    ) -> None:
        super().__init__(words, own, context)
        self._clock = clock

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> NDArray[np.float32]:
        self._clock.now += STEP
        return super().evaluate(tokens, outputs)


def test_a_silent_cloud_finds_the_answer_written(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    written: list[int] = []

    def look(steps: list[TokenStep], _: object) -> None:
        written.append(len(local.tokens) - 1)

    cloud = FakeCloud(OTHER, clock, round_trip=1e6)
    steps, _ = decode(local, cloud, weight=0.5, deadline=1.0, on_step=look)
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, OWN), 60)
    assert {step.source for step in steps} == {"late"}
    assert written[0] == MOST_AHEAD, "before the first token was given out"
    assert local.batches == [1] * len(local.batches)
    assert local.starts == sorted(set(local.starts)), "nothing is evaluated twice"


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("rule", ["linear", "log-linear"])
def test_a_row_in_the_second_half_of_the_wait_counts_as_ever(
    clock: FakeClock, weight: float, rule: PoolingRule
) -> None:
    # Digits: inside a word of letters a second request may be due for the same token, where the
    # first was sent without what lies beyond a boundary of the cloud's. It would come too late.
    words, others = (
        [word.translate(bytes.maketrans(b"abc", b"123")) for word in vocabulary]
        for vocabulary in (LOCAL_WORDS, CLOUD_WORDS)
    )
    own, other = peaked(words, "local"), peaked(others, "cloud")
    local = SlowLocal(clock, own, words=words)
    cloud = FakeCloud(other, clock, round_trip=0.85, spacing=0.01)
    steps, _ = decode(local, cloud, weight=weight, rule=rule, deadline=1.0)
    expected = one_row_at_a_time(
        FakeLocal(words, own), other, weight, rule, shared=False, tokens=60
    )
    assert text_of(steps) == expected
    assert {step.source for step in steps} == {"fused"}
    twice = len(local.starts) - len(set(local.starts))
    assert twice > 0, "something was written ahead and rolled back"


def test_rows_that_come_while_it_is_given_out_count(clock: FakeClock) -> None:
    same = FakeCloud(OWN, clock, round_trip=1.15, spacing=0.01)

    def later(steps: list[TokenStep], _: object) -> None:
        clock.now += 0.1

    local = SlowLocal(clock)
    steps, decoder = decode(local, same, weight=0.5, shared=True, deadline=1.0, on_step=later)
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, OWN), 60)
    assert [step.source for step in steps[:5]] == ["late", "late", "fused", "fused", "fused"]
    assert decoder.requests == 1
    assert local.starts == sorted(set(local.starts)), "the two agree: nothing is evaluated twice"


def test_what_was_evaluated_alone_is_not_kept_where_it_has_other_digits(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    local.single_step_exact_below = 0
    cloud = FakeCloud(OTHER, clock, round_trip=0.85, spacing=0.01)
    steps, _ = decode(local, cloud, weight=0.5, deadline=1.0)
    assert {step.source for step in steps} == {"fused"}
    assert 1 in local.batches[1:], "something was written ahead"
    batches = zip(local.starts[1:], local.batches[1:], strict=True)
    last = {at: size for start, size in batches for at in range(start, start + size)}
    assert 1 not in {last[at] for at in range(1, len(steps))}


def test_a_slider_moved_while_waiting_is_followed(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    cloud = FakeCloud(OTHER, clock, round_trip=1e6)

    def move(steps: list[TokenStep], controls: object) -> None:
        controls.weight = 1.0 if len(steps) >= 3 else 0.5  # type: ignore[attr-defined]

    steps, _ = decode(local, cloud, weight=0.5, deadline=1.0, on_step=move)
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, OWN), 60)
    assert [step.source for step in steps[:5]] == ["late", "late", "late", "local", "local"]


@pytest.mark.parametrize(("context", "most"), [(10, 60), (10_000, 9)])
def test_no_more_is_written_than_there_is_room_for(
    clock: FakeClock, context: int, most: int
) -> None:
    def endless(text: bytes) -> dict[bytes, float]:
        return OWN(text) | {b"": 1e-9}

    local = SlowLocal(clock, endless, context)
    cloud = FakeCloud(OTHER, clock, round_trip=1e6)
    sampling = Sampling(max_tokens=most)
    steps, decoder = decode(local, cloud, weight=0.5, deadline=1.0, sampling=sampling)
    assert decoder.ending == "length"
    # One token of prompt; the last token picked is not evaluated.
    assert len(steps) == min(context, most)
    assert len(local.starts) == min(context, most)


def best(row: NDArray[np.float32], _before: Sequence[int]) -> Pick:
    return Pick(int(row.argmax()), 1.0, None, 1.0, ())


def test_it_is_written_as_late_as_can_be(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    ahead = LocalLookahead(local, best, local.start()[0], None, room=60)
    assert not ahead.holds(ahead.picks[0].token), "it is not evaluated yet"
    assert ahead.step(0.5) == 0
    assert ahead.holds(ahead.picks[0].token)
    # 15 more of a hundredth of a second each, and half as much again to be on the safe side.
    assert ahead.step(0.4) == pytest.approx(0.4 - 1.5 * 15 * STEP)
    assert ahead.step(0.2) == 0
    assert ahead.step(STEP / 2) == math.inf, "that would not be done in time"
    assert len(local.tokens) == 3
    assert [pick.token for pick in ahead.picks] == [int(row.argmax()) for row in ahead.rows]


def test_what_nobody_knows_the_time_of_is_not_begun_at_the_last_moment(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    row = local.start()[0]
    assert LocalLookahead(local, best, row, None, room=60).step(0.2) == math.inf
    assert LocalLookahead(local, best, row, None, room=60, seconds=STEP).step(0.2) == 0


def test_a_token_that_was_drawn_is_not_drawn_again(clock: FakeClock) -> None:
    local = SlowLocal(clock)
    drawn = Pick(3, 0.1, None, 0.1, ())
    ahead = LocalLookahead(local, best, local.start()[0], drawn, room=60)
    assert ahead.step(0.5) == 0
    assert ahead.picks[0] is drawn
    assert local.tokens[-1] == 3


def test_the_second_half_of_a_wait_is_used(clock: FakeClock) -> None:
    follower = Follower(FakeCloud(OTHER, clock, round_trip=1e6).open, lambda _: None)
    began = clock.now
    left: list[float] = []

    def work(seconds: float) -> float:
        left.append(seconds)
        if len(left) == 2:
            return 0.05  # not yet
        clock.now += 0.1
        return 0.0 if len(left) < 4 else math.inf

    assert follower.next_distribution(1.0, work) is None
    assert left[:4] == pytest.approx([0.5, 0.4, 0.35, 0.25])
    assert clock.now - began == pytest.approx(1.0, abs=0.11)
    follower.advance(b"a")
    left.clear()
    assert follower.next_distribution(1.0, work) is None
    assert left == [], "a cloud that is late already is not waited for"
