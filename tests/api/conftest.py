"""The endpoint over HTTP: scripted models where it must be exact, real ones elsewhere."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from floe.api.server import ApiServer
from floe.application import Application
from floe.chat.assistant import Assistant
from floe.chat.turn import Turn
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import OFF, Settings
from floe.fusion.follower import FollowPolicy
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.store import Store
from tests.privacy.scripted_model import ScriptedModel
from tests.privacy.test_nothing_leaves import COMMON, PRIVATE, SECRETS, Cloud

KEY = "a-key-of-the-tests"


@dataclass(frozen=True)
class Served:
    """A running endpoint.

    Attributes:
        application: what answers.
        server: where.
        turns: those that were begun for programs, in order.
    """

    application: Application
    server: ApiServer
    turns: list[Turn]

    @property
    def client(self) -> openai.OpenAI:
        """The real client, with the right key."""
        return openai.OpenAI(base_url=self.server.address, api_key=KEY, max_retries=0)

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A plain request; the right key unless other headers are given."""
        headers = {"Authorization": f"Bearer {KEY}"} | options.pop("headers", {})
        with httpx2.Client(trust_env=False, timeout=60) as client:
            return client.request(method, self.server.address + path, headers=headers, **options)

    def ask(self, *said: str, **fields: Any) -> httpx2.Response:
        """A chat completion; `said` by user and assistant in turn."""
        roles = ("user", "assistant")
        messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
        asked = {"model": "floe", "messages": messages, "max_tokens": 60, **fields}
        return self.send("POST", "/chat/completions", json=asked)


class PacedModel(ScriptedModel):
    """Writes as many tokens as it is let."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(texts)
        self.path = Path("none.gguf")
        self.started = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.prompts: list[str] = []

    def prefill(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> NDArray[np.float32]:
        self.prompts.append(b"".join(self.pieces[token] for token in tokens).decode())
        return super().prefill(tokens, stopped)

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> NDArray[np.float32]:
        self.started.set()
        assert self.free.wait(60)
        return super().evaluate(tokens, outputs)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    with cloud.server:
        yield cloud


@pytest.fixture
def paced() -> PacedModel:
    model = PacedModel([COMMON, *SECRETS, *PRIVATE])
    model.script = COMMON
    return model


@pytest.fixture
def serve(
    tmp_path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Served]]:
    """Serve a model with the settings that are named."""
    turns: list[Turn] = []
    respond = Assistant.respond

    def watched(self: Assistant, *args: Any, **options: Any) -> Turn:
        turns.append(respond(self, *args, **options))
        return turns[-1]

    monkeypatch.setattr(Assistant, "respond", watched)
    monkeypatch.setattr(
        "floe.chat.answer_decoder.FollowPolicy", functools.partial(FollowPolicy, min_spacing=0.0)
    )
    with ExitStack() as opened:

        def served(model: Any, **values: Any) -> Served:
            settings = Settings.load(
                **{"cloud": OFF, "data_dir": tmp_path, "deadline_ms": 20_000.0, **values}
            )
            store = Store(settings.database)
            # It has shown that it continues answers.
            store.save_endpoint(settings.cloud, "big", EndpointProfile(model="big").to_json())
            link = CloudLink(settings, store)
            link.connect()
            loaded = (
                LlamaModel(model, context=2048, threads=1) if isinstance(model, Path) else model
            )
            assistant = Assistant(settings, store, loaded, link, detector)
            application = opened.enter_context(Application(settings, assistant))
            link.wait(60)
            server = opened.enter_context(ApiServer(application, KEY, 0))
            return Served(application, server, turns)

        yield served


@pytest.fixture
def served(serve: Callable[..., Served], paced: PacedModel, cloud: Cloud) -> Served:
    """Scripted on both sides."""
    made = serve(paced, cloud=cloud.server.url)
    assert made.application.assistant.cloud.state.usable
    return made
