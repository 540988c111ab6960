"""Two distributions over one vocabulary into one: linear and log-linear pooling.

`w` is the local weight. Linear: r = w p + (1 - w) q. Log-linear: r is proportional to
p^w q^(1-w) (Genest and Zidek 1986 call both pools by these names). Tokens that the projection
did not touch keep the local model's proportions, so one factor stands for all of them and no
array as long as the vocabulary is made.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.projection import LEAST_REST, Ids, Mass, Projection
from floe.records import PoolingRule

_SAFE_LOGIT = 50.0


class LocalDistribution(NamedTuple):
    """The local model's next-token distribution, not normalised.

    Attributes:
        mass: float32 of shape (vocabulary,), proportional to the probabilities.
        total: sum of `mass`.
    """

    mass: NDArray[np.float32]
    total: float

    def probability(self, token: int) -> float:
        """Probability of one token."""
        return float(self.mass[token]) / self.total


class Pooled(NamedTuple):
    """A fused distribution that sums to 1, and the two that it came from.

    Attributes:
        ids: intp of shape (touched,).
        local, cloud, fused: float64 of shape (touched,): probabilities of those tokens.
        rest: float32 of shape (vocabulary,): what all other tokens have, in proportion; 0 at
            `ids`.
        rest_local, rest_cloud, rest_fused: factors that turn `rest` into probabilities.
        likely: see `Projection`.
        most_rest: no token has more of `rest`.
    """

    ids: Ids
    local: Mass
    cloud: Mass
    fused: Mass
    rest: NDArray[np.float32]
    rest_local: float
    rest_cloud: float
    rest_fused: float
    likely: int = 0
    most_rest: float = math.inf

    def dense(self) -> NDArray[np.float64]:
        """All fused probabilities, shape (vocabulary,)."""
        probabilities = self.rest.astype(np.float64) * self.rest_fused
        probabilities[self.ids] = self.fused
        return probabilities


def local_distribution(logits: NDArray[np.float32]) -> LocalDistribution:
    """Softmax without the division, of logits of shape (vocabulary,)."""
    mass, _, _ = exponentials(logits)
    return LocalDistribution(mass, float(np.add.reduce(mass, dtype=np.float64)))


def exponentials(
    logits: NDArray[np.float32], work: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], int, float]:
    """Probabilities up to one factor, the most probable token, and the logarithm of that factor.

    Args:
        logits: float32 of shape (vocabulary,).
        work: space of the same shape to write into, `logits` itself perhaps.
    """
    best = int(logits.argmax())
    largest = logits.item(best)
    # One pass less wherever no exponential can overflow or vanish, which is nearly always.
    if abs(largest) < _SAFE_LOGIT:
        return np.exp(logits, out=work), best, 0.0
    mass = np.subtract(logits, np.float32(largest), out=work)
    return np.exp(mass, out=mass), best, largest


def pool(
    mass: NDArray[np.float32], projection: Projection, weight: float, rule: PoolingRule
) -> Pooled:
    """Fuse.

    Args:
        mass: float32 of shape (vocabulary,), proportional to the local probabilities. Becomes
            `Pooled.rest`: its entries of the tokens that the projection names are set to 0,
            where that was not done before (`Projection.taken`).
        projection: the cloud's, over the same vocabulary.
        weight: of the local model, in [0, 1].
        rule: how.
    """
    ids, taken = projection.ids, projection.taken
    # The named tokens are taken out before the others are added up, not subtracted afterwards:
    # what a peaked distribution leaves over is too small for a difference of float32 sums.
    if taken is None:
        taken = mass.take(ids)
        mass[ids] = 0.0
    p = taken.astype(np.float64)
    left = float(np.add.reduce(mass)) if projection.rest is None else projection.rest
    total = float(np.add.reduce(p)) + left
    p /= total
    rest = left / total
    q = projection.mass
    if rest > LEAST_REST:
        stretch = projection.tail / rest
    else:
        q = q / np.add.reduce(q)
        stretch = 0.0
    if rule == "linear":
        fused = weight * p + (1 - weight) * q
        factor = weight + (1 - weight) * stretch
    else:
        fused = p**weight * q ** (1 - weight)
        factor = stretch ** (1 - weight)
    fused_total = float(np.add.reduce(fused)) + rest * factor
    fused /= fused_total
    return Pooled(
        ids,
        p,
        q,
        fused,
        mass,
        1 / total,
        stretch / total,
        factor / (fused_total * total),
        projection.likely,
        projection.most_rest,
    )
