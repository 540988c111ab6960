"""One token from one distribution: greedy, sampled, or the cloud's own token taken as a draft."""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.index import TokenIndex
from floe.fusion.pooling import LocalDistribution, Pooled, local_distribution, pool
from floe.fusion.projection import Projector
from floe.records import Alternative, CloudToken, Rule, Sampling

ALTERNATIVES: Final = 5
_CERTAIN: Final = 0.99
"""A local token above this is shown alone: all others together have less than a hundredth."""
_NEAR: Final = math.exp(-6.0)
"""Tokens below this share of the best one are looked at only if nothing else is left."""


class Pick(NamedTuple):
    """The token picked and what could have been; probabilities as in `TokenStep`."""

    token: int
    p_local: float
    p_cloud: float | None
    p_fused: float
    alternatives: tuple[Alternative, ...]


class Picker:
    """Picks tokens of one answer; holds the random state and the work space."""

    def __init__(
        self, pieces: tuple[bytes, ...], index: TokenIndex, projector: Projector, rule: Rule
    ) -> None:
        self._pieces = pieces
        self._end = frozenset(int(i) for i in index.end_ids)
        self._index = index
        self._projector = projector
        self._rule: Rule = rule
        self._work = np.empty(index.size, np.float32)
        # Arrays of this size made anew for each token would come from the operating system and
        # go back to it each time, which stops all threads for a moment.
        self._near = np.empty(index.size, np.bool_)
        self._random = np.random.default_rng()

    def seed(self, seed: int | None) -> None:
        """Start the random numbers anew; None: from the operating system."""
        self._random = np.random.default_rng(seed)

    def local(self, logits: NDArray[np.float32], sampling: Sampling) -> Pick:
        """A token of the local model alone."""
        distribution = local_distribution(logits, self._work, exact=False)
        if sampling.temperature <= 0:
            token = distribution.best
        else:
            nothing = np.empty(0, np.float64)
            bare = Pooled(np.empty(0, np.int32), nothing, nothing, 1 / distribution.total, 0.0)
            token = self._draw(self._target(logits, distribution, bare, sampling))
        # The hottest path of the program, and shorter than `_describe`: nothing is touched.
        probability = distribution.probability(token)
        if probability > _CERTAIN:
            alone = Alternative(self._pieces[token], probability, None, probability)
            return Pick(token, probability, None, probability, (alone,))
        near = np.flatnonzero(self._mark_near(distribution))
        mass = distribution.mass[near]
        best = _largest(mass)
        alternatives = tuple(
            Alternative(self._pieces[i], p, None, p)
            for i, p in zip(
                near[best].tolist(), (mass[best] / distribution.total).tolist(), strict=True
            )
        )
        return Pick(token, probability, None, probability, alternatives)

    def fused(
        self,
        logits: NDArray[np.float32],
        row: CloudToken,
        pending: bytes,
        weight: float,
        sampling: Sampling,
        draft: int | None,
        tolerance: float = 0.0,
    ) -> Pick:
        """A token of the fused distribution.

        Sampling takes the cloud's own token as a draft (speculative sampling, Leviathan et al.
        2023, section 2.3; Chen et al. 2023): x is accepted with probability min(1, r(x)/q(x)),
        else the token comes from the normalised positive part of r - q. A draft outside the
        candidates is never accepted, which keeps the result exact although q is not known
        there. q is the candidates' distribution at the same temperature; its normaliser counts
        the tail as the projection does, so it is exact at temperature 1 and wherever the
        candidates are the whole vocabulary.

        Args:
            logits: float32 of shape (vocabulary,).
            row: the cloud's candidates for the current cloud token.
            pending: bytes of the fused text since that token began.
            weight: local weight in [0, 1].
            sampling: temperature 0 takes the most probable token.
            draft: the local token that begins what the cloud itself chose, where known.
            tolerance: a greedy pick is the draft if its probability is within this of the best.
        """
        distribution = local_distribution(logits, self._work)
        projection = self._projector.project(row, pending, distribution.mass)
        pooled = pool(distribution, projection, weight, self._rule)
        rest = self._untouched(distribution, pooled)
        if sampling.temperature <= 0:
            token = self._best(distribution, pooled, rest)
            if tolerance > 0 and draft is not None and draft != token:
                best, own = (_probabilities(t, distribution, pooled)[1] for t in (token, draft))
                if best - own <= tolerance:
                    token = draft
        else:
            target = self._target(logits, distribution, pooled, sampling)
            token = self._accept_or_draw(target, logits, distribution, pooled, sampling, draft)
        return self._describe(token, distribution, pooled, rest)

    def draft_end(self, local: NDArray[np.float32]) -> int:
        """An end token, drawn as the projection shares the cloud's end among them."""
        share = np.exp(local[self._index.end_ids].astype(np.float64) - float(local.max()))
        return int(self._index.end_ids[self._draw(share)])

    def _best(self, local: LocalDistribution, pooled: Pooled, rest: NDArray[np.intp]) -> int:
        token, best = -1, -1.0
        if len(pooled.ids):
            at = int(pooled.fused.argmax())
            token, best = int(pooled.ids[at]), float(pooled.fused[at])
        unseen = _NEAR * float(local.mass[local.best]) * pooled.rest_fused
        if not len(rest) and best < unseen:
            masked = local.mass.copy()
            masked[pooled.ids] = -1.0
            rest = np.array([masked.argmax()])
        if len(rest):
            at = int(local.mass[rest].argmax())
            if float(local.mass[rest[at]]) * pooled.rest_fused > best:
                token = int(rest[at])
        return token

    def _untouched(self, local: LocalDistribution, pooled: Pooled) -> NDArray[np.intp]:
        """Ids of the better tokens of the local model that the projection does not name."""
        near = self._mark_near(local)
        near[pooled.ids] = False
        return np.flatnonzero(near)

    def _mark_near(self, local: LocalDistribution) -> NDArray[np.bool_]:
        threshold = local.mass[local.best] * np.float32(_NEAR)
        np.greater(local.mass, threshold, out=self._near)
        return self._near

    def _target(
        self,
        logits: NDArray[np.float32],
        local: LocalDistribution,
        pooled: Pooled,
        sampling: Sampling,
    ) -> NDArray[np.float64]:
        """Fused distribution after temperature, then top-p; shape (vocabulary,), sums to 1."""
        inverse = 1.0 / sampling.temperature
        target = self._heated(logits, local, pooled.rest_fused, inverse)
        target[pooled.ids] = pooled.fused**inverse
        target /= target.sum()
        return target if sampling.top_p >= 1 else _nucleus(target, sampling.top_p)

    def _heated(
        self,
        logits: NDArray[np.float32],
        local: LocalDistribution,
        factor: float,
        inverse: float,
    ) -> NDArray[np.float64]:
        """(factor x local mass)^(1/T) of every token."""
        if inverse == 1.0:
            return local.mass.astype(np.float64) * factor
        heated: NDArray[np.float64] = np.exp(
            (logits - logits[local.best]) * np.float32(inverse), dtype=np.float64
        )
        heated *= (factor * float(local.mass[local.best])) ** inverse
        return heated

    def _accept_or_draw(
        self,
        target: NDArray[np.float64],
        logits: NDArray[np.float32],
        local: LocalDistribution,
        pooled: Pooled,
        sampling: Sampling,
        draft: int | None,
    ) -> int:
        if draft is None:
            return self._draw(target)
        inverse = 1.0 / sampling.temperature
        proposal = pooled.cloud**inverse
        normaliser = float(proposal.sum())
        if pooled.rest_cloud > 0:
            rest = self._heated(logits, local, pooled.rest_cloud, inverse)
            normaliser += float(rest.sum() - rest[pooled.ids].sum())
        proposal /= normaliser
        at = np.flatnonzero(pooled.ids == draft)
        if len(at):
            q = float(proposal[at[0]])
            if self._random.random() * q < target[draft]:
                return draft
        residual = target.copy()
        residual[pooled.ids] = np.maximum(target[pooled.ids] - proposal, 0.0)
        total = residual.sum()
        return self._draw(residual / total if total > 0 else target)

    def _draw(self, probabilities: NDArray[np.float64]) -> int:
        cumulative = np.cumsum(probabilities)
        at = np.searchsorted(cumulative, self._random.random() * cumulative[-1], "right")
        return min(int(at), len(probabilities) - 1)

    def _describe(
        self, token: int, local: LocalDistribution, pooled: Pooled, rest: NDArray[np.intp]
    ) -> Pick:
        names = np.concatenate((pooled.ids, rest))
        mass = local.mass[names].astype(np.float64)
        fused = np.concatenate((pooled.fused, mass[len(pooled.ids) :] * pooled.rest_fused))
        cloud = np.concatenate((pooled.cloud, mass[len(pooled.ids) :] * pooled.rest_cloud))
        best = _largest(fused)
        alternatives = tuple(
            Alternative(self._pieces[i], p, q, r)
            for i, p, q, r in zip(
                names[best].tolist(),
                (mass[best] / local.total).tolist(),
                cloud[best].tolist(),
                fused[best].tolist(),
                strict=True,
            )
        )
        p_cloud, p_fused = _probabilities(token, local, pooled)
        return Pick(token, local.probability(token), p_cloud, p_fused, alternatives)


def _probabilities(token: int, local: LocalDistribution, pooled: Pooled) -> tuple[float, float]:
    """Of one token: the cloud's and the fused."""
    at = np.flatnonzero(pooled.ids == token)
    if len(at):
        return float(pooled.cloud[at[0]]), float(pooled.fused[at[0]])
    mass = float(local.mass[token])
    return mass * pooled.rest_cloud, mass * pooled.rest_fused


def _largest(values: NDArray[np.floating]) -> NDArray[np.intp]:
    """Positions of the `ALTERNATIVES` largest values, largest first."""
    if len(values) <= ALTERNATIVES:
        return np.argsort(-values)
    best = np.argpartition(values, -ALTERNATIVES)[-ALTERNATIVES:]
    return best[np.argsort(-values[best])]


def _nucleus(probabilities: NDArray[np.float64], top_p: float) -> NDArray[np.float64]:
    """Keep the fewest best tokens that hold `top_p` together (Holtzman et al. 2020)."""
    near = np.flatnonzero(probabilities > probabilities.max() * 1e-4)
    if probabilities[near].sum() < top_p:
        near = np.arange(len(probabilities))
    near = near[np.argsort(-probabilities[near], kind="stable")]
    cumulative = np.cumsum(probabilities[near])
    kept = near[: int(np.searchsorted(cumulative, top_p * (1 - 1e-12))) + 1]
    nucleus = np.zeros_like(probabilities)
    nucleus[kept] = probabilities[kept] / probabilities[kept].sum()
    return nucleus
