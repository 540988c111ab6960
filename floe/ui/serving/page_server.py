"""The page's server: from this device alone, to this device alone, nothing from elsewhere."""

import logging
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any, Final

import fastapi
import gradio as gr
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from floe.config import Settings
from floe.errors import FloeError
from floe.private_files import write_private
from floe.request_checks import LARGEST_HEADERS
from floe.ui.serving.access import (
    KEY_SCRIPT,
    NONCE,
    AccessControl,
    AccessKeys,
    load_token,
)
from floe.ui.serving.downloads import ROUTES
from floe.ui.serving.routes import OPEN_ROUTES

logger = logging.getLogger(__name__)

_HERE: Final = Path(__file__).parents[1]
_STYLES: Final = (
    "frame.css",
    "gradio.css",
    "chat/conversations.css",
    "chat/figures.css",
    "chat/chat.css",
    "chat/prose.css",
    "chat/tokens.css",
    "chat/controls.css",
    "chat/advanced.css",
    "chat/comparison.css",
    "chat/attach.css",
    "cloud/cloud.css",
    "forms.css",
    "rooms.css",
    "personalise/chart.css",
    "privacy/privacy.css",
    "memory/memory.css",
    "personalise/personal.css",
    "federate/federate.css",
    "models/models.css",
    "settings/settings.css",
)
_SCRIPTS: Final = (
    "shell.js",
    "forms.js",
    "addresses.js",
    "shortcuts.js",
    "views.js",
    "chat/conversations.js",
    "chat/figures.js",
    "chat/advanced.js",
    "cloud/cloud.js",
    "chat/attach.js",
    "chat/tokens.js",
    "chat/prose_tokens.js",
    "chat/links.js",
    "chat/message.js",
    "chat/thread.js",
    "chat/comparison.js",
    "chat/drafts.js",
    "personalise/chart.js",
    "privacy/privacy.js",
    "settings/data.js",
    "settings/settings.js",
    "settings/first_run.js",
    "memory/memory.js",
    "personalise/personal.js",
    "federate/federate.js",
    "models/models.js",
)

SANS: Final = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO: Final = ("ui-monospace", "SF Mono", "Cascadia Code", "DejaVu Sans Mono", "monospace")

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 30.0

_LEFT_OUT: Final = re.compile(
    rb"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>\s*|<link rel=\"manifest\"[^>]*>\s*"
)
"""Gradio's own advertisement for social networks, with addresses of its site; and its manifest."""
_INLINE: Final = re.compile(rb"<script(?=[^>]*>)(?![^>]*\ssrc=)")
_FIRST: Final = b"<head>"


class PageRewriter:
    """ASGI middleware: puts our scripts before gradio's, and marks both as the page's own.

    Gradio would put them in by script and unmarked. Addresses of other hosts are left out.
    """

    def __init__(self, app: ASGIApp, scripts: str) -> None:
        self._app = app
        self._scripts = f"<script>{scripts}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back; the page itself is changed."""
        start: Message = {}

        async def send_changed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and scope["path"] == "/":
                start = message  # its length is known once the body is
                return
            if start:
                # Gradio renders the page in one piece, with nothing in it that anybody wrote.
                marked = b'<script nonce="%s"' % scope[NONCE].encode()
                body = _INLINE.sub(marked, _LEFT_OUT.sub(b"", message["body"]))
                ours = self._scripts.replace(b"<script", marked, 1)
                message["body"] = body.replace(_FIRST, _FIRST + ours, 1)
                MutableHeaders(scope=start)["Content-Length"] = str(len(message["body"]))
                await send(start)
                start = {}
            await send(message)

        await self._app(scope, receive, send_changed)


def theme() -> gr.themes.Base:
    """Return slate and a deep blue on the fonts of the system; the rest is in the style sheets."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=[gr.themes.Font(name) for name in SANS],
        font_mono=[gr.themes.Font(name) for name in MONO],
        radius_size="md",
        text_size="md",
    )


def mount_options() -> dict[str, Any]:
    """Give the keyword arguments for `gradio.mount_gradio_app`."""
    return {
        "path": "/",
        "server_name": _HOST,
        "run_history": False,
        "show_error": False,
        "footer_links": [],
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "allowed_paths": [],
        "theme": theme(),
        "favicon_path": str(_HERE / "icon.svg"),
        "css_paths": [_HERE / name for name in _STYLES],
        "app_kwargs": {"docs_url": None, "redoc_url": None, "openapi_url": None},
    }


def read_scripts() -> str:
    """Give all that the page runs besides gradio: the key first, before anything asks for data."""
    return "\n".join([KEY_SCRIPT, *((_HERE / name).read_text("utf-8") for name in _SCRIPTS)])


def mount_page(page: gr.Blocks) -> fastapi.FastAPI:
    """Build the app that answers: gradio's, and the downloads. Who asks is not checked here."""
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None, routes=[*ROUTES])
    gr.mount_gradio_app(app, page, **mount_options())
    return app


_QUEUE_SECONDS: Final = 0.02
"""Time between two polls of gradio's queue for events. At its usual thousandth of a second the app
took a twentieth of a core for as long as it was open, with nobody there."""


class PageServer:
    """The page on a port of its own, from a thread of its own, until it is closed.

    Gradio's own `launch` is not used: it asks itself for pages over HTTP before it returns (with
    the proxies of the environment), and nothing can be put before its CORS.

    Attributes:
        address: what a person opens; it holds the token, so it is for their eyes alone.
        opener: a file, readable by this user alone, that leads a browser to the address. A
            browser's command line can be read by every user of the machine.
    """

    def __init__(self, page: gr.Blocks, settings: Settings) -> None:
        try:
            # The port is held from here on, because a port only looked up may be taken meanwhile.
            listener = socket.create_server((_HOST, settings.port))
        except OSError as error:
            raise FloeError(
                f"Port {settings.port} is taken. Choose another with --port, or 0 for a free one."
            ) from error
        self._page = page
        keys = AccessKeys(load_token(settings.data_dir), f"{_HOST}:{listener.getsockname()[1]}")
        self.address = keys.address
        app = mount_page(page)
        [mounted] = [route.app for route in app.routes if isinstance(route, Mount)]
        self._gradio: Any = mounted
        queue: Any = page._queue
        queue.sleep_when_free = _QUEUE_SECONDS
        queue.progress_update_sleep_when_free = 5 * _QUEUE_SECONDS  # nothing here tells progress so
        self._server = uvicorn.Server(
            uvicorn.Config(
                AccessControl(PageRewriter(app, read_scripts()), keys, OPEN_ROUTES),
                # Unlike httptools it bounds the headers, and refuses a request with two hosts.
                http="h11",
                h11_max_incomplete_event_size=2 * LARGEST_HEADERS,
                ws="none",
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_config=None,
                log_level="error",
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="page", daemon=True
        )
        self._thread.start()
        self.opener = settings.data_dir.resolve() / "open.html"
        write_private(self.opener, _OPENER.format(address=self.address))
        until = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                self.close()
                raise FloeError("The page cannot be opened. The log says why.")
            time.sleep(0.001)

    def close(self) -> None:
        """Close without waiting for tabs: each keeps a connection open for good."""
        # uvicorn logs a traceback for each aborted connection.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        queue: Any = self._page._queue
        queue.close()
        self._page.is_running = False
        self._gradio.stop_event.set()
        self._server.force_exit = True
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self.opener.unlink(missing_ok=True)


_OPENER: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Floe</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<p><a href="{address}">Open Floe</a></p></html>
"""
