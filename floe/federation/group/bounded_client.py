"""Bounds on what a member's SuperNode takes in from a group's server, and from where.

Flower's client reads an answer of any length into memory, unpacks it where it says that it is
compressed, and follows wherever the server redirects it, the member's own network included.
"""

import threading
from collections.abc import Iterator
from functools import wraps
from typing import Any, Final

import httpx
from flwr.supercore.protobuf.client import ProtobufClient

from floe.federation.app.limits import TOO_LARGE

_ASKS_FOR_MESSAGE: Final = "/pull-messages"


class UnwantedAnswer(Exception):
    """An answer that is too large or not plain: not one of httpx, which would be tried again."""


def bound_clients(most_bytes: int) -> None:
    """From now on Flower's clients in this process take plain answers only, and follow no server.

    `most_bytes` may come from one request for a message to the next.
    """
    build = ProtobufClient.__init__

    @wraps(build)
    def build_bounded(self: ProtobufClient, base_url: str, **settings: Any) -> None:
        build(self, base_url, **settings)
        client, budget = self._client, _Budget(most_bytes)
        client.follow_redirects = False
        client.headers["accept-encoding"] = "identity"
        client._transport = BoundedTransport(client._transport, budget)
        client._mounts = {
            pattern: BoundedTransport(transport, budget) if transport else None
            for pattern, transport in client._mounts.items()
        }

    ProtobufClient.__init__ = build_bounded  # type: ignore[method-assign]


class _Budget:
    """Bytes that may still come; objects of a message are fetched by several threads."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._lock = threading.Lock()

    def renew(self) -> None:
        with self._lock:
            self._left = self._most

    def spend(self, count: int) -> None:
        """Take note of bytes that came.

        Raises:
            UnwantedAnswer: they are too many.
        """
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise UnwantedAnswer(
                    f"the group's server sent {TOO_LARGE}, which is {self._most:,} bytes"
                )


class BoundedTransport(httpx.BaseTransport):
    """A transport whose answers come out of a budget."""

    def __init__(self, transport: httpx.BaseTransport, budget: _Budget) -> None:
        self._transport, self._budget = transport, budget

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on; the answer's body raises `UnwantedAnswer` once it is too long."""
        if request.url.path.endswith(_ASKS_FOR_MESSAGE):
            self._budget.renew()
        response = self._transport.handle_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            response.close()
            raise UnwantedAnswer("the group's server sent a packed answer")
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _BoundedStream(response.stream, self._budget)
        return response

    def close(self) -> None:
        """End its connections."""
        self._transport.close()


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, budget: _Budget) -> None:
        self._stream, self._budget = stream, budget

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._budget.spend(len(chunk))
            yield chunk

    def close(self) -> None:
        self._stream.close()
