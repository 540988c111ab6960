"""Services and servers as they answer in 2026, each played by a script."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floe.cloud.credentials.presets import preset_by_id
from floe.cloud.link import CloudLink
from floe.cloud.probe.probe import probe
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.protocol.request import Ask, build_request
from floe.cloud.protocol.thinking import SWITCHES, ThinkingSwitch, thinking_parameters
from floe.cloud.stream import Stream, Unavailable
from floe.config import Settings
from floe.errors import CloudError
from floe.origin import parse_address
from floe.records import ChatMessage, Sampling
from tests.cloud.asking import ANSWER, QUESTION, Connect, ask, failure_of
from tests.cloud.conftest import read_all, text_of
from tests.cloud.scripted import (
    DONE,
    STOP,
    Connection,
    Play,
    ScriptedServer,
    event,
    row,
    row_event,
    say,
)
from tests.cloud.test_refusals import asked, openai, refuse


def preset_body(preset: str, partial: str = "") -> dict[str, Any]:
    """The body of an untested preset's request."""
    question = Ask("m", QUESTION, partial, 0.0, 1.0, 9)
    return build_request(question, preset_by_id(preset).assumed).body


def refuse_first(*checks: tuple[Callable[[dict[str, Any]], bool], Any, str]) -> Play:
    """Refuse a body for the first of the checks that it does not pass, else answer it."""

    def play(connection: Connection) -> None:
        body = json.loads(connection.body)
        for refused, words, status in checks:
            if refused(body):
                refuse(words, status)(connection)
                return
        ANSWER(connection)

    return play


MAX_TOKENS = (
    lambda body: "max_tokens" in body,
    openai(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead."
    ),
    "400 No",
)
TEMPERATURE = (
    lambda body: "temperature" in body,
    openai(
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default "
        "(1) value is supported."
    ),
    "400 No",
)
LOGPROBS = (
    lambda body: "logprobs" in body,
    openai("You are not allowed to request logprobs from this model."),
    "403 No",
)


@pytest.mark.parametrize("order", [(TEMPERATURE, LOGPROBS), (LOGPROBS, TEMPERATURE)])
def test_openai_models_that_reason_answer_the_third_request_at_the_latest(
    connect: Connect, order: Any
) -> None:
    with ScriptedServer(refuse_first(MAX_TOKENS, *order)) as server:
        client = connect(server.url, "gpt-5")
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    bodies = asked(server)
    assert len(bodies) == 4  # what was found out is remembered
    assert bodies[-1].keys() == {
        *("model", "stream", "stream_options", "messages", "max_completion_tokens"),
    }


def test_openai_models_that_need_not_reason_keep_their_candidates(connect: Connect) -> None:
    with ScriptedServer(refuse_first(MAX_TOKENS)) as server:
        assert text_of(read_all(ask(connect(server.url, "gpt-5.2")))) == "x"
    assert [each.get("top_logprobs") for each in asked(server)] == [20, 20]
    assert asked(server)[-1]["max_completion_tokens"] == 12


def test_openai_is_asked_in_words_that_all_its_models_know() -> None:
    body = preset_body("openai")
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 9


def test_openai_refusal_in_place_of_an_answer_is_its_text(connect: Connect) -> None:
    parts = [event(delta={"refusal": word}) for word in ("I can", "not.")]
    with ScriptedServer(say(*parts, STOP, DONE)) as server:
        assert text_of(read_all(ask(connect(server.url)))) == "I cannot."


def test_deepseek_is_told_not_to_think() -> None:
    body = preset_body("deepseek", "Red")
    assert body["thinking"] == {"type": "disabled"}
    assert body["messages"][-1] == {"role": "assistant", "content": "Red", "prefix": True}


def test_azure_chunks_without_text_are_no_part_of_the_answer(connect: Connect) -> None:
    filtered = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    later: dict[str, Any] = {
        "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]
    }
    chunks = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in (filtered, later)]
    play = say(chunks[0], row_event("Red"), chunks[1], row_event(" x"), STOP, DONE)
    with ScriptedServer(play) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "Red x"
    assert stream.error is None


def test_azure_address_of_old_says_what_to_type() -> None:
    old = "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21"
    with pytest.raises(CloudError, match=r"NAME\.openai\.azure\.com/openai/v1, which needs no"):
        parse_address(old)


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/completions", "/models/"])
def test_an_address_copied_from_a_request_is_understood(connect: Connect, ending: str) -> None:
    with ScriptedServer(ANSWER) as server:
        assert text_of(read_all(ask(connect(server.url + ending)))) == "x"
        assert server.requests[0].head.startswith("POST /v1/chat/completions HTTP")


def test_gemini_gets_what_it_knows(connect: Connect) -> None:
    unknown = (
        'Invalid JSON payload received. Unknown name "logprobs": Cannot find field.\n'
        'Invalid JSON payload received. Unknown name "top_logprobs": Cannot find field.'
    )
    body = [{"error": {"code": 400, "message": unknown, "status": "INVALID_ARGUMENT"}}]
    with ScriptedServer(refuse(body), ANSWER) as server:
        assert text_of(read_all(ask(connect(server.url)))) == "x"
    assert [each.keys() & {"logprobs", "stream_options"} for each in asked(server)] == [
        {"logprobs", "stream_options"},
        {"stream_options"},
    ]


def test_mistral_names_all_that_it_forbids_at_once(connect: Connect) -> None:
    names = ("logprobs", "stream_options", "top_logprobs")
    detail: list[dict[str, Any]] = [
        {"type": "extra_forbidden", "loc": ["body", name], "input": 1} for name in names
    ]

    def play(connection: Connection) -> None:
        body = json.loads(connection.body)
        left = [each for each in detail if each["loc"][1] in body]
        (refuse({"detail": left}, "422 No") if left else ANSWER)(connection)

    with ScriptedServer(play) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    assert len(asked(server)) == 4


def test_openrouter_chooses_hosts_that_give_candidates_if_there_are_any(connect: Connect) -> None:
    nobody = {
        "error": {
            "message": "No endpoints found that can handle the requested parameters.",
            "code": 404,
        }
    }
    with ScriptedServer(refuse(nobody, "404 No"), ANSWER) as server:
        profile = preset_by_id("openrouter").assumed
        client = connect(server.url, "m", profile=profile)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    assert [each.get("provider") for each in asked(server)] == [
        {"require_parameters": True},
        None,
        None,
    ]
    assert all(each["top_logprobs"] == 20 for each in asked(server))


def test_openrouter_error_in_mid_answer_is_said_and_the_text_stays(connect: Connect) -> None:
    body = {
        "error": {"code": 502, "message": "Provider disconnected"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
    }
    broken = b"data: " + json.dumps(body).encode() + b"\n\n"
    with ScriptedServer(say(row_event("Red"), broken)) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "Red"
    assert "Provider disconnected" in str(stream.error)


CLAUDE = openai(
    "This model does not support assistant message prefill. The conversation must end with a user "
    "message."
)
MISTRAL = {
    "message": "Expected last role User or Tool (or Assistant with prefix True) for serving but "
    "got assistant"
}


@pytest.mark.parametrize("words", [CLAUDE, MISTRAL])
def test_a_model_that_continues_nothing_is_asked_once(connect: Connect, words: Any) -> None:
    with ScriptedServer(refuse(words)) as server:
        client = connect(server.url)
        error = failure_of(ask(client, "Red, "))
        assert len(server.requests) == 1
    assert error.retry_after == math.inf
    assert client.profile.continuation is Continuation.NONE
    assert client.profile.logprobs == "given"


def test_a_refused_beginning_says_nothing_about_candidates(connect: Connect) -> None:
    words = openai("messages: this beginning is not allowed")
    with ScriptedServer(refuse(words)) as server:
        client = connect(server.url)
        assert "this beginning" in str(failure_of(ask(client, "Red, ")))
        assert len(server.requests) == 1
    assert client.profile == EndpointProfile(model=client.model)


TRAILING = openai("messages: final assistant content cannot end with trailing whitespace")


class Untrailing:
    """Continues a beginning that does not end in white space, as Claude up to 4.5 does."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def __call__(self, connection: Connection) -> None:
        last = json.loads(connection.body)["messages"][-1]
        if last["role"] == "assistant" and last["content"] != last["content"].rstrip():
            refuse(TRAILING)(connection)
        else:
            connection.answer(*self.pieces, STOP, DONE)


@pytest.mark.parametrize(
    ("partial", "pieces", "text"),
    [
        ("Red, ", [" green", " x"], "green x"),
        ("Red:\n\n", ["\n\n", "- green"], "- green"),
        ("Red:\n", ["\n", "\n", "Green"], "\nGreen"),
        ("Red:\n", ["\n\nGreen"], "\nGreen"),
        ("Red", [", green"], ", green"),
        ("\n", ["\nRed"], "Red"),
        ("Red.\n", [], ""),  # it would end there
    ],
)
def test_white_space_that_a_server_refuses_is_not_sent_and_not_doubled(
    connect: Connect, partial: str, pieces: list[str], text: str
) -> None:
    play = Untrailing(*(event(piece) for piece in pieces))
    with ScriptedServer(play) as server:
        client = connect(server.url)
        for _ in range(2):
            stream = ask(client, partial)
            assert text_of(read_all(stream)) == text
            assert stream.error is None
    refused = partial != partial.rstrip()
    assert len(asked(server)) == 2 + refused  # what was found out is remembered
    last = asked(server)[-1]["messages"][-1]
    assert last["content"] == (partial.rstrip() or QUESTION[-1].content)


def test_anthropic_is_sent_no_trailing_white_space(connect: Connect) -> None:
    assert preset_body("anthropic", "Red, ")["messages"][-1]["content"] == "Red,"
    assert preset_body("deepseek", "Red, ")["messages"][-1]["content"] == "Red, "


def test_rows_after_unsent_white_space_give_what_can_still_come(connect: Connect) -> None:
    half, quarter = math.log(0.5), math.log(0.25)
    tops = [row(" green", half), row("\n", quarter), row(" go", math.log(0.2))]
    first = row_event(" green", logprob=half, top_logprobs=tops)
    with ScriptedServer(Untrailing(first)) as server:
        rows = read_all(ask(connect(server.url), "Red, "))
    assert rows[0].text_bytes == b"green"
    found = {each.text_bytes: math.exp(each.logprob) for each in rows[0].candidates}
    assert found == pytest.approx({b"green": 0.5 / 0.75, b"go": 0.2 / 0.75})
    assert all(each.begun for each in rows[0].candidates)


def test_other_white_space_than_is_written_ends_the_stream_with_a_sentence(
    connect: Connect,
) -> None:
    with ScriptedServer(Untrailing(event(" and green"))) as server:
        stream = ask(connect(server.url), "Red:\n")
        assert read_all(stream) == []
    assert "other spaces or line breaks" in str(stream.error)


def test_llama_server_continues_once_its_model_may_not_think(connect: Connect) -> None:
    no = openai("Assistant response prefill is incompatible with enable_thinking.")
    with ScriptedServer(refuse(no), ANSWER) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client, "Red, "))) == "x"
    switches = [
        each.get("chat_template_kwargs", {}).get("enable_thinking") for each in asked(server)
    ]
    assert switches == [None, False, False]
    assert all(each["messages"][-1]["role"] == "assistant" for each in asked(server))
    assert client.profile.continuation is Continuation.PREFILL


def test_thinking_that_nobody_sees_is_not_paid_for_twice(connect: Connect) -> None:
    with ScriptedServer(say(event(finish_reason="length"), DONE)) as server:
        error = failure_of(ask(connect(server.url)))
    assert "still thinking" in str(error)
    assert error.retry_after == math.inf


def opened(stream: Stream | Unavailable) -> Stream:
    """A stream that is one."""
    assert isinstance(stream, Stream), stream.error
    return stream


class Thinker:
    """A model that thinks unless a switch is set, and gives no candidates while it does."""

    def __init__(self, switch: ThinkingSwitch | None, *, strict: bool, hidden: bool) -> None:
        self.switch, self.strict, self.hidden = switch, strict, hidden

    def __call__(self, connection: Connection) -> None:
        if "GET" in connection.head.split("\r\n")[0]:
            connection.answer(b'{"data": [{"id": "thinker"}]}', kind="application/json")
            return
        body = json.loads(connection.body)
        for name in SWITCHES:
            if self.strict and name is not self.switch and name.value in body:
                refuse(openai(f"Unrecognized request argument supplied: {name.value}"))(connection)
                return
        thinks = (
            self.switch is None
            or body.get(self.switch.value) != (thinking_parameters(self.switch)[self.switch.value])
        )
        if thinks and "logprobs" in body:
            refuse(openai("logprobs is not supported in thinking mode"))(connection)
            return
        last = body["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" else ""
        question = body["messages"][-2 if begun else -1]["content"]
        text = question.partition("nothing else: ")[2].removeprefix(begun)
        pieces = [row_event(letter) for letter in text] + [STOP]
        if thinks:
            thought = event(delta={} if self.hidden else {"reasoning_content": " so"})
            pieces = [thought] * 40 + pieces
        if body["max_tokens"] < len(pieces):
            pieces = [*pieces[: body["max_tokens"]], event(finish_reason="length")]
        usage = {"completion_tokens_details": {"reasoning_tokens": 40 if thinks else 0}}
        counts = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
        connection.answer(*pieces, counts, DONE)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("switch", SWITCHES)
def test_the_switch_that_keeps_a_model_from_thinking_is_found(
    connect: Connect, switch: ThinkingSwitch, strict: bool, hidden: bool
) -> None:
    with ScriptedServer(Thinker(switch, strict=strict, hidden=hidden)) as server:
        client = connect(server.url, "")
        profile = probe(client)
        client.profile = profile
        assert text_of(read_all(client.open(QUESTION, "", Sampling(), 9))) == ""
    assert profile.complete, profile.findings
    assert (profile.thinking_off, profile.thinks) == (switch, 0)
    assert profile.logprobs == "given"
    assert profile.continuation is Continuation.PREFILL
    assert f"the switch is {switch.value}" in " ".join(profile.findings)
    assert asked(server)[-1][switch.value] == thinking_parameters(switch)[switch.value]


def test_what_is_known_of_a_service_is_tried_first(connect: Connect) -> None:
    requests = []
    for hint in (None, preset_by_id("deepseek").assumed):
        with ScriptedServer(Thinker(ThinkingSwitch.THINKING, strict=True, hidden=False)) as server:
            profile = probe(connect(server.url, ""), hint)
            assert profile.thinking_off is ThinkingSwitch.THINKING
            requests.append(len(server.requests))
    assert requests[1] < requests[0]


def test_a_model_that_cannot_but_think_is_told(connect: Connect) -> None:
    with ScriptedServer(Thinker(None, strict=False, hidden=False)) as server:
        profile = probe(connect(server.url, ""))
    assert profile.thinks == 40
    assert profile.thinking_off is ThinkingSwitch.NONE
    assert "nothing that Floe knows keeps it from that" in " ".join(profile.findings)


@pytest.mark.parametrize("preset", ["custom", "llama-server"])
@pytest.mark.parametrize("switch", [ThinkingSwitch.TEMPLATE, ThinkingSwitch.EFFORT, None])
@pytest.mark.parametrize("hidden", [False, True])
def test_an_untested_model_that_was_heard_thinking_is_told_not_to(
    tmp_path: Path, preset: str, switch: ThinkingSwitch | None, hidden: bool
) -> None:
    link = CloudLink(Settings.load(cloud="off", data_dir=tmp_path))
    question = [ChatMessage("user", "Write nothing else: red, green")]
    with ScriptedServer(Thinker(switch, strict=False, hidden=hidden)) as server:
        try:
            link.configure(server.url, "thinker", preset=preset)
            link.wait(20)
            read_all(opened(link.open(question, "", Sampling(max_tokens=60))))
            assert not link.one_stream
            # Whoever comes next finds it out, and the one after knows it. It is read to its end:
            # closed, it may or may not have got as far as a request, which are counted below.
            first = link.open(question, "red", Sampling(max_tokens=60), purpose="weight")
            if switch is not None:
                assert text_of(read_all(opened(first))) == ", green"
            before = len(server.requests)
            after = link.open(question, "red", Sampling(max_tokens=60))
            if switch is None:
                assert "cannot continue an answer" in str(after.error)
                assert link.one_stream
            else:
                rows = read_all(opened(after))
                assert text_of(rows) == ", green"
                assert rows[0].candidates[0].logprob == -0.5
                assert asked(server)[-1][switch.value]
            assert len(server.requests) - before == (switch is not None)
        finally:
            link.close()
