from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from floe.ui.serving.downloads import ROUTES, offer


def test_a_file_is_handed_over_once(tmp_path: Path) -> None:
    made = tmp_path / "adapter.zip"
    made.write_bytes(b"zip")
    client = TestClient(Starlette(routes=ROUTES))
    words, file = offer('sent "all".jsonl', b"{}\n"), offer("mine.zip", made)
    first = client.get(words)
    assert first.content == b"{}\n"
    assert first.headers["content-disposition"] == "attachment; filename=\"sent 'all'.jsonl\""
    assert client.get(words).status_code == 404
    assert client.get(file).content == b"zip"
    assert not made.exists()


def test_offers_that_nobody_fetches_are_forgotten(tmp_path: Path) -> None:
    missed = tmp_path / "missed.gguf"
    missed.write_bytes(b"gguf")
    address = offer("missed.gguf", missed)
    for number in range(8):
        offer("other", str(number).encode())
    assert not missed.exists()
    assert TestClient(Starlette(routes=ROUTES)).get(address).status_code == 404
