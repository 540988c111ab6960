"""Refusals, broken answers and nobody at all: each is a sentence, and some are mended."""

import gc
import json
import logging
import socket
import struct
import time
import traceback
from types import AsyncGeneratorType

import pytest

from floe.cloud.client import RateLimited
from floe.cloud.protocol.request import Request
from floe.errors import CloudError
from tests.cloud import scripted
from tests.cloud.asking import ANSWER, KEY, Connect, ask, failure_of
from tests.cloud.conftest import MODEL, Server, read_all, text_of
from tests.cloud.scripted import DONE, STOP, Connection, Play, ScriptedServer, event, row_event, say


@pytest.mark.parametrize(
    ("play", "sentence"),
    [
        (say(status="401 Unauthorized"), "wants an API key, and none is set"),
        (say(status="403 Forbidden"), "refuses to answer (status 403)"),
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
        (say(event(delta="x")), "OpenAI protocol"),
        (lambda connection: None, "broke off"),
    ],
)
def test_what_goes_wrong_is_a_sentence(connect: Connect, play: Play, sentence: str) -> None:
    with ScriptedServer(play) as server:
        error = failure_of(ask(connect(server.url, "m")))
        host = server.url.removeprefix("http://").removesuffix("/v1")
    assert sentence in str(error)
    assert host in str(error)


def end_twice(*rows: bytes) -> Play:
    """End an answer with nothing in it, and the connection when the next request is under way.

    So does llama-cpp-python's server with a request that it cannot serve.
    """
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def play(connection: Connection) -> None:
        connection.peer.sendall(head + b"0\r\n\r\n")
        connection.peer.recv(65536)
        for row in rows:
            connection.peer.sendall(head + b"%x\r\n%s\r\n" % (len(row), row))

    return play


def test_a_request_on_a_connection_that_another_one_spoilt_is_sent_again(connect: Connect) -> None:
    request = Request("/chat/completions", {"model": "m", "stream": True, "max_tokens": 4})
    with ScriptedServer(end_twice(), end_twice(row_event("x")), ANSWER) as server:
        client = connect(server.url, "m")
        refused = client.exchange(request, seconds=20, cancelled=lambda: False)
        assert refused.refused
        assert refused.refusal == "nothing came"
        answered = client.exchange(request, seconds=20, cancelled=lambda: False)
        assert answered.error is None
        assert len(answered.chunks) == 2
        assert len(server.requests) == 3


def test_the_list_of_models_is_read_on_a_live_connection(connect: Connect) -> None:
    listed = say(b'{"data": [{"id": "m"}]}', kind="application/json")
    with ScriptedServer(end_twice(), listed) as server:
        client = connect(server.url, "m")
        assert "broke off" in str(failure_of(ask(client)))
        assert client.models() == ["m"]


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
@pytest.mark.parametrize("reset", [False, True])
def test_who_hangs_up_in_a_request_leaves_the_server_to_the_next(
    connect: Connect, sent: bytes, reset: bool
) -> None:
    """The server of these tests: a stream that is closed at once may be as far as that."""
    with ScriptedServer(ANSWER) as server:
        address = server.url.removeprefix("http://").removesuffix("/v1")
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as early:
            early.sendall(sent)
            if reset:
                early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream = ask(connect(server.url))
        assert read_all(stream)
        assert stream.error is None
        assert len(server.requests) == 1


def test_a_stream_that_is_left_in_the_middle_leaves_no_garbage(connect: Connect) -> None:
    """Collected in another thread, its generators would be closed while the loop closes them."""

    def left() -> list[str]:
        return [
            each.__qualname__
            for each in gc.get_objects()
            if isinstance(each, AsyncGeneratorType) and each.ag_frame is not None
        ]

    gc.collect()
    before = sorted(left())
    gc.disable()
    try:
        with ScriptedServer(say(row_event(f"x {KEY} y"), *[row_event("z")] * 9, DONE)) as server:
            failure_of(ask(connect(server.url, key=KEY)))
            until = time.monotonic() + 60
            while sorted(left()) != before:
                assert time.monotonic() < until, left()
                time.sleep(0.01)
    finally:
        gc.enable()


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
    client = connect(server.url, "gpt-9", server.key)
    assert "does not know the model 'gpt-9'" in str(failure_of(ask(client)))


def test_wrong_path_has_no_models(server: Server, connect: Connect) -> None:
    with pytest.raises(CloudError, match="no OpenAI-compatible API"):
        connect(server.url.removesuffix("/v1"), key=server.key).models()


def test_proxy_is_not_asked_for_loopback(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert connect(server.url, key=server.key).models() == [MODEL.stem]


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
    with ScriptedServer(no, ANSWER) as server:
        client = connect(server.url)
        for _ in range(2):
            assert text_of(read_all(ask(client))) == "x"
    tops = [json.loads(request.body)["top_logprobs"] for request in server.requests]
    assert tops == [20, 5, 5]


def test_connection_that_was_just_closed_is_made_anew_once(connect: Connect) -> None:
    with ScriptedServer(lambda connection: None, ANSWER) as server:
        stream = ask(connect(server.url))
        assert text_of(read_all(stream)) == "x"
        assert stream.error is None
    with ScriptedServer(lambda connection: None) as server:
        assert "broke off" in str(failure_of(ask(connect(server.url))))
        assert len(server.requests) == 2


def test_refusal_that_leaving_out_does_not_mend_is_not_remembered(connect: Connect) -> None:
    no = refuse("something is wrong")
    with ScriptedServer(no, no, ANSWER) as server:
        client = connect(server.url)
        assert "something is wrong" in str(failure_of(ask(client)))
        assert text_of(read_all(ask(client))) == "x"
    assert "logprobs" in json.loads(server.requests[-1].body)


def test_error_of_the_server_is_not_asked_about_again(connect: Connect) -> None:
    with ScriptedServer(refuse("out of order", "500 No"), ANSWER) as server:
        assert "status 500" in str(failure_of(ask(connect(server.url))))
        assert len(server.requests) == 1
