"""A model that nobody vouches for is loaded first where nothing is lost."""

import sys
from pathlib import Path

import pytest

from floe.errors import ModelError
from floe.llama import trial_load
from floe.llama.gguf_checks import check_model
from floe.llama.trial_load import NOTES, try_loading
from tests.llama.gguf_edits import Edited, F
from tests.training.tiny import write_tiny

UNCHECKED = (
    "import sys, floe.llama.runtime as r; r.check_model = lambda path: None; "
    "from floe.edge import trial_load as t; sys.exit(t.main())"
)


def test_a_good_model_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny(tmp_path / "good.gguf")
    try_loading(path, tmp_path)
    assert (tmp_path / NOTES).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(trial_load, "_PROGRAM", (sys.executable, "-c", "import sys; sys.exit(9)"))
    try_loading(path, tmp_path)
    Edited(path).set("general.name", F.STRING, "other").write(path)
    with pytest.raises(ModelError, match="broke down over good"):
        try_loading(path, tmp_path)


def test_what_ends_llama_cpp_ends_only_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = write_tiny(tmp_path / "good.gguf")
    # As if the check before it did not know this one.
    path = Edited(good).set("llama.block_count", F.UINT32, 0).write(tmp_path / "bad.gguf")
    header = check_model(good)
    monkeypatch.setattr(trial_load, "check_model", lambda path: header)
    monkeypatch.setattr(trial_load, "_PROGRAM", (sys.executable, "-c", UNCHECKED))
    with pytest.raises(ModelError, match=r"llama\.cpp broke down over bad\.gguf when it was tried"):
        try_loading(path, tmp_path)
    assert not (tmp_path / NOTES).exists()


def test_what_cannot_be_loaded_is_told_in_its_own_words(tmp_path: Path) -> None:
    model = Edited(write_tiny(tmp_path / "good.gguf"))
    model.tensors.remove(model.tensor("blk.0.ffn_up.weight"))
    with pytest.raises(ModelError, match=r"^llama\.cpp cannot load .*bad\.gguf"):
        try_loading(model.write(tmp_path / "bad.gguf"), tmp_path)


def test_the_trial_gets_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOE_CLOUD_KEY", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    show = "import os, sys; print(sorted(os.environ)); sys.exit(3)"
    monkeypatch.setattr(trial_load, "_PROGRAM", (sys.executable, "-c", show))
    with pytest.raises(ModelError) as error:
        try_loading(write_tiny(tmp_path / "good.gguf"), tmp_path)
    assert "PATH" in str(error.value)
    assert "FLOE_CLOUD_KEY" not in str(error.value)
    assert "HF_TOKEN" not in str(error.value)
