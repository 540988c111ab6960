"""What every server of Floe looks at before it answers: headers, and a body within bounds.

Plain ASGI messages; knows neither the page nor the API, nor who may ask.
"""

from typing import Final

from starlette.types import Message, Receive, Scope

MEGABYTE: Final = 2**20
LONGEST_TARGET: Final = 2048
"""Bytes of path and query; the page's own longest address has some 150."""
LARGEST_HEADERS: Final = 32 * 1024
"""Bytes of all request headers; a browser sends about 1,000 and the cookies of other ports."""


class RefusedRequest(Exception):
    """A request that is not answered, with its HTTP status and a sentence that says why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class RequestHeaders:
    """The headers of one request, every occurrence of them."""

    def __init__(self, scope: Scope) -> None:
        self._pairs: list[tuple[bytes, bytes]] = scope["headers"]
        self.size = sum(len(name) + len(value) for name, value in self._pairs)

    def all(self, name: str) -> list[str]:
        """Give the values of each header of this name, in order."""
        wanted = name.encode()
        return [value.decode("latin-1") for each, value in self._pairs if each.lower() == wanted]

    def cookies(self, name: str) -> list[bytes]:
        """Give each value that this cookie is sent with; other ports may have set one as well."""
        parts = [part.strip() for line in self.all("cookie") for part in line.split(";")]
        pairs = [part.partition("=") for part in parts]
        return [value.encode("latin-1") for each, _, value in pairs if each == name]


async def read_body(headers: RequestHeaders, receive: Receive, largest: int) -> bytes | None:
    """Read the whole body, which may come without its length; None if the client has gone.

    Raises:
        RefusedRequest: it is longer than `largest` bytes, or no JSON.
    """
    if headers.all("transfer-encoding") or headers.all("content-length") not in ([], ["0"]):
        kinds = [value.partition(";")[0].strip() for value in headers.all("content-type")]
        if largest and kinds != ["application/json"]:
            raise RefusedRequest(415, "Floe takes JSON alone here.")
        length = (headers.all("content-length") or ["0"])[0]
        if not length.isdecimal() or len(length) > 15 or int(length) > largest:
            raise _too_large(largest)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > largest:
            raise _too_large(largest)
        if not message.get("more_body", False):
            return bytes(body)


def replay_body(body: bytes, receive: Receive) -> Receive:
    """Give the body that has been read once more, and then what really comes."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return receive_again


def _too_large(largest: int) -> RefusedRequest:
    most = f"{largest // MEGABYTE} MB" if largest >= MEGABYTE else f"{largest} bytes"
    return RefusedRequest(413, f"That is too much at once: Floe takes at most {most} here.")
