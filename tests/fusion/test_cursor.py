"""Where the fused text stands in the stream."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.cursor import Cursor
from floe.fusion.index import TokenIndex
from floe.fusion.scoring.teacher_forcing import AlignedPosition
from floe.records import Candidate, CloudToken
from tests.fusion.fakes import spaced_index
from tests.tiers import examples


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


INDEX = TokenIndex(
    [b"", b"The", b"Therefore", b"odore", b"re", b"fore", b"S", b"o", b"cor", b"corn", b"ns", b"s"],
    [0],
    # As a tokenizer that merges pairs may do it: "corns" does not begin with "corn".
    lambda text: [8, 10, *greedy(text[5:])] if text.startswith(b"corns") else greedy(text),
)


def greedy(text: bytes) -> list[int]:
    pieces = [b"Therefore", b"The", b"odore", b"fore", b"re", b"S", b"o", b"corn", b"cor", b"s"]
    for piece in pieces:
        if text.startswith(piece):
            return [INDEX.pieces.index(piece), *greedy(text[len(piece) :])]
    if text:
        raise ValueError(text)
    return []


def row_of(*candidates: tuple[bytes, float], restored: bytes | None = None) -> CloudToken:
    made = tuple(Candidate(text, math.log(p), restored=text == restored) for text, p in candidates)
    return CloudToken(candidates[0][0], made, restored=candidates[0][0] == restored)


def spelled_cursor(*candidates: tuple[bytes, float]) -> Cursor:
    """A cursor with one row, and one after it that starts a new word."""
    cursor = Cursor(spelling=INDEX)
    cursor.add([row_of(*candidates), row_of((b" x", 0.9))])
    return cursor


def test_a_row_is_left_when_its_token_cannot_be_spelled_with_what_is_written() -> None:
    cursor = spelled_cursor((b"Therefore", 0.6), (b"The", 0.2), (b"Theodore", 0.1))
    cursor.advance(b"The")
    assert cursor.lost, "Therefore would have been one token"
    kept = spelled_cursor((b"Theodore", 0.6), (b"Therefore", 0.3))
    kept.advance(b"The")
    assert not kept.lost
    assert kept.spelled == (b"The",)


@pytest.mark.parametrize(
    ("grows", "ends", "kept"), [(0.3, 0.1, True), (0.1, 0.3, False), (0.005, 0.001, False)]
)
def test_a_row_is_kept_for_another_candidate_that_is_likelier_than_an_end(
    grows: float, ends: float, kept: bool
) -> None:
    cursor = spelled_cursor((b"S", 0.5), (b"Theodore", grows), (b"The", ends))
    cursor.advance(b"The")
    assert cursor.lost is not kept
    if kept:
        assert cursor.row is not None
        assert cursor.pending == b"The"
        cursor.advance(b"odore")
        assert cursor.lost, "there the stream says nothing more"
        reopened = cursor.reopen(b"")
        reopened.add([row_of((b"S", 0.9))])
        assert reopened.row == row_of((b"S", 0.9))


def test_the_next_row_decides_where_a_token_alone_is_spelled_otherwise() -> None:
    # "corn" is one token, but "corns" is "cor" and "ns".
    for following, lost in ((b"s", False), (b"S", True)):
        cursor = Cursor(spelling=INDEX)
        cursor.add([row_of((b"corn", 0.9))])
        cursor.advance(b"cor")
        assert cursor.undecided
        assert cursor.row is None
        cursor.add([row_of((following, 0.8), (b"o", 0.1))])
        assert (cursor.lost, cursor.undecided) == (lost, False)
    again = Cursor(spelling=INDEX)
    again.add([row_of((b"corn", 0.6), (b"cor", 0.35))])
    again.advance(b"cor")
    again.add([row_of((b"S", 0.5), (b"s", 0.5))])
    assert again.lost, "0.6 x 0.5 goes on, 0.35 ends here"


def test_a_text_stays_on_a_stream_that_writes_an_empty_line_as_one_token() -> None:
    for written, following in (([b".", b"\n", b"\n"], b"First"), ([b".", b"\n\n"], b"1")):
        cursor = Cursor(spelling=spaced_index())
        cursor.add([row_of((b".\n\n", 0.9)), row_of((following, 0.8), (b" ", 0.1))])
        for piece in written:
            assert cursor.row == row_of((b".\n\n", 0.9))
            cursor.advance(piece)
        assert cursor.row is not None
        assert cursor.row.candidates[0].text_bytes == following


def test_what_an_undecided_row_knows_heals_the_next_stream() -> None:
    cursor = Cursor(spelling=INDEX)
    cursor.add([row_of((b"Therefore", 0.5), (b"The", 0.3), (b"Theodore", 0.1))])
    cursor.advance(b"The")
    assert cursor.undecided
    again = cursor.reopen(b"")
    again.add([row_of((b" cat", 0.8))])
    assert again.row is not None
    assert again.row.candidates[1].text_bytes == b"odore"


def test_after_a_boundary_nothing_changes_how_the_text_before_it_is_spelled() -> None:
    # P(s) = 0.5 is out once "corn" stands there; the rest doubles.
    cursor = Cursor(spelling=INDEX)
    cursor.add([row_of((b"corn", 0.9)), row_of((b"s", 0.5), (b"S", 0.3))])
    cursor.advance(b"corn")
    assert cursor.row is not None
    (left,) = cursor.row.candidates
    assert left.text_bytes == b"S"
    assert math.exp(left.logprob) == pytest.approx(0.6)
    apart = Cursor(spelling=INDEX)
    apart.add([row_of((b"cor", 0.9)), row_of((b"s", 0.5), (b"S", 0.3))])
    apart.advance(b"cor")
    assert apart.row is not None
    assert apart.row.candidates[0].text_bytes == b"s", '"cors" is "cor" and "s"'


def test_a_word_that_the_cloud_means_is_not_broken_off_for_its_spelling() -> None:
    # "corn" stands there, and "corns" is what the cloud says: spelled otherwise, but those bytes.
    for looked_ahead, left in ((False, [b"s", b"S"]), (True, [b"S"])):
        cursor = Cursor(spelling=INDEX)
        cursor.add([row_of((b"corn", 0.9)), row_of((b"s", 0.9), (b"S", 0.05))])
        if looked_ahead:
            cursor.look_ahead()
        cursor.advance(b"corn")
        assert cursor.row is not None
        assert [c.text_bytes for c in cursor.row.candidates] == left
    # What was known of one token says nothing of the next.
    cursor = Cursor(spelling=INDEX)
    cursor.add([row_of((b"S", 0.9)), row_of((b"corn", 0.9)), row_of((b"s", 0.9), (b"S", 0.05))])
    cursor.look_ahead()
    cursor.advance(b"S")
    cursor.advance(b"corn")
    assert cursor.row is not None
    assert cursor.row.candidates[0].text_bytes == b"s"


def test_of_restored_words_the_bytes_alone_decide() -> None:
    # "Therefore" stands for PERSON_1: the cloud did not choose it as one token.
    cursor = Cursor(spelling=INDEX)
    cursor.add([row_of((b"Therefore", 0.6), (b"So", 0.2), restored=b"Therefore")])
    cursor.advance(b"The")
    assert cursor.row is not None
    assert cursor.pending == b"The"
    cursor.advance(b"re")
    assert cursor.row is not None
    cursor.advance(b"odore")
    assert cursor.lost


def test_a_row_is_left_when_it_is_likelier_that_the_clouds_token_ends_here() -> None:
    for p_ends, lost in ((0.3, False), (0.5, True)):
        cursor = spelled_cursor((b"Theodore", 0.4), (b"The", p_ends), (b"Therefore", 0.1))
        cursor.advance(b"The")
        assert cursor.lost is lost


def test_a_token_that_began_before_the_boundary_is_no_spelling() -> None:
    cursor = Cursor(spelling=INDEX)
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
    assert [c.text_bytes for c in again.row.candidates if c.begun] == [b"odore"]
    assert b"refore" not in healed


def test_a_word_is_asked_for_at_the_boundary_that_the_cloud_knows() -> None:
    """ " Gret" and "a" here, " G" and "reta" there: after the bytes " Gret" it knows but "ta"."""
    index = TokenIndex([b" put", b" G", b" Gret", b"a", b"ta"], [])
    said = {
        b"": [(b" put", 0.5), (b" G", 0.4)],
        b" G": [(b"reta", 1.0)],
        b" Gret": [(b"ta", 1.0)],
    }
    asked: list[bytes] = []

    def row_after(text: bytes) -> CloudToken:
        asked.append(text)
        candidates = tuple(Candidate(t, math.log(p)) for t, p in said[text])
        return CloudToken(candidates[0].text_bytes, candidates)

    position = AlignedPosition(row_after, spelling=index)
    position.advance(b" Gret")
    assert asked == [b"", b" G"]
    assert position.row is not None
    assert position.row.text_bytes == b"reta"
    assert position.pending == b"ret"
    assert position.requests == 2


@pytest.mark.parametrize(
    ("candidates", "written", "text", "held_back"),
    [
        ([(b" put", 0.5), (b" G", 0.4)], b" Gret", b" Gret", b"ret"),
        ([(b" put", 0.5), (b" G", 0.4)], b" Gret", b"\xc3 Gret", b"ret"),
        ([(b" put", 0.5), (b" G", 0.04)], b" Gret", b" Gret", b""),  # hardly ever meant
        ([(b" put", 0.5), (b" G", 0.4), (b" Gret", 0.01)], b" Gret", b" Gret", b""),
        ([(b" put", 0.5), (b" ", 0.4)], b" one", b" one", b""),  # a space before a number
        ([(b" put", 0.5), (b"-", 0.4)], b"-$", b"-$", b""),
        ([(b" put", 0.5), (b" \xc3", 0.4)], b" \xc3\xa9t", b" \xc3\xa9t", b""),  # half an "é"
        ([(b" put", 0.5)], b" \xc3", b" \xc3", b"\xc3"),
    ],
)
def test_what_is_held_back_of_a_text_that_has_left_the_stream(
    candidates: list[tuple[bytes, float]], written: bytes, text: bytes, held_back: bytes
) -> None:
    cursor = Cursor(spelling=TokenIndex([b" put", b" G", b" Gret", b"a", b"-", b"$"], []))
    row = tuple(Candidate(t, math.log(p)) for t, p in candidates)
    cursor.add([CloudToken(row[0].text_bytes, row)])
    cursor.advance(written)
    assert cursor.held_back(text) == held_back


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


@settings(max_examples=examples(200), deadline=None)
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
