from typing import Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from floe.config import Settings
from floe.ui.serving import POLICY, ThisDeviceOnly, launch_options

PAGE = """<head><meta charset="utf-8" />
<meta property="og:image" content="https://example.com/card.png" />
<meta
    name="twitter:creator" content="@x" />
<title>Floe</title></head>"""


async def page(_: Any) -> HTMLResponse:
    return HTMLResponse(PAGE)


def test_the_page_names_no_other_host_and_the_browser_may_ask_none() -> None:
    app = Starlette(routes=[Route("/", page), Route("/other", page)])
    client = TestClient(ThisDeviceOnly(app))
    answer = client.get("/")
    assert answer.headers["content-security-policy"] == POLICY
    assert "default-src 'self'" in POLICY
    assert "http:" not in POLICY
    assert "https:" not in POLICY
    assert "example.com" not in answer.text
    assert "twitter" not in answer.text
    assert "<title>Floe</title>" in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert client.get("/other").text == PAGE


def test_launch_serves_this_device_alone_and_reports_to_nobody() -> None:
    options = launch_options(Settings(port=0))
    assert options["server_name"] == "127.0.0.1"
    assert options["server_port"] > 0
    assert options["share"] is False
    assert options["run_history"] is False
    assert "https://" not in options["head"]
    assert launch_options(Settings(port=7861))["server_port"] == 7861
