"""Who may ask, what is refused, what leaves, who waits: over real HTTP, on scripted models."""

import math
import re
import socket
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from floe.api.chat_request import CompletionRequest
from floe.api.endpoint import LARGEST_BODY, MOST_WAITING
from floe.api.server import KEY_FILE, load_key
from floe.chat.preferences import Preferences
from floe.chat.turn import TurnOptions
from floe.errors import FloeError
from floe.privacy import choices
from floe.records import Sampling
from tests.api.conftest import KEY, PacedModel, Served
from tests.privacy.test_nothing_leaves import (
    ASKED,
    COMMON,
    PRIVATE,
    SECRETS,
    UTTERED,
    Cloud,
    leaks,
)

PLAIN = "Who wrote Hamlet?"


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {KEY}x"}, 401),
        ({"Authorization": KEY}, 401),
        ({"Host": "floe.example:80"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "https://example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_who_may_not_ask_gets_an_error_in_openai_s_form(
    served: Served, headers: dict[str, str], status: int
) -> None:
    for method, path in (("GET", "/models"), ("POST", "/chat/completions"), ("OPTIONS", "/models")):
        answer = served.send(method, path, headers=headers)
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert served.turns == []
    assert served.send("GET", "/models").status_code == 200


def test_a_body_has_a_bound_and_is_json(served: Served) -> None:
    large = b'{"model": "' + b"x" * LARGEST_BODY + b'"}'
    json = {"Content-Type": "application/json"}
    assert served.send("POST", "/chat/completions", content=large, headers=json).status_code == 413
    form = {"Content-Type": "text/plain"}
    assert served.send("POST", "/chat/completions", content=b"{}", headers=form).status_code == 415
    broken = served.send("POST", "/chat/completions", content=b"{", headers=json)
    assert broken.status_code == 400
    assert served.send("GET", "/nothing").json()["error"]["message"]


def test_the_models_are_three(served: Served) -> None:
    assert [each.id for each in served.client.models.list()] == ["floe", "floe-local", "floe-cloud"]
    assert served.client.models.retrieve("floe").id == "floe"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        served.client.models.retrieve("gpt-4")
    assert served.ask(PLAIN, model="gpt-4").json()["error"]["code"] == "model_not_found"


IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n": 2}, "one answer"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "no tools"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "not audio"),
        ({"modalities": ["text", "audio"]}, "text alone"),
        ({"response_format": {"type": "json_object"}}, "format"),
        ({"logit_bias": {"50256": -100}}, "single tokens"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"model": "floe-cloud", "presence_penalty": 0.5}, "does not ask the cloud alone"),
        ({"store": True}, "keeps no chats"),
        ({"logprobs": True, "top_logprobs": 6}, "5 likeliest"),
        ({"top_logprobs": 2}, "needs logprobs"),
        ({"temperature": 3}, "temperature"),
        ({"stop": [""]}, "stop string"),
        ({"floe": {"weight": 1.5}}, "floe.weight"),
        ({"floe": {"wait": 0.5}}, "floe.wait"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "reads text alone"),
        ({"messages": [{"role": "user", "content": "  "}]}, "nothing to answer"),
        ({"messages": [{"role": "tool", "content": "4", "tool_call_id": "1"}]}, "no tools"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "last message"),
        ({"messages": [{"role": "user", "content": "long " * 20_000}]}, "Shorten it"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_a_sentence(
    served: Served, fields: dict[str, Any], words: str
) -> None:
    answer = served.ask(PLAIN, **fields)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert served.turns == []


def test_what_asks_for_nothing_is_let_pass(served: Served) -> None:
    nothing = {
        "n": 1, "tools": [], "stop": None, "temperature": None, "logprobs": None,
        "presence_penalty": 0, "response_format": {"type": "text"}, "user": "me",
        "stream_options": None, "tool_choice": "auto", "repeat_penalty": 1,
    }  # fmt: skip
    answer = served.ask(PLAIN, **nothing).json()
    assert answer["choices"][0]["message"]["content"] == COMMON
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_private_prompt_leaves_no_request_and_no_chat(served: Served, cloud: Cloud) -> None:
    before = len(cloud.server.requests)
    for prompt in PRIVATE:
        answer = served.ask(prompt).json()
        assert answer["floe"]["route"] == "local"
        assert answer["floe"]["reason"].startswith("kept on this device")
        assert answer["floe"]["cloud_requests"] == 0
    # The cloud alone is no way around the gate, and neither is a system prompt.
    assert served.ask(PRIVATE[0], model="floe-cloud").json()["floe"]["route"] == "local"
    assert len(cloud.server.requests) == before
    assert served.application.assistant.sent.page("messages") == []
    assert served.application.store.conversations() == []
    with served.application.store.reading() as db:
        assert db.execute("SELECT count(*) FROM pseudonyms").fetchone()[0] == 0


def test_a_plain_prompt_is_logged_as_it_was_sent(served: Served, cloud: Cloud) -> None:
    answer = served.ask(PLAIN).json()
    assert answer["floe"]["route"] == "fused"
    sent = served.application.assistant.sent.page("messages")
    assert [entry.body for entry in reversed(sent)] == cloud.bodies
    assert len(sent) == answer["floe"]["cloud_requests"] > 0
    assert {entry.message_id for entry in sent} == {None}
    assert served.application.store.conversations() == []


def test_earlier_turns_and_roles_pass_the_same_gate(served: Served, cloud: Cloud) -> None:
    said = [PRIVATE[0], f"Dear Dr. Weber,{SECRETS[0]}", PLAIN, COMMON, "Why is the sky blue?"]
    assert served.ask(*said).json()["floe"]["route"] == "fused"
    messages = [
        {"role": "system", "content": "You are a poet."},
        {"role": "developer", "content": PRIVATE[2]},
        {"role": "user", "content": [{"type": "text", "text": PLAIN}]},
    ]
    answer = served.ask(messages=messages).json()
    assert answer["floe"]["route"] == "fused"
    assert len(cloud.bodies) >= 2
    assert leaks(cloud.bodies, (*ASKED, *UTTERED)) == []
    assert "Hamlet" in cloud.bodies[0]
    assert '"system"' not in cloud.bodies[-1], "a private system prompt stays here"


def test_what_was_asked_of_this_device_is_not_sent_later(served: Served, cloud: Cloud) -> None:
    here = "Name a fish that sings."
    assert served.ask(here, model="floe-local").json()["floe"]["route"] == "local"
    assert cloud.bodies == []
    served.ask(f" {here}\n", "The herring.", PLAIN)
    assert cloud.bodies
    assert not [body for body in cloud.bodies if "fish" in body or "herring" in body]


def test_pseudonyms_stand_for_what_is_private(
    served: Served, cloud: Cloud, paced: PacedModel
) -> None:
    choices.set_policy(served.application.store, "pseudonyms")
    answer = served.ask("My name is Anna Weber. Who wrote Hamlet?").json()
    assert answer["floe"]["route"] == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("Anna Weber", "Weber")) == []
    assert "PERSON_1" in cloud.bodies[0]
    with served.application.store.reading() as db:
        assert db.execute("SELECT count(*) FROM pseudonyms").fetchone()[0] == 0


def test_an_answer_that_becomes_private_is_guarded(
    served: Served, cloud: Cloud, paced: PacedModel
) -> None:
    paced.script = SECRETS[1] * 3
    served.ask(PLAIN, floe={"weight": 0.95})
    assert leaks(cloud.bodies, UTTERED) == []


def test_the_budget_of_the_day_counts_programs_too(served: Served) -> None:
    Preferences.update(served.application.store, daily_requests=1)
    first = served.ask(PLAIN).json()["floe"]
    assert first["cloud_requests"] == 1
    second = served.ask("What is the capital of France?").json()["floe"]
    assert second["route"] == "local"
    assert "a day is used up" in second["notices"][0]


@pytest.mark.parametrize("stream", [False, True])
def test_stop_strings_end_the_answer_before_them(
    served: Served, paced: PacedModel, stream: bool
) -> None:
    paced.script = f"{COMMON} " * 30
    asked: dict[str, Any] = {
        "model": "floe-local",
        "messages": [{"role": "user", "content": PLAIN}],
        "stop": ["nowhere", "on the weather"],
    }
    if stream:
        chunks = list(served.client.chat.completions.create(stream=True, **asked))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        reason = chunks[-1].choices[0].finish_reason
    else:
        choice = served.client.chat.completions.create(**asked).choices[0]
        text, reason = choice.message.content or "", choice.finish_reason
    assert text == COMMON.partition("on the weather")[0]
    assert reason == "stop"
    wait_until(lambda: not served.turns[0].running)
    assert served.turns[0].view().status == "complete"


def test_fields_of_a_request_are_settings_of_sampling() -> None:
    kept = TurnOptions(sampling=Sampling(top_p=0.9, dry_multiplier=0.8, penalty_last_n=64))
    fields = {"frequency_penalty": 0.5, "min_p": 0.1, "stop": ["a", "b"], "seed": 3, "top_k": 0}
    asked = CompletionRequest.model_validate(
        {"model": "floe", "messages": [{"role": "user", "content": PLAIN}], **fields}
    )
    # The protocol's penalties look at the whole answer; what is left out stays as in the page.
    assert asked.options(kept, 0.5).sampling == Sampling(
        top_p=0.9,
        dry_multiplier=0.8,
        seed=3,
        min_p=0.1,
        frequency_penalty=0.5,
        penalty_last_n=-1,
        stop=("a", "b"),
    )


def test_the_limit_is_a_length(served: Served) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = served.ask(PLAIN, **{"max_tokens": None, name: 3}).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 3


def test_the_weight_is_the_automatic_one_or_the_one_asked_for(served: Served) -> None:
    served.ask(PLAIN)
    served.ask(PLAIN, floe={"weight": 0.8})
    served.ask(PLAIN, floe={"mode": "local"})
    weights = [{step.weight for step in turn.view().steps} for turn in served.turns]
    assert weights == [{0.5}, {0.8}, {1.0}]


def test_two_clients_queue_and_the_first_comes_first(served: Served, paced: PacedModel) -> None:
    paced.free.clear()
    with ThreadPoolExecutor(4) as clients:
        asking = []
        for place, name in enumerate("BADC"):
            asking.append(clients.submit(served.ask, f"Who is {name}?", model="floe-local"))
            wait_until(lambda place=place: len(served.turns) > place)  # type: ignore[misc]
        assert len(paced.prompts) == 1
        paced.free.set()
        answers = [each.result(60).json() for each in asking]
    assert [prompt[prompt.rindex("Who is ") + 7] for prompt in paced.prompts] == list("BADC")
    assert {answer["choices"][0]["message"]["content"] for answer in answers} == {COMMON}


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_its_turn(
    served: Served, paced: PacedModel, cloud: Cloud, stream: bool
) -> None:
    paced.free.clear()
    first = connect(served, stream=stream)
    assert paced.started.wait(60)
    second = connect(served, stream=stream)
    wait_until(lambda: len(served.turns) == 2)
    asked = len(cloud.bodies)
    # The one that waits goes, then the one that is served.
    second.close()
    wait_until(lambda: served.turns[1].controls.stopped)
    assert not served.turns[0].controls.stopped
    first.close()
    wait_until(lambda: served.turns[0].controls.stopped)
    paced.free.set()
    wait_until(lambda: not any(turn.running for turn in served.turns))
    assert [turn.view().status for turn in served.turns] == ["stopped", "stopped"]
    assert served.turns[1].view().steps == ()
    assert len(paced.prompts) == 1
    assert len(cloud.bodies) == asked, "nothing is asked for somebody who has gone"
    assert not served.application.assistant.busy


def connect(served: Served, *, stream: bool) -> socket.socket:
    """Ask over a bare socket, and read nothing."""
    body = (
        f'{{"model": "floe", "stream": {str(stream).lower()}, '
        f'"messages": [{{"role": "user", "content": "{PLAIN}"}}]}}'
    )
    peer = socket.create_connection(("127.0.0.1", served.server.port))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{served.server.port}\r\n"
        f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    peer.sendall((head + body).encode())
    return peer


def test_too_many_are_told_to_come_again(served: Served, paced: PacedModel) -> None:
    paced.free.clear()
    peers = [connect(served, stream=True) for _ in range(MOST_WAITING)]
    wait_until(lambda: len(served.turns) == MOST_WAITING)
    answer = served.ask(PLAIN)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    for peer in peers:
        peer.close()
    paced.free.set()


def test_closing_ends_answers_in_order(served: Served, paced: PacedModel) -> None:
    paced.free.clear()
    with ThreadPoolExecutor(1) as clients:
        asking = clients.submit(served.ask, PLAIN)
        assert paced.started.wait(60)
        closing = threading.Thread(target=served.server.close)
        closing.start()
        wait_until(lambda: served.turns[0].controls.stopped)
        paced.free.set()
        answer = asking.result(60)
        closing.join(60)
    assert answer.status_code == 503
    assert "closed" in answer.json()["error"]["message"]


def test_logprobs_are_those_of_the_fused_distribution(served: Served) -> None:
    answer = served.client.chat.completions.create(
        model="floe",
        messages=[{"role": "user", "content": PLAIN}],
        logprobs=True,
        top_logprobs=5,
        extra_body={"floe": {"weight": 0.4}},
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    steps = served.turns[0].view().steps
    assert {step.source for step in steps} == {"fused"}
    assert logprobs.content is not None
    for row, step in zip(logprobs.content, steps, strict=True):
        assert bytes(row.bytes or []) == step.text_bytes
        assert row.logprob == pytest.approx(math.log(step.p_fused), abs=1e-9)
        tops = [(bytes(top.bytes or []), top.logprob) for top in row.top_logprobs]
        assert [data for data, _ in tops] == [each.text_bytes for each in step.alternatives]
        for (_, logprob), each in zip(tops, step.alternatives, strict=True):
            assert logprob == pytest.approx(math.log(each.p_fused), abs=1e-9)
        assert step.p_fused not in (step.p_local, step.p_cloud)


def test_the_key_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    assert re.fullmatch(r"floe-[\w-]{43}", key)
    path = tmp_path / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path) == key
    assert load_key(tmp_path, "another-key-of-mine") == "another-key-of-mine"
    assert load_key(tmp_path) == "another-key-of-mine"
    path.chmod(0o644)
    assert load_key(tmp_path) != "another-key-of-mine"
    for weak in ("short", "", "with spaces in it, long"):
        with pytest.raises(FloeError, match="16"):
            load_key(tmp_path, weak)
