"""Two distributions over one vocabulary into one: linear and log-linear pooling.

`w` is the local weight. Linear: r = w p + (1 - w) q. Log-linear: r is proportional to
p^w q^(1-w) (Genest and Zidek 1986 call both pools by these names). Tokens that the projection
did not touch keep the local model's proportions, so one factor stands for all of them and no
array as long as the vocabulary is made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from floe.fusion.projection import Ids, Mass, Projection
from floe.records import Rule

_SAFE_LOGIT = 50.0
_NO_REST = 1e-9
"""Below this the untouched tokens are the rounding of the local softmax, and get nothing."""


@dataclass(frozen=True, slots=True)
class LocalDistribution:
    """The local model's next-token distribution, not normalised.

    Attributes:
        mass: float32 of shape (vocabulary,), proportional to the probabilities.
        total: sum of `mass`.
        best: the most probable token.
    """

    mass: NDArray[np.float32]
    total: float
    best: int

    def probability(self, token: int) -> float:
        """Probability of one token."""
        return float(self.mass[token]) / self.total


@dataclass(frozen=True, slots=True)
class Pooled:
    """A fused distribution that sums to 1.

    Attributes:
        ids: int32 of shape (touched,).
        fused, cloud: float64 of shape (touched,): probabilities of those tokens.
        rest_fused, rest_cloud: factors that turn `LocalDistribution.mass` of any other token
            into its fused and its cloud probability.
    """

    ids: Ids
    fused: Mass
    cloud: Mass
    rest_fused: float
    rest_cloud: float

    def dense(self, local: LocalDistribution) -> NDArray[np.float64]:
        """All probabilities, shape (vocabulary,)."""
        probabilities = local.mass.astype(np.float64) * self.rest_fused
        probabilities[self.ids] = self.fused
        return probabilities


def local_distribution(
    logits: NDArray[np.float32], work: NDArray[np.float32] | None = None, *, exact: bool = True
) -> LocalDistribution:
    """Softmax without the division.

    Args:
        logits: float32 of shape (vocabulary,).
        work: space of the same shape to write into.
        exact: add up in float64. Pooling needs it: what the candidates leave over is a small
            difference of large sums. In float32 the total is right to six digits.
    """
    best = int(logits.argmax())
    # One pass less wherever no exponential can overflow or vanish, which is nearly always.
    if abs(float(logits[best])) < _SAFE_LOGIT:
        mass = np.exp(logits, out=work)
    else:
        mass = np.subtract(logits, logits[best], out=work)
        np.exp(mass, out=mass)
    total = mass.sum(dtype=np.float64 if exact else np.float32)
    return LocalDistribution(mass, float(total), best)


def pool(local: LocalDistribution, projection: Projection, weight: float, rule: Rule) -> Pooled:
    """Fuse.

    Args:
        local: the local model's distribution.
        projection: the cloud's, over the same vocabulary.
        weight: of the local model, in [0, 1].
        rule: how.
    """
    ids = projection.ids
    p = local.mass[ids].astype(np.float64) / local.total
    rest = 1.0 - float(p.sum())
    if rest > _NO_REST:
        q = projection.mass
        stretch = projection.tail / rest
    else:
        q = projection.mass / projection.mass.sum()
        rest = stretch = 0.0
    if rule == "linear":
        fused = weight * p + (1 - weight) * q
        factor = weight + (1 - weight) * stretch if rest else 0.0
    else:
        fused = p**weight * q ** (1 - weight)
        factor = stretch ** (1 - weight) if rest else 0.0
    total = float(fused.sum()) + rest * factor
    return Pooled(ids, fused / total, q, factor / (total * local.total), stretch / local.total)
