"""Examples of how the person writes: which are chosen, when there are none, and what is kept."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from floe.adapters.prompt_kinds import KindChoice, PromptKinds, TaughtQuestions
from floe.chat.answer_decoder import weight_with_memory
from floe.chat.own_texts import MOST_TEXTS, OwnTexts
from floe.memory.memory import Memory
from floe.memory.prompt_text import BUDGET, chat_with_examples, fitting_examples
from floe.privacy.consent import Consent, give_consent, set_conversation_consent
from floe.records import ChatMessage, Route
from floe.store import Store
from floe.store.deletion import delete_chats, restore_rows
from floe.store.imports import NewChat, add_chats, begin_import, finish_import
from floe.training.data.learning_choices import LearningChoices
from tests.memory.test_memory import recalled, store

__all__ = ["store"]

BOAT = ("Is the boat dry?", "aye -- bone dry. wind sw 3.")
SAIL = ("How do I mend the sail?", "needle, thread, patience. then coffee.")
ENGINE = ("Why does the engine cough?", "water in the fuel -- drain the bowl.")


class _Kinds:
    """Likeness is the number of words in common; a question with none is not the person's."""

    def __init__(self) -> None:
        self._questions: list[set[str]] = []

    def taught_by(self, prompts: Sequence[str]) -> TaughtQuestions:
        self._questions = [_words(prompt) for prompt in prompts]
        return TaughtQuestions(np.eye(len(prompts), dtype=np.float32), 0.15)

    def choose(self, prompt: str, taught: TaughtQuestions) -> KindChoice:
        del taught
        own = any(_words(prompt) & question for question in self._questions)
        return KindChoice("own" if own else "general", "")

    def likest(self, prompt: str, taught: TaughtQuestions) -> list[int]:
        del taught
        common = [len(_words(prompt) & question) for question in self._questions]
        return sorted(range(len(common)), key=lambda i: -common[i])


def _words(text: str) -> set[str]:
    return {word for word in text.casefold().strip("?.").split() if len(word) > 3}


@pytest.fixture
def texts(store: Store) -> OwnTexts:
    give_consent(store, Consent(train=True))
    kinds = cast(PromptKinds, _Kinds())
    return OwnTexts(store, Memory(store), lambda: kinds, "Be brief.")


def bring(store: Store, *pairs: tuple[str, str]) -> list[int]:
    """Bring along a chat for each question and answer; returns the conversations."""
    chats = []
    for question, answer in pairs:
        asked = store.add_message(None, None, "user", question)
        store.add_message(asked.conversation_id, asked.id, "assistant", answer)
        chats.append(asked.conversation_id)
    return chats


def chosen(texts: OwnTexts, *questions: str, here: int | None = None) -> list[tuple[str, str]]:
    chat = [ChatMessage("user", question) for question in questions]
    return [(each.question, each.answer) for each in texts.choose(chat, here)]


@pytest.mark.parametrize(
    ("source", "found"), [("chatgpt", []), ("openai_saved", []), ("openai", [BOAT])]
)
def test_what_another_assistant_wrote_is_no_example_of_the_persons_manner(
    source: str, found: list[tuple[str, str]], store: Store, texts: OwnTexts
) -> None:
    brought = begin_import(store, "conversations.json")
    said = NewChat("", 1.0, 1.0, [("user", BOAT[0], 1.0, True), ("assistant", BOAT[1], 1.0, True)])
    add_chats(store, brought, [said])
    finish_import(store, brought, source, "1 chat.", {"format": source})
    assert chosen(texts, "Is a boat ever dry?") == found


def test_the_texts_likest_to_the_question_come_first(store: Store, texts: OwnTexts) -> None:
    bring(store, BOAT, SAIL, ENGINE)
    assert chosen(texts, "Where does the engine sit?")[0] == ENGINE
    assert chosen(texts, "How old may a sail be, to mend it?")[0] == SAIL


def test_a_question_of_another_kind_gets_none(store: Store, texts: OwnTexts) -> None:
    bring(store, BOAT, SAIL, ENGINE)
    assert chosen(texts, "Who wrote Hamlet?") == []


def test_later_turns_keep_the_examples_of_the_first_own_question(
    store: Store, texts: OwnTexts
) -> None:
    bring(store, BOAT, SAIL, ENGINE)
    later = chosen(
        texts, "Hello there!", "Where does the engine sit?", "How do I mend a sail at sea?"
    )
    assert later == chosen(texts, "Hello there!", "Where does the engine sit?")
    assert later[0] == ENGINE


def test_no_answer_of_a_model_is_an_example_until_it_is_rewritten(
    store: Store, texts: OwnTexts
) -> None:
    asked = store.add_message(None, None, "user", BOAT[0])
    answer = store.add_message(
        asked.conversation_id, asked.id, "assistant", "Yes.", route=Route("local", "")
    )
    assert chosen(texts, BOAT[0]) == []
    store.rewrite_answer(answer.id, BOAT[1])
    assert chosen(texts, BOAT[0]) == [BOAT]
    # What it tells is found as before, too.
    assert recalled(Memory(store), "Was it bone dry, the boat?") == [BOAT[1]]


def test_what_may_not_be_learnt_from_is_no_example(store: Store, texts: OwnTexts) -> None:
    boat, sail, engine = bring(store, BOAT, SAIL, ENGINE)
    set_conversation_consent(store, boat, train=False, federate=None)
    LearningChoices.update(store, except_chats=(sail,))
    disliked = store.open_conversation(engine)[-1]
    store.rate_message(disliked.id, -1)
    assert chosen(texts, BOAT[0]) == chosen(texts, SAIL[0]) == chosen(texts, ENGINE[0]) == []
    give_consent(store, Consent(train=None))
    set_conversation_consent(store, boat, train=None, federate=None)
    assert chosen(texts, BOAT[0]) == []


def test_who_has_many_texts_gets_none(store: Store, texts: OwnTexts) -> None:
    jobs = ("mast", "keel", "deck", "hull", "rudder", "anchor", "cabin", "galley")
    bring(store, *((f"Who paints the {each}?", f"{each}: me.") for each in jobs[:MOST_TEXTS]))
    assert len(chosen(texts, "Who paints the mast?")) == MOST_TEXTS
    bring(store, ("Who feeds the gulls?", "nobody -- shoo them."))
    assert chosen(texts, "Who paints the mast?") == []


def test_nothing_is_read_where_memory_is_off(store: Store, texts: OwnTexts) -> None:
    bring(store, BOAT)
    Memory(store).set_on(False)
    assert chosen(texts, BOAT[0]) == []


def test_a_chat_has_no_example_of_itself(store: Store, texts: OwnTexts) -> None:
    (boat,) = bring(store, BOAT)
    assert chosen(texts, BOAT[0], here=boat) == []
    assert chosen(texts, BOAT[0]) == [BOAT]


def test_a_forgotten_example_does_not_come_back(store: Store, texts: OwnTexts) -> None:
    bring(store, BOAT, SAIL)
    memory = Memory(store)
    used = texts.choose([ChatMessage("user", BOAT[0])], None)
    assert used[0].passage.text == f"{BOAT[0]}\n\n{BOAT[1]}"
    answer = store.add_message(None, None, "assistant", "It is.")
    memory.keep_uses(answer.id, [each.passage for each in used])
    assert [each.kind for each in memory.uses_of(answer.id)] == ["example", "example"]
    memory.forget(used[0].passage.id)
    memory.update(lambda: False)
    assert chosen(texts, BOAT[0]) == [SAIL]
    assert [each.text for each in memory.uses_of(answer.id)] == [f"{SAIL[0]}\n\n{SAIL[1]}"]


def test_words_do_not_find_an_example_after_undo_either(store: Store, texts: OwnTexts) -> None:
    (boat,) = bring(store, BOAT)
    memory = Memory(store)
    assert chosen(texts, BOAT[0]) == [BOAT]
    before = memory.state().passages
    restore_rows(store, delete_chats(store, [boat]))
    assert recalled(memory, "Is the boat bone dry, with wind?") == []
    assert chosen(texts, BOAT[0]) == [BOAT]
    assert memory.state().passages == before


def test_examples_that_do_not_fit_beside_what_memory_may_find_are_left_out() -> None:
    assert fitting_examples([300, 200, 90], 2_000) == [0, 2]
    assert fitting_examples([100, 100, 100], 2_000) == [0, 1]
    assert fitting_examples([100, 100], BUDGET + 200) == [0, 1]
    assert fitting_examples([100, 100], BUDGET + 199) == []
    assert fitting_examples([], 2_000) == []


def test_examples_are_turns_before_the_chat_the_best_one_last() -> None:
    system, question = ChatMessage("system", "Be brief."), ChatMessage("user", "Dry?")
    told = chat_with_examples([system, question], [BOAT, SAIL])
    assert [each.content for each in told] == ["Be brief.", *SAIL, *BOAT, "Dry?"]
    assert chat_with_examples([system, question], []) == [system, question]


def test_an_example_gives_the_local_model_no_more_weight(store: Store, texts: OwnTexts) -> None:
    bring(store, BOAT)
    (used,) = texts.choose([ChatMessage("user", BOAT[0])], None)
    assert weight_with_memory(0.3, [used.passage]) == 0.3
