"""Where the fused text stands in the stream."""

from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.cursor import Cursor
from floe.records import Candidate, CloudToken


def rows(*texts: bytes, end: bool = False) -> list[CloudToken]:
    made = [CloudToken(text, (Candidate(text, -0.1),)) for text in texts]
    if end:
        made.append(CloudToken(b"", (Candidate(b"", -0.1, end=True),), end=True))
    return made


def beyond(cursor: Cursor) -> bytes:
    """What the stream has beyond the text."""
    return b"".join(row.text_bytes for row in cursor.ahead(9))[len(cursor.pending) :]


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
