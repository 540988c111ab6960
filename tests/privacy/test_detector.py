"""The detector as a whole: what it keeps here, what it lets go, and how it fails."""

import itertools
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from floe.errors import PrivacyError
from floe.privacy.detector import Detector
from floe.privacy.verdict import Span, Verdict, without_overlap

PRIVATE = [
    ("Draft a mail to my doctor Anna Weber, 0171 5550123, about my test results", "name"),
    ("can you remind me to call emma tomorrow about the flat", "name"),
    ("My landlord Mr. Okonkwo refuses to return the deposit, what can I do?", "name"),
    ("Hi Priya, the slides are attached. Best, Jonas", "name"),
    ("is natasha mad at me?", "name"),
    ("write a reference letter for my student Wei Zhang", "name"),
    ("how do I tell dave that I quit?", "name"),
    ("ask priya raman in sales whether she signed it", "name"),
    ("Why did Fatima unfriend me?", "name"),
    ("Who is Anna Weber from accounting?", "name"),
    ("Is Zsigmond here?", "name"),
    ("Please add Tjorven Quistgaard to the list", "name"),
    ("Summarise: Present: Oliver Brandt, Chen Li, Marta Ruiz.", "name"),
    ("Schreib eine Mail an Frau Schneider, dass ich am Montag komme", "name"),
    ("Me llamo Jorge y busco trabajo", "name"),
    ("I met Albert Einstein, my neighbour, at the bakery", "name"),
    ("I was diagnosed with type 2 diabetes last week, what should I eat?", "health"),
    ("I think I'm depressed", "health"),
    ("J'ai un diabète. Écris une lettre à mon médecin", "health"),
    ("Mi hermana tiene una pregunta. Tengo diabetes", "health"),
    ("I'm gay and my parents don't know", "love life"),
    ("I was arrested in 2015, do I have to declare it?", "legal matter"),
    ("my name is borna jerković but everyone calls me borna", "name"),
    ("napisz do Agnieszki, że nie przyjdę na ślub", "name"),
    ("Paris is my niece. Write a birthday poem for Paris, who turns 6.", "name"),
    ("Write to José Muñoz about the roof.", "name"),
    ("pooping blood for a week now", "health"),
    ("on probation and failed a drug test", "legal matter"),
    ("my wifi password is Sommer2024! can you make a sign for guests", "password"),
    ("born on 14 March 1987, what star sign am I?", "birth date"),
]

LET_GO = [
    "Who wrote Hamlet?",
    "When was Albert Einstein born?",
    "What did Marie Curie discover?",
    "who is elon musk",
    "what did isaac newton discover",
    "what year did napoleon die",
    "Write a poem in the style of Emily Dickinson",
    "Explain Kant's categorical imperative",
    "What is Doris Lessing's most famous novel?",
    "When did Olympe de Gouges die?",
    "Who was Mary Seacole?",
    "Which actor played the Joker in The Dark Knight?",
    "Wer hat Faust geschrieben?",
    "Qui a peint la Joconde ?",
    "¿Quién escribió Don Quijote?",
    "What are the symptoms of diabetes?",
    "How is HIV transmitted?",
    "What do Buddhists believe?",
    "I am learning about depression in my psychology class",
    "I will be travelling to Canada next week, what should I pack?",
    "The Orchestra of Oslo was founded in 1977",
    "What is 299 792 458 in scientific notation?",
    "What happened in 1914-1918?",
    "Order these: 12 45 78 23 56 89 10",
    "Upgrade from Ubuntu 20.04 to 22.04",
    "How do I deploy a FastAPI app with Terraform and Kubernetes?",
    "What makes a good password?",
    "Could I change the payment due date of my credit card?",
    "Welche Sehenswürdigkeiten gibt es in Wien?",
    "What's the weather usually like in Lisbon in May?",
    "Thanks, that's perfect",
    "Debug this: for i in range(10) print(i)",
    "I have 45 minutes and one dumbbell, make me a workout",
    "how should I ask my boss for a day off",
    "Schreibe ein Gedicht über den Herbst",
    "Which pope was shot in St Peter's Square in 1981?",
    "count one two three four five six seven eight",
    "Prove in rhyme that the square root of 2 is irrational",
    "What did Jesse ask Joey to do on his wedding day?",
]


@pytest.mark.parametrize(("text", "kind"), PRIVATE)
def test_what_belongs_to_somebody_is_private_and_says_why(
    detector: Detector, text: str, kind: str
) -> None:
    verdict = detector.examine(text)
    assert verdict.private
    assert kind in verdict.kinds


@pytest.mark.parametrize("text", LET_GO)
def test_general_knowledge_and_everyday_tasks_are_let_go(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


def test_the_kinds_of_the_example_come_in_their_order(detector: Detector) -> None:
    text = "Draft a mail to my doctor Anna Weber, 0171 5550123, about my test results"
    verdict = detector.examine(text)
    assert verdict.kinds == ("name", "phone", "health")
    assert "Anna Weber" in {text[span.start : span.end] for span in verdict.spans}


def test_spans_are_sorted_and_do_not_overlap(detector: Detector) -> None:
    spans = detector.examine("Dr. Jan Kowalski, ul. Miła 5, 00-180 Warszawa, jan@kowalski.pl").spans
    assert all(left.end <= right.start for left, right in itertools.pairwise(spans))


def test_a_name_of_nobody_here_is_marked_but_decides_nothing(detector: Detector) -> None:
    verdict = detector.examine("Anna has 12 apples and gives 5 to Ben. How many are left?")
    assert not verdict.private
    assert {(span.kind, span.decides) for span in verdict.spans} == {("name", False)}


def test_own_words_are_private_in_any_case_and_with_or_without_accents(detector: Detector) -> None:
    mine = Detector(["Projekt  Nordlicht", "Zoé"])
    mine.load()
    for text in ("what about PROJEKT NORDLICHT?", "projekt\nnordlicht", "ask zoe", "ZOÉ said no"):
        assert "own words" in mine.examine(text).kinds
    assert "own words" not in mine.examine("Northern lights in zoetropes").kinds
    mine.learn_words(["Feuerland"])
    assert mine.examine("who knows feuerland?").private
    assert not mine.examine("what about projekt nordlicht?").private


def test_a_detector_that_is_not_loaded_refuses_and_says_so() -> None:
    idle = Detector()
    assert idle.state == "not loaded"
    with pytest.raises(PrivacyError, match="has not started yet"):
        idle.examine("hello")


def test_loading_in_the_background_ends_ready() -> None:
    background = Detector()
    background.load_in_background()
    for _ in range(600):
        if background.state == "ready":
            break
        time.sleep(0.05)
    assert not background.examine("hello").private


def test_a_text_that_takes_too_long_is_refused() -> None:
    slow = Detector()
    slow.load()
    with pytest.raises(PrivacyError, match="too long"):
        slow.examine("a word and another. " * 2_000, timeout=0.0)


def test_a_model_that_cannot_be_loaded_is_a_sentence_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "floe.privacy.detection.analysis", None)
    broken = Detector()
    with pytest.raises(PrivacyError, match="could not be loaded"):
        broken.load()
    assert broken.state == "failed"
    with pytest.raises(PrivacyError, match="could not be loaded"):
        broken.examine("hello")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    tried: list[Any] = []

    def refuse(*given: Any, **_named: Any) -> Any:
        tried.append(given)
        raise OSError("no network here")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    return tried


def test_loading_and_examining_open_no_socket_and_look_nothing_up(no_network: list[Any]) -> None:
    offline = Detector()
    offline.load()
    token = "ghp_" + "0123456789abcdefghij" + "ABCDEFGHIJ456789"
    for text in (
        "write to jane.kessler@posteo.de",
        f"token {token}",
        "84.23.119.77",
        "+49 30 1234567",
    ):
        assert offline.examine(text, timeout=30.0).private
    assert no_network == []


def test_loading_brings_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from floe.privacy.detector import Detector; Detector().load();"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_of_two_spans_at_one_place_the_one_that_decides_stays() -> None:
    place = Span(0, 10, "place", 0.9, decides=False)
    name = Span(3, 7, "name", 0.5, decides=True)
    assert without_overlap([place, name]) == (name,)


def test_kinds_count_only_what_decides_the_most_important_first() -> None:
    spans = (
        Span(0, 1, "health", 1.0, decides=True),
        Span(2, 3, "place", 1.0, decides=False),
        Span(4, 5, "card number", 1.0, decides=True),
        Span(6, 7, "health", 1.0, decides=True),
    )
    assert Verdict(True, spans).kinds == ("card number", "health")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I aren't one for emojis. Answer in British English, on a Monday.", ()),
        ("I have two kids, Mia and Jonas, and a dachshund in Leeds.", ("Jonas", "dachshund")),
        ("Ich bin Lehrerin in Hameln und habe zwei Kinder.", ("Hameln",)),
    ],
)
def test_rare_words_tell_a_text_from_others(
    detector: Detector, text: str, words: tuple[str, ...]
) -> None:
    found = detector.rare_words(text)
    assert found[: len(words)] == words
    assert {*found} - {*words} <= {"Mia", "Leeds"}
