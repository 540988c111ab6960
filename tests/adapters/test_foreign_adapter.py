"""An adapter that peft made says in llama.cpp what it says in peft, or is refused in words."""

import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from floe.adapters.adapter_import import ImportedAdapter, import_adapter
from floe.adapters.architecture import read_architecture
from floe.adapters.foreign_adapter import plain_model_name, read_foreign_adapter
from floe.adapters.merged_model import write_merged_model
from floe.adapters.registry import Adapters
from floe.errors import ModelError, TrainingError
from floe.llama.runtime import LlamaModel
from floe.store import Store
from tests.adapters.test_export import mean_kl
from tests.llama.gguf_edits import Edited, F
from tests.training.tiny import write_tiny
from tests.training.tiny_families import write_family
from tests.training.torch_side import from_gguf, lora

TOKENS = list(b"the harbour is calm today")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "data").mkdir()
    with Store(tmp_path / "data" / "floe.db") as opened:
        yield opened


def bring_in(store: Store, base: Path, path: Path) -> ImportedAdapter:
    return import_adapter(store, Adapters(store, store.path.parent), base, path)


def made_by_peft(
    base: Path, folder: Path, dtype: torch.dtype = torch.float32, **settings: Any
) -> np.ndarray:
    """Let peft save a random adapter; the logits with it."""
    torch.manual_seed(5)
    settings = {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "down_proj"]} | settings
    model = lora(from_gguf(base), **settings)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "lora_B" in name:
                values.normal_(0, 0.4)
            if "lora_" in name:
                values.copy_(values.to(dtype))
        found: np.ndarray = model(input_ids=torch.tensor([TOKENS])).logits[0].numpy()
    with warnings.catch_warnings():
        # peft would like to ask the hub for the base's vocabulary.
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    if dtype != torch.float32:
        file = folder / "adapter_model.safetensors"
        save_file({k: v.to(dtype) for k, v in load_file(file).items()}, file)
    return found


def in_llama(base: Path, adapter: Path | None = None) -> np.ndarray:
    with LlamaModel(base, context=64) as model:
        if adapter is not None:
            model.use_adapters([(model.load_adapter(adapter), 1.0)])
        return model.evaluate(TOKENS, len(TOKENS)).copy()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True, "r": 8, "dtype": torch.bfloat16},
        {"rank_pattern": {"down_proj": 2}, "alpha_pattern": {"layers.1.self_attn.q_proj": 12}},
        {"layers_to_transform": [1, 3], "dtype": torch.float16},
    ],
    ids=["plain", "rslora", "patterns", "layers"],
)
def test_a_peft_folder_says_in_llama_cpp_what_it_says_in_peft(
    settings: dict[str, Any], store: Store, tmp_path: Path
) -> None:
    base = write_tiny(tmp_path / "tiny.gguf")
    wanted = made_by_peft(base, tmp_path / "theirs", **settings)
    brought = bring_in(store, base, tmp_path / "theirs")
    assert not brought.adapter.in_use
    found = in_llama(base, brought.adapter.gguf)
    assert mean_kl(wanted, in_llama(base)) > 0.05
    assert mean_kl(wanted, found) < 1e-4
    # The same as a zip, and as the GGUF of it.
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as archive:
        for file in (tmp_path / "theirs").iterdir():
            archive.write(file, f"theirs/{file.name}")
    for path in (tmp_path / "theirs.zip", brought.adapter.gguf):
        again = bring_in(store, base, path)
        assert mean_kl(found, in_llama(base, again.adapter.gguf)) < 1e-6


def test_a_merged_model_answers_as_base_and_adapter(store: Store, tmp_path: Path) -> None:
    base = write_family(tmp_path / "base.gguf", "llama", quantised=True)
    made_by_peft(base, tmp_path / "theirs", target_modules=["q_proj", "v_proj", "up_proj"])
    adapter = bring_in(store, base, tmp_path / "theirs").adapter
    wanted = in_llama(base, adapter.gguf)
    write_merged_model(tmp_path / "merged.gguf", base, adapter.gguf, 1.0, "Mine")
    effect = mean_kl(wanted, in_llama(base))
    assert mean_kl(wanted, in_llama(tmp_path / "merged.gguf")) < 0.02 * effect
    fields = [gguf.GGUFReader(str(path)).fields for path in (base, tmp_path / "merged.gguf")]
    assert str(fields[1]["general.name"].contents()).endswith("with Mine")
    for name, field in fields[0].items():
        if not name.startswith(("GGUF.", "general.name")):
            assert fields[1][name].contents() == field.contents(), name


def test_a_merged_model_keeps_fields_that_are_no_text(store: Store, tmp_path: Path) -> None:
    odd = Edited(write_tiny(tmp_path / "plain.gguf"))
    odd.set("odd.bytes", F.ARRAY, F.STRING, [b"\xff\xfe", b"b"]).set(
        "odd.none", F.ARRAY, F.STRING, []
    )
    base = odd.write(tmp_path / "base.gguf")
    made_by_peft(tmp_path / "plain.gguf", tmp_path / "theirs")
    adapter = bring_in(store, base, tmp_path / "theirs").adapter
    (tmp_path / "same.gguf").symlink_to(base)
    with pytest.raises(TrainingError, match="is the model itself"):
        write_merged_model(tmp_path / "same.gguf", base, adapter.gguf, 1.0, "Mine")
    write_merged_model(tmp_path / "merged.gguf", base, adapter.gguf, 1.0, "Mine")
    fields = gguf.GGUFReader(str(tmp_path / "merged.gguf")).fields
    kept = fields["odd.bytes"]
    assert [kept.parts[place].tobytes() for place in kept.data] == [b"\xff\xfe", b"b"]
    assert in_llama(tmp_path / "merged.gguf").shape == in_llama(base).shape


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, r"modules_to_save: lm_head"),
        ({"target_modules": ["embed_tokens", "q_proj"]}, "embed_tokens"),
        ({"bias": "all"}, "biases"),
        ({"init_lora_weights": "olora"}, "changes its base"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused_with_the_reason(
    settings: dict[str, Any], reason: str, store: Store, tmp_path: Path
) -> None:
    base = write_tiny(tmp_path / "tiny.gguf")
    made_by_peft(base, tmp_path / "theirs", **settings)
    with pytest.raises(ModelError, match=f"theirs cannot be brought in: .*{reason}"):
        bring_in(store, base, tmp_path / "theirs")
    assert Adapters(store, store.path.parent).all() == []


def test_what_a_config_hides_the_tensors_tell(tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "tiny.gguf")
    folder = tmp_path / "theirs"
    made_by_peft(base, folder, use_dora=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_dora": False}))
    with pytest.raises(ModelError, match="DoRA"):
        read_foreign_adapter(folder, read_architecture(base))


def test_an_adapter_of_another_base_is_refused_by_its_shapes(store: Store, tmp_path: Path) -> None:
    small = write_tiny(tmp_path / "small.gguf")
    large = write_family(tmp_path / "large.gguf", "llama")
    made_by_peft(large, tmp_path / "theirs")
    with pytest.raises(ModelError, match="made for another model"):
        bring_in(store, small, tmp_path / "theirs")
    adapter = bring_in(store, large, tmp_path / "theirs").adapter
    other = write_family(tmp_path / "qwen.gguf", "qwen2")
    with pytest.raises(ModelError, match="of the kind “llama”"):
        bring_in(store, other, adapter.gguf)


def test_another_name_of_the_base_is_said(store: Store, tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "Tiny-Model-1B-Instruct-Q4_K_M.gguf")
    folder = tmp_path / "theirs"
    made_by_peft(base, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    told = []
    for name in ("someone/tiny_model-1B-instruct", "someone/Tiny-Coder-1B-Instruct", None):
        config["base_model_name_or_path"] = name
        (folder / "adapter_config.json").write_text(json.dumps(config))
        told.append(bring_in(store, base, folder).sentence)
    assert "Take care" not in told[0]
    assert "made for someone/Tiny-Coder-1B-Instruct" in told[1]
    assert "does not say which model" in told[2]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "qwen2505binstruct"),
        ("qwen2.5-0.5b-instruct-q4_k_m", "qwen2505binstruct"),
        ("unsloth/Llama-3.2-1B-Instruct-bnb-4bit", "llama321binstruct"),
        ("SmolLM2-135M-Instruct.Q4_1", "smollm2135minstruct"),
        ("/home/someone/models/gemma-3-270m/", "gemma3270m"),
    ],
)
def test_a_model_has_one_name_however_it_is_written(name: str, plain: str) -> None:
    assert plain_model_name(name) == plain


def test_hostile_folders_are_refused_in_words(tmp_path: Path) -> None:
    base = write_tiny(tmp_path / "tiny.gguf")
    architecture = read_architecture(base)
    folder = tmp_path / "theirs"
    made_by_peft(base, folder)
    good = json.loads((folder / "adapter_config.json").read_text())
    for change in (
        {"r": 0},
        {"r": "4"},
        {"lora_alpha": float("nan")},
        {"lora_alpha": 0},
        {"rank_pattern": {"(a+)+$": 3}},
        {"peft_type": "IA3"},
    ):
        (folder / "adapter_config.json").write_text(json.dumps(good | change))
        with pytest.raises(ModelError):
            read_foreign_adapter(folder, architecture)
    (folder / "adapter_config.json").write_text(json.dumps(good))
    tensors = load_file(folder / "adapter_model.safetensors")
    name = next(iter(tensors))
    save_file(tensors | {name: tensors[name] * float("nan")}, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="NaN"):
        read_foreign_adapter(folder, architecture)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelError, match="can run programs"):
        read_foreign_adapter(folder, architecture)
    with pytest.raises(ModelError, match="nothing at"):
        read_foreign_adapter(tmp_path / "nowhere", architecture)
    (tmp_path / "bad.zip").write_bytes(b"PK\3\4 no zip")
    with pytest.raises(ModelError, match="cannot be read"):
        read_foreign_adapter(tmp_path / "bad.zip", architecture)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_hostile_zips_are_refused_in_words(tmp_path: Path) -> None:
    architecture = read_architecture(write_tiny(tmp_path / "tiny.gguf"))
    made_by_peft(tmp_path / "tiny.gguf", tmp_path / "theirs")
    config = (tmp_path / "theirs" / "adapter_config.json").read_bytes()
    tensors = (tmp_path / "theirs" / "adapter_model.safetensors").read_bytes()
    names = "adapter_config.json", "adapter_model.safetensors"
    # Of one adapter and of its checkpoint, which is another one, the first is meant.
    other = json.dumps(json.loads(config) | {"lora_alpha": 99}).encode()
    nested = {f"a/{names[0]}": config, f"a/{names[1]}": tensors, f"a/b/{names[0]}": other}
    whole = zipped(tmp_path / "nested.zip", nested)
    assert read_foreign_adapter(whole, architecture).alpha == 6
    broken = bytearray(whole.read_bytes())
    place = broken.index(names[1].encode()) + len(names[1])
    broken[place : place + 200] = b"\xff" * 200  # zlib itself gives up
    (tmp_path / "broken.zip").write_bytes(broken)
    two = {f"{folder}/{name}": config for folder in "ab" for name in names}
    zeros = {names[0]: config, names[1]: bytes(2_000_000)}
    for path, reason in (
        (tmp_path / "broken.zip", "is broken"),
        (zipped(tmp_path / "two.zip", two), "several adapters"),
        (zipped(tmp_path / "bomb.zip", zeros), "is broken"),
        (zipped(tmp_path / "pickle.ZIP", {names[0]: config, "adapter_model.bin": b""}), "programs"),
        (zipped(tmp_path / "none.zip", {"README.md": b""}), "has no adapter_config"),
    ):
        with pytest.raises(ModelError, match=reason):
            read_foreign_adapter(path, architecture)


def test_a_link_to_what_never_ends_is_not_read(tmp_path: Path) -> None:
    architecture = read_architecture(write_tiny(tmp_path / "tiny.gguf"))
    made_by_peft(tmp_path / "tiny.gguf", tmp_path / "theirs")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / "theirs" / name).unlink()
        os.mkfifo(tmp_path / "theirs" / name)
        with pytest.raises(ModelError):
            read_foreign_adapter(tmp_path / "theirs", architecture)


def test_a_config_of_another_rank_and_words_for_a_terminal(tmp_path: Path) -> None:
    architecture = read_architecture(write_tiny(tmp_path / "tiny.gguf"))
    folder = tmp_path / "theirs"
    made_by_peft(tmp_path / "tiny.gguf", folder)
    good = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(good | {"r": 8}))
    with pytest.raises(ModelError, match="is broken"):
        read_foreign_adapter(folder, architecture)
    good |= {"base_model_name_or_path": "\x1b[2Jowner/name"}
    (folder / "adapter_config.json").write_text(json.dumps(good))
    assert read_foreign_adapter(folder, architecture).base_name == "[2Jowner/name"
    (folder / "adapter_config.json").write_text(json.dumps(good | {"peft_type": "\x1b[2J"}))
    with pytest.raises(ModelError) as refused:
        read_foreign_adapter(folder, architecture)
    assert "\x1b" not in str(refused.value)
