"""Differential privacy of a device's part in a federation: clipping, noise, epsilon.

The unit is one device: all that it sends in all rounds, kept or replaced by zero ("zero-out"
neighbours; who takes part and at which rank is not hidden). The server is trusted to see
single updates and to add the noise: this is central, not local, differential privacy.
Not covered: which group a device was put in, and whether it was dropped, as both are decided
on updates without noise.

Where the noise goes. A noisy d x k sum of products would be valid, but cutting it to a small
rank keeps the noise's own largest directions: a Gaussian matrix of deviation s has singular
values up to s (sqrt d + sqrt k). Noise in the basis of the sum's own SVD is not valid at all, as
the basis depends on the data. So each product is first projected onto the row space of the
adapter that the server sent out at the start of the round (in the first round: the shared random
A). Everybody knows that basis, as it is the last round's noisy result, and an adapter that
was trained from it has hardly left it (exactly so when A is frozen: FFA-LoRA, arXiv 2403.12313).
Noise then falls on d x r numbers a module, and the ranks of the devices only decide which
columns they take part in.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from floe.federation.app.update import Matrix, Update, UpdateFactors
from floe.federation.maths.aggregate import to_canonical_form

PRIVACY_UNIT: Final = "all that one device sends in all rounds"

_WEAK_EPSILON: Final = 10.0
_FEW_DEVICES: Final = 100


@dataclass(frozen=True, slots=True)
class PrivacyCost:
    """Epsilon and delta of `rounds` rounds, their unit, and what that means in plain words.

    `drowning`: expected norm of the noise in one round's mean, as a multiple of the largest
    change that any device can make (its clipped update); above 1 noise outweighs learning.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    rounds: int
    devices: int
    drowning: float
    unit: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """Rank of a secret among candidates: log2(candidates) - log2(rank), in bits.

    Carlini et al., The Secret Sharer (arXiv 1802.08232). By chance it is 1.44 bits on average.
    """

    rank: int
    candidates: int
    bits: float


def epsilon(noise_multiplier: float, rounds: int, delta: float) -> float:
    """Epsilon of `rounds` Gaussian releases with noise of `noise_multiplier` clip norms.

    Exact: `rounds` of them are one with the multiplier divided by sqrt(rounds) (Dong, Roth, Su,
    Gaussian Differential Privacy, 2019). Without noise it is infinite.
    """
    if noise_multiplier <= 0:
        return math.inf
    from dp_accounting.pld.privacy_loss_mechanism import (  # noqa: PLC0415 - slow to load
        GaussianPrivacyLoss,
    )

    loss = GaussianPrivacyLoss(noise_multiplier / math.sqrt(rounds))

    def excess(value: float) -> float:
        return float(loss.get_delta_for_epsilon(value)) - delta

    if excess(0.0) <= 0:
        return 0.0
    high = 1.0
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-6))


def noise_multiplier_for(target: float, delta: float, rounds: int) -> float:
    """Return the noise multiplier with which `rounds` rounds spend the epsilon `target`."""
    from dp_accounting.pld.common import (  # noqa: PLC0415 - slow to load
        DifferentialPrivacyParameters,
    )
    from dp_accounting.pld.privacy_loss_mechanism import (  # noqa: PLC0415 - slow to load
        GaussianPrivacyLoss,
    )

    one = GaussianPrivacyLoss.from_privacy_guarantee(DifferentialPrivacyParameters(target, delta))
    return float(one.standard_deviation) * math.sqrt(rounds)


def account_privacy(
    noise_multiplier: float, rounds: int, delta: float, devices: int, numbers: int
) -> PrivacyCost:
    """Account for `rounds` rounds with `devices` devices in a group.

    `numbers`: how many noisy numbers a round releases (see `count_noisy_numbers`).
    """
    value = epsilon(noise_multiplier, rounds, delta)
    drowning = noise_multiplier * math.sqrt(numbers) / devices
    return PrivacyCost(
        value,
        delta,
        noise_multiplier,
        rounds,
        devices,
        drowning,
        PRIVACY_UNIT,
        _describe(value, delta, devices, drowning),
    )


def count_noisy_numbers(shapes: Mapping[str, tuple[int, int]], rank: int) -> int:
    """Count the numbers of a group's adapter that carry noise: d x rank in each module."""
    return sum(d * rank for d, _ in shapes.values())


def private_mean(
    updates: Sequence[Update],
    basis: Mapping[str, Matrix],
    clip: float,
    noise_multiplier: float,
    random: np.random.Generator,
) -> dict[str, UpdateFactors]:
    """Average clipped updates with Gaussian noise, in a basis that everybody knows.

    Column c of each module is averaged over the devices whose rank exceeds c, as the rank-aware
    rule does; every device counts alike, as numbers of examples would be one more thing to hide.

    Args:
        updates: of one group; only the part within the basis counts.
        basis: A (rank, k) of each module as sent out at the start of the round, largest
            direction first, of which a device of rank r got the first r rows.
        clip: the largest norm of one device's part, over all modules together.
        noise_multiplier: deviation of the noise in the sum, in units of `clip`.
        random: seeded by the system's entropy, but in tests.
    """
    bases = {
        module: np.linalg.qr(a.astype(np.float64).T)[0].astype(np.float32)
        for module, a in basis.items()
    }
    sums: dict[str, NDArray[np.float64]] = {}
    counts = np.zeros(max(len(a) for a in basis.values()))
    for update in updates:
        parts = {
            module: _within(update.factors[module], q, update.rank) for module, q in bases.items()
        }
        size = math.sqrt(sum(float(np.square(part).sum()) for part in parts.values()))
        shrink = min(1.0, clip / size) if size > 0 else 0.0
        for module, part in parts.items():
            sums[module] = sums.get(module, 0.0) + part * shrink
        counts[: update.rank] += 1
    used = counts > 0
    result = {}
    for module, total in sums.items():
        live = used[: total.shape[1]]
        noise = random.standard_normal(total.shape) * (noise_multiplier * clip * live)
        mean = (total + noise) / np.maximum(counts[: total.shape[1]], 1)
        result[module] = (bases[module].T, mean.astype(np.float32))
    return to_canonical_form(result)


def exposure(secret: float, others: NDArray[np.float64]) -> Exposure:
    """Rank the secret's loss among those of candidates that nobody inserted.

    Ties count against privacy by half: the secret stands in the middle of its equals.
    """
    better = int((others < secret).sum())
    equal = int((others == secret).sum())
    rank = 1 + better + equal // 2
    candidates = len(others) + 1
    return Exposure(rank, candidates, math.log2(candidates) - math.log2(rank))


def _within(factors: UpdateFactors, q: Matrix, rank: int) -> NDArray[np.float64]:
    """Coordinates (d, R) of one product in the first `rank` directions of a basis (k, R)."""
    a, b = factors
    part = (b @ (a @ q)).astype(np.float64)
    part[:, rank:] = 0
    return part


def _describe(value: float, delta: float, devices: int, drowning: float) -> str:
    if math.isinf(value):
        return (
            "No noise is added: what the group learns may betray what one device was trained on. "
            "Share only with people you would show your chats."
        )
    text = (
        f"Epsilon is {value:.3g} at delta {delta:g} for {PRIVACY_UNIT}: with or without one "
        f"device, any outcome is about e^{value:.3g} times as likely at most."
    )
    if value > _WEAK_EPSILON:
        text += " That is a weak promise; it hampers simple attacks and proves little."
    if drowning > 1:
        text += (
            f" With {devices} {'device' if devices == 1 else 'devices'} in a group the noise is "
            f"{drowning:.3g} times as large as anything one device can teach, so little will be "
            "learned."
        )
    if devices < _FEW_DEVICES:
        text += (
            " A handful of devices cannot hide each other well: strong privacy and useful "
            "learning together need hundreds of them or more."
        )
    return text
