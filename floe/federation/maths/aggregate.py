"""Many adapters of unequal rank into one, as products: the mean of B A, not of A and of B.

Two rules. `exact` is the weighted sum of the products. `rank_aware`, the default, averages each
client's singular component c over those clients only whose rank exceeds c (Wu, Hu, Min, Wang,
"Preventing Rank Collapse in Federated Low-Rank Adaptation", arXiv 2602.13486); under plain
weights (FlexLoRA, arXiv 2402.11505) clients that have no such component count as zeros, and the
rank collapses round by round. `rank_aware` has its price: where singular values fall slowly, a
small client's last direction may turn towards the next one, which then counts twice. In the toy
of `floe bench federate` the energy beyond the smallest rank stays within 1 % of the
target with a clear step in the spectrum; with a slow decay it wanders, by up to a fifth over seeds.

Modules are worked on one by one and clients are read in turn, so memory grows with neither.
Knows nothing of where factors come from, of clusters, or of noise.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from floe.federation.app.update import Matrix, Update, UpdateFactors

AggregationRule = Literal["rank_aware", "exact"]
Path = Literal["cores", "dense"]
Load: TypeAlias = Callable[[int, str], UpdateFactors]
"""`load(client, module)` gives (A, B), float32, scale folded in; several threads call it."""

_Real: TypeAlias = NDArray[np.float64]

_CHUNK: Final = 2048
"""Ranks that are multiplied at once: long enough for a product near the machine's peak."""

_TINY: Final = 1e-13
"""Squared singular values below this share of the largest are beyond float32 and left out."""


_ORTHOGONAL: Final = 1e-5
"""Cosine up to which two single-precision vectors of any length here count as orthogonal."""


@dataclass(frozen=True, slots=True)
class Member:
    """Facts about a client that are known before its factors are read. `examples` is its weight."""

    rank: int
    examples: float


@dataclass(frozen=True, slots=True)
class Aggregated:
    """One module of the result: B A is the best approximation of the asked rank.

    `a` (r, k) and `b` (d, r) are float32, ordered by singular value and of equal norm, so that
    the first r' rows and columns are the best approximation of rank r'. `values` (r,) float64.
    `reason` says why this path was taken.
    """

    module: str
    a: Matrix
    b: Matrix
    values: _Real
    path: Path
    reason: str


def slice_weights(members: Sequence[Member], rule: AggregationRule) -> _Real:
    """Weight of each client's component c, of shape (clients, largest rank).

    `exact`: n_i / sum of n. `rank_aware`: n_i over the sum of n of those whose rank exceeds c.
    Zero beyond a client's own rank.
    """
    ranks = np.array([member.rank for member in members])
    examples = np.array([member.examples for member in members], dtype=np.float64)
    has = np.arange(ranks.max())[None, :] < ranks[:, None]
    counted = has if rule == "rank_aware" else np.ones_like(has)
    totals = (examples[:, None] * counted).sum(axis=0)
    weights: _Real = np.where(has, examples[:, None] / totals, 0.0)
    return weights


def choose_path(shape: tuple[int, int], total_rank: int) -> tuple[Path, str]:
    """QR cores or one dense matrix, whichever takes fewer operations, and why.

    Counts of Golub and Van Loan (Matrix Computations, 5.2 and 8.6), single precision at half.
    """
    d, k = shape
    small = min(d, k)
    dense = d * k * total_rank + 2 * d * k * small + 4 * small**3
    cores = 4 * (d + k) * total_rank**2 + 22 * total_rank**3
    if total_rank < small and cores < dense:
        return "cores", f"total rank {total_rank} is small beside {d} x {k}"
    return "dense", f"total rank {total_rank} makes one {d} x {k} sum cheaper"


def aggregate(
    shapes: Mapping[str, tuple[int, int]],
    members: Sequence[Member],
    load: Load,
    rank: int,
    rule: AggregationRule = "rank_aware",
    threads: int | None = None,
) -> Iterator[Aggregated]:
    """Aggregate module by module, in the order of `shapes` (name to (d, k)).

    Args:
        shapes: of B A in each module.
        members: rank and weight of each client; weights need not sum to 1.
        load: reads one client's factors of one module.
        rank: of the results; cut them further with `truncate_factors`.
        rule: see the module's docstring.
        threads: modules worked on at once (default: one a processor). While the iterator is
            open, BLAS uses one thread in each.
    """
    weights = slice_weights(members, rule)
    # Clients of equal rank side by side: their small products are then one batched call.
    order = sorted(range(len(members)), key=lambda i: members[i].rank)
    chunks = list(_chunks(order, members))

    def work(module: str) -> Aggregated:
        return _module(module, shapes[module], chunks, weights, load, rank)

    threads = threads or os.cpu_count() or 1
    # One BLAS thread in each of several workers beats several in one: the products are small.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        yield from _in_order(pool, work, shapes, ahead=threads)


def aggregate_updates(
    updates: Sequence[Update], rank: int, rule: AggregationRule = "rank_aware"
) -> dict[str, UpdateFactors]:
    """Aggregate updates in memory; every module that the first of them has."""
    shapes, members, load = in_memory(updates)
    return {
        result.module: (result.a, result.b)
        for result in aggregate(shapes, members, load, rank, rule)
    }


def in_memory(
    updates: Sequence[Update],
) -> tuple[dict[str, tuple[int, int]], list[Member], Load]:
    """Return the arguments of `aggregate` for updates in memory with the same modules."""
    shapes = {module: (b.shape[0], a.shape[1]) for module, (a, b) in updates[0].factors.items()}
    members = [Member(update.rank, update.examples) for update in updates]

    def load(client: int, module: str) -> UpdateFactors:
        return updates[client].factors[module]

    return shapes, members, load


def truncate_factors(factors: Mapping[str, UpdateFactors], rank: int) -> dict[str, UpdateFactors]:
    """Return the best approximation of a smaller rank, of factors that `aggregate` made."""
    return {
        module: (np.ascontiguousarray(a[:rank]), np.ascontiguousarray(b[:, :rank]))
        for module, (a, b) in factors.items()
    }


def to_canonical_form(factors: Mapping[str, UpdateFactors]) -> dict[str, UpdateFactors]:
    """Write the same products as singular vectors, largest first: A = sqrt(S) V^T, B = U sqrt(S).

    A device does this before it sends: the server then need not, which more than halves its
    work. Shapes stay as they are; components that a small module cannot have are zero.
    """
    result = {}
    for module, (a, b) in factors.items():
        ordered_a, ordered_b = _balanced(*_cores([(b.T, a)], len(a)))
        missing = len(a) - len(ordered_a)
        result[module] = (
            np.pad(ordered_a, ((0, missing), (0, 0))),
            np.pad(ordered_b, ((0, 0), (0, missing))),
        )
    return result


@dataclass(frozen=True, slots=True)
class _Group:
    """Clients of one rank whose factors lie at rows `start` to `stop` of the chunk."""

    clients: tuple[int, ...]
    rank: int
    start: int
    stop: int


def _chunks(order: Iterable[int], members: Sequence[Member]) -> Iterator[list[_Group]]:
    groups: list[_Group] = []
    clients: list[int] = []
    start = at = 0

    def close() -> None:
        nonlocal clients, start
        if clients:
            groups.append(_Group(tuple(clients), members[clients[0]].rank, start, at))
        clients, start = [], at

    for client in order:
        rank = members[client].rank
        full = at + rank > _CHUNK
        if full or (clients and members[clients[0]].rank != rank):
            close()
        if full and groups:
            yield groups
            groups, start, at = [], 0, 0
        clients.append(client)
        at += rank
    close()
    if groups:
        yield groups


def _module(
    module: str,
    shape: tuple[int, int],
    chunks: Sequence[Sequence[_Group]],
    weights: _Real,
    load: Load,
    rank: int,
) -> Aggregated:
    total = sum(groups[-1].stop for groups in chunks)
    path, reason = choose_path(shape, total)
    pairs = (_weighted(module, shape, groups, weights, load) for groups in chunks)
    if path == "dense":
        left, values, right = _dense(pairs, shape, rank)
    else:
        left, values, right = _cores(pairs, rank)
    a, b = _balanced(left, values, right)
    return Aggregated(module, a, b, values, path, reason)


def _balanced(left: _Real, values: _Real, right: _Real) -> UpdateFactors:
    """Return (A, B) of equal norm from U S, S and V^T."""
    root = np.sqrt(values)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=values > 0)
    return (root[:, None] * right).astype(np.float32), (left * inverse).astype(np.float32)


def _weighted(
    module: str,
    shape: tuple[int, int],
    groups: Sequence[_Group],
    weights: _Real,
    load: Load,
) -> tuple[Matrix, Matrix]:
    """B^T (ranks, d) and A (ranks, k) of a chunk, stacked; weights are in the smaller of them."""
    d, k = shape
    ranks = groups[-1].stop
    left = np.empty((ranks, d), dtype=np.float32)
    right = np.empty((ranks, k), dtype=np.float32)
    for group in groups:
        r = group.rank
        for i, client in enumerate(group.clients):
            row = group.start + i * r
            a, b = load(client, module)
            right[row : row + r] = a
            left[row : row + r] = b.T
        each = (len(group.clients), r, -1)
        lefts = left[group.start : group.stop].reshape(each)
        rights = right[group.start : group.stop].reshape(each)
        own = weights[list(group.clients), :r]
        target, other = (lefts, rights) if d <= k else (rights, lefts)
        told = np.all(own == own[:, :1])  # all components count alike: no matter which is which
        apart = (
            np.zeros(0, dtype=np.intp)
            if told
            else np.flatnonzero(~_in_order_of_size(lefts, rights))
        )
        mixing = _mixing(target[apart], other[apart], own[apart]) if apart.size else None
        mixed = mixing @ target[apart] if mixing is not None else None
        target *= own[:, :, None].astype(np.float32)
        if mixed is not None:
            target[apart] = mixed
    return left, right


def _in_order_of_size(left: Matrix, right: Matrix) -> NDArray[np.bool_]:
    """Tell which clients' rows (clients, r, d or k) are singular vectors already, largest first.

    `to_canonical_form` makes such rows on the device, and the server sends such rows out. They are
    checked because a device may lie: both sides must be orthogonal to single precision.
    """
    sizes = np.ones(left.shape[:2], dtype=np.float32)
    fine = np.ones(len(left), dtype=np.bool_)
    for side in (left, right):
        gram = side @ side.transpose(0, 2, 1)
        lengths = np.sqrt(np.einsum("nii->ni", gram))
        bound = _ORTHOGONAL * lengths[:, :, None] * lengths[:, None, :]
        np.einsum("nii->ni", gram)[:] = 0
        fine &= np.all(np.abs(gram) <= bound, axis=(1, 2))
        sizes *= lengths
    fine &= np.all(sizes[:, 1:] <= sizes[:, :-1] * (1 + _ORTHOGONAL), axis=1)
    return fine


def _mixing(target: Matrix, other: Matrix, weights: _Real) -> Matrix:
    """Return the factor for one side, so that component c of the product counts `weights` c.

    Both sides are stacks (clients, r, d or k) of rows X and Y, the product being X^T Y. With
    Gram matrices G = X X^T = L L^T and H = Y Y^T, the product's squared singular values are the
    eigenvalues l of L^T H L = P diag(l) P^T, and with Z = L P

        sum over c of w_c s_c u_c v_c^T = (Z diag(w / l) Z^T H X)^T Y,

    the same as by QR of both sides and SVD of the core, at a fraction of the cost.

    Returns:
        float32 of shape (clients, r, r).
    """
    x, y = target.astype(np.float64), other.astype(np.float64)
    g, h = x @ x.transpose(0, 2, 1), y @ y.transpose(0, 2, 1)
    # An adapter that was never trained has B = 0: keep the factorisation defined.
    r = g.shape[1]
    trace = np.trace(g, axis1=1, axis2=2)[:, None]
    g[:, range(r), range(r)] += _TINY * trace / r + np.finfo(np.float64).tiny
    lower = np.linalg.cholesky(g)
    values, vectors = np.linalg.eigh(lower.transpose(0, 2, 1) @ h @ lower)
    z = lower @ vectors
    kept = values > _TINY * np.abs(values[:, -1:])
    # eigh sorts upwards, components are counted downwards
    scale = np.divide(weights[:, ::-1], values, out=np.zeros_like(values), where=kept)
    mixing: Matrix = ((z * scale[:, None, :]) @ z.transpose(0, 2, 1) @ h).astype(np.float32)
    return mixing


def _dense(
    pairs: Iterable[tuple[Matrix, Matrix]], shape: tuple[int, int], rank: int
) -> tuple[_Real, _Real, _Real]:
    """U S (d, r), S (r,), V^T (r, k) of the sum of products, through the smaller Gram matrix."""
    total = np.zeros(shape)
    for left, right in pairs:
        total += left.T @ right
    tall = shape[0] >= shape[1]
    wide = total if tall else total.T
    small = wide.shape[1]
    rank = min(rank, small)
    _, vectors = scipy.linalg.eigh(
        wide.T @ wide, subset_by_index=(small - rank, small - 1), check_finite=False
    )
    right = vectors[:, ::-1]
    left = wide @ right
    values = np.linalg.norm(left, axis=0)
    if tall:
        return left, values, right.T
    # the other way round: here S belongs to the right side, and the left one is orthonormal
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
    return right * values, values, (left * inverse).T


def _cores(pairs: Iterable[tuple[Matrix, Matrix]], rank: int) -> tuple[_Real, _Real, _Real]:
    """Do the same without any d x k matrix: QR on both sides, SVD of the core between them."""
    lefts, rights = zip(*pairs, strict=True)
    q, core_left = np.linalg.qr(np.concatenate(lefts).T.astype(np.float64))
    p, core_right = np.linalg.qr(np.concatenate(rights).T.astype(np.float64))
    u, values, vt = np.linalg.svd(core_left @ core_right.T)
    values = values[:rank]
    rank = len(values)
    return q @ (u[:, :rank] * values), values, vt[:rank] @ p.T


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[str], Aggregated],
    modules: Iterable[str],
    ahead: int,
) -> Iterator[Aggregated]:
    """Results in order, with no more than `ahead` in the making: memory stays what it is."""
    pending: deque[Future[Aggregated]] = deque()
    try:
        for module in modules:
            pending.append(pool.submit(work, module))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
