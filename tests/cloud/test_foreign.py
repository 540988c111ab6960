"""A real foreign server: the one that llama-cpp-python brings along."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import httpx2
import pytest

from floe.cloud.client import CloudClient
from floe.cloud.probe.probe import probe
from floe.cloud.protocol.continuation import Continuation
from floe.fusion.decoder import Controls, Decoder
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage, Sampling
from tests.cloud.conftest import MODEL
from tests.tiers import ROOT

Connect = Callable[..., CloudClient]
QUESTION = [ChatMessage("system", "You are brief."), ChatMessage("user", "Why is the sky blue?")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _serve("true", tmp_path_factory.mktemp("server") / "log")


def _serve(logits_all: str, log: Path) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    flags = {"model": str(MODEL), "logits_all": logits_all, "n_ctx": "512", "n_threads": "1"}
    flags |= {"host": "127.0.0.1", "port": port, "verbose": "false"}
    words = [word for name, value in flags.items() for word in (f"--{name}", value)]
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.plain_llama", *words],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        ) as process,
    ):
        address = f"http://127.0.0.1:{port}/v1"
        try:
            _wait_for(address, process, log)
            yield address
        finally:
            process.kill()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            httpx2.get(f"{address}/models", trust_env=False)
        except httpx2.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not come up")


def test_probe_and_fusion(url: str, connect: Connect, smollm: LlamaModel) -> None:
    client = connect(url, "")
    client.profile = profile = probe(client)
    assert profile.complete, profile.findings
    assert profile.logprobs == "given"
    assert profile.top_logprobs == 20
    assert not profile.exact_bytes
    assert profile.continuation is Continuation.COMPLETIONS
    assert any("ChatML" in finding for finding in profile.findings)
    assert profile.before_temperature
    assert not profile.reports_usage

    # The same model on both sides: fused, it says what it says alone.
    prompt = PromptBuilder(smollm).build(QUESTION)
    sampling = Sampling(max_tokens=12)
    alone = Decoder(smollm, Controls(weight=1.0))
    logits = smollm.prefill(prompt.tokens, lambda: False)
    assert logits is not None
    expected = list(alone.run(logits, sampling))
    beginning = b"".join(step.text_bytes for step in expected[:4]).decode()
    opened: list[str] = []

    def open_stream(partial: str) -> object:
        opened.append(partial)
        return client.open(QUESTION, beginning + partial, Sampling(), 8)

    notices: list[str] = []
    fused = Decoder(
        smollm,
        Controls(weight=0.2, deadline=60.0),
        open_stream=open_stream,  # type: ignore[arg-type]
        notify=notices.append,
    )
    smollm.roll_back(0)
    begun = PromptBuilder(smollm).build(QUESTION, beginning)
    fused.begin()
    logits = smollm.prefill(begun.tokens, lambda: False)
    assert logits is not None
    steps = list(fused.run(logits, Sampling(max_tokens=8)))
    fused.close()
    smollm.roll_back(0)
    assert notices == []
    assert {step.source for step in steps} == {"fused"}
    assert opened[0] == ""
    assert b"".join(step.text_bytes for step in steps[:6]) == b"".join(
        step.text_bytes for step in expected[4:10]
    )


def test_started_without_logits_it_breaks_off_when_asked_for_them(
    connect: Connect, tmp_path: Path
) -> None:
    server = _serve("false", tmp_path / "log")
    try:
        client = connect(next(server), "")
        profile = probe(client)
    finally:
        server.close()
    assert profile.complete, profile.findings
    assert profile.logprobs == "refused"
    assert profile.continuation is Continuation.COMPLETIONS
