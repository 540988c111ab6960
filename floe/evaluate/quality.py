"""Bits per byte of a writer's answers under every system, with confidence intervals.

What is compared: the local model (`slm`), the same with an adapter trained on the writer
(`personal`), the cloud by its own tokens (`cloud`) and as the fusion sees it (`cloud_projected`),
and the fusion of `personal` with the cloud at a given weight (`fused`), at the automatic one
(`fused_auto`: fitted on rows that neither the adapter nor the test has seen) and at the best one
of the test itself (`fused_oracle`), which nobody could know.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from floe.errors import DataError
from floe.evaluate.scoring import LN2, ScoredAnswer
from floe.fusion.scoring.automatic_weight import best_weight, fit_weight
from floe.fusion.scoring.scores import join
from floe.records import PoolingRule

Bits = NDArray[np.float64]

GRID: Final = tuple(round(0.05 * i, 2) for i in range(21))
SYSTEMS: Final = (
    "slm",
    "personal",
    "cloud",
    "cloud_projected",
    "fused",
    "fused_auto",
    "fused_oracle",
)
RULES: Final[tuple[PoolingRule, ...]] = get_args(PoolingRule)
_RESAMPLES: Final = 2000
_FEWEST: Final = 3


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """Scores of one writer.

    Attributes:
        name: of the writer.
        base: test answers under the local model without an adapter.
        test: the same answers with the adapter.
        own: answers to fit the weight on, with the adapter.
    """

    name: str
    base: Sequence[ScoredAnswer]
    test: Sequence[ScoredAnswer]
    own: Sequence[ScoredAnswer]


def measure(material: EvaluationSet, weight: float, rule: PoolingRule) -> dict[str, Any]:
    """All figures of one writer, ready for JSON but for `_bits`, which `summary` takes out.

    Raises:
        DataError: there is nothing to measure.
    """
    if not material.test:
        raise DataError(f"{material.name}: no answer could be read. Are there any, and short ones?")
    auto = fit_weight(
        join(scored.scores for scored in material.own), rule, answers=len(material.own)
    )
    test = join(scored.scores for scored in material.test)
    oracle = best_weight(test, rule, prior_tokens=0.0)
    weights = {"fused": weight, "fused_auto": auto.weight, "fused_oracle": oracle}
    bits = _bits(material, rule, weights)
    return {
        "writer": material.name,
        **_figures(bits, _sizes(material.test)),
        "weight_auto": auto.weight,
        "weight_oracle": oracle,
        "reason": auto.reason,
        "grid": list(GRID),
        "by_weight": {
            kind: [round(test.bits_per_byte(w, kind), 4) for w in GRID] for kind in RULES
        },
        "_bits": bits,
    }


def summary(
    materials: Sequence[EvaluationSet],
    reports: Sequence[dict[str, Any]],
    weight: float,
    rule: PoolingRule,
) -> dict[str, Any]:
    """Figures over all writers' answers together, and each writer's under `writers`.

    `fused_auto` and `fused_oracle` give every writer their own weight; with several writers
    `weight_auto` and `weight_oracle` are lists.
    """
    bits = [report.pop("_bits") for report in reports]
    together = {
        name: np.concatenate([own[name] for own in bits])
        for name in SYSTEMS
        if all(name in own for own in bits)
    }
    sizes = np.concatenate([_sizes(material.test) for material in materials])
    total = _figures(together, sizes) | {"rule": rule, "weight": weight}
    for name in ("weight_auto", "weight_oracle", "reason"):
        values = [report[name] for report in reports]
        total[name] = values[0] if len(values) == 1 else values
    return total | {"writers": list(reports)}


def _figures(bits: dict[str, Bits], sizes: Bits) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: round(float(bits[name].sum() / sizes.sum()), 4) if name in bits else None
        for name in SYSTEMS
    }
    rivals = [name for name in ("personal", "cloud", "cloud_projected") if name in bits]
    if "cloud" in rivals:
        rivals.remove("cloud_projected")
    better = min(rivals, key=figures.__getitem__)
    return figures | {
        "bytes": int(sizes.sum()),
        "answers": len(sizes),
        "better": better,
        "gain": _gain(bits["fused_auto"], bits[better]),
        "auto_loss": _gain(bits["fused_oracle"], bits["fused_auto"]),
        "personal_gain": _gain(bits["personal"], bits["slm"]),
        "intervals": {name: _interval(_rate, bits[name], sizes) for name in bits},
    }


def _bits(material: EvaluationSet, rule: PoolingRule, weights: dict[str, float]) -> dict[str, Bits]:
    """Bits of each test answer under each system; `cloud` only where it was shown."""
    bits = {
        "slm": np.array([scored.local_bits for scored in material.base]),
        "personal": np.array([scored.local_bits for scored in material.test]),
    }
    cloud = [scored.cloud_bits for scored in material.test]
    if None not in cloud:
        bits["cloud"] = np.array(cloud, np.float64)
    for name, weight in {"cloud_projected": 0.0, **weights}.items():
        bits[name] = np.array(
            [float(scored.scores.nats(weight, rule).sum()) / LN2 for scored in material.test]
        )
    return bits


def _sizes(answers: Sequence[ScoredAnswer]) -> Bits:
    return np.array([scored.bytes for scored in answers], np.float64)


def _gain(bits: Bits, reference: Bits) -> dict[str, Any]:
    """By how much the first is lower, as a share of the second, with its interval."""
    share = 1 - bits.sum() / reference.sum()
    return {"share": round(float(share), 4), "interval": _interval(_saving, bits, reference)}


def _interval(statistic: Callable[..., Bits], *values: Bits) -> list[float] | None:
    """95 %, answers drawn again with replacement; None for fewer than three."""
    if len(values[0]) < _FEWEST:
        return None
    found = bootstrap(
        values,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return [round(float(found.low), 4), round(float(found.high), 4)]


def _rate(bits: Bits, sizes: Bits, axis: int = 0) -> Bits:
    return np.asarray(bits.sum(axis=axis) / sizes.sum(axis=axis))


def _saving(bits: Bits, reference: Bits, axis: int = 0) -> Bits:
    return np.asarray(1 - bits.sum(axis=axis) / reference.sum(axis=axis))
