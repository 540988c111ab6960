"""Where the fused text stands in the stream."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.cursor import Cursor
from floe.fusion.index import TokenIndex
from floe.records import Candidate, CloudToken


def rows(*texts: bytes, end: bool = False) -> list[CloudToken]:
    made = [CloudToken(text, (Candidate(text, -0.1),)) for text in texts]
    if end:
        made.append(CloudToken(b"", (Candidate(b"", -0.1, end=True),), end=True))
    return made


def beyond(cursor: Cursor) -> bytes:
    """What the stream has beyond the text."""
    return b"".join(row.text_bytes for row in cursor.upcoming(9))[len(cursor.pending) :]


def test_pieces_of_a_cloud_token_stay_on_its_row() -> None:
    cursor = Cursor()
    cursor.add(rows(b" hello", b" world"))
    cursor.advance(b" hel")
    assert cursor.row is not None
    assert cursor.row.text_bytes == b" hello"
    assert cursor.pending == b" hel"
    assert beyond(cursor) == b"lo world"
    cursor.advance(b"lo wor")
    assert cursor.row.text_bytes == b" world"
    assert beyond(cursor) == b"ld"


def test_other_bytes_leave_the_stream() -> None:
    cursor = Cursor()
    cursor.add(rows(b" hello"))
    cursor.advance(b" help")
    assert cursor.lost
    assert cursor.row is None
    assert beyond(cursor) == b""


def test_rows_that_come_late_are_held_against_what_was_written() -> None:
    cursor = Cursor()
    cursor.advance(b" hello wo")
    assert not cursor.lost
    cursor.add(rows(b" hello", b" world"))
    assert cursor.row == rows(b" world")[0]
    assert cursor.pending == b" wo"
    late = Cursor()
    late.advance(b" hello wo")
    late.add(rows(b" he", b"re"))
    assert late.lost


def test_an_end_that_was_written_past_is_no_row_any_more() -> None:
    cursor = Cursor()
    cursor.add(rows(b"a", end=True))
    cursor.advance(b"a")
    assert cursor.row is not None
    assert cursor.row.end
    cursor.advance(b"b")
    assert cursor.lost


def test_with_a_shared_vocabulary_a_shorter_token_leaves_the_stream() -> None:
    cursor = Cursor(shared_vocabulary=True)
    cursor.add(rows(b"hello"))
    cursor.advance(b"hel")
    assert cursor.lost


def test_rows_without_bytes_are_passed_over() -> None:
    cursor = Cursor()
    cursor.add(rows(b"", b"a"))
    assert cursor.row is not None
    assert cursor.row.text_bytes == b"a"


INDEX = TokenIndex([b"", b"The", b"Therefore", b"odore", b"re", b"fore", b"S", b"o"], [0])


def spelled_cursor(*candidates: tuple[bytes, float]) -> Cursor:
    cursor = Cursor(spell_pieces=INDEX.spell_pieces)
    made = tuple(Candidate(text, math.log(p)) for text, p in candidates)
    cursor.add([CloudToken(candidates[0][0], made)])
    return cursor


def test_a_row_is_left_when_its_token_cannot_be_spelled_with_what_is_written() -> None:
    cursor = spelled_cursor((b"Therefore", 0.6), (b"The", 0.2), (b"Theodore", 0.1))
    cursor.advance(b"The")
    assert cursor.lost, "Therefore would have been one token"
    kept = spelled_cursor((b"Theodore", 0.6), (b"Therefore", 0.3))
    kept.advance(b"The")
    assert not kept.lost
    assert kept.spelled == (b"The",)


def test_a_row_is_left_when_it_is_likelier_that_the_clouds_token_ends_here() -> None:
    for p_ends, lost in ((0.3, False), (0.5, True)):
        cursor = spelled_cursor((b"Theodore", 0.4), (b"The", p_ends), (b"Therefore", 0.1))
        cursor.advance(b"The")
        assert cursor.lost is lost


def test_a_token_that_began_before_the_boundary_is_no_spelling() -> None:
    cursor = Cursor(spell_pieces=INDEX.spell_pieces)
    cursor.add(rows(b"S", b"oS", b"o"))
    cursor.advance(b"So")
    assert (cursor.pending, cursor.spelled) == (b"o", None)
    cursor.advance(b"S")
    assert (cursor.pending, cursor.spelled) == (b"", ())


def test_a_break_in_a_token_is_healed_with_the_row_before() -> None:
    # P(The) = 0.3 and P(Theodore) = 0.1: the text after "The" begins with "odore" with
    # probability 0.25; in the rest the row after "The" counts. "Therefore" cannot be any more.
    cursor = spelled_cursor((b"Therefore", 0.5), (b"The", 0.3), (b"Theodore", 0.1))
    cursor.advance(b"The")
    again = cursor.reopen(b"")
    again.add([CloudToken(b" cat", (Candidate(b" cat", math.log(0.8)), Candidate(b"o", -9)))])
    assert again.row is not None
    assert again.row.text_bytes == b" cat"
    healed = {c.text_bytes: math.exp(c.logprob) for c in again.row.candidates}
    assert healed[b"odore"] == pytest.approx(0.25)
    assert healed[b" cat"] == pytest.approx(0.75 * 0.8)
    assert b"refore" not in healed


def test_no_row_is_lost_to_half_a_character() -> None:
    smile = "😀".encode()
    cursor = Cursor()
    cursor.add(rows(b"x"))
    cursor.advance(smile[:2])
    assert not cursor.lost, "what could be sent is what was sent"
    cursor.advance(smile[2:])
    now: bool = cursor.lost
    assert now
    assert cursor.reopen(b"").pending == b""


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=8),
    st.lists(st.integers(1, 4), max_size=12),
    st.data(),
)
def test_any_order_of_arrival_and_writing_gives_the_same_place(
    tokens: list[str], cuts: list[int], data: st.DataObject
) -> None:
    stream = [token.encode() for token in tokens]
    text = b"".join(stream)
    together = Cursor()
    together.add(rows(*stream))
    apart = Cursor()
    written = arrived = 0
    for cut in cuts:
        piece = text[written : written + cut]
        written += len(piece)
        together.advance(piece)
        apart.advance(piece)
        more = data.draw(st.integers(0, len(stream) - arrived))
        apart.add(rows(*stream[arrived : arrived + more]))
        arrived += more
    apart.add(rows(*stream[arrived:]))
    assert not apart.lost
    assert (apart.pending, beyond(apart)) == (together.pending, beyond(together))
    assert beyond(apart) == text[written:]
