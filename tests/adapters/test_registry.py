"""What was learnt is kept with its base, put to use only there, and wholly gone when deleted."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from floe.adapters.registry import Adapters, NewAdapter, model_sha256, plan_of
from floe.errors import TrainingError
from floe.llama.runtime import LlamaModel
from floe.models.model_origin import ModelOrigin
from floe.records import TrainPlan
from floe.store import Store

BASE = "b" * 64
PLAN = TrainPlan(
    8, 16.0, ("q_proj", "v_proj"), 15, 512, 256, False, "bfloat16", 3, 1e-3, 2, 5000, 40.0, 1400.0,
    "because",
)  # fmt: skip


@pytest.fixture
def adapters(store: Store, tmp_path: Path) -> Adapters:
    return Adapters(store, tmp_path)


def trained(folder: Path, layers: int = 1) -> Path:
    """What a trainer leaves: a peft folder and a GGUF that llama.cpp loads onto SmolLM2."""
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_config.json").write_text('{"r": 4}')
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"factors")
    writer = GGUFWriter(folder / "adapter.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    noise = np.random.default_rng(0).standard_normal
    for i in range(layers):
        name = f"blk.{i}.attn_output.weight"
        writer.add_tensor(f"{name}.lora_a", noise((4, 576)).astype(np.float32))
        writer.add_tensor(f"{name}.lora_b", noise((576, 4)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


@pytest.fixture
def new(tmp_path: Path) -> NewAdapter:
    return NewAdapter(
        "Mine",
        "personal",
        trained(tmp_path / "runs" / "1"),
        BASE,
        8,
        plan=PLAN,
        data_sha256="d" * 64,
        metrics={"held_out_after": 2.5},
    )


def test_an_adapter_is_kept_with_all_that_is_known_of_it(
    adapters: Adapters, new: NewAdapter, store: Store, tmp_path: Path
) -> None:
    kept = adapters.add(new)
    shutil.rmtree(new.source)
    (found,) = Adapters(store, tmp_path).all()
    assert found == kept
    assert (found.name, found.kind, found.base_sha256, found.rank) == ("Mine", "personal", BASE, 8)
    assert (found.plan, found.data_sha256, found.metrics) == (
        PLAN,
        "d" * 64,
        {"held_out_after": 2.5},
    )
    assert (found.scale, found.in_use) == (1.0, False)
    assert found.size == found.gguf.stat().st_size + len(b"factors") + len('{"r": 4}')


def test_an_adapter_never_goes_onto_another_base(adapters: Adapters, new: NewAdapter) -> None:
    kept = adapters.add(new)
    with pytest.raises(TrainingError, match="another base model"):
        adapters.set_in_use(kept.id, True, "c" * 64)
    assert adapters.in_use(BASE) == []
    adapters.set_in_use(kept.id, True, BASE)
    assert [a.id for a in adapters.in_use(BASE)] == [kept.id]
    assert adapters.in_use("c" * 64) == []


def test_adapters_can_be_renamed_scaled_and_switched_off(
    adapters: Adapters, new: NewAdapter
) -> None:
    kept = adapters.add(new)
    adapters.rename(kept.id, "  My\nvoice ")
    adapters.set_scale(kept.id, 0.4)
    adapters.set_in_use(kept.id, True, BASE)
    adapters.set_in_use(kept.id, False, "c" * 64)  # off is always allowed
    found = adapters.get(kept.id)
    assert (found.name, found.scale, found.in_use) == ("My voice", 0.4, False)
    adapters.set_scale(kept.id, 99)
    assert adapters.get(kept.id).scale == 2.0
    with pytest.raises(TrainingError, match="needs a name"):
        adapters.rename(kept.id, " ")


def test_delete_leaves_neither_files_nor_a_row(
    adapters: Adapters, new: NewAdapter, store: Store
) -> None:
    kept = adapters.add(new)
    adapters.delete(kept.id)
    assert adapters.all() == []
    assert not kept.folder.exists()
    with pytest.raises(TrainingError, match="no such adapter"):
        adapters.set_scale(kept.id, 1)


def test_a_deletion_that_broke_off_after_the_files_can_be_finished(
    adapters: Adapters, new: NewAdapter
) -> None:
    kept = adapters.add(new)
    shutil.rmtree(kept.folder)
    with pytest.raises(TrainingError, match="have gone"):
        adapters.set_in_use(kept.id, True, BASE)
    adapters.delete(kept.id)
    assert adapters.all() == []


def test_what_cannot_be_copied_leaves_no_trace(
    adapters: Adapters, new: NewAdapter, tmp_path: Path
) -> None:
    (new.source / "adapter.gguf").unlink()
    with pytest.raises(TrainingError, match="cannot be kept"):
        adapters.add(new)
    assert adapters.all() == []
    assert not any((tmp_path / "adapters").iterdir())


def test_export_gives_what_peft_and_llama_cpp_read(
    adapters: Adapters, new: NewAdapter, tmp_path: Path
) -> None:
    kept = adapters.add(new)
    adapters.export_gguf(kept.id, tmp_path / "mine.gguf")
    adapters.export_peft(kept.id, tmp_path / "mine.zip")
    assert (tmp_path / "mine.gguf").read_bytes() == kept.gguf.read_bytes()
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert set(archive.namelist()) == {
            "adapter_config.json", "adapter_model.safetensors", "README.md",
        }  # fmt: skip
        assert json.loads(archive.read("adapter_config.json")) == {"r": 4}
    with pytest.raises(TrainingError, match="cannot be written"):
        adapters.export_gguf(kept.id, tmp_path / "nowhere" / "mine.gguf")


def test_an_export_says_what_it_was_made_from_and_under(
    adapters: Adapters, new: NewAdapter, tmp_path: Path
) -> None:
    origin = ModelOrigin("a.gguf", BASE, "A", "owner/base", "", "else/a-GGUF", "f" * 40, "MIT")
    provenance = {
        "origin": origin.to_json(), "rows": 14, "answers": 31, "rows_held_out": 5,
        "characters": 9000, "system_prompt": "Be kind.", "system_prompt_left_out": True,
        "chat_template": "{{ messages }}", "template_sha256": "t" * 64,
    }  # fmt: skip
    metrics = {"held_out_before": 2.5, "held_out_after": 2.0, "provenance": provenance}
    kept = adapters.add(replace(new, metrics=metrics))
    adapters.export_peft(kept.id, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        config = json.loads(archive.read("adapter_config.json"))
        card = archive.read("README.md").decode()
        assert archive.read("chat_template.jinja") == b"{{ messages }}"
        assert archive.read("system_prompt.txt") == b"Be kind."
    assert (config["base_model_name_or_path"], config["revision"]) == ("owner/base", None)
    for said in (
        'base_model: "owner/base"',
        "owner/base; of which revision is not known",
        f"`a.gguf` of else/a-GGUF at revision {'f' * 40}, sha256 `{BASE}`",
        "Rank 8, alpha 16, on q_proj, v_proj of the upper 15 layers",
        "14 chats with 31 answers",
        "| Answers kept aside, nats a token | 2.500 | 2.000 |",
        "d" * 64,
        "in `system_prompt.txt`; what else was said there, of the person, is left out",
    ):
        assert said in card, said


@pytest.mark.parametrize("named", [True, False])
def test_an_export_says_plainly_that_its_base_is_not_known(
    adapters: Adapters, new: NewAdapter, tmp_path: Path, named: bool
) -> None:
    provenance = {
        "origin": ModelOrigin("a.gguf", BASE, "A").to_json(), "rows": 1, "answers": 1,
        "rows_held_out": 0, "characters": 9, "system_prompt": "", "chat_template": "",
    }  # fmt: skip
    kept = adapters.add(replace(new, metrics={"provenance": provenance} if named else {}))
    adapters.export_peft(kept.id, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        card = archive.read("README.md").decode()
        config = json.loads(archive.read("adapter_config.json"))
    assert "from which repository its weights come, and of which revision" in card
    assert "base_model:" not in card
    assert f"`{BASE}`" in card
    assert not config.get("base_model_name_or_path")


def test_a_new_personal_adapter_takes_the_place_of_the_old_but_not_of_experts(
    adapters: Adapters, new: NewAdapter, store: Store
) -> None:
    old = adapters.add(new)
    expert = adapters.add(replace(new, kind="expert"))
    other = adapters.add(replace(new, base_sha256="c" * 64))
    for adapter in (old, expert, other):
        adapters.set_in_use(adapter.id, True, adapter.base_sha256)
    with store.writing() as db:
        newest = adapters.add_within(db, new)
        adapters.use_only(db, newest.id)
    assert {a.id for a in adapters.all() if a.in_use} == {newest.id, expert.id, other.id}


def test_a_kept_adapter_works_in_the_model(
    adapters: Adapters, new: NewAdapter, smollm: LlamaModel
) -> None:
    kept = adapters.add(new)
    loaded = smollm.load_adapter(kept.gguf)
    try:
        smollm.use_adapters([])
        before = smollm.evaluate([1, 2, 3]).copy()
        smollm.use_adapters([(loaded, 1.0)])
        assert np.abs(smollm.evaluate([1, 2, 3]) - before).max() > 0.1
        smollm.use_adapters([])
        assert np.array_equal(smollm.evaluate([1, 2, 3]), before)
    finally:
        smollm.use_adapters([])


def test_the_hash_of_a_model_follows_its_bytes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF one")
    first = model_sha256(store, path)
    assert model_sha256(store, path) == first
    path.write_bytes(b"GGUF other")
    assert model_sha256(store, path) != first


def test_a_plan_survives_the_database(store: Store) -> None:
    assert plan_of(json.dumps({**{f: getattr(PLAN, f) for f in PLAN.__slots__}})) == PLAN
