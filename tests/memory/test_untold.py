"""What is asked for and was never told is not answered from a fact that is near by chance."""

import json
import time
from pathlib import Path
from typing import cast

import pytest

from floe.chat.answer_decoder import UNTOLD
from floe.chat.assistant import Assistant
from floe.chat.turn import TurnOptions
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.memory.memory import Memory
from floe.memory.passages import MemoryPassage
from floe.memory.personal_questions import asks_what_is_so
from floe.memory.prompt_text import untold_answer
from floe.memory.question_match import can_answer, names_what_is_asked
from floe.privacy import choices
from floe.privacy.detector import Detector
from floe.privacy.guard import MEMORY
from floe.records import Sampling
from floe.resources import QUESTIONS
from floe.store import Store
from tests.memory.test_memory import recalled, store
from tests.memory.test_prompt import _Kept
from tests.memory.test_told_facts import ABOUT, memory, tell

__all__ = ["memory", "store"]

GENERAL = """
How do I get my baby to sleep?
What is the square root of 144?
Which gods did our forefathers believe in?
When does my visa run out if I overstay?
Why do my tomatoes split?
Who decides on our taxes?
What does our sun burn?
How long can my leftovers stay in the fridge?
Where do our rubbish bags end up?
What is the tallest building in our capital?
How many litres does my bathtub hold?
What did Einstein win the Nobel Prize for?
What do I wear to a job interview?
When is it safe to let my kitten outside?
Which side of the road do we drive on in Japan?
How far away are our neighbouring galaxies?
What am I missing in this proof?
Who plays my part in the film?
How much salt do I put in my pasta water?
Where do I put the comma?
What is the plural of mouse?
What does my dentist mean by a crown?
What was my country called in the Middle Ages?
How many hours are in our week?
When should my child start school?
Which muscles do I use when I row?
What do my neighbours have to tell me before they build?
How often does my boiler have to be serviced?
Where does our electricity come from?
What is my landlord allowed to do?
How old is the oldest tree?
Who was the father of my favourite composer?
What colour goes with my green curtains?
When did our ancestors learn to make fire?
How big does my puppy get?
What is the gender of my German noun?
Which train do I take from Rome to Florence?
What do I call my boss's wife?
How many calories do I burn when I swim?
Where is my cursor?
When do my hyacinths come out of the ground?
How long does my bread keep in the freezer?
What is my phone's IMEI and how do I find it?
Which bin do I put glass in?
How much notice do I give my landlord?
What is our galaxy called?
Who founded our city?
How does my camera measure light?
When was my grandfather clock made?
What do my dreams say?
Where is my thyroid?
What is my cat's normal temperature?
How many teeth do I have as an adult?
What should my resting pulse be?
Which of my tyres wears first?
Where does my recycling go?
What do I feed my hedgehog?
What do I like about this poem?
Which verb do I use here?
Where do I live on the tax form?
When do I pay the deposit when I rent?
How do my glasses work?
Who reads my emails at work, legally?
What is the boiling point of my oil?
Who was the king when our school system began?
What did my ancestors eat?
When do my children lose their milk teeth?
How old does my daughter have to be to fly alone?
Where did I put the comma wrong?
What was I supposed to learn from this story?
How many litres do I drink if I have three glasses?
Which side do I sleep on when pregnant?
How long was I asleep if I went to bed at ten and got up at six?
What is my change from a twenty?
What is my next move in this chess position?
Where did we get the word robot from?
When did we start to use forks?
What do we owe the Romans?
Which language do we have the word sauna from?
Who teaches our children to lie?
What is my car made of?
When does my child need a booster seat?
How many eggs do I need for twelve muffins?
What is our atmosphere made of?
Who is our current head of state?
What does my name mean?
Where does my name come from?
How long does my sourdough have to rest?
When do our clocks go back?
Which plants do my hens not eat?
What is the normal temperature of my fridge?
How do my lungs work?
Where was my favourite actor born?
When did my street get its name?
What did I just ask you?
Who do I call when my boiler leaks?
What do I have to pay when I sell my house?
What is my star sign if I was born in May?
When is my tax return due?
How old was I in dog years at seven?
Which size do I take if I am between two?
What did we learn from the pandemic?
Where do our ancestors come from?
What was our first computer like?
How much does my cat have to drink?
Where is my nearest chemist?
What is my dog allowed to eat?
Which wine do I serve with duck?
Who was my namesake in the Bible?
When did our calendar begin?
""".strip().splitlines()
NOTHING = "I find nothing about that in what you have told me."
NEAREST = "I find no plain answer to that in what you have told me. Nearest to it:"
NOVEL = "I gave up on Middlemarch, I am reading Stoner now."
SAID_AT = time.mktime((2026, 5, 3, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    "question",
    [
        "Which newspaper do I read?",
        "What is my middle name?",
        "When did my grandmother die?",
        "Where did I go to school?",
        "How tall am I?",
        "Which size are my shoes?",
        "What is the name of our goldfish?",
        "Which colour did we paint the bathroom?",
        "When is my appointment at the hairdresser's?",
        "Which sport does my husband play?",
        "Do you remember my sister's birthday?",
        "Who cuts my hair?",
        "How much do I pay for my phone?",
        "Which class is our son in?",
        "Wie heißt meine Tante?",
        "Comment s'appelle mon patron ?",
        "¿Dónde nació mi abuelo?",
    ],
)
def test_what_only_the_person_can_have_told_is_known_by_its_form(question: str) -> None:
    assert asks_what_is_so(question)


def test_questions_that_are_not_about_the_person_are_left_to_the_model() -> None:
    assert [each for each in GENERAL if asks_what_is_so(each)] == []
    stored = [json.loads(line)["prompt"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    assert len(GENERAL) >= 100
    assert len(stored) == 40
    assert not any(map(asks_what_is_so, stored))


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("In which year was my mother born?", "My father was born in 1950."),
        ("Which colour did we paint the bathroom?", "We painted the kitchen a pale blue."),
        ("What did I have for lunch?", "I had pancakes for dinner."),
        ("What am I allergic to?", "My daughter Leni is allergic to hazelnuts."),
        ("How much do I earn?", "I work as a glazier in Leeds."),
        ("Which street do I live in?", "I live in Nijmegen now."),
        ("When did my grandmother die?", "My grandma turned 93 yesterday."),
        ("Who is my brother?", "My brother-in-law fixes all our computers."),
        ("Wie heißt meine Tante?", "Meine Tochter heißt Leonie."),
        ("How many sheep does my uncle have?", "My aunt keeps three goats."),
        ("Where does my sister live?", "My sister-in-law lives in Turku."),
        ("What do we eat on Mondays?", "We eat fish on Fridays."),
        ("When is my brother's birthday?", "My brother's car is a Saab."),
        ("What is our dog called?", "My neighbour's dog is a whippet called Blitz."),
        ("What is my wife's name?", "My wife's birthday is on 14 February."),
        ("Who is my boss?", "My boss is on holiday until Monday."),
    ],
)
def test_a_fact_about_another_of_the_kind_is_no_answer(question: str, fact: str) -> None:
    assert not (can_answer(question, fact) and names_what_is_asked(question, fact))


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("In which year was my mum born?", "My mother was born in 1950."),
        ("Which colour did we paint the bathroom?", "The bathroom is a pale blue now."),
        ("What am I allergic to?", "I am allergic to penicillin, as my mother is."),
        ("How old is our cat?", "Our cat Biscuit is fourteen."),
        ("Which street do I live in?", "We moved to Mill Lane."),
        ("What is my username for chess?", "I play chess online under the name KnightOwl."),
        ("Which book am I reading?", NOVEL),
        ("What is my neighbour's dog called?", "My neighbour's dog is a whippet called Blitz."),
        ("When is my brother's birthday?", "My brother was born on 3 May."),
        ("Who feeds our hens?", "The woman who feeds our hens is called Gudrun."),
        ("Who is my physiotherapist?", "I see a physiotherapist named Rufus."),
        ("Who is my boss?", "My boss, Dagmar Holt, is on holiday until Monday."),
        ("Who cuts my hair?", "Nadine has a baby, so Pavel cuts my hair these days."),
    ],
)
def test_a_fact_in_other_words_is_an_answer(question: str, fact: str) -> None:
    assert can_answer(question, fact)
    assert names_what_is_asked(question, fact)


def test_a_near_fact_is_known_not_to_be_what_was_asked_for(
    store: Store, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "Where does my brother work?"
    monkeypatch.setitem(ABOUT, asked, (1, 0.2))
    monkeypatch.setitem(ABOUT, "My sister works at the mill.", (1, 0))
    assert memory.recall(asked, None).untold
    tell(store, "My sister works at the mill.")
    near = memory.recall(asked, None)
    assert ([each.read for each in near.passages], near.untold) == (
        ["My sister works at the mill."],
        True,
    )
    assert not near.passages[0].sure
    monkeypatch.setitem(ABOUT, "My brother works at the bank.", (1, 0.2))
    tell(store, "My brother works at the bank.")
    told = memory.recall(asked, None)
    assert (told.passages[0].read, told.untold) == ("My brother works at the bank.", False)
    assert not memory.recall("Where do people work?", None).untold
    memory.set_on(False)
    assert not memory.recall("Who is my lawyer?", None).untold


def test_what_names_the_thing_stands_first_and_another_of_the_kind_is_not_read(
    store: Store, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, less = "Where does my penfriend live?", "How far away does my brother live?"
    far, of_them = "My mother is in room 12.", "A letter from my penfriend came on Friday."
    for text, about in ((asked, (1, 0.2)), (less, (1, 0.2)), (far, (0.5, 1)), (of_them, (0.2, 1))):
        monkeypatch.setitem(ABOUT, text, about)
    tell(store, far, of_them)
    found = memory.recall(asked, None)
    assert ([each.read for each in found.passages], found.untold) == ([of_them, far], True)
    assert not asks_what_is_so(less)
    assert recalled(memory, less) == []


def test_a_file_that_words_find_is_read_by_the_model(store: Store, tmp_path: Path) -> None:
    memory = Memory(store)
    assert memory.recall("Who is my lawyer?", None).untold
    (tmp_path / "papers.txt").write_text("Our lawyer is Ms. Castellane, in Mill Street.")
    memory.set_folder(str(tmp_path))
    memory.update(lambda: False)
    found = memory.recall("Who is my lawyer?", None)
    assert ([each.kind for each in found.passages], found.untold) == (["file"], False)


def test_what_is_near_is_quoted_in_the_language_of_the_question() -> None:
    fact = MemoryPassage(1, "chat", "A chat", NOVEL, SAID_AT, 1)
    assert untold_answer("Which newspaper do I read?", []) == NOTHING
    assert untold_answer("Which newspaper do I read?", [fact]) == (
        f"{NEAREST}\n\n- You wrote on 3 May 2026: “{NOVEL}”"
    )
    assert untold_answer("Wie heißt meine Tante?", [fact]).endswith(
        f"\n\n- Du hast am 3.5.2026 geschrieben: „{NOVEL}“"
    )


def test_the_program_says_so_and_the_model_only_when_asked_again(
    smollm: LlamaModel, tmp_path: Path
) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, model), link, Detector())
    options = TurnOptions("local", 1.0, Sampling(max_tokens=60))
    asked = "Which newspaper do I read?"
    try:
        turn = assistant.ask(None, asked, options)
        assert turn.wait(60)
        kept = store.message(turn.message_id)
        assert (kept.content, kept.status, kept.private) == (NOTHING, "complete", None)
        assert kept.notices == (UNTOLD,)
        assert model.prompts == []

        store.add_message(None, None, "user", "I read the news on a train.")
        near = assistant.ask(None, asked, options)
        assert near.wait(60)
        kept = store.message(near.message_id)
        assert kept.content.startswith(f"{NEAREST}\n\n- You wrote on ")
        assert kept.content.endswith(": “I read the news on a train.”")
        assert kept.private == (MEMORY,)
        assert [each.text for each in assistant.memory.uses_of(near.message_id)] == [
            "I read the news on a train."
        ]
        assert model.prompts == []

        again = assistant.regenerate(near.message_id, options)
        assert again.wait(60)
        assert len(model.prompts) == 1
        assert UNTOLD not in store.message(again.message_id).notices
    finally:
        assistant.close()


def test_what_may_stand_elsewhere_is_left_to_the_model(smollm: LlamaModel, tmp_path: Path) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, model), link, Detector())
    options = TurnOptions("local", 1.0, Sampling(max_tokens=40))
    asked = "Who is my lawyer?"
    try:
        first = assistant.ask(None, "My lawyer is Ms. Castellane.", options)
        assert first.wait(60)
        later = assistant.ask(first.conversation_id, asked, options)
        assert later.wait(60)
        assert len(model.prompts) == 2  # what was said in the same chat stands in the prompt
        assistant.memory.set_on(False)
        assert assistant.ask(None, asked, options).wait(60)
        assert len(model.prompts) == 3
        assistant.memory.set_on(True)
        choices.set_about_me(store, "I am a friend of the lawyer Castellane.")
        assert assistant.ask(None, "What is my middle name?", options).wait(60)
        assert len(model.prompts) == 4
        choices.set_about_me(store, "")
        short = TurnOptions("local", 1.0, Sampling(max_tokens=4))
        assert assistant.ask(None, "What is my middle name?", short).wait(60)
        assert len(model.prompts) == 5  # the sentence has no room in four tokens
    finally:
        assistant.close()
