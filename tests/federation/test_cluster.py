from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.bench.federate import task_updates
from floe.federation.app.update import Update
from floe.federation.maths.aggregate import aggregate_updates
from floe.federation.maths.cluster import (
    Clustering,
    ClusterNames,
    cluster,
    name_clusters,
    place_update,
    similarity,
)


def agreement(truth: Sequence[int], found: Sequence[int]) -> float:
    """1 for the same groups under whatever labels."""
    from sklearn.metrics import adjusted_rand_score  # slow to load

    return float(adjusted_rand_score(truth, found))


def slow_cosines(updates: list[Update]) -> NDArray[np.float64]:
    rows = np.stack(
        [np.concatenate([(b @ a).ravel() for a, b in u.factors.values()]) for u in updates]
    ).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows.T)


def test_cosines_across_ranks_are_those_of_the_products() -> None:
    updates, _ = task_updates(2, 3, (4, 7, 16))
    np.testing.assert_allclose(similarity(updates), slow_cosines(updates), atol=1e-5)


def test_an_untrained_update_is_like_no_other() -> None:
    updates, _ = task_updates(1, 3, (4,))
    for _, b in updates[0].factors.values():
        b[:] = 0
    found = similarity(updates)
    assert np.all(found[0, 1:] == 0)
    assert found[0, 0] == 1


def test_eight_devices_of_unequal_rank_find_their_four_tasks() -> None:
    updates, truth = task_updates(4, 2, (4, 8, 12, 16))
    found = cluster(similarity(updates))
    assert found.count == 4
    assert agreement(truth, found.labels) == 1
    assert "apart" in found.reason


def test_devices_of_one_task_stay_together() -> None:
    for seed in range(4):
        updates, _ = task_updates(1, 8, (4, 8, 12, 16), seed)
        assert cluster(similarity(updates)).count == 1


def test_updates_with_nothing_in_common_are_not_forced_apart() -> None:
    random = np.random.default_rng(0)
    alone = 0
    for _ in range(20):
        noise = 0.05 * random.standard_normal((8, 8))
        alone += cluster(np.eye(8) * 0.9 + 0.1 + (noise + noise.T) / 2).count == 1
    assert alone >= 18


def test_weak_groups_are_found_when_chance_cannot_make_them() -> None:
    block = np.kron(np.eye(3), np.ones((4, 4)))
    random = np.random.default_rng(1)
    noise = 0.01 * random.standard_normal((12, 12))
    found = cluster(np.clip(0.05 + 0.1 * block + (noise + noise.T) / 2, -1, 1))
    assert found.count == 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_fixed_number_is_kept(count: int) -> None:
    updates, _ = task_updates(4, 2, (8,))
    found = cluster(similarity(updates), count)
    assert found.count == count
    assert str(count) in found.reason


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_devices_are_one_group(n: int) -> None:
    assert cluster(np.eye(n)).labels == (0,) * n


def test_many_devices_are_told_apart_by_sketches() -> None:
    updates, truth = task_updates(4, 17, (4, 8))
    exact = slow_cosines(updates)
    assert np.abs(similarity(updates) - exact).max() < 0.15
    assert agreement(truth, cluster(similarity(updates)).labels) == 1


def test_clusters_keep_their_names_when_devices_come_go_and_move() -> None:
    first = name_clusters(Clustering((0, 0, 1, 1), 2, ""), ["a", "b", "c", "d"], ClusterNames({}))
    assert first.of == {"a": "group-1", "b": "group-1", "c": "group-2", "d": "group-2"}
    # The labels are turned round, b is away, e is new, and so is a third group.
    second = name_clusters(Clustering((0, 1, 0, 2), 3, ""), ["c", "a", "e", "f"], first)
    assert second.of["c"] == second.of["e"] == "group-2"
    assert second.of["a"] == "group-1"
    assert second.of["b"] == "group-1"
    assert second.of["f"] == "group-3"


def test_a_name_is_never_given_twice() -> None:
    names = name_clusters(Clustering((0, 1), 2, ""), ["a", "b"], ClusterNames({}))
    names = name_clusters(Clustering((0, 0), 1, ""), ["a", "b"], names)
    names = name_clusters(Clustering((0, 1), 2, ""), ["a", "b"], names)
    assert set(names.of.values()) == {"group-1", "group-3"} or "group-3" in names.of.values()
    assert "group-2" not in names.of.values()


def test_a_newcomer_joins_its_task_without_training_anything_again() -> None:
    updates, truth = task_updates(4, 3, (4, 8, 16))
    experts = {
        f"group-{task}": aggregate_updates(
            [u for u, t in zip(updates[:8], truth, strict=False) if t == task], 16
        )
        for task in range(4)
    }
    for update, task in zip(updates[8:], truth[8:], strict=True):
        found = place_update(update.factors, experts)
        assert found.cluster == f"group-{task}"
        assert "cosine" in found.reason
