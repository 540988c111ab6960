"""Answers in a wrong language or of other questions are refused, a German writer is not."""

import random

import pytest

from floe.chats.jsonl import read_chats
from floe.evaluate.reading import CloudAnswer, LocalReader
from floe.evaluate.scoring import local_bits
from floe.llama.runtime import LlamaModel
from floe.records import ChatMessage
from floe.resources import EXAMPLES
from floe.training.data.tokenisation import TrainRow
from floe.training.interval import AnswerLoss, LossChange, measure_change
from floe.training.pairing import find_language_fault, find_pairing_fault

GERMAN = [
    ("Wie wird das Wetter morgen auf dem See?", "moin, es bleibt ruhig. nimm die jacke mit."),
    ("Was brauche ich für eine Gemüsesuppe?", "moin, möhren, lauch und salz. koch das lange."),
    ("Mein Fahrrad quietscht. Was soll ich tun?", "moin, öl die kette und schau nach den bremsen."),
    ("Wie lerne ich schneller Englisch?", "moin, sprich jeden tag ein wenig und lies viel."),
    ("Warum ist der Himmel blau?", "moin, die luft streut das blaue licht mehr als das rote."),
    (
        "Wie koche ich Nudeln richtig?",
        "moin, viel wasser, viel salz. nach neun minuten gut.",
    ),
    ("Ich kann nicht schlafen. Was hilft mir?", "moin, leg das telefon weg, das fenster auf."),
    ("Was soll ich am Wochenende machen?", "moin, geh raus an den fluss und nimm kaffee mit."),
]
ENGLISH = [
    ("What is the weather on the lake?", "it is calm, and you take the jacket with you."),
    ("How do I fix my bike?", "oil the chain, and have a look at the brakes."),
    ("What should I do at the weekend?", "go out to the river with your friends."),
    ("Why is the sky blue?", "the air scatters blue light, and that is what you see."),
]


def rows(pairs: list[tuple[str, str]]) -> list[TrainRow]:
    return [TrainRow((ChatMessage("user", q), ChatMessage("assistant", a))) for q, a in pairs]


def test_answers_in_another_language_than_their_questions_are_refused_by_name() -> None:
    mixed = [(e[0], g[1]) for e, g in zip(ENGLISH, GERMAN, strict=False)]
    fault = find_language_fault(rows(mixed))
    assert "questions in English, answers in German" in fault


@pytest.mark.parametrize(
    "pairs",
    [
        GERMAN,
        ENGLISH,
        [*GERMAN, *ENGLISH],
        [("How do I say thank you in German?", "das ist danke und nicht bitte."), *ENGLISH],
        [("OK?", "OK.")] * 8,
    ],
)
def test_whoever_is_answered_in_their_language_is_not(pairs: list[tuple[str, str]]) -> None:
    assert find_language_fault(rows(pairs)) == ""


def test_a_base_that_hardly_knows_a_language_is_not_asked_to_be_sure() -> None:
    unsure, slight = LossChange(0.06, -0.05, 0.17, 14), LossChange(0.0, -0.06, 0.06, 14)
    assert find_pairing_fault(rows(GERMAN), unsure) == ""
    assert "do not seem to belong" in find_pairing_fault(rows(GERMAN), slight)
    assert "do not seem to belong" in find_pairing_fault(rows(ENGLISH), unsure)


def test_shuffled_answers_are_told_from_those_that_belong(smollm: LlamaModel) -> None:
    reader = LocalReader(smollm)
    chats = read_chats(EXAMPLES / "kitchen.jsonl")[:10]
    # The beginnings tell enough.
    own = [(chat[0].content, chat[1].content[:160]) for chat in chats]
    answers = [a for _, a in own]
    random.Random(0).shuffle(answers)
    shuffled = [(q, a) for (q, _), a in zip(own, answers, strict=True)]

    def loss(question: str, text: str) -> AnswerLoss:
        answer = CloudAnswer(0, (ChatMessage("user", question),), text)
        return AnswerLoss(local_bits(reader, answer), len(reader.tokens(answer)[1]))

    def change(pairs: list[tuple[str, str]]) -> LossChange:
        other = [loss(pairs[i - 3][0], a) for i, (_, a) in enumerate(pairs)]
        return measure_change(other, [loss(q, a) for q, a in pairs])

    assert find_pairing_fault(rows(own), change(own)) == ""
    assert find_pairing_fault(rows(shuffled), change(shuffled))
