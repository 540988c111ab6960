"""Bounds on what a server may send: nothing compressed, no endless body, no event of any length.

The libraries in between read a body of an error, or a line of a stream, into memory whole, however
long it is. So the bytes are counted where they come in.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import httpx2

from floe.cloud.protocol.events import DataLines

LONGEST_EVENT: Final = 4 << 20
"""Bytes; some servers send an answer of a thousand tokens with all candidates as one event."""
LONGEST_BODY: Final = 8 << 20
"""Bytes of a body that is read whole; the longest list of models known has one."""
LONGEST_REFUSAL: Final = 1 << 16
"""Bytes of the body of an error; the rest is not read."""
_EVENT_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


class TooLongError(Exception):
    """A server has sent more in one piece than anybody needs."""


class CompressedError(Exception):
    """A server has sent compressed data, which it was not asked for.

    Nobody knows how long a compressed body is before it has been read.
    """


class BoundedStream(httpx2.AsyncByteStream):
    """The body of a response up to a bound."""

    def __init__(
        self, inner: httpx2.AsyncByteStream, limit: int, *, events: bool, cut: bool
    ) -> None:
        """Pass `inner` on.

        Args:
            inner: the body as it arrives.
            limit: bytes.
            events: the limit is that of each event and not of all together.
            cut: end quietly at the limit.
        """
        self._inner = inner
        self._limit = limit
        self._events = events
        self._cut = cut
        self._count = 0
        self._tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes.

        Raises:
            TooLongError: there are more than the limit allows.
        """
        inner = aiter(self._inner)
        try:
            async for part in inner:
                over = self._count_up(part) - self._limit
                if over <= 0:
                    yield part
                elif self._cut:
                    yield part[:-over]
                    return
                else:
                    raise TooLongError
        finally:
            # At once: left to the garbage collector it may be closed while it is being read.
            if isinstance(inner, AsyncGenerator):
                await inner.aclose()

    def _count_up(self, part: bytes) -> int:
        """Count bytes of the body, or of its current event, with `part`."""
        self._count += len(part)
        if self._events:
            joined = self._tail + part
            since = _since_event_end(joined)
            self._count = self._count if since is None else since
            self._tail = joined[-3:]
        return self._count

    async def aclose(self) -> None:
        """Close what is passed on."""
        await self._inner.aclose()


def _since_event_end(data: bytes) -> int | None:
    """Count the bytes that follow the last end of an event; None: there is none."""
    ends = [data.rfind(mark) + len(mark) for mark in _EVENT_ENDS if mark in data]
    return len(data) - max(ends) if ends else None


def is_document(response: httpx2.Response) -> bool:
    """Return whether a body is one JSON document and no stream of events."""
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower() == "application/json"


async def bound_response(response: httpx2.Response) -> None:
    """Put the bounds on a response whose body has not been read yet.

    Raises:
        CompressedError: it is compressed.
    """
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise CompressedError
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    inner = response.stream
    if not response.is_success:
        response.stream = BoundedStream(inner, LONGEST_REFUSAL, events=False, cut=True)
    elif response.request.method == "POST" and not is_document(response):
        response.stream = DataLines(BoundedStream(inner, LONGEST_EVENT, events=True, cut=False))
    else:
        response.stream = BoundedStream(inner, LONGEST_BODY, events=False, cut=False)
