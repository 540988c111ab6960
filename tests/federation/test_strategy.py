"""The strategy on a grid of hand-made devices, whose updates can be worked out on paper."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from floe.bench.fuzz_group import hostile_record
from floe.errors import FederationError
from floe.federation.app.array_records import from_record, record_size, to_record
from floe.federation.app.messages import CENTROIDS, CONFIG, EXPERT, EXPERTS, METRICS, START, UPDATE
from floe.federation.app.recipe import Recipe, common_start
from floe.federation.app.round_report import RoundReport
from floe.federation.app.run_config import RunConfig
from floe.federation.app.server_app import run
from floe.federation.app.strategy import TaskExperts
from floe.federation.app.update import Update, to_arrays
from floe.federation.maths.aggregate import to_canonical_form
from floe.federation.maths.noise import Noise
from floe.federation.simulation.local_grid import LocalGrid

SHAPES = {"model.layers.0.q_proj": (24, 20), "model.layers.1.q_proj": (24, 20)}
BASE = "f" * 64
TASKS = 3
RANKS = (2, 4, 3, 2, 4, 3, 2, 4, 3)
Twist = Callable[[RecordDict], RecordDict]


class Devices:
    """A ClientApp whose device of task t sends t's own matrix and a little noise.

    `twists` change what a device (by number, from 1) sends; those of `failing` keep no expert;
    `got` is what each has received.
    """

    def __init__(
        self, twists: Mapping[int, Twist] | None = None, failing: frozenset[int] = frozenset()
    ) -> None:
        self.failing = failing
        self.app = ClientApp()
        self.twists = dict(twists or {})
        self.got: dict[int, list[RecordDict]] = {}
        self.app.train()(self._train)
        self.app.evaluate()(self._evaluate)
        self.app.query("closing")(self._close)

    def _train(self, message: Message, context: Context) -> Message:
        node = context.node_id
        self.got.setdefault(node, []).append(message.content)
        number = int(str(message.content.config_records[CONFIG]["round"]))
        update = update_of(node, int(context.node_config["rank"]), number)
        content = RecordDict(
            {
                UPDATE: to_record(to_arrays(update)),
                METRICS: MetricRecord({"loss-before": 2.0, "loss-own": 1.5}),
            }
        )
        if node in self.twists:
            content = self.twists[node](content)
        return Message(content, reply_to=message)

    def _evaluate(self, message: Message, context: Context) -> Message:
        if context.node_id in self.failing:
            raise FederationError("the expert cannot be kept")
        self.got.setdefault(context.node_id, []).append(message.content)
        loss = 1.0 + context.node_id / 100
        return Message(RecordDict({METRICS: MetricRecord({"loss": loss})}), reply_to=message)

    def _close(self, message: Message, context: Context) -> Message:
        self.got.setdefault(context.node_id, []).append(message.content)
        return Message(RecordDict(), reply_to=message)


def update_of(node: int, rank: int, number: int) -> Update:
    random = np.random.default_rng([node, number])
    factors = {}
    for place, (module, (d, k)) in enumerate(SHAPES.items()):
        task = np.random.default_rng([99, (node - 1) % TASKS, place])
        # The same directions in every device of a task, the strongest first.
        a, b = task.standard_normal((4, k)), task.standard_normal((d, 4)) * [8, 4, 2, 1]
        near = b[:, :rank] @ a[:rank] + 0.05 * random.standard_normal((d, k))
        u, s, vt = np.linalg.svd(near)
        factors[module] = (
            vt[:rank].astype(np.float32),
            (u[:, :rank] * s[:rank]).astype(np.float32),
        )
    return Update(
        update_id=f"{node}-{number}",
        client_id=str(node),
        round=number,
        base_sha256=BASE,
        rank=rank,
        alpha=float(rank),
        examples=10,
        factors=factors,
        centroid=np.full(5, node, np.float32),
        radius=1.0,
    )


def run_config(**other: Any) -> RunConfig:
    values: dict[str, Any] = {
        "recipe": Recipe(),
        "shapes": SHAPES,
        "base_sha256": BASE,
        "rounds": 2,
        "devices": len(RANKS),
        "patience": 0.1,
        "max_rank": 4,
        "embedding": 5,
    }
    return RunConfig(**values | other)


def played(devices: Devices, ranks: tuple[int, ...] = RANKS, **other: Any) -> TaskExperts:
    strategy = TaskExperts(run_config(**other))
    run(LocalGrid(devices.app, [{"rank": rank} for rank in ranks]), strategy, 1.0)
    return strategy


def sending(**other: Any) -> Twist:
    """Device 4 with an update that differs in these fields."""

    def twist(content: RecordDict) -> RecordDict:
        content[UPDATE] = to_record(to_arrays(replace(update_of(4, 2, 1), **other)))
        return content

    return twist


def changed(change: Callable[[dict[str, Any]], None]) -> Twist:
    """A device that changes its arrays before they leave."""

    def twist(content: RecordDict) -> RecordDict:
        record = content.array_records[UPDATE]
        arrays = {name: array.numpy().copy() for name, array in record.items()}
        change(arrays)
        content[UPDATE] = to_record(arrays)
        return content

    return twist


def test_devices_of_unequal_rank_find_their_tasks() -> None:
    report = played(Devices()).reports[-1]
    found = {line.client: line.cluster for line in report.clients}
    tasks = {str(node): (node - 1) % TASKS for node in range(1, 10)}
    assert len({(tasks[client], cluster) for client, cluster in found.items()}) == TASKS
    assert len(set(found.values())) == TASKS
    assert not any(line.dropped for line in report.clients)


def test_clusters_keep_their_names_from_round_to_round() -> None:
    first, second = played(Devices()).reports
    assert [c.clients for c in first.clusters] == [c.clients for c in second.clusters]
    assert [c.label for c in first.clusters] == [c.label for c in second.clusters]


def test_each_device_gets_its_expert_at_its_own_rank() -> None:
    devices = Devices()
    strategy = played(devices)
    for node, rank in enumerate(RANKS, 1):
        own = devices.got[node][1].array_records[EXPERT]
        for module, (d, k) in SHAPES.items():
            a, b = own[module + ".lora_A"].numpy(), own[module + ".lora_B"].numpy()
            assert a.shape == (rank, k)
            assert b.shape == (d, rank)
            full_a, full_b = strategy.experts[strategy.names.of[str(node)]].factors[module]
            u, s, vt = np.linalg.svd(full_b.astype(np.float64) @ full_a)
            best = (u[:, :rank] * s[:rank]) @ vt[:rank]
            np.testing.assert_allclose(b @ a, best, atol=1e-3 * s[0])


def test_an_expert_that_a_device_holds_is_not_sent_again() -> None:
    devices = Devices()
    played(devices)
    second_task = devices.got[1][2]
    assert START not in second_task
    assert second_task.config_records[CONFIG]["cluster"] != ""


def test_a_device_that_missed_its_expert_is_sent_it() -> None:
    devices = Devices(failing=frozenset({1}))
    played(devices)
    starts = {node: any(START in content for content in devices.got[node]) for node in (1, 2)}
    assert starts == {1: True, 2: False}


def test_all_experts_reach_every_device_after_the_last_round() -> None:
    devices = Devices()
    strategy = played(devices)
    last = devices.got[5][-1]
    labels = {n.removeprefix(EXPERTS) for n in last.array_records if n.startswith(EXPERTS)}
    assert labels == set(strategy.experts)
    assert set(last.array_records[CENTROIDS]) == labels


def test_centroids_are_means_of_their_members() -> None:
    strategy = played(Devices())
    expert = strategy.experts[strategy.names.of["2"]]
    assert expert.region is not None
    np.testing.assert_allclose(expert.region.centroid, np.full(5, (2 + 5 + 8) / 3), rtol=1e-6)


def test_a_member_sees_the_clusters_and_its_own_line_alone() -> None:
    devices = Devices()
    played(devices)
    text = str(devices.got[3][-1].config_records[CONFIG]["report"])
    seen = RoundReport.from_json(text)
    assert [line.client for line in seen.clients] == ["3"]
    assert len(seen.clusters) == TASKS
    assert seen.clients[0].loss_expert == pytest.approx(1.03)


def test_report_counts_the_bytes_that_travelled() -> None:
    devices = Devices()
    report = played(devices).reports[-1]
    line = report.clients[4]
    arrays = devices.got[5]
    sent = sum(record_size(r) for c in arrays[2:4] for r in c.array_records.values())
    assert line.bytes_out == sent
    assert line.bytes_in == record_size(to_record(to_arrays(update_of(5, RANKS[4], 2))))
    assert RoundReport.from_json(report.to_json()) == report


def _claims_much(content: RecordDict) -> RecordDict:
    """The header of an array of eight terabytes, and no values after it."""
    record = content.array_records[UPDATE]
    name = next(name for name in record if name.endswith("lora_A"))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header = header.ljust(117) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    record[name] = Array(dtype="float64", shape=(10**6, 10**6), stype="numpy.ndarray", data=data)
    return content


def _oversized(content: RecordDict) -> RecordDict:
    data = bytes(3_000_000)
    array = Array(dtype="float32", shape=(750_000,), stype="numpy.ndarray", data=data)
    content[UPDATE] = ArrayRecord({"model.layers.0.q_proj.lora_A": array})
    return content


def _nothing(content: RecordDict) -> RecordDict:
    del content[UPDATE]
    return content


def _fill(value: float) -> Callable[[dict[str, Any]], None]:
    def change(arrays: dict[str, Any]) -> None:
        arrays["model.layers.0.q_proj.lora_B"][0, 0] = value

    return change


def _scale(factor: float) -> Callable[[dict[str, Any]], None]:
    def change(arrays: dict[str, Any]) -> None:
        for module in SHAPES:
            arrays[module + ".lora_B"] *= factor

    return change


def _rename(arrays: dict[str, Any]) -> None:
    for half in (".lora_A", ".lora_B"):
        arrays["model.layers.9.q_proj" + half] = arrays.pop("model.layers.0.q_proj" + half)


def headed(**other: Any) -> Twist:
    """A device whose header says something else."""

    def change(arrays: dict[str, Any]) -> None:
        header = json.loads(arrays["header"].tobytes()) | other
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)

    return changed(change)


def _bottomless(arrays: dict[str, Any]) -> None:
    arrays["header"] = np.frombuffer(b"[" * 4000, np.uint8)


HOSTILE: dict[str, tuple[Twist, str]] = {
    "not a number": (changed(_fill(np.nan)), "not finite"),
    "infinite": (changed(_fill(np.inf)), "not finite"),
    "100x norm": (changed(_scale(100)), "times as large"),
    "sign flip": (changed(_scale(-1)), "pulls against"),
    "wrong rank": (sending(rank=3), "rank"),
    "wrong keys": (changed(_rename), "modules"),
    "other base": (sending(base_sha256="0" * 64), "another base model"),
    "old round": (sending(round=7), "round"),
    "another's name": (sending(client_id="5", update_id="x"), "another"),
    "copied content": (sending(factors=update_of(1, 2, 1).factors), "another name"),
    "oversized": (_oversized, "oversized"),
    "false header": (_claims_much, "not what it says"),
    "nothing": (_nothing, "no update"),
    "endless scale": (headed(alpha=10**400), "no proper alpha"),
    "endless reach": (headed(radius=10**400), "no proper radius"),
    "nested header": (headed(update_id=[]), "no proper update_id"),
    "bottomless header": (changed(_bottomless), "no readable header"),
    "long centroid": (sending(centroid=np.ones(6, np.float32)), "6 numbers, not 5"),
    "far centroid": (sending(centroid=np.full(5, 1e38, np.float32)), "finite numbers"),
    "wide reach": (sending(radius=1e9), "not a length"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_device_is_dropped_and_honest_ones_get_what_they_would(kind: str) -> None:
    twist, reason = HOSTILE[kind]
    strategy = played(Devices({4: twist}), rounds=1)
    lines = {line.client: line for line in strategy.reports[0].clients}
    assert reason in lines["4"].dropped
    assert [client for client, line in lines.items() if line.dropped] == ["4"]
    without = played(Devices({4: _nothing}), rounds=1)
    for client in ("1", "2", "3"):
        one = strategy.experts[strategy.names.of[client]].factors
        other = without.experts[without.names.of[client]].factors
        for module in SHAPES:
            np.testing.assert_allclose(
                one[module][1] @ one[module][0], other[module][1] @ other[module][0], atol=1e-4
            )


def test_whatever_one_device_sends_the_others_get_what_they_would() -> None:
    """What comes of it is worked out without that device; three devices of each task are there."""
    without = played(Devices({4: _nothing}), rounds=1)
    dropped = 0
    for seed in range(120):
        rng = random.Random(seed)

        def twist(content: RecordDict, rng: random.Random = rng) -> RecordDict:
            record = content.array_records[UPDATE]
            arrays = {name: array.numpy().copy() for name, array in record.items()}
            content[UPDATE] = hostile_record(rng, arrays)
            return content

        strategy = played(Devices({4: twist}), rounds=1)
        lines = {line.client: line for line in strategy.reports[0].clients}
        assert not any(line.dropped for client, line in lines.items() if client != "4")
        if not lines["4"].dropped:
            continue
        dropped += 1
        assert lines["4"].dropped.isprintable()
        for client in ("1", "2", "3"):
            one = strategy.experts[strategy.names.of[client]]
            other = without.experts[without.names.of[client]]
            for module in SHAPES:
                (a, b), (other_a, other_b) = one.factors[module], other.factors[module]
                np.testing.assert_allclose(b @ a, other_b @ other_a, atol=1e-4)
    assert dropped > 40


def test_a_device_cannot_write_on_the_hosts_terminal() -> None:
    def fail(content: RecordDict) -> RecordDict:
        raise FederationError("\x1b]0;owned\x07 no\nRound 9 of 9: all is well " + "x" * 9000)

    def rename(content: RecordDict) -> RecordDict:
        content["device"] = ConfigRecord({"name": "\x1b[2J\u202eeve"})
        return content

    report = played(Devices({2: fail, 3: rename}), rounds=1).reports[-1]
    assert report.sentence.isprintable()
    assert len(report.clients[1].dropped) < 400
    assert report.clients[2].name == "[2Jeve"


def test_centroids_of_two_sizes_do_not_end_the_round() -> None:
    def long(content: RecordDict) -> RecordDict:
        update = replace(update_of(4, 2, 1), centroid=np.ones(6, np.float32))
        content[UPDATE] = to_record(to_arrays(update))
        return content

    strategy = played(Devices({4: long}), rounds=1, embedding=0)
    region = strategy.experts[strategy.names.of["1"]].region
    assert region is not None
    assert len(region.centroid) == 5


def test_a_replayed_update_is_dropped() -> None:
    replayed = to_record(to_arrays(update_of(4, 2, 1)))

    def twist(content: RecordDict) -> RecordDict:
        content[UPDATE] = replayed
        return content

    first, second = played(Devices({4: twist})).reports
    assert not first.clients[3].dropped
    assert second.clients[3].dropped


def test_an_oversized_message_is_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(array: Array) -> None:
        pytest.fail(f"{len(array.data)} bytes were decoded")

    content = _oversized(RecordDict({UPDATE: ArrayRecord()}))
    monkeypatch.setattr(Array, "numpy", decode)
    with pytest.raises(FederationError, match="oversized"):
        from_record(content.array_records[UPDATE], 1_000_000, 6)


def test_a_device_that_fails_leaves_the_round_to_the_others() -> None:
    def fail(content: RecordDict) -> RecordDict:
        raise FederationError("there are too few answers")

    report = played(Devices({2: fail})).reports[-1]
    assert "too few answers" in report.clients[1].dropped
    assert len(report.clusters) == TASKS


def test_a_device_that_answers_nothing_in_time_is_left_out() -> None:
    devices = Devices()
    strategy = TaskExperts(run_config(rounds=1))

    class Deaf(LocalGrid):
        def push_messages(self, messages: Any) -> list[str]:
            return super().push_messages(m for m in messages if m.metadata.dst_node_id != 6)

    run(Deaf(devices.app, [{"rank": rank} for rank in RANKS]), strategy, 1.0)
    report = strategy.reports[0]
    assert report.clients[5].dropped == "no answer in time"
    assert "no answer in time" in report.sentence
    assert len(report.clusters) == TASKS


def test_a_foreign_device_may_send_its_factors_in_any_form() -> None:
    """Only the product counts; Floe's own devices send it as singular vectors in order."""
    mix = np.random.default_rng(8).standard_normal((2, 2)) + 2 * np.eye(2)

    def turn(arrays: dict[str, Any]) -> None:
        for module in SHAPES:
            a, b = arrays[module + ".lora_A"], arrays[module + ".lora_B"]
            arrays[module + ".lora_A"] = (mix @ a).astype(np.float32)
            arrays[module + ".lora_B"] = (b @ np.linalg.inv(mix)).astype(np.float32)

    ordered, mixed = played(Devices()), played(Devices({4: changed(turn)}))
    assert not any(line.dropped for line in mixed.reports[-1].clients)
    for label, expert in ordered.experts.items():
        for module, (a, b) in expert.factors.items():
            other_a, other_b = mixed.experts[label].factors[module]
            right = b @ a
            np.testing.assert_allclose(other_b @ other_a, right, atol=1e-5 * np.abs(right).max())


def test_few_devices_keep_the_clusters_of_before() -> None:
    devices = Devices()
    strategy = TaskExperts(run_config(rounds=1))
    run(LocalGrid(devices.app, [{"rank": rank} for rank in RANKS]), strategy, 1.0)
    before = dict(strategy.names.of)
    updates = {node: update_of(node, 2, 9) for node in (1, 2)}
    assert strategy._assign_clusters(updates) == {1: before["1"], 2: before["2"]}


def test_a_newcomer_among_few_is_placed_by_what_it_learnt() -> None:
    devices = Devices()
    strategy = TaskExperts(run_config(rounds=1))
    run(LocalGrid(devices.app, [{"rank": rank} for rank in RANKS]), strategy, 1.0)
    newcomer = 10  # of the first task, as devices 1, 4 and 7
    placed = strategy._assign_clusters({newcomer: update_of(newcomer, 2, 9)})
    assert placed == {newcomer: strategy.names.of["1"]}


def test_too_few_devices_end_the_run_with_a_sentence() -> None:
    strategy = TaskExperts(run_config(devices=20))
    with pytest.raises(FederationError, match="9 of 20"):
        run(LocalGrid(Devices().app, [{"rank": 2}] * 9), strategy, 1.0)


def test_noise_is_added_and_its_promise_reported() -> None:
    noise = Noise(multiplier=1.0, clip=1.0, delta=1e-5)
    quiet, loud = played(Devices(), rounds=1), played(Devices(), rounds=1, noise=noise)
    report = loud.reports[0]
    assert report.epsilon is not None
    assert report.epsilon > 0
    assert report.delta == 1e-5
    assert "handful" in report.privacy
    assert quiet.reports[0].epsilon is None
    assert "No noise" in quiet.reports[0].privacy


def test_all_devices_begin_in_one_subspace_whatever_their_rank() -> None:
    small, large = common_start(SHAPES, 2), common_start(SHAPES, 4)
    for module in SHAPES:
        np.testing.assert_array_equal(small[module][0], large[module][0][:2])
        assert not large[module][1].any()


def test_a_recipe_survives_the_way_through_a_message() -> None:
    recipe = Recipe(modules=("q_proj", "up_proj"), layers=3, learning_rate=0.5)
    assert Recipe.read(ConfigRecord(recipe.write())) == recipe
    assert json.dumps(recipe.write())


def test_experts_are_ordered_so_that_a_cut_is_the_best_of_its_rank() -> None:
    factors = update_of(1, 4, 1).factors
    for module, (a, b) in to_canonical_form(factors).items():
        np.testing.assert_allclose(b @ a, factors[module][1] @ factors[module][0], atol=1e-3)
