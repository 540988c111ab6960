"""One token from one distribution: greedy, sampled, or the cloud's own token taken as a draft."""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.index import TokenIndex
from floe.fusion.penalties import Penalties, Shift
from floe.fusion.pooling import Pooled, exponentials, pool
from floe.fusion.projection import Projector, Spelled, Successor
from floe.records import Alternative, CloudToken, PoolingRule, Sampling

ALTERNATIVES: Final = 5
LOOP_SHARE: Final = 0.6
"""Share from which on a passage is a loop to DRY where the cloud has all of the weight; it falls to
0 at weight 1, where all is punished that llama.cpp would. Chosen on 18 right answers of a cloud
alone: of 328 places that DRY would forbid there at weight 0.21 few are left."""
_CERTAIN: Final = 0.99
"""A local token above this is shown alone: all others together have less than a hundredth."""
_MANY: Final = 100
"""Tokens from which on sorting all of them costs more than finding the best ones first."""
_NEAR: Final = math.exp(-6.0)
"""Tokens below this share of the best one are not shown."""


class Pick(NamedTuple):
    """The token picked and what could have been; probabilities as in `TokenStep`.

    They are those before penalties, temperature and all that cuts off: what the models hold.
    """

    token: int
    p_local: float
    p_cloud: float | None
    p_fused: float
    alternatives: tuple[Alternative, ...]


class Picker:
    """Picks tokens of one answer; holds the random state and the work space."""

    def __init__(
        self, pieces: tuple[bytes, ...], index: TokenIndex, projector: Projector, rule: PoolingRule
    ) -> None:
        self._pieces = pieces
        self._end = frozenset(int(i) for i in index.end_ids)
        self._index = index
        self._projector = projector
        self._rule: PoolingRule = rule
        # Arrays of this size made anew for each token would come from the operating system and
        # go back to it each time, which stops all threads for a moment.
        self._work = np.empty(index.size, np.float32)
        self._penalties: Penalties | None = None
        self.seed(None)

    def begin(self, sampling: Sampling) -> None:
        """Start an answer: its random numbers, and the penalties on what it will repeat."""
        self.seed(sampling.seed)
        asked = Penalties.are_asked_for(sampling)
        self._penalties = Penalties(sampling, self._pieces) if asked else None

    def accept(self, token: int) -> None:
        """Take note of the answer's next token; penalties of those to come look at it."""
        if self._penalties is not None:
            self._penalties.accept(token)

    def seed(self, seed: int | None) -> None:
        """Start the random numbers anew; None: from the operating system."""
        self._random = np.random.default_rng(seed)
        # How much is written ahead depends on time; what is drawn otherwise should not.
        (self._ahead,) = self._random.spawn(1)

    def local(
        self,
        logits: NDArray[np.float32],
        sampling: Sampling,
        *,
        ahead: Sequence[int] | None = None,
        spare: bool = False,
    ) -> Pick:
        """Pick a token by the local model alone.

        Args:
            logits: float32 of shape (vocabulary,); written into if `spare`, by a greedy pick.
            sampling: temperature 0 takes the most probable token.
            ahead: tokens written ahead of the answer that stand before this one; then the random
                numbers are those of another sequence. None: the token is the answer's next.
            spare: nobody needs the logits afterwards.
        """
        shift = self._shift_of(logits, ahead or ())
        # In place where that can be: other space would have to be fetched into the caches first.
        in_place = spare and sampling.temperature <= 0
        mass, top, _ = exponentials(logits, logits if in_place else self._work)
        token = top
        scale = 1 / float(np.add.reduce(mass))
        if sampling.temperature > 0:
            none = np.empty(0, np.float64)
            bare = Pooled(np.empty(0, np.intp), none, none, none, mass, scale, 0.0, scale)
            random = self._random if ahead is None else self._ahead
            token = _draw(self._target(logits, bare, sampling, shift), random)
        elif shift is not None:
            token, _ = _largest_shifted(mass, shift)
        probability = mass.item(token) * scale
        # The hottest path of the program.
        if probability > _CERTAIN:
            alone = Alternative(self._pieces[token], probability, None, probability)
            return Pick(token, probability, None, probability, (alone,))
        alternatives = tuple(
            Alternative(self._pieces[i], m * scale, None, m * scale)
            for i, m in _largest(mass, _NEAR * mass.item(top), top)
        )
        return Pick(token, probability, None, probability, alternatives)

    def fused(
        self,
        logits: NDArray[np.float32],
        row: CloudToken,
        pending: bytes,
        weight: float,
        sampling: Sampling,
        draft: Callable[[], int | None] | int | None,
        tolerance: float = 0.0,
        *,
        spelled: Spelled | None = None,
        successor: Successor | None = None,
    ) -> Pick:
        """Pick from the fused distribution.

        Sampling takes the cloud's own token as a draft (speculative sampling, Leviathan et al.
        2023, section 2.3; Chen et al. 2023): x is accepted with probability min(1, r(x)/q(x)),
        else the token comes from the normalised positive part of r - q. A draft outside the
        candidates is never accepted, which keeps the result exact although q is not known
        there. q is the candidates' distribution at the same temperature; its normaliser counts
        the tail as the projection does, so it is exact at temperature 1 and wherever the
        candidates are the whole vocabulary.

        Args:
            logits: float32 of shape (vocabulary,); a greedy pick writes into it.
            row: the cloud's candidates for the current cloud token.
            pending: bytes of the fused text since that token began.
            weight: local weight in [0, 1].
            sampling: temperature 0 takes the most probable token.
            draft: the local token that begins what the cloud itself chose, where known; called,
                if it can be, once the projection has waited for what it needs.
            tolerance: the draft is picked if its probability is within this of the best; sampled
                text is then nearer to the cloud's than the fused distribution says.
            spelled: see `Projector.project`.
            successor: see `Projector.project`.
        """
        # A greedy pick needs the logits no more, and space of its own would have to be fetched.
        work = self._work if sampling.temperature > 0 else logits
        mass, _, factor = exponentials(logits, work)
        projection = self._projector.project(
            row, pending, mass, spelled=spelled, successor=successor, take_out=True
        )
        if callable(draft):
            draft = draft()
        pooled = pool(mass, projection, weight, self._rule)
        best = _best(pooled)
        own = best[0]
        shift = self._shift_pooled(pooled, factor, weight) if self._penalties is not None else None
        if sampling.temperature > 0:
            target = self._target(logits, pooled, sampling, shift)
            token = self._accept_or_draw(target, logits, pooled, sampling, draft, tolerance)
            own = _entry(token, pooled)
        elif shift is not None:
            own = self._greedy_penalised(pooled, shift, draft, tolerance)
        elif tolerance > 0 and draft is not None and draft != own.token:
            proposed = _entry(draft, pooled)
            if own.fused - proposed.fused <= tolerance:
                own = proposed
        pieces = self._pieces
        alternatives = tuple([Alternative(pieces[i], p, q, r) for r, i, p, q in best])
        return Pick(own.token, own.local, own.cloud, own.fused, alternatives)

    def draft_end(self, local: NDArray[np.float32]) -> int:
        """Draw an end token as the projection shares the cloud's end among them."""
        share = np.exp(local[self._index.end_ids].astype(np.float64) - float(local.max()))
        return int(self._index.end_ids[_draw(share, self._random)])

    def _shift_of(self, logits: NDArray[np.float32], ahead: Sequence[int]) -> Shift | None:
        """Return the penalties on the local model's own logits."""
        penalties = self._penalties
        if penalties is None:
            return None
        with penalties.after(ahead) if ahead else nullcontext():
            return penalties.shift(lambda ids: logits[ids].astype(np.float64))

    def _shift_pooled(self, pooled: Pooled, factor: float, weight: float) -> Shift | None:
        """Return the penalties on the pooled distribution: the local model's, at its weight.

        It is the small model that repeats itself. Where it counts for little, penalties at full
        strength only forbid the cloud what numbers and code repeat rightly; the cloud alone has
        none. For the same reason DRY acts the more on loops alone, the more the cloud counts.

        The repetition penalty goes by the sign of a logit, and a distribution alone has none that
        mean anything. Its logits are ln r at the level of the local model's (the logarithm of the
        sum of their exponentials), so that at weight 1 they are the local model's own.

        Args:
            pooled: the distribution.
            factor: logarithm of what the local masses were divided by.
            weight: of the local model.
        """
        assert self._penalties is not None
        level = factor - math.log(pooled.rest_local)

        def logits_of(ids: NDArray[np.intp]) -> NDArray[np.float64]:
            with np.errstate(divide="ignore"):
                return np.log(self._fused_of(pooled, ids)) + level

        share = LOOP_SHARE * (1 - weight)
        shift = self._penalties.shift(logits_of, least_share=share) if weight > 0 else None
        return Shift(shift.ids, shift.by * weight) if shift is not None else None

    @staticmethod
    def _places_of(pooled: Pooled, ids: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return where some tokens stand in `pooled.ids`; -1: nowhere."""
        if not len(pooled.ids):
            return np.full(len(ids), -1, np.intp)
        order = pooled.ids.argsort()
        places = order.take(pooled.ids.searchsorted(ids, sorter=order), mode="clip")
        places[pooled.ids.take(places) != ids] = -1
        return places

    def _fused_of(self, pooled: Pooled, ids: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the fused probabilities of some tokens."""
        places = self._places_of(pooled, ids)
        fused = pooled.rest[ids].astype(np.float64) * pooled.rest_fused
        here = places >= 0
        fused[here] = pooled.fused[places[here]]
        return fused

    def _greedy_penalised(
        self, pooled: Pooled, shift: Shift, draft: int | None, tolerance: float
    ) -> "_Entry":
        """Return the most probable token after penalties, or the draft within `tolerance` of it."""
        factors = np.exp(shift.by)
        places = self._places_of(pooled, shift.ids)
        here = places >= 0
        fused = pooled.fused.copy()
        fused[places[here]] *= factors[here]
        others = Shift(shift.ids[~here], shift.by[~here])
        token, mass = _largest_shifted(pooled.rest, others)
        best = mass * pooled.rest_fused
        if len(fused):
            at = int(fused.argmax())
            if fused[at] >= best:
                token, best = int(pooled.ids[at]), float(fused[at])
        if tolerance > 0 and draft is not None and draft != token:
            before = self._fused_of(pooled, shift.ids)
            total = 1 + float((before * (factors - 1)).sum())
            proposed = _entry(draft, pooled).fused
            if (changed := np.flatnonzero(shift.ids == draft)).size:
                proposed *= float(factors[changed[0]])
            if best - proposed <= tolerance * total:
                token = draft
        return _entry(token, pooled)

    def _target(
        self,
        logits: NDArray[np.float32],
        pooled: Pooled,
        sampling: Sampling,
        shift: Shift | None,
    ) -> NDArray[np.float64]:
        """Fused distribution as it is sampled: penalised, heated, cut off (see `Sampling`).

        Returns:
            float64 of shape (vocabulary,), sums to 1.
        """
        inverse = 1.0 / sampling.temperature
        target = _heated(logits, pooled, pooled.rest_fused, inverse)
        target[pooled.ids] = pooled.fused**inverse
        if shift is not None:
            target[shift.ids] *= np.exp(shift.by * inverse)
        target /= target.sum()
        if sampling.top_k > 0:
            target = _largest_only(target, sampling.top_k)
        if sampling.top_p < 1:
            target = _nucleus(target, sampling.top_p)
        if sampling.min_p > 0:
            target[target < sampling.min_p * target.max()] = 0.0
            target /= target.sum()
        return target

    def _accept_or_draw(
        self,
        target: NDArray[np.float64],
        logits: NDArray[np.float32],
        pooled: Pooled,
        sampling: Sampling,
        draft: int | None,
        tolerance: float,
    ) -> int:
        if draft is None:
            return _draw(target, self._random)
        if tolerance > 0 and target[draft] > 0 and target.max() - target[draft] <= tolerance:
            return draft
        inverse = 1.0 / sampling.temperature
        proposal = pooled.cloud**inverse
        normaliser = float(proposal.sum())
        if pooled.rest_cloud > 0:
            normaliser += float(_heated(logits, pooled, pooled.rest_cloud, inverse).sum())
        # Nothing of the tail is what the cloud proposed: its share there is a guess.
        listed = len(pooled.ids) - pooled.likely
        ids, proposal = pooled.ids[:listed], proposal[:listed] / normaliser
        at = np.flatnonzero(ids == draft)
        if len(at):
            q = float(proposal[at[0]])
            if self._random.random() * q < target[draft]:
                return draft
        residual = target.copy()
        residual[ids] = np.maximum(target[ids] - proposal, 0.0)
        total = residual.sum()
        return _draw(residual / total if total > 0 else target, self._random)


def _draw(probabilities: NDArray[np.float64], random: np.random.Generator) -> int:
    cumulative = np.cumsum(probabilities)
    at = np.searchsorted(cumulative, random.random() * cumulative[-1], "right")
    return min(int(at), len(probabilities) - 1)


class _Entry(NamedTuple):
    """One token and its probabilities."""

    fused: float
    token: int
    local: float
    cloud: float


def _entry(token: int, pooled: Pooled) -> _Entry:
    at = np.flatnonzero(pooled.ids == token)
    if len(at):
        i = at[0]
        return _Entry(float(pooled.fused[i]), token, float(pooled.local[i]), float(pooled.cloud[i]))
    return _other(token, float(pooled.rest[token]), pooled)


def _other(token: int, mass: float, pooled: Pooled) -> _Entry:
    """Make the entry of a token that the projection does not name."""
    return _Entry(
        mass * pooled.rest_fused, token, mass * pooled.rest_local, mass * pooled.rest_cloud
    )


def _best(pooled: Pooled) -> list[_Entry]:
    """List the best tokens, best first: at most `ALTERNATIVES`, at least one.

    Tokens that the projection does not name keep the local model's order: the few that can be
    among the best are taken off its top.
    """
    fused = pooled.fused.tolist()
    places: Iterable[int] = range(len(fused))
    if len(fused) > _MANY:
        least_of_best = np.partition(pooled.fused, -ALTERNATIVES)[-ALTERNATIVES]
        places = np.flatnonzero(pooled.fused >= least_of_best).tolist()
    places = sorted(places, key=fused.__getitem__, reverse=True)[:ALTERNATIVES]
    token_at, local_at, cloud_at = pooled.ids.item, pooled.local.item, pooled.cloud.item
    best = [_Entry(fused[i], token_at(i), local_at(i), cloud_at(i)) for i in places]
    least = _NEAR * best[0].fused if best else 0.0
    if len(best) == ALTERNATIVES:
        least = max(least, best[-1].fused)
    if pooled.most_rest * pooled.rest_fused > least:
        others = _largest(pooled.rest, least / pooled.rest_fused)
        if others:
            best += [_other(token, mass, pooled) for token, mass in others]
            best.sort(reverse=True)
    return best[:ALTERNATIVES]


def _heated(
    logits: NDArray[np.float32], pooled: Pooled, factor: float, inverse: float
) -> NDArray[np.float64]:
    """(factor x rest)^(1/T) of every token that is not named, 0 of those that are."""
    if inverse == 1.0:
        return pooled.rest.astype(np.float64) * factor
    top = int(pooled.rest.argmax())
    heated: NDArray[np.float64]
    with np.errstate(over="ignore"):  # of named tokens, which are overwritten
        heated = np.exp((logits - logits[top]) * np.float32(inverse), dtype=np.float64)
    heated[pooled.ids] = 0.0
    heated *= (factor * float(pooled.rest[top])) ** inverse
    return heated


def _largest(
    mass: NDArray[np.float32], least: float, top: int | None = None
) -> list[tuple[int, float]]:
    """Tokens of more than `least`, at most `ALTERNATIVES`, largest first; `mass` stays as it is.

    `top` is the largest, where that is known.
    """
    taken: list[tuple[int, float]] = []
    while len(taken) < ALTERNATIVES:
        token = int(mass.argmax()) if top is None else top
        top = None
        value = mass.item(token)
        if value <= least:
            break
        taken.append((token, value))
        mass[token] = 0.0
    for token, value in taken:
        mass[token] = value
    return taken


def _largest_shifted(mass: NDArray[np.float32], shift: Shift) -> tuple[int, float]:
    """Return the token of the largest mass after `shift`, and that; `mass` stays as it is."""
    before = mass[shift.ids]
    mass[shift.ids] = before * np.exp(shift.by)
    token = int(mass.argmax())
    largest = float(mass[token])
    mass[shift.ids] = before
    return token, largest


def _largest_only(probabilities: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Keep the `count` best tokens (top-k; Fan et al. 2018)."""
    if count >= len(probabilities):
        return probabilities
    kept = np.argpartition(probabilities, -count)[-count:]
    best = np.zeros_like(probabilities)
    best[kept] = probabilities[kept] / probabilities[kept].sum()
    return best


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
