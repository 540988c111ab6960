"""What a member believes of what a group's server says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, RecordDict

import floe
from floe.bench.fuzz_group import fuzz
from floe.errors import FederationError
from floe.federation.app.array_records import to_record
from floe.federation.app.limits import LIMITS
from floe.federation.app.messages import CENTROIDS, CONFIG, EXPERT, EXPERTS
from floe.federation.app.recipe import Recipe
from floe.federation.app.round_report import ClientLine, ClusterLine, RoundReport
from floe.federation.app.validation import (
    read_closing_task,
    read_expert_task,
    read_factors,
    read_label,
    read_regions,
    read_train_task,
)
from floe.federation.group import membership
from floe.federation.group.membership import BLUR, group_settings
from floe.store import Store
from floe.training.planning.hardware import Hardware
from tests.training.tiny import write_tiny

SHAPES = {"model.layers.0.self_attn.q_proj": (6, 5)}
LINE = ClientLine("16672527873955469472", "mine", 3, "group-1", 5, 2.0, None, 1.0, 1.0, 9, 9)
REPORT = RoundReport(1, 2, 1.5, 0.5, (LINE,), (ClusterLine("group-1", ("7",), 3, 1.0),), "clear")


def task(**other: Any) -> RecordDict:
    values: dict[str, Any] = {
        "round": 1,
        "rounds": 2,
        "base": "f" * 64,
        "clip": 1e6,
        "cluster": "group-1",
    }
    values |= {"report": REPORT.to_json(), **Recipe().write()}
    return RecordDict({CONFIG: ConfigRecord(values | other)})


def arrays(rank: int = 2, size: float = 1.0) -> dict[str, Any]:
    (module, (d, k)), *_ = SHAPES.items()
    return {
        module + ".lora_A": np.full((rank, k), size, np.float32),
        module + ".lora_B": np.full((d, rank), size, np.float32),
    }


def test_an_honest_round_is_read_as_it_was_written() -> None:
    read = read_train_task(task())
    assert (read.round, read.rounds, read.cluster, read.clip) == (1, 2, "group-1", 1e6)
    assert read.recipe == Recipe()
    assert read.report == REPORT
    assert read_train_task(task(cluster="", report="")).report is None


def test_the_default_settings_of_a_host_are_within_every_members_limits() -> None:
    text = (Path(floe.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    import tomllib

    config = tomllib.loads(text)["tool"]["flwr"]["app"]["config"]
    assert read_train_task(task(**Recipe.read(config).write())).recipe == Recipe.read(config)


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report | {"more": 1},
        lambda report: {name: report[name] for name in report if name != "at"},
        lambda report: report | {"at": "now"},
        lambda report: report | {"at": float("inf")},
        lambda report: report | {"round": -1},
        lambda report: report | {"clusters": [{"label": "../x"}]},
        lambda report: report | {"clients": report["clients"] * 101},
        lambda report: report | {"positions": [[1, 2, 3]]},
        lambda report: report | {"privacy": None},
        lambda report: [report],
    ],
)
def test_a_report_is_rebuilt_field_by_field(change: Any) -> None:
    twisted = json.dumps(change(json.loads(REPORT.to_json())))
    with pytest.raises(FederationError, match="what this device does not take"):
        read_train_task(task(report=twisted))


def test_what_a_report_says_cannot_move_a_cursor() -> None:
    told = replace(REPORT, clustering="\x1b[2Jfine\n\u202e" + "x" * 9000)
    read = read_train_task(task(report=told.to_json())).report
    assert read is not None
    assert read.clustering.isprintable()
    assert len(read.clustering) <= 400


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "{}" * 200_000, "null", "\ud800"])
def test_a_report_that_is_none_is_a_sentence(text: str) -> None:
    with pytest.raises(FederationError, match="its report"):
        read_train_task(task(report=text))


def test_labels_are_names_and_nothing_else() -> None:
    for label in ("group-1", "a", "0", "a" * 32, "cooking"):
        assert read_label(label) == label
    bad = ["", "-", "a-", "A", "a b", "a/b", "..", "a.b", "a" * 33, "a\n", "a\0", "nul", "com1"]
    for wrong in [*bad, None, 1, b"a", ["a"], "gr\u00f6upe"]:
        with pytest.raises(FederationError, match="names a cluster"):
            read_label(wrong)


def test_a_message_is_of_the_records_that_it_should_have() -> None:
    content = task()
    content["more"] = to_record({})
    with pytest.raises(FederationError, match="one too many"):
        read_train_task(content)
    with pytest.raises(FederationError, match="missing"):
        read_expert_task(task())
    with pytest.raises(FederationError, match="missing"):
        read_train_task(RecordDict())
    closing = RecordDict({CONFIG: ConfigRecord({"report": ""}), CENTROIDS: to_record({})})
    for number in range(65):
        closing[f"{EXPERTS}group-{number}"] = to_record({})
    with pytest.raises(FederationError, match="65 experts, at most 64"):
        read_closing_task(closing)


def test_a_message_beyond_its_size_is_refused_before_anything_is_decoded() -> None:
    content = RecordDict(
        {
            CONFIG: ConfigRecord({"round": 1, "cluster": "group-1"}),
            EXPERT: to_record(arrays()),
            CENTROIDS: to_record({}),
        }
    )
    assert read_expert_task(content).cluster == "group-1"
    with pytest.raises(FederationError, match="at most 100 are taken"):
        read_expert_task(content, replace(LIMITS, message_bytes=100))


def test_an_expert_fits_the_model_and_leaves_it_recognisable() -> None:
    assert read_factors(to_record(arrays()), SHAPES).keys() == SHAPES.keys()
    (name, _) = arrays()
    unfit: list[dict[str, Any]] = [
        {},
        arrays() | {"more": np.ones(1, np.float32)},
        arrays() | {name: np.ones((3, 5), np.float32)},
        arrays() | {name: np.ones((2, 5), np.uint8)},
        arrays() | {name: np.full((2, 5), np.nan, np.float32)},
        arrays(rank=65),
    ]
    for wrong in unfit:
        with pytest.raises(FederationError, match=r"fit this model|more than|oversized"):
            read_factors(to_record(wrong), SHAPES)
    with pytest.raises(FederationError, match=r"beyond recognition .* 10,000"):
        read_factors(to_record(arrays(size=100.0)), SHAPES)


def test_a_place_is_that_of_a_cluster_that_came() -> None:
    place = np.ones(5, np.float32)
    assert read_regions(to_record({"group-1": place}), {"group-1"})["group-1"].radius == 1.0
    for wrong in (place[:1], -place, place * np.inf, place[None], place.astype(np.uint8)):
        with pytest.raises(FederationError, match="places a cluster"):
            read_regions(to_record({"group-1": wrong}), {"group-1"})
    with pytest.raises(FederationError, match="places a cluster"):
        read_regions(to_record({"group-2": place}), {"group-1"})


def test_made_up_messages_are_accepted_within_the_limits_or_refused_with_a_sentence() -> None:
    assert fuzz(3000, seed=15) == 3000


def test_what_the_page_offers_is_what_joining_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(floe.__file__).parent / "ui" / "federate" / "federate.js").read_text(
        encoding="utf-8"
    )
    assert [name for name in BLUR if f'["{name}", "{name.capitalize()}"]' in page] == list(BLUR)

    class Plan:
        rank, reason, precision = 4, "it is tiny", "float32"

    monkeypatch.setattr(
        membership, "load_or_measure_hardware", lambda store: Hardware(1, 1.0, 1.0, 1.0, 0.0)
    )
    monkeypatch.setattr(membership, "choose_plan", lambda *_: Plan)
    base = write_tiny(tmp_path / "tiny.gguf")
    store = Store(tmp_path / "floe.db")
    for level, blur in BLUR.items():
        settings = group_settings(
            store,
            tmp_path,
            base,
            address="here:1",
            certificate=tmp_path / "ca.crt",
            level=level,
        )
        assert (settings.blur, settings.rank, settings.address) == (blur, 4, "here:1")


def test_the_page_names_every_limit_in_one_sentence() -> None:
    told = replace(LIMITS, epochs=(1, 7), learning_rate=0.03, seconds=660, rounds_a_day=9).sentence
    for part in ("11 minutes", "7 epochs", "0.03", "1,024 tokens", "256 MB", "9 rounds a day"):
        assert part in told
