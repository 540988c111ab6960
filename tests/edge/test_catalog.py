import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_none

from floe.config import Settings
from floe.edge import catalog as module
from floe.edge import download
from floe.edge.catalog import (
    STAMPS,
    Catalog,
    Entry,
    HubSource,
    WheelPart,
    WheelSource,
    fetch,
    load_catalog,
    main,
    resolve_model,
    verify,
)
from floe.edge.download import DiskError, file_size
from floe.edge.wheels import proxy_and_cert
from floe.errors import FetchError, ModelError
from tests.edge.file_server import FileServer, Reply, serve_files

BODY = b"GGUF" + random.Random(2).randbytes(50_000)
REVISION = "0123456789abcdef" * 2 + "01234567"
HUB_PATH = f"/someone/tiny-GGUF/resolve/{REVISION}/tiny.gguf"
HUB = HubSource(kind="hub", repo="someone/tiny-GGUF", revision=REVISION, filename="tiny.gguf")
WHEELS = WheelSource(
    kind="wheel",
    parts=(
        WheelPart(requirement="tiny-part1==1.0", member="tiny_part1/part01.bin"),
        WheelPart(requirement="tiny-part2==1.0", member="tiny_part2/part02.bin"),
    ),
)
CUT = 20_000
"""Where the tiny model is cut into the chunks of its two wheels."""


def entry_from(*sources: HubSource | WheelSource, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "id": "tiny",
        "title": "Tiny",
        "role": "For tests.",
        "filename": "tiny.gguf",
        "size": len(BODY),
        "sha256": hashlib.sha256(BODY).hexdigest(),
        "licence": "MIT",
        "memory_mb": 1,
        "architecture": "llama",
        "parameters": "1",
        "sources": sources or (HUB,),
    }
    return Entry.model_validate(fields | changes)


def build_wheel(folder: Path, name: str, member: str, content: bytes) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No waiting, and nothing of this machine's configuration of pip, hubs and proxies."""
    monkeypatch.setattr(download, "PAUSE", wait_none())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "FLOE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip"))
    monkeypatch.setenv("PIP_VERBOSE", "2")  # a user's liking must not break anything
    monkeypatch.setenv("HF_TOKEN", "hf_secret-token")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A hub and a package index in one."""
    with serve_files() as server:
        server.files[HUB_PATH] = BODY
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
        yield server


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    return (
        build_wheel(folder, "tiny_part1", "tiny_part1/part01.bin", BODY[:CUT]),
        build_wheel(folder, "tiny_part2", "tiny_part2/part02.bin", BODY[CUT:]),
    )


def publish(server: FileServer, *wheels: Path, hashes: bool = True) -> None:
    """Put the wheels into the server's package index."""
    for wheel in wheels:
        content = wheel.read_bytes()
        name = wheel.name.partition("-")[0].replace("_", "-")
        mark = f"#sha256={hashlib.sha256(content).hexdigest()}" if hashes else ""
        server.files[f"/files/{wheel.name}"] = content
        server.files[f"/simple/{name}/"] = (
            f'<!DOCTYPE html><a href="/files/{wheel.name}{mark}">{wheel.name}</a>'.encode()
        )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def only(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    monkeypatch.setattr(module, "load_catalog", lambda: Catalog(models=entries))


# The catalog itself.


def test_shipped_catalog_has_the_models_that_the_settings_name() -> None:
    catalog = load_catalog()
    settings = Settings()
    small, large = catalog[settings.model], catalog[settings.stand_in_model]
    assert (small.size, small.sha256) == (
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    )
    assert (large.size, large.sha256) == (
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    )


def test_shipped_models_are_permissive_and_need_more_memory_than_their_file() -> None:
    for entry in load_catalog().models:
        assert entry.licence in {"Apache-2.0", "MIT"}
        assert entry.memory_mb * 1e6 > entry.size
        assert entry.architecture in {"llama", "qwen2"}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('colour = "red"', "colour: Extra inputs are not permitted"),
        ('sha256 = "abc"', "sha256: String should match"),
        ('filename = "../tiny.gguf"', "filename: String should match"),
        ('[[models.sources]]\nkind = "torrent"', "kind"),
        (
            f'[[models.sources]]\nkind = "hub"\nrepo = "a/b"\nrevision = "main"\nfilename = "{0}"',
            "rev",
        ),
        ("size = ", "cannot be read"),
    ],
)
def test_catalog_that_does_not_fit_is_refused_at_the_door(
    tmp_path: Path, line: str, complaint: str
) -> None:
    key = line.partition(" = ")[0]
    good = 'id = "a"\ntitle = "A"\nrole = "R"\nfilename = "a.gguf"\nsize = 1\nsha256 = "%s"\n' % (
        "0" * 64
    )
    kept = "\n".join(text for text in good.splitlines() if not text.startswith(f"{key} = "))
    path = tmp_path / "catalog.toml"
    path.write_text(
        f'[[models]]\n{kept}\nlicence = "MIT"\nmemory_mb = 1\narchitecture = "llama"\n'
        f'parameters = "1"\n{line}\n'
    )
    with pytest.raises(ModelError, match=complaint):
        load_catalog(path)


def test_missing_catalog_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        load_catalog(tmp_path / "catalog.toml")


@pytest.mark.parametrize("changes", [{"id": "other"}, {"filename": "other.gguf"}])
def test_two_models_may_not_share_an_id_or_a_file(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="two models have the same"):
        Catalog(models=(entry_from(), entry_from(**changes)))


# Finding and checking a file.


def test_id_resolves_to_its_file(monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    only(monkeypatch, entry_from())
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY)
    assert resolve_model("tiny", models) == models / "tiny.gguf"


def test_missing_model_names_the_command_that_fetches_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, entry_from())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"`python -m floe\.edge\.catalog fetch tiny`"):
        resolve_model("tiny", Path("models"))
    with pytest.raises(ModelError, match=r"fetch tiny --models-dir 'my models'`"):
        resolve_model("tiny", Path("my models"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(BODY[:-1], "50,003 bytes instead of 50,004"), (b"GGML" + BODY[4:], "was altered")],
)
def test_broken_model_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch, models: Path, content: bytes, complaint: str
) -> None:
    only(monkeypatch, entry_from())
    models.mkdir()
    (models / "tiny.gguf").write_bytes(content)
    with pytest.raises(ModelError, match=rf"{complaint}.*catalog fetch tiny"):
        resolve_model("tiny", models)


def test_own_gguf_is_taken_by_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models: Path
) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF...")
    assert resolve_model(str(tmp_path / "own.gguf"), models) == tmp_path / "own.gguf"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_model("~/own.gguf", models) == tmp_path / "own.gguf"


def test_own_file_that_cannot_be_a_model_is_refused(tmp_path: Path, models: Path) -> None:
    (tmp_path / "page.gguf").write_bytes(b"<!DOCTYPE html>")
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ModelError, match="is not a GGUF file"):
        resolve_model(str(tmp_path / "page.gguf"), models)
    with pytest.raises(ModelError, match="is not a GGUF file"):
        resolve_model(str(tmp_path / "empty.gguf"), models)
    with pytest.raises(ModelError, match="is a folder"):
        resolve_model(str(tmp_path), models)
    with pytest.raises(ModelError, match=r"no file .*gone\.gguf"):
        resolve_model(str(tmp_path / "gone.gguf"), models)


def test_unknown_id_is_answered_with_the_known_ones(models: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'smollm'.*smollm2-135m-instruct, qwen2\.5"):
        resolve_model("smollm", models)


def test_file_is_hashed_once_and_again_when_it_changes(models: Path) -> None:
    entry = entry_from()
    path = models / "tiny.gguf"
    models.mkdir()
    path.write_bytes(BODY)
    hashed: list[int] = []

    def count(done: int, total: int) -> None:
        if done == total:
            hashed.append(total)

    verify(entry, models, count)
    verify(entry, models, count)
    assert len(hashed) == 1
    verify(entry, models, count, fresh=True)
    assert len(hashed) == 2

    status = path.stat()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ModelError, match="was altered"):
        verify(entry, models)


def test_fresh_check_does_not_believe_the_stamp(models: Path) -> None:
    path = models / "tiny.gguf"
    models.mkdir()
    path.write_bytes(BODY)
    verify(entry_from(), models)
    status = path.stat()
    path.write_bytes(BODY[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    verify(entry_from(), models)
    with pytest.raises(ModelError, match="was altered"):
        verify(entry_from(), models, fresh=True)


@pytest.mark.parametrize("stamps", ["", "[]", '{"tiny.gguf": 1}', "\x00"])
def test_broken_stamps_cost_a_hash_and_nothing_else(models: Path, stamps: str) -> None:
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY)
    (models / STAMPS).write_text(stamps)
    assert verify(entry_from(), models) == models / "tiny.gguf"


# Fetching from a hub.


def test_hub_file_comes_from_the_pinned_revision(server: FileServer, models: Path) -> None:
    path = fetch(entry_from(), models)
    assert path == models / "tiny.gguf"
    assert path.read_bytes() == BODY
    assert names_in(models) == ["tiny.gguf"]
    assert [request.path for request in server.requests] == [HUB_PATH]
    assert server.requests[0].authorization == "Bearer hf_secret-token"


def test_model_that_is_there_is_not_fetched(server: FileServer, models: Path) -> None:
    fetch(entry_from(), models)
    server.requests.clear()
    assert fetch(entry_from(), models) == models / "tiny.gguf"
    assert server.requests == []


def test_broken_model_is_replaced(server: FileServer, models: Path) -> None:
    models.mkdir()
    (models / "tiny.gguf").write_bytes(BODY[:100])
    assert fetch(entry_from(), models).read_bytes() == BODY


def test_interrupted_fetch_goes_on_and_is_no_model_meanwhile(
    server: FileServer, models: Path
) -> None:
    server.replies[HUB_PATH].append(Reply(cut=30_000))
    server.always = Reply(503)
    with pytest.raises(FetchError, match="run the same command again"):
        fetch(entry_from(), models)
    assert names_in(models) == ["tiny.gguf.part"]
    server.always = Reply()
    server.requests.clear()
    assert fetch(entry_from(), models).read_bytes() == BODY
    assert server.spans(HUB_PATH) == ["bytes=30000-"]


def test_wrong_bytes_never_become_a_model(server: FileServer, models: Path) -> None:
    server.files[HUB_PATH] = BODY[::-1]
    with pytest.raises(FetchError, match=r"someone/tiny-GGUF/tiny\.gguf is not the right file"):
        fetch(entry_from(), models)
    assert names_in(models) == []


def test_part_of_another_file_is_found_out_and_dropped(server: FileServer, models: Path) -> None:
    models.mkdir()
    (models / "tiny.gguf.part").write_bytes(b"x" * 1000)
    with pytest.raises(FetchError, match="deleted; run the same command again"):
        fetch(entry_from(), models)
    assert fetch(entry_from(), models).read_bytes() == BODY


def test_gated_model_says_what_to_do_and_tells_no_token(server: FileServer, models: Path) -> None:
    server.always = Reply(401)
    with pytest.raises(FetchError, match="set HF_TOKEN") as caught:
        fetch(entry_from(), models)
    assert "secret" not in str(caught.value)


def test_next_source_helps_out(server: FileServer, models: Path) -> None:
    gone = HUB.model_copy(update={"filename": "gone.gguf"})
    assert fetch(entry_from(gone, HUB), models).read_bytes() == BODY


def test_when_no_source_helps_every_reason_is_told(server: FileServer, models: Path) -> None:
    gone = HUB.model_copy(update={"filename": "gone.gguf"})
    server.files[HUB_PATH] = BODY[::-1]
    with pytest.raises(FetchError, match=r"tiny could not.*gone\.gguf \(404\).*not the right file"):
        fetch(entry_from(gone, HUB), models)


def test_full_disk_is_told_before_anything_is_fetched(
    server: FileServer, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.mkdir()
    (models / "tiny.gguf.part").write_bytes(BODY[:10_000])
    free = shutil.disk_usage(models)._replace(free=40_003)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(DiskError, match=r"0\.04 MB are needed.*what has arrived is kept"):
        fetch(entry_from(HUB, HUB), models)
    assert server.requests == []
    assert (models / "tiny.gguf.part").read_bytes() == BODY[:10_000]


def test_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match=r"file/models cannot be written.*FLOE_MODELS_DIR"):
        fetch(entry_from(), tmp_path / "file" / "models")


# Fetching from wheels.


@pytest.mark.parametrize("hashes", [True, False])
def test_chunks_of_wheels_are_joined_in_order(
    server: FileServer, models: Path, wheels: tuple[Path, Path], hashes: bool
) -> None:
    publish(server, *wheels, hashes=hashes)
    seen: list[tuple[int, int]] = []
    path = fetch(entry_from(WHEELS), models, lambda *count: seen.append(count))
    assert path.read_bytes() == BODY
    assert names_in(models) == ["tiny.gguf"]
    total = sum(wheel.stat().st_size for wheel in wheels)
    assert seen[-1] == (total, total)
    assert seen[1:] == sorted(seen[1:])


def test_wheel_already_here_is_not_fetched_again(
    server: FileServer, models: Path, wheels: tuple[Path, Path]
) -> None:
    publish(server, *wheels)
    first, second = (f"/files/{wheel.name}" for wheel in wheels)
    models.mkdir()
    (models / f"{wheels[0].name}.part").write_bytes(wheels[0].read_bytes())
    (models / f"{wheels[1].name}.part").write_bytes(wheels[1].read_bytes()[:10_000])
    assert fetch(entry_from(WHEELS), models).read_bytes() == BODY
    ours = [span for span in server.spans(first) if span is not None]
    assert ours == ["bytes=0-0"]
    assert server.spans(second)[-1] == "bytes=10000-"


def test_wheels_of_a_local_folder_are_used_in_place(
    models: Path, wheels: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels[0].parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert fetch(entry_from(WHEELS), models).read_bytes() == BODY
    assert all(wheel.exists() for wheel in wheels)
    assert names_in(models) == ["tiny.gguf"]


def test_wheel_with_the_wrong_hash_is_dropped_and_the_other_kept(
    server: FileServer, models: Path, wheels: tuple[Path, Path]
) -> None:
    # pip reads a wheel's metadata, so the bytes it sees are right; those that we get are not.
    publish(server, *wheels)
    models.mkdir()
    size = wheels[1].stat().st_size
    (models / f"{wheels[1].name}.part").write_bytes(b"x" * size)
    with pytest.raises(FetchError, match=r"the wheel tiny-part2==1\.0 is not the right file"):
        fetch(entry_from(WHEELS), models)
    assert names_in(models) == [f"{wheels[0].name}.part"]
    assert fetch(entry_from(WHEELS), models).read_bytes() == BODY


def test_wheel_without_the_member_is_told_and_dropped(
    server: FileServer, models: Path, wheels: tuple[Path, Path]
) -> None:
    bad = build_wheel(wheels[0].parent, "tiny_part2", "tiny_part2/other.bin", BODY[CUT:])
    publish(server, wheels[0], bad)
    with pytest.raises(FetchError, match=r"tiny_part2-1\.0-py3-none-any\.whl is not as expected"):
        fetch(entry_from(WHEELS), models)
    assert names_in(models) == []


def test_chunks_that_do_not_make_the_model_are_dropped(
    server: FileServer, models: Path, wheels: tuple[Path, Path]
) -> None:
    publish(server, *wheels)
    swapped = WheelSource(kind="wheel", parts=WHEELS.parts[::-1])
    with pytest.raises(FetchError, match="sha256 does not fit"):
        fetch(entry_from(swapped), models)
    assert names_in(models) == []


def test_proxy_of_pips_configuration_is_used(
    server: FileServer,
    models: Path,
    wheels: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish(server, *wheels)
    (tmp_path / "pip.conf").write_text(
        f"[global]\nproxy = {server.url.removeprefix('http://')}\ntrusted-host = index.invalid\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple/")
    assert fetch(entry_from(WHEELS), models).read_bytes() == BODY


def test_nearer_settings_of_pip_overrule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nproxy = far:1\ncert = /far.pem\n[install]\nproxy = near:2\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_CERT", raising=False)
    assert proxy_and_cert() == ("http://near:2", "/far.pem")
    monkeypatch.setenv("PIP_PROXY", "https://nearest:3")
    assert proxy_and_cert() == ("https://nearest:3", "/far.pem")


def test_wheel_that_pip_does_not_find_leaves_the_hub(server: FileServer, models: Path) -> None:
    with pytest.raises(FetchError, match=r"pip could not find.*tiny-part1==1\.0.*pip config list"):
        fetch(entry_from(WHEELS), models)
    assert fetch(entry_from(WHEELS, HUB), models).read_bytes() == BODY


def test_python_without_pip_is_a_sentence(
    models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(FetchError, match="python -m ensurepip"):
        fetch(entry_from(WHEELS), models)


# Two at a time, and the command line.

RUN = """
import json, sys
from floe.edge import catalog
entry = catalog.Entry.model_validate_json(sys.argv[1])
catalog.load_catalog = lambda: catalog.Catalog(models=(entry,))
sys.exit(catalog.main(sys.argv[2:]))
"""


def start(entry: Entry, *arguments: str) -> subprocess.Popen[str]:
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
