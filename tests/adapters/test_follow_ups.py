"""A follow-up is placed with the question that it goes on from; strings alone, no model."""

import pytest

from floe.adapters.follow_ups import place_question
from floe.records import ChatMessage

HULL = "How do I scrub barnacles off the hull?"


def chat(*asked: str) -> list[ChatMessage]:
    """Return a chat with these questions, each but the last answered."""
    said = [ChatMessage("system", "You are helpful.")]
    for question in asked:
        said += [ChatMessage("user", question), ChatMessage("assistant", "Salt and a brush.")]
    return said[:-1]


@pytest.mark.parametrize(
    "follow_up",
    [
        "and how long?",
        "Why not?",
        "how often",
        "What comes after that?",
        "He is on holiday until Monday.",
        "But my boat is small.",
        "go on",
        "Und wie lange?",
        "Was mache ich dann?",
        "et combien de fois ?",
        "¿Y con eso?",
    ],
)
def test_a_follow_up_is_read_with_what_it_is_about(follow_up: str) -> None:
    assert place_question(chat(HULL, follow_up)) == f"{HULL} {follow_up}"


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Sweden?",
        "What is 17 times 23?",
        "Who painted Guernica?",
        "Write a Python function that merges two sorted lists.",
        "How do I make gnocchi that do not fall apart?",
        "Was ist das Gegenteil von heiß?",
        "Quelle est la capitale de la Norvège ?",
        "¿Cuál es la capital de Perú?",
    ],
)
def test_a_question_that_says_what_it_is_about_stands_for_itself(question: str) -> None:
    assert place_question(chat(HULL, question)) == question


def test_several_follow_ups_lead_back_to_the_question_they_are_about() -> None:
    said = chat("What is the capital of Sweden?", HULL, "And the deck?", "how often")
    assert place_question(said) == f"{HULL} And the deck? how often"
    assert place_question(chat("how often")) == "how often"
    assert place_question(chat("Why?", "And then?")) == "Why? And then?"


def test_of_an_earlier_question_with_a_file_only_the_words_count() -> None:
    placed = place_question(chat(f"Summarise my letter, please. {'x ' * 5000}", "shorter"))
    assert placed.startswith("Summarise my letter, please.")
    assert placed.endswith(" shorter")
    assert len(placed) < 500


def test_without_a_question_nothing_is_placed() -> None:
    assert place_question([]) == ""
    assert place_question([ChatMessage("system", "You are helpful.")]) == ""
