"""`floe adapters` brings in what others made, lets it act, and hands it over."""

import json
import zipfile
from pathlib import Path
from typing import Any

import gguf
import pytest

from floe.adapters.architecture import read_architecture
from floe.adapters.export import write_peft
from floe.cli import main
from tests.adapters.test_export import random_factors
from tests.training.tiny import write_tiny


def test_an_adapter_comes_in_acts_and_goes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_tiny(tmp_path / "tiny.gguf")
    theirs = tmp_path / "theirs"
    write_peft(theirs, random_factors(base, range(2)), alpha=6.0, base_name="someone/other")

    def floe(action: str, *words: object) -> dict[str, Any]:
        folders = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "models")]
        flags = [*folders, "--model", str(base)]
        assert main(["adapters", *flags, action, *map(str, words), "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return found

    added = floe("add", theirs, "--name", "Theirs")
    assert (added["name"], added["in_use"], added["made_here"]) == ("Theirs", False, False)
    assert "made for someone/other" in added["sentence"]
    assert floe("use", added["id"])["in_use"]
    assert [each["in_use"] for each in floe("list")["adapters"]] == [True]
    floe("export", added["id"], tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert "brought in from elsewhere" in archive.read("README.md").decode()
    floe("export", added["id"], tmp_path / "whole.gguf", "--merged")
    assert read_architecture(tmp_path / "whole.gguf").layers == read_architecture(base).layers
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "whole.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == "Q8_0"
    assert kinds["blk.3.attn_q.weight"] == "F32"

    other = write_tiny(tmp_path / "other.gguf", seed=1)
    flags = ["--data-dir", str(tmp_path / "data"), "--model", str(other)]
    out = str(tmp_path / "never.gguf")
    assert main(["adapters", *flags, "export", str(added["id"]), out, "--merged"]) == 1
    assert "made for another base model" in capsys.readouterr().err
    assert not Path(out).exists()
