"""Scores against pooling written out; forcing against a hand-made stream; partial positions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.errors import CloudError
from floe.fusion.index import TokenIndex
from floe.fusion.pooling import local_distribution, pool
from floe.fusion.projection import Projector
from floe.fusion.scoring.scores import Scores, ScoreSheet, join
from floe.fusion.scoring.teacher_forcing import (
    AlignedPosition,
    StreamedDistributions,
    prefetch_distributions,
    score_text,
)
from floe.fusion.scoring.truncated_scores import add_truncated_step
from floe.records import Alternative, Candidate, CloudToken, PoolingRule, TokenStep
from tests.fusion.fakes import FakeClock, FakeCloud, FakeLocal, peaked, row_after
from tests.tiers import examples

VOCABULARY = [b"a", b"b", b"c", b"ab", b"bc", b"abc", b" a", b" "]
CLOUD_VOCABULARY = [b"a", b"b", b"c", b" ab", b"ca", b" "]
RULES: tuple[PoolingRule, ...] = ("linear", "log-linear")


def read(text: list[int], salt: str = "x") -> tuple[Scores, FakeLocal]:
    local = FakeLocal(VOCABULARY, peaked(VOCABULARY, salt))
    cloud = peaked(CLOUD_VOCABULARY, salt + "cloud")
    rows = [local.start()[0].copy()]
    rows += [local.evaluate([token])[0].copy() for token in text]
    index = TokenIndex(local.pieces, local.end_ids)
    scores = score_text(rows, text, index, lambda t: row_after(t, cloud, top=4))
    return scores, local


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.integers(1, len(VOCABULARY)), min_size=1, max_size=6),
    st.floats(0, 1),
    st.sampled_from(RULES),
)
def test_scores_are_those_of_pooling_token_by_token(
    text: list[int], weight: float, rule: PoolingRule
) -> None:
    scores, local = read(text)
    cloud = peaked(CLOUD_VOCABULARY, "xcloud")
    index = TokenIndex(local.pieces, local.end_ids)
    position = AlignedPosition(lambda t: row_after(t, cloud, top=4), spelling=index)
    again = FakeLocal(VOCABULARY, peaked(VOCABULARY, "x"))
    logits = again.start()[0]
    for place, token in enumerate(text):
        distribution = local_distribution(logits)
        assert position.row is not None
        projection = Projector(index).project(
            position.row,
            position.pending,
            distribution.mass,
            spelled=position.spelled,
            successor=position.successor,
        )
        fused = pool(distribution.mass, projection, weight, rule).dense()[token]
        assert scores.nats(weight, rule)[place] == pytest.approx(-math.log(fused), abs=1e-5)
        position.advance(local.pieces[token])
        logits = again.evaluate([token])[0]


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(1, len(VOCABULARY)), min_size=1, max_size=6))
def test_rows_that_were_asked_for_beforehand_give_the_same_scores(text: list[int]) -> None:
    scores, local = read(text)
    cloud = peaked(CLOUD_VOCABULARY, "xcloud")
    index = TokenIndex(local.pieces, local.end_ids)
    rows, problem = prefetch_distributions(text, index, lambda t: row_after(t, cloud, top=4))
    assert problem is None
    again = FakeLocal(VOCABULARY, peaked(VOCABULARY, "x"))
    logits = [again.start()[0].copy()]
    logits += [again.evaluate([token])[0].copy() for token in text]
    replayed = score_text(logits, text, index, rows.get)
    for weight in (0.0, 0.3, 1.0):
        assert (replayed.nats(weight, "linear") == scores.nats(weight, "linear")).all()


def test_rows_before_a_break_are_kept() -> None:
    cloud = peaked(CLOUD_VOCABULARY, "xcloud")
    broken = CloudError("It broke off.")

    def asked(text: bytes) -> CloudToken | None:
        if len(text) > 2:
            raise broken
        return row_after(text, cloud, top=4)

    index = TokenIndex([b"", *VOCABULARY], [0])
    rows, problem = prefetch_distributions([1, 8, 1, 8, 1, 8, 1], index, asked)
    assert b"" in rows
    assert max(map(len, rows)) <= 2
    assert problem is broken


def test_what_must_not_leave_is_no_request() -> None:
    rows = StreamedDistributions(lambda _text: None, max_requests=2, patience=1.0)
    assert rows.after(b"secret") is None
    assert rows.after(b"secret, too") is None
    assert rows.requests == 0
    rows.close()


def test_weight_one_is_the_local_model_alone() -> None:
    scores, local = read([1, 5, 2])
    logits = FakeLocal(VOCABULARY, peaked(VOCABULARY, "x"))
    expected = -float(logits.start()[0][1])
    for rule in RULES:
        assert scores.nats(1.0, rule)[0] == pytest.approx(expected, abs=1e-5)
    assert scores.bytes == len(b"".join(local.pieces[t] for t in (1, 5, 2)))


def test_joined_scores_add_up() -> None:
    one, _ = read([1, 2, 3])
    two, _ = read([4, 5], "y")
    both = join([one, two])
    for rule in RULES:
        expected = one.nats(0.3, rule).sum() + two.nats(0.3, rule).sum()
        assert both.nats(0.3, rule).sum() == pytest.approx(expected)
    assert join([]).bits_per_byte(0.5, "linear") == 0.0


def token_row(own: bytes) -> CloudToken:
    return CloudToken(own, (Candidate(own, -0.1),))


def test_a_row_holds_while_the_text_agrees_and_the_cloud_is_asked_again_where_it_leaves() -> None:
    asked: list[bytes] = []
    stream = {b"": b"hello", b"hello": b" world", b"hello wi": b"de"}

    def row_at(text: bytes) -> CloudToken:
        asked.append(text)
        return token_row(stream[text])

    position = AlignedPosition(row_at)
    for piece, pending in ((b"hel", b"hel"), (b"lo", b""), (b" w", b" w"), (b"i", b"")):
        position.advance(piece)
        assert position.pending == pending
    assert asked == [b"", b"hello", b"hello wi"]
    assert position.requests == 2


def test_half_a_character_is_never_sent() -> None:
    text = "é".encode()
    position = AlignedPosition(lambda t: token_row(b"x" if not t else b"y"))
    position.advance(text[:1])
    assert (position.at, position.pending) == (0, text[:1])
    position.advance(text[1:])
    assert (position.at, position.pending) == (2, b"")


def test_one_request_serves_as_long_as_the_text_follows_the_stream() -> None:
    vocabulary = [b"a", b"b", b" "]
    cloud = FakeCloud(peaked(vocabulary, "s"), FakeClock(), length=12)
    text = b""
    rows = StreamedDistributions(cloud.open, max_requests=2, patience=1.0)
    for _ in range(5):
        row = rows.after(text)
        assert row is not None
        last = row.text_bytes
        text += last
    assert rows.requests == 1
    other = next(piece for piece in vocabulary if not last.startswith(piece))
    left = text[: -len(last)] + other
    assert rows.after(left) is not None
    assert rows.requests == 2
    assert rows.after(b"something else") is None
    assert cloud.streams[0].closed
    rows.close()
    assert cloud.streams[1].closed


def step_of(
    p: np.ndarray, q: np.ndarray, weight: float, own: int, texts: list[bytes], listed: int = 3
) -> tuple[TokenStep, np.ndarray]:
    fused = p**weight * q ** (1 - weight)
    fused /= fused.sum()
    best = np.argsort(-fused)[:listed]
    return (
        TokenStep(
            own,
            texts[own],
            float(p[own]),
            float(q[own]),
            float(fused[own]),
            weight,
            "fused",
            0.0,
            tuple(Alternative(texts[i], float(p[i]), float(q[i]), float(fused[i])) for i in best),
        ),
        fused,
    )


@pytest.mark.parametrize("weight", [0.2, 0.5, 0.8])
def test_a_stored_token_gives_its_exact_cost_at_its_own_weight_and_nearly_so_elsewhere(
    weight: float,
) -> None:
    random = np.random.default_rng(3)
    texts = [bytes([97 + i]) for i in range(20)]
    p, q = (random.dirichlet(np.full(20, 0.4)) for _ in range(2))
    own = int(p.argmax())
    step, _ = step_of(p, q, weight, own, texts)
    sheet = ScoreSheet()
    assert add_truncated_step(sheet, step, texts[own] + b"...", "log-linear")
    scores = sheet.scores()
    for other in (0.0, 0.1, weight, 0.9, 1.0):
        fused = p**other * q ** (1 - other)
        expected = -math.log(fused[own] / fused.sum())
        exact = other in (0.0, weight, 1.0)
        assert scores.nats(other, "log-linear")[0] == pytest.approx(
            expected, abs=1e-6 if exact else 0.06
        )


def test_the_token_that_the_person_put_in_its_place_is_the_one_that_counts() -> None:
    texts = [b" red", b" blue", b" green", b" blu", b" black"]
    p = np.array([0.5, 0.2, 0.1, 0.1, 0.1])
    q = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    step, _ = step_of(p, q, 0.5, 0, texts, listed=4)
    sheet = ScoreSheet()
    add_truncated_step(sheet, step, b" blue sky", "log-linear")
    add_truncated_step(sheet, step, b" unlisted", "log-linear")
    scores = sheet.scores()
    assert scores.own_local.tolist() == pytest.approx([0.2, 0.1])
    assert scores.own_cloud.tolist() == pytest.approx([0.3, 0.1])


def test_a_token_without_the_cloud_tells_nothing() -> None:
    step = TokenStep(1, b"a", 0.5, None, 0.5, 1.0, "local", 0.0)
    sheet = ScoreSheet()
    assert not add_truncated_step(sheet, step, b"a", "log-linear")
    assert len(sheet.scores()) == 0
