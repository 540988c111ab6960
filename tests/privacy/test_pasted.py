"""What people paste and how they write names: documents, tables, small letters, odd files."""

import json
from pathlib import Path

import pytest

from floe.privacy import choices
from floe.privacy.command import Judge, main, read_lines
from floe.privacy.detection.addresses import ADDRESSES
from floe.privacy.detection.analysis import Analysis
from floe.privacy.detection.identifiers import find_identifiers
from floe.privacy.detection.names import find_names
from floe.privacy.detector import Detector
from floe.privacy.lexicon import Lexicon
from floe.privacy.verdict import Leniency
from floe.records import ChatMessage
from floe.store import Store

LETTER = (
    "Improve my cover letter: Dear Ms. Carrington, I am writing to apply for the post of Junior "
    "Analyst at Dunmore Capital. I studied at the University of Leeds and worked for two years at "
    "Briggs & Sowerby in Hull.\nSincerely, Oliver Tranter"
)


def masked(detector: Detector, folder: Path, *turns: str) -> str:
    """Return what the cloud would see of the last turn under pseudonyms; empty: nothing."""
    with Store(folder / "floe.db") as store:
        choices.set_policy(store, "pseudonyms")
        judge = Judge(store, detector, "pseudonyms")
        sent = judge.judge([ChatMessage("user", turn) for turn in turns])["sent"]
    assert isinstance(sent, list)
    return str(sent[-1]["content"]) if sent else ""


def test_in_a_pasted_letter_firms_and_schools_are_masked_with_the_names(
    detector: Detector, tmp_path: Path
) -> None:
    sent = masked(detector, tmp_path, LETTER)
    assert sent.startswith("Improve my cover letter: Dear Ms. PERSON_1, I am writing to apply")
    for word in ("Carrington", "Tranter", "Dunmore", "Leeds", "Briggs", "Sowerby"):
        assert word not in sent


def test_in_a_short_message_a_town_carries_the_question(detector: Detector, tmp_path: Path) -> None:
    sent = masked(detector, tmp_path, "My niece Brigid moved to Leeds. Write a card to Brigid.")
    assert "Leeds" in sent
    assert "Brigid" not in sent


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("name,team\nOlga Petrenko,sales\nYusuf Demir,ops\nWho of them should lead?", True),
        ("first;last;fee\nIngrid;Solberg;120\nTeo;Marin;80\nAdd five to each fee.", True),
        ("id,name,score\n1,Ada,90\n2,Bob,72\ncompute the mean", False),
        ("Hello, this is Dr. Lorenz Kiefer. Who are you?", True),
    ],
)
def test_a_table_of_people_and_a_greeting_by_name_stay(
    detector: Detector, text: str, *, private: bool
) -> None:
    assert detector.examine(text).private is private


@pytest.mark.parametrize(
    ("question", "reply", "private"),
    [
        ("Are you HIV positive?", "yes", True),
        ("Have you ever been convicted of an offence?", "yes, assault, 2016", True),
        ("Do you have any allergies?", "no", False),
        ("Which unit should I convert to?", "fahrenheit", False),
        ("Which code opens the server room?", "four four one nine", True),
    ],
)
def test_a_yes_is_an_answer_where_the_question_has_said_it_all(
    detector: Detector, question: str, reply: str, *, private: bool
) -> None:
    before = [ChatMessage("user", "help me with a form"), ChatMessage("assistant", question)]
    assert detector.examine(reply, before=before).private is private


def shown(values: list[str], text: str) -> str:
    """Return a text with what is known of some names in angle brackets."""
    known = Lexicon()
    for value in values:
        known.add(value, "name")
    for found in reversed(known.find(text)):
        text = f"{text[: found.start]}<{text[found.start : found.end]}>{text[found.end :]}"
    return text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Melody", "<Melody> hums a melody. Tell <melody> to stop."),
        ("hope", "my friend <hope> has hope again. write <hope> a text"),
        ("will", "my bf <will> says he will come. tell <will> no"),
        ("Alma", "Mi hija <Alma> tiene un alma buena."),
        ("Pierre Lapierre", "<Pierre> jette des pierres."),
        ("Henderson", "the <hendersons> and <Henderson>"),
        ("Annika", "Annikas Vater ruft <annika> an".replace("Annikas", "<Annikas>")),
    ],
)
def test_a_name_that_is_a_word_is_masked_where_it_is_a_name(name: str, text: str) -> None:
    assert shown([name], text.replace("<", "").replace(">", "")) == text


def test_whoever_has_parkinsons_is_not_called_parkinson() -> None:
    text = "Explain Parkinson's and Crohn's disease to Mr. Crohn."
    assert [text[name.start : name.end] for name in find_names(text)] == ["Crohn"]
    assert find_names(text)[0].start > text.index("Mr.")


def test_names_are_found_in_capitals_and_after_kin_in_small_letters() -> None:
    for text, name in [
        ("MY BROTHER DEREK SHAW OWES ME MONEY", "DEREK SHAW"),
        ("my bf will says so", "will"),
    ]:
        assert [text[each.start : each.end] for each in find_names(text)] == [name]
    assert find_names("my wife will come") == []


@pytest.mark.parametrize("text", ["Output 1 for yes", "After 8 months", "place in Qatar from 20"])
def test_words_of_a_sentence_with_a_number_are_no_street(text: str) -> None:
    assert not list(ADDRESSES.find(text))


def test_a_wallet_that_is_somebodys_is_an_account() -> None:
    text = "ETH address 0x52908400098527886E0F7030069857D2E4169EE7 is mine"
    assert {sign.kind for sign in find_identifiers(text)} == {"account number"}


def test_odd_rows_of_a_file_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[object] = [
        {"text": "hello\u2028there", "label": 3},
        {"messages": [{"role": "system", "content": "be nice"}]},
        {
            "messages": [
                {"role": "developer", "content": "be nice"},
                {"role": "user", "content": [{"type": "text", "text": "my ssn is 536-22-8741"}]},
            ]
        },
        {
            "messages": [
                {"role": "tool", "content": "rain"},
                {"role": "assistant", "content": None},
                {"role": "user", "content": "so, an umbrella?"},
            ]
        },
    ]
    path = tmp_path / "odd.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines.append('{"text": "half \\ud800 a sign"}')
    path.write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n\r\n").encode())
    assert len(read_lines(path)) == 5
    assert main([str(path)]) == 0
    judged = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert [each["private"] for each in judged] == [False, False, True, False, False]
    assert judged[0]["sent"] == [{"role": "user", "content": "hello\u2028there"}]


@pytest.mark.parametrize(
    "text",
    [
        # A chat, whatever is asked about it.
        "Sum up this chat.\nBrigid: Did you pay?\nTomasz: Not yet\nBrigid: He waits for it",
        "Oluwaseun: What an evening.\nBrigid: How can I ever thank you?",
        "Is she cross? Brigid: when do you come home. Me: late",
        # Letters and mails: a greeting and a signature, a head, what was quoted.
        "Check the commas: Dear Brigid, the flat is yours from May. Best wishes, Tomasz",
        "From: Brigid Tranter\nTo: Tomasz Kiefer\nSubject: keys\n\nLeave them with the porter.",
        "Make it kinder.\nOn Tue, 3 March Brigid Tranter wrote:\n> You never told me that the "
        "boiler broke.\n> I had to wash the children in the kitchen sink, for three whole weeks.",
        # Minutes.
        "Turn this into a table. Attendees: Brigid, Tomasz. Decided: the fence is painted in May.",
        # Papers about somebody: with a name, or without one.
        "Make a resume out of this: Brigid Tranter, Hull, six years in sales, wants to lead.",
        "Tidy this up:\nExperience\nForeman, 2012-2018\nEducation\nTrade school, 2009",
        "Write the background for my visa: born in Tehran, studied in Shiraz, employed since 2016",
    ],
)
def test_a_paper_of_somebody_stays_whatever_is_asked_about_it(
    detector: Detector, text: str
) -> None:
    assert detector.examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "Write a dialogue for a play.\nBrigid: Who is there?\nTomasz: It is only the wind.",
        "Dear [Name], thank you for your interest in our position. Best regards, [Your name]",
        "Question: What is a cover letter?\nAnswer: A page that goes with a resume.",
        "Write a template of a resume with the headings Experience, Education and Skills.",
        "Note: bring a tent.\nWarning: it rains in May.",
        "From: Berlin\nTo: Paris\nWhich train is the fastest?",
    ],
)
def test_what_only_looks_like_a_paper_may_go(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


def test_a_question_of_yes_or_no_after_a_persons_deeds_is_no_quiz(detector: Detector) -> None:
    told = "We kept talking about the song that Brigid Tranter wrote for the village."
    assert detector.examine(f"{told} Isn't that a kind thing to do?").private
    assert detector.examine(f"{told} Is there a nicer one?").private


@pytest.mark.parametrize(
    "text",
    [
        "Did Casimir Thorne sign the lease before he left?",
        "How many guests has Leocadia invited to the party?",
        "The reading group heard a play that Ottilie Hargreave wrote in her kitchen.",
        "I was arrested in 2015, do I have to declare it?",
    ],
)
def test_who_names_a_person_is_asked_though_it_may_be_a_quiz(detector: Detector, text: str) -> None:
    assert detector.examine(text).private


def test_names_learnt_as_harmless_no_longer_hold_a_text_back() -> None:
    text = "How long has Leocadia lived there?"
    assert Analysis([]).examine(text).unsure
    assert not Analysis([], Leniency(harmless=frozenset(["leocadia"]))).examine(text).private


@pytest.mark.parametrize(
    "text",
    [
        "I am allergic to penicillin.",
        "I work as a nurse at the Larkfield clinic.",
        "My son is allergic to nuts",
    ],
)
def test_a_text_that_opens_with_its_writer_needs_less_evidence(
    detector: Detector, text: str
) -> None:
    assert detector.examine(text).private
