"""Ways out that an outsider would try: paraphrases of what is kept here, a cloud that listens."""

from dataclasses import replace

import pytest

from floe.chat.assistant import Assistant
from floe.chat.chat_settings import ChatSettings, save_chat_settings
from floe.chat.kept_questions import KeptQuestions
from floe.privacy import choices
from floe.records import ChatMessage
from tests.cloud.scripted import DONE, STOP, Connection, row_event
from tests.privacy.scripted_model import ScriptedModel
from tests.privacy.test_nothing_leaves import (
    ABOUT_ME,
    ASKED_FOR_FACT,
    COMMON,
    FACT,
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


def test_a_private_system_prompt_in_few_words(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    chat = assistant.store.add_message(None, None, "user", PLAIN[0]).conversation_id
    save_chat_settings(assistant.store, chat, ChatSettings("I have epilepsy."))
    model.script = "Of course. Since you have epilepsy, mind the light. It depends on the day."
    view = done(assistant.ask(chat, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("epilepsy",)) == []


def test_a_programs_private_system_prompt_in_few_words(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = "Of course. Since you have epilepsy, mind the light. It depends on the day."
    asked = [ChatMessage("user", PLAIN[1])]
    view = done(assistant.respond(asked, OPTIONS, system="The user's notes: I have epilepsy."))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("epilepsy",)) == []


def test_about_me_in_other_words(assistant: Assistant, cloud: Cloud, model: ScriptedModel) -> None:
    choices.set_about_me(assistant.store, ABOUT_ME)
    model.script = "Of course. Your ponies in Hameln, by the brickyard, like it. It depends."
    view = done(assistant.ask(None, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("ponies", "hameln", "brickyard")) == []


def test_a_cloud_that_says_a_dictionary(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(assistant)
    # What it says and nobody takes makes no word of the person a word of its own.
    dictionary = " ".join(FACT.split())

    def hostile(connection: Connection) -> None:
        if connection.head.startswith("GET") or len(cloud.bodies) > 1:
            cloud._play(connection)
        else:
            connection.answer(row_event(f" {dictionary}"), STOP, DONE)

    monkeypatch.setattr(cloud.server, "_plays", (hostile,))
    model.script = "Of course. Look behind the wardrobe in Thurso. It depends on the day."
    view = done(assistant.ask(None, ASKED_FOR_FACT, replace(OPTIONS, weight=0.8)))
    assert view.route.kind == "fused"
    assert view.text == model.script
    assert len(cloud.bodies) > 1
    assert leaks(cloud.bodies, ("behind", *FACT_WORDS)) == []


def test_a_word_that_the_cloud_wrote_itself_is_no_secret(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    tell(assistant)
    model.script = "Of course. Look behind the wardrobe now, by day. It depends."
    cloud.script = "Of course. Look behind the wardrobe then, by day. It depends."
    view = done(assistant.ask(None, ASKED_FOR_FACT, replace(OPTIONS, weight=0.8)))
    assert view.text == model.script
    assert leaks(cloud.bodies[-1:], ("behind the wardrobe n",))


QUESTION = "How does a pinhole camera work when it rains?"


def test_a_question_for_this_device_only_whose_answer_the_program_lost(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    done(assistant.respond([ChatMessage("user", QUESTION)], LOCAL))
    # Two messages of a person in a row become one.
    both = ChatMessage("user", f"{QUESTION}\n\n{PLAIN[0]}")
    view = done(assistant.respond([both], OPTIONS))
    assert leaks(cloud.bodies, ("pinhole",)) == []
    assert view.route.kind == "local"


def test_a_title_for_a_chat_of_this_device_only(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    done(assistant.respond([ChatMessage("user", QUESTION)], LOCAL))
    asked = f"Make a title of this chat.\n<chat>\nUSER: {QUESTION}\nASSISTANT: Well\n</chat>"
    view = done(assistant.respond([ChatMessage("user", asked)], OPTIONS))
    assert leaks(cloud.bodies, ("pinhole",)) == []
    assert view.route.kind == "local"


def test_a_question_for_this_device_only_after_a_restart(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    done(assistant.respond([ChatMessage("user", QUESTION)], LOCAL))
    assistant._kept_questions = KeptQuestions(assistant.store)
    said = [ChatMessage("user", QUESTION), ChatMessage("assistant", COMMON)]
    view = done(assistant.respond([*said, ChatMessage("user", PLAIN[0])], OPTIONS))
    assert view.route.kind == "fused"
    assert leaks(cloud.bodies, ("pinhole",)) == []


def test_a_turn_for_this_device_only_in_other_words(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel
) -> None:
    model.script = COMMON
    view = done(assistant.ask(None, "What is a fair price for a marimba in Hameln?", LOCAL))
    chat = assistant.store.message(view.message_id).conversation_id
    model.script = "Of course. Near Hameln one hears a marimba in the rain. It depends."
    view = done(assistant.ask(chat, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert cloud.bodies
    assert leaks(cloud.bodies, ("hameln",)) == []


@pytest.mark.parametrize(
    "words", ["It is 47 11, after all.", "It is 4-7-1-1, after all.", "In T-h-u-r-s-o, after all."]
)
def test_memory_spelt_out(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, words: str
) -> None:
    tell(assistant, "The lock of the shed in Thurso opens with 4711.")
    model.script = f"Of course. {words} It depends on the day."
    turn = assistant.ask(None, "What opens the lock of the shed?", OPTIONS)
    view = done(turn)
    assert turn.memory
    assert view.route.kind == "fused"
    assert view.text == model.script
    assert cloud.bodies
    assert leaks(cloud.bodies, ("4711", "47 11", "4-7-1", "T-h-u")) == []


@pytest.mark.parametrize("policy", ["local only", "pseudonyms"])
def test_a_known_name_spelt_out(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, policy: choices.Policy
) -> None:
    choices.set_policy(assistant.store, policy)
    model.script = COMMON
    view = done(assistant.ask(None, "Draft a mail to my doctor Anna Weberling.", OPTIONS))
    chat = assistant.store.message(view.message_id).conversation_id
    model.script = "Of course. It is W-e-b-e-r-l-i-n-g, as ever. It depends on the day."
    view = done(assistant.ask(chat, PLAIN[1], OPTIONS))
    assert view.route.kind == "fused"
    assert view.text == model.script
    assert cloud.bodies
    assert leaks(cloud.bodies, ("W-e-b-e", "Weberling")) == []


@pytest.mark.parametrize(
    "words", ["Since you have epilepsy, mind the light.", "Your ponies near Hameln like it."]
)
def test_a_title_for_an_answer_that_tells_of_about_me(
    assistant: Assistant, cloud: Cloud, model: ScriptedModel, words: str
) -> None:
    choices.set_about_me(assistant.store, f"I have epilepsy. {ABOUT_ME}")
    model.script = f"{words} It depends on the day."
    done(assistant.respond([ChatMessage("user", PLAIN[1])], replace(OPTIONS, daily_requests=0)))
    asked = f"Make a title of this chat.\n<chat>\nUSER: Light?\nASSISTANT: {model.script}\n</chat>"
    model.script = COMMON
    view = done(assistant.respond([ChatMessage("user", asked)], OPTIONS))
    assert leaks(cloud.bodies, ("epilepsy", "ponies", "hameln")) == []
    assert view.route.kind == "local"
