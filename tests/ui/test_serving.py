import http.client
import os
import socket
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from floe.config import Settings
from floe.errors import FloeError
from floe.ui.serving.access import KEY_SCRIPT, NONCE, content_policy
from floe.ui.serving.page_server import PageRewriter, PageServer, mount_options, read_scripts

pytestmark = pytest.mark.usefixtures("loops_closed")

PAGE = """<head><meta charset="utf-8" />
<meta property="og:image" content="https://example.com/card.png" />
<meta
    name="twitter:creator" content="@x" />
<link rel="manifest" href="/manifest.json" />
<script>first()</script>
<script type="module" src="./a.js"></script>
<script data-mode>second()</script>
<title>Floe</title></head>"""


async def page(_: Any) -> HTMLResponse:
    return HTMLResponse(PAGE)


def test_the_page_names_no_other_host_and_the_browser_may_ask_none() -> None:
    app = PageRewriter(Starlette(routes=[Route("/", page), Route("/other", page)]), "ours()")

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, NONCE: "n0nce"}, receive, send)

    client = TestClient(marked)
    answer = client.get("/")
    policy = content_policy("n0nce")
    assert "http:" not in policy
    assert "https:" not in policy
    assert "'self' 'nonce-n0nce' 'unsafe-eval'" in policy
    assert "example.com" not in answer.text
    assert "twitter" not in answer.text
    assert "manifest" not in answer.text
    assert "<title>Floe</title>" in answer.text
    assert answer.text.startswith('<head><script nonce="n0nce">ours()</script>')
    assert '<script nonce="n0nce">first()' in answer.text
    assert '<script type="module" src' in answer.text
    assert '<script nonce="n0nce" data-mode>second()' in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert client.get("/other").text == PAGE


def test_the_page_reports_to_nobody() -> None:
    options = mount_options()
    assert options["run_history"] is False
    assert options["allowed_paths"] == []
    assert options["enable_monitoring"] is False
    scripts = read_scripts()
    assert scripts.startswith(KEY_SCRIPT)
    assert "https://" not in scripts
    assert "</script" not in scripts


@pytest.fixture
def blocks() -> gr.Blocks:
    made: gr.Blocks
    with gr.Blocks(analytics_enabled=False) as made:
        gr.Textbox("hello")
    return made


def status(port: int, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_server_opens_by_its_token_alone_and_ends(tmp_path: Path, blocks: gr.Blocks) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    server = PageServer(blocks, Settings(port=0, data_dir=tmp_path))
    try:
        root, _, token = server.address.partition("?")
        port = int(root.rstrip("/").rpartition(":")[2])
        assert status(port, "/", {})[0] == 403
        assert "floe.key" in status(port, f"/?{token}", {})[1]
        assert server.opener.stat().st_mode & 0o777 == 0o600
        assert server.address in server.opener.read_text()
    finally:
        server.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass
    assert {path.name for path in tmp_path.iterdir()} - before == {"access-token"}


def test_a_page_at_rest_does_not_poll_a_thousand_times_a_second(
    tmp_path: Path, blocks: gr.Blocks
) -> None:
    names = {"sleep_when_free", "progress_update_sleep_when_free"}
    queue: Any = blocks._queue
    assert names <= {*vars(queue)}, "gradio has other names for these"
    server = PageServer(blocks, Settings(port=0, data_dir=tmp_path))
    try:
        assert min(getattr(queue, name) for name in names) >= 0.02
        assert blocks._queue is queue
    finally:
        server.close()


def test_proxies_of_the_environment_are_not_asked(
    tmp_path: Path, blocks: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio's own launch asks itself for a page through them, and fails."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    PageServer(blocks, Settings(port=0, data_dir=tmp_path)).close()
    assert os.environ["HTTP_PROXY"]


def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path, blocks: gr.Blocks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FloeError, match=f"Port {port} is taken"):
            PageServer(blocks, Settings(port=port, data_dir=tmp_path))
