"""The automatic weight as a function of the kind of prompt, fitted where there is evidence.

What a person taught the local model says nothing of prompts on which it does not act: for their
own questions the cloud may count for nothing where it is the better half for a calculation. So
evidence of the one side is not used for the other. Knows scores and kinds, not how prompts are
told apart.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from floe.fusion.scoring.automatic_weight import (
    DEFAULT_WEIGHT,
    FEWEST_TOKENS,
    cloud_is_better,
    written_weight,
)
from floe.fusion.scoring.scores import Scores, join
from floe.records import PROMPT_KINDS, PoolingRule, PromptKind

KIND_WORDS: Final[Mapping[PromptKind, str]] = {
    "own": "what you write about",
    "general": "other questions",
    "calculation": "calculations",
    "code": "code",
}
"""How a sentence calls prompts of a kind."""
UNSHOWN_WEIGHTS: Final[Mapping[PromptKind, float]] = {"calculation": 0.1, "code": 0.1}
"""At most so much where nothing of a kind shows this device to be the better half: a result or a
program is right or is none, and small models write hardly any rightly. Chosen on sixteen functions:
the default pair wrote 6 at 0.5 and 12 at 0.1, the cloud alone 13. Calculations took it over as it
was and were counted afterwards (docs/benchmarks.md)."""


def fit_kind_weights(
    evidence: Sequence[tuple[PromptKind, Scores]], rule: PoolingRule
) -> dict[PromptKind, float]:
    """Fit a weight for each kind of prompt.

    A kind with too few tokens of its own takes the weight of all prompts like it: those on which
    what the person taught acts (`own`), or those on which it does not. Where these are too few as
    well, it is the one weight of everything, but for prompts on which nothing taught acts while
    all that is known is of those on which it does: these take the middle way. Calculations and code
    lean on the cloud (`UNSHOWN_WEIGHTS`) unless their own evidence shows this device to be the
    better half or, where there is too little of that, other prompts do.

    Args:
        evidence: texts that the person wrote, each with the kind of its question.
        rule: how the two distributions are pooled.
    """
    by_kind = {kind: join(s for k, s in evidence if k == kind) for kind in PROMPT_KINDS}
    everything = join(by_kind.values())
    one = DEFAULT_WEIGHT
    if len(everything) >= FEWEST_TOKENS:
        one = written_weight(everything, rule)
    other = join(scores for kind, scores in by_kind.items() if kind != "own")
    elsewhere = DEFAULT_WEIGHT if len(by_kind["own"]) else one
    if len(other) >= FEWEST_TOKENS:
        elsewhere = written_weight(other, rule)
    weights: dict[PromptKind, float] = {}
    for kind, scores in by_kind.items():
        alike = one if kind == "own" else elsewhere
        enough = len(scores) >= FEWEST_TOKENS
        weights[kind] = _shown(kind, scores, rule, alike) if enough else _unshown(kind, alike)
    return weights


def _shown(kind: PromptKind, scores: Scores, rule: PoolingRule, alike: float) -> float:
    """Fit a kind of which there is enough; along right answers a weak model looks too good."""
    weight = written_weight(scores, rule, alike)
    return _at_most(kind, weight) if cloud_is_better(scores, rule) else weight


def _unshown(kind: PromptKind, alike: float) -> float:
    return alike if alike > DEFAULT_WEIGHT else _at_most(kind, alike)


def _at_most(kind: PromptKind, weight: float) -> float:
    return min(weight, UNSHOWN_WEIGHTS.get(kind, weight))


def describe_kind_weights(weights: Mapping[PromptKind, float], one: float) -> str:
    """Describe the weights that differ from the one for everything; empty if none does.

    The sentence begins where that of the one weight ends.
    """
    words = [
        f"{weights[kind]:.2f} for {KIND_WORDS[kind]}"
        for kind in PROMPT_KINDS
        if kind in weights and round(weights[kind], 2) != round(one, 2)
    ]
    return f"By the kind of question: {', '.join(words)}." if words else ""
