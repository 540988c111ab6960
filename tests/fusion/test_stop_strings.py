"""An answer ends before its stop string, wherever the tokens are cut."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from floe.fusion.stop_strings import StopStrings
from floe.records import TokenStep


def steps_of(pieces: list[bytes]) -> list[TokenStep]:
    return [
        TokenStep(i, piece, 1.0, None, 1.0, 1.0, "local", 0.0) for i, piece in enumerate(pieces)
    ]


@given(
    st.text("ab\n", max_size=30),
    st.lists(st.integers(1, 3), max_size=30),
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
)
def test_the_text_is_what_stands_before_the_first_stop_string(
    text: str, lengths: list[int], stops: list[str]
) -> None:
    data, pieces = text.encode(), []
    for length in [*lengths, len(data)]:
        pieces.append(data[:length])
        data = data[length:]
    cutter = StopStrings(stops)
    shown = b"".join(step.text_bytes for step in cutter.cut(steps_of(pieces))).decode()
    # The one that is complete first ends it; of two at once the one that begins first.
    ends = [len(text[: at + len(s)]) for s in stops if (at := text.find(s)) >= 0]
    assert cutter.met == bool(ends)
    if not ends:
        assert shown == text
        return
    assert all(stop not in shown for stop in stops)
    assert text.startswith(shown)
    assert any(text[len(shown) :].startswith(stop) for stop in stops)


def test_what_may_begin_a_stop_string_is_held_back_and_nothing_else() -> None:
    pieces = [b"Fine. ", b"Us", b"ually", b" Us", b"er", b": hi", b"never read"]
    read: list[bytes] = []

    def watched() -> Iterator[TokenStep]:
        for step in steps_of(pieces):
            read.append(step.text_bytes)
            yield step

    cutter = StopStrings(["User:"])
    seen = [(step.text_bytes, len(read)) for step in cutter.cut(watched())]
    assert seen == [(b"Fine. ", 1), (b"Us", 3), (b"ually", 3), (b" ", 6)]
    assert cutter.met
