"""A download that is watched, paused, taken up again, and given up; a hub on loopback."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import wait_none

from floe.errors import FetchError
from floe.jobs.model_download import DownloadView, ModelDownloadJob
from floe.models import download
from floe.models.catalog import HubSource, ModelFile, verified_sha256
from floe.store import Store
from tests.models.file_server import FileServer, Reply, serve_files
from tests.models.hub_server import REVISION, file_path, publish_repository

BODY = b"GGUF" + random.Random(5).randbytes(300_000)
PATH = file_path("a/b", "tiny.gguf")
FILE = ModelFile(
    id="a/b/tiny.gguf",
    filename="tiny.gguf",
    size=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
    sources=(HubSource(kind="hub", repo="a/b", revision=REVISION, filename="tiny.gguf"),),
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(download, "RETRY_WAIT", wait_none())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        publish_repository(server, "a/b", {"tiny.gguf": BODY})
        yield server


def view(job: ModelDownloadJob) -> DownloadView:
    found = job.view()
    assert found is not None
    return found


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_line_that_breaks_is_taken_up_where_it_was(
    hub: FileServer, store: Store, tmp_path: Path
) -> None:
    hub.replies[PATH].extend([Reply(cut=100_000), Reply(503)])
    job = ModelDownloadJob(store, tmp_path / "models")
    job.start(FILE)
    assert job.wait(60)
    assert job.view() is None
    path = tmp_path / "models" / "tiny.gguf"
    assert path.read_bytes() == BODY
    assert verified_sha256(path) == FILE.sha256
    assert hub.spans(PATH) == ["bytes=0-", "bytes=100000-", "bytes=100000-"]
    path.write_bytes(BODY[:-1])
    assert verified_sha256(path) is None


def test_a_paused_download_goes_on_after_a_restart(
    hub: FileServer, store: Store, tmp_path: Path
) -> None:
    hub.replies[PATH].append(Reply(cut=100_000, stall=True))
    job = ModelDownloadJob(store, tmp_path)
    job.start(FILE)
    wait_until(lambda: view(job).done == 100_000)
    assert view(job).sentence.startswith("100 kB of 300 kB (33%)")
    job.pause()
    assert view(job).state == "stopping"
    with pytest.raises(FetchError, match="still being stopped"):
        job.resume()
    hub.go_on.set()
    assert job.wait(60)
    assert (view(job).state, view(job).sentence) == ("paused", "Paused: 100 kB of 300 kB (33%).")
    job.close()

    again = ModelDownloadJob(store, tmp_path)
    assert (view(again).state, view(again).done) == ("paused", 100_000)
    again.resume()
    assert again.wait(60)
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY
    assert hub.spans(PATH)[-1] == "bytes=100000-"
    assert ModelDownloadJob(store, tmp_path).view() is None


def test_a_cancelled_download_leaves_nothing(hub: FileServer, store: Store, tmp_path: Path) -> None:
    hub.replies[PATH].append(Reply(cut=100_000, stall=True))
    job = ModelDownloadJob(store, tmp_path)
    job.start(FILE)
    wait_until(lambda: view(job).done == 100_000)
    other = FILE.model_copy(update={"id": "a/b/other.gguf", "filename": "other.gguf"})
    with pytest.raises(FetchError, match=r"tiny\.gguf comes first"):
        job.start(other)
    job.cancel()
    hub.go_on.set()
    assert job.wait(60)
    assert job.view() is None
    assert list(tmp_path.glob("*tiny.gguf*")) == [tmp_path / ".tiny.gguf.lock"]
    assert ModelDownloadJob(store, tmp_path).view() is None


def test_silence_is_told_and_tried_again(
    hub: FileServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.3)
    monkeypatch.setattr("floe.jobs.model_download._SILENT_SECONDS", 0.0)
    hub.replies[PATH].append(Reply(cut=100_000, stall=True))
    job = ModelDownloadJob(store, tmp_path)
    job.start(FILE)
    wait_until(lambda: view(job).done == 100_000)
    assert "Floe is trying again" in view(job).sentence
    assert job.wait(60)
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY
    assert hub.spans(PATH) == ["bytes=0-", "bytes=100000-"]


def test_a_transfer_that_drips_counts_as_stalled(
    hub: FileServer, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STALL_SECONDS", 0.0)
    monkeypatch.setattr(download, "_LEAST_SPEED", 1e12)
    # Each chunk that comes is kept, and a new line is asked for: it ends all the same.
    with download.open_client() as client:
        client.timeout = 30
        remote = download.Remote(f"{hub.url}{PATH}", "tiny", "")
        part = tmp_path / "part"
        download.download(client, remote, part, len(BODY), download.ignore_progress)
    assert part.read_bytes() == BODY
    assert len(hub.spans(PATH)) > 1


def test_a_wrong_file_is_never_kept_and_can_be_tried_again(
    hub: FileServer, store: Store, tmp_path: Path
) -> None:
    hub.files[PATH] = BODY[::-1]
    job = ModelDownloadJob(store, tmp_path)
    job.start(FILE)
    assert job.wait(60)
    assert view(job).state == "failed"
    assert "is not the right file: its sha256 does not fit" in view(job).sentence
    assert not (tmp_path / "tiny.gguf").exists()
    hub.files[PATH] = BODY
    job.resume()
    assert job.wait(60)
    assert (tmp_path / "tiny.gguf").read_bytes() == BODY


def test_another_file_of_that_name_is_not_overwritten(
    hub: FileServer, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"mine")
    job = ModelDownloadJob(store, tmp_path)
    with pytest.raises(FetchError, match=r"another file called tiny\.gguf"):
        job.start(FILE)
    assert (tmp_path / "tiny.gguf").read_bytes() == b"mine"
