"""Sums, stories and reports, which tell of nobody's own life; and what only looks so."""

import pytest

from floe.privacy.detector import Detector

GENRES = {
    "sum": [
        "Paula picks 14 pears and gives half of them to Yusuf. How many pears are left?",
        "Olga has one brother. Her father has three sons. Who is Olga's brother?",
    ],
    "fiction": [
        "You are Captain Ilse, a smuggler. I ask you for a ride.",
        "Write a scene in which Tilda Moor tells her husband the truth",
        "Act as Borin, a dwarf who sells maps.",
    ],
    "report": [
        "Summarise: A court in Leeds ruled on Monday that the bridge of Harrow & Sons was unsafe."
        " The firm's chairman, Oswin Harrow, said that he was stunned. According to the council,"
        ' the repair will cost two million. "We are sorry," he told reporters.',
    ],
    "": [
        "My sister Paula picks 14 pears and gives half to Yusuf. How many are left?",
        "Paula Moreno, 34, takes 20 mg twice a day. How much is that?",
        "Write a story for my wife Tilda, who lost her job",
        "You are right, Ilse hates me",
        "Oswin Harrow beats his wife.",
        "Tell Dario that the game is on Monday.",
        "He's the singer of our band, Dario Conti.",
        "The police said on Monday that they look for Oswin Harrow.",
    ],
}


@pytest.mark.parametrize(
    "text",
    [
        *(text for genre, texts in GENRES.items() if genre for text in texts),
        "Solve 144x^2 + 25x^2 = 169x^2 for x",
        "We meet in April and May. Which month is warmer in Rome?",
        "Write a Jira ticket for a broken link",
        "I think I'll go with the blue one",
        "My grandmother used to make a plum cake, how do I do it?",
    ],
)
def test_what_is_of_nobodys_life_may_go(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Paula picks 14 pears. How many are left? Call her at 0664 3417725",
        "You are my therapist. I cut myself again last night.",
        "my dad lost his job and we cant pay the rent",
        "I'm allergic to peanuts",
        "Tell my landlord, Mr. Harrow, to call us at 0664 3417725",
    ],
)
def test_what_is_somebodys_stays_in_any_form(detector: Detector, text: str) -> None:
    assert detector.examine(text).private
