"""Penalties by hand, against llama.cpp's own samplers, and in fused and sampled steps."""

import ctypes
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_cpp import llama_cpp as lib

from floe.fusion.index import TokenIndex
from floe.fusion.penalties import Penalties
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.llama.vocabulary import Vocabulary
from floe.records import Candidate, CloudToken, PoolingRule, Sampling
from tests.fusion.decoding import decode, greedy_alone, text_of
from tests.fusion.fakes import FakeClock, FakeCloud, FakeLocal
from tests.tiers import examples

PIECES = (b"", b"a", b"b", b"c", b"d", b"\n", b"a:")
A, B, C, D, NEWLINE, COLON = range(1, 7)


def penalties_after(tokens: Sequence[int], sampling: Sampling) -> Penalties:
    made = Penalties(sampling, PIECES)
    for token in tokens:
        made.accept(token)
    return made


def shifts(penalties: Penalties, logits: np.ndarray) -> dict[int, float]:
    shift = penalties.shift(lambda ids: logits[ids].astype(np.float64))
    return {} if shift is None else dict(zip(shift.ids.tolist(), shift.by.tolist(), strict=True))


def test_repetition_frequency_and_presence_by_hand() -> None:
    logits = np.array([0, 2.0, -2.0, 4.0, 1.0, 0, 0], np.float32)
    sampling = Sampling(repeat_penalty=2.0, frequency_penalty=0.5, presence_penalty=0.25)
    # a twice: 2/2 - 2*0.5 - 0.25; b once: -2*2 - 0.5 - 0.25; c and d not at all.
    expected = {A: (1 - 1.25) - 2.0, B: (-4 - 0.75) + 2.0}
    assert shifts(penalties_after([A, B, A], sampling), logits) == pytest.approx(expected)


def test_only_the_last_tokens_count() -> None:
    logits = np.zeros(7, np.float32)
    sampling = Sampling(presence_penalty=1.0, penalty_last_n=2)
    assert shifts(penalties_after([A, B, C], sampling), logits) == {B: -1.0, C: -1.0}
    everything = Sampling(presence_penalty=1.0, penalty_last_n=-1)
    assert set(shifts(penalties_after([A] * 100 + [B], everything), logits)) == {A, B}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([A, B, C, A], {}),  # one token alone is no passage
        ([A, B, C, A, B], {C: 1.0}),  # "ab" stood before "c": 2 tokens, as many as are allowed
        ([D, A, B, C, D, A, B], {C: 2.0}),  # "dab": one more, so twice as dear
        ([A, B, C, A, B, D, A, B], {C: 1.0, D: 1.0}),
        ([A, A, A], {A: 1.0}),
        ([A, B, C, NEWLINE, A, NEWLINE, B], {}),  # across a line nothing counts
        ([A, B, NEWLINE, C, A, B], {}),  # the breaker itself is let through
        ([C, COLON, A, B, D, C, COLON, A, B], {D: 1.0}),  # "c a:" is cut off by the colon
    ],
)
def test_dry_by_hand(said: list[int], expected: dict[int, float]) -> None:
    sampling = Sampling(dry_multiplier=1.0, dry_base=2.0)
    found = shifts(penalties_after(said, sampling), np.zeros(7, np.float32))
    assert {token: -by for token, by in found.items()} == expected


@pytest.mark.parametrize(
    ("said", "punished"),
    [
        ([A, B, A, B], {A}),  # a loop: all that was written since is the passage
        ([A, B, C, D, A, B], {C}),  # half of it
        ([A, B, C, D, D, A, B], set()),  # less: said again later on
        ([A, B, C, D, D, A, B, C, D], {D}),
        ([A, B, D, D, D, A, B, A, B], {A}),  # "ab" stood before "d", too, but farther away
    ],
)
def test_of_loops_alone_dry_lets_pass_what_is_said_again_later(
    said: list[int], punished: set[int]
) -> None:
    made = penalties_after(said, Sampling(dry_multiplier=1.0))
    shift = made.shift(lambda ids: np.zeros(len(ids)), least_share=0.5)
    assert (set() if shift is None else set(shift.ids.tolist())) == punished


def test_a_breaker_may_lie_in_several_tokens() -> None:
    sampling = Sampling(dry_multiplier=1.0, dry_breakers=("ab",))
    logits = np.zeros(7, np.float32)
    assert shifts(penalties_after([C, D, A, C, D], sampling), logits) == {A: -1.0}
    assert not shifts(penalties_after([C, D, A, B, C, D, A, B], sampling), logits)


def test_dry_looks_no_further_back_than_its_range() -> None:
    near = Sampling(dry_multiplier=1.0, dry_range=5)
    assert set(shifts(penalties_after([A, B, C, A, B], near), np.zeros(7, np.float32))) == {C}
    assert not shifts(penalties_after([A, B, C, D, A, B], near), np.zeros(7, np.float32))


def test_tokens_written_ahead_leave_no_trace() -> None:
    sampling = Sampling(dry_multiplier=1.0, repeat_penalty=1.2, penalty_last_n=3)
    logits = np.linspace(-1, 1, 7).astype(np.float32)
    said, ahead = [A, B, C, A, B, A], [A, NEWLINE, A, B]
    tried = penalties_after(said, sampling)
    before = shifts(tried, logits)
    with tried.after(ahead):
        assert shifts(tried, logits) == shifts(penalties_after(said + ahead, sampling), logits)
    assert shifts(tried, logits) == before


class Reference:
    """llama.cpp's samplers over a real vocabulary."""

    def __init__(self, path: Path) -> None:
        parameters = lib.llama_model_default_params()
        parameters.vocab_only = True
        self._model = lib.llama_model_load_from_file(str(path).encode(), parameters)
        self.vocab = lib.llama_model_get_vocab(self._model)
        self.pieces = tuple(Vocabulary(self.vocab).pieces)

    def close(self) -> None:
        lib.llama_model_free(self._model)

    def penalties(self, sampling: Sampling) -> Any:
        return lib.llama_sampler_init_penalties(
            len(self.pieces),
            sampling.penalty_last_n,
            sampling.repeat_penalty,
            sampling.frequency_penalty,
            sampling.presence_penalty,
        )

    def dry(self, sampling: Sampling) -> Any:
        texts = [text.encode() for text in sampling.dry_breakers]
        return lib.llama_sampler_init_dry(
            self.vocab,
            sampling.dry_multiplier,
            sampling.dry_base,
            sampling.dry_allowed_length,
            1024 if sampling.dry_range < 0 else sampling.dry_range,
            (ctypes.c_char_p * len(texts))(*texts),
            len(texts),
        )


@contextmanager
def freed(sampler: Any) -> Iterator[Any]:
    try:
        yield sampler
    finally:
        lib.llama_sampler_free(sampler)


def apply(sampler: Any, logits: np.ndarray) -> dict[int, float]:
    """Logits by token after a sampler of llama.cpp."""
    data = np.zeros(len(logits), [("id", np.int32), ("logit", np.float32), ("p", np.float32)])
    data["id"], data["logit"] = np.arange(len(logits)), logits
    array = lib.llama_token_data_array(
        data.ctypes.data_as(lib.llama_token_data_p), len(logits), -1, False
    )
    lib.llama_sampler_apply(sampler, ctypes.byref(array))
    left = data[: array.size]
    return dict(zip(left["id"].tolist(), left["logit"].tolist(), strict=True))


@pytest.fixture(scope="module")
def reference(smollm_path: Path) -> Iterator[Reference]:
    made = Reference(smollm_path)
    yield made
    made.close()


def test_penalties_are_those_of_llama_cpp(reference: Reference) -> None:
    random = np.random.default_rng(7)
    size = len(reference.pieces)
    # Few words, so that passages repeat; among them breakers, alone and in pieces.
    texts = (b" the", b" sea", b" is", b" blue", b"\n", b":", b" a", b"**")
    words = [reference.pieces.index(text) for text in texts]
    settings = [
        Sampling(repeat_penalty=1.3, penalty_last_n=6),
        Sampling(frequency_penalty=0.4, presence_penalty=-0.3, penalty_last_n=20),
        Sampling(repeat_penalty=1.1, frequency_penalty=0.2, presence_penalty=0.1),
        Sampling(dry_multiplier=0.8),
        Sampling(dry_multiplier=1.5, dry_base=1.2, dry_allowed_length=3, dry_range=12),
        Sampling(dry_multiplier=0.8, dry_breakers=(" sea is", "\n", "is blue")),
    ]
    compared = 0
    for sampling in settings:
        dry = sampling.dry_multiplier > 0
        weights = np.array([4, 4, 4, 3, 1, 0.5, 2, 0.3])
        said = [words[i] for i in random.choice(8, size=50, p=weights / weights.sum())]
        ours = Penalties(sampling, reference.pieces)
        with freed(reference.dry(sampling) if dry else reference.penalties(sampling)) as theirs:
            for place, token in enumerate(said):
                ours.accept(token)
                lib.llama_sampler_accept(theirs, token)
                if place % 5:
                    continue
                logits = np.zeros(size, np.float32)
                logits[words] = random.normal(size=8) * 3
                expected = apply(theirs, logits)
                found = shifts(ours, logits)
                for word in words:
                    assert logits[word] + found.get(word, 0.0) == pytest.approx(
                        expected[word], rel=1e-5, abs=1e-5
                    )
                assert set(found) <= set(words)
                compared += any(expected[word] != logits[word] for word in words)
    assert compared > 30


@pytest.mark.parametrize("min_p", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("top_k", [0, 3])
def test_min_p_and_top_k_keep_what_llama_cpp_keeps(min_p: float, top_k: int) -> None:
    logits = np.log(np.array([0.02, 0.4, 0.3, 0.15, 0.08, 0.03, 0.02], np.float32))
    kept = set(range(7))
    if top_k:
        with freed(lib.llama_sampler_init_top_k(top_k)) as sampler:
            kept &= set(apply(sampler, logits))
    with freed(lib.llama_sampler_init_min_p(min_p, 1)) as sampler:
        kept &= set(apply(sampler, logits))
    sampling = Sampling(1.0, seed=1, min_p=min_p, top_k=top_k)
    sampler = picker(sampling)
    assert {sampler.local(logits, sampling).token for _ in range(600)} == kept


def picker(sampling: Sampling, *, rule: PoolingRule = "log-linear") -> Picker:
    index = TokenIndex(PIECES, [0])
    made = Picker(PIECES, index, Projector(index), rule)
    made.begin(sampling)
    return made


def row(probabilities: dict[bytes, float]) -> CloudToken:
    candidates = tuple(Candidate(t, math.log(p), end=not t) for t, p in probabilities.items())
    return CloudToken(candidates[0].text_bytes, candidates)


LOGITS = np.array([0.1, 2.0, 1.5, 0.3, -0.5, 0.0, -1.0], np.float32)
CLOUD_P = {b"a": 0.4, b"b": 0.2, b"c": 0.15, b"d": 0.1}


def fused_by_hand(
    weight: float, rule: PoolingRule, penalised: dict[int, int], sampling: Sampling
) -> np.ndarray:
    """The penalised target, with `penalised`: how often each token stands there."""
    p = np.exp(LOGITS.astype(np.float64))
    level = math.log(p.sum())
    p /= p.sum()
    q = np.zeros(7)
    q[[A, B, C, D]] = list(CLOUD_P.values())
    rest = p.copy()
    rest[[A, B, C, D]] = 0
    q += rest / rest.sum() * (1 - q.sum())
    r = weight * p + (1 - weight) * q if rule == "linear" else p**weight * q ** (1 - weight)
    r /= r.sum()
    logits = np.log(r) + level
    for token, count in penalised.items():
        repeat = sampling.repeat_penalty
        by = logits[token] * ((repeat if logits[token] <= 0 else 1 / repeat) - 1)
        by -= count * sampling.frequency_penalty + sampling.presence_penalty
        logits[token] += weight * by
    heated = logits / (sampling.temperature or 1.0)
    target = np.exp(heated - heated.max())
    made: np.ndarray = target / target.sum()
    return made


@pytest.mark.parametrize("rule", ["linear", "log-linear"])
@pytest.mark.parametrize("weight", [0.4, 0.8])
def test_a_greedy_fused_pick_is_the_best_of_the_penalised_distribution(
    rule: PoolingRule, weight: float
) -> None:
    sampling = Sampling(repeat_penalty=2.0, frequency_penalty=1.4, presence_penalty=0.6)
    picked = set()
    for said in ([A], [A, B], [A, B, B, C], [A, A, A, B, C, D, NEWLINE]):
        sampler = picker(sampling, rule=rule)
        for token in said:
            sampler.accept(token)
        target = fused_by_hand(weight, rule, {t: said.count(t) for t in said}, sampling)
        pick = sampler.fused(LOGITS.copy(), row(CLOUD_P), b"", weight, sampling, None)
        assert pick.token == target.argmax()
        picked.add(pick.token)
    assert len(picked) > 1, "the penalties decide"


def test_nothing_is_punished_where_the_local_model_has_no_weight() -> None:
    sampler = picker(Sampling(repeat_penalty=2.0, presence_penalty=5.0))
    for _ in range(3):
        sampler.accept(A)
    assert sampler.fused(LOGITS.copy(), row(CLOUD_P), b"", 0.0, Sampling(), None).token == A


def test_fused_text_may_say_a_passage_again_but_not_loop() -> None:
    sampling = Sampling(dry_multiplier=9.0)

    def pick(said: list[int], *, alone: bool) -> int:
        sampler = picker(sampling)
        for token in said:
            sampler.accept(token)
        if alone:
            return sampler.local(LOGITS.copy(), sampling).token
        return sampler.fused(LOGITS.copy(), row(CLOUD_P), b"", 0.5, sampling, None).token

    again, loop = [C, D, A, B, NEWLINE, COLON, B, NEWLINE, C, D], [C, D, A, C, D]
    assert pick(again, alone=True) != A
    assert pick(again, alone=False) == A
    assert pick(loop, alone=False) != A


def test_a_cloud_that_names_no_token_of_ours_leaves_the_penalised_local_one() -> None:
    sampling = Sampling(presence_penalty=5.0)
    sampler = picker(sampling)
    sampler.accept(A)
    foreign = CloudToken(b"zz", (Candidate(b"zz", math.log(0.5)),))
    pick = sampler.fused(LOGITS.copy(), foreign, b"", 0.5, sampling, None)
    assert pick.token == B


def test_the_draft_is_taken_within_the_tolerance_of_the_penalised_distribution() -> None:
    sampling = Sampling(presence_penalty=2.0)
    target = fused_by_hand(0.5, "log-linear", {A: 1}, sampling)
    gap = float(target[B] - target[A])
    assert gap > 0

    def taken(tolerance: float) -> int:
        sampler = picker(sampling)
        sampler.accept(A)
        logits = LOGITS.copy()
        return sampler.fused(logits, row(CLOUD_P), b"", 0.5, sampling, A, tolerance).token

    assert taken(gap - 0.001) == B
    assert taken(gap + 0.001) == A


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize("rule", ["linear", "log-linear"])
def test_speculative_samples_follow_the_penalised_distribution(
    temperature: float, rule: PoolingRule
) -> None:
    random = np.random.default_rng(3)
    q = dict(zip(PIECES, [0.05, 0.4, 0.2, 0.1, 0.05, 0.15, 0.05], strict=True))
    heated = np.array(list(q.values())) ** (1 / temperature)
    heated /= heated.sum()
    sampling = Sampling(
        temperature, seed=1, repeat_penalty=1.5, frequency_penalty=0.4, presence_penalty=0.2
    )
    p = np.exp(LOGITS.astype(np.float64))
    level = math.log(p.sum())
    p /= p.sum()
    cloud = np.array(list(q.values()))
    r = 0.4 * p + 0.6 * cloud if rule == "linear" else p**0.4 * cloud**0.6
    logits = np.log(r / r.sum()) + level
    for token, count in {A: 2, C: 1}.items():
        by = logits[token] * ((1.5 if logits[token] <= 0 else 1 / 1.5) - 1)
        logits[token] += 0.4 * (by - count * 0.4 - 0.2)
    expected = np.exp(logits / temperature)
    expected /= expected.sum()
    sampler = picker(sampling, rule=rule)
    for token in (A, C, A):
        sampler.accept(token)
    draws = examples(20_000)
    counts = np.zeros(7)
    for draft in random.choice(7, size=draws, p=heated):
        counts[sampler.fused(LOGITS, row(q), b"", 0.4, sampling, int(draft)).token] += 1
    statistic = float(((counts - expected * draws) ** 2 / (expected * draws)).sum())
    assert statistic < 27.9  # 99.99 % quantile of chi-square with 6 degrees of freedom


def looping(text: bytes) -> dict[bytes, float]:
    """Says "ab" for ever, and ends only if both words cost more than they do of themselves."""
    best, other = (b"a", b"b") if not text.endswith(b"a") else (b"b", b"a")
    return {best: 0.6, other: 0.1, b"c": 0.1, b"": 0.2}


WORDS = [b"a", b"b", b"c"]


def test_greedy_answers_that_loop_end_with_dry(clock: FakeClock) -> None:
    def answer(sampling: Sampling) -> tuple[str, str]:
        steps, decoder = decode(FakeLocal(WORDS, looping), None, weight=1.0, sampling=sampling)
        return text_of(steps).decode(), decoder.ending

    assert answer(Sampling(max_tokens=40)) == ("ab" * 20, "length")
    # After "abab" the passage "ab" stands there twice: "a" has 0.6 exp(-1.2), less than the end.
    assert answer(Sampling(max_tokens=40, dry_multiplier=1.2)) == ("abab", "complete")


@pytest.mark.parametrize("round_trip", [0.0, 0.85, 1e6], ids=["at once", "late", "never"])
def test_penalties_see_the_same_text_whenever_rows_arrive(
    clock: FakeClock, round_trip: float
) -> None:
    """Drafts, and what was written ahead, are punished for what stands before them alone."""
    # Short enough that all that is said again is a loop: else DRY would differ, fused and alone.
    sampling = Sampling(max_tokens=24, frequency_penalty=0.3, dry_multiplier=0.5, penalty_last_n=9)

    def never_ends(text: bytes) -> dict[bytes, float]:
        said = looping(text)
        return {word: p if word else 1e-9 for word, p in said.items()}

    cloud = FakeCloud(never_ends, clock, round_trip=round_trip, spacing=0.01)
    fused, _ = decode(
        FakeLocal(WORDS, never_ends), cloud, weight=0.5, deadline=1.0, sampling=sampling
    )
    # Both models say the same, so that fused and alone the distribution is one; of the penalties
    # half remain where the local model has half of the weight.
    if round_trip < 1:
        sampling = replace(sampling, frequency_penalty=0.15, dry_multiplier=0.25)
    alone, _ = decode(FakeLocal(WORDS, never_ends), None, weight=1.0, sampling=sampling)
    assert text_of(fused) == text_of(alone)
    assert text_of(fused) != greedy_alone(FakeLocal(WORDS, never_ends), 24)


@pytest.mark.parametrize(("round_trip", "weight"), [(0.0, 0.5), (0.85, 0.5), (1e6, 1.0)])
def test_sampled_text_follows_the_penalised_distribution_of_each_position(
    clock: FakeClock, round_trip: float, weight: float
) -> None:
    local_p = {b"a": 0.6, b"b": 0.3, b"": 0.1}
    cloud_p = {b"a": 0.2, b"b": 0.5, b"": 0.3}
    r = {k: local_p[k] ** weight * cloud_p[k] ** (1 - weight) for k in local_p}
    lower = math.exp(-1.0 * weight)

    def after(word: bytes) -> dict[bytes, float]:
        punished = {k: p * lower if k == word else p for k, p in r.items()}
        total = sum(punished.values())
        return {k: p / total for k, p in punished.items()}

    first = after(b"nothing")
    expected = {b"": first[b""]}
    for x in (b"a", b"b"):
        second = after(x)
        expected |= {x + y: first[x] * second[y] for y in (b"", b"a", b"b")}
    random = np.random.default_rng(11)

    def draw(probabilities: dict[bytes, float]) -> bytes:
        keys = list(probabilities)
        return keys[random.choice(len(keys), p=list(probabilities.values()))]

    draws = examples(1500)
    counts: dict[bytes, int] = {}
    for seed in range(draws):
        cloud = FakeCloud(lambda _: cloud_p, clock, round_trip=round_trip, pick=draw, length=4)
        steps, _ = decode(
            FakeLocal([b"a", b"b"], lambda _: local_p),
            cloud,
            weight=0.5,
            shared=True,
            deadline=1.0,
            sampling=Sampling(1.0, max_tokens=2, seed=seed, presence_penalty=1.0),
        )
        text = text_of(steps)
        counts[text] = counts.get(text, 0) + 1
    assert set(counts) <= set(expected)
    statistic = sum((counts.get(t, 0) - draws * p) ** 2 / (draws * p) for t, p in expected.items())
    assert statistic < 27.9
