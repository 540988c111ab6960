"""Filter against a broken or hostile device that would spoil a round: it is dropped, with a reason.

First each message by itself, then all updates of a round beside each other. What this cannot
see: a majority of a group that lies alike, or a skilled lie that looks like an honest update.
Knows nothing of how messages travel or are merged.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from floe.errors import FederationError
from floe.federation.app.update import Update, UpdateFactors, from_arrays, size_of

NORM_REJECT_FACTOR: Final = 10.0
"""An update so many times as large as the round's median is no honest one."""

NORM_CLIP_FACTOR: Final = 2.0
"""Beyond so many medians an update counts as one of that size."""

MAX_OPPOSED_COSINE: Final = -0.2
"""A cosine below this is two updates pulling in opposite ways; tasks that differ are near 0."""

_LARGEST_COORDINATE: Final = 64.0
_LARGEST_RADIUS: Final = 8.0
"""Embeddings are of unit length: with any noise a centroid and its reach are far within these, and
beyond them one device's would move or widen its whole cluster's."""

MIN_CLUSTER_SIMILARITY: Final = 0.25
"""Share of its cluster's median likeness below which a member does not belong."""


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """Requirements on an update in this round.

    `shapes`: (d, k) of each module that must be there. `max_examples` caps a device's weight;
    `max_bytes` is the size of a message, `centroid_size` that of a centroid; 0: any.
    """

    shapes: Mapping[str, tuple[int, int]]
    base_sha256: str
    round: int
    max_rank: int = 64
    max_examples: int = 10_000
    max_bytes: int = 256 * 10**6
    centroid_size: int = 0


@dataclass(frozen=True, slots=True)
class RefusedUpdate:
    """A device whose update was left out, and why; `client_id` is empty if it gave none."""

    client_id: str
    reason: str


@dataclass(slots=True)
class SeenUpdates:
    """Update ids and fingerprints of content that have been received, in all rounds."""

    ids: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class FilteredUpdates:
    """Updates of fair size of a round, their places in the list, and the rest."""

    updates: tuple[Update, ...]
    kept: tuple[int, ...]
    refused: tuple[RefusedUpdate, ...]
    notes: tuple[str, ...] = ()


def admit_update(
    arrays: Mapping[str, NDArray[Any]], rules: UpdateRules, seen: SeenUpdates, clients: set[str]
) -> Update | RefusedUpdate:
    """One message, looked at by itself.

    An update that passes is remembered in `seen`, its sender in `clients` (those that have
    sent in this round), and its weight is capped.
    """
    size = size_of(arrays)
    if size > rules.max_bytes:
        return RefusedUpdate("", f"it is too large: {size:,} bytes, at most {rules.max_bytes:,}")
    try:
        update = from_arrays(arrays)
    except FederationError as error:
        return RefusedUpdate("", str(error))
    content = _fingerprint(arrays)
    reason = (
        _header_fault(update, rules)
        or _factor_fault(update, rules)
        or _region_fault(update, rules.centroid_size)
        or _replay_fault(update, content, seen, clients)
    )
    if reason:
        return RefusedUpdate(update.client_id, reason)
    seen.ids.add(update.update_id)
    seen.contents.add(content)
    clients.add(update.client_id)
    return replace(update, examples=min(update.examples, rules.max_examples))


def norm(factors: Mapping[str, UpdateFactors]) -> float:
    """Frobenius norm of all products together, through r x r Gram matrices in float64.

    ||B A||^2 = tr[(B^T B)(A A^T)]; no d x k matrix is made.
    """
    total = 0.0
    for a, b in factors.values():
        left, right = b.astype(np.float64), a.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            total += float(((left.T @ left) * (right @ right.T)).sum())
    return float(np.sqrt(max(total, 0.0))) if np.isfinite(total) else float("inf")


def clip(update: Update, limit: float) -> Update:
    """Return the update itself, or shrunk to the norm `limit`."""
    size = norm(update.factors)
    if size <= limit:
        return update
    shrink = np.float32(limit / size)
    return replace(
        update, factors={module: (a, b * shrink) for module, (a, b) in update.factors.items()}
    )


def filter_norms(updates: Sequence[Update]) -> FilteredUpdates:
    """All updates of a round by their size: far too large ones go, large ones are shrunk.

    The median is the measure, as no fixed norm fits every base, rank and learning rate. One
    device alone is its own median: it is left as it is.
    """
    sizes = [norm(update.factors) for update in updates]
    median = float(np.median(sizes)) if sizes else 0.0
    kept, fair, refused, notes = [], [], [], []
    for i, (update, size) in enumerate(zip(updates, sizes, strict=True)):
        if size > NORM_REJECT_FACTOR * median:
            refused.append(
                RefusedUpdate(
                    update.client_id,
                    f"it is {size / max(median, 1e-12):.0f} times as large as this round's median",
                )
            )
            continue
        if size > NORM_CLIP_FACTOR * median:
            notes.append(
                f"{update.client_id}: shrunk from {size / median:.1f} to "
                f"{NORM_CLIP_FACTOR:.0f} medians"
            )
        kept.append(i)
        fair.append(clip(update, NORM_CLIP_FACTOR * median))
    return FilteredUpdates(tuple(fair), tuple(kept), tuple(refused), tuple(notes))


def find_opposed(similarity: NDArray[np.float64]) -> dict[int, str]:
    """Clients that pull against the others, such as one with its sign turned; before clustering.

    One by one, the client with the lowest sum of cosines goes, as long as that sum is negative,
    somebody is clearly opposed to it, and it has no friend half as close. With a task known to
    two devices only, of which one lies, it is the other tasks that decide.

    Returns:
        Index to reason.
    """
    out: dict[int, str] = {}
    left = list(range(len(similarity)))
    while len(left) > 2:
        part = similarity[np.ix_(left, left)].copy()
        np.fill_diagonal(part, 0)
        sums = part.sum(axis=1)
        worst = int(np.argmin(sums))
        low, high = part[worst].min(), part[worst].max()
        if sums[worst] >= 0 or low > MAX_OPPOSED_COSINE or high > -low / 2:
            break
        out[left.pop(worst)] = f"it pulls against the others (cosine {low:.2f})"
    return out


def find_outliers(similarity: NDArray[np.float64], labels: Sequence[int]) -> dict[int, str]:
    """Members that are not like the rest of their cluster: index to reason.

    Measured by the mean cosine to the other members, against the cluster's median of it; two
    members cannot tell who of them is strange.
    """
    out: dict[int, str] = {}
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label]
        if len(members) < 3:
            continue
        part = similarity[np.ix_(members, members)]
        means = (part.sum(axis=1) - 1) / (len(members) - 1)
        middle = float(np.median(means))
        for i, mean in zip(members, means, strict=True):
            if mean < MIN_CLUSTER_SIMILARITY * middle:
                out[i] = f"it is unlike its group (cosine {mean:.2f}, the median is {middle:.2f})"
    return out


def _header_fault(update: Update, rules: UpdateRules) -> str:
    if not update.client_id or not update.update_id:
        return "it does not say whose it is"
    if update.base_sha256 != rules.base_sha256:
        return "it belongs to another base model"
    if update.round != rules.round:
        return f"it is for round {update.round}, not {rules.round}"
    if update.rank > rules.max_rank:
        return f"its rank {update.rank} is above {rules.max_rank}"
    if update.examples < 1:
        return "it was trained on nothing"
    return ""


def _replay_fault(update: Update, content: str, seen: SeenUpdates, clients: set[str]) -> str:
    if update.update_id in seen.ids:
        return "it has been received before"
    if update.client_id in clients:
        return "this device has sent its update for this round already"
    if content in seen.contents:
        return "the same content has been received before under another name"
    return ""


def _factor_fault(update: Update, rules: UpdateRules) -> str:
    if update.factors.keys() != rules.shapes.keys():
        return "its modules are not those that were asked for"
    for module, (d, k) in rules.shapes.items():
        a, b = update.factors[module]
        if a.shape != (update.rank, k) or b.shape != (d, update.rank):
            return f"the shapes of {module} do not fit rank {update.rank}"
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return f"{module} holds numbers that are not finite"
    size = norm(update.factors)
    if not np.isfinite(size):
        return "its numbers are too large"
    return "it changes nothing" if size == 0 else ""


def _region_fault(update: Update, size: int) -> str:
    place = update.centroid
    if place is not None and (
        place.ndim != 1
        or place.dtype != np.float32
        or len(place) == 0
        or not (np.abs(place) <= _LARGEST_COORDINATE).all()
    ):
        return "its centroid is no row of finite numbers"
    if place is not None and size and len(place) != size:
        return f"its centroid has {len(place)} numbers, not {size}"
    return "" if 0 <= update.radius <= _LARGEST_RADIUS else "its radius is not a length"


def _fingerprint(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Hash the factors alone: a new header does not make an old update new."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if name.endswith((".lora_A", ".lora_B")):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()
