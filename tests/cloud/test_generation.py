import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from floe.cloud.protocol.wire import StopFilter
from floe.cloud.stand_in.generation import (
    Event,
    GenerationJob,
    GenerationWorker,
    SampledToken,
    TokenSampler,
    sample_index,
)
from floe.llama.runtime import LlamaModel
from tests.cloud.conftest import MODEL

SIZE = 300
PIECES = [b"" if i in (0, 5, 7) else b"%d" % i for i in range(SIZE)]
RNG = np.random.default_rng(0)


def job(**fields: object) -> GenerationJob:
    return GenerationJob(tokens=(), deliver=lambda _event: None, max_tokens=1, **fields)  # type: ignore[arg-type]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.exp(logits.astype(np.float64) - logits.max())
    weights /= weights.sum()
    return weights


@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("count", [1, 5, 20])
def test_candidates_are_the_best_of_the_softmax(scale: float, count: int) -> None:
    picker = TokenSampler(PIECES, [7])
    logits = (np.random.default_rng(count).normal(size=SIZE) * scale).astype(np.float32)
    logits[5] = 3 * scale  # a control token: it has its share, but is neither picked nor listed
    p = softmax(logits)
    pick = picker.sample(logits.copy(), job(temperature=0.0, candidates=count), RNG)
    shown = [i for i in np.lexsort((np.arange(SIZE), -p)) if i == 7 or PIECES[i]]
    assert [i for i, _ in pick.candidates] == shown[:count]
    assert pick.token == shown[0]
    got = [logprob for _, logprob in pick.candidates]
    assert got == pytest.approx(np.log(p[shown[:count]]).tolist(), abs=1e-5)
    assert pick.logprob == pytest.approx(got[0])


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.7), (1.0, 0.2)])
def test_samples_follow_temperature_and_top_p(temperature: float, top_p: float) -> None:
    picker = TokenSampler([b"x"] * 12, [])
    logits = np.linspace(2, -2, 12).astype(np.float32)
    target = softmax(logits / temperature)
    before = np.cumsum(target) - target
    target = np.where(before < top_p, target, 0)
    target /= target.sum()
    rng = np.random.default_rng(1)
    asked = job(temperature=temperature, top_p=top_p, candidates=3)
    draws = 4000
    picks = [picker.sample(logits.copy(), asked, rng) for _ in range(draws)]
    counts = np.bincount([pick.token for pick in picks], minlength=12)
    assert np.all(counts[target == 0] == 0)
    # Five standard deviations: a fixed seed, so this passes always or never.
    assert np.all(np.abs(counts / draws - target) <= 5 * np.sqrt(target / draws))
    # What is reported is the model's own, before temperature and top-p.
    plain = np.log(softmax(logits))
    assert all(pick.logprob == pytest.approx(plain[pick.token], abs=1e-5) for pick in picks[:50])


@given(st.integers(1, 3000), st.floats(0, 1, exclude_max=True), st.integers(0, 9))
def test_draw_is_the_inverse_of_the_cumulative_weights(size: int, u: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random(size).astype(np.float32) * (rng.random(size) < 0.3)
    weights[rng.integers(size)] = 1
    drawn = sample_index(weights.astype(np.float32), u)
    mass = np.cumsum(weights.astype(np.float64))
    mass /= mass[-1]
    assert weights[drawn] > 0
    assert mass[drawn] - weights[drawn] - 1e-9 <= u <= mass[drawn] + 1e-9


@pytest.mark.parametrize("count", [0, 1, 20])
def test_greedy_does_not_depend_on_what_is_reported(count: int) -> None:
    logits = np.ones(SIZE, np.float32)
    logits[5] = 2
    assert (
        TokenSampler(PIECES, [7]).sample(logits, job(temperature=0.0, candidates=count), RNG).token
        == 1
    )


def test_end_tokens_are_marked() -> None:
    logits = np.zeros(SIZE, np.float32)
    logits[7] = 9
    pick = TokenSampler(PIECES, [7]).sample(logits, job(temperature=0.0, candidates=2), RNG)
    assert pick.end
    assert pick.token == 7


@given(st.text(), st.lists(st.integers(0, 400), max_size=8))
def test_text_comes_in_whole_characters(text: str, cuts: list[int]) -> None:
    data, reader = text.encode("utf-8", "ignore"), StopFilter([])
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    shown = [reader.add(data[a:b]) for a, b in pairwise(places)]
    assert "".join(shown) + reader.flush() == data.decode()


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_nothing_of_a_stop_string_is_shown(text: str, stops: list[str]) -> None:
    reader, shown = StopFilter(stops), ""
    for character in text:
        shown += reader.add(character.encode())
        if reader.stopped:
            break
    shown += reader.flush()
    # The first to be complete stops the text, and everything before it is shown.
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    if ends:
        assert reader.stopped
        longest = max(len(stop) for stop in stops if text[: min(ends)].endswith(stop))
        assert shown == text[: min(ends) - longest]
    else:
        assert shown == text


def test_incomplete_character_at_the_end_is_left_out() -> None:
    reader = StopFilter([])
    assert reader.add("ab😀".encode()[:-1]) + reader.flush() == "ab"


def test_cancelled_job_gives_way_and_delivers_nothing_more(local: LlamaModel) -> None:
    worker = GenerationWorker(local, lambda: 0.0)
    try:
        first: list[Event] = []
        second: list[Event] = []
        begun, done = threading.Event(), threading.Event()

        def take_one(event: Event) -> None:
            first.append(event)
            endless.cancelled.set()
            begun.set()

        def take_all(event: Event) -> None:
            second.append(event)
            if not isinstance(event, SampledToken):
                done.set()

        endless = GenerationJob(local.tokenize(b"One, two, three,"), take_one, 900, temperature=0.0)
        worker.submit(endless)
        assert begun.wait(30)
        worker.submit(
            GenerationJob(local.tokenize(b"One, two, four,"), take_all, 3, temperature=0.0)
        )
        assert done.wait(30)
        assert len(first) == 1
        assert len(second) == 4
        assert second[-1] == "length"
    finally:
        worker.close()


def test_full_context_ends_the_answer() -> None:
    small = LlamaModel(MODEL, context=256)
    worker = GenerationWorker(small, lambda: 0.0)
    try:
        events: list[Event] = []
        done = threading.Event()

        def take(event: Event) -> None:
            events.append(event)
            if not isinstance(event, SampledToken):
                done.set()

        prompt = small.tokenize(b" one two" * 200)[: small.context_size - 2]
        worker.submit(GenerationJob(prompt, take, 50, temperature=0.0))
        assert done.wait(60)
        assert [type(event) for event in events] == [SampledToken, SampledToken, str]
        assert events[-1] == "length"
    finally:
        worker.close()
        small.close()
