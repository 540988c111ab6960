"""Identifiers by their shape or the label in front of them, and what only looks like one."""

import pytest

from floe.privacy.detection.decisive import hard_signs
from floe.privacy.detection.labels import find_labelled
from floe.privacy.detection.names import find_names
from floe.privacy.detection.normalise import normalise
from floe.privacy.detection.statements import deals_with_somebody, with_ties


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("licence: 9QKD3-7WX2M-PL84T-R6Z1V-HN55C", "9QKD3-7WX2M-PL84T-R6Z1V-HN55C"),
        ("the bitlocker recovery key starts 7K2P-QM91-XX3T", "7K2P-QM91-XX3T"),
        ("gift card 7F3K-91QX, is it still good", "7F3K-91QX"),
        ("they clamped the van, HG-472-ZR", "HG-472-ZR"),
        ("a white lorry, WN19 KLP, hit us", "WN19 KLP"),
        ("Mein Auto M-RT 5521 wurde zerkratzt", "M-RT 5521"),
        ("OIB 69435151530", "69435151530"),
        ("UTR: 8823014957", "8823014957"),
        ("CNIC 42101-8837264-5", "42101-8837264-5"),
        ("council tax account 8827103945", "8827103945"),
        ("frequent flyer LH 55210388", "LH 55210388"),
        ("meet at ///lamp.rivers.cheese", "lamp.rivers.cheese"),
        ("my cabin is 9F4M7C2Q+XR", "9F4M7C2Q+XR"),
        ("it says G-448201, who asked for that", "G-448201"),
        ("totp secret KRSX G5DJ NZTQ", "KRSX G5DJ NZTQ"),
        ("the pin is seven one one four", "seven one one four"),
        ("lobby: dial 4 then 7731", "7731"),
        ("serial number of the camera 4NX88210K", "4NX88210K"),
        ("the vault: 31 right, 7 left, 19 right", "31 right, 7 left, 19 right"),
        ("disarm it with 6620 please", "6620"),
        ("my landline: double-four one nine oh two", "double-four one nine oh two"),
    ],
)
def test_a_labelled_value_is_found(text: str, value: str) -> None:
    plain = normalise(text).text
    assert value in {plain[sign.start : sign.end] for sign in find_labelled(plain)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password for the zip: Quince-Jelly-4", "Quince-Jelly-4"),
        ("my cashapp is $quincejelly4", "$quincejelly4"),
    ],
)
def test_a_value_after_a_longer_label_is_found(text: str, value: str) -> None:
    plain = normalise(text).text
    assert value in {plain[sign.start : sign.end] for sign in hard_signs(plain)}


@pytest.mark.parametrize(
    "text",
    [
        "Is a BMW X5 or an Audi A4 the better car?",
        "The car does 0-100 in 5 s and has 320 HP",
        "My Mazda RX-7 is a car from 1992",
        "Which car is the F-150?",
        "key 550e8400-e29b-41d4-a716-446655440000 in the table",
        "Use the product key XXXXX-XXXXX-XXXXX",
        "PIN one two many",
        "The RUN command and NIT 3",
        "group 4 beat group 5",
        "ISO 9001 and VAT in Germany is 19 %",
        "the sample has 12000 rows",
        "Press 1 then 2 at the door of the level",
        "G-7 summit",
        "a/b/c and //// comment.like.this",
    ],
)
def test_what_only_looks_labelled_is_none(text: str) -> None:
    assert [*find_labelled(normalise(text).text)] == []


def test_who_is_dealt_with_is_somebody_and_a_thing_is_not() -> None:
    def deals(text: str) -> bool:
        return deals_with_somebody(text, with_ties(text, find_names(text)))

    assert deals("Did you get the parcel from Oighrig?")
    assert deals("Move the booking from Threlkeld to Wisniak")
    assert deals("a table under the name Threlkeld")
    assert deals("Give the form to Oighrig, not to me")
    assert deals("Oighrig and I had a row")
    assert deals("Where did Oighrig leave the charger?")
    (signed,) = with_ties("a. nowak calls the bank", [])
    assert (signed.start, signed.form) == (0, "full")
    (family,) = with_ties("write to the Nowaks that we moved", [])
    assert family.form == "given"
    assert not deals("Did you get the file from Dropbox?")
    assert not deals("Make a slide to introduce Cantonese")
    assert not deals("Change the flight from Paris to Rome")
    assert not deals("Where did Napoleon leave his army?")
    assert deals("Summer and I sang a song")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("moved from 3 May to the 10th of April", []),
        ("May 3rd suits me", []),
        ("Tell May it is on 3 May", ["May"]),
    ],
)
def test_a_month_beside_a_day_is_nobody(text: str, names: list[str]) -> None:
    found = with_ties(text, find_names(text))
    assert [text[each.start : each.end] for each in found] == names
