"""Projection and pooling against slow, obviously right versions; sums and signs by property."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.index import TokenIndex
from floe.fusion.pooling import LocalDistribution, local_distribution, pool
from floe.fusion.projection import PENDING_TAIL, Projection, Projector
from floe.records import Candidate, CloudToken, PoolingRule

texts = st.binary(min_size=1, max_size=4).map(lambda b: bytes(x % 3 + 97 for x in b))
vocabularies = st.lists(texts, min_size=1, max_size=30, unique=True)
candidate_lists = st.lists(
    st.tuples(texts | st.just(b"\xff\xff"), st.floats(1e-6, 1.0)),
    min_size=1,
    max_size=20,
    unique_by=lambda pair: pair[0],
)


def row_of(pairs: list[tuple[bytes, float]], end: float = 0.0) -> CloudToken:
    total = sum(p for _, p in pairs) + end
    scale = 1 / max(total, 1.0)
    candidates = [Candidate(text, math.log(p * scale)) for text, p in pairs]
    if end:
        candidates.append(Candidate(b"", math.log(end * scale), end=True))
    return CloudToken(pairs[0][0] if pairs else b"", tuple(candidates))


def dense(projection: Projection, p: np.ndarray) -> np.ndarray:
    """The projection written out over the whole vocabulary."""
    out = p.astype(np.float64).copy()
    out[projection.ids] = 0
    rest = out.sum()
    out = out / rest * projection.tail if rest > 0 else out
    out[projection.ids] = projection.mass
    return np.asarray(out / out.sum())


def slow_projection(
    pieces: list[bytes], end_ids: list[int], row: CloudToken, pending: bytes, p: np.ndarray
) -> np.ndarray:
    """Ten lines a rule, token by token: what the fast one must equal."""
    fitting = [c for c in row.candidates if not c.end and c.text_bytes.startswith(pending)]
    ends = [] if pending else [c for c in row.candidates if c.end]
    total = sum(math.exp(c.logprob) for c in fitting + ends)
    if total <= 0:
        return np.asarray(p / p.sum())
    wanted = 1 - PENDING_TAIL if pending else min(total, 1 - 1e-6)
    tail = 1 - wanted
    mass = {c.text_bytes[len(pending) :]: math.exp(c.logprob) * wanted / total for c in fitting}
    tail += mass.pop(b"", 0.0)
    q = np.zeros(len(pieces))
    got = np.zeros(len(pieces), bool)
    vague = []
    for text, m in mass.items():
        if text in pieces:
            q[pieces.index(text)] += m
            got[pieces.index(text)] = True
        else:
            vague.append(text)
    for text in vague:
        m = mass[text]
        begins = [t for t, piece in enumerate(pieces) if piece and text.startswith(piece)]
        longest = max(begins, key=lambda t: len(pieces[t]), default=None)
        extends = [
            t
            for t, piece in enumerate(pieces)
            if piece.startswith(text)
            and text == max((s for s in vague if piece.startswith(s)), key=len)
        ]
        related = sorted(set(begins) | set(extends))
        weight = sum(p[t] for t in related)
        if longest is None:
            tail += m if weight <= 0 else m / 2
        else:
            q[longest] += m if weight <= 0 else m / 2
            got[longest] = True
        if weight > 0:
            for t in related:
                q[t] += m / 2 * p[t] / weight
        got[related] = True
    for c in ends:
        m = math.exp(c.logprob) * wanted / total
        for t in end_ids:
            q[t] += m * p[t] / sum(p[e] for e in end_ids)
            got[t] = True
    rest = sum(p[~got])
    if rest > 1e-9:
        q[~got] = tail * p[~got] / rest
    return np.asarray(q / q.sum())


@settings(max_examples=300, deadline=None)
@given(
    vocabularies,
    candidate_lists,
    st.binary(max_size=2).map(lambda b: bytes(x % 3 + 97 for x in b)),
    st.just(0.0) | st.floats(1e-6, 0.5),
    st.integers(0, 2**32 - 1),
)
def test_projection_equals_the_slow_one(
    vocabulary: list[bytes],
    pairs: list[tuple[bytes, float]],
    pending: bytes,
    end: float,
    seed: int,
) -> None:
    pieces = [b"", *vocabulary, b""]
    end_ids = [0, len(pieces) - 1]
    p = np.random.default_rng(seed).exponential(size=len(pieces)).astype(np.float32)
    row = row_of(pairs, end)
    projection = Projector(TokenIndex(pieces, end_ids)).project(row, pending, p)
    assert projection.mass.min(initial=0) >= 0
    assert projection.tail >= 0
    assert projection.mass.sum() + projection.tail == pytest.approx(1)
    assert len(set(projection.ids.tolist())) == len(projection.ids)
    np.testing.assert_allclose(
        dense(projection, p / p.sum()),
        slow_projection(pieces, end_ids, row, pending, p / p.sum()),
        rtol=1e-5,
        atol=1e-7,
    )


@settings(max_examples=200, deadline=None)
@given(
    vocabularies,
    candidate_lists,
    st.floats(0, 1),
    st.sampled_from(["linear", "log-linear"]),
    st.integers(0, 2**32 - 1),
)
def test_pooled_is_a_distribution_and_follows_the_formula(
    vocabulary: list[bytes],
    pairs: list[tuple[bytes, float]],
    weight: float,
    rule: PoolingRule,
    seed: int,
) -> None:
    pieces = [b"", *vocabulary]
    logits = np.random.default_rng(seed).normal(size=len(pieces)).astype(np.float32) * 3
    local = local_distribution(logits)
    projector = Projector(TokenIndex(pieces, [0]))
    projection = projector.project(row_of(pairs, 0.1), b"", local.mass)
    fused = pool(local.mass, projection, weight, rule).dense()
    assert fused.min() >= 0
    assert fused.sum() == pytest.approx(1)

    p = np.exp(logits.astype(np.float64))
    p /= p.sum()
    q = dense(projection, p)
    if rule == "linear":
        expected = weight * p + (1 - weight) * q
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = p**weight * q ** (1 - weight)
    np.testing.assert_allclose(fused, expected / expected.sum(), rtol=1e-4, atol=1e-6)


def test_candidates_that_are_tokens_keep_their_mass() -> None:
    pieces = [b"", b"a", b"ab", b"abc", b"b"]
    row = row_of([(b"ab", 0.5), (b"a", 0.3)])
    local = np.array([0.1, 0.2, 0.3, 0.3, 0.1], np.float32)
    projector = Projector(TokenIndex(pieces, [0]))
    projection = projector.project(row, b"", local)
    assert dict(zip(projection.ids.tolist(), projection.mass.tolist(), strict=True)) == {
        2: pytest.approx(0.5),
        1: pytest.approx(0.3),
    }
    assert projection.tail == pytest.approx(0.2)


def test_worked_example_of_both_attributions() -> None:
    # Candidate "abc" (0.8): longest prefix is "ab"; consistent shares it over "a", "ab", "abcd"
    # in the proportions 1 : 2 : 1. Half of each: "ab" gets 0.4 + 0.2, "a" and "abcd" 0.1.
    pieces = [b"", b"a", b"ab", b"abcd", b"z"]
    local = np.array([0.0, 0.1, 0.2, 0.1, 0.6], np.float32)
    projection = Projector(TokenIndex(pieces, [0])).project(row_of([(b"abc", 0.8)]), b"", local)
    mass = dict(zip(projection.ids.tolist(), projection.mass.tolist(), strict=True))
    assert mass == {1: pytest.approx(0.1), 2: pytest.approx(0.6), 3: pytest.approx(0.1)}
    assert projection.tail == pytest.approx(0.2)


def test_pending_bytes_leave_only_what_begins_with_them() -> None:
    pieces = [b"", b"lo", b"p", b"x"]
    local = np.array([0.1, 0.3, 0.3, 0.3], np.float32)
    row = row_of([(b"hello", 0.6), (b"help", 0.2), (b"world", 0.2)])
    projection = Projector(TokenIndex(pieces, [0])).project(row, b"hel", local)
    mass = dict(zip(projection.ids.tolist(), projection.mass.tolist(), strict=True))
    assert mass == {1: pytest.approx(0.98 * 0.75), 2: pytest.approx(0.98 * 0.25)}


@settings(max_examples=200, deadline=None)
@given(vocabularies, texts | st.just(b"\xff") | st.just(b"a\xff"))
def test_reach_equals_a_look_at_every_token(vocabulary: list[bytes], text: bytes) -> None:
    pieces = [b"", *vocabulary, b"\xff", b"\xff\xff", b"a\xff\xff"]
    index = TokenIndex(pieces, [0])
    reach = index.reach(text)
    extensions = {t for t, piece in enumerate(pieces) if piece.startswith(text)}
    prefixes = {t for t, piece in enumerate(pieces) if piece and text.startswith(piece)}
    assert set(index.order[reach.start : reach.stop].tolist()) == extensions
    assert set(reach.prefixes) == {t for t in prefixes if pieces[t] != text}
    assert index.own(text) == (pieces.index(text) if text in pieces else None)


def test_spelling_takes_the_longest_token_first() -> None:
    index = TokenIndex([b"", b"a", b"ab", b"abc", b"d"], [0])
    assert index.spell(b"abc") == [3]
    assert index.spell(b"abdabc") == [2, 4, 3]
    assert index.spell(b"abx") == []
    assert index.spell(b"") == []


def test_local_alone_is_its_softmax() -> None:
    logits = np.array([1.0, 2.0, 3.0], np.float32)
    local: LocalDistribution = local_distribution(logits)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert [local.probability(i) for i in range(3)] == pytest.approx(expected.tolist())
