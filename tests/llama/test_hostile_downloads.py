"""What a hostile index, mirror or server sends ends in a sentence, and never beyond its file."""

import json
import zipfile
from pathlib import Path

import httpx
import pytest

from floe.errors import FetchError, ModelError
from floe.models import wheels
from floe.models.catalog import HubSource, load_catalog
from floe.models.download import Remote, open_client, remote_size
from floe.models.wheels import Wheel, find_wheels, join_members


def client_to(answers: dict[str, httpx.Response]) -> httpx.Client:
    """Our client, with a server that is not there."""
    with open_client() as ours:
        return httpx.Client(
            transport=httpx.MockTransport(lambda request: answers[str(request.url)]),
            event_hooks=ours.event_hooks,
            follow_redirects=True,
        )


def size_of(answers: dict[str, httpx.Response], url: str) -> int:
    with client_to(answers) as client:
        return remote_size(client, Remote(url, "the model", "Log in."))


def test_a_redirect_out_of_encryption_is_refused() -> None:
    answers = {
        "https://hub.example/m": httpx.Response(302, headers={"Location": "http://cdn.example/m"}),
        "https://hub.example/n": httpx.Response(302, headers={"Location": "/o"}),
        "https://hub.example/o": httpx.Response(200, headers={"Content-Length": "5"}),
        "http://cdn.example/m": httpx.Response(200, headers={"Content-Length": "7"}),
        "http://local.example/m": httpx.Response(302, headers={"Location": "http://cdn.example/m"}),
    }
    with pytest.raises(FetchError, match=r"without encryption \(cdn\.example\)"):
        size_of(answers, "https://hub.example/m")
    assert size_of(answers, "https://hub.example/n") == 5
    # A mirror that the person gave without encryption stays as it is.
    assert size_of(answers, "http://local.example/m") == 7


def test_a_size_of_thousands_of_digits_is_no_size() -> None:
    headers = {"Content-Range": "bytes 0-0/" + "9" * 5000}
    with pytest.raises(FetchError, match="does not say how large"):
        size_of(
            {"https://a.example/m": httpx.Response(206, headers=headers)}, "https://a.example/m"
        )


def wheel_of(path: Path, member: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, data)
    return path


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = wheel_of(tmp_path / "bomb.whl", "part", bytes(200_000_000))
    assert bomb.stat().st_size < 1_000_000
    target = tmp_path / "model.gguf"
    with pytest.raises(FetchError, match="holds more than the model's size"):
        join_members([(bomb, "part")], target, 3_000_000)
    assert target.stat().st_size <= 3_000_000


def test_a_member_cannot_lie_about_itself(tmp_path: Path) -> None:
    path = wheel_of(tmp_path / "a.whl", "part", b"x" * 5000)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2")
    for offset, change in ((8, b"\1\0"), (10, b"\x63\0"), (16, b"\0\0\0\0"), (42, b"\xff" * 4)):
        broken = bytearray(data)
        broken[entry + offset : entry + offset + len(change)] = change
        path.write_bytes(broken)
        with pytest.raises(FetchError, match="not as expected"):
            join_members([(path, "part")], tmp_path / "model.gguf", 10_000)
    for end in range(0, len(data), 7):
        path.write_bytes(data[:end])
        with pytest.raises(FetchError, match="not as expected"):
            join_members([(path, "part")], tmp_path / "model.gguf", 10_000)


def test_paths_in_a_wheel_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = wheel_of(folder / "a.whl", "../../evil", b"bad")
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    join_members([(path, "../../evil"), (path, "link")], folder / "model.gguf", 100)
    # A link is text like any other, and a name is only looked up.
    assert (folder / "model.gguf").read_bytes() == b"bad/etc/passwd"
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.whl", "in", "model.gguf"]


def test_an_index_cannot_choose_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Wheel("a==1", "https://i.example/x/..%2f..%2f..%2fetc%2fevil.whl", None)
    assert wheel.file(tmp_path) == tmp_path / "evil.whl.part"

    def pip(*arguments: str) -> str:
        report = next(each for each in arguments if each.startswith("--report="))
        info = {"url": "https://i.example/model.gguf", "archive_info": {}}
        install = [{"metadata": {"name": "a"}, "download_info": info}]
        Path(report.removeprefix("--report=")).write_text(json.dumps({"install": install}))
        return ""

    monkeypatch.setattr(wheels, "_pip", pip)
    with pytest.raises(FetchError, match="no wheel of a==1"):
        find_wheels(["a==1"])


def test_an_index_cannot_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "proxy_and_cert", lambda: (None, None))
    monkeypatch.setattr(wheels, "remote_size", lambda client, remote: 10**12)
    wheel = Wheel("a==1", "https://i.example/a.whl", None)
    with pytest.raises(FetchError, match="offers 1,000,000 MB for a model of 98 MB"):
        wheels._download([(wheel, tmp_path / "a")], 98_000_000, lambda done, total: None)


@pytest.mark.parametrize("name", ["../evil.gguf", "/evil.gguf", "a/../b.gguf", "a//b", "a\\b", ""])
def test_a_name_at_a_hub_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="filename"):
        HubSource(kind="hub", repo="a/b", revision="0" * 40, filename=name)
    HubSource(kind="hub", repo="a/b", revision="0" * 40, filename="sub/model-Q4.gguf")


@pytest.mark.parametrize(
    "text",
    [
        b"a = " + b"[" * 50_000,
        b"a = " + b"{a = " * 50_000,
        b"models = " + b"9" * 1_000_000,
        b"\xff\xfe",
        b"[[models]]\nsize = 1e400",
        b"models = inf",
    ],
)
def test_a_catalog_that_cannot_be_one(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(text)
    with pytest.raises(ModelError, match="model catalog"):
        load_catalog(path)
    path.write_bytes(b"#" * 10_000_001)
    with pytest.raises(ModelError, match="far too large"):
        load_catalog(path)
