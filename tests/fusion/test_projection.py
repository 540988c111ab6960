"""Projection and pooling against slow, obviously right versions; sums and signs by property."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.index import TokenIndex
from floe.fusion.pooling import LocalDistribution, local_distribution, pool
from floe.fusion.projection import (
    LEAST_REST,
    PENDING_TAIL,
    TAIL_DEPTH,
    Projection,
    Projector,
)
from floe.records import Candidate, CloudToken, PoolingRule
from tests.fusion.fakes import Distribution, peaked, row_after, spaced_index
from tests.fusion.strategies import texts, vocabularies
from tests.tiers import examples

candidate_lists = st.lists(
    st.tuples(texts | st.just(b"\xff\xff"), st.floats(1e-6, 1.0)),
    min_size=1,
    max_size=20,
    unique_by=lambda pair: pair[0],
)


def constant(row: CloudToken) -> Callable[[int], CloudToken]:
    """A function that gives this row."""
    return lambda _ahead: row


def rows_ahead(row: CloudToken, cloud: Distribution, top: int = 9) -> Callable[[int], CloudToken]:
    """What the stream says after so many of its own tokens, the one of `row` first."""

    def after(count: int) -> CloudToken:
        text, following = b"", row
        for _ in range(count):
            text += following.text_bytes
            following = row_after(text, cloud, top)
        return following

    return after


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


def slow_tokens(
    index: TokenIndex, text: bytes, pending: bytes, spelled: tuple[bytes, ...] | None
) -> list[int] | None:
    """The local tokens after `pending`, in the spelling that stands there; None: it cannot be."""
    rest = text[len(pending) :]
    if not text.startswith(pending):
        return None
    if not rest:
        return []
    if not pending or spelled is None:
        return [index.pieces.index(rest)] if rest in index.pieces else [*index.spell(rest)]
    tokens = [*index.spell(text)]
    begins = [index.pieces[t] for t in tokens[: len(spelled)]] == [*spelled]
    return tokens[len(spelled) :] if begins else None


def slow_projection(
    index: TokenIndex,
    row: CloudToken,
    pending: bytes,
    spelled: tuple[bytes, ...] | None,
    p: np.ndarray,
) -> np.ndarray:
    """Candidate by candidate: what the fast one must equal."""
    q = np.zeros(index.size)
    silent = total = 0.0
    for c in row.candidates:
        m, text = math.exp(c.logprob), c.text_bytes
        if c.end and not pending:
            total += m
            for t in index.end_ids:
                q[t] += m * p[t] / sum(p[e] for e in index.end_ids)
            continue
        tokens = None if c.end else slow_tokens(index, text, pending, spelled)
        if tokens is None or (pending and not tokens and text != pending):
            continue
        total += m
        if tokens:
            q[tokens[0]] += m
        else:
            silent += m
    if total <= 0:
        return np.asarray(p / p.sum())
    wanted = 1 - PENDING_TAIL if pending else min(total, 1 - 1e-6)
    got = q > 0
    q *= wanted / total
    rest_p = p[~got].sum()
    if rest_p > 1e-9:
        tail = 1 - wanted + silent * wanted / total
        flat = p[~got] / p[~got].max()
        if tail >= 1e-3 and got.any():
            flat = [math.sqrt(x) if x > TAIL_DEPTH else x / math.sqrt(TAIL_DEPTH) for x in flat]
        q[~got] = tail * np.array(flat) / sum(flat)
    return np.asarray(q / q.sum())


@settings(max_examples=examples(300), deadline=None)
@given(
    vocabularies,
    candidate_lists,
    st.binary(max_size=2).map(lambda b: bytes(x % 3 + 97 for x in b)),
    st.just(0.0) | st.floats(1e-6, 0.5),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_projection_equals_the_slow_one(
    vocabulary: list[bytes],
    pairs: list[tuple[bytes, float]],
    pending: bytes,
    end: float,
    seed: int,
    aligned: bool,
) -> None:
    pieces = [b"", *vocabulary, b""]
    index = TokenIndex(pieces, [0, len(pieces) - 1])
    p = np.random.default_rng(seed).exponential(size=len(pieces)).astype(np.float32)
    row = row_of(pairs, end)
    spelled = (index.spell_pieces(pending) or None) if aligned else None
    projection = Projector(index).project(row, pending, p, spelled=spelled)
    assert projection.mass.min(initial=0) >= 0
    assert projection.tail >= 0
    assert projection.mass.sum() + projection.tail == pytest.approx(1)
    assert len(set(projection.ids.tolist())) == len(projection.ids)
    np.testing.assert_allclose(
        dense(projection, p / p.sum()),
        slow_projection(index, row, pending, spelled, p / p.sum()),
        rtol=1e-5,
        atol=1e-7,
    )


@settings(max_examples=examples(200), deadline=None)
@given(
    vocabularies,
    candidate_lists,
    candidate_lists,
    st.binary(max_size=2).map(lambda b: bytes(x % 3 + 97 for x in b)),
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(0, 19)),
)
def test_mass_is_conserved_by_lookahead_and_sharing(
    vocabulary: list[bytes],
    pairs: list[tuple[bytes, float]],
    more: list[tuple[bytes, float]],
    pending: bytes,
    seed: int,
    begun: set[int],
) -> None:
    index = TokenIndex([b"", *vocabulary], [0])
    p = np.random.default_rng(seed).exponential(size=index.size).astype(np.float32)
    row = row_of(pairs, 0.1)
    marked = tuple(replace(c, begun=i in begun and not c.end) for i, c in enumerate(row.candidates))
    spelled = index.spell_pieces(pending) or None
    projection = Projector(index).project(
        replace(row, candidates=marked),
        pending,
        p,
        spelled=spelled,
        successor=constant(row_of(more)),
    )
    assert projection.mass.min(initial=0) >= -1e-12
    assert projection.tail >= 0
    assert projection.mass.sum() + projection.tail == pytest.approx(1)


@settings(max_examples=examples(200), deadline=None)
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
    assert masses(projection) == {2: pytest.approx(0.5), 1: pytest.approx(0.3)}
    assert tail(projection) == pytest.approx(0.2)


def masses(projection: Projection) -> dict[int, float]:
    """What the candidates stand for."""
    said = len(projection.ids) - projection.likely
    return dict(zip(projection.ids[:said].tolist(), projection.mass[:said].tolist(), strict=True))


def tail(projection: Projection) -> float:
    """What all other tokens have."""
    return projection.tail + float(projection.mass[len(projection.ids) - projection.likely :].sum())


def test_a_candidate_goes_to_the_first_token_of_its_spelling() -> None:
    # "abc" is spelled "ab" "c", whatever the local model thinks of "a" and "abcd".
    pieces = [b"", b"a", b"ab", b"abcd", b"c"]
    local = np.array([0.0, 0.5, 0.1, 0.3, 0.1], np.float32)
    projection = Projector(TokenIndex(pieces, [0])).project(row_of([(b"abc", 0.8)]), b"", local)
    assert masses(projection) == {2: pytest.approx(0.8)}
    assert tail(projection) == pytest.approx(0.2)


def test_the_tail_is_shared_flatter_than_the_local_model_has_it() -> None:
    pieces = [b"", b"a", b"b", b"c", b"d", b"e"]
    # Of "b" and "c" the first is 16 times as likely, "d" and "e" are below the depth.
    local = np.array([0.0, 0.5, 0.32, 0.02, 0.32e-3, 0.16e-3], np.float32)
    before = local.copy()
    projection = Projector(TokenIndex(pieces, [0])).project(row_of([(b"a", 0.8)]), b"", local)
    assert local.tolist() == before.tolist()
    assert masses(projection) == {1: pytest.approx(0.8)}
    q = dense(projection, local)
    assert q[2] / q[3] == pytest.approx(4, rel=1e-4)
    assert q[2] / q[4] == pytest.approx(1000 * math.sqrt(TAIL_DEPTH), rel=1e-4)
    assert q[4] / q[5] == pytest.approx(2, rel=1e-4)
    assert q[2:].sum() == pytest.approx(0.2)
    assert projection.rest == pytest.approx(0.48e-3)


def test_where_no_candidate_fits_the_local_model_speaks_as_it_does_alone() -> None:
    pieces = [b"", b"a", b"b", b"c"]
    local = np.array([0.0, 0.1, 0.7, 0.2], np.float32)
    projection = Projector(TokenIndex(pieces, [0])).project(row_of([(b"ab", 0.8)]), b"b", local)
    assert not len(projection.ids)
    fused = pool(local.copy(), projection, 0.5, "log-linear").dense()
    assert fused.tolist() == pytest.approx([0, 0.1, 0.7, 0.2])


def test_the_tail_is_not_heaped_on_what_the_local_model_rules_out() -> None:
    pieces = [b"", b"a", b"b"]
    local = np.array([0.0, 1.0, LEAST_REST / 2], np.float32)
    projection = Projector(TokenIndex(pieces, [0])).project(row_of([(b"a", 0.8)]), b"", local)
    fused = pool(local, projection, 0.5, "linear").dense()
    assert fused.tolist() == pytest.approx([0, 1, 0], abs=1e-6)


def test_a_candidate_that_is_one_local_token_cannot_follow_its_beginning() -> None:
    # "Therefore" would have been one token: once "The" stands there, only "Theodore" is left.
    pieces = [b"", b"The", b"Therefore", b"odore", b"re", b"fore"]
    local = np.full(6, 1 / 6, np.float32)
    row = row_of([(b"Therefore", 0.7), (b"Theodore", 0.1), (b"So", 0.2)])
    projector = Projector(TokenIndex(pieces, [0]))
    projection = projector.project(row, b"The", local, spelled=(b"The",))
    assert masses(projection) == {3: pytest.approx(0.98)}


def test_the_next_row_tells_into_which_longer_token_the_clouds_own_grows() -> None:
    pieces = [b"", b" un", b" unbeliev", b" uni", b" a", b"verse"]
    local = np.full(6, 1 / 6, np.float32)
    row = row_of([(b" un", 0.5), (b" a", 0.3)])
    following = row_of([(b"believ", 0.6), (b"iverse", 0.3), (b"verse", 0.1)])
    projector = Projector(TokenIndex(pieces, [0]))
    projection = projector.project(row, b"", local, successor=constant(following))
    # " un" "verse" stays where it is; " uniiverse" begins with " uni".
    assert masses(projection) == {
        1: pytest.approx(0.05),
        2: pytest.approx(0.3),
        3: pytest.approx(0.15),
        4: pytest.approx(0.3),
    }


def corn_index() -> TokenIndex:
    """A vocabulary in which "corn" is a token and "corns" is "cor" and "ns"."""
    pieces = [b"", b"corn", b"cor", b"ns", b"s", b"n", b",", b"cob"]

    def tokenize(text: bytes) -> list[int]:
        first = 2 if text.startswith(b"corns") else 0
        while text:
            if not first:
                first = max(
                    (i for i, piece in enumerate(pieces) if piece and text.startswith(piece)),
                    key=lambda i: len(pieces[i]),
                )
            tokens.append(first)
            text, first = text[len(pieces[first]) :], 0
        return tokens

    def fresh(text: bytes) -> list[int]:
        tokens.clear()
        return [*tokenize(text)]

    tokens: list[int] = []
    return TokenIndex(pieces, [0], fresh)


def test_the_next_row_tells_into_which_shorter_token_the_clouds_own_is_cut() -> None:
    index = corn_index()
    local = np.full(index.size, 1 / index.size, np.float32)
    row = row_of([(b"corn", 0.8), (b"cob", 0.1)])
    following = row_of([(b"s", 0.75), (b",", 0.25)])
    projector = Projector(index)
    projection = projector.project(row, b"", local, successor=constant(following))
    assert masses(projection) == {
        1: pytest.approx(0.2),
        2: pytest.approx(0.6),
        7: pytest.approx(0.1),
    }
    # Where "cor" stands there, "corn" is not what the cloud will have said, but "corns" may be.
    inside = projector.project(row, b"cor", local, spelled=(b"cor",), successor=constant(following))
    assert masses(inside) == {3: pytest.approx(0.98)}
    without = projector.project(row, b"cor", local, spelled=(b"cor",))
    assert masses(without) == {}


def test_an_empty_line_is_written_as_what_follows_it_will_have_it() -> None:
    # The cloud's ".\n\n" is "." "\n" "\n" before a word, "." "\n\n" before a number.
    index = spaced_index()
    local = np.full(index.size, 1 / index.size, np.float32)
    row = row_of([(b".\n\n", 0.95), (b".", 0.05)])
    after = constant(row_of([(b"F", 0.7), (b"1", 0.2)]))
    project = Projector(index).project
    line = masses(project(row, b".", local, spelled=(b".",), successor=after))
    kept = (1 - PENDING_TAIL) * 0.95
    assert line == {1: pytest.approx(kept * 0.7), 2: pytest.approx(kept * 0.3)}
    inside = masses(project(row, b".\n", local, spelled=(b".", b"\n"), successor=after))
    assert inside == {1: pytest.approx(1 - PENDING_TAIL)}


def test_inside_a_word_the_rows_tell_what_becomes_of_it_until_that_is_settled() -> None:
    # " Op" "hel" "ia" of the local vocabulary is " O" "ph" "elia" of the cloud; " Oph" alone is
    # " O" "ph" for both.
    pieces = [b"", b" O", b" Op", b"ph", b"hel", b"ia", b"elia"]
    spellings = {
        b" O": [1], b" Oph": [1, 3], b" Ophelia": [2, 4, 5], b" Op": [2]
    }  # fmt: skip
    index = TokenIndex(pieces, [0], lambda text: spellings[text])
    rows = [row_of([(text, 1.0)]) for text in (b"ph", b"elia", b" is", b"x")]
    asked: list[int] = []

    def after(count: int) -> CloudToken:
        asked.append(count)
        return rows[count - 1]

    local = np.array([0.0, 0.01, 0.9, 0.0, 0.0, 0.0, 0.0], np.float32)
    projection = Projector(index).project(row_of([(b" O", 0.99)]), b"", local, successor=after)
    assert masses(projection) == {1: pytest.approx(0), 2: pytest.approx(0.99)}
    assert asked == [1, 2, 3], "a word that is over is settled"


@pytest.mark.parametrize("salt", range(8))
def test_where_a_longer_text_is_cut_otherwise_it_is_exact(salt: int) -> None:
    index = corn_index()
    words = [b"corn", b"s", b",", b"cob"]
    drawn = peaked(words, f"cut {salt}", 1.0)

    def cloud(text: bytes) -> dict[bytes, float]:
        # It begins with "corn" more often than not.
        return (
            drawn(text) if text else {t: p / 2 + (t == b"corn") / 2 for t, p in drawn(text).items()}
        )

    local = np.full(index.size, 1 / index.size, np.float32)
    row = row_after(b"", cloud)
    projection = Projector(index).project(row, b"", local, successor=rows_ahead(row, cloud))
    q = dense(projection, local)
    truth = exhaustive(cloud, index, beyond=1)
    assert truth[b"cor"] > 0
    for piece, p in truth.items():
        assert q[index.pieces.index(piece)] == pytest.approx(p, abs=1e-5)


def test_a_candidate_shares_with_a_longer_token_that_the_cloud_may_not_have() -> None:
    # "cam" 0.1: the local model has "camel" nine times as likely as "cam"; with a prior of 0.2
    # for a cloud without "camel", 0.2 x 0.9 / (0.2 x 0.9 + 0.8 x 0.1) = 9/13 of it moves.
    pieces = [b"", b"dog", b"cam", b"camel", b"cat"]
    index = TokenIndex(pieces, [0])
    local = np.array([0.0, 0.4, 0.05, 0.45, 0.1], np.float32)
    row = row_of([(b"dog", 0.8), (b"cam", 0.1), (b"cat", 0.1)])
    projection = Projector(index).project(row, b"", local, successor=lambda _ahead: None)
    assert masses(projection) == {
        1: pytest.approx(0.8, rel=1e-5),
        2: pytest.approx(0.1 * 4 / 13, rel=1e-5),
        3: pytest.approx(0.1 * 9 / 13, rel=1e-5),
        4: pytest.approx(0.1, rel=1e-5),
    }
    # A candidate of its own keeps the longer token out of it.
    named = row_of([(b"dog", 0.8), (b"cam", 0.1), (b"camel", 0.1)])
    projection = Projector(index).project(named, b"", local, successor=lambda _ahead: None)
    assert masses(projection)[2] == pytest.approx(0.1, rel=1e-5)


def test_the_rest_of_a_token_shares_with_all_that_it_may_become() -> None:
    # "/b" is said where "/" stands already: of "bot", "bag" and seven more the cloud says nothing.
    pieces = [b"", b"b", b"bot", b"bag", *(b"b%d" % i for i in range(8)), b"x"]
    index = TokenIndex(pieces, [0])
    local = np.full(len(pieces), 0.01, np.float32)
    local[2], local[3] = 0.6, 0.2
    begun = CloudToken(
        b"x", (Candidate(b"x", math.log(0.5)), Candidate(b"b", math.log(0.5), begun=True))
    )
    got = masses(Projector(index).project(begun, b"", local, successor=lambda _ahead: None))
    # Even odds: in the local model's proportions, of 0.01 + 0.6 + 0.2 + 8 x 0.01.
    assert got[2] == pytest.approx(0.5 * 0.6 / 0.89, rel=1e-4)
    assert got[1] == pytest.approx(0.5 * 0.01 / 0.89, rel=1e-4)


def test_restored_words_are_given_bytes() -> None:
    # "Weber" stands for PERSON_1. The local model began it with "We" although its tokenizer would
    # have written one token: what is left is spelled by itself.
    pieces = [b"", b"We", b"Weber", b"ber", b"b", b"are"]
    index = TokenIndex(pieces, [0])
    local = np.full(6, 1 / 6, np.float32)
    plain = row_of([(b"Weber", 0.6), (b"Weare", 0.2)])
    projector = Projector(index)
    assert masses(projector.project(plain, b"We", local, spelled=(b"We",))) == {
        5: pytest.approx(0.98)
    }
    restored = CloudToken(
        b"Weber",
        (Candidate(b"Weber", math.log(0.6), restored=True), *plain.candidates[1:]),
        restored=True,
    )
    got = masses(
        projector.project(restored, b"We", local, spelled=(b"We",), successor=lambda _ahead: None)
    )
    assert got == {3: pytest.approx(0.98 * 0.75), 5: pytest.approx(0.98 * 0.25)}


def test_the_next_row_is_not_asked_for_where_no_extension_has_a_say() -> None:
    pieces = [b"", b" un", b" unbeliev", b" a"]
    row = row_of([(b" un", 0.5), (b" a", 0.3)])
    asked: list[int] = []
    projector = Projector(TokenIndex(pieces, [0]))
    for p_own, p_extension in ((0.4, 0.5), (0.4, 1e-4), (1e-6, 1e-5)):
        local = np.array([0.0, p_own, p_extension, 0.1], np.float32)
        projector.project(row, b"", local, successor=asked.append)
    projector.project(row_of([(b" a", 0.5)]), b"", local, successor=asked.append)
    # Of words that the local model knows nothing of, too: it is the cloud that says them.
    assert asked == [1, 1]


def exhaustive(
    cloud: Distribution, index: TokenIndex, start: bytes = b"", beyond: int = 0
) -> dict[bytes, float]:
    """Every spelling in cloud tokens, until the first local token is certain: its probability.

    `beyond`: bytes after the longest token that can still change it.
    """
    longest = max(map(len, index.pieces)) + beyond
    found: dict[bytes, float] = {}
    open_texts = [(start, 1.0)]
    while open_texts:
        text, probability = open_texts.pop()
        for piece, p in cloud(text).items():
            joined = text[len(start) :] + piece
            if piece and len(joined) < longest:
                open_texts.append((text + piece, probability * p))
                continue
            first = index.spell_pieces(joined)[0] if joined else b""
            found[first] = found.get(first, 0.0) + probability * p
    return found


def kullback_leibler(truth: dict[bytes, float], index: TokenIndex, q: np.ndarray) -> float:
    return sum(p * math.log(p / q[index.pieces.index(t)]) for t, p in truth.items() if p > 0)


@pytest.mark.parametrize("salt", range(8))
def test_where_no_local_token_spans_two_of_the_cloud_it_is_exact(salt: int) -> None:
    words = [b" a", b" ab", b" abc", b" b", b" ba", b" ca"]
    index = TokenIndex([b"", b" a", b" ab", b" b", b"a", b"c", b" c", b"b"], [0])
    cloud = peaked(words, f"exact {salt}", 1.0)
    local = np.full(index.size, 1 / index.size, np.float32)
    row = row_after(b"", cloud)
    projection = Projector(index).project(row, b"", local, successor=rows_ahead(row, cloud))
    q = dense(projection, local)
    for piece, p in exhaustive(cloud, index).items():
        assert q[index.pieces.index(piece)] == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("salt", range(8))
def test_where_only_the_own_token_can_grow_it_is_exact(salt: int) -> None:
    # The cloud begins with "x" more often than not, and of its tokens that alone can grow.
    index = TokenIndex([b"", b"x", b"xa", b"xb", b"y", b"a", b"b"], [0])
    tokens = peaked([b"x", b"y", b"a", b"b"], f"grows {salt}", 1.0)

    def cloud(text: bytes) -> dict[bytes, float]:
        given_ = tokens(text)
        if text:
            return given_
        return {t: p / 2 + (t == b"x") / 2 for t, p in given_.items()}

    local = np.full(index.size, 1 / index.size, np.float32)
    row = row_after(b"", cloud)
    projector = Projector(index)
    truth = exhaustive(cloud, index)
    with_next = projector.project(row, b"", local, successor=rows_ahead(row, cloud))
    assert kullback_leibler(truth, index, dense(with_next, local)) == pytest.approx(0, abs=1e-5)
    without = projector.project(row, b"", local)
    assert kullback_leibler(truth, index, dense(without, local)) > 0.01


def test_more_candidates_and_the_next_row_come_nearer_to_the_truth() -> None:
    index = TokenIndex([b"", b"a", b"b", b"c", b"ab", b"bc", b"ca", b"abc", b"cab"], [0])
    words = [b"a", b"b", b"c", b"ba", b"ca", b"cb", b"bcc", b"ac"]
    local = np.full(index.size, 1 / index.size, np.float32)
    projector = Projector(index)

    def mean_divergence(top: int, *, successor: bool) -> float:
        total = 0.0
        for salt in range(40):
            cloud = peaked(words, f"nearer {salt}", 1.5)
            row = row_after(b"", cloud, top)
            projection = projector.project(
                row, b"", local, successor=rows_ahead(row, cloud, top) if successor else None
            )
            q = dense(projection, local)
            total += kullback_leibler(exhaustive(cloud, index), index, q)
        return total / 40

    by_top = [mean_divergence(top, successor=True) for top in (1, 2, 4, 9)]
    assert by_top == sorted(by_top, reverse=True)
    assert by_top[-1] < 0.7 * mean_divergence(9, successor=False)


@settings(max_examples=examples(100), deadline=None)
@given(vocabularies, st.integers(0, 2**32 - 1))
def test_between_equal_vocabularies_it_is_exact(vocabulary: list[bytes], seed: int) -> None:
    pieces = [b"", *vocabulary]
    p, q = np.random.default_rng(seed).dirichlet(np.full(len(pieces), 0.5), 2)
    q = (q + 1e-6) / (q + 1e-6).sum()
    row = row_of([*zip(vocabulary, q[1:], strict=True)], end=float(q[0]))
    projection = Projector(TokenIndex(pieces, [0])).project(row, b"", p.astype(np.float32))
    np.testing.assert_allclose(dense(projection, p), q, atol=2e-6)


def test_pending_bytes_leave_only_what_begins_with_them() -> None:
    pieces = [b"", b"lo", b"p", b"x"]
    local = np.array([0.1, 0.3, 0.3, 0.3], np.float32)
    row = row_of([(b"hello", 0.6), (b"help", 0.2), (b"world", 0.2)])
    projection = Projector(TokenIndex(pieces, [0])).project(row, b"hel", local)
    assert masses(projection) == {1: pytest.approx(0.98 * 0.75), 2: pytest.approx(0.98 * 0.25)}


def test_local_alone_is_its_softmax() -> None:
    logits = np.array([1.0, 2.0, 3.0], np.float32)
    local: LocalDistribution = local_distribution(logits)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert [local.probability(i) for i in range(3)] == pytest.approx(expected.tolist())
