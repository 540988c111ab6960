"""A member's client beside servers that send too much, packed answers, or somebody elsewhere."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse
from flwr.supercore.protobuf.client import ProtobufClient
from flwr.supernode.fleet_http_client import FleetHttpClient

from floe.federation.app.limits import TOO_LARGE
from floe.federation.group.bounded_client import UnwantedAnswer, bound_clients
from floe.federation.group.supernode import status_from_log_line

MOST = 1_000_000
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers as told, and notes the paths that were asked for."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.answer: Answer = lambda handler: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.paths.append(self.path)
                outer.answer(self)

            do_GET = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetHttpClient]:
    monkeypatch.setattr(ProtobufClient, "__init__", ProtobufClient.__init__)
    bound_clients(MOST)
    made = FleetHttpClient.from_server_address(server.address, True, None, [])
    yield made
    made.close()


def sending(body: bytes, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_an_honest_answer_is_taken(server: Server, client: FleetHttpClient) -> None:
    server.answer = sending(PullMessagesResponse().SerializeToString())
    for _ in range(3):
        assert client.PullMessages(PullMessagesRequest()) == PullMessagesResponse()


def test_an_endless_answer_is_let_go_of(server: Server, client: FleetHttpClient) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 1000 * MOST:
                handler.wfile.write(bytes(65_536))
                sent += 65_536
        except OSError:
            return

    server.answer = endless
    with pytest.raises(UnwantedAnswer, match=TOO_LARGE) as caught:
        client.PullMessages(PullMessagesRequest())
    assert sent < 100 * MOST
    line = f"ERROR : Failed to receive message 52fd: {caught.value}"
    assert "was refused: its server sent more" in str(status_from_log_line(line, "here:1"))


def test_many_objects_of_one_message_count_together(
    server: Server, client: FleetHttpClient
) -> None:
    server.answer = sending(bytes(MOST // 3))
    get = client._client.get
    for _ in range(3):
        get(f"http://{server.address}/v1/fleet/pull-object", headers={"content-length": "0"})
    with pytest.raises(UnwantedAnswer):
        get(f"http://{server.address}/v1/fleet/pull-object", headers={"content-length": "0"})
    get(f"http://{server.address}/v1/fleet/pull-messages", headers={"content-length": "0"})


def test_a_packed_answer_is_not_unpacked(server: Server, client: FleetHttpClient) -> None:
    server.answer = sending(gzip.compress(bytes(100 * MOST)), Content_Encoding="gzip")
    with pytest.raises(UnwantedAnswer, match="packed"):
        client.PullMessages(PullMessagesRequest())


def test_a_server_sends_the_device_nowhere_else(server: Server, client: FleetHttpClient) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(307)
        handler.send_header("Location", f"http://{server.address}/inside")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answer = elsewhere
    with pytest.raises(httpx.HTTPStatusError):
        client.PullMessages(PullMessagesRequest())
    assert server.paths == ["/v1/fleet/pull-messages"]
