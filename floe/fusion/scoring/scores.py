"""What both models gave each token of a text that was not their own, ready for any weight.

Arrays only. A position is kept as the pairs (p, q) of the tokens that the projection names, and
one pair for all others together: those keep the local model's proportions, so that the pools of
`floe.fusion.pooling` need nothing else. A grid of weights over thousands of tokens then takes
milliseconds and no model.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floe.fusion.pooling import LocalDistribution
from floe.fusion.projection import LEAST_REST, Projection
from floe.records import PoolingRule

Values = NDArray[np.float64]

LEAST: Final = 1e-12
"""No token is impossible: 40 bits are the most that one can cost a model."""
_SMALL: Final = 1e-9
"""Pairs with both probabilities below this are left to the pair of all others."""


@dataclass(frozen=True)
class Scores:
    """Positions of one or more texts.

    Attributes:
        local, cloud: float64 of shape (pairs,): probabilities of named tokens and, last of each
            position, of all others together.
        starts: int64 of shape (positions,): where each position's pairs begin.
        own_local, own_cloud: float64 of shape (positions,): probabilities of the text's token.
        sizes: int64 of shape (positions,): bytes of that token.
    """

    local: Values
    cloud: Values
    starts: NDArray[np.int64]
    own_local: Values
    own_cloud: Values
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bytes(self) -> int:
        """Length of the texts."""
        return int(self.sizes.sum())

    @cached_property
    def _logs(self) -> tuple[Values, Values, Values, Values]:
        def log(values: Values) -> Values:
            return np.asarray(np.log(np.maximum(values, LEAST)))

        return log(self.local), log(self.cloud), log(self.own_local), log(self.own_cloud)

    def nats(self, weight: float, rule: PoolingRule) -> Values:
        """-ln of the fused probability of each token of the text; shape (positions,).

        Args:
            weight: of the local model, in [0, 1].
            rule: how the two are pooled.
        """
        local, cloud, own_local, own_cloud = self._logs
        if rule == "linear":
            fused = weight * self.own_local + (1 - weight) * self.own_cloud
            return np.asarray(-np.log(np.maximum(fused, LEAST)))
        if not len(self):
            return np.empty(0)
        mixed = np.exp(weight * local + (1 - weight) * cloud)
        normaliser = np.log(np.add.reduceat(mixed, self.starts))
        return np.asarray(normaliser - weight * own_local - (1 - weight) * own_cloud)

    def bits_per_byte(self, weight: float, rule: PoolingRule) -> float:
        """Of all texts together; 0 for none."""
        if not self.bytes:
            return 0.0
        return float(self.nats(weight, rule).sum()) / (math.log(2.0) * self.bytes)


class ScoreSheet:
    """Collects positions one by one."""

    def __init__(self) -> None:
        self._local: list[Values] = []
        self._cloud: list[Values] = []
        self._own: list[tuple[float, float, int]] = []

    def add(self, local: LocalDistribution, projection: Projection, token: int, size: int) -> None:
        """One position: both distributions and the text's own token, `size` bytes long."""
        p = local.mass[projection.ids].astype(np.float64) / local.total
        q = projection.mass
        rest_p = max(1.0 - float(p.sum()), 0.0)
        rest_q = projection.tail
        if rest_p <= LEAST_REST:  # the named tokens are the whole vocabulary
            q, rest_p, rest_q = q / q.sum(), 0.0, 0.0
        own_p = local.probability(token)
        at = np.flatnonzero(projection.ids == token)
        untouched = rest_q * own_p / rest_p if rest_p else 0.0
        own_q = float(q[at[0]]) if len(at) else untouched
        named = (p > _SMALL) | (q > _SMALL)
        self._add(
            np.append(p[named], rest_p + float(p[~named].sum())),
            np.append(q[named], rest_q + float(q[~named].sum())),
            (max(own_p, LEAST), max(own_q, LEAST), size),
        )

    def add_pairs(
        self, pairs: Sequence[tuple[float, float]], own: tuple[float, float], size: int
    ) -> None:
        """One position given as (p, q) pairs that cover all of both distributions."""
        values = np.array(pairs, np.float64)
        self._add(values[:, 0], values[:, 1], (max(own[0], LEAST), max(own[1], LEAST), size))

    def _add(self, local: Values, cloud: Values, own: tuple[float, float, int]) -> None:
        self._local.append(local)
        self._cloud.append(cloud)
        self._own.append(own)

    def scores(self) -> Scores:
        """All of them."""
        lengths = np.array([len(pairs) for pairs in self._local], np.int64)
        own = np.array(self._own, np.float64).reshape(-1, 3)
        nothing = [np.empty(0)]
        return Scores(
            np.concatenate(self._local or nothing),
            np.concatenate(self._cloud or nothing),
            np.cumsum(lengths) - lengths,
            own[:, 0],
            own[:, 1],
            own[:, 2].astype(np.int64),
        )


def join(parts: Iterable[Scores]) -> Scores:
    """Put the positions of several in one."""
    given = [part for part in parts if len(part)]
    if not given:
        return ScoreSheet().scores()
    offsets = np.cumsum([0, *(len(part.local) for part in given[:-1])])
    return Scores(
        np.concatenate([part.local for part in given]),
        np.concatenate([part.cloud for part in given]),
        np.concatenate([part.starts + at for part, at in zip(given, offsets, strict=True)]),
        np.concatenate([part.own_local for part in given]),
        np.concatenate([part.own_cloud for part in given]),
        np.concatenate([part.sizes for part in given]),
    )
