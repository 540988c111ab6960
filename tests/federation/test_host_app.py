"""The host's app as Flower takes it, from wherever Floe is installed."""

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk
from flwr.cli.config_utils import load_and_validate

from floe import resources
from floe.federation.group import host


def test_the_app_is_built_where_there_is_no_project_file_above_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As pip lays it out: the package in a folder of packages, its data inside.
    site = tmp_path / "site-packages"
    shutil.copytree(resources.PACKAGE, site / "floe", ignore=shutil.ignore_patterns("__pycache__"))
    data = site / "floe" / "resources"
    shutil.copytree(resources.TASK_CHATS, data / "data" / "tasks")
    (data / "models").mkdir()
    project = shutil.copy(resources.FLOWER_APP, data / "pyproject.toml")
    monkeypatch.setattr(host, "FLOWER_APP", project)
    monkeypatch.setattr(host, "CATALOG", shutil.copy(resources.CATALOG, data / "models"))
    monkeypatch.setattr(host, "TASK_CHATS", data / "data" / "tasks")
    monkeypatch.setattr(host, "PACKAGE", site / "floe")
    monkeypatch.setattr(host, "IMPORT_ROOT", site)

    app = host.write_app_folder(tmp_path / "app")
    load_and_validate(app / "pyproject.toml")
    bundle = zipfile.ZipFile(io.BytesIO(build_fab_from_disk(app)))
    assert {
        "pyproject.toml",
        "models/catalog.toml",
        "data/tasks/sums.jsonl",
        "floe/federation/app/server_app.py",
        "floe/federation/app/client_app.py",
        "floe/ui/page.py",
    } <= set(bundle.namelist())
    command = host.run_command(app, {"rounds": 1})
    assert command[command.index("run") + 1] == str(app)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--noise-multiplier", "-1", "--clip-norm", "1"], "noise-multiplier is -1.0"),
        (["--noise-multiplier", "nan"], "noise-multiplier is nan"),
        (["--noise-multiplier", "1"], "Noise needs a clip-norm above 0"),
        (["--rounds", "0"], "rounds is 0; it must be from 1"),
    ],
)
def test_a_run_that_means_nothing_is_refused_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], sentence: str
) -> None:
    host.prepare(tmp_path / "flower", "127.0.0.1", 1)
    assert host.main(["--data-dir", str(tmp_path), "run", *flags]) == 1
    assert sentence in capsys.readouterr().err
