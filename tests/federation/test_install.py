"""Experts that came from a group: whole or not at all, and in place of their predecessors."""

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from floe.adapters.architecture import read_architecture
from floe.adapters.export import read_gguf, read_peft
from floe.adapters.registry import Adapters
from floe.adapters.router import PromptRegion, experts_in_use
from floe.bench.fuzz_group import fuzz_label
from floe.errors import FederationError
from floe.federation.app.recipe import Recipe, common_start, module_shapes
from floe.federation.app.validation import file_within
from floe.federation.group.history import History
from floe.federation.group.install import ReceivedExpert, install_experts
from floe.store import Store
from tests.training.tiny import write_tiny

BASE = "b" * 64


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = write_tiny(folder / "tiny.gguf")
        self.store = Store(folder / "floe.db")
        self.adapters = Adapters(self.store, folder)
        self.group = History(self.store).begin("joined", {}, "")

    def expert(self, cluster: str, rank: int, **other: Any) -> ReceivedExpert:
        shapes = module_shapes(read_architecture(self.base), Recipe(layers=2))
        generator = np.random.default_rng(rank)
        factors = {
            module: (a, generator.standard_normal(b.shape).astype(np.float32))
            for module, (a, b) in common_start(shapes, rank).items()
        }
        place = PromptRegion(np.full(4, rank, np.float32), 0.5)
        values: dict[str, Any] = {"cluster": cluster, "factors": factors, "region": place}
        return ReceivedExpert(**values | other)

    def install(self, *experts: ReceivedExpert) -> list[int]:
        return install_experts(self.folder, self.group, self.base, BASE, experts)

    def files(self) -> set[str]:
        return {path.name for path in (self.folder / "adapters").iterdir()}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_an_expert_can_be_loaded_as_it_came(home: Home) -> None:
    sent = home.expert("group-1", 3, samples=["How?"])
    (number,) = home.install(sent)
    kept = home.adapters.get(number)
    architecture = read_architecture(home.base)
    for factors, alpha in (read_gguf(kept.gguf, architecture), read_peft(kept.peft)):
        for module, (a, b) in sent.factors.items():
            got_a, got_b = factors[module]
            np.testing.assert_allclose(alpha / 3 * got_b @ got_a, b @ a, atol=1e-5)
    (found,) = experts_in_use(home.store, BASE)
    assert (found.adapter_id, found.samples) == (number, ("How?",))
    np.testing.assert_array_equal(found.region.centroid, np.full(4, 3))


def test_a_new_round_replaces_the_expert_and_keeps_what_the_person_set(home: Home) -> None:
    (old,) = home.install(home.expert("group-1", 3, samples=["How?"]))
    home.adapters.set_scale(old, 0.5)
    home.adapters.set_in_use(old, False, BASE)
    (new,) = home.install(home.expert("group-1", 4))
    (kept,) = home.adapters.all("expert")
    assert (kept.id, kept.rank, kept.scale, kept.in_use) == (new, 4, 0.5, False)
    assert home.files() == {str(new)}
    with home.store.reading() as db:
        assert db.execute("SELECT samples FROM experts").fetchall() == [('["How?"]',)]


def test_a_failure_in_the_middle_leaves_the_experts_of_before(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home.install(home.expert("group-1", 3), home.expert("group-2", 2))
    real, calls = Adapters.add_within, []

    def fail_at_the_second(self: Adapters, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(Adapters, "add_within", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        home.install(home.expert("group-1", 4), home.expert("group-2", 4))
    monkeypatch.undo()
    assert sorted(adapter.id for adapter in home.adapters.all()) == sorted(before)
    assert all(adapter.gguf.is_file() for adapter in home.adapters.all())
    assert len(experts_in_use(home.store, BASE)) == 2
    home.install(home.expert("group-1", 4), home.expert("group-2", 4))
    assert {adapter.rank for adapter in home.adapters.all()} == {4}
    assert home.files() == {str(adapter.id) for adapter in home.adapters.all()}


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_no_label_leads_out_of_the_data_folder(tmp_path: Path) -> None:
    """10,000 labels for the writer, those that name the folder's neighbours among them."""
    neighbour = tmp_path / "neighbour"
    neighbour.mkdir()
    (neighbour / "adapter.gguf").write_text("not to be overwritten")
    inside = tmp_path / "data"
    inside.mkdir()
    home = Home(inside)
    outside = {path for path in everything_below(tmp_path) if not path.is_relative_to(inside)}
    honest = home.expert("group-1", 1)
    rng = random.Random(15)
    hand_made = [str(neighbour), "../neighbour", "../../neighbour", f"{inside}/../neighbour", "."]
    refused = 0
    taken: set[str] = set()
    for label in [*hand_made, *(fuzz_label(rng) for _ in range(10_000))]:
        try:
            path = file_within(inside / "flower", label)
            assert path.parent == inside / "flower"
            # Twelve in a hundred are as labels may be, and cost a database write each.
            if len(taken) > 60:
                continue
        except FederationError:
            refused += 1
        # Whether or not the gate lets it through: this is what writes.
        with suppress(FederationError):
            home.install(replace(honest, cluster=label))
            taken.add(label)
    assert refused > 8_000
    assert len(taken) > 20
    for path in everything_below(tmp_path):
        assert path in outside or path.resolve().is_relative_to(inside), path
    assert {path.name for path in inside.iterdir() if path.is_dir()} == {"adapters", "flower"}
    assert list((inside / "flower").iterdir()) == []
    assert len(home.files()) == len(taken)
    assert (neighbour / "adapter.gguf").read_text() == "not to be overwritten"


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "group-1").symlink_to(elsewhere)
    with pytest.raises(FederationError, match="would not lie in this device's folder"):
        file_within(folder, "group-1")
    assert file_within(folder, "group-2") == folder / "group-2"


def test_an_expert_without_a_place_is_kept_and_never_routed_to(home: Home) -> None:
    home.install(home.expert("group-1", 3, region=None))
    assert len(home.adapters.all("expert")) == 1
    assert experts_in_use(home.store, BASE) == []
