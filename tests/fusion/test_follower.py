"""When the follower asks, how long it waits, and what it says; time is a fake clock."""

from itertools import pairwise

import pytest

from floe.errors import CloudError
from floe.fusion.follower import Follower, FollowPolicy
from floe.fusion.index import TokenIndex
from tests.fusion.fakes import FakeClock, FakeCloud, FakeStream, peaked, row_after

WORDS = [b"a", b"b", b" c", b" d"]
CLOUD = peaked(WORDS, "cloud")
LATE = "The cloud was late; this device went on alone."


def make(cloud: FakeCloud, policy: FollowPolicy | None = None) -> tuple[Follower, list[str]]:
    said: list[str] = []
    return Follower(cloud.open, said.append, policy=policy), said


def test_a_row_in_time_is_waited_for(clock: FakeClock) -> None:
    follower, said = make(FakeCloud(CLOUD, clock, round_trip=0.2))
    before = clock.now
    assert follower.next_distribution(0.6) is not None
    assert clock.now - before == pytest.approx(0.2)
    assert not said


def test_no_token_waits_longer_than_the_deadline(clock: FakeClock) -> None:
    follower, said = make(FakeCloud(CLOUD, clock, round_trip=1e6))
    follower.begin()
    before = clock.now
    assert follower.next_distribution(0.6) is None
    assert clock.now - before == pytest.approx(0.6)
    assert follower.absence == "late"
    assert not said  # no token of this device has been written yet
    for _ in range(20):
        follower.advance(b"a")
        assert follower.next_distribution(0.6) is None
    assert said == [LATE]
    assert clock.now - before == pytest.approx(0.6), "a silent cloud costs the deadline once"


def test_the_next_row_is_waited_for_within_the_deadline(clock: FakeClock) -> None:
    for spacing, waited in ((0.1, 0.3), (5.0, 0.6)):
        follower, said = make(FakeCloud(CLOUD, clock, round_trip=0.2, spacing=spacing))
        before = clock.now
        row = follower.next_distribution(0.6)
        assert row is not None
        following = follower.successor()
        assert clock.now - before == pytest.approx(waited)
        assert (following == row_after(row.text_bytes, CLOUD)) is (spacing < 1)
        if spacing < 1:
            assert follower.successor(2) is not None
            assert clock.now - before == pytest.approx(waited + spacing)
        # A token that the cloud's row went into is none that this device wrote alone.
        follower.advance(row.text_bytes)
        assert not said


def test_a_stream_that_ends_has_no_next_row(clock: FakeClock) -> None:
    follower, said = make(FakeCloud(CLOUD, clock, round_trip=0.2, length=1))
    assert follower.next_distribution(0.6) is not None
    assert follower.successor() is None
    assert not said


def corn(text: bytes) -> dict[bytes, float]:
    """A cloud that says "corn" and then "s"."""
    return {b"corn": 0.9, b"s": 0.05, b"": 0.05} if not text else {b"s": 0.9, b"": 0.1}


def test_a_row_that_the_next_one_decides_on_is_waited_for(clock: FakeClock) -> None:
    # "corn" is one local token, "corns" is "cor" and "ns".
    spelled = {b"corn": [1], b"corns": [2, 3]}
    index = TokenIndex([b"", b"corn", b"cor", b"ns", b"s"], [0], lambda text: spelled[text])
    for length, waited, opened in ((2, 0.1, [""]), (1, 0.2, ["", "cor"])):
        cloud = FakeCloud(corn, clock, round_trip=0.2, spacing=0.1, length=length)
        policy = FollowPolicy(min_spacing=0.0)
        follower = Follower(cloud.open, lambda _: None, policy=policy, spelling=index)
        assert follower.next_distribution(0.6) is not None
        before = clock.now
        follower.advance(b"cor")
        row = follower.next_distribution(0.6)
        assert row is not None
        assert clock.now - before >= waited - 1e-9
        assert cloud.opened == opened
        assert follower.pending == (b"cor" if length == 2 else b"")


def test_late_rows_are_used_again_where_they_agree(clock: FakeClock) -> None:
    cloud = FakeCloud(CLOUD, clock, round_trip=1.0)
    follower, _ = make(cloud)
    text = b""
    for _ in range(3):
        assert follower.next_distribution(0.1) is None
        piece = row_after(text, CLOUD).text_bytes
        follower.advance(piece)
        text += piece
    clock.now += 2
    row = follower.next_distribution(0.1)
    assert row == row_after(text, CLOUD)
    assert cloud.opened == [""]


def test_late_rows_that_differ_lead_to_a_new_request_with_the_text_so_far(
    clock: FakeClock,
) -> None:
    cloud = FakeCloud(CLOUD, clock, round_trip=1.0)
    follower, _ = make(cloud)
    assert follower.next_distribution(0.1) is None
    follower.advance(b"zzz")
    clock.now += 2
    cloud.round_trip = 0.0
    # The last answer took a second: this one is not waited for, but taken when it is there.
    follower.next_distribution(0.1)
    assert cloud.opened == ["", "zzz"]
    assert follower.next_distribution(0.1) == row_after(b"zzz", CLOUD)


@pytest.mark.parametrize(("round_trip", "expected"), [(0.7, 1.4), (0.4, 0.9), (0.1, 0.3)])
def test_leaving_the_stream_reopens_and_cancels(
    round_trip: float, expected: float, clock: FakeClock
) -> None:
    cloud = FakeCloud(CLOUD, clock, round_trip=round_trip)
    follower, _ = make(cloud, FollowPolicy(min_spacing=0.5))
    start = clock.now
    assert follower.next_distribution(1.0) is not None
    assert clock.now - start == pytest.approx(round_trip)
    follower.advance(b"zzz")
    assert follower.next_distribution(1.0) == row_after(b"zzz", CLOUD)
    assert clock.now - start == pytest.approx(expected)
    assert cloud.streams[0].closed
    assert follower.requests == 2


def test_the_budget_ends_in_local_only_with_a_sentence(clock: FakeClock) -> None:
    cloud = FakeCloud(CLOUD, clock)
    follower, said = make(cloud, FollowPolicy(min_spacing=0.0, max_requests=2))
    for i in range(5):
        follower.next_distribution(1.0)
        follower.advance(b"z")
        assert follower.requests == min(i + 1, 2)
    assert follower.next_distribution(1.0) is None
    assert follower.absence == "offline"
    assert "budget of 2 cloud requests" in said[-1]


def test_an_error_is_told_and_tried_again_later_and_later(clock: FakeClock) -> None:
    opened: list[float] = []

    def refuse(partial: str) -> FakeStream:
        opened.append(clock.now)
        return FakeStream([], clock, error=(clock.now, CloudError("The cloud refused.")))

    said: list[str] = []
    follower = Follower(refuse, said.append)
    start = clock.now
    while clock.now < start + 100:
        before = clock.now
        assert follower.next_distribution(0.6) is None
        assert clock.now == before, "an offline cloud costs no waiting"
        assert follower.absence == "offline"
        clock.now += 0.5
    assert said[0] == "The cloud refused."
    gaps = [b - a for a, b in pairwise(opened)]
    assert gaps[:4] == pytest.approx([1, 2, 4, 8])
    assert max(gaps) <= 30


def test_a_cloud_that_asks_to_be_left_alone_is(clock: FakeClock) -> None:
    opened: list[float] = []

    class Busy(CloudError):
        retry_after = 7.0

    def refuse(partial: str) -> FakeStream:
        opened.append(clock.now)
        return FakeStream([], clock, error=(clock.now, Busy("Too many requests.")))

    follower = Follower(refuse, lambda _: None)
    start = clock.now
    while clock.now < start + 10:
        follower.next_distribution(0.6)
        clock.now += 0.5
    assert [at - start for at in opened] == pytest.approx([0, 7])


def test_stop_ends_the_wait(clock: FakeClock) -> None:
    cloud = FakeCloud(CLOUD, clock, round_trip=1e6)
    pressed = clock.now + 0.25
    follower = Follower(cloud.open, lambda _: None, stopped=lambda: clock.now >= pressed)
    assert follower.next_distribution(5.0) is None
    assert clock.now < pressed + 0.2


def test_rows_that_came_before_the_break_are_used(clock: FakeClock) -> None:
    first = row_after(b"", CLOUD)
    stream = FakeStream([(clock.now, first)], clock, error=(clock.now, CloudError("cut")))
    follower = Follower(lambda _: stream, lambda _: None)
    assert follower.next_distribution(0.6) == first
    follower.advance(first.text_bytes)
    assert follower.next_distribution(0.6) is None


def test_half_a_character_is_kept_back_from_the_request(clock: FakeClock) -> None:
    opened: list[str] = []
    smile = "😀".encode()

    def open_stream(partial: str) -> FakeStream:
        opened.append(partial)
        return FakeStream([], clock)

    follower = Follower(open_stream, lambda _: None)
    follower.advance("hé".encode() + smile[:2])
    follower.next_distribution(0.0)
    assert opened == ["hé"]
    assert follower.pending == smile[:2]
