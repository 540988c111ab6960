"""The two doors of a group's SuperLink, as ASGI applications around Flower's own.

Flower serves three interfaces on one port: fleet (devices fetch tasks and answer), control (runs
are started, devices registered) and runtime (the app of a run). `FleetGateway` is for the port that
members reach: it passes the fleet interface alone, to admitted devices alone, with bodies of a
bounded size. `OwnerGateway` is for the port on loopback: it passes everything to whoever knows the
secret of this start, and nothing to anybody else, another user of the machine or a web page.

Knows nothing of processes, ports or files.
"""

import asyncio
import datetime
import hmac
import logging
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from flwr.common.constant import (
    SUPERLINK_NODE_ID,
    SYSTEM_TIME_TOLERANCE,
    TIMESTAMP_HEADER,
    TIMESTAMP_TOLERANCE,
)
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature
from google.protobuf.message import DecodeError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

_SMALL: Final = 64 * 1024
PUSH_MESSAGES: Final = "/v1/fleet/push-messages"
FLEET_METHODS: Final[Mapping[str, int]] = {
    "/v1/fleet/activate-node": _SMALL,
    "/v1/fleet/deactivate-node": _SMALL,
    "/v1/fleet/send-node-heartbeat": _SMALL,
    "/v1/fleet/pull-messages": _SMALL,
    PUSH_MESSAGES: 1024 * 1024,
    "/v1/fleet/get-run": _SMALL,
    "/v1/fleet/get-fab": _SMALL,
    "/v1/fleet/push-object": 8 * 1024 * 1024,
    "/v1/fleet/pull-object": _SMALL,
    "/v1/fleet/confirm-message-received": _SMALL,
}
"""Methods that a device with a key needs, and the largest body of each in bytes. Not among them are
`register-node` and `unregister-node`: registering is the host's to do. Flower cuts arrays into
objects of 5 MiB, so that no `push-object` of an honest device is larger."""

NODE_BYTES_AN_HOUR: Final = 2 * 1024**3
"""Bytes that one device may send in an hour: they lie in the host's database until the run
has fetched it."""

_BODY_SECONDS: Final = 120.0
_LOG_SECONDS: Final = 1.0


class AdmittedNodes(Protocol):
    """The part of Flower's LinkState that knows which devices were admitted."""

    def get_node_id_by_public_key(self, public_key: bytes) -> int | None:
        """Return the node's number; None: the key was not admitted."""


class Refusal(Exception):
    """A request that goes no further, with the HTTP status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class FleetGateway:
    """Passes the fleet interface to admitted devices, and nothing else to anybody."""

    def __init__(self, app: ASGIApp, nodes: Callable[[], AdmittedNodes]) -> None:
        """`nodes` is asked in a thread of its own for each request."""
        self._app, self._nodes = app, nodes
        self._sent: dict[int, tuple[float, int]] = {}
        self._log = _QuietLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the body of a stranger's is never read."""
        if scope["type"] != "http":
            return
        try:
            length = _check_head(scope)
            node = await run_in_threadpool(self._authenticate, Headers(scope=scope))
            self._count(node, length)
            body = await asyncio.wait_for(_read(receive, length), _BODY_SECONDS)
            if scope["path"] == PUSH_MESSAGES:
                check_reply(body, node)
        except Refusal as refusal:
            await self._refuse(refusal, scope, receive, send)
            return
        except TimeoutError:
            await self._refuse(Refusal(408, "the body took too long"), scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        self._log.say("refused %s from %s: %s", scope["path"], _peer(scope), refusal)
        response = PlainTextResponse(str(refusal), refusal.status, {"connection": "close"})
        await response(scope, receive, send)

    def _authenticate(self, headers: Headers) -> int:
        """Return the number of the admitted device that signed this request a moment ago.

        Flower checks the same again, after it has read and parsed the body; and that the body
        speaks of this device.
        """
        try:
            given = [
                _one(headers, name)
                for name in (
                    FLEET_HTTP_PUBLIC_KEY_HEADER,
                    FLEET_HTTP_SIGNATURE_HEADER,
                    TIMESTAMP_HEADER,
                )
            ]
            key, signature = (b64decode(text, validate=True) for text in given[:2])
            signed_at = datetime.datetime.fromisoformat(given[2])
            age = (datetime.datetime.now(datetime.UTC) - signed_at).total_seconds()
            node = self._nodes().get_node_id_by_public_key(key)
            if node is None:
                raise Refusal(401, "this device was not admitted")
            fresh = -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE
            signed = verify_signature(bytes_to_public_key(key), given[2].encode("ascii"), signature)
        except (ValueError, TypeError, OverflowError, Base64Error) as error:
            raise Refusal(401, "the device's signature cannot be read") from error
        if not fresh or not signed:
            raise Refusal(401, "the device's signature is wrong or too old")
        return node

    def _count(self, node: int, length: int) -> None:
        began, sent = self._sent.get(node, (0.0, 0))
        if time.monotonic() - began > 3600:
            began, sent = time.monotonic(), 0
        if sent + length > NODE_BYTES_AN_HOUR:
            raise Refusal(429, "this device has sent too much in this hour")
        self._sent[node] = (began, sent + length)


class OwnerGateway:
    """Passes everything to whoever sends the secret, and nothing to anybody else."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        """`secret` belongs into the header `Authorization: Bearer SECRET`."""
        self._app, self._wanted = app, f"Bearer {secret}".encode()
        self._log = _QuietLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and end the application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) == 1 and hmac.compare_digest(given[0], self._wanted):
            await self._app(scope, receive, send)
            return
        self._log.say("refused %s from %s: no secret", scope["path"], _peer(scope))
        text = "This port belongs to the host of the group."
        await PlainTextResponse(text, 403, {"connection": "close"})(scope, receive, send)


class _QuietLog:
    """One line a second at most: whoever is refused could otherwise fill the disk with lines."""

    def __init__(self) -> None:
        self._last = -_LOG_SECONDS

    def say(self, text: str, path: str, *rest: object) -> None:
        """Log a warning with a path as a stranger wrote it, of which little is shown."""
        if time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            logger.warning(text, ascii(path[:80]), *rest)


def _check_head(scope: Scope) -> int:
    """Return the length of the body, where path, method and length are as they may be."""
    most = FLEET_METHODS.get(scope["path"])
    if most is None:
        raise Refusal(404, "there is nothing here")
    if scope["method"] != "POST":
        raise Refusal(405, "there is nothing here")
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers or "content-encoding" in headers:
        raise Refusal(411, "the length of the body must be told")
    text = _one(headers, "content-length")
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise Refusal(411, "the length of the body must be told")
    if int(text) > most:
        raise Refusal(413, "the body is too large")
    return int(text)


def _one(headers: Headers, name: str) -> str:
    """Return a header that must be there once."""
    found = headers.getlist(name)
    if len(found) != 1:
        raise Refusal(401 if name != "content-length" else 411, f"{name} must be sent once")
    return found[0]


async def _read(receive: Receive, length: int) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise Refusal(400, "the body is not whole")
        body += event.get("body", b"")
        if len(body) > length:
            raise Refusal(413, "the body is longer than was told")
        if not event.get("more_body", False):
            break
    if len(body) != length:
        raise Refusal(400, "the body is not whole")
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, then whatever follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def check_reply(body: bytes, node: int) -> None:
    """Refuse what is no answer of this device to something that the server asked it.

    Flower takes a message without `reply_to_message_id` from a device for one of the server's own,
    and would hand it to whichever device it names as a task.

    Raises:
        Refusal: it is something else.
    """
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError as error:
        raise Refusal(400, "the message cannot be read") from error
    messages, trees = request.messages_list, request.message_object_trees
    if len(messages) != 1 or len(trees) != 1:
        raise Refusal(400, "one message is sent at a time")
    told = messages[0].metadata
    if not (
        told.reply_to_message_id
        and told.src_node_id == node
        and told.dst_node_id == SUPERLINK_NODE_ID
        and told.message_id == trees[0].object_id
    ):
        raise Refusal(403, "a device may only answer, in its own name")


def _peer(scope: Scope) -> str:
    return str((scope.get("client") or ("somewhere",))[0])
