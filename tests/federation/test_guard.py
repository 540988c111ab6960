"""Honest devices of two tasks, and one hostile one at a time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.bench.federate import task_updates
from floe.federation.app.update import Update, from_arrays, to_arrays
from floe.federation.app.update_filter import (
    RefusedUpdate,
    SeenUpdates,
    UpdateRules,
    admit_update,
    clip,
    filter_norms,
    find_opposed,
    find_outliers,
    norm,
)
from floe.federation.maths.aggregate import aggregate_updates
from floe.federation.maths.cluster import cluster, similarity

Arrays = dict[str, NDArray[Any]]

HONEST, TASKS = task_updates(2, 4, (4, 8, 16))
SHAPES = {name: (len(b), a.shape[1]) for name, (a, b) in HONEST[0].factors.items()}
RULES = UpdateRules(SHAPES, "base", 1, max_rank=16, max_bytes=2_000_000)


def hostile(update: Update, **changes: Any) -> Update:
    fresh = {name: (a.copy(), b.copy()) for name, (a, b) in update.factors.items()}
    return replace(update, update_id="evil", client_id="mallory", **({"factors": fresh} | changes))


def play(
    messages: list[Arrays], seen: SeenUpdates | None = None
) -> tuple[list[Update], list[RefusedUpdate]]:
    """A round's checks in their order; what is left, and who was dropped."""
    seen, clients = seen or SeenUpdates(), set[str]()
    admitted = [admit_update(arrays, RULES, seen, clients) for arrays in messages]
    refused = [item for item in admitted if isinstance(item, RefusedUpdate)]
    reviewed = filter_norms([item for item in admitted if isinstance(item, Update)])
    refused += reviewed.refused
    left = list(reviewed.updates)
    for drop in (find_opposed, lambda found: find_outliers(found, cluster(found).labels)):
        reasons = drop(similarity(left))
        refused += [RefusedUpdate(left[i].client_id, reason) for i, reason in reasons.items()]
        left = [update for i, update in enumerate(left) if i not in reasons]
    return left, refused


def poison(value: float) -> Callable[[Update], Arrays]:
    def spoil(update: Update) -> Arrays:
        update = hostile(update)
        next(iter(update.factors.values()))[0][0, 0] = value
        return to_arrays(update)

    return spoil


def grown(times: float) -> Callable[[Update], Arrays]:
    return lambda update: to_arrays(
        hostile(
            update,
            factors={
                name: (a, (b * times).astype(np.float32)) for name, (a, b) in update.factors.items()
            },
        )
    )


def wrong_keys(update: Update) -> Arrays:
    (_, *rest) = hostile(update).factors.items()
    return to_arrays(hostile(update, factors=dict(rest)))


def wrong_rank(update: Update) -> Arrays:
    return to_arrays(hostile(update, rank=update.rank + 1))


def half_a_pair(update: Update) -> Arrays:
    arrays = to_arrays(hostile(update))
    arrays.pop(next(key for key in arrays if key.endswith(".lora_B")))
    return arrays


def renamed_copy(update: Update) -> Arrays:
    return to_arrays(hostile(update))


def duplicate(update: Update) -> Arrays:
    factors = {name: (a, (1.1 * b).astype("f4")) for name, (a, b) in update.factors.items()}
    return to_arrays(replace(update, update_id="evil", factors=factors))


def garbage(update: Update) -> Arrays:
    random = np.random.default_rng(9)
    factors = {
        name: (random.permuted(a), random.permuted(b)) for name, (a, b) in update.factors.items()
    }
    return to_arrays(hostile(update, factors=factors))


ATTACKS: dict[str, tuple[Callable[[Update], Arrays], str]] = {
    "NaN": (poison(np.nan), "not finite"),
    "infinite": (poison(np.inf), "not finite"),
    "1e30x norm": (grown(1e30), "times as large"),
    "100x norm": (grown(100), "times as large"),
    "sign flip": (grown(-1), "against"),
    "wrong rank": (wrong_rank, "rank"),
    "rank too high": (lambda u: to_arrays(hostile(u, rank=64)), "above 16"),
    "wrong keys": (wrong_keys, "modules"),
    "half a pair": (half_a_pair, "half"),
    "old round": (lambda u: to_arrays(hostile(u, round=0)), "round 0"),
    "same device twice": (duplicate, "already"),
    "same content renamed": (renamed_copy, "another name"),
    "oversized": (
        lambda u: to_arrays(hostile(u)) | {"x.lora_A": np.zeros(10**6, np.float32)},
        "too large",
    ),
    "wrong base": (lambda u: to_arrays(hostile(u, base_sha256="other")), "base model"),
    "no header": (lambda u: {k: v for k, v in to_arrays(u).items() if k != "header"}, "header"),
    "no examples": (lambda u: to_arrays(hostile(u, examples=0)), "nothing"),
    "bad centroid": (
        lambda u: to_arrays(hostile(u, centroid=np.full(4, np.nan, np.float32))),
        "centroid",
    ),
    "float64": (
        lambda u: {k: v.astype(float) if "lora" in k else v for k, v in to_arrays(u).items()},
        "float32",
    ),
}


def test_honest_updates_all_pass_unchanged() -> None:
    left, refused = play([to_arrays(update) for update in HONEST])
    assert refused == []
    assert [update.client_id for update in left] == [update.client_id for update in HONEST]
    for before, after in zip(HONEST, left, strict=True):
        for module, (_, b) in before.factors.items():
            np.testing.assert_array_equal(after.factors[module][1], b)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", [0, len(HONEST)])
def test_a_hostile_device_changes_nothing_for_the_honest(attack: str, place: int) -> None:
    make, words = ATTACKS[attack]
    messages = [to_arrays(update) for update in HONEST]
    # Where the same device or content comes twice, the first to come is the one that counts.
    messages.insert(len(HONEST) if "same" in attack else place, make(HONEST[1]))
    left, refused = play(messages)
    assert len(refused) == 1
    assert words in refused[0].reason
    assert [update.client_id for update in left] == [update.client_id for update in HONEST]
    for task in (0, 1):
        mine = [u for u, t in zip(left, TASKS, strict=True) if t == task]
        clean = [u for u, t in zip(HONEST, TASKS, strict=True) if t == task]
        found, right = aggregate_updates(mine, 8), aggregate_updates(clean, 8)
        for module, (a, b) in right.items():
            x, y = found[module]
            np.testing.assert_allclose(y @ x, b @ a, atol=1e-4)


def test_garbage_stays_out_of_the_honest_groups() -> None:
    left, _ = play([*(to_arrays(update) for update in HONEST), garbage(HONEST[1])])
    labels = cluster(similarity(left)).labels
    assert len(left) == len(HONEST) + 1
    assert labels[-1] not in labels[:-1]


def test_garbage_is_dropped_where_groups_are_fixed() -> None:
    update = from_arrays(garbage(HONEST[1]))
    found = similarity([*HONEST, update])
    reasons = find_outliers(found, cluster(found, 2).labels)
    assert list(reasons) == [len(HONEST)]
    assert "unlike" in reasons[len(HONEST)]


def test_a_replay_in_a_later_round_is_refused() -> None:
    seen = SeenUpdates()
    play([to_arrays(update) for update in HONEST], seen)
    _, refused = play([to_arrays(HONEST[0])], seen)
    assert "before" in refused[0].reason
    fresh_header = replace(HONEST[0], update_id="new", client_id="other")
    _, refused = play([to_arrays(fresh_header)], seen)
    assert "before" in refused[0].reason


def test_a_refused_message_does_not_lock_out_its_honest_sender() -> None:
    seen, clients = SeenUpdates(), set[str]()
    bad = replace(HONEST[0], base_sha256="other")
    assert isinstance(admit_update(to_arrays(bad), RULES, seen, clients), RefusedUpdate)
    assert isinstance(admit_update(to_arrays(HONEST[0]), RULES, seen, clients), Update)


def test_no_device_outweighs_a_group_by_claiming_many_examples() -> None:
    greedy = replace(HONEST[0], examples=10**9)
    got = admit_update(to_arrays(greedy), RULES, SeenUpdates(), set())
    assert isinstance(got, Update)
    assert got.examples == RULES.max_examples


def test_the_norm_is_that_of_the_products_and_clipping_keeps_the_direction() -> None:
    update = HONEST[0]
    right = np.sqrt(sum(np.square(b @ a).sum() for a, b in update.factors.values()))
    assert norm(update.factors) == pytest.approx(right, rel=1e-5)
    clipped = clip(update, right / 3)
    assert norm(clipped.factors) == pytest.approx(right / 3, rel=1e-5)
    assert similarity([update, clipped])[0, 1] == pytest.approx(1, abs=1e-6)
    assert clip(update, right * 3) is update


def test_a_large_update_is_shrunk_and_noted() -> None:
    large = hostile(
        HONEST[0],
        factors={n: (a, (4 * b).astype("f4")) for n, (a, b) in HONEST[0].factors.items()},
    )
    reviewed = filter_norms([*HONEST, large])
    sizes = [norm(update.factors) for update in reviewed.updates]
    assert reviewed.refused == ()
    assert max(sizes) < 2.5 * np.median(sizes)
    assert "mallory" in reviewed.notes[0]


def test_different_tasks_are_not_opposed() -> None:
    assert find_opposed(np.eye(6) * 1.05 - 0.05) == {}
