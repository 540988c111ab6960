import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe.cloud.protocol.distributions import (
    CONFIDENCE_OF_BARE_STOP,
    CONFIDENCE_WITHOUT_LOGPROBS,
    TokenReader,
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


def one(*tops: dict[str, Any], text: str | bytes) -> CloudToken:
    """The row whose chosen token is the first of `tops`, which stands in the text as `text`."""
    content = text if isinstance(text, str) else whole(text)
    return TokenReader("x").read(choice(chosen(tops[0], *tops), content=content))[0]


def whole(piece: bytes) -> str:
    """A text that begins with the piece of a character."""
    for rest in (b"", b"\x80", b"\x9f\x98\x80", b"\x98\x80", b"\x93\x80"):
        try:
            return (piece + rest).decode()
        except UnicodeDecodeError:
            continue
    raise AssertionError(piece)


def shares(row: CloudToken) -> dict[bytes, float]:
    return {c.text_bytes: math.exp(c.logprob) for c in row.candidates}


def test_given_bytes_are_taken_as_they_are() -> None:
    assert one(entry("�", data=b"\xf0\x9f"), text="😀").text_bytes == b"\xf0\x9f"
    literal = entry("Ġliteral", data="Ġliteral".encode())
    assert one(literal, text="Ġliteral").text_bytes == "Ġliteral".encode()


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
    assert one(entry(token), text=data).text_bytes == data


def test_gpt2_spelling_is_undone_where_the_row_shows_it() -> None:
    row = one(entry("Ġcaf"), entry("ĠcafÃ©"), entry("Ċ"), entry("ðŁĺ"), text=" caf")
    assert row.text_bytes == b" caf"
    expected = {b" caf", " café".encode(), b"\n", "😀".encode()[:3]}
    assert {c.text_bytes for c in row.candidates} == expected


def test_sentencepiece_spelling_is_undone_also_in_its_bytes() -> None:
    tops = [entry(token, data=token.encode()) for token in ("▁far", "▁near", "ther")]
    row = one(*tops, text=" far")
    assert {c.text_bytes for c in row.candidates} == {b" far", b" near", b"ther"}


def test_letters_of_the_gpt2_alphabet_stay_letters_where_there_are_real_spaces() -> None:
    row = one(entry("č"), entry(" Ġ"), entry("ł"), text="č")
    assert {c.text_bytes for c in row.candidates} == {"č".encode(), " Ġ".encode(), "ł".encode()}


def test_spelling_is_remembered_for_rows_that_cannot_tell() -> None:
    reader = TokenReader("")
    reader.read(choice(chosen(entry("Ġa")), content=" a"))
    [row] = reader.read(choice(chosen(entry("z"), entry("Ã©")), content="z"))
    assert {c.text_bytes for c in row.candidates} == {b"z", "é".encode()}


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
    lost = entry("�", -1, "�".encode())
    row = one(entry("a", -1, b"a"), lost, entry("", -1), entry("", -1, b""), text="a")
    assert shares(row) == pytest.approx({b"a": math.exp(-1)})


def test_textless_candidate_is_an_end_where_ids_stand_beside() -> None:
    row = one(entry("a", -1, b"a"), {**entry("", -2, b""), "id": 151645}, text="a")
    assert [(c.text_bytes, c.end) for c in row.candidates] == [(b"a", False), (b"", True)]


def test_chosen_token_is_among_the_candidates() -> None:
    row = chosen(entry("z", -6, b"z"), entry("a", -0.1, b"a"))
    [token] = TokenReader("").read(choice(row, content="z"))
    assert shares(token) == pytest.approx({b"a": math.exp(-0.1), b"z": math.exp(-6)})


def test_candidates_with_the_same_bytes_are_added_but_the_same_one_is_not() -> None:
    a = entry("a", math.log(0.3), b"a")
    replica = entry("a", math.log(0.2), b"a")
    assert shares(one(a, a, replica, text="a")) == pytest.approx({b"a": 0.5})


def test_mass_above_one_is_shared_out() -> None:
    a, b = entry("a", math.log(0.9), b"a"), entry("b", math.log(0.6), b"b")
    assert shares(one(a, b, text="a")) == pytest.approx({b"a": 0.6, b"b": 0.4})


def test_placeholders_are_dropped_except_for_the_chosen_token() -> None:
    a, b, c = entry("a", -9999.0, b"a"), entry("b", -math.inf, b"b"), entry("c", -1, b"c")
    row = one(a, b, c, text="a")
    assert [x.text_bytes for x in row.candidates] == [b"c", b"a"]
    assert row.candidates[1].logprob > -100


def test_ends_are_one_candidate_and_an_end_row_is_the_last() -> None:
    tops = [
        entry("<|im_end|>", math.log(0.4), b""),
        entry("</s>", math.log(0.2), b"</s>"),
        entry("ok", math.log(0.1), b"ok"),
    ]
    reader = TokenReader("")
    assert reader.read(choice(chosen(tops[0], *tops))) == []
    [row] = reader.read(choice(reason="stop"))
    assert row.end
    assert row.text_bytes == b""
    assert [(c.text_bytes, c.end) for c in row.candidates] == [(b"", True), (b"ok", False)]
    assert math.exp(row.candidates[0].logprob) == pytest.approx(0.6)
    assert reader.ended
    assert reader.read(choice(chosen(tops[2], *tops), content="ok")) == []
    assert reader.read(choice(reason="stop")) == []


def test_end_token_before_more_text_ends_nothing() -> None:
    reader = TokenReader("")
    assert reader.read(choice(entry("<|end|>", -0.1, b""))) == []
    [row] = reader.read(choice(entry("Hi", -0.1, b"Hi"), content="Hi"))
    assert row.text_bytes == b"Hi"
    [row] = reader.read(choice(reason="stop"))
    assert math.exp(row.candidates[0].logprob) == pytest.approx(CONFIDENCE_OF_BARE_STOP)


def test_end_token_is_the_end_of_a_stream_that_gives_no_reason() -> None:
    reader = TokenReader("")
    reader.read(choice(entry("Hi", -0.1, b"Hi"), content="Hi"))
    reader.read(choice(entry("<|im_end|>", math.log(0.7), b"")))
    [row] = reader.close()
    assert row.end
    assert math.exp(row.candidates[0].logprob) == pytest.approx(0.7)


def test_textless_token_before_the_stop_is_the_end() -> None:
    reader = TokenReader("")
    reader.read(choice(entry("", math.log(0.7), b"")))
    [row] = reader.read(choice(reason="stop"))
    assert row.end
    assert math.exp(row.candidates[0].logprob) == pytest.approx(0.7)


def test_stop_without_a_row_becomes_one_of_stated_confidence() -> None:
    reader = TokenReader("")
    reader.read(choice(chosen(entry("a", -1, b"a")), content="a"))
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
    assert reader.repeated
    [row] = reader.read(choice(chosen(entry(" a", -1, b" a")), content=" a"))
    assert row.text_bytes == b" a"
    assert len(row.candidates) == 1
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
    first = entry("x", -30, b"x")
    row = one(first, *tops, text="x")
    expected: dict[bytes, float] = {b"x": math.exp(-30)}
    for i, (data, p) in enumerate(pairs):
        spelled = b"t%d" % i if not data or "�".encode() in data else data
        expected[spelled] = expected.get(spelled, 0) + p
    assert shares(row) == pytest.approx(expected)
    logprobs = [c.logprob for c in row.candidates]
    assert logprobs == sorted(logprobs, reverse=True)
    assert all(c.end == (not c.text_bytes) for c in row.candidates)


@pytest.mark.parametrize(
    "broken",
    [
        {"token": "a"},
        {**entry("a"), "logprob": None},
        {**entry("a"), "logprob": math.nan},
        {**entry("a"), "logprob": 10**400},
        {**entry("a"), "logprob": "-1"},
        {**entry("a"), "bytes": [300]},
        {**entry("a"), "bytes": 7},
        {**entry("a"), "top_logprobs": "none"},
        chosen(entry("a", -1, b"a"), {"token": "b"}),
        {"token": 7, "logprob": -1},
        {},
        "a",
        None,
    ],
)
def test_what_an_entry_does_not_say_is_left_out_and_the_text_stays(broken: Any) -> None:
    reader = TokenReader("")
    tokens = reader.read(choice(broken, content="a"))
    tokens += reader.read(choice(entry("b", -1, b"b"), content="b"))
    assert [token.text_bytes for token in tokens] == [b"a", b"b"]
    for token in tokens:
        assert all(-30 <= c.logprob <= 0 for c in token.candidates)


def test_what_is_no_choice_is_refused() -> None:
    with pytest.raises((TypeError, AttributeError)):
        TokenReader("").read({"delta": "text"})


def read_raw(choice: dict[str, Any]) -> list[CloudToken]:
    return TokenReader("").read(choice)


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
    row = read_raw({"text": "é", "logprobs": given})[0]
    assert row.text_bytes == b"\xc3"


def test_raw_completion_without_logprobs_has_its_text() -> None:
    [row] = read_raw({"text": "plain", "logprobs": None})
    assert row.text_bytes == b"plain"


def test_number_alone_is_the_logprob_of_the_piece() -> None:
    [row] = read_raw({"delta": {"content": "one"}, "logprobs": math.log(0.7)})
    assert shares(row) == pytest.approx({b"one": 0.7})
    [row] = read_raw({"delta": {"content": None}, "logprobs": 0, "finish_reason": "stop"})
    assert row.end


def test_lists_of_unequal_length_are_read_as_far_as_they_go() -> None:
    listed = {"tokens": [" a", "b"], "token_logprobs": [math.log(0.5)]}
    rows = read_raw({"text": " ab", "logprobs": listed})
    assert [row.text_bytes for row in rows] == [b" a", b"b"]
    assert shares(rows[0]) == pytest.approx({b" a": 0.5})
    assert shares(rows[1]) == pytest.approx({b"b": CONFIDENCE_WITHOUT_LOGPROBS})
