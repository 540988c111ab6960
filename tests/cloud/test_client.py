"""The client against the stand-in, and against servers that no one should have to meet."""

import json
import logging
import math
import socket
import threading
import time
import traceback
from collections.abc import Callable

import pytest

from floe.cloud.client import CloudClient, RateLimited, Stream
from floe.cloud.process import StandIn
from floe.errors import CloudError
from floe.records import ChatMessage, Sampling
from tests.cloud import scripted
from tests.cloud.conftest import MODEL, Server, read_all, text_of
from tests.cloud.scripted import DONE, STOP, Play, ScriptedServer, event, hold, row_event, say

Connect = Callable[..., CloudClient]
KEY = "sk-very-secret-0123456789"
QUESTION = [ChatMessage("user", "Name three colours.")]


def ask(client: CloudClient, partial: str = "", max_tokens: int = 12, **sampling: float) -> Stream:
    return client.open(QUESTION, partial, Sampling(**sampling), max_tokens)  # type: ignore[arg-type]


def failure_of(stream: Stream) -> CloudError:
    read_all(stream)
    assert stream.error is not None
    return stream.error


def test_stream_of_rows(client: CloudClient) -> None:
    stream = ask(client)
    rows = read_all(stream)
    assert stream.error is None
    assert text_of(rows).startswith("1. Red")
    assert len(rows) == stream.completion_tokens == 12
    for row in rows:
        assert len(row.candidates) == 20
        assert row.candidates[0].text_bytes == row.text_bytes
        assert sum(math.exp(c.logprob) for c in row.candidates) <= 1 + 1e-6
    assert stream.prompt_tokens > 10
    assert stream.first_row_ms is not None
    assert stream.opened_at <= time.monotonic()


def test_answer_ends_with_an_end_row(client: CloudClient) -> None:
    rows = read_all(client.open([ChatMessage("user", "Say hi")], "", Sampling(), 60))
    assert [row.end for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1].candidates[0].end


def test_partial_answer_is_continued(client: CloudClient) -> None:
    whole = text_of(read_all(ask(client)))
    beginning, rest = whole[:6], whole[6:]
    assert text_of(read_all(ask(client, beginning))).startswith(rest)


def test_models_are_listed(client: CloudClient) -> None:
    assert client.models() == [MODEL.stem]


def test_request_asks_for_what_fusion_needs(connect: Connect) -> None:
    with ScriptedServer(say(row_event("x"), STOP, DONE)) as server:
        client = connect(server.url, "some-model", KEY)
        read_all(client.open(QUESTION, "1. R", Sampling(0.7, top_p=0.5, seed=3), 9))
    [request] = server.requests
    assert json.loads(request.body) == {
        "model": "some-model",
        "messages": [
            {"role": "user", "content": "Name three colours."},
            {"role": "assistant", "content": "1. R"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "top_logprobs": 20,
        "temperature": 0.7,
        "top_p": 1,
        "max_tokens": 9,
    }
    assert f"Bearer {KEY}" in request.head


def test_key_of_another_service_is_not_sent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ScriptedServer(say(STOP, DONE)) as server:
        read_all(ask(connect(server.url)))
    assert KEY not in server.requests[0].head


def test_connection_of_a_finished_stream_is_used_again(connect: Connect) -> None:
    body = row_event("x") + STOP + DONE
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n"

    def answer_twice(connection: scripted.Connection) -> None:
        for _ in range(2):
            connection.peer.sendall(head.encode() + b"\r\n" + body)
            connection.peer.recv(65536)

    with ScriptedServer(answer_twice) as server:
        client = connect(server.url)
        assert text_of(read_all(ask(client))) == "x"
        second = ask(client)
        assert text_of(read_all(second)) == "x"
        assert second.error is None
        client.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("play", [hold, scripted.hold_after_a_row])
def test_close_hangs_up_on_a_silent_server(connect: Connect, play: Play) -> None:
    with ScriptedServer(play) as server:
        stream = ask(connect(server.url))
        if play is hold:
            while not server.requests:
                time.sleep(0.01)
        else:
            assert stream.wait(10)
        assert not server.hung_up.is_set()
        stream.close()
        assert server.hung_up.wait(10)
    assert stream.ended
    assert stream.error is None
    assert len(stream.poll()) == (play is not hold)


def test_close_while_connecting(connect: Connect) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        # Nobody accepts: once the queue is full, a connection is neither made nor refused.
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        client = connect(url)
        stream = ask(client)
        assert not stream.wait(0.2)
        stream.close()
        assert stream.wait(10)
        client.close()
        for filler in fillers:
            filler.close()
    assert stream.error is None


def test_close_before_anything_was_sent(connect: Connect) -> None:
    with ScriptedServer(hold) as server:
        client = connect(server.url)
        stream = ask(client)
        stream.close()
        client.close()
        assert stream.ended
        # It may have been sent already; then it has been hung up.
        assert not server.requests or server.hung_up.wait(10)


def test_closed_stream_frees_the_server_at_once(server: Server, client: CloudClient) -> None:
    # At this rate the abandoned answer would keep the model for minutes.
    server.set_faults(tokens_per_second=1)
    first = ask(client, max_tokens=500)
    assert first.wait(30)
    waiting = ask(client, "1. Blue", max_tokens=500)
    first.close()
    waiting.close()
    second = ask(client, max_tokens=1)
    assert len(read_all(second)) == 1
    assert first.completion_tokens < 10
    assert first.prompt_tokens > 10


def test_client_closes_its_streams_and_its_thread(connect: Connect) -> None:
    with ScriptedServer(scripted.hold_after_a_row) as server:
        client = connect(server.url)
        stream = ask(client)
        assert stream.wait(10)
        client.close()
        assert server.hung_up.wait(10)
    assert stream.ended
    stream.close()
    client.close()
    assert "cloud" not in {thread.name for thread in threading.enumerate()}


def test_wait_returns_in_time_and_ends_with_silence(connect: Connect) -> None:
    with ScriptedServer(scripted.hold_after_a_row) as server:
        stream = ask(connect(server.url, silence_seconds=1.0))
        assert stream.wait(10)
        assert [row.text_bytes for row in stream.poll()] == [b"one"]
        assert not stream.wait(0.05)
        assert not stream.wait(0)
        assert not stream.ended
        assert "does not answer in time" in str(failure_of(stream))
        assert server.hung_up.wait(10)
        assert stream.wait(0)


def test_comments_do_not_count_as_an_answer(connect: Connect) -> None:
    def chatter(connection: scripted.Connection) -> None:
        connection.answer()
        try:
            while True:
                connection.peer.sendall(b": PROCESSING\n\n")
                time.sleep(0.05)
        except OSError:
            pass

    with ScriptedServer(chatter) as server:
        stream = ask(connect(server.url, silence_seconds=0.5))
        assert "does not answer in time" in str(failure_of(stream))


def test_silence_after_the_last_row_is_a_proper_end(connect: Connect) -> None:
    def stay(connection: scripted.Connection) -> None:
        connection.answer(row_event("x"), STOP)
        connection.wait_for_hang_up()

    with ScriptedServer(stay) as server:
        stream = ask(connect(server.url))
        rows = read_all(stream)
    assert stream.error is None
    assert [row.end for row in rows] == [False, True]


@pytest.mark.parametrize(
    ("play", "sentence"),
    [
        (say(status="401 Unauthorized"), "does not accept the key"),
        (say(status="403 Forbidden"), "does not accept the key"),
        (say(b"<html>", status="404 Not Found", kind="text/html"), "no OpenAI-compatible API"),
        (say(b"<html>hello", kind="text/html"), "no OpenAI-compatible API"),
        (
            say(
                b'{"error": {"message": "no such model"}}', status="404 No", kind="application/json"
            ),
            "does not know the model 'm'",
        ),
        (
            say(
                b'{"error": {"message": "logprobs: no"}}', status="400 No", kind="application/json"
            ),
            "refused the request (status 400): logprobs: no",
        ),
        (say(status="503 Busy"), "has a problem of its own (status 503)"),
        (say(b'data: {"error": {"message": "out of memory"}}\n\n'), "out of memory"),
        (say(row_event("x")), "broke off in the middle"),
        (say(row_event("x"), row_event("y")[:30]), "broke off in the middle"),
        (say(b"data: {oops\n\n"), "not JSON"),
        (say(b"data: [1]\n\n"), "OpenAI protocol"),
        (say(event(logprobs={"content": [{"token": "x"}]})), "OpenAI protocol"),
        (lambda connection: None, "broke off"),
    ],
)
def test_what_goes_wrong_is_a_sentence(connect: Connect, play: Play, sentence: str) -> None:
    with ScriptedServer(play) as server:
        error = failure_of(ask(connect(server.url, "m")))
        host = server.url.removeprefix("http://").removesuffix("/v1")
    assert sentence in str(error)
    assert host in str(error)


def test_rows_before_a_cut_are_kept(connect: Connect) -> None:
    with ScriptedServer(say(row_event("kept"), row_event("lost")[:30])) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "kept"
    assert stream.error is not None


def test_long_refusal_is_cut(connect: Connect) -> None:
    body = json.dumps({"error": {"message": "very " * 1000}}).encode()
    with ScriptedServer(say(body, status="400 No", kind="application/json")) as server:
        assert len(str(failure_of(ask(connect(server.url))))) < 400


@pytest.mark.parametrize("url", ["", "api.example.com/v1", "ftp://example.com", "http://:80/v1"])
def test_address_that_is_none(connect: Connect, url: str) -> None:
    with pytest.raises(CloudError, match="must begin with http"):
        connect(url)


def test_nobody_at_the_address(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = connect(f"http://127.0.0.1:{port}/v1")
    assert f"127.0.0.1:{port} cannot be reached" in str(failure_of(ask(client)))
    with pytest.raises(CloudError, match="cannot be reached"):
        client.models()


def test_unknown_host(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    error = failure_of(ask(connect("http://no-such-host.invalid/v1")))
    assert "no-such-host.invalid cannot be reached" in str(error)


def test_unknown_model(server: Server, connect: Connect) -> None:
    assert "does not know the model 'gpt-9'" in str(failure_of(ask(connect(server.url, "gpt-9"))))


def test_wrong_path_has_no_models(server: Server, connect: Connect) -> None:
    with pytest.raises(CloudError, match="no OpenAI-compatible API"):
        connect(server.url.removesuffix("/v1")).models()


def test_proxy_is_not_asked_for_loopback(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert connect(server.url).models() == [MODEL.stem]


@pytest.mark.parametrize("status", ["400 No", "401 No", "404 No", "418 No", "429 No", "500 No"])
def test_key_is_in_no_error_trace_or_log(
    connect: Connect, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    def echo(connection: scripted.Connection) -> None:
        header = next(x for x in connection.head.split("\r\n") if x.lower().startswith("auth"))
        # The second time the key lies across the place where long messages are cut.
        words = f"{header} {'x' * 218} {header}"
        message = {"error": {"message": words, "type": header, "code": header}}
        body = json.dumps(message).encode()
        connection.answer(body, status=status, kind="application/json")

    with caplog.at_level(logging.DEBUG), ScriptedServer(echo) as server:
        client = connect(server.url, key=KEY)
        errors = [failure_of(ask(client))]
        with pytest.raises(CloudError) as caught:
            client.models()
        errors.append(caught.value)
    for error in errors:
        assert error.__context__ is None
        assert error.__cause__ is None
        told = "".join(traceback.format_exception(error))
        assert KEY[:10] not in told
    assert "Bearer" in server.requests[0].head
    assert KEY[:10] not in caplog.text
    assert KEY[:10] not in repr(vars(client))


@pytest.mark.parametrize(("said", "wait"), [("7", 7.0), ("soon", None), ("", None)])
def test_rate_limit_says_how_long(connect: Connect, said: str, wait: float | None) -> None:
    def limit(connection: scripted.Connection) -> None:
        header = f"429 Slow\r\nRetry-After: {said}" if said else "429 Slow"
        connection.answer(b"{}", status=header, kind="application/json")

    with ScriptedServer(limit) as server:
        error = failure_of(ask(connect(server.url)))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


@pytest.mark.parametrize("clock", ["", "Date: Sun, 06 Nov 1994 08:49:00 GMT\r\n"])
def test_rate_limit_may_name_a_date(connect: Connect, clock: str) -> None:
    def limit(connection: scripted.Connection) -> None:
        header = f"429 Slow\r\n{clock}Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"
        connection.answer(b"{}", status=header, kind="application/json")

    with ScriptedServer(limit) as server:
        error = failure_of(ask(connect(server.url)))
    assert isinstance(error, RateLimited)
    # By the server's own clock, or by this device's, on which that date is long gone.
    assert error.retry_after == (37.0 if clock else 0.0)


def refuse(words: str, status: str = "400 No") -> Play:
    body = json.dumps({"error": {"message": words}}).encode()
    return say(body, status=status, kind="application/json")


ANSWER = say(row_event("x"), STOP, DONE)


def test_refused_logprobs_are_left_out_from_then_on(connect: Connect) -> None:
    plain = say(event("x"), STOP, DONE)
    with ScriptedServer(refuse("'logprobs' is not supported with this model"), plain) as server:
        client = connect(server.url)
        assert text_of(read_all(ask(client))) == "x"
        assert text_of(read_all(ask(client))) == "x"
    bodies = [json.loads(request.body) for request in server.requests]
    assert ["logprobs" in body for body in bodies] == [True, False, False]
    assert ["top_logprobs" in body for body in bodies] == [True, False, False]


def test_fewer_candidates_are_asked_for_until_it_agrees(connect: Connect) -> None:
    no = refuse("top_logprobs must be less than or equal to 5")
    with ScriptedServer(no, no, ANSWER) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    tops = [json.loads(request.body)["top_logprobs"] for request in server.requests]
    assert tops == [20, 10, 5, 5]


def test_connection_that_was_just_closed_is_made_anew_once(connect: Connect) -> None:
    with ScriptedServer(lambda connection: None, ANSWER) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "x"
        assert stream.error is None
    with ScriptedServer(lambda connection: None) as server:
        assert "broke off" in str(failure_of(ask(connect(server.url))))
        assert len(server.requests) == 2


def test_refusal_that_leaving_out_does_not_mend_is_not_remembered(connect: Connect) -> None:
    no = refuse("your prompt is too long")
    with ScriptedServer(no, no, ANSWER) as server:
        client = connect(server.url)
        assert "your prompt is too long" in str(failure_of(ask(client)))
        assert text_of(read_all(ask(client))) == "x"
    assert "logprobs" in json.loads(server.requests[-1].body)


def test_error_of_the_server_is_not_asked_about_again(connect: Connect) -> None:
    with ScriptedServer(refuse("out of order", "500 No"), ANSWER) as server:
        assert "status 500" in str(failure_of(ask(connect(server.url))))
        assert len(server.requests) == 1


def test_nothing_of_this_device_is_in_the_headers(connect: Connect) -> None:
    with ScriptedServer(ANSWER) as server:
        client = connect(server.url, key=KEY)
        read_all(ask(client))
        with pytest.raises(CloudError):
            client.models()
    for request in server.requests:
        lines = [line.partition(": ") for line in request.head.split("\r\n")[1:]]
        headers = {name.lower(): value for name, _, value in lines}
        assert headers.pop("user-agent") == "floe"
        assert headers.keys() <= {
            "host",
            "authorization",
            "content-type",
            "content-length",
            "accept",
            "accept-encoding",
            "connection",
        }


@pytest.mark.parametrize("last", [STOP, b""])
def test_stream_that_never_ends_is_left(connect: Connect, last: bytes) -> None:
    def talk(connection: scripted.Connection) -> None:
        connection.answer(row_event("a"), row_event("b"), last)
        try:
            while True:
                connection.peer.sendall(row_event("more"))
                time.sleep(0.01)
        except OSError:
            left.set()

    left = threading.Event()
    with ScriptedServer(talk) as server:
        stream = ask(connect(server.url), max_tokens=2)
        rows = read_all(stream)
        assert left.wait(10)
    assert stream.error is None
    # Without its own stop it is heard one row too many: that is how one knows.
    assert text_of(rows) == ("ab" if last else "abmore")


def test_chunked_stream_cut_in_the_middle_of_a_line(connect: Connect) -> None:
    def cut(connection: scripted.Connection) -> None:
        data = row_event("kept") + row_event("lost")[:30]
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        head += f"Transfer-Encoding: chunked\r\n\r\n{len(data) + 9:x}\r\n"
        connection.peer.sendall(head.encode() + data)

    with ScriptedServer(cut) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "kept"
    assert "broke off" in str(stream.error)


@pytest.mark.parametrize(
    ("fail", "sentence"),
    [("429", "try again in 1 seconds"), ("500", "status 500"), ("cut", "broke off")],
)
def test_faults_of_the_stand_in(
    server: Server, client: CloudClient, fail: str, sentence: str
) -> None:
    server.set_faults(fail=fail, fail_after=1)
    if fail != "cut":
        assert ask(client, max_tokens=1).wait(30)
        stream = ask(client, max_tokens=5)
        assert read_all(stream) == []
    else:
        stream = ask(client, max_tokens=5)
        assert len(read_all(stream)) == 1
    assert sentence in str(stream.error)


def test_faults_can_be_switched_in_mid_answer(server: Server, client: CloudClient) -> None:
    server.set_faults(tokens_per_second=10)
    stream = ask(client, max_tokens=500)
    assert stream.wait(30)
    server.set_faults(fail="silence", fail_after=0)
    while stream.wait(1.0):
        stream.poll()
    assert not stream.ended
    # The model is free again although the silent stream is still open.
    server.reset()
    assert len(read_all(ask(client, max_tokens=2))) == 2
    stream.close()


def test_slow_and_unsteady_network_changes_nothing_but_time(
    server: Server, client: CloudClient
) -> None:
    plain = text_of(read_all(ask(client)))
    server.set_faults(rtt_ms=100, jitter_ms=50, tokens_per_second=40)
    stream = ask(client)
    assert text_of(read_all(stream)) == plain
    assert stream.first_row_ms is not None
    assert stream.first_row_ms >= 100


def test_server_killed_in_mid_stream(connect: Connect) -> None:
    with StandIn(MODEL, ("--context", "256", "--tokens-per-second", "20")) as process:
        stream = ask(connect(process.wait_ready()), max_tokens=200)
        assert stream.wait(30)
        process.stop()
        rows = read_all(stream)
    assert rows
    assert "broke off" in str(stream.error)
