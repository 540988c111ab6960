"""Choosing, testing and changing the cloud, as the page does."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from floe.cloud.answer import CloudRequests
from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.cloud.probe.probe import probe
from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import Continuation
from floe.config import OFF, Settings
from floe.errors import CloudError
from floe.privacy.sent import SentLog
from floe.records import ChatMessage, Sampling
from floe.store import Store
from floe.store.day_requests import add_request, requests_today
from tests.cloud.quirky import MODEL, Quirks, QuirkyServer
from tests.cloud.scripted import DONE, STOP, ScriptedServer, event, say

Make = Callable[..., CloudLink]
KEY = "sk-very-secret-0123456789"
QUESTION = [ChatMessage("user", "Count to ten.")]
VLLM = Quirks(continues="continue_final_message")


@pytest.fixture
def make(store: Store, tmp_path: Path) -> Iterator[Make]:
    """Links on one store, each a new start of the program."""
    made: list[CloudLink] = []

    def link(daily_limit: int | None = None, **settings: Any) -> CloudLink:
        loaded = Settings.load(data_dir=tmp_path, **settings)
        made.append(CloudLink(loaded, store, daily_limit=lambda: daily_limit))
        return made[-1]

    yield link
    for each in made:
        each.close()


def count(link: CloudLink, partial: str, top_p: float = 1.0) -> str:
    """Text that the cloud adds to `partial`, once it is known to go on with that."""
    if partial:
        wait_for_proof(link)
    requests = CloudRequests(link, QUESTION, Sampling(max_tokens=60), top_p=top_p)
    stream = requests.open(partial)
    rows = []
    while not stream.ended:
        stream.wait(10)
        rows += stream.poll()
    rows += stream.poll()
    assert stream.error is None
    return b"".join(row.text_bytes for row in rows).decode()


def test_endpoint_chosen_in_the_page_is_used_at_once_and_after_a_restart(
    make: Make, store: Store
) -> None:
    with QuirkyServer(Quirks(key=KEY)) as server, QuirkyServer(Quirks()) as other:
        link = make()
        link.configure(server.url, key=SecretStr(KEY), preset="llama-server")
        assert link.wait(20).usable
        assert count(link, "one, two") == ", three, four, five, six, seven, eight, nine, ten"
        assert "not been tested yet" in link.state.sentence
        link.configure(other.url, MODEL)
        assert link.wait(20).usable
        assert count(link, "one, two, three, four, five, six") == ", seven, eight, nine, ten"
        link.close()
        again = make()
        assert again.choice == EndpointChoice(other.url, MODEL, "custom")
        again.connect()
        assert again.wait(20).usable
    kept = store.path.read_bytes() + store.path.with_name("floe.db-wal").read_bytes()
    assert other.url.encode() in kept
    assert KEY.encode() not in kept


def test_cloud_set_from_outside_comes_before_the_one_remembered(make: Make) -> None:
    with QuirkyServer(Quirks()) as server:
        make().configure(server.url, MODEL)
        assert make(cloud=OFF).choice.base_url == OFF
        assert make().choice.base_url == server.url


def test_switching_off_ends_the_connection(make: Make) -> None:
    with QuirkyServer(Quirks()) as server:
        link = make()
        link.configure(server.url)
        assert link.wait(20).usable
        link.configure(OFF)
        assert link.wait(20).kind == "off"
        assert link.open(QUESTION, "", Sampling()).error is not None
        assert server.asked == []


def test_wrong_address_changes_nothing(make: Make) -> None:
    link = make(cloud=OFF)
    with pytest.raises(CloudError, match="must begin with http"):
        link.configure("api.example.com")
    assert link.choice.base_url == OFF
    assert "must begin with http" in link.test("api.example.com").findings[0]
    assert "nothing to test" in link.test(OFF).findings[0]
    assert "does not run" in link.test("stand-in").findings[0]


def test_result_of_a_test_applies_at_once_and_after_a_restart(make: Make, store: Store) -> None:
    with QuirkyServer(VLLM) as server:
        link = make()
        link.configure(server.url, MODEL)
        assert link.wait(20).usable
        assert "not been tested yet" in link.state.sentence
        steps: list[str] = []
        profile = link.test(server.url, MODEL, progress=steps.append)
        assert len(steps) >= 4
        assert link.profile == profile
        assert count(link, "one").startswith(", two")
        link.close()
        before = len(server.asked)
        again = make()
        again.connect()
        assert again.wait(20).usable
        assert len(server.asked) == before
        assert again.profile == profile
        assert again.tested_at is not None
        assert again.state.sentence.endswith("Tested just now.")
        assert count(again, "one").startswith(", two")
        again.close()
    found = store.endpoint(server.url, MODEL)
    assert found is not None
    assert found[0]["continuation"] == "continue_final_message"
    assert abs(found[1] - time.time()) < 600
    assert store.endpoint(server.url, "other") is None


def test_profile_of_another_version_is_not_used(make: Make, store: Store) -> None:
    with QuirkyServer(Quirks()) as server:
        store.save_endpoint(server.url, MODEL, {"continuation": "telepathy"})
        link = make()
        link.configure(server.url, MODEL)
        assert link.wait(20).usable
        assert link.profile is None


def test_profile_survives_json() -> None:
    profile = EndpointProfile(
        model="m", models=("m", "n"), continuation=Continuation.PREFIX, findings=("Fine.",)
    )
    assert EndpointProfile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


def test_failed_test_is_not_kept(make: Make, store: Store) -> None:
    with QuirkyServer(Quirks(limited="7")) as server:
        profile = make(cloud=OFF).test(server.url, MODEL)
    assert not profile.complete
    assert store.endpoint(server.url, MODEL) is None


def test_without_continuation_no_request_is_made(make: Make) -> None:
    with QuirkyServer(Quirks(continues="none")) as server:
        link = make()
        profile = link.test(server.url, MODEL)
        link.configure(server.url, MODEL, profile=profile)
        assert link.wait(20).usable
        before = len(server.asked)
        requests = CloudRequests(link, QUESTION, Sampling())
        stream = requests.open("one, two")
        assert stream.ended
        assert stream.poll() == []
        assert "cannot continue an answer; this device finishes alone" in str(stream.error)
        assert len(server.asked) == before
        assert requests.usage()["cloud_requests"] == 0


@pytest.mark.parametrize(("continues", "one"), [("none", True), ("prefill", False)])
def test_a_cloud_that_cannot_continue_has_one_stream(make: Make, continues: Any, one: bool) -> None:
    with QuirkyServer(Quirks(continues=continues)) as server:
        link = make()
        assert not link.one_stream
        link.configure(server.url, MODEL, profile=link.test(server.url, MODEL))
        assert link.wait(20).usable
        assert link.one_stream is one


def wait_for_proof(link: CloudLink) -> str:
    """Continue answers until it is known whether that works; what the last one said."""
    assert link.wait(20).usable
    until = time.monotonic() + 20
    while time.monotonic() < until:
        stream = link.open(QUESTION, "one, two", Sampling(max_tokens=60))
        stream.close()
        if "being found out" not in str(stream.error):
            return str(stream.error)
        time.sleep(0.05)
    raise AssertionError("it was never found out")


def test_untested_address_that_begins_anew_is_never_asked_to_go_on(make: Make) -> None:
    with QuirkyServer(Quirks(continues="none")) as server:
        link = make()
        link.configure(server.url, MODEL)
        assert link.wait(20).usable
        assert count(link, "")
        assert "cannot continue an answer" in wait_for_proof(link)
        assert link.one_stream
    assert "one, two" not in json.dumps(server.asked)


@pytest.mark.parametrize("continues", ["prefill", "continue_final_message"])
def test_untested_address_goes_on_once_it_has_shown_that_it_can(make: Make, continues: Any) -> None:
    with QuirkyServer(Quirks(continues=continues)) as server:
        link = make()
        link.configure(server.url, MODEL)
        assert link.wait(20).usable
        assert count(link, "")
        assert wait_for_proof(link) == "None"
        assert count(link, "one, two").startswith(", three")
        assert not link.one_stream
        assert link.profile is None
        link.close()
        again = make()
        again.connect()
        assert again.wait(20).usable
        assert "not been tested yet" in again.state.sentence
        # It is known after a restart, too.
        assert again.open(QUESTION, "one, two", Sampling(max_tokens=60)).error is None


def test_requests_of_tests_are_counted_and_logged(make: Make, store: Store) -> None:
    """Those of the whole test, and those by which an endpoint shows that it goes on."""
    with QuirkyServer(Quirks(continues="none")) as server, QuirkyServer(Quirks()) as other:
        link = make()
        link.test(other.url, MODEL)
        assert requests_today(store) == len(other.asked) > 3
        link.configure(server.url, MODEL)
        wait_for_proof(link)
        sent = [*other.asked, *server.asked]
    assert len(server.asked) > 3
    assert requests_today(store) == len(sent)
    kept = [each for each in SentLog(store).page(limit=500) if each.body]
    assert {each.purpose for each in kept} == {"probe"}
    assert [json.loads(each.body) for each in reversed(kept)] == sent


def test_a_test_ends_with_the_budget_of_the_day(make: Make, store: Store) -> None:
    with QuirkyServer(Quirks()) as server:
        profile = make(daily_limit=2).test(server.url, MODEL)
        assert len(server.asked) == 2
        assert "budget of 2 cloud requests a day is used up" in profile.findings[-1]
        assert not profile.complete
        assert requests_today(store) == 2
    with QuirkyServer(Quirks(models=False)) as server:
        link = make(daily_limit=2)
        link.configure(server.url, MODEL)
        assert "budget of 2" in link.wait(20).sentence
        assert server.asked == []


def test_an_answer_leaves_room_for_what_its_endpoint_has_to_show(make: Make, store: Store) -> None:
    """Three requests are left: one begins the answer, two show nothing yet, none is left."""
    with QuirkyServer(Quirks(continues="none")) as server:
        link = make(daily_limit=3)
        link.configure(server.url, MODEL)
        assert link.wait(20).usable
        requests = CloudRequests(link, QUESTION, Sampling(max_tokens=60), most=3)
        stream = requests.open("")
        add_request(store)  # as an answer that is kept would be
        while not stream.ended:
            assert stream.wait(60)
        until = time.monotonic() + 20
        while "used up" not in str(said := requests.open("one, two").error):
            assert time.monotonic() < until, said
            time.sleep(0.05)
        # The last one is counted before it leaves.
        while len(server.asked) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(server.asked) == 3
        assert requests.usage()["cloud_requests"] == 1
    assert requests_today(store) == 3


def test_a_server_that_is_loading_uses_up_no_budget(make: Make, store: Store) -> None:
    loading = say(
        b'{"error": {"message": "Loading model"}}',
        status="503 Service Unavailable",
        kind="application/json",
    )
    listed = say(b'{"data": [{"id": "big"}]}', kind="application/json")
    with ScriptedServer(listed, loading, say(b"no", status="402 Pay")) as server:
        make().test(server.url, "big")
        assert len(server.requests) == 3
    assert requests_today(store) == 1


def test_top_p_is_sent_for_the_cloud_alone(make: Make) -> None:
    with QuirkyServer(Quirks()) as server:
        link = make()
        link.configure(server.url)
        link.wait(20)
        count(link, "", top_p=0.4)
        count(link, "")
    assert [body.get("top_p") for body in server.asked] == [0.4, None]


def test_change_while_connecting_ends_in_the_last_choice(make: Make) -> None:
    with QuirkyServer(Quirks()) as server:
        link = make()
        for _ in range(3):
            link.configure("http://127.0.0.1:9/v1")
            link.configure(server.url)
        assert link.wait(20).usable
        assert link.choice.base_url == server.url


def test_key_that_is_refused_is_said_and_repeated_nowhere(make: Make) -> None:
    with QuirkyServer(Quirks(key="right", models=False)) as server:
        link = make()
        link.configure(server.url, MODEL, SecretStr(KEY))
        state = link.wait(20)
        profile = link.test(server.url, MODEL, SecretStr(KEY))
    assert "does not accept the key" in state.sentence
    assert any("does not accept the key" in finding for finding in profile.findings)
    assert KEY not in state.sentence + repr(profile) + repr(vars(link))


def test_cancelled_test_says_so(make: Make) -> None:
    cancelled = threading.Event()
    sentences: list[str] = []

    def progress(sentence: str) -> None:
        sentences.append(sentence)
        if "continue" in sentence:
            cancelled.set()

    with QuirkyServer(Quirks()) as server:
        link = make(cloud=OFF)
        profile = link.test(server.url, MODEL, progress=progress, cancelled=cancelled.is_set)
    assert profile.findings[-1] == "The test was stopped."
    assert profile.answers
    assert not profile.complete


def test_time_limit_ends_the_test(connect: Callable[..., Any]) -> None:
    with QuirkyServer(Quirks()) as server:
        profile = probe(connect(server.url, MODEL), seconds=0)
    assert "longer than 0 seconds" in profile.findings[-1]
    assert not profile.complete


def test_answer_in_no_protocol_ends_the_test_with_a_sentence(connect: Callable[..., Any]) -> None:
    with ScriptedServer(say(event(delta="x"), STOP, DONE)) as server:
        profile = probe(connect(server.url, MODEL))
    assert "does not speak the OpenAI protocol" in profile.findings[-1]
    assert not profile.complete


def test_hint_saves_requests_and_changes_no_result(connect: Callable[..., Any]) -> None:
    with QuirkyServer(VLLM) as server:
        client = connect(server.url, MODEL)
        plain = probe(client)
        first = len(server.asked)
        hinted = probe(client, EndpointProfile(continuation=Continuation.FINAL_MESSAGE))
        assert len(server.asked) - first < first <= 6
    same = {"round_trip_ms": None, "tokens_per_second": None, "findings": ()}
    assert replace(hinted, **same) == replace(plain, **same)  # type: ignore[arg-type]


def test_stand_in_gets_no_key_and_can_be_tested(make: Make, smollm_path: Path) -> None:
    link = make(
        cloud="stand-in",
        stand_in_model=str(smollm_path),
        stand_in_args="--context 512",
        cloud_key=SecretStr(KEY),
    )
    link.connect()
    assert link.wait(60).usable
    client = link._client
    assert client is not None
    assert client._client.api_key != KEY
    profile = link.test("stand-in")
    assert profile.complete
    assert profile.continuation is Continuation.PREFILL
    assert profile.before_temperature
    assert link.profile == profile
