"""The stand-in as a real process with the small model, and clients of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from floe.cloud.client import CloudClient, Stream
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.stand_in.process import StandIn
from floe.llama.runtime import LlamaModel
from floe.records import CloudToken

MODEL = Path(__file__).parents[2] / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def bearer(key: str) -> dict[str, str]:
    """The header that a client shows its key with."""
    return {"Authorization": f"Bearer {key}"}


class Server:
    """A running stand-in and its faults."""

    def __init__(self, process: StandIn, url: str) -> None:
        self.process = process
        self.url = url
        self.key = process.key.get_secret_value()
        self.model = MODEL.stem

    def set_faults(self, **faults: Any) -> None:
        url = self.url.removesuffix("/v1") + "/stand-in/faults"
        httpx2.post(url, json=faults, headers=bearer(self.key), trust_env=False).raise_for_status()

    def reset(self) -> None:
        self.set_faults(rtt_ms=0, jitter_ms=0, tokens_per_second=0, fail="none", fail_after=0)


@pytest.fixture(scope="session")
def running() -> Iterator[Server]:
    with StandIn(MODEL, ("--context", "1024")) as process:
        yield Server(process, process.wait_ready(60))


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    yield running
    running.reset()


@pytest.fixture
def connect() -> Iterator[Callable[..., CloudClient]]:
    clients = []

    def make(
        url: str,
        model: str = MODEL.stem,
        key: str = "",
        profile: EndpointProfile | None = None,
        **limits: Any,
    ) -> CloudClient:
        clients.append(CloudClient(url, model, SecretStr(key), profile, **limits))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(server: Server, connect: Callable[..., CloudClient]) -> CloudClient:
    return connect(server.url, key=server.key)


@pytest.fixture
def api(server: Server) -> Iterator[openai.OpenAI]:
    """The real client of the protocol, typed and validating."""
    with openai.OpenAI(
        api_key=server.key,
        base_url=server.url,
        max_retries=0,
        _strict_response_validation=True,
        http_client=httpx2.Client(trust_env=False, timeout=60),
    ) as real:
        yield real


@pytest.fixture(scope="session")
def local() -> Iterator[LlamaModel]:
    """The same model in this process."""
    with LlamaModel(MODEL, context=1024, threads=1) as model:
        yield model


def read_all(stream: Stream) -> list[CloudToken]:
    """Every row of a stream that ends by itself."""
    rows: list[CloudToken] = []
    while not stream.ended:
        assert stream.wait(60), "nothing came for a minute"
        rows += stream.poll()
    return rows + stream.poll()


def text_of(rows: list[CloudToken]) -> str:
    return b"".join(row.text_bytes for row in rows).decode()
