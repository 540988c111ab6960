from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.bench.federate import toy_energy
from floe.federation.app.update import Update, UpdateFactors, from_arrays, to_arrays
from floe.federation.maths.aggregate import (
    Aggregated,
    AggregationRule,
    Load,
    Member,
    aggregate,
    aggregate_updates,
    choose_path,
    to_canonical_form,
    truncate_factors,
)

RULES: tuple[AggregationRule, ...] = ("exact", "rank_aware")


def factors_of(
    random: np.random.Generator, shape: tuple[int, int], ranks: Sequence[int]
) -> list[UpdateFactors]:
    d, k = shape
    return [
        (
            random.standard_normal((rank, k)).astype(np.float32),
            (random.standard_normal((d, rank)) * np.exp(-np.arange(rank) / 8)).astype(np.float32),
        )
        for rank in ranks
    ]


def slow(
    members: Sequence[Member], factors: Sequence[UpdateFactors], rule: AggregationRule
) -> NDArray[np.float64]:
    """The definition, term by term."""
    total = 0.0
    for member, (a, b) in zip(members, factors, strict=True):
        u, s, vt = np.linalg.svd(b.astype(np.float64) @ a, full_matrices=False)
        for c in range(member.rank):
            peers = [m.examples for m in members if rule == "exact" or m.rank > c]
            total = total + member.examples / sum(peers) * s[c] * np.outer(u[:, c], vt[c])
    return np.asarray(total)


def one(
    shape: tuple[int, int],
    members: Sequence[Member],
    factors: Sequence[UpdateFactors],
    rank: int,
    rule: AggregationRule,
) -> Aggregated:
    load: Load = lambda client, _: factors[client]  # noqa: E731
    (result,) = aggregate({"m": shape}, members, load, rank, rule)
    return result


def product(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return b.astype(np.float64) @ a


def gap(found: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("shape", "times", "path"),
    [
        ((96, 160), 1, "dense"),
        ((160, 96), 3, "dense"),
        ((96, 160), 25, "dense"),  # more than one chunk
        ((400, 300), 1, "cores"),
        ((300, 400), 1, "cores"),
    ],
)
def test_mixed_ranks_give_the_sum_of_products_on_either_path(
    rule: AggregationRule, shape: tuple[int, int], times: int, path: str
) -> None:
    ranks = [2, 4, 8, 16, 64] * times
    members = [Member(rank, 3 + i % 5) for i, rank in enumerate(ranks)]
    factors = factors_of(np.random.default_rng(1), shape, ranks)
    result = one(shape, members, factors, min(shape), rule)
    assert result.path == path
    limit = 1e-6 if rule == "exact" else 3e-6
    assert gap(product(result.a, result.b), slow(members, factors, rule)) < limit


@pytest.mark.parametrize("rule", RULES)
def test_the_first_components_are_the_best_approximation(rule: AggregationRule) -> None:
    ranks = [4, 16, 16]
    members = [Member(rank, 1) for rank in ranks]
    factors = factors_of(np.random.default_rng(2), (60, 40), ranks)
    u, s, vt = np.linalg.svd(slow(members, factors, rule), full_matrices=False)
    result = one((60, 40), members, factors, 16, rule)
    np.testing.assert_allclose(result.values, s[:16], rtol=1e-5)
    for rank in (1, 4, 9):
        a, b = truncate_factors({"m": (result.a, result.b)}, rank)["m"]
        assert a.shape == (rank, 40)
        assert b.shape == (60, rank)
        assert gap(product(a, b), (u[:, :rank] * s[:rank]) @ vt[:rank]) < 1e-5


def test_a_component_is_averaged_only_over_those_who_have_it() -> None:
    # Worked by hand: both have direction 0, only the second has direction 1.
    small: UpdateFactors = (np.eye(1, 3, dtype=np.float32), 4 * np.eye(3, 1, dtype=np.float32))
    large: UpdateFactors = (
        np.eye(2, 3, dtype=np.float32),
        np.diag([8.0, 2, 0])[:, :2].astype("f4"),
    )
    members = [Member(1, 3), Member(2, 1)]
    aware = one((3, 3), members, [small, large], 2, "rank_aware")
    plain = one((3, 3), members, [small, large], 2, "exact")
    np.testing.assert_allclose(product(aware.a, aware.b), np.diag([5.0, 2, 0]), atol=1e-6)
    np.testing.assert_allclose(product(plain.a, plain.b), np.diag([5.0, 0.5, 0]), atol=1e-6)


def test_untrained_and_degenerate_adapters_do_no_harm() -> None:
    ranks = [2, 8, 8, 16]
    members = [Member(rank, 1) for rank in ranks]
    factors = factors_of(np.random.default_rng(3), (40, 50), ranks)
    factors[1][1][:] = 0  # B as it is before training
    factors[3][1][:, 5:] = 0
    factors[3][0][3] = factors[3][0][2]
    result = one((40, 50), members, factors, 40, "rank_aware")
    assert gap(product(result.a, result.b), slow(members, factors, "rank_aware")) < 3e-6


def test_all_zero_gives_zero() -> None:
    zero: UpdateFactors = (np.ones((2, 9), np.float32), np.zeros((7, 2), np.float32))
    result = one((7, 9), [Member(2, 1)] * 30, [zero] * 30, 2, "rank_aware")
    assert np.all(product(result.a, result.b) == 0)


def test_factors_in_canonical_form_give_the_same_result() -> None:
    ranks = [4, 8, 16, 16]
    members = [Member(rank, 1 + i) for i, rank in enumerate(ranks)]
    factors = factors_of(np.random.default_rng(4), (64, 48), ranks)
    ordered = [to_canonical_form({"m": pair})["m"] for pair in factors]
    for plain, (a, b) in zip(factors, ordered, strict=True):
        assert gap(product(a, b), product(*plain)) < 1e-6
    right = slow(members, factors, "rank_aware")
    result = one((64, 48), members, ordered, 48, "rank_aware")
    assert gap(product(result.a, result.b), right) < 3e-6


def test_canonical_factors_keep_their_shapes_and_survive_a_module_smaller_than_the_rank() -> None:
    (wide,) = factors_of(np.random.default_rng(9), (4, 30), [8])
    (tall,) = factors_of(np.random.default_rng(9), (30, 4), [8])
    for module, (a, b) in to_canonical_form({"wide": wide, "tall": tall}).items():
        plain = {"wide": wide, "tall": tall}[module]
        assert (a.shape, b.shape) == (plain[0].shape, plain[1].shape)
        assert gap(product(a, b), product(*plain)) < 1e-6


def test_factors_that_only_look_canonical_are_put_in_order() -> None:
    """Orthogonal, but smallest first: believed, they would be averaged as the wrong components."""
    random = np.random.default_rng(5)
    pair = to_canonical_form({"m": factors_of(random, (30, 30), [4])[0]})["m"]
    turned: UpdateFactors = (pair[0][::-1].copy(), pair[1][:, ::-1].copy())
    other = factors_of(random, (30, 30), [2])[0]
    members = [Member(4, 1), Member(2, 1)]
    result = one((30, 30), members, [turned, other], 6, "rank_aware")
    right = slow(members, [turned, other], "rank_aware")
    assert gap(product(result.a, result.b), right) < 3e-6


def test_the_cheaper_path_is_taken_and_says_why() -> None:
    assert choose_path((576, 576), 40)[0] == "cores"
    assert choose_path((576, 576), 25_000)[0] == "dense"
    assert "25000" in choose_path((576, 576), 25_000)[1]


def test_modules_come_in_order_and_no_client_is_read_far_ahead() -> None:
    read: list[str] = []
    factors = factors_of(np.random.default_rng(6), (20, 10), [2, 4])

    def load(client: int, module: str) -> UpdateFactors:
        read.append(module)
        return factors[client]

    shapes = {f"m{i}": (20, 10) for i in range(40)}
    results = aggregate(shapes, [Member(2, 1), Member(4, 1)], load, 4, threads=2)
    assert next(results).module == "m0"
    assert len(set(read)) <= 5
    assert [result.module for result in results] == list(shapes)[1:]


def test_rank_survives_thirty_rounds_only_with_rank_aware_weights() -> None:
    target = toy_energy(None)
    assert target > 0.4
    assert toy_energy("rank_aware") == pytest.approx(target, rel=0.05)
    assert toy_energy("exact") < 0.1 * target


def test_an_update_survives_the_journey_with_its_scale_folded_in() -> None:
    a, b = factors_of(np.random.default_rng(7), (6, 5), [2])[0]
    centroid = np.ones(3, np.float32)
    sent = Update("id", "me", 3, "sha", 2, 8.0, 12, {"q": (a, b)}, centroid, 0.5)
    got = from_arrays(to_arrays(sent))
    assert (got.update_id, got.client_id, got.round, got.rank, got.examples) == (
        "id",
        "me",
        3,
        2,
        12,
    )
    assert got.alpha == 2
    np.testing.assert_array_equal(got.factors["q"][1], 4 * b)
    np.testing.assert_array_equal(got.factors["q"][0], a)
    assert got.centroid is not None
    merged = aggregate_updates([got, got], 2)["q"]
    assert gap(product(*merged), 4 * product(a, b)) < 1e-6
