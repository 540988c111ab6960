"""One local weight for a person, fitted on words of their own.

Minus the logarithm of the pooled probability of a text is a convex function of the weight, for
both rules: linear pooling is the logarithm of a mixture, log-linear pooling an exponential family
in w. So there is one best weight, an interval search finds it, and it may lie at an end.

That weight is the best along a text that is right already. Written freely, a text follows each
model's errors: where this device is clearly the worse of the two, it gets less (`written_weight`).

Knows scores only; where they come from is not its concern.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from floe.fusion.scoring.scores import Scores
from floe.records import PoolingRule

DEFAULT_WEIGHT: Final = 0.5
FEWEST_TOKENS: Final = 60
"""Fewer than this say too little: the weight stays where it is without them."""
PRIOR_TOKENS: Final = 20.0
"""The default weight counts as if it had been right for so many tokens."""
_PRIOR_NATS: Final = 0.5
"""What a wrong weight costs a token of the prior, per squared distance from the default."""
LEANING: Final = 3.0
"""How quickly the local weight falls where the cloud alone is better: with this power of the ratio
of their bits. Chosen by hand with two such pairs in view (docs/method.md): along a given text even
a model that writes hardly a program rightly is not much worse than one that writes most of them."""
_GOLDEN: Final = (5**0.5 - 1) / 2
_TOLERANCE: Final = 1e-3
_NOTHING: Final = 1e-6
"""Nats: a text that costs a model less costs it nothing."""
_END: Final = 0.02
"""Nearer to an end than this is the end: a cloud that never decides need not be asked."""


@dataclass(frozen=True, slots=True)
class AutoWeight:
    """The weight and why.

    Attributes:
        weight: local weight in [0, 1].
        reason: one sentence.
        tokens: how many of the person's tokens it rests on.
        gain: how much lower the bits per byte on them are than those of the better model alone,
            as a share of the latter.
    """

    weight: float
    reason: str
    tokens: int
    gain: float


def fit_weight(
    scores: Scores,
    rule: PoolingRule,
    *,
    answers: int,
    evidence: str = "",
    default: float = DEFAULT_WEIGHT,
) -> AutoWeight:
    """Find the weight under which the person's words are the most probable.

    Args:
        scores: of texts that the person wrote or corrected.
        rule: how the two distributions are pooled.
        answers: how many answers the scores are of, for the sentence.
        evidence: what they are of, in other words for the sentence.
        default: what to stay with if there is too little to go by.
    """
    tokens = len(scores)
    if tokens < FEWEST_TOKENS:
        shown = f"only {_count(answers, 'answer')} of yours so far show how you write"
        if not answers:
            shown = "no answer of yours shows how you write yet"
        reason = f"{default:.2f}, the middle way: {shown}; correct or rewrite some more."
        return AutoWeight(default, reason, tokens, 0.0)
    weight = written_weight(scores, rule, default)
    verdict, gain = _worth(scores, weight, rule)
    on = f", fitted on {evidence}:" if evidence else f": on {_count(answers, 'answer')} of yours"
    return AutoWeight(weight, f"{weight:.2f}{on} {verdict}.", tokens, gain)


def _worth(scores: Scores, weight: float, rule: PoolingRule) -> tuple[str, float]:
    """Say what the weight does for the scores, in words and as `AutoWeight.gain`."""
    alone = {"this device": _nats(scores, 1.0, rule), "the cloud": _nats(scores, 0.0, rule)}
    better = min(alone, key=alone.__getitem__)
    if weight in (0.0, 1.0):
        other = "the cloud" if better == "this device" else "this device"
        share = 1 - alone[better] / max(*alone.values(), _NOTHING)
        return (
            f"{better} alone is {100 * share:.0f} % better than {other}, and no mixture is better "
            "still"
        ), 0.0
    least = alone[better]
    gain = 1 - _nats(scores, weight, rule) / least if least > _NOTHING else 0.0
    if gain >= 0.005:
        return f"this mixture is {100 * gain:.0f} % better than either model alone", gain
    return f"no mixture is much better than {better} alone", gain


def written_weight(scores: Scores, rule: PoolingRule, default: float = DEFAULT_WEIGHT) -> float:
    """Return the weight to write with: the best one along the texts, or less of this device.

    Where the cloud alone needs fewer bits than this device alone, the weight falls with their
    ratio: along a given text the weaker model helps with what any text repeats, and its errors are
    put right at once; in a text of its own they stay. The other way round nothing is taken off, for
    the cloud is asked for what this device does not know.
    """
    weight = best_weight(scores, rule, default)
    here, cloud = _nats(scores, 1.0, rule), _nats(scores, 0.0, rule)
    if weight > 0 and cloud_is_better(scores, rule):
        weight = max(weight * (max(cloud, 0.0) / here) ** LEANING, _END)
    return round(weight, 3)


def cloud_is_better(scores: Scores, rule: PoolingRule) -> bool:
    """Tell whether the cloud alone needs fewer bits for the texts than this device alone."""
    return max(_nats(scores, 0.0, rule), 0.0) < _nats(scores, 1.0, rule)


def best_weight(
    scores: Scores,
    rule: PoolingRule,
    default: float = DEFAULT_WEIGHT,
    prior_tokens: float = PRIOR_TOKENS,
) -> float:
    """Find the least of a convex function, by golden section.

    Args:
        scores: at least one position.
        rule: how the two distributions are pooled.
        default: the weight to lean on.
        prior_tokens: how heavily; 0 for the optimum itself.
    """

    def cost(weight: float) -> float:
        prior = _PRIOR_NATS * prior_tokens * (weight - default) ** 2
        return _nats(scores, weight, rule) + prior

    low, high = 0.0, 1.0
    left, right = high - _GOLDEN, low + _GOLDEN
    at_left, at_right = cost(left), cost(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = cost(right)
    weight = (low + high) / 2
    if weight < _END:
        return 0.0
    return 1.0 if weight > 1 - _END else round(weight, 3)


def _nats(scores: Scores, weight: float, rule: PoolingRule) -> float:
    return float(np.sum(scores.nats(weight, rule)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
