import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from floe.bench.federate import LAYER, task_updates
from floe.federation.app.update import Update, UpdateFactors
from floe.federation.maths.accounting import (
    account_privacy,
    count_noisy_numbers,
    epsilon,
    exposure,
    noise_multiplier_for,
    private_mean,
)


def delta_of(multiplier: float, rounds: int, value: float) -> float:
    """Balle and Wang, Improving the Gaussian Mechanism (2018), theorem 8."""
    mu = math.sqrt(rounds) / multiplier
    return float(ndtr(mu / 2 - value / mu) - math.exp(value) * ndtr(-mu / 2 - value / mu))


@pytest.mark.parametrize(("multiplier", "rounds"), [(1, 5), (4, 5), (20, 30), (0.5, 1)])
def test_epsilon_is_that_of_the_closed_form(multiplier: float, rounds: int) -> None:
    value = epsilon(multiplier, rounds, 1e-5)
    assert delta_of(multiplier, rounds, value) == pytest.approx(1e-5, rel=1e-3)


@pytest.mark.parametrize(("target", "rounds"), [(1.0, 5), (8.0, 20)])
def test_the_noise_for_a_target_spends_the_target(target: float, rounds: int) -> None:
    assert epsilon(noise_multiplier_for(target, 1e-5, rounds), rounds, 1e-5) == pytest.approx(
        target, rel=1e-3
    )


def test_hardly_any_noise_is_a_huge_but_finite_epsilon_and_none_is_infinite() -> None:
    assert 10_000 < epsilon(0.01, 5, 1e-5) < 100_000
    assert epsilon(0, 5, 1e-5) == math.inf


def test_the_sentence_names_figure_and_unit_and_owns_up_to_weakness() -> None:
    numbers = count_noisy_numbers(LAYER, 8)
    few = account_privacy(2.0, 5, 1e-5, 2, numbers)
    assert "one device" in few.sentence
    assert f"{few.epsilon:.3g}" in few.sentence
    assert "handful" in few.sentence
    assert "little will be learned" in few.sentence
    many = account_privacy(8.0, 5, 1e-5, 100_000, numbers)
    assert "handful" not in many.sentence
    assert "little will be learned" not in many.sentence
    assert "weak" in account_privacy(0.3, 5, 1e-5, 100_000, numbers).sentence
    assert "No noise" in account_privacy(0, 5, 1e-5, 3, numbers).sentence


def updates_in_a_basis(count: int) -> tuple[list[Update], dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    basis = {"m": random.standard_normal((8, 20)).astype(np.float32)}
    found = []
    for i in range(count):
        rank = (4, 8)[i % 2]
        b = random.standard_normal((30, rank)).astype(np.float32)
        factors: dict[str, UpdateFactors] = {"m": (basis["m"][:rank], b)}
        found.append(Update(f"u{i}", f"c{i}", 1, "base", rank, rank, 1, factors))
    return found, basis


def test_without_noise_or_clipping_it_is_the_mean_of_products() -> None:
    updates, basis = updates_in_a_basis(2)
    (a, b) = private_mean([updates[1]], basis, 1e9, 0, np.random.default_rng())["m"]
    x, y = updates[1].factors["m"]
    np.testing.assert_allclose(b @ a, y @ x, atol=1e-4)


def test_no_device_moves_the_sum_by_more_than_the_clip() -> None:
    updates, basis = updates_in_a_basis(6)
    updates = [replace(u, rank=8) for u in updates]  # the same count in every column
    zero = replace(updates[0], factors={"m": (basis["m"], np.zeros((30, 8), np.float32))})
    with_it = private_mean(updates, basis, 0.5, 0, np.random.default_rng())["m"]
    without = private_mean([zero, *updates[1:]], basis, 0.5, 0, np.random.default_rng())["m"]
    moved = np.linalg.norm(with_it[1] @ with_it[0] - without[1] @ without[0]) * len(updates)
    assert moved <= 0.5 * 1.0001


def test_the_noise_has_the_promised_size() -> None:
    updates, _ = updates_in_a_basis(4)
    wide = {"m": np.random.default_rng(1).standard_normal((8, 20)).astype(np.float32)}
    silent = [
        replace(u, rank=8, factors={"m": (wide["m"], np.zeros((2000, 8), np.float32))})
        for u in updates
    ]
    a, b = private_mean(silent, wide, 0.5, 3.0, np.random.default_rng(2))["m"]
    expected = 3.0 * 0.5 * math.sqrt(2000 * 8) / len(silent)
    assert np.linalg.norm(b @ a) == pytest.approx(expected, rel=0.05)


def test_noise_stays_within_the_basis_that_everybody_knows() -> None:
    updates, basis = updates_in_a_basis(4)
    a, b = private_mean(updates, basis, 1.0, 5.0, np.random.default_rng(3))["m"]
    q = np.linalg.qr(basis["m"].T)[0]
    noisy = b @ a
    np.testing.assert_allclose(noisy @ q @ q.T, noisy, atol=1e-4)


def test_fresh_noise_is_drawn_for_each_round() -> None:
    updates, _ = task_updates(1, 2, (4,))
    basis = {name: a for name, (a, _) in updates[0].factors.items()}
    first, second = (
        private_mean(updates, basis, 1.0, 1.0, np.random.default_rng()) for _ in range(2)
    )
    assert not np.allclose(first["q_proj"][1], second["q_proj"][1])


def test_exposure_counts_bits_above_chance() -> None:
    others = np.arange(9999, dtype=np.float64)
    assert exposure(-1, others).bits == pytest.approx(math.log2(10_000))
    assert exposure(1e9, others).bits == pytest.approx(0)
    middle = exposure(4999.5, others)
    assert middle.rank == 5001
    assert middle.bits == pytest.approx(1, abs=0.01)
    assert exposure(0.0, np.zeros(9999)).bits == pytest.approx(1, abs=0.01)
