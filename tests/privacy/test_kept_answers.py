"""An answer of this device alone stays, also where a program brings it back by itself."""

import time
from dataclasses import replace

import pytest

from floe.chat import kept_answers
from floe.chat.assistant import Assistant
from floe.records import ChatMessage
from tests.privacy.scripted_model import ScriptedModel
from tests.privacy.test_nothing_leaves import (
    COMMON,
    OPTIONS,
    PLAIN,
    Cloud,
    assistant,
    cloud,
    done,
    leaks,
    model,
)

__all__ = ["assistant", "cloud", "model"]

LOCAL = replace(OPTIONS, mode="local")
ASKED = "Which trees grow near a brook?"
ANSWER = (
    "Alders and willows grow near a brook, since their roots bear the wet ground all year round, "
    "and poplars stand a little higher, where the banks are dry in summer."
)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


@pytest.mark.parametrize(
    ("answer", "brought_back"),
    [
        (ANSWER, ANSWER),
        (ANSWER, f"  {ANSWER[:90]}"),
        (ANSWER, "Alders and wil"),
        (ANSWER, "Alders and willows"),
        (ANSWER, f"You said: {ANSWER}"),
        ("Willows.", "Willows."),
    ],
)
def test_an_answer_that_comes_back_without_its_question(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, answer: str, brought_back: str
) -> None:
    model.script = answer
    done(assistant.respond([user(ASKED)], LOCAL))
    model.script = COMMON
    path = [user("Any idea?"), ChatMessage("assistant", brought_back), user(PLAIN[0])]
    view = done(assistant.respond(path, OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("alder", "Alder", "willow", "Willow")) == []


SHORT = [ChatMessage("assistant", "Willows."), user(PLAIN[0])]


def test_an_answer_of_one_word_stays_in_its_own_chat_for_good(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [user(PLAIN[2]), ChatMessage("assistant", "Waves."), user(ASKED)]
    model.script = "Willows."
    done(assistant.respond(begun, LOCAL))
    model.script = COMMON
    wait(monkeypatch, days=30)
    view = done(assistant.respond([*begun[:2], user("Any idea?"), *SHORT], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("willow",)) == []


@pytest.mark.parametrize(("days", "stays"), [(0, True), (1, True), (30, False)])
def test_an_answer_of_one_word_is_anybodys_in_later_chats(
    assistant: Assistant,
    cloud: Cloud,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    stays: bool,
) -> None:
    model.script = "Willows."
    done(assistant.respond([user(ASKED)], LOCAL))
    model.script = COMMON
    wait(monkeypatch, days)
    done(assistant.respond([user("What bends in the wind?"), *SHORT], OPTIONS))
    assert bool(leaks(cloud.bodies, ("willow",))) is not stays
    # With its question it stays whenever that is.
    before = len(cloud.bodies)
    done(assistant.respond([user(ASKED), *SHORT], OPTIONS))
    assert len(cloud.bodies) > before
    assert leaks(cloud.bodies[before:], ("willow", "brook")) == []


def wait(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    monkeypatch.setattr(kept_answers, "_today", lambda: int(time.time() // 86_400) + days)


def test_a_request_for_a_title_that_quotes_it(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = ANSWER
    done(assistant.respond([user(ASKED)], LOCAL))
    model.script = COMMON
    view = done(assistant.respond([user(f"Make a title:\nASSISTANT: {ANSWER}")], OPTIONS))
    assert view.route.kind == "local"
    assert cloud.bodies == []


def test_nothing_else_stays_for_its_sake(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = "Yes. I hope this helps you."
    done(assistant.respond([user(ASKED)], LOCAL))
    model.script = COMMON
    said = ChatMessage("assistant", "Yes. I hope this helps you, and good luck with the garden.")
    for last in ("Yes.", PLAIN[0]):
        before = len(cloud.bodies)
        view = done(assistant.respond([user(PLAIN[1]), said, user(last)], OPTIONS))
        assert view.route.kind == "fused"
        assert leaks(cloud.bodies[before:], ("garden",))


def test_a_text_that_the_answer_only_repeats_may_leave(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = f"{ANSWER} Then"
    done(assistant.respond([user(f"Shorten this: {ANSWER}")], LOCAL))
    model.script = COMMON
    view = done(assistant.respond([user(f"Is this right? {ANSWER}")], OPTIONS))
    assert view.route.kind == "fused"
