"""The client against the stand-in, and against servers that no one should have to meet."""

import json
import math
import socket
import threading
import time

import pytest

from floe.cloud.client import CloudClient
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.stand_in.process import StandIn
from floe.errors import CloudError
from floe.records import ChatMessage, Sampling
from tests.cloud import scripted
from tests.cloud.asking import ANSWER, KEY, QUESTION, Connect, ask, failure_of
from tests.cloud.conftest import MODEL, Server, read_all, text_of
from tests.cloud.scripted import (
    DONE,
    STOP,
    Connection,
    Play,
    ScriptedServer,
    hold,
    row_event,
    say,
)


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
    assert stream.first_token_ms is not None
    assert stream.opened_at <= time.monotonic()


def test_answer_ends_with_an_end_row(client: CloudClient) -> None:
    rows = read_all(client.open([ChatMessage("user", "Say hi")], "", Sampling(), 60))
    assert [row.end for row in rows] == [False] * (len(rows) - 1) + [True]
    assert rows[-1].candidates[0].end


def test_partial_answer_is_continued(client: CloudClient) -> None:
    whole = text_of(read_all(ask(client)))
    beginning, rest = whole[:6], whole[6:]
    assert text_of(read_all(ask(client, beginning))).startswith(rest)


def test_what_is_found_out_during_a_request_is_not_forgotten_with_it(connect: Connect) -> None:
    found = EndpointProfile(model="m", continuation=Continuation.NONE)

    def answer(connection: Connection) -> None:
        client.profile = found
        ANSWER(connection)

    with ScriptedServer(answer) as server:
        client = connect(server.url)
        client.profile = EndpointProfile(model="m", unproven=True)
        assert text_of(read_all(ask(client))) == "x"
    assert client.profile is found


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
            assert stream.wait(60)
        assert not server.hung_up.is_set()
        stream.close()
        assert server.hung_up.wait(60)
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
        assert stream.wait(60)
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
        assert stream.wait(60)
        client.close()
        assert server.hung_up.wait(60)
    assert stream.ended
    stream.close()
    client.close()
    assert "cloud" not in {thread.name for thread in threading.enumerate()}


def test_wait_returns_in_time_and_ends_with_silence(connect: Connect) -> None:
    with ScriptedServer(scripted.hold_after_a_row) as server:
        stream = ask(connect(server.url, silence_seconds=1.0))
        assert stream.wait(60)
        assert [row.text_bytes for row in stream.poll()] == [b"one"]
        assert not stream.wait(0.05)
        assert not stream.wait(0)
        assert not stream.ended
        assert "does not answer in time" in str(failure_of(stream))
        assert server.hung_up.wait(60)
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
        assert left.wait(60)
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
    assert stream.first_token_ms is not None
    assert stream.first_token_ms >= 100


def test_server_killed_in_mid_stream(connect: Connect) -> None:
    with StandIn(MODEL, ("--context", "256", "--tokens-per-second", "20")) as process:
        url = process.wait_ready()
        stream = ask(connect(url, key=process.key.get_secret_value()), max_tokens=200)
        assert stream.wait(30)
        process.stop()
        rows = read_all(stream)
    assert rows
    assert "broke off" in str(stream.error)
