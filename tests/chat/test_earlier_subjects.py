"""A small model reads of a chat what its last question goes on from, and the cloud all of it."""

from pathlib import Path
from typing import cast

import pytest

from floe.chat.answer_decoder import ANOTHER_SUBJECT
from floe.chat.assistant import Assistant
from floe.chat.earlier_subjects import EarlierSubjects
from floe.chat.turn import TurnOptions
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.records import ChatMessage, Sampling
from floe.store import Store
from tests.memory.test_prompt import _Kept

ROSES = (
    ("How do I prune my roses?", "Cut them back in March, above a bud that looks outwards."),
    ("When should I do it?", "When the frost is over, on a dry day."),
)
CAFE = ("Give me ideas for a name of a cafe.", "Café Luna, The Cosy Cup, Echo.")
SYSTEM = "You are a helpful assistant."


def _turns(*pairs: tuple[str, str], asked: str) -> list[ChatMessage]:
    turns: list[ChatMessage] = []
    for question, answer in pairs:
        turns += [ChatMessage("user", question), ChatMessage("assistant", answer)]
    return [*turns, ChatMessage("user", asked)]


@pytest.fixture
def subjects(smollm: LlamaModel) -> EarlierSubjects:
    assert smollm.scorer is not None
    return EarlierSubjects(PromptBuilder(smollm), smollm.scorer, SYSTEM)


def test_a_question_on_something_new_is_read_alone(subjects: EarlierSubjects) -> None:
    assert subjects.begin(_turns(asked=CAFE[0])) == 0
    assert subjects.begin(_turns(*ROSES, asked=CAFE[0])) == 4
    novel = ("What is the novel Wuthering Heights about?", "It is about Heathcliff and Cathy.")
    assert subjects.begin(_turns(novel, asked="What happens during a mammogram?")) == 2


@pytest.mark.parametrize(
    ("first", "question"),
    [
        (ROSES[0], "When should I do it?"),
        (("How do I bake a chocolate cake?", "Mix eggs, flour, sugar and butter, and bake it."),
         "Can I use olive oil instead of butter?"),
        (("How do I knit a scarf?", "Cast on thirty stitches and knit each row."),
         "What size of needles should I buy?"),
        (("My lawyer is Ms. Castellane.", "Thank you for telling me."), "Who is my lawyer?"),
        (("From now on answer in verse.", "I will, in rhyme, from time to time."),
         "What happens during a mammogram?"),
        ((f"What is said here? {'Roses want sun. ' * 200}", "That roses want sun."),
         "What happens during a mammogram?"),
    ],
)  # fmt: skip
def test_what_goes_on_from_earlier_turns_or_is_held_to_them_is_read_with_them(
    subjects: EarlierSubjects, first: tuple[str, str], question: str
) -> None:
    assert subjects.begin(_turns(first, asked=question)) == 0


def test_a_new_subject_goes_on_without_the_old_one_until_that_is_asked_for_again(
    subjects: EarlierSubjects,
) -> None:
    assert subjects.begin(_turns(*ROSES, asked=CAFE[0])) == 4
    assert subjects.begin(_turns(*ROSES, CAFE, asked="Another one, please.")) == 4
    assert subjects.begin(_turns(*ROSES, CAFE, asked="What do I do if the roses have spots?")) == 0


def test_the_prompt_of_a_chat_and_what_is_said_of_it(smollm: LlamaModel, tmp_path: Path) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, model), link, Detector())
    options = TurnOptions("local", 1.0, Sampling(max_tokens=8))
    try:
        chat = None
        for question in (ROSES[0][0], ROSES[1][0], CAFE[0], "Another one, please."):
            turn = assistant.ask(chat, question, options)
            assert turn.wait(60)
            chat = turn.conversation_id
        read = [b"".join(smollm.pieces[each] for each in tokens) for tokens in model.prompts]
        assert [b"roses" in each for each in read] == [True, True, False, False]
        assert b"name of a cafe" in read[3]
        assert chat is not None
        answers = [each for each in store.open_conversation(chat) if each.role == "assistant"]
        assert [ANOTHER_SUBJECT in each.notices for each in answers] == [False, False, True, False]
    finally:
        assistant.close()
