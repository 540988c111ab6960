"""Servers that answer a request for a stream with one JSON document."""

import json
from typing import Any

import pytest

from floe.cloud.probe.probe import probe
from tests.cloud.asking import Connect, ask, failure_of
from tests.cloud.conftest import read_all, text_of
from tests.cloud.scripted import Play, ScriptedServer, row, say


def document(body: Any, kind: str = "application/json") -> Play:
    """Answer with one document."""
    return say(json.dumps(body).encode(), kind=kind)


def completion(*tokens: str, **choice: Any) -> dict[str, Any]:
    """A completion in one piece."""
    message = {"role": "assistant", "content": "".join(tokens)}
    logprobs = {"content": [row(token) for token in tokens]}
    first = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"object": "chat.completion", "choices": [first | choice], "usage": usage}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_an_answer_in_one_piece_is_read(connect: Connect, kind: str) -> None:
    with ScriptedServer(document(completion("Red", ", ", "blue"), kind)) as server:
        stream = ask(connect(server.url))
        rows = read_all(stream)
    assert stream.error is None
    assert text_of(rows) == "Red, blue"
    assert [each.text_bytes for each in rows[:3]] == [b"Red", b", ", b"blue"]
    assert rows[0].candidates[0].logprob == -0.5


def test_a_raw_completion_in_one_piece_is_read(connect: Connect) -> None:
    choice = {"index": 0, "text": "Red", "logprobs": None, "finish_reason": "stop"}
    with ScriptedServer(document({"choices": [choice]})) as server:
        assert text_of(read_all(ask(connect(server.url)))) == "Red"


def test_thinking_in_one_piece_is_no_part_of_the_answer(connect: Connect) -> None:
    message = {"role": "assistant", "reasoning_content": "Hm. Three?", "content": "Red"}
    with ScriptedServer(document(completion("Red", message=message))) as server:
        assert text_of(read_all(ask(connect(server.url)))) == "Red"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"error": {"message": "The model is overloaded", "code": 503}}, "The model is overloaded"),
        ({"error": "out of memory"}, "out of memory"),
        ({"error": {"code": 1}}, "reports an error"),
        (
            {"error": "Unexpected endpoint or method. (POST /chat/completions)"},
            "no OpenAI-compatible API",
        ),
        ({"status": "ok"}, "no OpenAI-compatible API"),
        ({"choices": []}, "no OpenAI-compatible API"),
        ({"choices": [{"index": 0}]}, "no OpenAI-compatible API"),
        ({"choices": ["x"]}, "no OpenAI-compatible API"),
        ([1], "no OpenAI-compatible API"),
    ],
)
def test_other_documents_are_a_sentence(connect: Connect, body: Any, sentence: str) -> None:
    with ScriptedServer(document(body)) as server:
        assert sentence in str(failure_of(ask(connect(server.url))))


def test_a_document_that_is_none_is_a_sentence(connect: Connect) -> None:
    with ScriptedServer(say(b'{"choices": [', kind="application/json")) as server:
        assert "no OpenAI-compatible API" in str(failure_of(ask(connect(server.url))))


def test_a_document_without_end_is_not_read_to_its_end(connect: Connect) -> None:
    with ScriptedServer(say(b'"' + b"x" * (9 << 20), kind="application/json")) as server:
        assert "too much in one piece" in str(failure_of(ask(connect(server.url))))


def test_the_test_of_an_endpoint_reads_it_too(connect: Connect) -> None:
    with ScriptedServer(document(completion("Red"))) as server:
        profile = probe(connect(server.url, "m"))
    assert profile.reachable
    assert profile.answers
