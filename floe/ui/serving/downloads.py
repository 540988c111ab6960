"""Files that the page hands to the browser: each once, under an address that cannot be guessed.

Nothing is copied to a temporary folder, as gradio's own downloads are.
"""

import secrets
import threading
from pathlib import Path
from typing import Final

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

_KEPT: Final = 8
"""Offers that wait to be fetched; an older one has been missed."""

_OFFERS: Final[dict[str, tuple[str, bytes | Path]]] = {}
_LOCK: Final = threading.Lock()


def offer(name: str, content: bytes | Path) -> str:
    """Return the address from which the browser may fetch this as `name`, once.

    A path is a file made for this: it is deleted once it has been sent.
    """
    token = secrets.token_urlsafe(16)
    with _LOCK:
        _OFFERS[token] = name, content
        for missed in list(_OFFERS)[:-_KEPT]:
            _discard(_OFFERS.pop(missed)[1])
    return f"/export/{token}"


def _discard(content: bytes | Path) -> None:
    if isinstance(content, Path):
        content.unlink(missing_ok=True)


def _fetch(request: Request) -> Response:
    with _LOCK:
        name, content = _OFFERS.pop(request.path_params["token"], ("", b""))
    if not name:
        return Response("This file has already been fetched.", status_code=404)
    if isinstance(content, Path):
        done = BackgroundTask(_discard, content)
        return FileResponse(content, filename=name, background=done)
    quoted = name.encode("ascii", "replace").decode().replace('"', "'")
    headers = {"Content-Disposition": f'attachment; filename="{quoted}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


ROUTES: Final = [Route("/export/{token}", _fetch)]
