"""Words that may be names: masked where a text leaves under pseudonyms, and deciding nothing."""

from pathlib import Path

import pytest

from floe.privacy.command import Judge
from floe.privacy.detection.analysis import Analysis
from floe.privacy.detector import Detector
from floe.records import ChatMessage
from floe.store import Store


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(())


def shown_names(analysis: Analysis, text: str) -> set[str]:
    """Return all that is masked of a text, by a sure sign or because it may be a name."""
    verdict = analysis.examine(text)
    spans = [s for s in verdict.spans if s.decides and s.kind == "name"]
    return {text[span.start : span.end] for span in (*spans, *verdict.likely)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "Write a lullaby for our newborn Elowen, sister of Perran and Jago",
            {"Elowen", "Perran", "Jago"},
        ),
        (
            "Our childminder Bee says Fox bit Wren again. What do I tell Wren's parents?",
            {"Bee", "Fox", "Wren"},
        ),
        (
            "my gf's called Sky and i think sky is cheating with my bro Chase",
            {"Sky", "sky", "Chase"},
        ),
        ("gina n tone r expecting, im the godmum, help me w a card for gina", {"gina", "tone"}),
        (
            "My stepdad (we call him Bear) beat up my brother Moss. Do I call the police on Bear?",
            {"Bear", "Moss"},
        ),
        (
            "The Greens next door have a drinking problem and their girl Holly sleeps at ours.",
            {"Greens", "Holly"},
        ),
        ("name,illness\nFern Hollis,asthma\nCliff Moss,diabetes", {"Fern", "Cliff Moss"}),
        (
            "Notes: JB to call Ravi; Ravi's salary is 52k. It's for my boss JB.",
            {"JB", "Ravi"},
        ),
        (
            "Toast for my friend Rory marrying Isla; I'm Juniper, the maid of honour.",
            {"Rory", "Isla", "Juniper"},
        ),
        ("Min søster Sol har fået kræft. Skriv til Sol fra mig og Bjørn.", {"Sol", "Bjørn"}),
        (
            "Meine Tochter Wolke wird gemobbt, Nele und Fee machen mit.",
            {"Wolke", "Nele", "Fee"},
        ),
    ],
)
def test_each_person_of_a_private_text_is_masked(
    analysis: Analysis, text: str, names: set[str]
) -> None:
    assert names <= shown_names(analysis, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dear Mr Haas, I'm writing about flat 4b; my wife Ida is ill.", {"I'm", "Dear"}),
        (
            "My dad Len has Parkinson's and my husband Karl and I moved to Rennes.",
            {"Parkinson", "Rennes"},
        ),
        ("Our twins Ada and Bo were expelled from Elm Park School.", {"Elm", "Park", "School"}),
        (
            "My sister Anna marries on 2 May, and our mum and Dad fell out with Google.",
            {"May", "Dad"},
        ),
        ("Min søster Sol er syg. Skriv et kort til Sol.", {"kort"}),
        ("Ma soeur Aurore et son mari Clément divorcent.", {"mari Clément", "mari"}),
    ],
)
def test_words_that_carry_the_sentence_are_left(
    analysis: Analysis, text: str, words: set[str]
) -> None:
    assert not words & shown_names(analysis, text)


def test_a_likely_name_makes_no_text_private(analysis: Analysis) -> None:
    verdict = analysis.examine("Why does Fox News say that Bear Stearns failed?")
    assert not verdict.private
    assert verdict.likely == ()


def test_beside_a_person_a_mailbox_is_masked_that_is_nobodys_elsewhere(analysis: Analysis) -> None:
    text = "My boss Rob King fired me, cc to j.lane@firm.example"
    assert "j.lane@firm.example" in shown_names(analysis, text)
    assert not analysis.examine("Why does my regex not match j.lane@firm.example?").private


@pytest.fixture(scope="module")
def detector() -> Detector:
    found = Detector()
    found.load()
    return found


def sent(detector: Detector, store: Store, policy: str, text: str) -> list[str]:
    """Return what would leave of a message; nothing where it stays."""
    judge = Judge(store, detector, policy)  # type: ignore[arg-type]
    messages = judge.judge([ChatMessage("user", text)])["sent"]
    return [message["content"] for message in messages]  # type: ignore[attr-defined]


def test_likely_names_leave_as_placeholders_each_time(detector: Detector, tmp_path: Path) -> None:
    store = Store(tmp_path / "floe.db")
    text = "My brother Moss is ill, and Fox, his son, needs us. What do I tell Fox?"
    said = sent(detector, store, "pseudonyms", text)[-1]
    assert "Moss" not in said
    assert "Fox" not in said
    assert said.count("PERSON_2") == 2


def test_without_pseudonyms_a_likely_name_is_not_remembered(
    detector: Detector, tmp_path: Path
) -> None:
    store = Store(tmp_path / "floe.db")
    text = "Write a lullaby for our newborn Elowen, sister of Perran and Jago"
    assert sent(detector, store, "local only", text) == []
    with store.reading() as db:
        kept = [value for (value,) in db.execute("SELECT value FROM pseudonyms")]
    assert "Perran" not in kept


def test_an_illness_keeps_the_name_that_it_has(analysis: Analysis) -> None:
    text = "Dad has Lewy body dementia and Bell's palsy, his name is Harold. Mum has Down syndrome."
    assert shown_names(analysis, text) == {"Harold"}
    assert "Bell" in shown_names(analysis, "Mr Bell has the palsy, tell my brother Finn")


def test_words_of_the_language_are_nobodys_name(analysis: Analysis) -> None:
    text = "dm from @lena.kovac_22 says my bf cheated, how do i answer her"
    verdict = analysis.examine(text)
    named = {text[s.start : s.end] for s in (*verdict.spans, *verdict.likely) if s.kind == "name"}
    assert verdict.private
    assert not named & {"from", "answer her"}
