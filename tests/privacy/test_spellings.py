"""Pseudonyms take all of a name, come back as they were, and know it in other spellings."""

from pathlib import Path

import pytest

from floe.privacy.detection.abroad import without_words
from floe.privacy.detection.names import Name, find_names
from floe.privacy.lexicon import NAME, Found
from floe.privacy.pseudonyms import Pseudonyms
from floe.privacy.spellings import KnownValues, widened
from floe.store import Store


def _found(text: str, value: str, kind: str = NAME) -> Found:
    return Found(text.index(value), text.index(value) + len(value), kind)


@pytest.mark.parametrize(
    ("text", "value", "whole"),
    [
        ("J. R. Hartley owes me money", "Hartley", "J. R. Hartley"),
        ("T.J. Maxwell is my coach", "Maxwell", "T.J. Maxwell"),
        ("She has hepatitis B. Anna knows it", "Anna", "Anna"),
        ("Dear Mrs. St. John-Smythe, hello", "Smythe", "John-Smythe"),
        ("Ask Anna-Lena Weber", "Anna", "Anna-Lena"),
        ("Tell Grace4 to pay", "Grace", "Grace4"),
        ("x_Grace", "Grace", "x_Grace"),
        ("Grace's rent", "Grace", "Grace"),
        ("anti-Grace feelings", "Grace", "Grace"),
        ("我和张伟4号见面", "张伟", "张伟"),
        ("Annas Mutter hat Krebs und ich weiß es", "Annas", "Anna"),
        ("Lukas Mutter hat Krebs und ich weiß es", "Lukas", "Lukas"),
        ("Ask Anna whether Annas cat died", "Annas", "Anna"),
        ("my friend karims cat died", "karims", "karim"),
        ("Mail nadia.rahman@example.net", "nadia", "nadia.rahman"),
        ("Thomas is my boss", "Thomas", "Thomas"),
    ],
)
def test_a_find_is_widened_to_the_whole_name(text: str, value: str, whole: str) -> None:
    start, end, _ = widened(text, _found(text, value))
    assert text[start:end] == whole


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "floe.db")


@pytest.mark.parametrize(
    "text", ["Tell Grace4 and Tom2 that rent is due", "Grace_2 and TomX", "J. R. Grace met Tom"]
)
def test_what_is_masked_beside_digits_comes_back(store: Store, text: str) -> None:
    known = Pseudonyms(store, None)
    found = [_found(text, "Grace"), _found(text, "Tom")]
    masked = known.mask(text, found)
    assert "Grace" not in masked
    assert "Tom" not in masked
    assert known.unmask(masked) == text


@pytest.mark.parametrize(
    ("value", "kind", "text", "expected"),
    [
        ("Müller-Lüdenscheidt", NAME, "Müllers Sohn raucht", ["Müllers"]),
        ("张伟", NAME, "我的同事说张伟的妻子怀孕了", ["张伟"]),
        ("Jo-Ann", NAME, "Jo said so, and Ann", []),
        ("anja.weber@example.org", "e-mail", "Anja has MS", ["Anja"]),
        ("info.mark@example.org", "e-mail", "Mark my words", []),
    ],
)
def test_a_known_value_is_found_in_part(
    value: str, kind: str, text: str, expected: list[str]
) -> None:
    known = KnownValues()
    known.add(value, kind)
    assert [text[each.start : each.end] for each in known.find(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Annas Mutter hat Krebs und ich weiß nicht weiter", "Annas"),
        ("Ich bin Annas Tante und das ist schwer", "Annas"),
        ("Anna Tanner hat Krebs und ich weiß nicht weiter", "Anna Tanner"),
    ],
)
def test_a_noun_after_a_german_genitive_is_no_surname(text: str, expected: str) -> None:
    names: list[Name] = without_words(text, find_names(text))
    assert expected in [text[name.start : name.end] for name in names]
