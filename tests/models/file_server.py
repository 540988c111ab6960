"""A file server on loopback that misbehaves on request."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Reply:
    """How one request is answered. `cut`: bytes of the body after which the line breaks."""

    status: int = 200
    cut: int | None = None
    ranges: bool = True
    shift: int = 0
    stall: bool = False
    location: str | None = None


@dataclass(frozen=True)
class Request:
    path: str
    span: str | None
    authorization: str | None
    agent: str | None = None
    query: str = ""


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.always = Reply()
        self.requests: list[Request] = []
        self.stalled = threading.Event()
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self, path: str) -> list[str | None]:
        return [request.span for request in self.requests if request.path == path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-answer is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)  # a proxy is asked for a whole URL
        span = self.headers["Range"]
        query, agent = urlsplit(self.path).query, self.headers["User-Agent"]
        self.server.requests.append(
            Request(path, span, self.headers["Authorization"], agent, query)
        )
        replies = self.server.replies[path]
        reply = replies.popleft() if replies else self.server.always
        body = self.server.files.get(path)
        if body is None and reply.status == 200 and reply.location is None:
            reply = Reply(404)
        if reply.location is not None:
            self._head(302, {"Location": reply.location, "Content-Length": "0"})
        elif reply.status != 200:
            self._head(reply.status, {"Content-Length": "0"})
        else:
            assert body is not None
            self._send(body, span if reply.ranges else None, reply)

    def _send(self, body: bytes, span: str | None, reply: Reply) -> None:
        total = len(body)
        if span is None:
            self._head(200, {"Content-Length": str(total), "Content-Type": _kind(self.path)})
        else:
            first, _, last = span.removeprefix("bytes=").partition("-")
            start, end = int(first) + reply.shift, min(int(last or total), total - 1)
            if start >= total:
                self._head(416, {"Content-Range": f"bytes */{total}", "Content-Length": "0"})
                return
            body = body[start : end + 1]
            self._head(
                206,
                {
                    "Content-Range": f"bytes {start}-{end}/{total}",
                    "Content-Length": str(len(body)),
                },
            )
        self.wfile.write(body[: reply.cut])
        if reply.stall:
            self.server.stalled.set()
            self.server.go_on.wait(30)
        self.close_connection = reply.cut is not None

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the tests look at `requests`."""


def _kind(path: str) -> str:
    return "text/html" if path.endswith("/") else "application/octet-stream"


@contextmanager
def serve_files() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
