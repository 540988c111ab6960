"""Real clients on the real small model: the `openai` package, `llm`, and the command itself."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from floe.adapters.router import PromptSpace
from floe.api.server import KEY_FILE
from floe.chat.turn import Turn
from tests.api.conftest import KEY, Served
from tests.cli.without_gradio import WITHOUT_GRADIO

ROOT = Path(__file__).parents[2]
QUESTION = "What is the capital of France?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
GREEDY: Any = {"temperature": 0, "max_tokens": 24, "messages": MESSAGES}


def check_rows(rows: Any, turn: Turn) -> None:
    """What a client got is the distribution that the turn's tokens were picked from."""
    steps = turn.view().steps
    assert len(rows) == len(steps) > 3
    for row, step in zip(rows, steps, strict=True):
        assert bytes(row.bytes) == step.text_bytes
        assert row.logprob == pytest.approx(math.log(step.p_fused), abs=1e-9)
        tops = [(bytes(top.bytes), top.logprob) for top in row.top_logprobs]
        assert tops == [
            (each.text_bytes, pytest.approx(math.log(each.p_fused), abs=1e-9))
            for each in step.alternatives
        ]


@pytest.mark.parametrize("model", ["floe-local", "floe", "floe-cloud"])
def test_openai_chats_streaming_and_not(
    serve: Callable[..., Served], smollm_path: Path, model: str
) -> None:
    stand_in = {} if model == "floe-local" else {
        "cloud": "stand-in", "stand_in_model": str(smollm_path)
    }  # fmt: skip
    served = serve(smollm_path, **stand_in)
    wanted = {"model": model, "logprobs": True, "top_logprobs": 5, **GREEDY}
    whole = served.client.chat.completions.create(**wanted)
    choice = whole.choices[0]
    assert "Paris" in choice.message.content
    assert choice.finish_reason == "stop"
    assert choice.logprobs is not None
    check_rows(choice.logprobs.content, served.turns[0])
    assert b"".join(bytes(row.bytes) for row in choice.logprobs.content).decode() == (
        choice.message.content
    )
    assert whole.model_extra["floe"]["route"] == {
        "floe-local": "local", "floe": "fused", "floe-cloud": "cloud"
    }[model]  # fmt: skip
    sources = {step.source for step in served.turns[0].view().steps}
    assert sources == {whole.model_extra["floe"]["route"]}
    chunks = list(
        served.client.chat.completions.create(
            stream=True, stream_options={"include_usage": True}, **wanted
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    rows = [
        row
        for c in chunks
        if c.choices and c.choices[0].logprobs
        for row in c.choices[0].logprobs.content
    ]
    check_rows(rows, served.turns[1])
    assert text == choice.message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens == len(rows)
    assert served.application.store.conversations() == []


def test_a_seed_makes_an_answer_come_again(serve: Callable[..., Served], smollm_path: Path) -> None:
    served = serve(smollm_path)

    def say(seed: int) -> str:
        answer = served.client.chat.completions.create(
            model="floe-local", messages=MESSAGES, temperature=1.5, top_p=0.99, seed=seed,
            max_tokens=24,
        )  # fmt: skip
        return answer.choices[0].message.content or ""

    said = [say(7), say(7), say(-8)]
    assert said[0] == said[1] != said[2]


def test_embeddings_are_those_of_the_base_model(
    serve: Callable[..., Served], smollm_path: Path
) -> None:
    served = serve(smollm_path)
    texts = ["A cat sleeps.", "A kitten dreams.", "Interest rates rose."]
    # The package asks for base64 unless it is told otherwise.
    answer = served.client.embeddings.create(model="floe-local", input=texts)
    found = np.array([each.embedding for each in answer.data])
    space = PromptSpace(smollm_path, served.application.assistant.model.tokenize)
    np.testing.assert_allclose(found, [space.embed(text) for text in texts], atol=1e-6)
    spelled = served.client.embeddings.create(model="floe", input=texts[0], encoding_format="float")
    np.testing.assert_allclose(spelled.data[0].embedding, found[0], atol=1e-6)
    assert answer.usage.prompt_tokens > 8
    for wrong in ({"model": "floe-cloud", "input": "a"}, {"model": "floe", "input": [1, 2]}):
        assert served.send("POST", "/embeddings", json=wrong).status_code in (400, 404)
    with pytest.raises(openai.BadRequestError, match="empty"):
        served.client.embeddings.create(model="floe", input=[""])
    with pytest.raises(openai.BadRequestError, match="numbers"):
        served.client.embeddings.create(model="floe", input="a", dimensions=7)


def test_llm_chats_through_the_endpoint(
    serve: Callable[..., Served], smollm_path: Path, tmp_path: Path
) -> None:
    served = serve(smollm_path)
    home = tmp_path / "llm"
    home.mkdir()
    (home / "extra-openai-models.yaml").write_text(
        "- model_id: floe\n  model_name: floe-local\n"
        f"  api_base: {served.server.address}\n  api_key_name: floe\n"
    )
    (home / "keys.json").write_text(json.dumps({"floe": KEY}))
    ask = [sys.executable, "-m", "llm", "-m", "floe", "-o", "temperature", "0", QUESTION]
    for more in ([], ["--no-stream"], ["-s", "Answer in one word."]):
        done = subprocess.run(
            [*ask, *more],
            env={**os.environ, "LLM_USER_PATH": str(home)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        assert "Paris" in done.stdout
    assert len(served.turns) == 3


def test_the_command_serves_without_gradio_and_ends_in_order(tmp_path: Path) -> None:
    flags = ["--port", "0", "--cloud", "off", "--json", "--data-dir", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_GRADIO, "serve", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        about = json.loads(process.stdout.readline())
        assert about["key"] == (tmp_path / KEY_FILE).read_text()
        assert about["models"] == ["floe", "floe-local", "floe-cloud"]
        client = openai.OpenAI(base_url=about["address"], api_key=about["key"], max_retries=0)
        answer = client.chat.completions.create(model="floe", **GREEDY)
        assert "Paris" in (answer.choices[0].message.content or "")
        client.close()
        process.send_signal(signal.SIGINT)
        rest, told = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, told
    assert rest == ""
    assert "Ctrl-C" in told
    assert about["key"] not in told + (tmp_path / "floe.log").read_text()
