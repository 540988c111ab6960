"""The automatic weight finds the best one, ends where it should, and says why."""

import math

import numpy as np
import pytest

from floe.fusion.scoring.automatic_weight import (
    FEWEST_TOKENS,
    LEANING,
    best_weight,
    fit_weight,
    written_weight,
)
from floe.fusion.scoring.scores import Scores, ScoreSheet
from floe.records import PoolingRule

RULES: tuple[PoolingRule, ...] = ("linear", "log-linear")


def drawn(truth: float, rule: PoolingRule, tokens: int = 3000, seed: int = 0) -> Scores:
    """Text whose tokens follow the pool of two random models at weight `truth`."""
    random = np.random.default_rng(seed)
    sheet = ScoreSheet()
    for _ in range(tokens):
        p, q = (random.dirichlet(np.full(6, 0.7)) + 1e-6 for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        r = truth * p + (1 - truth) * q if rule == "linear" else p**truth * q ** (1 - truth)
        token = int(random.choice(6, p=r / r.sum()))
        sheet.add_pairs(
            list(zip(p.tolist(), q.tolist(), strict=True)), (float(p[token]), float(q[token])), 3
        )
    return sheet.scores()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("truth", [0.0, 0.3, 0.7, 1.0])
def test_the_weight_that_wrote_the_text_is_found(truth: float, rule: PoolingRule) -> None:
    assert best_weight(drawn(truth, rule), rule) == pytest.approx(truth, abs=0.06)


@pytest.mark.parametrize("rule", RULES)
def test_no_weight_of_a_grid_is_better(rule: PoolingRule) -> None:
    scores = drawn(0.4, rule, 300)
    weight = best_weight(scores, rule, prior_tokens=0)
    least = min(scores.bits_per_byte(w, rule) for w in np.linspace(0, 1, 101))
    assert scores.bits_per_byte(weight, rule) <= least + 1e-6


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("truth", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_device_that_is_the_worse_half_is_given_less_than_along_the_text(
    truth: float, rule: PoolingRule
) -> None:
    scores = drawn(truth, rule)
    here, cloud = (scores.bits_per_byte(weight, rule) for weight in (1.0, 0.0))
    least = best_weight(scores, rule)
    expected = least * min(cloud / here, 1.0) ** LEANING
    assert written_weight(scores, rule) == pytest.approx(max(expected, 0.02), abs=1e-3)
    assert (written_weight(scores, rule) < least) == (cloud < here)


def test_a_cloud_that_only_harms_is_not_asked() -> None:
    sheet = ScoreSheet()
    for _ in range(200):
        sheet.add_pairs([(0.9, 0.05), (0.1, 0.95)], (0.9, 0.05), 4)
    auto = fit_weight(sheet.scores(), "log-linear", answers=12)
    assert auto.weight == 1.0
    assert auto.reason.startswith("1.00: on 12 answers of yours this device alone is")


def test_a_weak_local_model_is_left_out() -> None:
    sheet = ScoreSheet()
    for _ in range(200):
        sheet.add_pairs([(0.05, 0.9), (0.95, 0.1)], (0.05, 0.9), 4)
    assert fit_weight(sheet.scores(), "linear", answers=12).weight == 0.0


@pytest.mark.parametrize("rule", RULES)
def test_a_cloud_that_is_always_sure_and_right_leaves_little_to_this_device(
    rule: PoolingRule,
) -> None:
    # Its own bits are none at all, so that along the text the weight hardly matters.
    sheet = ScoreSheet()
    for _ in range(FEWEST_TOKENS):
        sheet.add_pairs([(0.9, 1.0), (0.1, 0.0)], (0.9, 1.0), 4)
    assert best_weight(sheet.scores(), rule) > 0.1
    auto = fit_weight(sheet.scores(), rule, answers=3)
    assert auto.weight == 0.02
    assert auto.reason.endswith("no mixture is much better than the cloud alone.")
    both_sure = ScoreSheet()
    for _ in range(FEWEST_TOKENS):
        both_sure.add_pairs([(1.0, 1.0), (0.0, 0.0)], (1.0, 1.0), 4)
    assert fit_weight(both_sure.scores(), rule, answers=3).weight == 0.5


def test_the_reason_tells_what_is_gained() -> None:
    auto = fit_weight(drawn(0.5, "log-linear"), "log-linear", answers=38)
    assert auto.gain > 0.05
    share = f"{100 * auto.gain:.0f} %"
    assert auto.reason == (
        f"{auto.weight:.2f}: on 38 answers of yours this mixture is {share} better than either "
        "model alone."
    )


def test_too_few_words_leave_the_weight_where_it_is() -> None:
    auto = fit_weight(drawn(1.0, "linear", FEWEST_TOKENS - 1), "linear", answers=1, default=0.5)
    assert auto.weight == 0.5
    assert "only 1 answer of yours" in auto.reason


def test_few_words_move_it_less_than_many() -> None:
    few = fit_weight(drawn(1.0, "log-linear", 80), "log-linear", answers=2).weight
    many = fit_weight(drawn(1.0, "log-linear", 4000), "log-linear", answers=90).weight
    assert 0.5 < few <= many


def test_impossible_tokens_cost_a_finite_number_of_bits() -> None:
    sheet = ScoreSheet()
    sheet.add_pairs([(1.0, 0.0), (0.0, 1.0)], (0.0, 1.0), 1)
    for rule in RULES:
        assert math.isfinite(sheet.scores().bits_per_byte(0.5, rule))
        assert math.isfinite(sheet.scores().bits_per_byte(1.0, rule))
