"""Questions, exercises and history that are of the world, and what looks like them and is not."""

import pytest

from floe.privacy.detection.analysis import Analysis
from floe.privacy.detection.names import find_names
from floe.privacy.detection.world import is_exercise, is_history, is_impersonal


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis([])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How is Bright's disease treated?", True),
        ("Draft a letter to a printer asking for samples", True),
        ("What helps against hay fever?", True),
        ("How is my sister's asthma treated?", False),
        ("How do I hide a bruise without my coach noticing?", False),
        ("Draft a letter announcing the layoffs", False),
        ("What does it mean that she drinks alone?", False),
        ("Why is Oighrig so quiet?", False),
        ("Three weeks sober", False),
    ],
)
def test_a_question_is_impersonal_if_it_speaks_of_no_one(text: str, expected: bool) -> None:
    assert is_impersonal(text, find_names(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Translate to Dutch: Martha has two goats and a cart.", True),
        ("Fix the grammar: Jonas don't like soup", True),
        ("Translate to Dutch: Martha, I can't come tomorrow.", False),
        ("Translate to Dutch: my aunt Martha has two goats.", False),
        ("Translate to Dutch: Martha Kettu has two goats.", False),
        ("Martha has two goats.", False),
    ],
)
def test_a_sentence_to_work_on_is_an_exercise_unless_it_is_a_message(
    text: str, expected: bool
) -> None:
    assert is_exercise(text, find_names(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Finnish painter Ilmari Kettu painted The Frozen Lake.", True),
        ("Ilmari Kettu won the Pulitzer Prize in 1962.", True),
        ("Ilmari Kettu won the raffle at our club.", False),
        ("Ilmari Kettu painted our fence.", False),
        ("The painter Ilmari Kettu comes on Monday.", False),
        ("Ilmari Kettu wrote to me.", False),
        ("Ilmari Kettu owes the bank since 2014.", False),
    ],
)
def test_a_statement_is_history_if_it_tells_of_a_work_or_a_prize(text: str, expected: bool) -> None:
    (name,) = (name for name in find_names(text) if name.form == "full")
    assert is_history(text, name) is expected


@pytest.mark.parametrize(
    "text",
    [
        "my excel sheet shows ### in a column",
        "my kettle whistles when I pour slowly",
    ],
)
def test_frames_alone_make_no_matter(analysis: Analysis, text: str) -> None:
    assert not analysis.examine(text).private


@pytest.mark.parametrize(
    "text", ["my wife has postpartum psychosis", "im infertile and told no one", "i owe 9k"]
)
def test_a_word_of_a_matter_does(analysis: Analysis, text: str) -> None:
    assert analysis.examine(text).private
