"""Search and listings of a hub on loopback."""

import hashlib
from collections.abc import Iterator

import pytest

from floe.errors import FetchError
from floe.models.hub import HubAddress, list_hub_files, parse_hub_address, search_hub
from floe.models.hub_access import hub_token
from tests.models.file_server import FileServer, Reply, serve_files
from tests.models.hub_server import publish_repository

BODY = b"GGUF" + bytes(1000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    with serve_files() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret-token")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("granite 4 micro", None),
        ("granite", None),
        ("Qwen/Qwen3-0.6B-GGUF", HubAddress("Qwen/Qwen3-0.6B-GGUF")),
        ("hf.co/a/b:Q4_K_M", HubAddress("a/b", "Q4_K_M")),
        ("https://huggingface.co/a/b", HubAddress("a/b")),
        ("https://huggingface.co/a/b/tree/main", HubAddress("a/b")),
        (
            "https://huggingface.co/a/b/blob/main/x%20y.gguf?download=true",
            HubAddress("a/b", "x y.gguf"),
        ),
        ("https://hf.co/a/b/resolve/main/q/x.gguf", HubAddress("a/b", "q/x.gguf")),
    ],
)
def test_addresses_are_told_from_words(text: str, expected: HubAddress | None) -> None:
    assert parse_hub_address(text) == expected


@pytest.mark.parametrize(
    "text", ["https://example.com/a/b", "https://huggingface.co/a", "http://[::1/a/b"]
)
def test_addresses_of_elsewhere_are_refused(text: str) -> None:
    with pytest.raises(FetchError, match="address"):
        parse_hub_address(text)


def test_a_token_goes_to_the_hub_that_it_is_for(
    hub: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_repository(hub, "someone/tiny-GGUF", {"tiny.gguf": BODY}, licence="mit")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "hf_of-a-login")
    search_hub("tiny")
    monkeypatch.delenv("HF_TOKEN")
    search_hub("tiny")
    list_hub_files(HubAddress("someone/tiny-GGUF"))
    assert [each.authorization for each in hub.requests] == ["Bearer hf_secret-token", None, None]
    monkeypatch.setenv("HF_TOKEN", "hf_secret-token")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    assert hub_token() is None, "it would be read on the way"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert hub_token() == "hf_secret-token"
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub_token() == "hf_of-a-login"


def test_search_tells_the_hub_the_words_and_nothing_of_this_computer(hub: FileServer) -> None:
    publish_repository(hub, "someone/tiny-GGUF", {"tiny.gguf": BODY}, licence="mit")
    found = search_hub("tiny words")
    assert [(each.repo, each.licence, each.downloads) for each in found] == [
        ("someone/tiny-GGUF", "mit", 1234)
    ]
    assert [(each.path, each.agent) for each in hub.requests] == [("/api/models", "floe")]
    assert "search=tiny+words" in hub.requests[0].query


def test_listing_takes_size_and_hash_from_the_hub_and_says_what_is_left_out(
    hub: FileServer,
) -> None:
    publish_repository(
        hub,
        "someone/tiny-GGUF",
        {
            "large.gguf": BODY * 2,
            "q/tiny.gguf": BODY,
            "big-00001-of-00002.gguf": BODY,
            "mmproj-tiny.gguf": BODY,
            "plain.gguf": BODY,
            "a b.gguf": BODY,
        },
        architecture="gemma3",
        hashes={"plain.gguf": ""},
    )
    listing = list_hub_files(HubAddress("someone/tiny-GGUF"))
    assert [(file.id, file.filename, file.size) for file in listing.files] == [
        ("someone/tiny-GGUF/q/tiny.gguf", "tiny.gguf", len(BODY)),
        ("someone/tiny-GGUF/large.gguf", "large.gguf", 2 * len(BODY)),
    ]
    assert listing.files[0].sha256 == hashlib.sha256(BODY).hexdigest()
    assert (listing.licence, listing.architecture) == ("apache-2.0", "gemma3")
    assert [sentence.split(" ", 2)[2] for sentence in listing.left_out] == [
        "is one part of a model that was split, which cannot be fetched here.",
        "has no sha256 at the hub, so it could not be checked.",
        "has a name that is not safe for a file here.",
    ]
    only = list_hub_files(HubAddress("someone/tiny-GGUF", "LARGE"))
    assert [file.filename for file in only.files] == ["large.gguf"]


def test_each_way_a_hub_refuses_is_a_sentence(
    hub: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FetchError, match="The hub has no no/body, or it is private"):
        list_hub_files(HubAddress("no/body"))
    publish_repository(hub, "a/empty", {"README.gguf.txt": BODY})
    with pytest.raises(FetchError, match="has no GGUF file that can be fetched"):
        list_hub_files(HubAddress("a/empty"))
    hub.files["/api/models/a/page"] = b"<html>Please log in</html>"
    with pytest.raises(FetchError, match="not what a hub answers"):
        list_hub_files(HubAddress("a/page"))
    hub.always = Reply(403)
    with pytest.raises(FetchError, match="answered 403") as caught:
        list_hub_files(HubAddress("a/empty"))
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FetchError, match="cannot be reached"):
        list_hub_files(HubAddress("a/empty"))
