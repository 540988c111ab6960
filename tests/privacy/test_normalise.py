"""Every disguise becomes plain, and every place leads back to the text as it was written."""

# ruff: noqa: RUF001 (look-alike characters are meant)

import pytest

from floe.privacy.detection.normalise import normalise

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    "written",
    [
        "4111\u00a01111\u00a01111\u00a01111",
        "4111  1111\t1111   1111",
        "4111\u200b \u20601111 1111 1111",
        "４１１１ １１１１ １１１１ １１１１",
        "4111&nbsp;1111&#160;1111&#xa0;1111",
        "4111%201111%20 1111 1111",
        "\u0664\u0661\u0661\u0661 1111 1111 1111",
    ],
)
def test_blanks_and_digits_of_all_kinds_are_one(written: str) -> None:
    assert normalise(written).text == CARD


def test_a_place_leads_back_to_what_was_written() -> None:
    written = "mail: petra&#64;gmx.net \u2013 ok"
    plain = normalise(written)
    start = plain.text.index("petra@gmx.net")
    begin, end = plain.original(start, start + len("petra@gmx.net"))
    assert written[begin:end] == "petra&#64;gmx.net"
    assert len(plain.text) == len(plain.starts) == len(plain.ends)


def test_letters_of_another_script_in_a_latin_word_are_latin() -> None:
    assert normalise("pаsswоrd").text == "password"
    assert normalise("пароль").text == "пароль"


def test_a_boundary_is_put_between_scripts_that_have_none() -> None:
    written = "我的手机号是13812345678"
    plain = normalise(written)
    assert plain.text == "我的手机号是 13812345678"
    assert plain.original(7, 18) == (6, 17)


def test_an_unknown_escape_stays_as_it_is() -> None:
    assert normalise("50% off & more &foo; %zz").text == "50% off & more &foo; %zz"
