"""Everyday prompts: what only looks like somebody's, and what is in spite of a frame."""

import pytest

from floe.privacy.detection.decisive import hard_signs
from floe.privacy.detection.names import find_names
from floe.privacy.detection.normalise import normalise
from floe.privacy.detection.papers import is_paper_of_somebody
from floe.privacy.detection.programs import is_program
from floe.privacy.detection.statements import is_written_to
from floe.privacy.detector import Detector


@pytest.mark.parametrize(
    "text",
    [
        "Living or not: moss, pants, bees, cider, mug, goat, quill, lamp, cow, pig, comb, otter",
        "Ilmari Kettu (born 6 December 1997), is a Finnish skier who races in the downhill",
        "Ada Brunel (also Bru; born March 28, 1986), known as Mme Zed, is an American singer",
        "Venus (0.718\u20130.728 AU from the Sun) is the second planet",
        "An instalment of about 20000-30000 a month",
        "Vasquez v. Reyes, 321 U.S. 118 (1944), was a decision of the court",
        "the 1893 Grand Exhibition of the Ohio Valley in Dayton",
        "5 Best place to visit near Mysore",
        "I put 272g of flour into it",
        "each first place vote is worth 10 points",
        "Omaha 600\nTulsa 400\nReno 500\n",
        "ich habe mich gefreut das sie gekommen sind und hoffe auf ein baldiges wiedersehen",
        "file numbers of a court such as 12 C 345/20 or 4 StR 17/19",
        "Which is the fastest: Toyota Supra, Mitsubishi 3000GT, Mazda RX-7?",
    ],
)
def test_what_only_looks_like_an_identifier_is_none(text: str) -> None:
    assert hard_signs(normalise(text).text) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "password",
            "my seed: moss, pants, bees, cider, mug, goat, quill, lamp, cow, pig, comb, otter",
        ),
        ("birth date", "Ilmari Kettu (born 6 December 1997) is a patient of ours"),
        ("birth date", "Klara (born 6 May 1990) has applied for the flat"),
        ("address", "14 Elm Place"),
        ("address", "1620 Linden View"),
        ("address", "via roma 12, firenze"),
        ("postcode", "ik woon op 1012 AB Amsterdam"),
    ],
)
def test_what_is_an_identifier_stays_one(kind: str, text: str) -> None:
    assert kind in {sign.kind for sign in hard_signs(normalise(text).text)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Given a reference text about Ilmari Kettu, when did he win?", False),
        ("Extract the dates from the text\nIlmari Kettu was a skier.", False),
        ("please text Ilmari Kettu that I am late", True),
        ("write to aunt Ilma Kettu that I am late", True),
    ],
)
def test_a_text_about_somebody_is_not_written_to_them(text: str, expected: bool) -> None:
    assert is_written_to(text, find_names(text)) is expected


_LONG = " The committee met in the old hall and went through the accounts of the year." * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"When was the band formed?\n{_LONG} Ilmari Kettu lost his contract then.{_LONG}", False),
        ("Explain the output\n> C\n" + _LONG + " Ilmari Kettu wrote it.", False),
        ("Members\nAsia: 47 teams\nAfrica: 54 teams\nwho has more?", False),
        (f"Check this contract: Ilmari Kettu rents the shed to us.{_LONG}", True),
        (f"{_LONG} Please look over my employment contract with Ilmari Kettu.{_LONG}", True),
        ("Ilmari: are you up\nAsia: no\nIlmari: get up", True),
    ],
)
def test_a_word_deep_in_a_text_does_not_make_it_a_paper(text: str, expected: bool) -> None:
    assert is_paper_of_somebody(text, find_names(text)) is expected


def test_source_code_is_a_program_and_data_is_none() -> None:
    assert is_program(
        "import random\nclass Role:\n    def __init__(self, blood):\n        self.b = blood"
    )
    assert not is_program('{"name": "Ilma", "diagnosis": "asthma", "notes": ["seen (twice)"]}')
    assert not is_program("class Boss: # my boss\n    def shout(self):\n        return my_pay == 0")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tell my roommate priyamvada to do the dishes", "priyamvada"),
        ("our cleaner mrs. okonjo broke the vase", "okonjo"),
        ("write a note to frau petersen about the noise", "petersen"),
        ("my phone is a samsung and my sister drinks", ""),
        ("стихи на тему: любовь", ""),
        ("Придумай тост", ""),
    ],
)
def test_a_name_in_small_letters_is_one_after_kin_or_a_title(text: str, name: str) -> None:
    assert [text[each.start : each.end] for each in find_names(text)] == ([name] if name else [])


@pytest.mark.parametrize(
    "text",
    [
        "there is blood in my urine",
        "my stepfather hits me",
        "i stole from the till",
        "my salary is 61,500, is that fair?",
        "our firm will close the plant in may",
        "i am in love with a colleague",
    ],
)
def test_politeness_hides_nothing(detector: Detector, text: str) -> None:
    """A greeting and thanks are half of a short message, and say nothing of what it is about."""
    end = "" if text.endswith("?") else "."
    for framed in (
        text,
        f"Hi there! {text}{end} Thank you so much.",
        f"Hello, {text}{end} Thanks in advance!",
    ):
        assert detector.examine(framed).private, framed


@pytest.mark.parametrize(
    "text",
    [
        "Hi there! How do I fix a leaking tap? Thank you so much.",
        "Thank you for your help. What is the capital of Peru?",
        "Which of these are painters: Ilmari Kettu, Frida Kahlo, Bo Lind?",
        "Tell me about the career of the skier Ilmari Kettu",
        "Mary is twice as old as Bea. In 2 years Mary is 12. How old is Bea? Explain why.",
        "thanks!",
    ],
)
def test_everyday_tasks_go_though_they_name_people(detector: Detector, text: str) -> None:
    assert not detector.examine(text).private


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("is it normal that my penis bends", True),
        ("my vagina itches, what cream helps", True),
        ("meine Scheide brennt", True),
        ("since the pill my sex drive is gone", True),
        ("i fantasise about my best friend", True),
        ("I keep fantasizing about her", True),
        ("What does the prostate do?", False),
        ("Why do men have nipples?", False),
    ],
)
def test_what_is_said_of_ones_own_body_in_private_stays(
    detector: Detector, text: str, *, private: bool
) -> None:
    assert detector.examine(text).private is private
