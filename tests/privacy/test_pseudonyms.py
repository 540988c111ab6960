"""Placeholders: consistent, reversible to the letter, and whole again out of a stream."""

import itertools
import math
from pathlib import Path

import pytest

from floe.privacy.hidden import visible
from floe.privacy.lexicon import Found, Lexicon
from floe.privacy.pseudonyms import Pseudonyms
from floe.privacy.unmask import Unmasker
from floe.privacy.visible_lexicon import VisibleLexicon
from floe.records import Candidate, CloudToken
from floe.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "floe.db")


@pytest.fixture
def known(store: Store) -> Pseudonyms:
    """Anna Weber and her phone, found in the first message of a conversation."""
    text = "My doctor is Dr. Anna Weber, 0171 5550123."
    pseudonyms = Pseudonyms(store, store.create_conversation().id)
    pseudonyms.learn(text, [spot(text, "Dr. Anna Weber"), spot(text, "0171 5550123", "phone")])
    return pseudonyms


def spot(text: str, words: str, kind: str = "name") -> Found:
    start = text.index(words)
    return Found(start, start + len(words), kind)


def test_the_cloud_sees_a_placeholder_for_each_value(known: Pseudonyms) -> None:
    assert known.mask("Call Anna Weber at 0171 5550123.") == "Call PERSON_1 at PHONE_1."
    assert known.mask("Ask Dr. Anna Weber's nurse.") == "Ask Dr. PERSON_1's nurse."


def test_a_link_that_names_somebody_is_one_placeholder(known: Pseudonyms) -> None:
    text = "Is https://clinic.example.de/team/anna-weber?tel=01715550123, of Anna Weber, real?"
    masked = known.mask(text, links=True)
    assert masked == "Is LINK_1, of PERSON_1, real?"
    assert known.unmask(masked) == text
    assert known.mask("See https://example.org/bread.", links=True).endswith("org/bread.")
    # One that is still being written is not over.
    assert "LINK" not in known.mask("Is https://other.example.de/anna-we")
    assert known.mask("(www.x.de/weber) and Weber", links=True) == "(LINK_2) and PERSON_1C"


@pytest.mark.parametrize(
    "text",
    [
        "Anna",
        "ANNA WEBER",
        "anna",
        "Dr. Weber",
        "Weber's",
        "Weber\u2019s office",
        "the Webers and Anna Weber; Anna, Weber",
        "Prof. Dr. anna weber!",
        "+49 (0)171 5550123 or 0171/5550123, or 01715550123",
        "Anna\nWeber",
        "Anna-Maria is another",
        "**Anna Weber** said: \u201cAnna!\u201d",
        "An\u00adna We\u200bber, 0171 555\u20600123",
        "An\U000e0061na We\ufe0fber",
    ],
)
def test_every_spelling_comes_back_as_it_was_and_none_leaves(known: Pseudonyms, text: str) -> None:
    masked = known.mask(text)
    assert known.unmask(masked) == text
    for private in ("anna", "weber ", "weber'", "5550123"):
        assert private not in visible(masked).casefold() + " "


def test_spellings_of_one_person_share_a_number_and_others_do_not(known: Pseudonyms) -> None:
    assert known.mask("Weber") == "PERSON_1B"
    assert known.mask("Weber, Anna") == "PERSON_1B, PERSON_1C"
    text = "Tom Weber"
    assert known.mask(text, [spot(text, text)]) == "PERSON_2"
    assert known.mask("ANNA, Tom") == "PERSON_1D, PERSON_2B"


def test_placeholders_stay_the_same_after_a_restart(known: Pseudonyms, store: Store) -> None:
    masked = known.mask("Anna and Anna Weber")
    again = Pseudonyms(store, 1)
    assert again.mask("Anna and Anna Weber") == masked
    assert again.unmask(masked) == "Anna and Anna Weber"


def test_a_conversation_goes_with_its_pseudonyms(known: Pseudonyms, store: Store) -> None:
    store.delete_conversation(1)
    with store.reading() as db:
        assert db.execute("SELECT count(*) FROM pseudonyms").fetchone() == (0,)
    assert b"0171 5550123" not in b"".join(p.read_bytes() for p in store.path.parent.iterdir())


def test_full_names_and_numbers_are_known_in_other_conversations(
    known: Pseudonyms, store: Store
) -> None:
    text = "It is about my diabetes."
    known.learn(text, [spot(text, "diabetes", "health")])
    other = Pseudonyms(store, store.create_conversation().id)
    assert [f.kind for f in other.lexicon.find("Anna Weber, 0171-5550123")] == ["name", "phone"]
    assert other.lexicon.find("What is diabetes?") == []
    assert other.mask("Call Anna Weber") == "Call PERSON_1"


def test_names_that_are_words_are_no_names_in_small_letters() -> None:
    lexicon = Lexicon()
    lexicon.add("Will May", "name")
    assert lexicon.find("it will rain and you may go") == []
    assert [tuple(f) for f in lexicon.find("ask Will, or WILL MAY")] == [
        (4, 8, "name"),
        (13, 21, "name"),
    ]


def test_a_text_that_breaks_off_in_a_known_value_is_noticed() -> None:
    lexicon = VisibleLexicon()
    lexicon.add("Anna Weber", "name")
    lexicon.add("0171 5550123", "phone")
    for text in ("my doctor Ann", "doctor Anna", "doctor Anna We", "call 0171", "call 0171-555 "):
        assert lexicon.breaks_off(text), text
        assert lexicon.breaks_off(f"{text[:-2]}\u200b{text[-2:]}"), text
    for text in ("my doctor A", "doctor Anna is", "doctor Anna Weber", "call 0181 5", ""):
        assert not lexicon.breaks_off(text), text


def test_words_that_the_text_itself_has_are_not_given_out(store: Store) -> None:
    pseudonyms = Pseudonyms(store, store.create_conversation().id)
    text = "PERSON_1 is what Anna is called."
    masked = pseudonyms.mask(text, [spot(text, "Anna")])
    assert masked == "PERSON_1 is what PERSON_2 is called."
    assert pseudonyms.unmask(masked) == text


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Сергей", "Поблагодари Сергея, дай Сергею чай", "Поблагодари PERSON_1, дай PERSON_1B чай"),
        ("Анна", "Позови Анну, мы гордимся Анной", "Позови PERSON_1, мы гордимся PERSON_1B"),
        ("Павел", "Напиши Павлу", "Напиши PERSON_1"),
        ("Марина Козлова", "Марине Козловой", "PERSON_1 PERSON_2"),
        ("Иван", "Иванами не торгуют, сериал и марка", "Иванами не торгуют, сериал и марка"),
    ],
)
def test_a_name_is_known_in_the_cases_of_russian(
    store: Store, name: str, text: str, expected: str
) -> None:
    known = Pseudonyms(store, store.create_conversation().id)
    known.lexicon.add(name, "name")
    masked = known.mask(text)
    assert masked == expected
    assert known.unmask(masked) == text


def test_a_thing_that_somebody_is_called_like_stays_in_its_sentence() -> None:
    lexicon = Lexicon()
    for name in ("Fuchs", "Penny", "Flores"):
        lexicon.add(name, "name")
    text = "Herr Fuchs sah einen Fuchs. I owe her a penny, tell Penny. Flores quiere una flores."
    assert [text[f.start : f.end] for f in lexicon.find(text)] == ["Fuchs", "Penny", "Flores"]


# Out of a stream

VALUES = {b"PERSON_1": b"Anna Weber", b"PERSON_1B": b"Anna", b"PERSON_12": b"Tom"}


def row(text: str, p: float = 0.5, **others: float) -> CloudToken:
    """A row with the chosen token and others, `_` at their start standing for a space."""
    candidates = [Candidate(text.encode(), math.log(p))]
    for other, q in others.items():
        words = other.replace("__", "\0").replace("_", " ").replace("\0", "_")
        candidates.append(Candidate(words.encode(), math.log(q)))
    return CloudToken(text.encode(), tuple(candidates))


END = CloudToken(b"", (Candidate(b"", -0.1, end=True),), end=True)


def texts(rows: list[CloudToken]) -> list[str]:
    return [r.text_bytes.decode() for r in rows]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([" PERSON", "_", "1", " is"], [" Anna Weber", " is"]),
        ([" PER", "SON_1", ","], [" Anna Weber", ","]),
        ([" PERSON", "_1", "B", "'s"], [" Anna", "'s"]),
        (["P", "ERSON", "_", "1", "2", "."], ["Tom", "."]),
        ([" **PERSON_1**", " and"], [" **Anna Weber", "**", " and"]),
        ([" PERSON\\", "_1", " is"], [" Anna Weber", " is"]),
        (["PERSON_1", "/PERSON_12", "!"], ["Anna Weber", "/Tom", "!"]),
        ([" PERSON", "AL", " P", "S"], [" PERSON", "AL", " P", "S"]),
        ([" PERSON", "_9", " is"], [" PERSON", "_9", " is"]),
        ([" PERSON", "_", "1"], [" Anna Weber"]),
        ([" PERSON", "_"], [" PERSON", "_"]),
        ([" SUPERSON_1", " x"], [" SUPERSON_1", " x"]),
        (["PERSON_1s", " x"], ["Anna Weber", "s", " x"]),
    ],
)
def test_a_placeholder_split_over_rows_is_one_row(pieces: list[str], expected: list[str]) -> None:
    rows = Unmasker(VALUES).add([row(piece) for piece in pieces], ended=True)
    assert texts(rows) == expected
    one_by_one = Unmasker(VALUES)
    streamed = [r for p in pieces for r in one_by_one.add([row(p)], ended=False)]
    assert streamed + one_by_one.add([], ended=True) == rows


def test_rows_are_held_back_only_while_they_may_be_a_placeholder() -> None:
    unmasker = Unmasker(VALUES)
    assert texts(unmasker.add([row("Hello")], ended=False)) == ["Hello"]
    assert unmasker.add([row(" PERSON"), row("_1")], ended=False) == []
    assert texts(unmasker.add([row(" is")], ended=False)) == [" Anna Weber", " is"]
    assert unmasker.add([row(" PERSON"), row("_1")], ended=False) == []
    assert texts(unmasker.add([END], ended=False)) == [" Anna Weber", ""]


def test_every_cut_of_a_text_gives_the_same_text() -> None:
    text = "Ask PERSON_1 or PERSON_12, PERSONAL, PERSON_1B's."
    for cuts in itertools.combinations(range(1, len(text)), 2):
        pieces = [text[a:b] for a, b in itertools.pairwise((0, *cuts, len(text)))]
        rows = Unmasker(VALUES).add([row(piece) for piece in pieces], ended=True)
        assert "".join(texts(rows)) == "Ask Anna Weber or Tom, PERSONAL, Anna's."


def test_the_merged_row_has_the_probability_of_the_placeholder_and_of_its_rivals() -> None:
    rows = [
        row(" PERSON", 0.6, _the=0.3, _PERS=0.05),
        row("_", 0.9),
        row("1", 0.5, **{"12": 0.4}),
        row(" is"),
    ]
    merged = Unmasker(VALUES).add(rows, ended=True)[0]
    found = {c.text_bytes: math.exp(c.logprob) for c in merged.candidates}
    assert merged.text_bytes == b" Anna Weber"
    assert found[b" Anna Weber"] == pytest.approx(0.6 * 0.9 * 0.5)
    assert found[b" Tom"] == pytest.approx(0.6 * 0.9 * 0.4)
    assert found[b" the"] == pytest.approx(0.3)
    assert set(found) == {b" Anna Weber", b" Tom", b" the"}
    assert merged.restored
    assert {c.text_bytes for c in merged.candidates if c.restored} == {b" Anna Weber", b" Tom"}


def test_a_candidate_that_begins_a_placeholder_is_not_offered() -> None:
    rows = Unmasker(VALUES).add(
        [row(" the", 0.5, _PERSON=0.3, _PERSON__1=0.1, _PEAR=0.05), row(" end")], ended=True
    )
    assert {c.text_bytes for c in rows[0].candidates} == {b" the", b" Anna Weber", b" PEAR"}
    assert [c.text_bytes for c in rows[0].candidates if c.restored] == [b" Anna Weber"]
    assert not rows[0].restored


def test_what_follows_a_placeholder_in_its_last_token_keeps_its_probabilities() -> None:
    rows = [row(" PERSON", 0.8), row("_1,", 0.3, **{"__1": 0.2, "__1.": 0.1, "__12": 0.4})]
    merged, rest = Unmasker(VALUES).add([*rows, row(" x")], ended=True)[:2]
    found = {c.text_bytes: math.exp(c.logprob) for c in merged.candidates}
    assert found == pytest.approx({b" Anna Weber": 0.8 * 0.6, b" Tom": 0.8 * 0.4})
    found = {c.text_bytes: math.exp(c.logprob) for c in rest.candidates}
    assert found == pytest.approx({b",": 0.5, b".": 1 / 6})  # the rest is not known: the tail
