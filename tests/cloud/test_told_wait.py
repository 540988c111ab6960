"""How long a server wants to be left alone, in the places where servers say it."""

import json
import math
import time
from typing import Any

import httpx2
import pytest

from floe.cloud.client import RateLimited
from floe.cloud.told_wait import told_wait
from tests.cloud.asking import Connect, ask, failure_of
from tests.cloud.scripted import ScriptedServer, say
from tests.cloud.test_refusals import openai, refuse

_GOOGLE_WORDS = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To "
    "monitor your current usage, head to: https://ai.dev/rate-limit. \n* Quota exceeded for "
    "metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: {}, "
    "model: gemini-3-flash\nPlease retry in 45.578569677s."
)


def google(limit: int, *, told: bool = True) -> list[dict[str, Any]]:
    """Google's 429, a list with one error."""
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45s"}
    links = {"@type": "type.googleapis.com/google.rpc.Help", "links": []}
    words = _GOOGLE_WORDS.format(limit)
    details = [links, retry] if told else [links]
    error = {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}
    return [{"error": error}]


@pytest.mark.parametrize(("told", "seconds"), [(True, 45.0), (False, 45.578569677)])
def test_googles_quota_of_a_minute_is_waited_for_and_no_matter_of_money(
    connect: Connect, told: bool, seconds: float
) -> None:
    with ScriptedServer(refuse(google(10, told=told), "429 Too Many Requests")) as server:
        error = failure_of(ask(connect(server.url)))
        assert len(server.requests) == 1
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds
    assert "try again in 4" in str(error)
    assert "paid" not in str(error)


def test_a_model_that_googles_free_keys_may_not_use_is_a_matter_of_money(connect: Connect) -> None:
    with ScriptedServer(refuse(google(0), "429 Too Many Requests")) as server:
        error = failure_of(ask(connect(server.url)))
    assert "wants to be paid first" in str(error)
    assert error.retry_after == math.inf


def test_openrouter_names_the_moment_at_which_its_day_ends(connect: Connect) -> None:
    headers = {
        "X-RateLimit-Limit": "50",
        "X-RateLimit-Reset": str(int(1000 * time.time()) + 90_000),
    }
    words = (
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model "
        "requests per day"
    )
    body = {"error": {"message": words, "code": 429, "metadata": {"headers": headers}}}
    with ScriptedServer(refuse(body, "429 Too Many Requests")) as server:
        error = failure_of(ask(connect(server.url)))
    assert isinstance(error, RateLimited)
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 90


def test_an_error_in_place_of_a_stream_tells_its_wait_too(connect: Connect) -> None:
    (body,) = google(10)
    with ScriptedServer(say(b"data: " + json.dumps(body).encode() + b"\n\n")) as server:
        error = failure_of(ask(connect(server.url)))
    assert "reports an error: You exceeded" in str(error)
    assert error.retry_after == 45.0


def test_a_server_in_trouble_may_say_when_to_come_back(connect: Connect) -> None:
    with ScriptedServer(refuse(openai("Overloaded"), "503 No\r\nRetry-After: 12")) as server:
        error = failure_of(ask(connect(server.url)))
    assert "has a problem of its own" in str(error)
    assert error.retry_after == 12.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached for gpt-4o: Limit 30000, Used 29000. Please try again in 2s.", 2.0),
        ("Please try again in 1m26.4s. Need more tokens? Upgrade", 86.4),
        ("Please try again in 6h0m0s.", 21_600.0),
        ("Please try again in 7m.", 420.0),
        ("Please try again in 120ms.", 0.12),
        ("Please retry after 26 seconds.", 26.0),
        ("Please try again later.", None),
        ("Please try again in a moment.", None),
        ("Please try again in 999999999999h.", 86_400.0),
    ],
)
def test_words_tell_the_wait(words: str, seconds: float | None) -> None:
    assert told_wait(httpx2.Headers(), openai(words), words) == seconds


def test_headers_come_first() -> None:
    words = "Please try again in 20s."
    both = httpx2.Headers({"retry-after-ms": "1500", "retry-after": "2"})
    assert told_wait(both, None, words) == 1.5
    assert told_wait(httpx2.Headers({"retry-after": "2"}), None, words) == 2.0
    assert told_wait(httpx2.Headers({"retry-after-ms": "soon"}), None, words) == 20.0


@pytest.mark.parametrize(
    "value", ["", "s", "-5s", "1e400", True, None, [], {"retryDelay": 3}, "9" * 400 + "s"]
)
def test_a_wait_that_is_none_is_none(value: Any) -> None:
    body = {"details": [{"retryDelay": value, "X-RateLimit-Reset": value}]}
    assert told_wait(httpx2.Headers(), body, "") is None


def test_a_body_without_end_is_not_searched_to_its_end() -> None:
    deep: Any = {"retryDelay": "5s"}
    for _ in range(3000):
        deep = {"x": deep}
    assert told_wait(httpx2.Headers(), deep, "") is None
