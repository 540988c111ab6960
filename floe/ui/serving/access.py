"""Access control: who may ask the running app for what. Pure ASGI; it knows nothing of gradio.

A port on loopback is open to every user and every program of the machine, and through the browser
to every web page. So each request has to show, in this order:

1. that it was meant for this server: `Host` is the socket's own address (a page whose name was
   pointed at 127.0.0.1, "DNS rebinding", has another one);
2. that no other page sent it: `Origin` and `Sec-Fetch-Site`, where the browser gives them;
3. that whoever sent it was let in: a cookie and, for everything but the empty page and its
   scripts, a key in a header;
4. that the page needs it: the path is in the list of open routes, and the body within its limit.

Whatever fails gets 403 (413 for a body, 414 and 431 for an address or headers that are too long).

Why a key besides the cookie: a browser sends cookies to *every port* of a host, so another user's
server on this machine, once a page of it is open in the same browser, is sent this cookie too.
The key lies in the page's `localStorage`, which belongs to one port, and only the page's own
script (`KEY_SCRIPT`) sends it.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from floe.errors import FloeError
from floe.private_files import read_private, write_private
from floe.request_checks import (
    LARGEST_HEADERS,
    LONGEST_TARGET,
    RefusedRequest,
    RequestHeaders,
    read_body,
    replay_body,
)

TOKEN_FILE: Final = "access-token"  # noqa: S105 - a name, not a token
KEY_HEADER: Final = "x-floe-key"
NONCE: Final = "floe.nonce"
"""Where a scope holds the word that marks the page's own scripts, new for each answer."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")

KEY_SCRIPT: Final = """
(() => {
  const send = window.fetch;
  const key = localStorage.getItem("floe.key") ?? "";
  window.fetch = (resource, options) => {
    const request = new Request(resource, options);
    if (new URL(request.url).origin === location.origin) request.headers.set("KEY_HEADER", key);
    return send(request);
  };
})();
""".replace("KEY_HEADER", KEY_HEADER)
"""To be run before any other script of the page: gives the key to its own requests alone."""


def content_policy(nonce: str) -> str:
    """Give the content policy of one answer: the browser itself refuses all other hosts.

    An image in an answer cannot carry words away, and a script runs only if it has the nonce or is
    one of the app's files: what got into the page as HTML (`onerror=…`) does not. Gradio needs the
    two `unsafe`: it makes functions from strings, and sets styles in line.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "media-src 'none'",
            "object-src 'none'",
            "frame-src 'none'",
            "worker-src 'none'",
            "manifest-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "base-uri 'self'",
        )
    )


_NOTHING: Final = "default-src 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content policy of what we say ourselves."""

_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    # Browsers ask for the addresses of links before anybody presses one, on pages without TLS.
    "X-DNS-Prefetch-Control": "off",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_FORWARDED: Final = re.compile(rb"forwarded|x-forwarded-.*|x-original-.*|x-gradio-.*|x-real-ip")
"""Headers by which a proxy says who asks, and gradio where it lives. There is no proxy here."""
_SPENT: Final = frozenset((b"cookie", b"origin", KEY_HEADER.encode()))
"""Headers that were for this module. Without `Origin`, nothing behind it speaks CORS."""


@dataclass(frozen=True, slots=True)
class OpenRoute:
    """One thing that the page needs.

    Attributes:
        method: GET or POST.
        path: a regular expression for the whole path.
        largest_body: bytes; 0 for none at all.
        key: whether the key is needed besides the cookie.
        lasting: whether the browser may keep the answer on disk (no chat is ever in it).
    """

    method: str
    path: str
    largest_body: int = 0
    key: bool = True
    lasting: bool = False


class AccessKeys:
    """The keys of one address (`127.0.0.1:PORT`), all made from one token.

    Cookie and key depend on the port, and neither gives the token away.
    """

    def __init__(self, token: str, host: str) -> None:
        self.host = host
        self.origin = f"http://{host}"
        self.address = f"{self.origin}/?token={token}"
        self.token = token
        self.cookie_name = f"floe-{host.rpartition(':')[2]}"
        self.cookie = self._derive("cookie")
        self.key = self._derive("key")

    def _derive(self, purpose: str) -> str:
        message = f"{purpose} {self.host}".encode()
        return hmac.new(self.token.encode(), message, hashlib.sha256).hexdigest()


def load_token(folder: Path) -> str:
    """Give the token of this data folder; the first time, or where others could read it, a new one.

    It is kept so that an open tab is let in again after a restart.

    Raises:
        FloeError: the folder cannot be written.
    """
    path = folder / TOKEN_FILE
    try:
        kept = read_private(path)
        if _TOKEN.fullmatch(kept):
            return kept
        token = secrets.token_urlsafe(32)
        write_private(path, token)
    except OSError as error:
        raise FloeError(
            f"The file {path}, which lets your browser in, cannot be written: {error.strerror}. "
            "Choose another folder with --data-dir."
        ) from error
    return token


class AccessControl:
    """ASGI middleware, outermost: passes on what `routes` open to whoever has the `keys`."""

    def __init__(self, app: ASGIApp, keys: AccessKeys, routes: Sequence[OpenRoute]) -> None:
        self._app = app
        self._keys = keys
        self._routes = [(route, re.compile(route.path)) for route in routes]
        self._how = (
            "Floe lets in only the browser that it was opened in. Copy the whole address that Floe "
            f"printed when it started, {keys.origin}/?token=…, into the address bar. If you do not "
            "see it any more, end Floe and start it again."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, answer it with a refusal, or exchange the token."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            headers = RequestHeaders(scope)
            self._check_target(scope, headers)
            if self._has_token(scope, headers):
                await self._exchange(send)
                return
            route = self._check(scope, headers)
            body = await read_body(headers, receive, route.largest_body)
        except RefusedRequest as refusal:
            await _refuse(scope, send, refusal)
            return
        if body is None:  # the browser has gone
            return
        passed = [
            (name, value)
            for name, value in scope["headers"]
            if name not in _SPENT and not _FORWARDED.fullmatch(name)
        ]
        nonce = secrets.token_urlsafe(16)
        await self._app(
            {**scope, "headers": passed, NONCE: nonce},
            replay_body(body, receive),
            _answer(send, nonce, route.lasting),
        )

    def _check_target(self, scope: Scope, headers: RequestHeaders) -> None:
        """Refuse what was meant for another server or came from another page."""
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_TARGET:
            raise RefusedRequest(414, "This address is too long.")
        if headers.size > LARGEST_HEADERS:
            raise RefusedRequest(
                431,
                "The browser sent too much besides the address. Delete its cookies for 127.0.0.1.",
            )
        # `localhost` is refused: somebody else's program may listen on its other address, [::1].
        if headers.all("host") != [self._keys.host]:
            raise RefusedRequest(403, self._how)
        # `OPTIONS` and its kind are in no list of routes, so a preflight never succeeds.
        if headers.all("upgrade"):
            raise RefusedRequest(403, "Floe speaks no other protocol.")
        if headers.all("origin") not in ([], [self._keys.origin]):
            raise RefusedRequest(403, "Another page may not send requests to Floe.")

    def _has_token(self, scope: Scope, headers: RequestHeaders) -> bool:
        """Tell whether somebody opens the address that was printed.

        From anywhere: a click on it in a terminal that is itself a web page, or the file that Floe
        opens in the browser, is `cross-site`. The token is proof enough; but only in a tab.
        """
        query: bytes = scope["query_string"]
        if scope["method"] != "GET" or scope["path"] != "/" or not query.startswith(b"token="):
            return False
        in_a_tab = headers.all("sec-fetch-dest") in ([], ["document"])
        return in_a_tab and hmac.compare_digest(query[6:], self._keys.token.encode())

    async def _exchange(self, send: Send) -> None:
        """Give the cookie and the key for the token, and go to the page itself.

        By a script, not by a redirect: for a redirect the browser still counts where the first
        address came from (a file), and holds back a cookie that is `SameSite=Strict`.
        `location.replace` takes the token out of the address bar and the tab's history as well.
        """
        nonce = secrets.token_urlsafe(16)
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Floe</title>'
            f'<script nonce="{nonce}">localStorage.setItem("floe.key", "{self._keys.key}");'
            'location.replace("/");</script><noscript>Floe needs JavaScript.</noscript></html>'
        )
        cookie = f"{self._keys.cookie_name}={self._keys.cookie}; Path=/; HttpOnly; SameSite=Strict"
        policy = f"{_NOTHING}; script-src 'nonce-{nonce}'"
        extra = {"Set-Cookie": cookie, "Content-Security-Policy": policy}
        await _send_page(send, 200, "text/html", page, extra)

    def _check(self, scope: Scope, headers: RequestHeaders) -> OpenRoute:
        """Give the open route that was asked for by somebody who may."""
        path, method = scope["path"], scope["method"]
        cookies = headers.cookies(self._keys.cookie_name)
        if not any(hmac.compare_digest(each, self._keys.cookie.encode()) for each in cookies):
            raise RefusedRequest(403, self._how)
        site = headers.all("sec-fetch-site")
        typed = method == "GET" and path == "/" and site == ["none"]
        # A browser that is too old to say where a request comes from names the origin for
        # everything but GET; what GET gives needs the key, or is the same for everybody.
        told = site == ["same-origin"] or (not site and (method == "GET" or headers.all("origin")))
        if not typed and not told:
            raise RefusedRequest(403, "Another page may not send requests to Floe.")
        route = None
        if scope["raw_path"] == path.encode():  # nothing that is needed is written with %
            for each, pattern in self._routes:
                if each.method == method and pattern.fullmatch(path):
                    route = each
        if route is None:
            raise RefusedRequest(403, "There is nothing here.")
        if route.key and not any(
            hmac.compare_digest(each.encode("latin-1"), self._keys.key.encode())
            for each in headers.all(KEY_HEADER)
        ):
            raise RefusedRequest(403, self._how)
        return route


def _answer(send: Send, nonce: str, lasting: bool) -> Send:
    """Send with our headers, and without any that would let another page read it."""

    async def send_ours(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in [each for each in headers if each.startswith("access-control-")]:
                del headers[name]
            headers.update(_HEADERS)
            headers["Content-Security-Policy"] = content_policy(nonce)
            if not lasting:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return send_ours


async def _refuse(scope: Scope, send: Send, refusal: RefusedRequest) -> None:
    extra = {"Connection": "close"}  # what comes of the body is not read
    if scope["path"] == "/":
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Floe</title>'
            f"<p>{escape(refusal.sentence)}</p></html>"
        )
        await _send_page(send, refusal.status, "text/html", page, extra)
        return
    # The page shows a sentence that stands under these names.
    said = json.dumps({"error": refusal.sentence, "detail": refusal.sentence})
    await _send_page(send, refusal.status, "application/json", said, extra)


async def _send_page(
    send: Send, status: int, media_type: str, text: str, extra: dict[str, str]
) -> None:
    body = text.encode()
    headers = {
        **_HEADERS,
        "Content-Security-Policy": _NOTHING,
        "Content-Type": f"{media_type}; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        **extra,
    }
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
