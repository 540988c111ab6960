"""What belongs to a person is told from calculations and code, with the real model's embeddings."""

import json
import re

import numpy as np
import pytest

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import (
    PromptKinds,
    TaughtQuestions,
    taught_from_json,
    taught_to_json,
)
from floe.adapters.router import PromptSpace
from floe.chats.jsonl import read_chats
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage
from floe.resources import EXAMPLES, TASK_CHATS

# None of these stands among the prompts that come along, nor is of the writers below.
CALCULATIONS = [
    "What is 17 times 23?",
    "Work out 12.5 % of 640.",
    "A ferry carries 36 cars and makes 7 trips a day. How many cars does it carry in 5 days?",
    "Paul is 3 years older than Ida. Together they are 41. How old is Ida?",
    "If 4 pens cost $6, how much do 10 pens cost?",
]
CODE = [
    "Write a Python function that merges two sorted lists.",
    "How do I add a column to a table in SQL?",
    "Why does this raise an IndexError? x = [1, 2]; print(x[2])",
    "Write a bash loop that prints the numbers from 1 to 10.",
]


@pytest.fixture(scope="module")
def kinds(smollm: LlamaModel) -> PromptKinds:
    return PromptKinds(PromptSpace(smollm.path, smollm.tokenize))


def questions_of(writer: str) -> list[str]:
    chats = read_chats(EXAMPLES / f"{writer}.jsonl")
    return [m.content for chat in chats for m in chat if m.role == "user"]


# Neither stand these, nor does their kind of answer: they are the base's.
FACTS = [
    "What is the capital of Sweden?",
    "On which continent is India?",
    "How many sides does a square have?",
    "Which day comes after Thursday?",
    "What is the opposite of left?",
    "What colour is a tomato?",
    "Which is the smallest planet of the solar system?",
    "Who painted the Sistine Chapel?",
    "What is the plural of the word foot?",
    "What do you call a baby cow?",
    "who was the last king of portugal",
    "when did the second season of the show come out",
]

# Tasks on given words, written before prompts of that kind came along. The manner of a person adds
# nothing to a translation or a correction, and takes from it.
TASKS = [
    "Translate into English: Wo ist der Bahnhof?",
    "Translate 'I would like a coffee' into German.",
    "What does 'merci beaucoup' mean?",
    "How do you say 'water' in Japanese?",
    "What is the French word for butterfly?",
    "Fix the grammar: Me and him was late yesterday.",
    "Correct the spelling: I recieved your mesage tommorow.",
    "Which is right, 'less people' or 'fewer people'?",
    "Make this shorter: We would be very happy if you could let us know by the end of next week "
    "whether you are able to come.",
    "Summarise: The river flooded in March, two bridges were closed, and they opened again in May "
    "after repairs.",
    "Rewrite this in formal English: hey, gonna be late, sorry!",
    "Is 'quickly' an adverb or a noun?",
    "Sort these words by the alphabet: pear, apple, fig, cherry.",
    "Is this review positive or negative? The food was cold and the waiter was rude.",
    "Traduis en anglais : Il pleut depuis ce matin.",
    "Extract the date from this text: The meeting was moved to 4 March at noon.",
]
# What the adapter says to these is the base's, learnt by replay, or worse.
GREETINGS = [
    "Hello there!",
    "Thank you so much!",
    "See you tomorrow.",
    "Good afternoon!",
    "Are you a robot?",
    "Nice to meet you.",
    "Guten Morgen!",
    "Danke schön!",
    "Merci beaucoup !",
    "Hola, ¿qué tal?",
]
# But what is written anew is to sound like the person.
WRITING = [
    "Can you write a birthday wish for my colleague?",
    "Write an invitation to my garden party.",
    "Write a short note to my landlord about the broken tap.",
    "How do I tell my boss that I am ill?",
    "What do I say to a friend who lost her job?",
]


@pytest.mark.parametrize("writer", ["harbour", "kitchen", "letters", "site"])
def test_tasks_on_given_words_and_greetings_are_the_bases_and_new_texts_the_persons(
    kinds: PromptKinds, writer: str
) -> None:
    taught = kinds.taught_by(questions_of(writer))
    assert np.mean([kinds.choose(q, taught).kind == "general" for q in TASKS]) >= 0.75
    assert np.mean([kinds.choose(q, taught).kind == "general" for q in GREETINGS]) >= 0.75
    assert np.mean([kinds.choose(q, taught).kind == "own" for q in WRITING]) >= 0.8


@pytest.mark.parametrize("writer", ["harbour", "kitchen", "letters", "site"])
def test_a_persons_questions_are_theirs_and_facts_sums_and_code_are_not(
    kinds: PromptKinds, writer: str
) -> None:
    chats = [
        [m.content for m in chat if m.role == "user"]
        for chat in read_chats(EXAMPLES / f"{writer}.jsonl")
    ]
    theirs, left = [], []
    for fold in range(4):
        taught = kinds.taught_by([q for i, chat in enumerate(chats) if i % 4 != fold for q in chat])
        kept_aside = [q for i, chat in enumerate(chats) if i % 4 == fold for q in chat]
        theirs += [kinds.choose(q, taught).kind == "own" for q in kept_aside]
        left += [kinds.choose(q, taught).kind != "own" for q in FACTS]
        sums = [kinds.choose(q, taught).kind for q in CALCULATIONS]
        assert sums.count("calculation") >= 4
        # A loop to 10 may pass for a calculation: what matters is that neither is the person's.
        assert {kinds.choose(q, taught).kind for q in CODE} <= {"code", "calculation"}
    assert np.mean(theirs) >= 0.85
    assert np.mean(left) >= 0.85


# Chats on the writers' matters, with follow-ups and with questions that leave the matter, and chats
# on other matters with follow-ups. The rule was chosen on other chats, with these out of sight.
OWN_CHATS = {
    "harbour": (
        "Should I paint the keel before or after the varnish?",
        "And with what brush?",
        "How many coats does it need?",
        "Mine is made of steel.",
        "and if it peels off again",
        "Is one day enough for that?",
        "Could you put that in one sentence?",
    ),
    "kitchen": (
        "How do I cook polenta without lumps?",
        "But my pot is very small.",
        "Does the cheese go in at the end?",
        "And what do I do with the rest?",
        "why so long",
        "My son hates it.",
        "Do you make it often?",
    ),
    "letters": (
        "Is it foolish to learn the piano at sixty?",
        "And where should I begin?",
        "I have no patience for scales.",
        "Would you tell my wife that?",
        "Who would teach me?",
        "And if the neighbours complain?",
        "what would that cost me",
    ),
    "site": (
        "The delivery of the windows is late again. What do I write to the supplier?",
        "What if they do not reply?",
        "And by when?",
        "Shorter please.",
        "He says it is the lorry driver's fault.",
        "Can I get money back for this?",
        "Who should call them?",
    ),
}
LEAVING = {
    "harbour": (
        "What is the capital of Finland?",
        "How many teeth does an adult have?",
        "Who discovered penicillin?",
        "What is a noun?",
        "12 times 14",
        "In which year did the Berlin Wall fall?",
    ),
    "kitchen": (
        "What is the boiling point of water?",
        "Who wrote War and Peace?",
        "Which country has the most people?",
        "How much is 30 % of 250?",
        "What does CPU stand for?",
        "What is the largest desert in the world?",
    ),
    "letters": (
        "Who composed The Magic Flute?",
        "What is the chemical symbol for gold?",
        "Write a function that adds two numbers.",
        "What is the opposite of early?",
        "How many strings does a violin have?",
        "who is the president of france",
    ),
    "site": (
        "What is the square root of 169?",
        "How fast does light travel?",
        "How do I reverse a list in Python?",
        "Which language is spoken in Brazil?",
        "What is the smallest prime number?",
        "Who invented the light bulb?",
    ),
}
OTHER_CHATS = {
    "harbour": (
        "What is the capital of Finland?",
        "Is it far from Sweden?",
        "And its currency?",
        "How cold is it there?",
    ),
    "kitchen": (
        "Who wrote War and Peace?",
        "When was he born?",
        "What else did he write?",
        "Is it a long book?",
    ),
    "letters": (
        "Write a function that adds two numbers.",
        "Can you make it faster?",
        "And for three of them?",
        "Now explain that.",
    ),
    "site": (
        "What is the square root of 169?",
        "And of 225?",
        "is that a prime number",
        "How did you get there?",
    ),
}


def test_follow_ups_go_where_their_chat_is_and_what_leaves_it_does_not(kinds: PromptKinds) -> None:
    own, left, other, back = [], [], [], []
    for writer, (matter, *follow_ups) in OWN_CHATS.items():
        taught = kinds.taught_by(questions_of(writer))

        def is_own(*asked: str, taught: TaughtQuestions | None = taught) -> bool:
            chat = [ChatMessage("user", each) for each in asked]
            return kinds.choose(place_question(chat), taught).kind == "own"

        own += [is_own(matter, each) for each in follow_ups]
        left += [not is_own(matter, each) for each in LEAVING[writer]]
        first, *rest = OTHER_CHATS[writer]
        other += [not is_own(first, each) for each in rest]
        back += [is_own(first, rest[0], matter)]
    # Placed by their own words alone, 21 of 24 and 3 of 12 follow-ups go where they belong.
    assert sum(own) >= 23
    assert sum(left) >= 22
    assert sum(other) >= 11
    assert all(back)


@pytest.mark.parametrize("learnt", [7, 40])
def test_someone_who_teaches_code_has_the_adapter_act_on_code(
    kinds: PromptKinds, learnt: int
) -> None:
    chats = read_chats(TASK_CHATS / "python.jsonl")
    taught = kinds.taught_by([chat[0].content for chat in chats[:learnt]])
    choices = [kinds.choose(chat[0].content, taught).kind for chat in chats[40:]]
    assert choices.count("own") >= 0.9 * len(choices)


def test_someone_who_teaches_facts_has_the_adapter_act_on_facts(kinds: PromptKinds) -> None:
    taught = kinds.taught_by([*FACTS[::2], "Who painted Guernica?", "How many sides has a cube?"])
    unseen = FACTS[1::2]
    # Most, as each of them has its like among the questions of everybody as well.
    assert [kinds.choose(q, taught).kind for q in unseen].count("own") >= 0.6 * len(unseen)


def test_without_a_person_a_prompt_is_general_a_calculation_or_code(kinds: PromptKinds) -> None:
    found = [kinds.choose(q).kind for q in (*CALCULATIONS, *CODE[:3], "Who was Napoleon?")]
    assert found == ["calculation"] * 5 + ["code"] * 3 + ["general"]


def test_a_choice_says_why_in_words(kinds: PromptKinds) -> None:
    taught = kinds.taught_by(questions_of("kitchen"))
    assert taught is not None
    assert "closer to calculations than" in kinds.choose(CALCULATIONS[0], taught).reason
    assert "closer to other questions than" in kinds.choose(FACTS[0], taught).reason
    assert "close to what you taught it" in kinds.choose("How do I boil an egg?", taught).reason
    # Less like it than like another kind, and still left to it: the sentence says by how much.
    near = TaughtQuestions(taught.embeddings, 2.0)
    reason = kinds.choose(FACTS[0], near).reason
    assert reason.startswith("close to what you taught it: likeness ")
    assert re.search(r", to other questions no more than \S+ above that$", reason)


def test_nothing_asked_is_not_known_and_no_words_are_no_question(kinds: PromptKinds) -> None:
    assert kinds.taught_by([]) is None
    assert kinds.taught_by(["  "]) is None
    one = kinds.taught_by(["How do I boil an egg?"])
    assert one is not None
    assert kinds.choose("", one).kind == "own"
    assert kinds.choose("How do I fry an egg?", one).kind == "own"
    assert kinds.choose("What is 17 times 23?", one).kind == "calculation"


def test_of_many_questions_some_are_kept_and_a_byte_a_number_is_enough(kinds: PromptKinds) -> None:
    asked = [f"{q} {n}" for n in ("Now?", "Later?", "Or not?") for q in questions_of("harbour")]
    taught = kinds.taught_by(asked)
    assert taught is not None
    assert len(taught.embeddings) == 64
    kept = json.loads(json.dumps(taught_to_json(taught)))
    assert len(kept["embeddings"]) < 64 * 576 * 1.4
    found = taught_from_json(kept)
    assert found is not None
    assert found.margin == taught.margin
    np.testing.assert_allclose(found.embeddings, taught.embeddings, atol=0.005)
    for question in [*FACTS, *CODE, *questions_of("site")]:
        assert kinds.choose(question, found).kind == kinds.choose(question, taught).kind


def test_what_is_none_acts_on_everything_as_before() -> None:
    kept = taught_to_json(TaughtQuestions(np.array([[0.6, 0.8]], np.float32), 0.25))
    assert taught_from_json(kept) is not None
    older = {"centroid": kept["embeddings"], "radius": 1.0}
    broken = [None, "x", {}, older, {**kept, "embeddings": "!"}, {**kept, "margin": "nan"}]
    broken += [{**kept, "count": 3}, {**kept, "margin": -1}, {**kept, "embeddings": "AAA="}]
    assert [taught_from_json(each) for each in broken] == [None] * len(broken)
