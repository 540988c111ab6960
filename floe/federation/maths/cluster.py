"""Clusters of devices that learn the same task, and names that stay.

Two updates are compared as products, <W_i, W_j> = tr[(B_i^T B_j)(A_j A_i^T)] summed over the
modules, so unequal ranks do not matter. Knows nothing of what was said in any chat.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from floe.federation.app.update import Update, UpdateFactors
from floe.federation.maths.aggregate import Load, Member, in_memory

_Real = NDArray[np.float64]

_MAX_EXACT_CLIENTS: Final = 64
"""Up to so many clients all pairs are compared exactly; beyond, their sketches are."""

_SKETCH_SIZE: Final = 48
"""A sketch is the sum over modules of a _SIDE x _SIDE image of each product."""

_SUBSTANTIAL_SILHOUETTE: Final = 0.25
"""Silhouette of substantial structure (Kaufman and Rousseeuw, Finding Groups in Data, 2.2)."""

_SHUFFLES: Final = 99
_LARGEST: Final = 12
_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class Clustering:
    """A cluster (0, 1, ...) for each client, how many there are, and why so many."""

    labels: tuple[int, ...]
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class ClusterNames:
    """The cluster each client was last seen in, and the number of the next new cluster."""

    of: Mapping[str, str]
    next: int = 1


@dataclass(frozen=True, slots=True)
class Placement:
    """The cluster a newcomer belongs to, and why."""

    cluster: str
    reason: str


def similarity(updates: Sequence[Update]) -> _Real:
    """Cosines between the products of updates in memory, (n, n); see `cosines`."""
    return cosines(*in_memory(updates)) if updates else np.zeros((0, 0))


def cosines(shapes: Mapping[str, tuple[int, int]], members: Sequence[Member], load: Load) -> _Real:
    """Cosine of every two clients' products over all modules, float64 of shape (n, n).

    Up to 64 clients it is exact. Beyond, the work would grow with the square of all ranks, so
    sketches are compared: P (B A) Q with fixed random P (48 x d) and Q (k x 48) of each module,
    summed over the modules. That keeps inner products in expectation, with an error of about
    1/48, and takes time linear in clients. A client whose update is zero is like no other.
    """
    gram = (_gram if len(members) <= _MAX_EXACT_CLIENTS else _sketched)(shapes, members, load)
    length = np.sqrt(np.maximum(np.diag(gram), 0))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    result: _Real = np.clip(gram * inverse[:, None] * inverse, -1, 1)
    np.fill_diagonal(result, 1)
    return result


def cluster(similarity: _Real, count: int | None = None) -> Clustering:
    """Average linkage on 1 - cosine, cut into `count` clusters or as many as the data show.

    The best mean silhouette decides. It counts as structure if it is substantial (0.25), or
    larger than in each of 99 shuffles of the same distances; otherwise there is one cluster.
    """
    n = len(similarity)
    distances = squareform(1 - (similarity + similarity.T) / 2, checks=False)
    if count is not None:
        count = max(1, min(count, n))
        labels = _cut(distances, count) if n > 1 else np.zeros(n, dtype=np.intp)
        return _numbered(labels, f"{count} clusters, as was asked for")
    if n < 3:
        return _numbered(np.zeros(n, dtype=np.intp), "too few devices to tell tasks apart")
    score, labels = _best(distances)
    if score >= _SUBSTANTIAL_SILHOUETTE:
        return _numbered(labels, f"groups stand clearly apart (silhouette {score:.2f})")
    if score > _chance_silhouette(distances):
        return _numbered(labels, f"groups stand apart more than by chance (silhouette {score:.2f})")
    return _numbered(
        np.zeros(n, dtype=np.intp), f"no groups beyond chance (silhouette {score:.2f})"
    )


def name_clusters(
    clustering: Clustering, clients: Sequence[str], before: ClusterNames
) -> ClusterNames:
    """Names for the clusters of this round, kept where most of the members are the same.

    Old and new clusters are matched so that as many clients as possible stay under their
    name; a cluster that matches none gets a new name, and no name is ever given twice. Clients
    that are not here this round keep theirs.
    """
    old = sorted(set(before.of.values()))
    overlap = np.zeros((clustering.count, len(old)))
    for client, label in zip(clients, clustering.labels, strict=True):
        if client in before.of:
            overlap[label, old.index(before.of[client])] += 1
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    named = {
        int(row): old[column]
        for row, column in zip(rows, columns, strict=True)
        if overlap[row, column] > 0
    }
    following = before.next
    for label in range(clustering.count):
        if label not in named:
            named[label] = f"group-{following}"
            following += 1
    now = {client: named[label] for client, label in zip(clients, clustering.labels, strict=True)}
    return ClusterNames({**before.of, **now}, following)


def place_update(
    factors: Mapping[str, UpdateFactors], experts: Mapping[str, Mapping[str, UpdateFactors]]
) -> Placement:
    """Find the cluster whose expert a newcomer's update is most like: nothing is trained again.

    An expert is the mean of its members' products, so its cosine orders the clusters as the
    mean cosine to their members does, up to their inner spread.
    """
    scores = {cluster: _cosine(factors, expert) for cluster, expert in experts.items()}
    best = max(scores, key=lambda cluster: scores[cluster])
    others = sorted((value for cluster, value in scores.items() if cluster != best), reverse=True)
    after = f", the next {others[0]:.2f}" if others else ", the only one"
    return Placement(best, f"most like {best} (cosine {scores[best]:.2f}{after})")


def _cosine(one: Mapping[str, UpdateFactors], other: Mapping[str, UpdateFactors]) -> float:
    def inner(x: Mapping[str, UpdateFactors], y: Mapping[str, UpdateFactors]) -> float:
        total = 0.0
        for module in x.keys() & y.keys():
            (a, b), (c, e) = x[module], y[module]
            total += float(((b.T @ e).astype(np.float64) * (a @ c.T)).sum())
        return total

    length = np.sqrt(inner(one, one) * inner(other, other))
    return inner(one, other) / length if length > 0 else 0.0


def _gram(shapes: Mapping[str, tuple[int, int]], members: Sequence[Member], load: Load) -> _Real:
    starts = np.cumsum([0, *(member.rank for member in members[:-1])])
    total = np.zeros((len(members), len(members)))
    for module in shapes:
        pairs = [load(i, module) for i in range(len(members))]
        a = np.concatenate([a for a, _ in pairs]).astype(np.float64)
        b = np.concatenate([b for _, b in pairs], axis=1).astype(np.float64)
        product = (b.T @ b) * (a @ a.T)
        total += np.add.reduceat(np.add.reduceat(product, starts, axis=0), starts, axis=1)
    return total


def _sketched(
    shapes: Mapping[str, tuple[int, int]], members: Sequence[Member], load: Load
) -> _Real:
    sketches = np.zeros((len(members), _SKETCH_SIZE, _SKETCH_SIZE))
    for module, (d, k) in shapes.items():
        random = np.random.default_rng([_SEED, zlib.crc32(module.encode())])
        p = random.standard_normal((_SKETCH_SIZE, d), dtype=np.float32)
        q = random.standard_normal((k, _SKETCH_SIZE), dtype=np.float32)
        for i in range(len(members)):
            a, b = load(i, module)
            sketches[i] += (p @ b) @ (a @ q)
    flat = sketches.reshape(len(members), -1) / _SKETCH_SIZE
    gram: _Real = flat @ flat.T
    return gram


def _cut(distances: _Real, count: int) -> NDArray[np.intp]:
    labels: NDArray[np.intp] = fcluster(linkage(distances, "average"), count, "maxclust") - 1
    return labels


def _best(distances: _Real) -> tuple[float, NDArray[np.intp]]:
    """Return the largest mean silhouette over all numbers of clusters, and its labels."""
    square = squareform(distances)
    tree = linkage(distances, "average")
    counts = range(2, max(2, min(_LARGEST, len(square) // 2)) + 1)
    cuts = [fcluster(tree, count, "maxclust") - 1 for count in counts]
    scores = [_silhouette(square, labels) for labels in cuts]
    best = int(np.argmax(scores))
    return scores[best], cuts[best]


def _silhouette(square: _Real, labels: NDArray[np.intp]) -> float:
    """Mean over points of (b - a) / max(a, b) (Rousseeuw 1987); 0 for one that is alone."""
    one_hot = np.eye(labels.max() + 1)[labels]
    sizes = one_hot.sum(axis=0)
    if len(sizes) < 2:
        return 0.0
    sums = square @ one_hot
    own = sizes[labels]
    inside = sums[range(len(labels)), labels] / np.maximum(own - 1, 1)
    means = np.where(one_hot == 1, np.inf, sums / sizes)
    nearest = means.min(axis=1)
    larger = np.maximum(np.maximum(inside, nearest), 1e-12)
    return float(np.where(own > 1, (nearest - inside) / larger, 0).mean())


def _chance_silhouette(distances: _Real) -> float:
    """Return the best silhouette that the same distances give in random places.

    What a client has towards all others (one of small rank is a little further from everybody)
    stays with it; only the rest is shuffled. Some tens of clients are enough to tell: with more,
    chance gives less and less.
    """
    random = np.random.default_rng(_SEED)
    square = squareform(distances)
    if len(square) > _MAX_EXACT_CLIENTS:
        some = random.choice(len(square), _MAX_EXACT_CLIENTS, replace=False)
        square = square[np.ix_(some, some)]
    n = len(square)
    # least squares of d_ij = a_i + a_j
    own = (square.sum(axis=1) - square.sum() / (2 * (n - 1))) / (n - 2)
    common = squareform(own[:, None] + own, checks=False)
    rest = squareform(square) - common
    return max(_best(np.maximum(common + random.permutation(rest), 0))[0] for _ in range(_SHUFFLES))


def _numbered(labels: NDArray[np.intp], reason: str) -> Clustering:
    """Clusters counted in the order in which their first client comes."""
    order: dict[int, int] = {}
    for label in labels.tolist():
        order.setdefault(label, len(order))
    return Clustering(tuple(order[label] for label in labels.tolist()), max(1, len(order)), reason)
