"""An address with the wrong one of http and https: what is the matter is said, and the way out."""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import openai
import pytest
from pydantic import SecretStr

from floe.cloud.client import CloudClient
from floe.cloud.endpoint import Endpoint
from floe.errors import CloudError
from tests.faults import server as faults
from tests.faults.certificates import certificate
from tests.faults.server import FaultServer

PLAIN = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
WANTS_TLS = {
    "nginx": (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html><center>The plain HTTP "
        b"request was sent to HTTPS port</center></html>"
    ),
    "go": b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    "apache": (
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\nReason: You're speaking plain "
        b"HTTP to an SSL-enabled server port.<br />"
    ),
}


@contextmanager
def says_first(words: bytes) -> Iterator[str]:
    """A server that reads a little, says these bytes, and hangs up: its host and port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(words)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def told(url: str) -> str:
    """What the first request to an address, the one for its models, comes to."""
    client = CloudClient(url, "m", SecretStr(""))
    try:
        with pytest.raises(CloudError) as failure:
            client.models()
        return str(failure.value)
    finally:
        client.close()


def test_http_spoken_where_https_was_typed_is_said_with_the_address_to_type() -> None:
    with says_first(PLAIN) as host:
        assert told(f"https://{host}/v1") == (
            f"{host} speaks http, not https: type http://{host}/v1 as its address."
        )


@pytest.mark.parametrize("server", WANTS_TLS)
def test_https_spoken_where_http_was_typed_is_said_with_the_address_to_type(server: str) -> None:
    with says_first(WANTS_TLS[server]) as host:
        assert told(f"http://{host}/v1") == (
            f"{host} speaks https, not http: type https://{host}/v1 as its address."
        )


def test_tls_that_only_hangs_up_on_http_is_asked_about(tmp_path: Path) -> None:
    with FaultServer(certificate=certificate(tmp_path, "127.0.0.1")) as server:
        said = told(server.url.replace("https:", "http:"))
        assert "broke off." in said
        assert said.endswith(f"If this server speaks https, type {server.url} as its address.")


def test_a_server_that_has_answered_is_not_said_to_speak_something_else() -> None:
    with FaultServer() as server:
        client = CloudClient(server.url, "m", SecretStr(""))
        try:
            assert client.models() == ["m"]
            server.models = faults.hang_up
            with pytest.raises(CloudError, match="broke off") as failure:
                client.models()
            assert "https" not in str(failure.value)
        finally:
            client.close()


def test_going_back_to_http_says_what_it_costs() -> None:
    endpoint = Endpoint("https://models.example.org/v1", SecretStr(""))
    cause = httpx2.ConnectError("")
    cause.__cause__ = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    cause.__cause__.reason = "WRONG_VERSION_NUMBER"
    error = openai.APIConnectionError(request=httpx2.Request("GET", "https://models.example.org"))
    error.__cause__ = cause
    assert str(endpoint.explain(error, "")) == (
        "models.example.org speaks http, not https: type http://models.example.org:443/v1 as its "
        "address. Then whoever is on the network can read what is sent, and Floe sends no key."
    )
