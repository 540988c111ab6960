"""A server that plays back what it is told to, for what no well-behaved one would send."""

import json
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

Play = Callable[["Connection"], None]


def event(content: str | None = None, **choice: Any) -> bytes:
    """One chunk of the protocol; `choice` replaces its fields."""
    body = {"index": 0, "delta": {"content": content}, "finish_reason": None, **choice}
    return b"data: " + json.dumps({"choices": [body]}).encode() + b"\n\n"


def row(token: str, logprob: float = -0.5, **entry: Any) -> dict[str, Any]:
    """An entry of the log-probabilities, the chosen token its only candidate."""
    plain = {"token": token, "logprob": logprob, "bytes": list(token.encode())}
    return {**plain, "top_logprobs": [plain], **entry}


def row_event(token: str, **entry: Any) -> bytes:
    """A chunk with one row."""
    return event(token, logprobs={"content": [row(token, **entry)]})


STOP = event(finish_reason="stop")
DONE = b"data: [DONE]\n\n"


class Connection:
    """One accepted connection whose request has been read."""

    def __init__(self, peer: socket.socket, head: str, body: bytes) -> None:
        self.peer = peer
        self.head = head
        self.body = body

    def answer(
        self, *parts: bytes, status: str = "200 OK", kind: str = "text/event-stream"
    ) -> None:
        """Send a head and `parts`; the end of the body is the end of the connection."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
        self.peer.sendall(head.encode() + b"".join(parts))

    def wait_for_hang_up(self) -> None:
        """Block until the client closes the connection."""
        try:
            while self.peer.recv(4096):
                pass
        except ConnectionError:
            pass


class ScriptedServer:
    """Plays the n-th script to the n-th request, the last one to all that follow.

    One connection at a time. A client that hangs up, before its request or at any time after it,
    leaves the server to the next one.
    """

    def __init__(self, *plays: Play) -> None:
        self._plays: Sequence[Play] = plays
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.requests: list[Connection] = []
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                peer, _address = self._listener.accept()
            except OSError:
                return
            with peer, suppress(ConnectionError):
                connection = _read_request(peer)
                self.requests.append(connection)
                play = self._plays[min(len(self.requests), len(self._plays)) - 1]
                try:
                    play(connection)
                finally:
                    if play in (hold, hold_after_a_row):
                        self.hung_up.set()


def hold(connection: Connection) -> None:
    """Say nothing at all until the client gives up."""
    connection.wait_for_hang_up()


def hold_after_a_row(connection: Connection) -> None:
    """One row, then silence until the client gives up."""
    connection.answer(row_event("one"))
    connection.wait_for_hang_up()


def say(*parts: bytes, status: str = "200 OK", kind: str = "text/event-stream") -> Play:
    """A complete answer."""
    return lambda connection: connection.answer(*parts, status=status, kind=kind)


def read_more(peer: socket.socket) -> bytes:
    """Bytes of a request that is not complete.

    Raises:
        ConnectionError: the client has hung up. It then reads as nothing, again and again.
    """
    part = peer.recv(65536)
    if not part:
        raise ConnectionError("the client hung up in its request")
    return part


def _read_request(peer: socket.socket) -> Connection:
    data = b""
    while b"\r\n\r\n" not in data:
        data += read_more(peer)
    raw_head, _, body = data.partition(b"\r\n\r\n")
    head = raw_head.decode()
    lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    length = int(lengths[0].partition(":")[2]) if lengths else 0
    while len(body) < length:
        body += read_more(peer)
    return Connection(peer, head, body)
