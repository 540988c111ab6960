"""Refusals in the words of services that people use: what is asked next, and what is said."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from floe.cloud.client import CloudClient
from floe.cloud.endpoint import AccessRefused, RateLimited
from floe.cloud.link import CloudLink
from floe.cloud.probe.probe import probe
from floe.cloud.probe.profile import EndpointProfile, downgrade_profile, room_for_answer
from floe.cloud.protocol.continuation import Continuation
from floe.config import Settings
from floe.records import Sampling
from tests.cloud.asking import ANSWER, KEY, QUESTION, Connect, ask, failure_of
from tests.cloud.conftest import read_all, text_of
from tests.cloud.scripted import DONE, STOP, Connection, Play, ScriptedServer, event, row_event, say


def refuse(body: Any, status: str = "400 No") -> Play:
    return say(json.dumps(body).encode(), status=status, kind="application/json")


def openai(words: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": words, "type": "invalid_request_error", "param": None, **more}}


def asked(server: ScriptedServer) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in server.requests if request.body]


VLLM = openai("Requested sample logprobs of 20, which is greater than max allowed: 5", code=400)
TOGETHER = openai("20 is greater than the maximum of 1 - 'logprobs'", param="logprobs")
TGI = {
    "error": "Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20",
    "error_type": "validation",
}
BETWEEN = openai("Invalid value for 'top_logprobs': must be between 0 and 8.")


@pytest.mark.parametrize(
    ("body", "status", "most"),
    [
        (VLLM, "400 No", 5),
        (TOGETHER, "400 No", 1),
        (TGI, "422 No", 5),
        (BETWEEN, "400 No", 8),
        (openai("top_logprobs is too large"), "400 No", 5),
    ],
)
def test_fewer_candidates_come_before_none(
    connect: Connect, body: Any, status: str, most: int
) -> None:
    with ScriptedServer(refuse(body, status), ANSWER) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    tops = [each.get("top_logprobs") for each in asked(server)]
    assert tops == [20, most, most]


def test_the_last_try_is_without_candidates(connect: Connect) -> None:
    no = refuse(openai("top_logprobs is too large"))
    with ScriptedServer(no, no, ANSWER) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    assert [each.get("top_logprobs") for each in asked(server)] == [20, 5, None, None]


def test_no_more_than_three_requests_are_made(connect: Connect) -> None:
    names = iter(("stream_options", "max_tokens", "temperature", "logprobs"))

    def refuse_another(connection: Connection) -> None:
        refuse(openai(f"Unsupported parameter: '{next(names)}'"))(connection)

    with ScriptedServer(refuse_another) as server:
        assert "temperature" in str(failure_of(ask(connect(server.url))))
        assert len(server.requests) == 3


def test_top_p_of_one_is_not_sent(connect: Connect) -> None:
    with ScriptedServer(ANSWER) as server:
        client = connect(server.url)
        read_all(ask(client))
        read_all(client.open(QUESTION, "", Sampling(), 9, top_p=0.9))
    assert ["top_p" in each for each in asked(server)] == [False, True]
    assert asked(server)[1]["top_p"] == 0.9


def test_of_temperature_and_top_p_the_temperature_stays(connect: Connect) -> None:
    both = openai("`temperature` and `top_p` cannot both be specified for this model.")
    with ScriptedServer(refuse(both), ANSWER) as server:
        read_all(connect(server.url).open(QUESTION, "", Sampling(), 9, top_p=0.9))
    assert [("temperature" in each, "top_p" in each) for each in asked(server)] == [
        (True, True),
        (True, False),
    ]


def test_what_is_asked_for_is_what_is_left(tmp_path: Path) -> None:
    models = say(b'{"data": [{"id": "m"}]}', kind="application/json")
    link = CloudLink(Settings.load(cloud="off", data_dir=tmp_path))
    with ScriptedServer(models, ANSWER) as server:
        try:
            link.configure(server.url, "m", preset="llama-server")
            link.wait(20)
            for partial in ("", "x" * 60, "x" * 6000):
                stream = link.open(QUESTION, partial, Sampling(max_tokens=100))
                while not stream.ended:
                    stream.wait(5)
        finally:
            link.close()
    assert [each["max_tokens"] for each in asked(server)] == [100, 90, 16]


TOO_LONG = [
    (
        "This model's maximum context length is 4096 tokens. However, you requested 4296 tokens "
        "(3796 in the messages, 500 in the completion). Please reduce the length.",
        300,
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 500. This model's maximum context "
        "length is 4096 tokens and your request has 3896 input tokens (500 > 4096 - 3896).",
        200,
    ),
    (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3996 "
        "`inputs` tokens and 500 `max_new_tokens`",
        100,
    ),
    (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You "
        "requested a total of 4446 tokens: 3946 tokens from the input messages and 500 tokens for "
        "the completion. Please reduce the number of tokens.",
        150,
    ),
    ("max_tokens is too large: 500. This model supports at most 400 completion tokens", 400),
]


@pytest.mark.parametrize(("words", "room"), TOO_LONG)
def test_an_answer_too_long_for_the_context_is_asked_for_shorter(
    connect: Connect, words: str, room: int
) -> None:
    with ScriptedServer(refuse(openai(words)), ANSWER) as server:
        client = connect(server.url)
        assert text_of(read_all(ask(client, max_tokens=500))) == "x"
        assert client.profile.left_out == ()
    assert [each["max_tokens"] for each in asked(server)] == [500, room]
    assert all("logprobs" in each for each in asked(server))


def test_a_conversation_too_long_for_the_context_is_asked_about_once(connect: Connect) -> None:
    words = (
        "This model's maximum context length is 4096 tokens. However, your messages resulted in "
        "9000 tokens. Please reduce the length of the messages."
    )
    with ScriptedServer(refuse(openai(words, code="context_length_exceeded")), ANSWER) as server:
        error = failure_of(ask(connect(server.url)))
        assert len(server.requests) == 1
    assert "too long for the model" in str(error)
    assert "4096 tokens" in str(error)
    assert error.retry_after == math.inf


REGION = {"error": {"message": "Country, region, or territory not supported", "code": "x"}}
FLAGGED = {
    "error": {
        "code": 403,
        "message": "Your chosen model requires moderation and your input was flagged",
        "metadata": {"reasons": ["violence"]},
    }
}
PROVIDER = {
    "error": {
        "code": 403,
        "message": "Provider returned error",
        "metadata": {"raw": '{"error": "Project has no access to this model"}'},
    }
}
QUOTA = openai(
    "You exceeded your current quota, please check your plan and billing details.",
    code="insufficient_quota",
)
FILTERED = openai("The response was filtered by the content management policy.", code="x")
NO_CREDITS = {"error": {"code": 402, "message": "Insufficient credits. Add more."}}
GATEWAY = {"error": {"code": 404, "message": "No endpoints found matching your data policy."}}
GOOGLE = [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}]


@pytest.mark.parametrize(
    ("status", "body", "sentence", "never"),
    [
        ("401 No", openai("Incorrect API key provided"), "wants an API key", "x"),
        ("400 No", GOOGLE, "wants an API key", "x"),
        ("403 No", REGION, "Country, region, or territory not supported", "the key"),
        ("403 No", FLAGGED, "input was flagged: violence", "the key"),
        ("403 No", PROVIDER, "Project has no access to this model", "the key."),
        ("402 No", NO_CREDITS, "wants to be paid first", "settings"),
        ("429 No", QUOTA, "wants to be paid first", "try again"),
        ("400 No", FILTERED, "content management policy", "the key"),
        ("404 No", GATEWAY, "No endpoints found matching your data policy", "usually ends in"),
        ("404 No", {"detail": "Not Found"}, "no OpenAI-compatible API", "x!"),
        (
            "422 No",
            {"detail": [{"loc": ["body"], "msg": "Field required"}]},
            "Field required",
            "x!",
        ),
    ],
)
def test_the_servers_own_words_are_said_and_it_is_asked_once(
    connect: Connect, status: str, body: Any, sentence: str, never: str
) -> None:
    once = status != "422 No"
    with ScriptedServer(refuse(body, status)) as server:
        error = failure_of(ask(connect(server.url, "m")))
        assert len(server.requests) == 1 or not once
    assert sentence in str(error)
    assert never not in str(error)
    # The follower waits so long before it asks again in the same answer.
    assert error.retry_after == math.inf


def test_a_quota_that_comes_back_is_waited_for(connect: Connect) -> None:
    play = refuse(QUOTA, "429 No\r\nRetry-After: 7")
    with ScriptedServer(play) as server:
        error = failure_of(ask(connect(server.url)))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7


def test_words_of_a_server_do_not_hold_the_key(connect: Connect) -> None:
    for status in ("401 No", "402 No", "403 No", "404 No", "429 No", "503 No"):
        body = {"error": {"message": f"bad {KEY}", "metadata": {"raw": KEY}}}
        with ScriptedServer(refuse(body, status)) as server:
            error = failure_of(ask(connect(server.url, key=KEY)))
        assert KEY[:12] not in str(error)


def test_a_content_filter_in_mid_answer_is_said(connect: Connect) -> None:
    ended = event(finish_reason="content_filter")
    with ScriptedServer(say(row_event("x"), ended, DONE)) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "x"
    assert "content filter" in str(stream.error)
    assert stream.error is not None
    assert stream.error.retry_after == math.inf


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("https://eu.example.com/api/v1/chat/completions?k=1", "https://eu.example.com/api/v1."),
        ("/v2/chat/completions", "/v2."),
    ],
)
def test_a_redirect_names_its_target(connect: Connect, location: str, place: str) -> None:
    play = say(status=f"308 Elsewhere\r\nLocation: {location}")
    with ScriptedServer(play) as server:
        error = str(failure_of(ask(connect(server.url))))
    assert f"{place} Floe does not follow" in error


def test_thinking_until_the_tokens_are_used_up_is_said(connect: Connect) -> None:
    thought = [event(delta={"reasoning": "Hm"}) for _ in range(3)]
    with ScriptedServer(say(*thought, event(finish_reason="length"), DONE)) as server:
        error = failure_of(ask(connect(server.url)))
    assert "still thinking" in str(error)
    assert "another model" in str(error)


def thinker(connection: Connection) -> None:
    """A model that thinks for 40 tokens and then repeats what it was told to."""
    if "GET" in connection.head.split("\r\n")[0]:
        connection.answer(b'{"data": [{"id": "thinker"}]}', kind="application/json")
        return
    body = json.loads(connection.body)
    text = body["messages"][-1]["content"].partition("nothing else: ")[2]
    pieces = [event(delta={"reasoning_content": " so"}) for _ in range(40)]
    pieces += [row_event(letter) for letter in text] + [STOP]
    most = body["max_tokens"]
    if most < len(pieces):
        pieces = [*pieces[:most], event(finish_reason="length")]
    connection.answer(*pieces, DONE)


def test_a_model_that_thinks_first_can_be_tested(connect: Connect) -> None:
    with ScriptedServer(thinker) as server:
        profile = probe(connect(server.url, ""))
    assert profile.complete, profile.findings
    assert profile.thinks == 40
    assert profile.logprobs == "given"
    assert profile.continuation is Continuation.NONE
    told = " ".join(profile.findings)
    assert "It thinks first, 40 tokens, and nothing that Floe knows keeps it from that" in told
    assert "it cannot be followed token by token" in told


def test_a_model_that_hides_its_thinking_is_known_by_its_usage(connect: Connect) -> None:
    usage = {"completion_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 2048}}
    used = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    models = say(b'{"data": [{"id": "m"}]}', kind="application/json")
    with ScriptedServer(models, say(event(finish_reason="length"), used, DONE)) as server:
        profile = probe(connect(server.url, ""))
        assert [each["max_tokens"] for each in asked(server)] == [16] * 5 + [2048]
    assert not profile.complete
    assert "thinks first, 2048 tokens or more" in profile.findings[-1]


def test_a_server_that_loads_its_model_is_waited_for(connect: Connect) -> None:
    models = say(b'{"data": [{"id": "m"}]}', kind="application/json")
    loading = refuse(openai("Loading model", type="unavailable_error"), "503 No")
    said: list[str] = []
    with ScriptedServer(models, loading, loading, say(row_event("Hi"), STOP, DONE)) as server:
        profile = probe(connect(server.url, ""), progress=said.append)
    assert profile.answers
    assert "It is loading the model." in said
    with ScriptedServer(loading) as server:
        assert "is loading its model" in str(failure_of(ask(connect(server.url))))


def test_a_server_that_never_has_loaded_its_model_is_given_up(connect: Connect) -> None:
    models = say(b'{"data": [{"id": "m"}]}', kind="application/json")
    loading = refuse(openai("Loading model"), "503 No")
    with ScriptedServer(models, loading) as server:
        profile = probe(connect(server.url, ""), loading_seconds=0)
    assert not profile.answers
    assert "is loading its model" in profile.findings[-1]


def test_a_key_that_may_not_list_models_can_still_be_used(connect: Connect) -> None:
    denied = refuse({"error": {"message": "Missing scope: models.read"}}, "403 No")
    with ScriptedServer(denied, ANSWER) as server:
        client: CloudClient = connect(server.url, "")
        with pytest.raises(AccessRefused, match="Missing scope"):
            client.models()


def test_refusals_that_name_no_number_go_down_in_steps() -> None:
    profile: EndpointProfile | None = EndpointProfile()
    seen = []
    while profile is not None:
        seen.append((profile.logprobs, profile.top_logprobs))
        profile = downgrade_profile(profile, "top_logprobs: too many")
    assert seen == [("given", 20), ("given", 5), ("given", 1), ("given", 0), ("refused", 0)]


def test_room_is_only_what_a_refusal_says() -> None:
    assert room_for_answer("top_logprobs is too large", 500) is None
    assert room_for_answer(TOO_LONG[0][0], 100) is None  # there is room for so many: it is not that
    no_room = "maximum context length is 4096 tokens and your request has 4090 input tokens"
    assert room_for_answer(no_room, 500) is None
