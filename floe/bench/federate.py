"""The `federate` bench: what a round costs a server, and whether its sums and groups are right.

A thousand clients with adapters on all 210 projections of SmolLM2-135M are aggregated; their
factors are random, drawn beforehand from a small stock, so that neither drawing nor a disk is
timed. `seconds` is for factors as Floe's devices send them (`to_canonical_form`, as in
`participant.train`), `seconds_any_form` for factors as training leaves them, which a device that
is not Floe may send; `device_seconds` is what the first costs the strongest device, once a
round. No model is needed.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from floe.federation.app.update import Update, UpdateFactors
from floe.federation.maths.accounting import noise_multiplier_for, private_mean
from floe.federation.maths.aggregate import (
    Aggregated,
    AggregationRule,
    Member,
    aggregate,
    slice_weights,
    to_canonical_form,
    truncate_factors,
)
from floe.federation.maths.cluster import cluster, similarity
from floe.training.memory_limit import peak_rss_mb

Real = NDArray[np.float64]

LAYER: Final[dict[str, tuple[int, int]]] = {
    "q_proj": (576, 576),
    "k_proj": (192, 576),
    "v_proj": (192, 576),
    "o_proj": (576, 576),
    "gate_proj": (1536, 576),
    "up_proj": (1536, 576),
    "down_proj": (576, 1536),
}
"""(outputs, inputs) of SmolLM2-135M's projections."""

_LAYERS: Final = 30
_RANKS: Final = (4, 8, 16, 32, 64)
_CLIENTS: Final = 1000
_STOCK: Final = 4
_TOY_RANKS: Final = (2, 2, 2, 2, 2, 4, 8, 16)

STEPPED: Final[Real] = np.array([3.0] * 2 + [1.1] * 14)
SLOW: Final[Real] = np.array([2 * 0.9**i for i in range(16)])
"""Singular values that fall after the smallest rank, and such that hardly do."""


def run() -> dict[str, object]:
    """Measure with random factors; times in seconds, memory in 10^6 bytes."""
    stocks = {form: _stock(form) for form in (True, False)}
    few = _shapes(6)
    counts = (250, 500, 1000)
    # Each twice, in turn: a machine that is busy for a while must not look like a slope.
    runs = [{n: _seconds(n, few, stocks[True]) for n in counts} for _ in range(2)]
    growth = {n: round(min(run[n] for run in runs), 2) for n in counts}
    whole = _seconds(_CLIENTS, _shapes(_LAYERS), stocks[True])
    any_form = _seconds(_CLIENTS, _shapes(_LAYERS), stocks[False])
    peak = peak_rss_mb()
    many_seconds, many_ari = _many_clients()
    return {
        "clients": _CLIENTS,
        "ranks": list(_RANKS),
        "modules": len(LAYER) * _LAYERS,
        "seconds": round(whole, 1),
        "seconds_any_form": round(any_form, 1),
        "device_seconds": round(_device_seconds(stocks[False]), 2),
        "peak_rss_mb": round(peak),
        "seconds_by_clients": growth,
        "linearity": round(growth[1000] / growth[250] / 4, 3),
        "exact_rel_error": max(exact_error(shape) for shape in set(LAYER.values())),
        "energy_beyond_smallest_rank": _energies(STEPPED),
        "energy_with_slow_decay": _energies(SLOW),
        "cluster_ari": _small_group_ari(),
        "cluster_ari_400": many_ari,
        "cluster_seconds_400": round(many_seconds, 1),
        "private_cosine_at_epsilon_8": private_utility((8, 100, 1000)),
    }


def exact_error(shape: tuple[int, int]) -> float:
    """Largest relative error of `exact` against the float64 sum, ranks 2 to 64 mixed."""
    random = np.random.default_rng(3)
    members = [Member(rank, 10 + rank) for rank in (2, 4, 8, 16, 64) * 2]
    factors = [_random_factors(random, shape, member.rank) for member in members]
    weights = slice_weights(members, "exact")
    truth = sum(
        w[0] * (b.astype(np.float64) @ a.astype(np.float64))
        for w, (a, b) in zip(weights, factors, strict=True)
    )
    (result,) = aggregate(
        {"m": shape}, members, lambda client, _: factors[client], min(shape), "exact"
    )
    error = np.linalg.norm(result.b.astype(np.float64) @ result.a - truth)
    return float(error / np.linalg.norm(truth))


def toy_energy(rule: AggregationRule | None, values: Real = STEPPED) -> float:
    """Share of energy beyond the smallest rank after 30 toy rounds; None: that of the target.

    `values` are the target's 16 singular values.

    Eight clients, five of them of rank 2, each step from their cut of the common adapter
    towards one and the same target of rank 16, with some noise of their own, as far as their
    rank lets them.
    """
    random = np.random.default_rng(5)
    size, smallest = 48, min(_TOY_RANKS)
    u, v = (np.linalg.qr(random.standard_normal((size, size)))[0] for _ in range(2))
    target = (u[:, :16] * values) @ v[:16]
    if rule is None:
        return _beyond(values, smallest)
    members = [Member(rank, 1) for rank in _TOY_RANKS]
    common: dict[str, UpdateFactors] = {
        "m": (np.zeros((16, size), np.float32), np.zeros((size, 16), np.float32))
    }
    energy = 0.0
    for _ in range(30):
        sent: list[UpdateFactors] = []
        for rank in _TOY_RANKS:
            a, b = truncate_factors(common, rank)["m"]
            start = b.astype(np.float64) @ a
            noise = 0.005 * random.standard_normal(target.shape)
            sent.append(_best(start + 0.3 * (target - start) + noise, rank))
        result = _together(target.shape, members, sent, rule)
        common = {"m": (result.a, result.b)}
        energy = _beyond(result.values, smallest)
    return energy


def _energies(values: Real) -> dict[str, float]:
    return {
        "target": round(toy_energy(None, values), 4),
        "rank_aware": round(toy_energy("rank_aware", values), 4),
        "exact": round(toy_energy("exact", values), 4),
    }


def _together(
    shape: tuple[int, int],
    members: Sequence[Member],
    factors: Sequence[UpdateFactors],
    rule: AggregationRule,
) -> Aggregated:
    def load(client: int, _: str) -> UpdateFactors:
        return factors[client]

    (result,) = aggregate({"m": shape}, members, load, max(_TOY_RANKS), rule)
    return result


def task_updates(
    tasks: int, each: int, ranks: Sequence[int], seed: int = 7
) -> tuple[list[Update], list[int]]:
    """Make updates that are half task, and say which task each has; one small layer."""
    random = np.random.default_rng(seed)
    shapes = {name: (d // 12, k // 12) for name, (d, k) in LAYER.items()}
    common = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    task = [
        {name: _low_rank(random, shape, 4) for name, shape in shapes.items()} for _ in range(tasks)
    ]
    updates, truth = [], []
    for i in range(tasks * each):
        own, rank = i % tasks, ranks[i % len(ranks)]
        factors = {}
        for name, shape in shapes.items():
            noise = _low_rank(random, shape, rank)
            factors[name] = _best(task[own][name] + noise + 0.05 * common[name], rank)
        updates.append(Update(f"u{i}", f"c{i}", 1, "base", rank, rank, 20, factors))
        truth.append(own)
    return updates, truth


def private_utility(counts: Sequence[int]) -> dict[str, dict[int, float]]:
    """Cosine of the noisy mean with the one without noise, at epsilon 8 over five rounds.

    One layer, rank 8, clients that agree by half. `basis`: as Floe does it, noise on the
    coordinates in a known basis; `dense`: noise on the dense sum, which is then cut to rank 8.
    """
    multiplier = noise_multiplier_for(8.0, 1e-5, 5)
    random = np.random.default_rng(11)
    rank = 8
    basis = {
        name: np.linalg.qr(random.standard_normal((k, rank)))[0].T.astype(np.float32)
        for name, (_, k) in LAYER.items()
    }
    shared = {name: random.standard_normal((d, rank)) for name, (d, _) in LAYER.items()}
    found: dict[str, dict[int, float]] = {"basis": {}, "dense": {}}
    for count in counts:
        stock = []
        for i in range(min(count, 20)):
            factors = {}
            for name, b in shared.items():
                mine = b + random.standard_normal(b.shape)
                factors[name] = (basis[name], mine.astype(np.float32))
            stock.append(Update(f"u{i}", f"c{i}", 1, "base", rank, rank, 1, factors))
        updates = [stock[i % len(stock)] for i in range(count)]
        clip = float(np.sqrt(sum(2 * b.size for b in shared.values())))
        clean = private_mean(updates, basis, clip, 0.0, random)
        noisy = private_mean(updates, basis, clip, multiplier, random)
        found["basis"][count] = _cosine(clean, noisy)
        found["dense"][count] = _cosine(
            clean, _dense_noise(clean, multiplier * clip / count, rank, random)
        )
    return found


def _dense_noise(
    clean: Mapping[str, UpdateFactors], deviation: float, rank: int, random: np.random.Generator
) -> dict[str, UpdateFactors]:
    return {
        name: _best(b @ a + deviation * random.standard_normal((len(b), a.shape[1])), rank)
        for name, (a, b) in clean.items()
    }


def _cosine(one: Mapping[str, UpdateFactors], other: Mapping[str, UpdateFactors]) -> float:
    x, y = (np.concatenate([(b @ a).ravel() for a, b in side.values()]) for side in (one, other))
    return round(float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y))), 3)


def _small_group_ari() -> float:
    updates, truth = task_updates(4, 2, (4, 8, 12, 16))
    return _agreement(truth, cluster(similarity(updates)).labels)


def _many_clients() -> tuple[float, float]:
    updates, truth = task_updates(4, 100, (4, 8, 16))
    started = time.perf_counter()
    labels = cluster(similarity(updates)).labels
    return time.perf_counter() - started, _agreement(truth, labels)


def _agreement(truth: Sequence[int], labels: Sequence[int]) -> float:
    """Return the adjusted Rand index of two groupings."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415 - slow to load

    return float(adjusted_rand_score(truth, labels))


def _shapes(layers: int) -> dict[str, tuple[int, int]]:
    return {f"{i}.{name}": shape for i in range(layers) for name, shape in LAYER.items()}


def _stock(ordered: bool) -> dict[tuple[tuple[int, int], int], list[UpdateFactors]]:
    random = np.random.default_rng(2)
    stock = {}
    for shape in sorted(set(LAYER.values())):
        for rank in _RANKS:
            drawn = [_random_factors(random, shape, rank) for _ in range(_STOCK)]
            stock[shape, rank] = [to_canonical_form({"m": f})["m"] if ordered else f for f in drawn]
    return stock


def _seconds(
    clients: int,
    shapes: Mapping[str, tuple[int, int]],
    stock: Mapping[tuple[tuple[int, int], int], list[UpdateFactors]],
) -> float:
    """Time one rank-aware aggregation at the largest rank."""
    members = [Member(_RANKS[i % len(_RANKS)], 10 + i % 7) for i in range(clients)]

    def load(client: int, module: str) -> UpdateFactors:
        return stock[shapes[module], members[client].rank][client % _STOCK]

    print(f"federate: {clients} clients, {len(shapes)} modules", file=sys.stderr)
    started = time.perf_counter()
    for _ in aggregate(shapes, members, load, max(_RANKS)):
        pass
    return time.perf_counter() - started


def _device_seconds(
    stock: Mapping[tuple[tuple[int, int], int], list[UpdateFactors]],
) -> float:
    """Time bringing one adapter of the largest rank on all modules into canonical form."""
    adapter = {name: stock[shape, max(_RANKS)][0] for name, shape in _shapes(_LAYERS).items()}
    started = time.perf_counter()
    to_canonical_form(adapter)
    return time.perf_counter() - started


def _random_factors(
    random: np.random.Generator, shape: tuple[int, int], rank: int
) -> UpdateFactors:
    d, k = shape
    return (
        random.standard_normal((rank, k), dtype=np.float32),
        random.standard_normal((d, rank), dtype=np.float32),
    )


def _low_rank(random: np.random.Generator, shape: tuple[int, int], rank: int) -> Real:
    """Make a matrix of Frobenius norm about that of a standard normal one, whatever the rank."""
    a, b = _random_factors(random, shape, rank)
    product: Real = (b @ a).astype(np.float64) / np.sqrt(rank)
    return product


def _best(matrix: Real, rank: int) -> UpdateFactors:
    """Return the best approximation of `rank`, as (A, B)."""
    u, values, vt = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(values[:rank])
    return (root[:, None] * vt[:rank]).astype(np.float32), (u[:, :rank] * root).astype(np.float32)


def _beyond(values: Real, rank: int) -> float:
    energy = np.square(values)
    return float(energy[rank:].sum() / energy.sum())
