"""Told facts that share no word with the question, in a space of sentences made by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.errors import ModelError
from floe.llama.runtime import LlamaModel
from floe.memory.memory import Memory
from floe.memory.question_forms import asks_for_told_fact
from floe.memory.told_facts import USUAL_QUESTIONS, USUAL_STATEMENTS, SentenceSpace
from floe.privacy.consent import set_conversation_consent
from floe.store import Store
from tests.memory.test_memory import recalled, store

__all__ = ["store"]

RUBBISH = "The bin men come to our house on Thursday."
WORK = "My colleague Ines covers for me."
ASKED = "On which day is our rubbish collected?"
TEXT = "The bin men of Leeds come on Friday."
CLUB = "Book club was lively last night."
GYM = "I left Ironworks and go to PureMove now."
ABOUT: dict[str, Sequence[float]] = {
    RUBBISH: (1, 0),
    TEXT: (1, 0),
    "Which day is it on, where I live?": (0.9, 0.1),
    WORK: (0, 1),
    CLUB: (1, 0),
    GYM: (1, -1),
    "Where does our book club meet?": (1, 0),
    "Was our book club lively?": (1, 0),
    ASKED: (0.9, 0.1),
    "Who stands in for me at work?": (0.1, 0.9),
}


def space_of(name: str = "hand") -> SentenceSpace:
    def embed(text: str) -> NDArray[np.float32]:
        usual = text in (*USUAL_QUESTIONS, *USUAL_STATEMENTS)
        return np.array((0, 0) if usual else ABOUT.get(text, (0.5, 0.5)), np.float32)

    return SentenceSpace(name, embed)


@pytest.fixture
def memory(store: Store) -> Memory:
    memory = Memory(store)
    memory.use_sentences(space_of())
    return memory


def tell(store: Store, *facts: str) -> list[int]:
    return [store.add_message(None, None, "user", fact).conversation_id for fact in facts]


def vectors(store: Store) -> list[str]:
    with store.reading() as db:
        return [model for (model,) in db.execute("SELECT model FROM memory_vectors").fetchall()]


def test_a_fact_without_a_word_of_the_question_is_found(store: Store, memory: Memory) -> None:
    tell(store, WORK, RUBBISH)
    assert recalled(Memory(store), ASKED) == []
    assert recalled(memory, ASKED) == [RUBBISH]
    assert recalled(memory, "Who stands in for me at work?") == [WORK]


def test_words_of_the_question_bring_a_fact_nearer(store: Store, memory: Memory) -> None:
    other = "Our rubbish is collected in May."
    tell(store, other, WORK)
    assert recalled(memory, ASKED) == [other]


def test_a_request_tells_nothing(store: Store, memory: Memory) -> None:
    tell(store, "Write a poem on rubbish that is collected.", RUBBISH)
    assert recalled(memory, ASKED) == [RUBBISH]
    tell(store, "Write to my sister about the rubbish that is collected on Thursdays.")
    assert len(recalled(memory, ASKED)) > 1


def test_what_words_find_in_a_file_joins_the_nearest_facts(
    store: Store, memory: Memory, tmp_path: Path
) -> None:
    tell(store, WORK, RUBBISH)
    (tmp_path / "town.txt").write_text("In our town rubbish is collected on a day of May.")
    memory.set_folder(str(tmp_path))
    memory.update(lambda: False)
    assert [each.kind for each in memory.recall(ASKED, None).passages] == ["chat", "file"]
    tell(store, "Our glass is collected in May.")
    assert [each.kind for each in memory.recall(ASKED, None).passages] == ["chat", "file", "chat"]


@pytest.mark.parametrize(
    ("older", "newer", "question"),
    [
        (
            "I live in Aarhus, near the harbour.",
            "We moved! I live in Odense now.",
            "Where do I live?",
        ),
        ("My dentist is Dr. Roth.", "My new dentist is Dr. Amsel.", "Who is my dentist?"),
        ("My tram leaves at 7:10.", "My tram leaves at 7:25.", "When does my tram leave?"),
        ("My son is in row 3b.", "Since May my son is in row 4a.", "In which row is my son?"),
        ("My wifi code is plum9.", "My wifi code is plum9. Sorry, pear7.", "What is my wifi code?"),
        ("I drive a blue Lada Niva.", "I sold the Niva, I drive a Skoda now.", "What do I drive?"),
        ("I cook at the Astoria.", "I left the Astoria, I cook at a school.", "Where do I cook?"),
        ("My weight is 92 kilos.", "Good news, I am down to 86 kilos.", "How much do I weigh?"),
        ("My gym is Ironworks.", GYM, "Which gym do I go to?"),
    ],
)
def test_of_facts_about_one_matter_the_newer_is_read(
    store: Store, memory: Memory, older: str, newer: str, question: str
) -> None:
    tell(store, older, WORK, newer)
    assert set(recalled(memory, question)) == {newer}
    tell(store, older)
    assert older in recalled(memory, question)


def test_what_is_over_is_known_from_a_fact_that_is_far_from_the_question(
    store: Store, memory: Memory
) -> None:
    others = [f"In {town} we had a fine day." for town in ("Bern", "Bonn", "Cork", "Graz")]
    asked = "Which gym do I go to?"
    tell(store, "My gym is Ironworks.", *others, *(f"{each} It rained." for each in others), GYM)
    found = memory.recall(asked, None).passages
    assert (found[0].read, found[0].sure) == (GYM, True)
    assert recalled(memory, "Which gym did I go to?")[0] == "My gym is Ironworks."


def test_a_fact_is_sure_where_no_other_is_as_near(store: Store, memory: Memory) -> None:
    tell(store, RUBBISH, WORK)
    assert [(each.read, each.sure) for each in memory.recall(ASKED, None).passages] == [
        (RUBBISH, True)
    ]
    glass = "Our glass is collected in May."
    tell(store, glass)
    found = memory.recall(ASKED, None).passages
    assert {each.read: each.sure for each in found} == {RUBBISH: False, glass: False}


def test_a_fact_that_has_all_words_of_the_question_is_sure_by_words_alone(store: Store) -> None:
    memory = Memory(store)
    tell(store, "My locker at the gym is number 212.", "My gym is Ironworks.", WORK)
    locker = memory.recall("What is the number of my locker at the gym?", None).passages
    assert [(each.read, each.sure) for each in locker] == [
        ("My locker at the gym is number 212.", True)
    ]
    gym = memory.recall("Which gym do I go to?", None).passages
    assert {each.sure for each in gym} == {False}
    assert len(gym) == 2
    tell(store, GYM, "My gym is PureMove, not Ironworks.")
    assert "My gym is Ironworks." not in recalled(memory, "Which gym do I go to?")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (
            "My wifi password is plum9. Sorry, my wifi password is pear7.",
            "Sorry, my wifi password is pear7.",
        ),
        ("My code is plum9. Sorry, pear7.", "My code is plum9. Sorry, pear7."),
        (
            "I have a cat. It sleeps. Sorry, I was away.",
            "I have a cat. It sleeps. Sorry, I was away.",
        ),
    ],
)
def test_what_was_corrected_at_once_is_not_read(
    store: Store, memory: Memory, text: str, read: str
) -> None:
    tell(store, text)
    assert [each.read for each in memory.recall("What is my wifi password?", None).passages] == [
        read
    ]


@pytest.mark.parametrize(
    ("older", "newer", "question"),
    [
        ("My sister lives in Ghent.", "My brother lives in Ghent.", "Where does my sister live?"),
        ("My sister works at the Astoria.", "I left the Astoria.", "Where does my sister work?"),
        ("The lamp cost 40 euros.", "We have a new cat.", "What did I pay for our lamp?"),
    ],
)
def test_a_fact_about_another_matter_replaces_none(
    store: Store, memory: Memory, older: str, newer: str, question: str
) -> None:
    tell(store, older, newer)
    assert older in recalled(memory, question)


def test_questions_about_nobody_and_tasks_get_no_facts(store: Store, memory: Memory) -> None:
    tell(store, RUBBISH)
    assert recalled(memory, "Who invented the dustbin?") == []
    assert recalled(memory, f"{ASKED} {'Think step by step. ' * 10}") == []
    for task in ("What should I do with my rubbish bag?", "Write me a poem about my day."):
        assert recalled(memory, task) == []


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Tell me my sister's name again.", True),
        ("do you remember where i put the passports", True),
        ("Can you remind me when my lease ends?", True),
        ("Who is coming to stay with us this summer?", True),
        ("Tell me about my options for a mortgage.", False),
        ("Remember that my birthday is in May.", False),
        ("who sings the song it ain't me", False),
        ("when did the us leave the gold standard", False),
        ("What should I do with my money?", False),
        ("Which exercises are good for my knee?", False),
        ("Who in my family can't eat gluten?", True),
        ("What can my husband not have?", True),
        ("What can my husband cook?", False),
        ("Why can't I sleep?", False),
        ("Wie heißt meine Schwester?", True),
        ("Wogegen ist unsere Tochter allergisch?", True),
        ("Wann ziehe ich um?", True),
        ("Was soll ich meiner Schwester schenken?", False),
        ("Was koche ich mit Kürbis und Linsen?", False),
        ("Wie bekomme ich Rotweinflecken aus meinem Hemd?", False),
        ("Que faire pour mon dos ?", False),
        ("Quel est mon groupe sanguin ?", True),
        ("¿Dónde trabaja mi hermana?", True),
        ("¿Qué debo regalar a mi hermana?", False),
    ],
)
def test_a_question_asks_for_what_was_told_or_not(question: str, asks: bool) -> None:
    assert asks_for_told_fact(question) is asks


def test_a_fact_in_the_middle_of_a_long_message_is_compared_by_itself(
    store: Store, memory: Memory
) -> None:
    before, after = "I had quite a week in the office. " * 4, " I am glad that it is over. " * 4
    other_town = f"{'The office opened in May. ' * 5}{TEXT}{' It rained in Oslo. ' * 5}"
    tell(store, WORK, other_town, f"{before}{RUBBISH}{after}")
    found = memory.recall("Which day is it on, where I live?", None).passages
    assert found[0].read == RUBBISH
    assert RUBBISH in found[0].text != RUBBISH
    assert not any(TEXT in each.text for each in found)


def test_the_sentence_that_has_the_rest_of_the_question_is_read_too(
    store: Store, memory: Memory
) -> None:
    rest = "We meet at Priya's from now on, as the cafe has closed."
    filler = "Half of us had not finished the novel. Somebody brought a cake with rum in it. " * 2
    late = "I came home late and slept like a stone, which my cat did not like at all."
    tell(store, WORK, f"{CLUB} {filler}{rest} {late}")
    assert (
        memory.recall("Where does our book club meet?", None).passages[0].read == f"{CLUB} {rest}"
    )
    assert memory.recall("Was our book club lively?", None).passages[0].read == CLUB


def test_facts_that_may_not_be_used_are_not_compared(store: Store, memory: Memory) -> None:
    rubbish, work, here = tell(store, RUBBISH, WORK, "I own a kayak.")
    set_conversation_consent(store, rubbish, train=False, federate=None)
    found = [each.text for each in memory.recall(ASKED, here, without=(work,)).passages]
    assert found == []


def test_a_forgotten_or_deleted_fact_leaves_no_vector(store: Store, memory: Memory) -> None:
    rubbish, _ = tell(store, RUBBISH, WORK)
    memory.update(lambda: False)
    assert vectors(store) == ["hand", "hand"]
    memory.forget(memory.recall("Who stands in for me at work?", None).passages[0].id)
    assert len(vectors(store)) == 1
    store.delete_conversation(rubbish)
    assert vectors(store) == []


def test_another_model_compares_by_its_own_vectors(store: Store, memory: Memory) -> None:
    tell(store, RUBBISH)
    memory.update(lambda: False)
    memory.use_sentences(space_of("another"))
    assert recalled(memory, ASKED) == [RUBBISH]
    assert vectors(store) == ["another"]


def test_a_model_of_half_a_billion_puts_a_question_beside_its_fact(qwen: LlamaModel) -> None:
    assert qwen.sentences is not None
    facts = [RUBBISH, "I sold the old caravan to a man from Leeds.", "My knees hurt downhill."]
    rows = np.stack([qwen.sentences.embed(fact) for fact in facts])
    asked = (ASKED, "Who bought my camper?", "Which part of my body gives me trouble?")
    nearest = [int((rows @ qwen.sentences.embed(each)).argmax()) for each in asked]
    assert nearest == [0, 1, 2]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_a_small_model_compares_no_sentences(smollm: LlamaModel) -> None:
    assert smollm.sentences is None


def test_a_model_that_was_replaced_embeds_nothing_more(store: Store, memory: Memory) -> None:
    def embed(text: str) -> NDArray[np.float32]:
        raise ModelError(f"Another model answers now, which knows nothing of {text}.")

    memory.use_sentences(SentenceSpace("gone", embed))
    tell(store, RUBBISH)
    memory.update(lambda: False)
    assert recalled(memory, ASKED) == []
    assert vectors(store) == []
