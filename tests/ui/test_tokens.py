from types import SimpleNamespace
from typing import Any, cast

import pytest

from floe.chat.assistant import Assistant
from floe.chat.continuation import SHOWN_ALTERNATIVES
from floe.errors import StoreError
from floe.records import Alternative, Source, TokenStep
from floe.ui.chat.tokens import END, hex_bytes, token_page, token_rows, token_text


def step(text_bytes: bytes, source: Source = "fused", **changes: Any) -> TokenStep:
    values: dict[str, Any] = {
        "token_id": 7,
        "text_bytes": text_bytes,
        "p_local": 0.123456,
        "p_cloud": 0.5,
        "p_fused": 0.25,
        "weight": 0.5,
        "source": source,
        "at_ms": 12.6,
    }
    return TokenStep(**{**values, **changes})


def test_a_row_holds_what_the_browser_draws() -> None:
    others = (Alternative(b" cat", 0.1, None, 0.2),)
    rows = token_rows([step(b" dog", alternatives=others)])
    assert rows == [
        (" dog", 0, "", "fused", 0.5, 0.1235, 0.5, 0.25, 13, [(" cat", 0.1, None, 0.2)])
    ]


def test_a_side_that_was_not_asked_stays_unknown() -> None:
    (row,) = token_rows([step(b"x", "late", p_cloud=None, weight=1.0)])
    assert row[3:7] == ("late", 1.0, 0.1235, None)


def test_a_character_in_pieces_is_whole_at_its_last_token() -> None:
    whole = "\N{SLIGHTLY SMILING FACE}".encode()
    rows = token_rows([step(b"a"), step(whole[:2]), step(whole[2:3]), step(whole[3:] + b"!")])
    texts, parts, own = zip(*(row[:3] for row in rows), strict=True)
    assert parts == (0, 1, 1, 2)
    assert texts == ("a", hex_bytes(whole[:2]), hex_bytes(whole[2:3]), whole.decode() + "!")
    assert own == ("", hex_bytes(whole[:2]), hex_bytes(whole[2:3]), hex_bytes(whole[3:]) + "!")


def test_a_token_that_ends_one_character_and_begins_the_next_shows_both() -> None:
    first, second = "\u4f60".encode(), "\u597d".encode()
    rows = token_rows([step(first[:1]), step(first[1:] + second[:1]), step(second[1:])])
    assert [row[0] for row in rows] == [
        hex_bytes(first[:1]),
        "\u4f60" + hex_bytes(second[:1]),
        "\u597d",
    ]
    assert [row[1] for row in rows] == [1, 1, 2]


@pytest.mark.parametrize("have", range(5))
def test_rows_asked_for_later_are_the_same_rows(have: int) -> None:
    whole = "\N{SLIGHTLY SMILING FACE}".encode()
    steps = [step(whole[:1]), step(whole[1:3]), step(whole[3:]), step(b" end")]
    assert token_rows(steps, have) == token_rows(steps)[have:]


def test_only_the_most_probable_alternatives_are_sent() -> None:
    many = tuple(Alternative(b"%d" % i, None, None, i / 100) for i in range(20))
    (row,) = token_rows([step(b"x", alternatives=many)])
    assert [text for text, *_ in row[9]] == [str(i) for i in range(19, 19 - SHOWN_ALTERNATIVES, -1)]


def test_the_end_of_the_text_and_broken_bytes_can_be_seen() -> None:
    assert token_text(b"") == END
    assert token_text(b"a\xf0\x9f") == "a" + hex_bytes(b"\xf0\x9f")
    assert hex_bytes(b"\xf0\x9f") == "\u2039F0\u202f9F\u203a"


def assistant(running: Any, kept: Any) -> Assistant:
    def token_steps(message_id: int) -> list[TokenStep]:
        if message_id not in kept:
            raise StoreError("gone")
        return cast(list[TokenStep], kept[message_id])

    store = SimpleNamespace(token_steps=token_steps)
    return cast(Assistant, SimpleNamespace(running=lambda _: running, store=store))


def test_a_running_answer_is_read_from_its_turn_and_an_ended_one_from_the_store() -> None:
    view = SimpleNamespace(steps=[step(b"a"), step(b"b")])
    turn = SimpleNamespace(message_id=5, view=lambda: view)
    both = assistant(turn, {4: [step(b"old")]})
    live = token_page(both, [1, 5, 1])
    assert live["live"] is True
    assert [row[0] for row in live["rows"]] == ["b"]
    ended = token_page(both, [1, 4, 0])
    assert ended["live"] is False
    assert [row[0] for row in ended["rows"]] == ["old"]


def test_a_deleted_message_has_no_rows() -> None:
    assert token_page(assistant(None, {}), [1, 9, 0]) == {"rows": [], "live": False}
