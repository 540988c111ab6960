"""What stays here is in no later turn either: neither it nor an answer that holds it."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from floe.chat.assistant import Assistant
from floe.chats.importing import import_stream
from floe.errors import PrivacyError
from floe.privacy import choices
from floe.records import ChatMessage
from floe.store.deletion import delete_branch
from tests.privacy.scripted_model import ScriptedModel
from tests.privacy.test_nothing_leaves import (
    ASKED_FOR_FACT,
    COMMON,
    FACT_WORDS,
    OPTIONS,
    PLAIN,
    Cloud,
    assistant,
    cloud,
    done,
    leaks,
    model,
    tell,
)

__all__ = ["assistant", "cloud", "model"]

LOCAL = replace(OPTIONS, mode="local")


def conversation_of(assistant: Assistant, message_id: int) -> int:
    return assistant.store.message(message_id).conversation_id


def test_memory_in_an_answer_cut_off_by_a_crash(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    with monkeypatch.context() as patched:
        # A kill leaves out all that comes after the last token.
        patched.setattr(assistant._decoder, "_mark_memory", lambda *_: None)
        patched.setattr(assistant.gate, "remember", lambda *_: None)
        view = done(assistant.ask(None, ASKED_FOR_FACT, replace(OPTIONS, daily_requests=0)))
    model.script = COMMON
    view = done(assistant.ask(conversation_of(assistant, view.message_id), PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_memory_in_an_answer_that_could_not_be_examined(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    examine = assistant.detector.examine_answer

    def slow(text: str, timeout: float = 2.0) -> Any:
        if timeout > 1:
            raise PrivacyError("too slow")
        return examine(text, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(assistant.detector, "examine_answer", slow)
        view = done(assistant.ask(None, ASKED_FOR_FACT, OPTIONS))
    assert view.route.kind == "fused"
    model.script = COMMON
    view = done(assistant.ask(conversation_of(assistant, view.message_id), PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, FACT_WORDS) == []


PRIVATE_MATTER = "I was diagnosed with bipolar disorder last spring and my wife has left me."
REPEATED = "As you were diagnosed with bipolar disorder last spring, go for a walk."


def test_an_answer_that_repeats_what_was_withheld(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, PRIVATE_MATTER, OPTIONS))
    assert view.route.kind == "local"
    conversation = conversation_of(assistant, view.message_id)
    model.script = REPEATED
    view = done(assistant.ask(conversation, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("bipolar",)) == []
    model.script = COMMON
    view = done(assistant.ask(conversation, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("bipolar",)) == []


WHATSAPP = f"""[12/03/2024, 10:15:00] Ben: Hi, how was your week?
[12/03/2024, 10:17:00] Lea: {PRIVATE_MATTER}
[12/03/2024, 10:18:00] Ben: Oh dear.
[12/03/2024, 10:19:00] Lea: See you soon.
"""


@pytest.mark.parametrize("user", ["Lea", "Ben"])
def test_a_chat_between_people_that_is_gone_on_with(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, user: str
) -> None:
    report = import_stream(
        assistant.store, BytesIO(WHATSAPP.encode()), "WhatsApp Chat with Ben.txt", user=user
    )
    assert report.format == "whatsapp"
    model.script = COMMON
    view = done(assistant.ask(report.conversations[0], PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("bipolar", "my wife")) == []


def test_an_answer_in_the_persons_own_words(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    own = assistant.store.rewrite_answer(view.message_id, PRIVATE_MATTER)
    view = done(assistant.ask(own.conversation_id, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("bipolar", "my wife")) == []
    # What may be learnt on this device is another question.
    assert assistant.store.message(own.id).private == ()


@pytest.mark.parametrize("times", [1, 2])
def test_a_rewording_of_an_answer_that_was_for_this_device_only(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, times: int
) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, "How does a pinhole camera work?", LOCAL))
    answer = view.message_id
    for _ in range(times):
        answer = assistant.store.rewrite_answer(answer, "Light falls through a hole.").id
    view = done(assistant.ask(conversation_of(assistant, answer), PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("pinhole", "falls through")) == []


def test_a_second_rewording_of_an_answer_from_memory(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe."
    view = done(assistant.ask(None, ASKED_FOR_FACT, replace(OPTIONS, daily_requests=0)))
    answer = view.message_id
    for _ in range(2):
        answer = assistant.store.rewrite_answer(answer, "Behind the wardrobe, in Thurso.").id
    model.script = COMMON
    view = done(assistant.ask(conversation_of(assistant, answer), PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, FACT_WORDS) == []


def test_a_question_for_this_device_only_whose_answer_was_deleted(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, "How does a pinhole camera work?", LOCAL))
    conversation = conversation_of(assistant, view.message_id)
    question = assistant.store.message(view.message_id).parent_id
    delete_branch(assistant.store, view.message_id)
    view = done(assistant.ask(conversation, PLAIN[0], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("pinhole",)) == []
    # Asked again of both, it is one question of the chat like any other.
    assert question is not None
    view = done(assistant.regenerate(question, OPTIONS))
    assert leaks(cloud.bodies[-1:], ("pinhole",))
    done(assistant.ask(conversation, PLAIN[1], OPTIONS))
    assert leaks(cloud.bodies[-1:], ("pinhole",))


@pytest.mark.parametrize(
    "part", ["Behind the wardrobe, ask", "Behind the ward", "Behind the wardrobe"]
)
def test_a_program_that_left_in_mid_answer_brings_back_a_part_of_it(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, part: str
) -> None:
    tell(assistant)
    model.script = "Behind the wardrobe, ask whoever is there, or look for it by yourself."
    turn = assistant.respond([ChatMessage("user", ASKED_FOR_FACT)], LOCAL)
    done(turn)
    said = [ChatMessage("user", "Any idea?"), ChatMessage("assistant", part)]
    model.script = COMMON
    view = done(assistant.respond([*said, ChatMessage("user", PLAIN[0])], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("ward",)) == []


def test_about_me_in_few_words(assistant: Assistant, cloud: Cloud, model: ScriptedModel) -> None:
    choices.set_about_me(assistant.store, "I have epilepsy.")
    model.script = "Of course. Since you have epilepsy, mind the light. It depends on the day."
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("epilepsy",)) == []


def test_a_program_that_asks_for_a_title_does_not_send_what_memory_told(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "You put it behind the walnut wardrobe in Thurso, as you said."
    done(assistant.respond([ChatMessage("user", ASKED_FOR_FACT)], LOCAL))
    asked = (
        f"Make a title of this chat.\n<chat>\nUSER: Any idea?\nASSISTANT: {model.script}\n</chat>"
    )
    model.script = COMMON
    view = done(assistant.respond([ChatMessage("user", asked)], OPTIONS))
    assert view.route.kind == "local"
    assert cloud.bodies == []
    # Nor in a later question of the same chat.
    said = [ChatMessage("user", asked), ChatMessage("assistant", COMMON)]
    view = done(assistant.respond([*said, ChatMessage("user", PLAIN[0])], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, FACT_WORDS) == []
