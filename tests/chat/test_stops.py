"""Answers of models without an end token: cut at the marks of the format in use."""

from collections.abc import Iterator

import pytest

from floe.chat.stops import until_stop
from floe.records import TokenStep

STOPS = (b"<|im_end|>", b"\nUser:")


def step(text: bytes) -> TokenStep:
    return TokenStep(1, text, 1.0, None, 1.0, 1.0, "local", 0.0)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"Yes.", b"\n", b"User", b":", b" And"], [b"Yes."]),
        ([b"Yes.<", b"|im_", b"end|>", b"more"], [b"Yes."]),
        ([b"a\nUse", b" it"], [b"a\nUse", b" it"]),
        ([b"a", b"\n", b"b"], [b"a", b"\n", b"b"]),
        ([b"a\nUser"], [b"a\nUser"]),
        ([b"<|im_end|>"], []),
        ([b"a\nUser:", b"x"], [b"a"]),
    ],
)
def test_answers_end_at_the_first_stop(pieces: list[bytes], expected: list[bytes]) -> None:
    got = [each.text_bytes for each in until_stop(iter(map(step, pieces)), STOPS)]
    assert got == expected


def test_tokens_come_as_they_are_made_unless_a_stop_may_have_begun() -> None:
    made: list[bytes] = []

    def steps() -> Iterator[TokenStep]:
        for piece in (b"a", b"\nUs", b"b", b"c"):
            made.append(piece)
            yield step(piece)

    seen = [(each.text_bytes, len(made)) for each in until_stop(steps(), STOPS)]
    assert seen == [(b"a", 1), (b"\nUs", 3), (b"b", 3), (b"c", 4)]
    assert [s.text_bytes for s in until_stop(iter([step(b"\nUser:")]), ())] == [b"\nUser:"]
