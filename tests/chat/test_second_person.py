"""A fact that was told in the first person is told back in the second."""

import pytest

from floe.chat.second_person import in_second_person, speaks_as_the_person
from floe.records import TokenStep
from tests.chat.test_quoted_fact import quoted_fact, text_of


def pieces(*words: str) -> list[TokenStep]:
    return [
        TokenStep(i, word.encode(), 0.5, None, 0.5, 1.0, "local", float(i))
        for i, word in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("told", "turned"),
    [
        (("My", " twins", " are", " five", "."), "Your twins are five."),
        (("I", " was", " with", " my", " aunt", "."), "You were with your aunt."),
        (("I", "'m", " in", " the", " US", " with", " us"), "You're in the US with you"),
        (("We", " sold", " My", "ra", ", our", " cat"), "You sold Myra, our cat"),
        (("Ruf", "us", " and", " my", " son"), "Rufus and your son"),
        (("Our", " dog", " was", " ours", "."), "Your dog was ours."),
        (("I", " win", ".", " I", " am", " glad", "."), "You win. I am glad."),
        ((" My", " aunt", "ie", " and", " I", " I", "ago"), " Your auntie and you Iago"),
    ],
)
def test_who_speaks_is_turned_in_the_first_sentence(told: tuple[str, ...], turned: str) -> None:
    steps = [*in_second_person(pieces(*told), list)]
    assert text_of(steps) == turned
    assert len(steps) == len(told)


@pytest.mark.parametrize(
    ("beginning", "so"),
    [
        ("My twins", True),
        ("I am", True),
        ("Your twins", False),
        ("I remember that your twins", False),
        ("Oat milk in my tea", True),
        ("I think that it is", False),
        ("As an AI, I", False),
    ],
)
def test_an_answer_that_speaks_for_itself_is_not_turned(beginning: str, so: bool) -> None:
    assert speaks_as_the_person(beginning) is so


def test_only_where_a_told_fact_is_sure_and_told() -> None:
    fact, question = "My sister's name is Ilvara.", "What is my sister called?"
    answer = pieces("My", " sister", " is", " Ilvara", ".")
    assert text_of(quoted_fact(fact, question).cut(answer)) == "Your sister is Ilvara."
    unsure = quoted_fact(fact, question, sure=False)
    assert text_of(unsure.cut(answer)) == "My sister is Ilvara."
    german = quoted_fact("Ilvara ist da.", "Wer ist meine Schwester?")
    assert text_of(german.cut(pieces("My", " sister", " Ilvara"))) == "My sister Ilvara"
