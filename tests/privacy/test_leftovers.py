"""What leaves a private text with placeholders leads to nobody; what carries the question stays."""

import pytest

from floe.privacy.detection.leftovers import find_leftovers
from floe.privacy.detection.rules import Sign


def masked(text: str, *names: str, homes: tuple[str, ...] = ()) -> str:
    """Return a text with all that was found, names and homes, and all leftovers as their kinds."""
    found = [Sign(text.index(n), text.index(n) + len(n), "name", 1.0) for n in names]
    found += [Sign(text.index(n), text.index(n) + len(n), "address", 1.0) for n in homes]
    places: list[tuple[int, int, str]] = []
    for start, end, kind, _ in sorted(
        [*found, *find_leftovers(text, found)], key=lambda s: (s[0], -s[1])
    ):
        if places and start < places[-1][1]:
            places[-1] = (places[-1][0], max(end, places[-1][1]), places[-1][2])
        else:
            places.append((start, end, kind))
    for start, end, kind in reversed(places):
        text = f"{text[:start]}<{kind}>{text[end:]}"
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("whatsapp 082 555 0199", "whatsapp <number>"),
        ("call 01632 960 781", "call <number>"),
        ("404-555-0127 only", "<number> only"),
        ("pay to DE29 2856 2297 0112 9604 00", "pay to <number>"),
        ("police ref PS/2291/24", "police ref <number>"),
        ("inmate #B-770312", "inmate #<number>"),
        ("a grey Golf, KX19 VBT", "a grey Golf, <number>"),
        ("me (CA 418-229), him (CF 90 112)", "me (<number>), him (<number>)"),
        ("pass x7#Qm!twr29", "pass <password>"),
        ("membership (no. 0482)", "membership (no. <number>)"),
        ("the brokerage, ending in 7781", "the brokerage, ending in <number>"),
        ("card ****4471", "card ****<number>"),
        ("the code is still 0917", "the code is still <number>"),
        ("personnel no 118377", "personnel no <number>"),
        ("Bond lodgement 5530917-002", "Bond lodgement <number>"),
        ("mail pascale.roy@nordmetrix.example", "mail <e-mail>"),
        ('"Amin, Bo",1990-02-17,41200', '"Amin, Bo",<date>,41200'),
        ("MS;08.03.1984;x", "MS;<date>;x"),
        ("born on March 3, 1984", "born on <date>"),
        ("exp 09/27", "exp <number>"),
        ("login xX_duck7_Xx", "login <handle>"),
        ("max's login is mxtorres and", "max's login is <handle> and"),
        ("DB_USER=pkovacs;", "DB_USER=<handle>;"),
        ("the login is required", "the login is required"),
        ("alarm 4093, locker 17", "alarm <number>, locker 17"),
        ("at her nans (8 cobbler st), in the rain", "at her nans (<address>), in the rain"),
        ("Tous l'appellent JB. Mon idée", "Tous l'appellent <name>. Mon idée"),
        ("on Holt Street 14 from 2019 to 2023", "on <address> from 2019 to 2023"),
        ("at 5 Park Row, since 3 March 2018", "at <address>, since <date>"),
        ("everyone calls him Tubs and", "everyone calls him <name> and"),
        ("she calls me every day", "she calls me every day"),
    ],
)
def test_numbers_and_codes_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I owe her 4200 euros, and 1,840 for the boat, $12,500 in all",
        "a salary of 65000, with 2,000,000 forint more, or 12000 kr",
        "at 14:02, then 7:30 pm, from 2019 to 2023, in 2019-2023",
        "we walked 12000 steps and 42 km, 3-4 times, 50 % of it",
        "a row of 12 15 18 22 31",
        "type 2, COVID-19, B12, ISO27001, MP3, the 1990s, 100mg, 1080p",
        "on 5 Feb, 19 March and 12/05",
        "I am 34, she is 61, room 12",
        "3 doors down the road, 5 miles along the close",
        "he called me Monday, they called her Sir",
    ],
)
def test_amounts_times_and_terms_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("ask nadia.rusi92 today", ("nadia",), "ask <name> today"),
        ("dr verstappen-kuipers", ("verstappen",), "dr <name>"),
        ("give it to Lev Rabin", ("Rabin",), "give it to <name>"),
        (
            "Mr Rabin retires, as Ada Rabin was born",
            ("Rabin",),
            "Mr <name> retires, as <name> was born",
        ),
        ("Dear Mrs Osei, thanks", ("Osei",), "Dear Mrs <name>, thanks"),
        ("call Inmaculada (Inma) now", ("Inmaculada",), "call <name> (<name>) now"),
        ("Rota: Tue Osei, Wed Priya", ("Priya",), "Rota: Tue Osei, Wed <name>"),
        ("who is gulnara bekova", ("bekova",), "who is <name>"),
        ("what did bekova say", ("bekova",), "what did <name> say"),
        ("Yesterday Osei came", ("Osei",), "Yesterday <name> came"),
    ],
)
def test_all_of_a_name_is_masked(text: str, names: tuple[str, ...], expected: str) -> None:
    assert masked(text, *names) == expected


@pytest.mark.parametrize(
    ("text", "homes", "expected"),
    [
        ("5 Mill Lane, Ashwater until noon", ("5 Mill Lane",), "<address>, <address> until noon"),
        ("The Old Forge, 5 Mill Lane", ("5 Mill Lane",), "<address>"),
        ("Flat 6, 5 Mill Lane", ("5 Mill Lane",), "<address>"),
        ("5 Mill Lane, Porto, 3 lessons", ("5 Mill Lane",), "<address>, <address>, 3 lessons"),
        ("5 Mill Lane, 2nd floor", ("5 Mill Lane",), "<address>, <address>"),
        ("he sleeps at Camp 7, Street 43", (), "he sleeps at <address>"),
        ("resident Odos Evripidou 31, Chios", (), "resident <address>"),
        ("she lives in France", (), "she lives in France"),
    ],
)  # fmt: skip
def test_all_of_a_home_is_masked(text: str, homes: tuple[str, ...], expected: str) -> None:
    assert masked(text, homes=homes) == expected


@pytest.mark.parametrize("part", ["a1#", "#a", "Aa Bb, ", "12 34-56 ", "a_b1-", "a1#!x "])
def test_a_long_row_of_symbols_is_read_within_the_time_of_a_rule(part: str) -> None:
    """A pattern that begins anew at each place would need longer than `rules` lets it."""
    list(find_leftovers(part * (40_000 // len(part)), []))
