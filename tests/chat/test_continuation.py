"""Where another answer goes on from: a token's alternatives, and the figures until then."""

from dataclasses import replace

import pytest

from floe.chat.continuation import (
    SHOWN_ALTERNATIVES,
    ranked_alternatives,
    stats_until,
    whole_characters,
    with_alternative,
)
from floe.errors import PromptError
from floe.records import Alternative, AnswerStats, TokenStep

BLUE = Alternative(b" blue", 0.3, 0.2, 0.25)
RED = Alternative(b" red", 0.2, 0.5, 0.4)
FACE = Alternative(b"\xf0\x9f", 0.1, None, 0.1)
END = Alternative(b"", 0.05, None, 0.05)
STEP = TokenStep(7, b" green", 0.4, 0.3, 0.35, 0.5, "fused", 40.0, (BLUE, FACE, RED, END))
STEPS = [replace(STEP, token_id=1, text_bytes=b"It is", at_ms=20.0), STEP, STEP]


def tokenize(data: bytes) -> list[int]:
    return [len(data)] if data.startswith(b" ") else [1, 2]


def test_an_answer_goes_on_from_the_alternative_that_was_shown_at_that_place() -> None:
    assert ranked_alternatives(STEP.alternatives) == [RED, BLUE, FACE, END]
    many = [BLUE._replace(p_fused=n / 100) for n in range(20)]
    assert len(ranked_alternatives(many)) == SHOWN_ALTERNATIVES
    begun = with_alternative(STEPS, 1, 1, tokenize)
    assert begun[:-1] == STEPS[:1]
    taken = begun[-1]
    assert (taken.token_id, taken.text_bytes) == (5, b" blue")
    assert (taken.p_local, taken.p_cloud, taken.p_fused) == (0.3, 0.2, 0.25)
    assert taken.alternatives == STEP.alternatives
    assert taken.source == "fused"


@pytest.mark.parametrize(("place", "number", "said"), [(3, 0, "cannot"), (1, 4, "cannot")])
def test_what_is_not_there_is_refused(place: int, number: int, said: str) -> None:
    with pytest.raises(PromptError, match=said):
        with_alternative(STEPS, place, number, tokenize)


@pytest.mark.parametrize("number", [2, 3])
def test_nothing_goes_on_after_the_end_or_half_a_character(number: int) -> None:
    with pytest.raises(PromptError, match="piece of a character"):
        with_alternative(STEPS, 1, number, tokenize)
    half = [replace(STEP, text_bytes=b"ok"), replace(STEP, text_bytes=b"\xf0\x9f")]
    assert whole_characters(half) == half[:1]
    # Nor may a word follow the first half of a character that the answer had here.
    with pytest.raises(PromptError, match="piece of a character"):
        with_alternative([*half, STEP], 2, 0, tokenize)


def test_the_clock_goes_on_from_the_token_that_was_taken() -> None:
    stats = AnswerStats(tokens=3, seconds=9.0, first_token_ms=20.0)
    assert stats_until(stats, STEPS[:2]).seconds == 0.04
    assert stats_until(None, STEPS) == AnswerStats()
