"""Two at a time, and the command line."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from floe import extras
from floe.cli import models as command
from floe.cli.models import main
from floe.models.catalog import Catalog, CatalogEntry
from floe.models.download import file_size
from tests.models.catalog.tiny_model import BODY, HUB_PATH, entry_from
from tests.models.file_server import FileServer, Reply
from tests.models.hub_server import publish_repository
from tests.training.tiny import write_tiny

RUN = """
import json, sys
from floe.cli import models
from floe.models import catalog
entry = catalog.CatalogEntry.model_validate_json(sys.argv[1])
models.load_catalog = lambda: catalog.Catalog(models=(entry,))
sys.exit(models.main(sys.argv[2:]))
"""


def only(monkeypatch: pytest.MonkeyPatch, *entries: CatalogEntry) -> None:
    monkeypatch.setattr(command, "load_catalog", lambda: Catalog(models=entries))


def start(entry: CatalogEntry, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, entry.model_dump_json(), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_fetch_the_file_once(server: FileServer, models: Path) -> None:
    server.replies[HUB_PATH].append(Reply(stall=True))
    arguments = ("fetch", "tiny", "--models-dir", str(models))
    runs = [start(entry_from(), *arguments), start(entry_from(), *arguments)]
    assert server.stalled.wait(30)
    server.go_on.set()
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0, err
        assert out == f"tiny: {models / 'tiny.gguf'}\n"
    assert server.spans(HUB_PATH) == ["bytes=0-"]
    assert (models / "tiny.gguf").read_bytes() == BODY


def test_ctrl_c_ends_with_one_sentence_and_keeps_what_arrived(
    server: FileServer, models: Path
) -> None:
    server.replies[HUB_PATH].append(Reply(cut=30_000, stall=True))
    run = start(entry_from(), "fetch", "tiny", "--models-dir", str(models))
    part = models / "tiny.gguf.part"
    assert server.stalled.wait(30)
    while not file_size(part):
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("Stopped. What has arrived is kept")
    assert part.read_bytes() == BODY[: file_size(part)]


def test_list_shows_what_is_here_and_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = entry_from(id="other", filename="other.gguf", memory_mb=1234)
    only(monkeypatch, entry_from(), other)
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY)
    assert main(["list", "--models-dir", str(models)]) == 0
    out = capsys.readouterr().out
    assert "tiny  (on this device)\n" in out
    assert "\nother\n" in out
    assert "memory 1,234 MB" in out
    assert "pip install" not in out


def test_list_says_what_personalising_needs_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, entry_from())
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    assert main(["list", "--models-dir", str(models)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "To personalise one of them, install more: pip install 'floe[train]'"


def test_fetch_then_verify_then_damage(
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    only(monkeypatch, entry_from())
    monkeypatch.setenv("FLOE_MODELS_DIR", str(models))
    assert main(["fetch", "tiny"]) == 0
    assert main(["verify"]) == 0
    assert "tiny: as it should be" in capsys.readouterr().out
    (models / "tiny.gguf").write_bytes(BODY[::-1])
    assert main(["verify"]) == 1
    assert "was altered" in capsys.readouterr().err


def test_verify_of_a_model_that_is_not_here_fails(
    monkeypatch: pytest.MonkeyPatch, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, entry_from())
    assert main(["verify", "--models-dir", str(models)]) == 0
    assert main(["verify", "tiny", "--models-dir", str(models)]) == 1
    assert "is not on this device yet" in capsys.readouterr().err


def test_unknown_id_on_the_command_line_fetches_nothing(
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    models: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    only(monkeypatch, entry_from())
    assert main(["fetch", "tiny", "tinny", "--models-dir", str(models)]) == 1
    assert "There is no model 'tinny'. Known are: tiny." in capsys.readouterr().err
    assert server.requests == []


def test_fetch_without_an_id_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fetch"])
    assert "at least one ID" in capsys.readouterr().err


def test_list_as_json_says_what_fits_and_what_can_be_personalised(
    monkeypatch: pytest.MonkeyPatch, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    huge = entry_from(id="huge", filename="huge.gguf", memory_mb=9_000_000, architecture="odd")
    only(monkeypatch, entry_from(), huge)
    models.mkdir()
    write_tiny(models / "own.gguf")
    (models / "page.gguf").write_bytes(b"<html>")
    assert main(["list", "--json", "--models-dir", str(models)]) == 0
    rows = json.loads(capsys.readouterr().out)["models"]
    tiny, large, own, page = rows
    assert (tiny["fit"], tiny["personalised"], tiny["here"]) == ("fits", True, False)
    assert large["fit"] == "does not fit"
    assert not large["personalised"]
    assert "kind “odd”" in large["personalised_reason"]
    assert (own["id"], own["here"], own["personalised"]) == (str(models / "own.gguf"), True, True)
    assert 150 < own["memory_mb"] < 160
    assert not page["here"]
    assert "is not a GGUF file" in page["problem"]


def test_search_and_fetch_from_the_hub(
    server: FileServer, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_repository(server, "a/b", {"x-Q4.gguf": BODY, "x-Q8.gguf": BODY + b"more"})
    assert main(["search", "x", "model", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["repositories"][0]["repo"] == "a/b"
    assert main(["search", "a/b", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [file["size"] for file in listed["files"]] == [len(BODY), len(BODY) + 4]
    assert main(["fetch", "a/b", "--models-dir", str(models)]) == 1
    assert "a/b has several files: x-Q4.gguf, x-Q8.gguf. Say which" in capsys.readouterr().err
    assert main(["fetch", "a/b:Q8", "--json", "--models-dir", str(models)]) == 0
    fetched = json.loads(capsys.readouterr().out)["fetched"]
    assert [each["id"] for each in fetched] == ["a/b/x-Q8.gguf"]
    assert (models / "x-Q8.gguf").read_bytes() == BODY + b"more"
    assert main(["fetch", "a/b/x-Q4.gguf", "--models-dir", str(models)]) == 0
    assert (models / "x-Q4.gguf").read_bytes() == BODY
