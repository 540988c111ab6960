"""A server on loopback that breaks in one way at a time, byte by byte as it is told.

Unlike `tests.cloud.scripted` it serves many connections at once, so that a client that has left a
broken one can be served on the next.
"""

import random
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.cloud.scripted import DONE, STOP, read_more, row_event

Fault = Callable[["Peer"], None]
MODELS = b'{"data": [{"id": "m"}]}'
WORDS = (" The", " cloud", " says", " so", ".")


class Peer:
    """One connection whose request has been read."""

    def __init__(self, stream: socket.socket, closing: threading.Event, request: bytes) -> None:
        self.stream = stream
        self.closing = closing
        self.request = request

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.stream.sendall(part)

    def head(self, status: str = "200 OK", kind: str = "text/event-stream", *more: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *more]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def wait(self, seconds: float = 0.0) -> bool:
        """Sleep; whether the server is to end. Without a time: until the client hangs up."""
        if seconds:
            return self.closing.wait(seconds)
        self.stream.settimeout(0.05)
        while not self.closing.is_set():
            try:
                if not self.stream.recv(4096):
                    return False
            except TimeoutError:
                continue
        return True


def healthy(peer: Peer) -> None:
    """An answer of five words."""
    peer.head()
    peer.send(*(row_event(word) for word in WORDS), STOP, DONE)


def list_models(peer: Peer) -> None:
    """The list that a client looks at first."""
    peer.head("200 OK", "application/json", f"Content-Length: {len(MODELS)}")
    peer.send(MODELS)


class FaultServer:
    """Answers a question for the models with `models`, all others with `fault`.

    Attributes:
        fault, models: may be changed at any time, for the connections to come.
        requests: all that came, head and body.
    """

    def __init__(self, fault: Fault = healthy, certificate: ssl.SSLContext | None = None) -> None:
        self.fault = fault
        self.models: Fault = list_models
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._certificate = certificate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> list[bytes]:
        """What came, but for questions for the models."""
        return [request for request in self.requests if request.startswith(b"POST")]

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuse all connections from now on."""
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                stream, _address = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[stream], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, stream: socket.socket) -> None:
        # The client hangs up whenever it has had enough.
        with suppress(OSError, ssl.SSLError):
            if self._certificate is not None:
                stream = self._certificate.wrap_socket(stream, server_side=True)
            with stream:
                request = _read(stream)
                self.requests.append(request)
                play = self.models if request.startswith(b"GET") else self.fault
                play(Peer(stream, self.closing, request))


def _read(stream: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = read_more(stream)
        # Of TLS where none is spoken, a real server makes as little.
        if part.startswith(b"\x16\x03"):
            raise ConnectionError
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    found = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(found[0].partition(b":")[2]) if found else 0
    while len(body) < length:
        body += read_more(stream)
    return head + b"\r\n\r\n" + body


# Ways to break


def say(
    *parts: bytes, status: str = "200 OK", kind: str = "text/event-stream", more: str = ""
) -> Fault:
    """A head, these bytes, and the end."""

    def play(peer: Peer) -> None:
        peer.head(status, kind, *filter(None, [more]))
        peer.send(*parts)

    return play


def repeat(part: bytes, *, first: bytes = b"", **head: str) -> Fault:
    """The same bytes without an end, as fast as they are taken."""

    def play(peer: Peer) -> None:
        peer.head(*head.values())
        peer.send(first)
        many = part * max(1, 65536 // len(part))
        while not peer.closing.is_set():
            peer.send(many)

    return play


def say_nothing(peer: Peer) -> None:
    """The request is taken, and that is all."""
    peer.wait()


def slow_headers(peer: Peer) -> None:
    """A header a moment, without an end."""
    peer.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        peer.send(b"X-%d: y\r\n" % number)
        if peer.wait(0.1):
            return


def slow_body(peer: Peer) -> None:
    """A good answer, of which nobody will live to see the end: a byte a second."""
    peer.head()
    for byte in row_event(" slow"):
        peer.send(bytes([byte]))
        if peer.wait(1.0):
            return


def reset(peer: Peer) -> None:
    """The connection is reset in the middle of a row."""
    peer.head()
    peer.send(row_event(" kept"), row_event(" lost")[:40])
    peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def garbage(peer: Peer) -> None:
    """No HTTP at all."""
    peer.send(random.Random(1).randbytes(100_000))


def hang_up(peer: Peer) -> None:
    """Without a word."""
    peer.stream.close()


def bomb(encoding: str, *, kind: str = "text/event-stream") -> Fault:
    """A gigabyte of blanks in a megabyte of gzip or deflate."""

    def play(peer: Peer) -> None:
        peer.head("200 OK", kind, f"Content-Encoding: {encoding}")
        packer = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
        blanks = b" " * (1 << 20)
        for _ in range(1024):
            peer.send(packer.compress(blanks))
        peer.send(packer.flush())

    return play
