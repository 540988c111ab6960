"""The decoder against a reference that asks for one row at a time, on models worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.fusion.decoder import Controls, Leeway
from floe.fusion.picking import Picker
from floe.records import PoolingRule, Sampling, TokenStep
from tests.fusion.decoding import (
    CLOUD_WORDS,
    LOCAL_WORDS,
    decode,
    greedy_alone,
    one_row_at_a_time,
    text_of,
)
from tests.fusion.fakes import FakeClock, FakeCloud, FakeLocal, peaked


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("rule", ["linear", "log-linear"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("round_trip", [0.0, 0.3])
def test_following_the_stream_equals_asking_for_one_row_at_a_time(
    clock: FakeClock, weight: float, rule: PoolingRule, shared: bool, round_trip: float
) -> None:
    words = LOCAL_WORDS if shared else CLOUD_WORDS
    for salt in range(3):
        own = peaked(LOCAL_WORDS, f"local {salt}")
        other = peaked(words, f"cloud {salt}")
        cloud = FakeCloud(other, clock, round_trip=round_trip, spacing=0.01)
        steps, _ = decode(
            FakeLocal(LOCAL_WORDS, own), cloud, weight=weight, rule=rule, shared=shared
        )
        expected = one_row_at_a_time(
            FakeLocal(LOCAL_WORDS, own), other, weight, rule, shared=shared, tokens=60
        )
        assert text_of(steps) == expected
        assert {step.source for step in steps} <= {"fused"}


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6])
def test_greedy_text_does_not_depend_on_when_rows_arrive(clock: FakeClock, weight: float) -> None:
    # "a" of the cloud grows into the local "ab" or "abc" by what its next row says.
    local_words = [b"a", b"b", b"c", b"ab", b"abc", b"bc"]
    cloud_words = [b"a", b"b", b"c", b"ca"]
    grown = 0
    for salt in range(4):
        own = peaked(local_words, f"local {salt}", 1.0)
        other = peaked(cloud_words, f"cloud {salt}", 1.5)
        expected = one_row_at_a_time(
            FakeLocal(local_words, own), other, weight, "log-linear", shared=False, tokens=30
        )
        for round_trip, spacing in ((0.0, 0.0), (0.0, 0.4), (0.4, 0.0), (0.2, 0.1)):
            cloud = FakeCloud(other, clock, round_trip=round_trip, spacing=spacing)
            local = FakeLocal(local_words, own)
            sampling = Sampling(max_tokens=30)
            steps, _ = decode(local, cloud, weight=weight, sampling=sampling)
            assert text_of(steps) == expected
            grown += sum(len(step.text_bytes) > 1 for step in steps)
    assert grown


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.5, 0.8])
def test_long_batches_write_the_same_text_in_batches_of_the_even_size_at_least(
    clock: FakeClock, weight: float
) -> None:
    own, other = peaked(LOCAL_WORDS, "local"), peaked(CLOUD_WORDS, "cloud")
    local = FakeLocal(LOCAL_WORDS, own)
    local.bit_exact_batch_size, local.batch_invariant_min_size = 3, 5
    cloud = FakeCloud(other, clock, spacing=0.01)
    steps, _ = decode(local, cloud, weight=weight, long_batches=True)
    alone = FakeLocal(LOCAL_WORDS, own)
    assert text_of(steps) == one_row_at_a_time(
        alone, other, weight, "log-linear", shared=False, tokens=60
    )
    assert min(local.batches[1:]) >= 5


def test_in_a_long_cache_no_fused_token_is_evaluated_alone(clock: FakeClock) -> None:
    local = FakeLocal(LOCAL_WORDS, peaked(LOCAL_WORDS, "local"))
    local.single_step_exact_below = 20
    cloud = FakeCloud(peaked(CLOUD_WORDS, "cloud"), clock, round_trip=0.2, spacing=0.05)
    steps, _ = decode(local, cloud, weight=0.5)
    alone = FakeLocal(LOCAL_WORDS, peaked(LOCAL_WORDS, "local"))
    plain = one_row_at_a_time(
        alone, peaked(CLOUD_WORDS, "cloud"), 0.5, "log-linear", shared=False, tokens=60
    )
    assert text_of(steps) == plain
    sizes = dict(zip(local.starts[1:], local.batches[1:], strict=True))
    assert 1 in {size for start, size in sizes.items() if start < 20}
    assert 1 not in {size for start, size in sizes.items() if start >= 20}


def test_a_token_that_the_cloud_had_no_part_in_is_evaluated_alone(clock: FakeClock) -> None:
    local = FakeLocal(LOCAL_WORDS, peaked(LOCAL_WORDS, "local"))
    local.bit_exact_batch_size, local.batch_invariant_min_size = 3, 5
    cloud = FakeCloud(peaked(CLOUD_WORDS, "cloud"), clock, round_trip=1e6)
    steps, _ = decode(local, cloud, weight=0.5, deadline=0.1, long_batches=True)
    assert {step.source for step in steps} == {"late"}
    assert set(local.batches[1:]) == {1}


def test_a_full_context_leaves_no_room_to_fill_a_batch_up(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "local")
    local = FakeLocal(LOCAL_WORDS, own, context=20)
    local.bit_exact_batch_size, local.batch_invariant_min_size = 3, 8
    cloud = FakeCloud(peaked(CLOUD_WORDS, "cloud"), clock)
    steps, decoder = decode(local, cloud, weight=0.5, long_batches=True)
    assert decoder.ending in ("length", "complete")
    assert len(steps) <= 21


def test_at_weight_1_the_local_model_speaks_alone_and_nothing_is_opened(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "local")
    cloud = FakeCloud(peaked(CLOUD_WORDS, "cloud"), clock)
    steps, _ = decode(FakeLocal(LOCAL_WORDS, own), cloud, weight=1.0)
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, own), 60)
    assert cloud.opened == []
    assert {step.source for step in steps} == {"local"}


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("rule", ["linear", "log-linear"])
def test_two_equal_models_say_what_one_says(
    clock: FakeClock, weight: float, rule: PoolingRule
) -> None:
    own = peaked(LOCAL_WORDS, "same")
    cloud = FakeCloud(own, clock, round_trip=0.1, spacing=0.01)
    steps, decoder = decode(
        FakeLocal(LOCAL_WORDS, own), cloud, weight=weight, rule=rule, shared=True
    )
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, own), 60)
    assert decoder.requests == 1


def test_proposals_are_checked_in_batches(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "same")
    local = FakeLocal(LOCAL_WORDS, own)
    steps, _ = decode(local, FakeCloud(own, clock), weight=0.5, shared=True)
    assert len(local.batches) < len(steps) / 3
    assert max(local.batches) > 4


def test_a_slider_moved_in_mid_answer_changes_the_next_token(clock: FakeClock) -> None:
    own, other = peaked(LOCAL_WORDS, "local"), peaked(CLOUD_WORDS, "cloud")
    moves = {5: 1.0, 10: 0.25}

    def move(steps: list[TokenStep], controls: Controls) -> None:
        controls.weight = moves.get(len(steps), controls.weight)

    cloud = FakeCloud(other, clock)
    steps, _ = decode(FakeLocal(LOCAL_WORDS, own), cloud, weight=0.5, on_step=move)
    assert len(steps) > 12
    assert [step.weight for step in steps[:12]] == [0.5] * 5 + [1.0] * 5 + [0.25] * 2
    assert [step.source for step in steps[:12]] == ["fused"] * 5 + ["local"] * 5 + ["fused"] * 2


def test_tolerance_takes_the_clouds_token_where_it_is_nearly_as_good(clock: FakeClock) -> None:
    own, other = peaked(LOCAL_WORDS, "local", 1.0), peaked(LOCAL_WORDS, "cloud", 1.0)

    def requests(tolerance: float) -> int:
        cloud = FakeCloud(other, clock)
        steps, decoder = decode(
            FakeLocal(LOCAL_WORDS, own), cloud, weight=0.5, shared=True, tolerance=tolerance
        )
        for step in steps:
            best = step.alternatives[0].p_fused
            assert best - step.p_fused <= tolerance + 1e-9
        return decoder.requests

    assert requests(1.0) == 1, "whatever the cloud says is within 1 of the best"
    assert requests(0.0) > requests(0.1) > 1


@pytest.mark.parametrize(("round_trip", "spacing"), [(0.0, 0.0), (0.0, 0.4), (0.2, 0.1)])
def test_who_gives_way_to_the_cloud_writes_its_stream_to_the_end(
    clock: FakeClock, round_trip: float, spacing: float
) -> None:
    # "_l" and "arg" of the cloud are "_" and "larg" to the local tokenizer: by its own row alone
    # "_l" would be "_" and "l", with which the text can no longer become what the cloud writes.
    local_words = [b"a", b"b", b"c", b"ab", b"abc", b"bc"]
    cloud_words = [b"a", b"b", b"c", b"ca"]
    for salt in range(12):
        own = peaked(local_words, f"local {salt}", 1.0)
        other = peaked(cloud_words, f"cloud {salt}", 1.5)
        cloud = FakeCloud(other, clock, round_trip=round_trip, spacing=spacing)
        _, decoder = decode(
            FakeLocal(local_words, own),
            cloud,
            weight=0.5,
            tolerance=1.0,
            sampling=Sampling(max_tokens=30),
        )
        assert decoder.requests == 1


def test_the_clouds_end_is_found_before_the_logits_are_written_over(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [b"a", b"b"]

    def ending(text: bytes) -> dict[bytes, float]:
        end = 0.9 if len(text) >= 5 else 0.01
        return {b"a": (1 - end) * 0.7, b"b": (1 - end) * 0.3, b"": end}

    seen: list[bool] = []
    draft_end = Picker.draft_end

    def watched(picker: Picker, local: NDArray[np.float32]) -> int:
        seen.append(bool((local <= 0).all()))  # logarithms of probabilities, as they came
        return draft_end(picker, local)

    monkeypatch.setattr(Picker, "draft_end", watched)
    local = FakeLocal(words, peaked(words, "local", 1.0))
    _, decoder = decode(local, FakeCloud(ending, clock), weight=0.5, tolerance=1.0)
    assert decoder.ending == "complete"
    assert seen == [True]


def shortfalls(leeway: Leeway, clock: FakeClock) -> list[float]:
    """By how much each token of a text with that leeway fell short of the best one."""
    own, other = peaked(LOCAL_WORDS, "local", 1.0), peaked(LOCAL_WORDS, "cloud", 1.0)
    steps, _ = decode(
        FakeLocal(LOCAL_WORDS, own), FakeCloud(other, clock), weight=0.5, shared=True, leeway=leeway
    )
    return [step.alternatives[0].p_fused - step.p_fused for step in steps]


def test_leeway_is_used_up(clock: FakeClock) -> None:
    without, some, more = (shortfalls(Leeway(start, 0.0), clock) for start in (0.0, 0.5, 2.0))
    assert max(without) == 0
    assert 0 < sum(some) <= 0.5 + 1e-9
    assert 0.5 < sum(more) <= 2.0 + 1e-9
    # Once it is used up, no token falls short any more.
    last = max(place for place, short in enumerate(some) if short > 0)
    assert last < len(some) - 10


def test_leeway_grows_with_the_text(clock: FakeClock) -> None:
    short = shortfalls(Leeway(0.1, 0.02), clock)
    for written in range(1, len(short) + 1):
        assert sum(short[:written]) <= 0.1 + 0.02 * (written - 1) + 1e-9
    assert sum(short) > 0.1


def test_stop_ends_after_the_token_in_hand(clock: FakeClock) -> None:
    def stop(steps: list[TokenStep], controls: Controls) -> None:
        controls.stopped = len(steps) == 7

    local = FakeLocal(LOCAL_WORDS, peaked(LOCAL_WORDS, "local"))
    cloud = FakeCloud(peaked(CLOUD_WORDS, "cloud"), clock)
    steps, decoder = decode(local, cloud, weight=0.5, on_step=stop)
    assert len(steps) == 7
    assert decoder.ending == "stopped"
    assert all(stream.closed for stream in cloud.streams)


def test_a_stream_cut_in_mid_answer_goes_on_locally_at_once(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "same")
    cloud = FakeCloud(own, clock)

    def kill(steps: list[TokenStep], controls: Controls) -> None:
        if len(steps) == 5:
            cloud.open = lambda partial: FakeCloud(own, clock, round_trip=1e9).open(partial)  # type: ignore[method-assign]
            cloud.streams[-1].lose_the_rest()
            cloud.streams[-1]._ends_at = clock.now

    steps, _ = decode(FakeLocal(LOCAL_WORDS, own), cloud, weight=0.5, shared=True, on_step=kill)
    assert text_of(steps) == greedy_alone(FakeLocal(LOCAL_WORDS, own), 60)


def test_the_context_ends_the_answer(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "long", 1.0)

    def endless(text: bytes) -> dict[bytes, float]:
        probabilities = own(text)
        probabilities[b""] = 1e-9
        return probabilities

    local = FakeLocal(LOCAL_WORDS, endless, context=20)
    steps, decoder = decode(local, FakeCloud(endless, clock), weight=0.5, shared=True)
    assert decoder.ending == "length"
    assert len(steps) == 20  # one token of prompt, 19 evaluated, one more picked


def test_the_token_limit_ends_the_answer(clock: FakeClock) -> None:
    own = peaked(LOCAL_WORDS, "same")
    steps, decoder = decode(
        FakeLocal(LOCAL_WORDS, own),
        FakeCloud(own, clock),
        weight=0.5,
        shared=True,
        sampling=Sampling(max_tokens=9),
    )
    assert len(steps) == 9
    assert decoder.ending == "length"


SMILE = "😀漢".encode()


def test_characters_split_on_either_side_come_out_whole(clock: FakeClock) -> None:
    # The local vocabulary has single bytes, the cloud splits the same characters elsewhere.
    local_words = [bytes([b]) for b in sorted(set(SMILE))] + [b"x"]
    cloud_words = [SMILE[:3], SMILE[3:5], SMILE[5:], b"x"]

    def cloud_says(text: bytes) -> dict[bytes, float]:
        done = len(text)
        wanted = next((w for w in cloud_words if SMILE[done:].startswith(w)), b"")
        return {w: 0.91 if w == wanted else 0.02 for w in [*cloud_words, b""]}

    def local_says(_: bytes) -> dict[bytes, float]:
        return {w: 1 / (len(local_words) + 1) for w in [*local_words, b""]}

    steps, _ = decode(FakeLocal(local_words, local_says), FakeCloud(cloud_says, clock), weight=0.3)
    assert text_of(steps) == SMILE
