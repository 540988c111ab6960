"""Names that only their company tells: nothing of them is sent with pseudonyms."""

import pytest

from floe.privacy.detection.analysis import Analysis


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "Plan a hen party for my sister Bea: guests are Lou, Mags, Fi and Sandra.",
            ["Mags", "Fi"],
        ),
        ("How do I tell my friend Jo that Jo's husband Al kissed me?", ["Al"]),
        ("Write to my lawyer, Ms. Tan: he has not paid the alimony for Leo.", ["Tan"]),
        ("Little Max hit Ngozi's twin Chike. Write to Max's parents, the Hubers.", ["Hubers"]),
        ("A eulogy for my granddad Barnaby 'Barty' Tranter, please.", ["Barty", "Tranter"]),
        ("My bosses Ash and Robin fired Lee after his burnout.", ["Ash"]),
        ("Letter to my landlord P. J. Mulcahy: our son Tadhg has asthma.", ["P. J. Mulcahy"]),
        ("My client Anna Berg wants custody of Buddy (5).", ["Buddy"]),
        ("Mijn buurman Sjors en zijn vrouw Fenna scheiden.", ["Sjors"]),
    ],
)
def test_a_name_that_its_company_tells_is_masked(
    analysis: Analysis, text: str, names: list[str]
) -> None:
    verdict = analysis.examine(text)
    assert verdict.private
    found = [text[span.start : span.end] for span in verdict.spans if span.kind == "name"]
    assert [name for name in names if name not in found] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("My sister Anna and her boyfriend fly to the Netherlands on Monday.", "Netherlands"),
        ("A rota for dad's care: Ingrid (Mon), Pavel (Tue), my wife Sunita (Wed).", "Mon"),
        ("My brother Tom and I'm British, he is ill.", "British"),
        ("My husband Karl, Google and the bank all say that I owe them money.", "Google"),
    ],
)
def test_a_word_of_the_language_beside_a_name_is_left(
    analysis: Analysis, text: str, word: str
) -> None:
    verdict = analysis.examine(text)
    assert word not in [text[span.start : span.end] for span in verdict.spans]


def test_company_decides_nothing(analysis: Analysis) -> None:
    assert not analysis.examine("Who is taller, Ms. Marvel or the Simpsons?").private


def test_a_sort_code_is_masked_that_looks_like_a_date(analysis: Analysis) -> None:
    text = "Send the rent to sort code 20-00-00, account 55779911, says my tenant Milan."
    spans = analysis.examine(text).spans
    assert "20-00-00" in [text[span.start : span.end] for span in spans]
