"""A position of which only the best tokens were kept, as `Scores` can use it.

A stored token has its own probabilities and those of a few alternatives; the normaliser of
log-linear pooling needs all of them. Of the others, taken together, three things are known: their
mass under the local model, P = 1 - sum p, and under the cloud, Q = 1 - sum q, and, from the fused
probability at the weight of that moment, their share of the normaliser, R = sum p^w q^(1-w).
By Hölder's inequality R <= P^w Q^(1-w), with equality if both models agree on their proportions.
Two stand-in tokens (s P, (1-s) Q) and ((1-s) P, s Q) have just these three sums for one s in
[1/2, 1], and are used in their place.
"""

from typing import Final

from floe.fusion.scoring.scores import ScoreSheet
from floe.records import PoolingRule, TokenStep

_STEPS: Final = 40
_WEIGHTS: Final = (0.02, 0.98)
"""Nearer to an end the normaliser is 1 whatever the others do."""


def add_truncated_step(sheet: ScoreSheet, step: TokenStep, text: bytes, rule: PoolingRule) -> bool:
    """One fused step whose place in a text of the person's is taken by the beginning of `text`.

    Where `text` goes on with none of the known tokens, it counts as one of the others: that much
    is known of it.

    Returns:
        False if the step does not tell enough.
    """
    known = {
        other.text_bytes: (other.p_local, other.p_cloud, other.p_fused)
        for other in step.alternatives
        if other.text_bytes and other.p_local is not None and other.p_cloud is not None
    }
    if step.p_local is not None and step.p_cloud is not None:
        known[step.text_bytes] = (step.p_local, step.p_cloud, step.p_fused)
    if step.text_bytes not in known:
        return False
    own = max((t for t in known if text.startswith(t)), key=len, default=b"")
    if text.startswith(step.text_bytes):
        own = step.text_bytes
    pairs = [(p, q) for p, q, _ in known.values()]
    rest = (max(1 - sum(p for p, _ in pairs), 0.0), max(1 - sum(q for _, q in pairs), 0.0))
    spread = _spread(rest, pairs, known[step.text_bytes], step.weight) if rule != "linear" else 0.5
    pairs += [
        (spread * rest[0], (1 - spread) * rest[1]),
        ((1 - spread) * rest[0], spread * rest[1]),
    ]
    sheet.add_pairs(pairs, known[own][:2] if own else rest, len(own) or 1)
    return True


def _spread(
    rest: tuple[float, float],
    pairs: list[tuple[float, float]],
    picked: tuple[float, float, float],
    weight: float,
) -> float:
    """`s` of the two stand-in tokens, by bisection: their share of the normaliser falls with s."""
    p, q, fused = picked
    bound = rest[0] ** weight * rest[1] ** (1 - weight)
    if not (_WEIGHTS[0] < weight < _WEIGHTS[1]) or min(bound, p, q, fused) <= 0:
        return 0.5
    named = sum(a**weight * b ** (1 - weight) for a, b in pairs)
    wanted = (p**weight * q ** (1 - weight) / fused - named) / bound
    low, high = 0.5, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _share(middle, weight) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _share(s: float, weight: float) -> float:
    return float(s**weight * (1 - s) ** (1 - weight) + (1 - s) ** weight * s ** (1 - weight))
