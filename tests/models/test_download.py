import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import wait_none

from floe.errors import FetchError
from floe.models import download as module
from floe.models.download import (
    MAX_ATTEMPTS,
    DiskError,
    Remote,
    download,
    free_space,
    ignore_progress,
    open_client,
    remote_size,
    require_hash,
    sha256_of,
    translate_disk_errors,
)
from tests.models.file_server import FileServer, Reply, serve_files

BODY = random.Random(1).randbytes(60_000)
SIZE = len(BODY)
SECRET = "hf_secret-token"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_WAIT", wait_none())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as server:
        server.files["/model"] = BODY
        yield server


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.part"


def remote_at(server: FileServer, path: str = "/model") -> Remote:
    return Remote(
        url=server.url + path,
        name="the model",
        login="Log in.",
        headers={"Authorization": f"Bearer {SECRET}"},
    )


def get(server: FileServer, part: Path, size: int = SIZE) -> None:
    with open_client() as client:
        download(client, remote_at(server), part, size, ignore_progress)


def test_file_arrives_whole_and_progress_ends_at_its_size(server: FileServer, part: Path) -> None:
    seen: list[tuple[int, int]] = []
    with open_client() as client:
        download(client, remote_at(server), part, SIZE, lambda *count: seen.append(count))
    assert part.read_bytes() == BODY
    assert seen[0] == (0, SIZE)
    assert seen[-1] == (SIZE, SIZE)
    assert seen == sorted(seen)


def test_broken_line_is_taken_up_where_it_broke(server: FileServer, part: Path) -> None:
    server.replies["/model"].extend([Reply(cut=25_000), Reply(cut=10_000)])
    get(server, part)
    assert part.read_bytes() == BODY
    assert server.spans("/model") == ["bytes=0-", "bytes=25000-", "bytes=35000-"]


def test_part_of_an_earlier_run_is_not_fetched_again(server: FileServer, part: Path) -> None:
    part.write_bytes(BODY[:41_000])
    get(server, part)
    assert part.read_bytes() == BODY
    assert server.spans("/model") == ["bytes=41000-"]


def test_whole_part_asks_nothing(server: FileServer, part: Path) -> None:
    part.write_bytes(BODY)
    get(server, part)
    assert server.requests == []


def test_part_longer_than_the_file_is_begun_anew(server: FileServer, part: Path) -> None:
    part.write_bytes(b"x" * (SIZE + 1))
    get(server, part)
    assert part.read_bytes() == BODY


def test_server_that_ignores_ranges_is_read_from_the_start(server: FileServer, part: Path) -> None:
    part.write_bytes(b"x" * 500)
    server.always = Reply(ranges=False)
    get(server, part)
    assert part.read_bytes() == BODY


def test_wrong_range_is_never_written(server: FileServer, part: Path) -> None:
    part.write_bytes(BODY[:1000])
    server.always = Reply(shift=7)
    with pytest.raises(FetchError, match="another range"):
        get(server, part)
    assert part.read_bytes() == BODY[:1000]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(server: FileServer, part: Path, status: int) -> None:
    server.replies["/model"].extend([Reply(status)] * (MAX_ATTEMPTS - 1))
    get(server, part)
    assert part.read_bytes() == BODY


def test_lasting_trouble_ends_after_the_last_try(server: FileServer, part: Path) -> None:
    part.write_bytes(BODY[:1000])
    server.always = Reply(503)
    with pytest.raises(FetchError, match=r"answered 503.*what has arrived is kept"):
        get(server, part)
    assert len(server.requests) == MAX_ATTEMPTS
    assert part.read_bytes() == BODY[:1000]


def test_line_that_breaks_often_but_brings_something_gets_there(
    server: FileServer, part: Path
) -> None:
    server.always = Reply(cut=4_000)
    get(server, part)
    assert part.read_bytes() == BODY
    assert len(server.requests) > MAX_ATTEMPTS


def test_line_that_never_gets_further_is_given_up(server: FileServer, part: Path) -> None:
    server.always = Reply(ranges=False, cut=4_000)
    with pytest.raises(FetchError, match="did not arrive"):
        get(server, part)
    assert len(server.requests) == MAX_ATTEMPTS + 1


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, r"refuses access to the model \(401\)\. Log in\. Then"),
        (403, r"refuses access"),
        (404, r"has no the model \(404\).*floe models list"),
        (410, "has no the model"),
        (400, "answered 400"),
    ],
)
def test_refusal_is_told_at_once(
    server: FileServer, part: Path, status: int, sentence: str
) -> None:
    server.always = Reply(status)
    with pytest.raises(FetchError, match=sentence):
        get(server, part)
    assert len(server.requests) == 1


def test_no_network_is_a_sentence_and_keeps_the_part(server: FileServer, part: Path) -> None:
    part.write_bytes(BODY[:1000])
    server.server_close()
    with pytest.raises(FetchError, match="Check the network connection") as caught:
        get(server, part)
    assert SECRET not in str(caught.value)
    assert part.read_bytes() == BODY[:1000]


@pytest.mark.parametrize("ranges", [True, False])
def test_file_of_another_size_is_not_taken(server: FileServer, part: Path, ranges: bool) -> None:
    server.always = Reply(ranges=ranges)
    with pytest.raises(FetchError, match=r"60,000 bytes as the model, but it should be 70,000"):
        get(server, part, 70_000)
    assert not part.exists()


def test_progress_that_raises_stops_and_keeps_what_arrived(server: FileServer, part: Path) -> None:
    class Stop(Exception):
        pass

    def stop_late(done: int, total: int) -> None:
        if done > 1000:
            raise Stop

    with pytest.raises(Stop), open_client() as client:
        download(client, remote_at(server), part, SIZE, stop_late)
    kept = part.read_bytes()
    assert len(kept) > 1000
    assert kept == BODY[: len(kept)]


def test_token_does_not_follow_a_redirect_to_another_host(server: FileServer, part: Path) -> None:
    with serve_files() as elsewhere:
        elsewhere.files["/blob"] = BODY
        server.always = Reply(location=f"{elsewhere.url}/blob")
        part.write_bytes(BODY[:1000])
        get(server, part)
        assert [request.authorization for request in elsewhere.requests] == [None]
        assert elsewhere.spans("/blob") == ["bytes=1000-"]
    assert [request.authorization for request in server.requests] == [f"Bearer {SECRET}"]
    assert part.read_bytes() == BODY


def test_token_is_in_no_text(server: FileServer, part: Path) -> None:
    assert SECRET not in repr(remote_at(server))
    server.always = Reply(401)
    with pytest.raises(FetchError) as caught:
        get(server, part)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("ranges", [True, False])
def test_size_is_asked_without_fetching_the_file(server: FileServer, ranges: bool) -> None:
    server.always = Reply(ranges=ranges)
    with open_client() as client:
        assert remote_size(client, remote_at(server)) == SIZE
    assert server.spans("/model") == ["bytes=0-0"]


def test_disk_too_full_at_the_start_says_how_much_is_needed(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskError, match=r"9,000,000,000,000 MB are needed.*--models-dir"),
        free_space(tmp_path, 9 * 10**18),
    ):
        pytest.fail("went on without room")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_disk_filling_in_the_middle_says_how_much_is_needed(server: FileServer, part: Path) -> None:
    part.symlink_to("/dev/full")
    with (
        pytest.raises(DiskError, match=r"disk is too full: 60 kB are needed"),
        free_space(part.parent, SIZE),
    ):
        get(server, part)


def test_unwritable_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DiskError, match=r"cannot be written \(Not a directory\).*--models-dir"),
        translate_disk_errors(tmp_path, 0),
    ):
        (tmp_path / "file" / "folder").mkdir()


def test_wrong_hash_deletes_the_file(part: Path) -> None:
    part.write_bytes(BODY)
    require_hash(part, sha256_of(part, ignore_progress), "the model")
    assert part.exists()
    with pytest.raises(FetchError, match="sha256 does not fit"):
        require_hash(part, "0" * 64, "the model")
    assert not part.exists()
