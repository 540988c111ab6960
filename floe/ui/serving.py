"""How the page is served: from this device alone, to this device alone, nothing from elsewhere."""

import re
import socket
from pathlib import Path
from typing import Any, Final

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from floe.config import Settings
from floe.ui.downloads import ROUTES

_HERE: Final = Path(__file__).parent
_STYLES: Final = (
    "frame.css",
    "conversations.css",
    "figures.css",
    "chat.css",
    "prose.css",
    "tokens.css",
    "controls.css",
    "cloud.css",
    "forms.css",
    "rooms.css",
    "chart.css",
    "privacy.css",
    "personal.css",
    "federate.css",
)
_SCRIPTS: Final = (
    "shell.js",
    "forms.js",
    "views.js",
    "conversations.js",
    "figures.js",
    "cloud.js",
    "tokens.js",
    "links.js",
    "message.js",
    "thread.js",
    "chart.js",
    "privacy.js",
    "personal.js",
    "federate.js",
)

POLICY: Final = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "base-uri 'self'",
    )
)
"""The browser itself refuses all other hosts: an image in an answer cannot carry words away.

Gradio needs the two `unsafe`: its page has scripts in line and makes functions from strings.
"""

SANS: Final = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO: Final = ("ui-monospace", "SF Mono", "Cascadia Code", "DejaVu Sans Mono", "monospace")


_CARDS: Final = re.compile(rb"<meta\s+(?:property=\"og:|name=\"twitter:)[^>]*>\s*")
"""Gradio's own advertisement for social networks, with addresses of its site."""


class ThisDeviceOnly:
    """ASGI middleware: `POLICY` on every answer, and no address of another host in the page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the header."""
        start: Message = {}

        async def send_ours(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
                if scope["path"] == "/":
                    start = message  # its length is known once the body is
                    return
            elif start:
                # Gradio renders the page in one piece.
                message["body"] = _CARDS.sub(b"", message["body"])
                MutableHeaders(scope=start)["Content-Length"] = str(len(message["body"]))
                await send(start)
                start = {}
            await send(message)

        await self._app(scope, receive, send_ours)


def theme() -> gr.themes.Base:
    """Slate and a deep blue on the fonts of the system; the rest is in the style sheets."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=[gr.themes.Font(name) for name in SANS],
        font_mono=[gr.themes.Font(name) for name in MONO],
        radius_size="md",
        text_size="md",
    )


def launch_options(settings: Settings) -> dict[str, Any]:
    """The keyword arguments for `Blocks.launch`."""
    scripts = "\n".join((_HERE / name).read_text("utf-8") for name in _SCRIPTS)
    return {
        "server_name": "127.0.0.1",
        "server_port": settings.port or _free_port(),
        "share": False,
        "quiet": True,
        "run_history": False,
        "footer_links": [],
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "theme": theme(),
        "favicon_path": _HERE / "icon.svg",
        "css_paths": [_HERE / name for name in _STYLES],
        "head": f"<script>{scripts}</script>",
        "app_kwargs": {
            "middleware": [Middleware(ThisDeviceOnly)],
            "routes": ROUTES,
            "docs_url": None,
        },
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
