"""The server over real HTTP, asked by the real `openai` client and by plain requests."""

import math
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from floe.cloud.probe.probe import probe
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.stand_in.process import StandIn
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage, Sampling
from tests.cloud.asking import Connect
from tests.cloud.conftest import MODEL, Server, bearer, read_all

QUESTION = "Name three colours."
EMOJI = ("Repeat ten times: 😀", "😀😀😀😀")
CHINESE = ("Say hello in Chinese", "你好" + "，你好" * 3)  # noqa: RUF001


def greedy(model: LlamaModel, question: str, partial: str, count: int) -> list[int]:
    """The obvious loop."""
    prompt = PromptBuilder(model).build([ChatMessage("user", question)], partial)
    logits = model.prefill(prompt.tokens, lambda: False)
    tokens: list[int] = []
    while logits is not None and len(tokens) < count:
        tokens.append(int(logits[0].argmax()))
        if tokens[-1] in model.end_ids:
            break
        logits = model.evaluate(tokens[-1:])
    return tokens


def ask(
    api: openai.OpenAI, question: str = QUESTION, partial: str = "", **parameters: Any
) -> ChatCompletion:
    messages: Any = [{"role": "user", "content": question}]
    if partial:
        messages.append({"role": "assistant", "content": partial})
    parameters = {"temperature": 0, "max_tokens": 16, "logprobs": True, **parameters}
    answer: ChatCompletion = api.chat.completions.create(
        model=MODEL.stem, messages=messages, **parameters
    )
    return answer


def ask_streaming(
    api: openai.OpenAI, question: str = QUESTION, partial: str = "", **parameters: Any
) -> list[ChatCompletionChunk]:
    stream: Any = ask(api, question, partial, stream=True, **parameters)
    return list(stream)


def text_of(answer: ChatCompletion) -> str:
    return answer.choices[0].message.content or ""


def rows_of(answer: ChatCompletion) -> list[Any]:
    assert answer.choices[0].logprobs is not None
    return answer.choices[0].logprobs.content or []


def joined(rows: list[Any]) -> bytes:
    return b"".join(bytes(row.bytes) for row in rows)


@pytest.mark.parametrize(
    ("question", "partial"), [(QUESTION, ""), (QUESTION, "1. Red"), EMOJI, CHINESE]
)
def test_greedy_answer_is_the_model_s_own(
    api: openai.OpenAI, local: LlamaModel, question: str, partial: str
) -> None:
    rows = rows_of(ask(api, question, partial))
    expected = greedy(local, question, partial, 16)
    assert [bytes(row.bytes) for row in rows] == [local.pieces[token] for token in expected]


@pytest.mark.parametrize(("question", "partial"), [("Say hi", ""), EMOJI])
def test_streamed_answer_is_the_same_as_the_whole_one(
    api: openai.OpenAI, question: str, partial: str
) -> None:
    whole = ask(api, question, partial, top_logprobs=5, max_tokens=20)
    chunks = ask_streaming(api, question, partial, top_logprobs=5, max_tokens=20)
    choices = [chunk.choices[0] for chunk in chunks]
    rows = [row for c in choices if c.logprobs for row in c.logprobs.content or []]
    assert "".join(c.delta.content or "" for c in choices) == text_of(whole)
    assert [row.token for row in rows] == [row.token for row in rows_of(whole)]
    for row, other in zip(rows, rows_of(whole), strict=True):
        assert row.bytes == other.bytes
        assert row.logprob == pytest.approx(other.logprob, abs=0.05)
    assert choices[-1].finish_reason == whole.choices[0].finish_reason


@pytest.mark.parametrize(("question", "partial"), [EMOJI, CHINESE])
def test_characters_split_across_tokens_come_out_whole(
    api: openai.OpenAI, question: str, partial: str
) -> None:
    chunks = ask_streaming(api, question, partial, max_tokens=17)
    rows: list[Any] = [
        row
        for chunk in chunks
        if chunk.choices[0].logprobs
        for row in chunk.choices[0].logprobs.content or []
    ]
    assert any(bytes(row.bytes) != row.token.encode() for row in rows), "nothing was split"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "�" not in text
    assert text == joined(rows).decode("utf-8", "ignore")


def test_rows_are_right_against_a_softmax(api: openai.OpenAI, local: LlamaModel) -> None:
    prompt = PromptBuilder(local).build([ChatMessage("user", QUESTION)])
    logits = local.prefill(prompt.tokens, lambda: False)
    assert logits is not None
    weights = np.exp(logits[0].astype(np.float64) - logits[0].max())
    p = np.sort(weights / weights.sum())[::-1]
    # The temperature does not change what is reported.
    [row] = rows_of(ask(api, top_logprobs=20, max_tokens=1, temperature=2, seed=1))
    shares = [math.exp(top.logprob) for top in row.top_logprobs]
    assert len(shares) == 20
    assert sum(shares) <= 1
    assert shares == pytest.approx(p[:20].tolist(), rel=0.05)


def test_continuation_is_of_exactly_the_partial_message(
    api: openai.OpenAI, local: LlamaModel
) -> None:
    text = text_of(ask(api, max_tokens=30))
    for cut in range(3, len(text) - 20, 11):
        more = ask(api, QUESTION, text[:cut], max_tokens=5)
        expected = [local.pieces[token] for token in greedy(local, QUESTION, text[:cut], 5)]
        assert joined(rows_of(more)) == b"".join(expected), f"cut at {cut}"
        assert joined(rows_of(more)).decode() == text_of(more)


def test_without_continuation_a_trailing_message_is_a_turn_that_is_over(
    connect: Connect, local: LlamaModel
) -> None:
    with StandIn(MODEL, ("--context", "1024", "--no-continuation")) as process:
        url, key = process.wait_ready(60), process.key.get_secret_value()
        assert probe(connect(url, key=key)).continuation is Continuation.NONE
        client = connect(url, key=key, profile=EndpointProfile(model=MODEL.stem))
        stream = client.open([ChatMessage("user", QUESTION)], "1. Red", Sampling(), 5)
        text = b"".join(row.text_bytes for row in read_all(stream))
    turns = [ChatMessage("user", QUESTION), ChatMessage("assistant", "1. Red")]
    logits = local.prefill(PromptBuilder(local).build(turns).tokens, lambda: False)
    assert logits is not None
    assert text.startswith(local.pieces[int(logits[0].argmax())])


def test_answer_cut_between_words_goes_on_as_before(api: openai.OpenAI) -> None:
    text = text_of(ask(api, max_tokens=30))
    cuts = [place for place, character in enumerate(text[:-20]) if character == " "]
    ends = [text_of(ask(api, QUESTION, text[:cut], max_tokens=4)) for cut in cuts]
    same = [text[cut:].startswith(end) for cut, end in zip(cuts, ends, strict=True)]
    # Other batches change the last digits, which may turn a near tie.
    assert sum(same) >= len(cuts) - 1 > 5


def test_end_of_text_is_a_row_without_bytes(api: openai.OpenAI) -> None:
    answer = ask(api, "Say hi", top_logprobs=3, max_tokens=40)
    last = rows_of(answer)[-1]
    assert answer.choices[0].finish_reason == "stop"
    assert (last.token, last.bytes) == ("<|im_end|>", [])
    assert (last.top_logprobs[0].token, last.top_logprobs[0].bytes) == ("<|im_end|>", [])
    assert answer.usage is not None
    assert answer.usage.completion_tokens == len(rows_of(answer))
    assert joined(rows_of(answer)).decode() == text_of(answer)


@pytest.mark.parametrize("stop", ["colour", ["zzz", "colour", "lour,"]])
def test_stop_string_ends_the_text_before_it(api: openai.OpenAI, stop: Any) -> None:
    full = text_of(ask(api))
    assert "colour" in full
    whole = ask(api, stop=stop)
    chunks = ask_streaming(api, stop=stop)
    assert text_of(whole) == full[: full.index("colour")]
    assert whole.choices[0].finish_reason == "stop"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == text_of(whole)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_seed_repeats_an_answer_and_its_absence_does_not(api: openai.OpenAI) -> None:
    def sample(**parameters: Any) -> str:
        return text_of(ask(api, "Tell me a story.", temperature=1.5, **parameters))

    assert sample(seed=7) == sample(seed=7)
    assert len({sample(seed=seed) for seed in range(4)}) > 1
    assert len({sample() for _ in range(4)}) > 1


def test_usage_comes_in_the_first_and_last_chunk_when_asked_for(api: openai.OpenAI) -> None:
    chunks = ask_streaming(api, stream_options={"include_usage": True}, max_tokens=4)
    assert chunks[0].usage is not None
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert chunks[0].usage.prompt_tokens == chunks[-1].usage.prompt_tokens > 10
    assert chunks[-1].usage.completion_tokens == 4
    assert all(chunk.usage is None for chunk in ask_streaming(api, max_tokens=2))


def test_logprobs_are_left_out_unless_asked_for(api: openai.OpenAI) -> None:
    assert ask(api, logprobs=False, max_tokens=2).choices[0].logprobs is None
    [row] = rows_of(ask(api, max_tokens=1))
    assert row.top_logprobs == []


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 3, "logprobs": False}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": ""}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "message"),
    ],
)
def test_bad_parameters_are_named(
    api: openai.OpenAI, parameters: dict[str, Any], named: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(api, extra_body=parameters)
    assert isinstance(caught.value.body, dict)
    assert named in caught.value.body["message"]
    assert caught.value.body["type"] == "invalid_request_error"


def test_prompt_that_does_not_fit_is_refused(api: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(api, "word " * 2000)
    assert caught.value.code == "context_length_exceeded"


def test_body_that_is_not_json_is_refused(server: Server) -> None:
    url, shown = f"{server.url}/chat/completions", bearer(server.key)
    shown |= {"Content-Type": "application/json"}
    answer = httpx2.post(url, content="{", headers=shown, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_unknown_model_and_path_are_not_found(api: openai.OpenAI, server: Server) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        api.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "model_not_found"
    shown = bearer(server.key)
    answer = httpx2.get(f"{server.url}/nothing", headers=shown, trust_env=False)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Not Found: GET /v1/nothing"


def test_models_show_the_vocabulary(server: Server, local: LlamaModel) -> None:
    shown = bearer(server.key)
    [entry] = httpx2.get(f"{server.url}/models", headers=shown, trust_env=False).json()["data"]
    assert entry["id"] == MODEL.stem
    assert entry["meta"]["vocabulary"] == local.vocabulary.fingerprint
    health = httpx2.get(server.url.removesuffix("/v1") + "/health", headers=shown, trust_env=False)
    assert health.json() == {"status": "ok"}


ROUTES = ("/health", "/v1/models", "/v1/chat/completions", "/stand-in/faults", "/", "/v1/nothing")


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD", "PUT"])
def test_who_does_not_know_the_key_gets_nothing(server: Server, method: str, path: str) -> None:
    url = server.url.removesuffix("/v1") + path
    page = {"Origin": "http://127.0.0.1:8000", "Access-Control-Request-Headers": "authorization"}
    for headers in (
        {},
        page,
        bearer("wrong"),
        bearer(server.key[:-1]),
        {"Authorization": server.key},
    ):
        answer = httpx2.request(method, url, headers=headers, content="{}", trust_env=False)
        assert answer.status_code == (403 if headers is page else 401)
        assert "model" not in answer.text
        assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("host", ["rebind.example", "127.0.0.1", "127.0.0.1:1", "localhost", ""])
def test_a_foreign_host_gets_nothing_even_with_the_key(server: Server, host: str) -> None:
    for path in ROUTES:
        url = server.url.removesuffix("/v1") + path
        answer = httpx2.get(url, headers=bearer(server.key) | {"Host": host}, trust_env=False)
        assert answer.status_code == 403


def test_the_key_is_another_one_at_each_start_and_in_no_list_of_processes() -> None:
    keys = set()
    for _ in range(2):
        with StandIn(MODEL, ("--context", "256")) as process:
            url = process.wait_ready() + "/models"
            key = process.key.get_secret_value()
            keys.add(key)
            assert len(key) >= 32
            assert httpx2.get(url, headers=bearer(key), trust_env=False).status_code == 200
            seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            seen += Path(f"/proc/{process.pid}/environ").read_bytes()
            assert key.encode() not in seen
            assert key not in repr(vars(process))
    assert len(keys) == 2


def test_unknown_faults_are_refused(server: Server) -> None:
    url = server.url.removesuffix("/v1") + "/stand-in/faults"
    bodies: list[Any] = [{"fail": "fire"}, {"rtt_ms": -1}, {"speed": 1}, []]
    for body in bodies:
        answer = httpx2.post(url, json=body, headers=bearer(server.key), trust_env=False)
        assert answer.status_code == 400
