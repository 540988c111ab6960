"""Streams of recorded rows."""

from typing import cast

from floe.bench.recorded import PacedStream, RecordedCloud
from floe.records import Candidate, CloudToken


class Letters:
    """A cloud that says "a" for ever, and counts how often it was asked."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0
        self.asked = 0

    def now(self) -> float:
        return 0.0

    def cpu_now(self) -> float:
        return 0.0

    def row(self, question: str, text: bytes) -> CloudToken:
        del question, text
        self.asked += 1
        return CloudToken(b"a", (Candidate(b"a", 0.0),))


def test_a_stream_computes_no_more_than_a_decoder_can_look_at() -> None:
    letters = Letters()
    stream = PacedStream(cast(RecordedCloud, letters), "", "", 0.0, 0.0, 48)
    assert len(stream.poll()) == letters.asked == 24
    assert len(stream.poll()) == 24
    assert stream.ended
    assert stream.poll() == []


def test_a_stream_may_give_out_fewer_rows_at_once() -> None:
    letters = Letters()
    stream = PacedStream(cast(RecordedCloud, letters), "", "", 0.0, 0.0, 8, at_once=6)
    assert [len(stream.poll()) for _ in range(3)] == [6, 2, 0]
    assert letters.asked == 8
