import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe.cloud.protocol.distributions import (
    CONFIDENCE_OF_BARE_STOP,
    CONFIDENCE_WITHOUT_LOGPROBS,
    TokenReader,
    as_chat_choice,
)
from floe.records import CloudToken


def entry(token: str, logprob: float = -1.0, data: bytes | None = None) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": None if data is None else list(data)}


def choice(
    *rows: dict[str, Any], content: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    logprobs = {"content": list(rows)} if rows else None
    return {"delta": {"content": content}, "logprobs": logprobs, "finish_reason": reason}


def chosen(first: dict[str, Any], *tops: dict[str, Any]) -> dict[str, Any]:
    return {**first, "top_logprobs": list(tops)}


def one(*tops: dict[str, Any]) -> CloudToken:
    """The row whose chosen token is the first of `tops`."""
    [row] = TokenReader("").read(choice(chosen(tops[0], *tops)))
    return row


def shares(row: CloudToken) -> dict[bytes, float]:
    return {c.text_bytes: math.exp(c.logprob) for c in row.candidates}


def test_given_bytes_are_taken_as_they_are() -> None:
    assert one(entry("�", data=b"\xf0\x9f")).text_bytes == b"\xf0\x9f"
    assert one(entry("Ġliteral", data="Ġliteral".encode())).text_bytes == "Ġliteral".encode()


@pytest.mark.parametrize(
    ("token", "data"),
    [
        ("bytes: \\xf0\\x9f", b" \xf0\x9f"),
        ("\\xe2\\x9c", b"\xe2\x9c"),
        ("<0xE2>", b"\xe2"),
        ("\\x41", b"\\x41"),
        ("č", "č".encode()),
        ("Bytes:", b"Bytes:"),
    ],
)
def test_missing_bytes_are_read_from_the_token(token: str, data: bytes) -> None:
    assert one(entry(token)).text_bytes == data


def test_gpt2_spelling_is_undone_where_the_row_shows_it() -> None:
    row = one(entry("Ġcaf"), entry("ĠcafÃ©"), entry("Ċ"), entry("ðŁĺ"))
    assert row.text_bytes == b" caf"
    expected = {b" caf", " café".encode(), b"\n", "😀".encode()[:3]}
    assert {c.text_bytes for c in row.candidates} == expected


def test_letters_of_the_gpt2_alphabet_stay_letters_where_there_are_real_spaces() -> None:
    row = one(entry("č"), entry(" Ġ"), entry("ł"))
    assert {c.text_bytes for c in row.candidates} == {"č".encode(), " Ġ".encode(), "ł".encode()}


def test_spelling_is_remembered_for_rows_that_cannot_tell() -> None:
    reader = TokenReader("")
    reader.read(choice(chosen(entry("Ġa"))))
    [row] = reader.read(choice(chosen(entry("Ã©"))))
    assert row.text_bytes == "é".encode()


def test_character_in_lost_pieces_comes_whole_from_the_text() -> None:
    reader = TokenReader("")
    lost = entry("�", -0.5, "�".encode())
    assert reader.read(choice(chosen(lost, lost, entry("x", -1, b"x")), content="")) == []
    assert reader.read(choice(chosen(lost), content="")) == []
    [row] = reader.read(choice(chosen(lost), content="😀"))
    assert row.text_bytes == "😀".encode()
    assert row.candidates[0].logprob == pytest.approx(-1.5)
    [row] = reader.read(choice(chosen(entry("!", -1, b"!")), content="!"))
    assert row.text_bytes == b"!"


def test_lost_candidates_are_left_to_the_tail() -> None:
    row = one(entry("a", -1, b"a"), entry("�", -1, "�".encode()), entry("", -1))
    assert shares(row) == pytest.approx({b"a": math.exp(-1)})


def test_chosen_token_is_among_the_candidates() -> None:
    [row] = TokenReader("").read(choice(chosen(entry("z", -6, b"z"), entry("a", -0.1, b"a"))))
    assert shares(row) == pytest.approx({b"a": math.exp(-0.1), b"z": math.exp(-6)})


def test_candidates_with_the_same_bytes_are_added_but_the_same_one_is_not() -> None:
    a = entry("a", math.log(0.3), b"a")
    replica = entry("a", math.log(0.2), b"a")
    assert shares(one(a, a, replica)) == pytest.approx({b"a": 0.5})


def test_placeholders_are_dropped_except_for_the_chosen_token() -> None:
    a, b, c = entry("a", -9999.0, b"a"), entry("b", -math.inf, b"b"), entry("c", -1, b"c")
    row = one(a, b, c)
    assert [x.text_bytes for x in row.candidates] == [b"c", b"a"]
    assert row.candidates[1].logprob > -100


def test_ends_are_one_candidate_and_an_end_row_is_the_last() -> None:
    tops = [
        entry("<|im_end|>", math.log(0.4), b""),
        entry("</s>", math.log(0.2), b"</s>"),
        entry("ok", math.log(0.1), b"ok"),
    ]
    reader = TokenReader("")
    [row] = reader.read(choice(chosen(tops[0], *tops)))
    assert row.end
    assert row.text_bytes == b""
    assert [(c.text_bytes, c.end) for c in row.candidates] == [(b"", True), (b"ok", False)]
    assert math.exp(row.candidates[0].logprob) == pytest.approx(0.6)
    assert reader.ended
    assert reader.read(choice(chosen(tops[2], *tops))) == []
    assert reader.read(choice(reason="stop")) == []


def test_stop_without_a_row_becomes_one_of_stated_confidence() -> None:
    reader = TokenReader("")
    reader.read(choice(chosen(entry("a", -1, b"a"))))
    [row] = reader.read(choice(reason="stop"))
    assert row.end
    assert math.exp(row.candidates[0].logprob) == pytest.approx(CONFIDENCE_OF_BARE_STOP)


def test_length_is_not_an_end_of_the_text() -> None:
    reader = TokenReader("")
    assert reader.read(choice(reason="length")) == []
    assert not reader.ended
    assert reader.finish_reason == "length"


def test_repeated_partial_message_does_not_matter() -> None:
    reader = TokenReader("Once upon")
    assert reader.read(choice(content="Once upon")) == []
    [row] = reader.read(choice(chosen(entry(" a", -1, b" a")), content=" a"))
    assert row.text_bytes == b" a"
    assert [row.end for row in reader.read(choice(reason="stop"))] == [True]


@pytest.mark.parametrize("first", ["Once upon", "Once upon a"])
def test_without_logprobs_text_is_a_candidate_of_stated_confidence(first: str) -> None:
    reader = TokenReader("Once upon")
    rows = reader.read(choice(content=first))
    for content in (" time", ", there"):
        rows += reader.read(choice(content=content))
    rows += reader.read(choice(reason="length"))
    text = b"".join(row.text_bytes for row in rows).decode()
    assert text == first.removeprefix("Once upon") + " time, there"
    for row in rows:
        [candidate] = row.candidates
        assert candidate.text_bytes == row.text_bytes
        assert math.exp(candidate.logprob) == pytest.approx(CONFIDENCE_WITHOUT_LOGPROBS)


def test_one_piece_without_logprobs_is_not_lost() -> None:
    reader = TokenReader("Once")
    rows = reader.read(choice(content=" upon")) + reader.read(choice(reason="stop"))
    assert [(row.text_bytes, row.end) for row in rows] == [(b" upon", False), (b"", True)]


@given(
    st.lists(st.tuples(st.binary(max_size=3), st.floats(0.001, 1)), min_size=1, max_size=20).map(
        lambda pairs: [(data, p / sum(q for _, q in pairs)) for data, p in pairs]
    )
)
def test_candidates_are_distinct_sorted_and_keep_their_mass(
    pairs: list[tuple[bytes, float]],
) -> None:
    tops = [entry(f"t{i}", math.log(p), data) for i, (data, p) in enumerate(pairs)]
    row = one(*tops)
    expected: dict[bytes, float] = {}
    for data, p in pairs:
        if "�".encode() not in data:
            expected[data] = expected.get(data, 0) + p
    assert shares(row) == pytest.approx(expected)
    logprobs = [c.logprob for c in row.candidates]
    assert logprobs == sorted(logprobs, reverse=True)
    assert all(c.end == (not c.text_bytes) for c in row.candidates)


@pytest.mark.parametrize(
    "broken",
    [
        choice({"token": "a"}),
        choice(chosen(entry("a", -1, b"a"), {"token": "b"})),
        choice({**chosen(entry("a")), "bytes": [300]}),
        {"delta": "text"},
    ],
)
def test_what_is_not_the_protocol_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        TokenReader("").read(broken)


def read_raw(choice: dict[str, Any]) -> list[CloudToken]:
    return TokenReader("").read(as_chat_choice(choice))


def test_raw_completion_is_read_as_a_chat() -> None:
    listed = {
        "tokens": [" a", "b"],
        "token_logprobs": [math.log(0.5), math.log(0.9)],
        "top_logprobs": [{" a": math.log(0.5), " c": math.log(0.2)}, None],
    }
    rows = read_raw({"text": " ab", "logprobs": listed, "finish_reason": "stop"})
    assert [row.text_bytes for row in rows] == [b" a", b"b", b""]
    assert shares(rows[0]) == pytest.approx({b" a": 0.5, b" c": 0.2})
    assert shares(rows[1]) == pytest.approx({b"b": 0.9})
    assert rows[2].end


def test_raw_completion_of_llama_server_has_the_rows_of_a_chat() -> None:
    given = {"content": [chosen(entry("é", -0.5, b"\xc3"), entry("é", -0.5, b"\xc3"))]}
    [row] = read_raw({"text": "", "logprobs": given})
    assert row.text_bytes == b"\xc3"


def test_raw_completion_without_logprobs_has_its_text() -> None:
    [row] = read_raw({"text": "plain", "logprobs": None})
    assert row.text_bytes == b"plain"


def test_number_alone_is_the_logprob_of_the_piece() -> None:
    [row] = read_raw({"delta": {"content": "one"}, "logprobs": math.log(0.7)})
    assert shares(row) == pytest.approx({b"one": 0.7})
    [row] = read_raw({"delta": {"content": None}, "logprobs": 0, "finish_reason": "stop"})
    assert row.end
