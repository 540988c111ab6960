"""A told fact answers a question only where it has a phrase of the kind that is asked for."""

import pytest

from floe.memory.answer_type import has_what_is_asked
from floe.memory.question_match import can_answer


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Which school does our son go to?", "Our son has no school on Friday."),
        ("Which home did my mother move into?", "My mother moved into the home in August."),
        ("Which choir do I sing in?", "I sing in a choir on Mondays."),
        ("Where does my brother work?", "My brother works nights."),
        ("Where does my brother work?", "My brother Ansel works nights."),
        ("Who services our boiler?", "We had our boiler serviced in October."),
        ("How long have I been playing chess?", "I play chess with Rudi on the train."),
        ("Which colour did we paint the fence?", "We painted the fence in the rain."),
        ("When did my grandfather die?", "My grandfather died in hospital."),
        ("Do you remember when my passport expires?", "My passport photo looks nothing like me."),
    ],
)
def test_a_fact_without_it_is_no_answer(question: str, fact: str) -> None:
    assert not has_what_is_asked(question, fact)
    assert not can_answer(question, fact)


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("Which school does our son go to?", "Our son goes to the primary school in Mill Lane."),
        ("Which school does our son go to?", "Our son is at St. Anne's."),
        ("Where does my brother work?", "My brother works nights at the bakery."),
        ("Where does my brother work?", "my brother works at aldi on fridays"),
        ("Who services our boiler?", "Our boiler is serviced by a plumber from the village."),
        ("Who cuts my hair?", "Pavel cuts my hair these days."),
        ("Who cuts my hair?", "pavel cuts my hair"),
        ("When did my grandfather die?", "My grandfather died two winters ago."),
        ("Since when do I live here?", "We moved here when I was seven."),
        ("Which colour did we paint the fence?", "The fence is a pale blue now."),
        ("What pet do I have?", "I have a hamster."),
        ("Do I have a sister?", "I have a sister."),
        ("Wo arbeitet mein Bruder?", "Mein Bruder arbeitet nachts."),
    ],
)
def test_a_fact_with_it_may_be_one_as_may_one_in_another_language(question: str, fact: str) -> None:
    assert has_what_is_asked(question, fact)
