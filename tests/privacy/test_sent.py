"""What was sent is written down before it leaves, word for word, or it does not leave."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from floe.cloud.client import CloudClient
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import Settings
from floe.errors import StoreError
from floe.privacy.sent import SentLog
from floe.records import ChatMessage, Sampling
from floe.store import Store
from tests.cloud.conftest import read_all
from tests.cloud.scripted import DONE, STOP, ScriptedServer, row_event, say

QUESTION = [ChatMessage("user", 'Grüße aus "Köln"\n100 % sicher')]
ANSWER = say(row_event("Hi"), STOP, DONE)
LIST = say(b'{"data": [{"id": "big"}]}', kind="application/json")


@pytest.fixture
def log(store: Store) -> SentLog:
    return SentLog(store)


def fill(log: SentLog, count: int = 5) -> None:
    for i in range(count):
        log.write(f"https://host-{i % 2}/v1", "big", "answer", b'{"n": %d}' % i, i)


def test_a_request_that_found_nobody_has_not_been_sent(log: SentLog) -> None:
    with ScriptedServer(ANSWER) as server:
        gone = server.url
    client = CloudClient(gone, "big", SecretStr(""), log=log)
    stream = client.open(QUESTION, "", Sampling(), 5, message_id=7)
    assert read_all(stream) == []
    assert stream.error is not None
    client.close()
    assert log.count() == (0, 0)
    with ScriptedServer(say(b"no", status="500 Oops")) as server:
        client = CloudClient(server.url, "big", SecretStr(""), log=log)
        stream = client.open(QUESTION, "", Sampling(), 5, message_id=7)
        read_all(stream)
        client.close()
    assert log.count()[0] == 1  # it was refused, but it was there


def test_every_request_is_kept_word_for_word(log: SentLog) -> None:
    with ScriptedServer(LIST, ANSWER) as server:
        client = CloudClient(server.url, "", SecretStr("sk-very-secret"), log=log)
        client.models()
        client.model = "big"
        url = server.url
        stream = client.open(QUESTION, "", Sampling(), 5, message_id=7)
        assert len(read_all(stream)) == 2
        client.close()
        answer, models = log.page()
        bodies = [connection.body for connection in server.requests]
        heads = "".join(connection.head for connection in server.requests)
    assert [models.body.encode(), answer.body.encode()] == bodies
    assert (models.purpose, models.size, models.message_id) == ("models", 0, None)
    assert (answer.purpose, answer.message_id, answer.model) == ("answer", 7, "big")
    assert answer.size == len(bodies[1])
    assert answer.endpoint == f"{url}/chat/completions"
    assert json.loads(answer.body)["messages"][0]["content"] == QUESTION[0].content
    assert "sk-very-secret" in heads
    assert "sk-very-secret" not in repr(log.page())


def test_a_request_that_cannot_be_written_down_is_not_sent(store: Store, log: SentLog) -> None:
    with ScriptedServer(ANSWER) as server:
        client = CloudClient(server.url, "big", SecretStr(""), log=log)
        with store.writing() as db:
            pages = next(iter(db.query("pragma page_count")))["page_count"]
            db.execute(f"pragma max_page_count = {pages}")
        messages = [ChatMessage("user", "word " * 20_000)]
        stream = client.open(messages, "", Sampling(), 5, message_id=1)
        assert stream.wait(60)
        client.close()
        assert server.requests == []
    assert stream.ended
    assert "full" in str(stream.error)
    assert "not sent" in str(stream.error)


def test_what_a_test_of_an_endpoint_sends_is_kept_too(tmp_path: Path, store: Store) -> None:
    with ScriptedServer(LIST, ANSWER) as server:
        link = CloudLink(Settings.load(cloud="off", data_dir=tmp_path), store)
        link.test(server.url, "big")
        link.close()
        received = sorted(connection.body.decode() for connection in server.requests)
    kept = SentLog(store).page(limit=500)
    assert {entry.purpose for entry in kept} == {"models", "probe"}
    assert sorted(entry.body for entry in kept) == received
    assert len(kept) > 3


def test_an_answer_that_is_kept_nowhere_is_no_test(log: SentLog) -> None:
    with ScriptedServer(ANSWER) as server:
        client = CloudClient(server.url, "big", SecretStr(""), log=log)
        read_all(client.open(QUESTION, "", Sampling(), 5))
        client.close()
    assert [(each.purpose, each.message_id) for each in log.page()] == [("answer", None)]


def test_a_profile_that_concedes_sends_twice_and_says_so(log: SentLog) -> None:
    refusal = say(
        b'{"error": {"message": "logprobs are not supported"}}',
        status="400 Bad Request",
        kind="application/json",
    )
    with ScriptedServer(refusal, ANSWER) as server:
        client = CloudClient(
            server.url,
            "big",
            SecretStr(""),
            EndpointProfile(model="big", logprobs="given"),
            log=log,
        )
        read_all(client.open(QUESTION, "", Sampling(), 5, message_id=1))
        client.close()
        bodies = [connection.body.decode() for connection in server.requests]
    assert [entry.body for entry in reversed(log.page())] == bodies
    assert len(bodies) == 2


def test_pages_come_newest_first(log: SentLog) -> None:
    fill(log)
    first = log.page(limit=3)
    assert [entry.message_id for entry in first] == [4, 3, 2]
    assert [entry.message_id for entry in log.page(limit=3, before=first[-1].id)] == [1, 0]


def test_search_takes_words_as_they_stand(log: SentLog) -> None:
    client_body = json.dumps({"text": QUESTION[0].content}, ensure_ascii=False).encode()
    log.write("https://a/v1", "big", "answer", client_body, 1)
    log.write("https://b/v1", "small", "answer", b'{"text": "100 x sicher, 1000"}', 2)

    def found(words: str) -> list[int | None]:
        return [entry.message_id for entry in log.page(words)]

    assert found('"Köln"\n100 %') == [1]
    assert found("100 %") == [1]
    assert found("100 _") == []
    assert found("SMALL") == [2]
    assert found("https://a") == [1]
    assert found("  ") == [2, 1]
    assert log.count("sicher") == (2, len(client_body) + 30)


def test_export_is_one_object_a_line(log: SentLog, tmp_path: Path) -> None:
    fill(log, 1200)
    path = tmp_path / "sent.jsonl"
    assert log.export(path) == 1200
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["message_id"] for line in lines] == list(range(1199, -1, -1))
    assert set(lines[0]) == {
        "id", "message_id", "sent_at", "endpoint", "model", "purpose", "body", "size"
    }  # fmt: skip
    assert log.export(path, "host-1") == 600
    with pytest.raises(StoreError, match="another place"):
        log.export(tmp_path / "no" / "such" / "folder.jsonl")


def test_what_is_cleared_is_in_no_file_any_more(log: SentLog, store: Store) -> None:
    log.write("https://a/v1", "big", "answer", b'{"text": "a-needle-in-the-hay"}', 1)
    assert log.clear() == 1
    assert log.page() == []
    data = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"a-needle-in-the-hay" not in data


def test_an_address_is_kept_without_secrets(log: SentLog) -> None:
    log.write("https://me:pw@host:8443/v1/chat?key=abc#x", "big", "answer", b"", None)
    assert log.page()[0].endpoint == "https://host:8443/v1/chat"
