"""The OpenAI protocol over HTTP, as whoever answers speaks it: who may ask, errors, ends.

Shared by the stand-in for a cloud and by Floe's own endpoint; knows neither.
"""

import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from floe.cloud.protocol.wire import INVALID, ApiError
from floe.request_checks import (
    LARGEST_HEADERS,
    LONGEST_TARGET,
    RefusedRequest,
    RequestHeaders,
    read_body,
    replay_body,
)

LOOPBACK: Final = "127.0.0.1"
_RETRY_AFTER: Final = "1"


class ClosedConnection(Exception):
    """The connection is to be closed as it stands, in the middle of an answer."""


class EndingResponse(StreamingResponse):
    """A response that says when it is over, however that happens: a client may go away."""

    def __init__(
        self, body: AsyncIterator[bytes], ended: Callable[[], None], media_type: str
    ) -> None:
        """Begin nothing yet; `ended` is called once nothing more of it is sent."""
        super().__init__(body, media_type=media_type)
        self._ended = ended

    async def stream_response(self, send: Send) -> None:
        """Send the body; without its last chunk uvicorn closes the connection."""
        with suppress(ClosedConnection):
            await super().stream_response(send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, and say that it is over."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


class RequireKey:
    """ASGI middleware: who does not know the key gets nothing, whatever is asked for.

    A port on loopback is open to every user and program of the machine, and through the browser to
    every web page. So a request shows, in this order: that it was meant for this server (`Host` is
    the address listened on; a name that was pointed at 127.0.0.1, "DNS rebinding", is another),
    that no web page sent it (`Origin`, `Sec-Fetch-Site`), and the key. Its body is bounded, and
    JSON, which a page of another site cannot send without asking first; the question gets a 403.
    """

    def __init__(self, app: ASGIApp, key: str, port: int, largest_body: int) -> None:
        self._app = app
        self._hosts = [f"{name}:{port}" for name in (LOOPBACK, "localhost")]
        self._expected = f"Bearer {key}".encode()
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with an error."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = RequestHeaders(scope)
        try:
            self._check(scope, headers)
            body = await read_body(headers, receive, self._largest_body)
        except RefusedRequest as refusal:
            code = "invalid_api_key" if refusal.status == 401 else ""
            error = ApiError(refusal.status, refusal.sentence, code=code)
            # What comes of the body is not read.
            response = JSONResponse(error.body, error.status, {"Connection": "close"})
            await response(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, replay_body(body, receive), send)

    def _check(self, scope: Scope, headers: RequestHeaders) -> None:
        if headers.all("host") not in [[host] for host in self._hosts]:
            raise RefusedRequest(403, "This address is not served here.")
        origins = headers.all("origin")
        sites = headers.all("sec-fetch-site")
        own = origins in ([], *([f"http://{host}"] for host in self._hosts))
        if not own or any(site not in ("same-origin", "none") for site in sites):
            raise RefusedRequest(403, "A web page may not ask here.")
        if headers.size > LARGEST_HEADERS:
            raise RefusedRequest(431, "The headers of this request are too long.")
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
            raise RefusedRequest(414, "This address is too long.")
        given = [value.encode("latin-1") for value in headers.all("authorization")]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._expected):
            raise RefusedRequest(401, "Incorrect API key provided.")


async def show_api_error(_request: Request, error: Exception) -> Response:
    """Answer with an error of ours."""
    assert isinstance(error, ApiError)
    headers = {"Retry-After": _RETRY_AFTER} if error.status == 429 else None
    return JSONResponse(error.body, error.status, headers)


async def show_http_error(request: Request, error: Exception) -> Response:
    """Answer with an error of the framework: no such path, no such method."""
    assert isinstance(error, HTTPException)
    message = f"{error.detail}: {request.method} {request.url.path}"
    return JSONResponse(ApiError(error.status_code, message, INVALID).body, error.status_code)
