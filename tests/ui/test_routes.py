"""The routes of the installed gradio: each is open or closed by decision, none by chance."""

import re
from collections.abc import Sequence

import gradio as gr
import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount, Route

from floe.ui.serving.page_server import mount_page
from floe.ui.serving.routes import CLOSED_ROUTES, OPEN_ROUTES

pytestmark = pytest.mark.usefixtures("loops_closed")

NAMES = {
    "path": "index-AbC_12.js",
    "token": "x" * 22,
    "session_hash": "abc123def45",
    "api_name": "predict",
}
"""What the page puts in the place of a parameter."""


def declared_routes() -> list[tuple[str, str]]:
    """Method and path, as declared, of everything that the app answers to."""
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Textbox()

    def routes_of(routes: Sequence[BaseRoute]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for context in iter_route_contexts(routes):
            if isinstance(context.original_route, Mount):
                assert context.path == ""
                found += routes_of(context.original_route.routes)
            elif isinstance(context.original_route, Route):
                found += [(each, str(context.path)) for each in sorted(context.methods or ())]
            else:  # a WebSocket, or a kind that is not known yet
                found.append(("OTHER", str(context.original_route)))
        return found

    return routes_of(mount_page(page).routes)


def is_open(method: str, path: str) -> bool:
    return any(each.method == method and re.fullmatch(each.path, path) for each in OPEN_ROUTES)


def test_every_route_of_the_app_is_listed_as_open_or_as_closed() -> None:
    unknown = set()
    used = set()
    for method, declared in declared_routes():
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: NAMES.get(found[1], "1"), declared)
        if path.startswith("/static/"):
            path = "/static/js/iframeResizer.contentWindow.min.js"
        if is_open(method, path):
            used.add(path)
            if declared not in {"/gradio_api/run/{api_name}"}:
                assert declared not in CLOSED_ROUTES
        elif method != "HEAD" and declared not in CLOSED_ROUTES:
            unknown.add((method, declared))
    assert unknown == set()
    for each in OPEN_ROUTES:  # and none is open that is not there any more
        assert any(re.fullmatch(each.path, path) for path in used), each


def test_no_closed_route_has_gone() -> None:
    """A path that gradio does not have any more is a decision about nothing."""
    assert {path for _, path in declared_routes()} >= CLOSED_ROUTES


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://evil.example/",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/icon.svg",
        "/gradio_api/proxy=https://evil.hf.space/",
        "/gradio_api/run/send",
        "/gradio_api/heartbeat/../config",
        "/assets/../../config",
        "/assets/%2e%2e/config",
        "/static/img/logo.svg",
        "/export/short",
        "/config",
        "/theme.css/",
    ],
)
def test_nothing_else_is_open(path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert not is_open(method, path)
