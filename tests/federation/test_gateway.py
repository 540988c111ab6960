"""The two doors of a SuperLink, around an application that only says what got through."""

import datetime
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import SUPERLINK_NODE_ID, TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import PushMessagesRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import public_key_to_bytes, sign_message
from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from floe.federation.group import gateway
from floe.federation.group.gateway import FLEET_METHODS, PUSH_MESSAGES, FleetGateway, OwnerGateway
from tests.coroutines import run_coroutine

NODE = 7
PULL = "/v1/fleet/pull-messages"


class Flower:
    """Flower's application: notes the path and the body of what it is given."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.got.append((scope["path"], await request.body()))
        await Response(b"ok")(scope, receive, send)


class Admitted:
    """One admitted device."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())

    def get_node_id_by_public_key(self, public_key: bytes) -> int | None:
        return NODE if public_key == public_key_to_bytes(self.key.public_key()) else None


def signed(key: ec.EllipticCurvePrivateKey, age: float = 0.0) -> dict[str, str | bytes]:
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
    timestamp = at.isoformat()
    public = public_key_to_bytes(key.public_key())
    return {
        FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(public).decode(),
        FLEET_HTTP_SIGNATURE_HEADER: b64encode(sign_message(key, timestamp.encode())).decode(),
        TIMESTAMP_HEADER: timestamp,
    }


@pytest.fixture
def flower() -> Flower:
    return Flower()


@pytest.fixture
def nodes() -> Admitted:
    return Admitted()


def post(
    app: Any, path: str, body: Any, headers: Mapping[str, str | bytes], method: str = "POST"
) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://group") as client:
            given = [
                (name.encode(), value if isinstance(value, bytes) else value.encode())
                for name, value in headers.items()
            ]
            answer = await client.request(method, path, content=body, headers=given)
            return answer.status_code

    return run_coroutine(ask())


def test_an_admitted_device_gets_through_with_what_it_sent(flower: Flower, nodes: Admitted) -> None:
    app = FleetGateway(flower, lambda: nodes)
    for path in FLEET_METHODS.keys() - {PUSH_MESSAGES}:
        assert post(app, path, b"body", signed(nodes.key)) == 200
        assert flower.got[-1] == (path, b"body")


def test_only_the_fleet_interface_is_there_and_no_registering(
    flower: Flower, nodes: Admitted
) -> None:
    """Whoever updates Flower reads here what is new in its interface."""
    fleet = {path for _, path in PROTOBUF_REQUEST_TYPES if path.startswith("/v1/fleet/")}
    assert fleet == {*FLEET_METHODS, "/v1/fleet/register-node", "/v1/fleet/unregister-node"}
    app = FleetGateway(flower, lambda: nodes)
    others = {path for _, path in PROTOBUF_REQUEST_TYPES} - FLEET_METHODS.keys()
    for path in {*others, "/", "/health", "/docs", f"{PULL}/", PULL.upper(), f"/v1{PULL}"}:
        assert post(app, path, b"", signed(nodes.key)) == 404
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        assert post(app, PULL, b"", signed(nodes.key), method) == 405
    assert flower.got == []


def test_a_strangers_body_is_not_read(flower: Flower, nodes: Admitted) -> None:
    app = FleetGateway(flower, lambda: nodes)
    read: list[int] = []

    async def endless() -> Any:
        while True:
            read.append(1)
            yield bytes(1024)

    stranger = ec.generate_private_key(ec.SECP256R1())
    late = signed(nodes.key, age=10_000)
    forged = signed(nodes.key) | {
        FLEET_HTTP_SIGNATURE_HEADER: signed(stranger)[FLEET_HTTP_SIGNATURE_HEADER]
    }
    empty = dict.fromkeys(late, "")
    naive = signed(nodes.key) | {TIMESTAMP_HEADER: "2026-01-01T00:00:00"}
    for headers in ({}, signed(stranger), late, forged, empty, naive):
        assert post(app, PULL, endless(), {**headers, "Content-Length": "1000"}) == 401
    assert read == []
    assert flower.got == []


def test_a_body_has_a_length_and_a_limit(
    flower: Flower, nodes: Admitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FleetGateway(flower, lambda: nodes)
    most = FLEET_METHODS[PULL]
    assert post(app, PULL, bytes(most), signed(nodes.key)) == 200
    assert post(app, PULL, bytes(most + 1), signed(nodes.key)) == 413

    async def chunks() -> Any:
        yield b"of no told length"

    assert post(app, PULL, chunks(), signed(nodes.key)) == 411
    for length in ("-1", "1e3", "٣", "9" * 30, ""):
        headers = signed(nodes.key) | {"Content-Length": length.encode()}
        assert post(app, PULL, b"x", headers) == 411
    for body, length in ((b"short", "9"), (b"too long", "3")):
        headers = signed(nodes.key) | {"Content-Length": length}
        assert post(app, PULL, body, headers) in (400, 413)
    monkeypatch.setattr(gateway, "NODE_BYTES_AN_HOUR", most)
    app = FleetGateway(flower, lambda: nodes)
    assert post(app, PULL, bytes(most), signed(nodes.key)) == 200
    assert post(app, PULL, b"x", signed(nodes.key)) == 429


def reply(**other: Any) -> bytes:
    request = PushMessagesRequest()
    told = request.messages_list.add().metadata
    values = {
        "src_node_id": NODE,
        "dst_node_id": SUPERLINK_NODE_ID,
        "reply_to_message_id": "m" * 64,
        "message_id": "a" * 64,
    }
    for name, value in (values | other).items():
        setattr(told, name, value)
    request.message_object_trees.add().object_id = "a" * 64
    return bytes(request.SerializeToString())


def test_a_device_answers_in_its_own_name_and_gives_no_tasks(
    flower: Flower, nodes: Admitted
) -> None:
    """Flower takes a message that answers nothing for one of the server's own."""
    app = FleetGateway(flower, lambda: nodes)
    assert post(app, PUSH_MESSAGES, reply(), signed(nodes.key)) == 200
    hostile = [
        reply(reply_to_message_id="", src_node_id=SUPERLINK_NODE_ID, dst_node_id=8),
        reply(reply_to_message_id=""),
        reply(src_node_id=8),
        reply(dst_node_id=8),
        reply(message_id="b" * 64),
    ]
    for body in hostile:
        assert post(app, PUSH_MESSAGES, body, signed(nodes.key)) == 403
    for body in (b"", reply() + reply(), b"\xff" * 40):
        assert post(app, PUSH_MESSAGES, body, signed(nodes.key)) == 400
    assert len(flower.got) == 1


def test_the_hosts_door_opens_to_the_secret_alone(flower: Flower) -> None:
    app = OwnerGateway(flower, "secret")
    for path in ("/v1/control/start-run", "/v1/runtime/acquire-task", "/health"):
        for given in ("", "secret", "Bearer secre", "Bearer secrets", "Basic secret"):
            assert post(app, path, b"", {"Authorization": given} if given else {}) == 403
        assert post(app, path, b"x", {"Authorization": "Bearer secret"}) == 200
    assert len(flower.got) == 3
