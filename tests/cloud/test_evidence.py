import math
from collections.abc import Mapping
from typing import Any

import pytest

from floe.cloud.probe.evidence import ProbeAnswer, remaining_gap_share, same_distributions
from floe.records import Candidate, CloudToken


def answer(*rows: dict[bytes, float], logprobs: bool = True) -> ProbeAnswer:
    """One whose tokens have these probabilities; the first of each was chosen."""
    tokens = [
        CloudToken(next(iter(row)), tuple(Candidate(t, math.log(p)) for t, p in row.items()))
        for row in rows
    ]
    text = b"".join(token.text_bytes for token in tokens).decode()
    tops: list[Mapping[str, Any]] = [
        {"top_logprobs": [{"token": t.decode(), "logprob": math.log(p)} for t, p in row.items()]}
        for row in rows
    ]
    return ProbeAnswer(tokens=tokens, entries=tops if logprobs else [], text=text)


SURE = {b"one": 0.9, b"two": 0.1}


def test_another_template_shows_in_the_probabilities_though_the_text_is_the_same() -> None:
    assert same_distributions(answer(SURE, SURE), answer(SURE, {b"one": 0.92, b"two": 0.08}))
    assert not same_distributions(answer(SURE, SURE), answer(SURE, {b"one": 0.7, b"two": 0.3}))
    assert not same_distributions(answer(SURE), answer({b"one": 0.9, b"ten": 0.1}))


def test_after_a_near_tie_two_answers_may_differ() -> None:
    left = answer({b"a": 0.5, b"b": 0.499}, SURE)
    right = answer({b"b": 0.5, b"a": 0.499}, {b"ten": 1.0})
    assert same_distributions(left, right)


def test_without_logprobs_the_text_has_to_do() -> None:
    assert same_distributions(answer(SURE, logprobs=False), answer(SURE, logprobs=False))
    assert not same_distributions(
        answer(SURE, logprobs=False), answer({b"two": 1.0}, logprobs=False)
    )
    assert not same_distributions(ProbeAnswer(), ProbeAnswer())


@pytest.mark.parametrize("temperature", [1, 2])
def test_temperature_shrinks_the_gaps_between_candidates(temperature: int) -> None:
    cold = {b"a": 0.9, b"b": 0.09, b"c": 0.01}
    warm = {token: p ** (1 / temperature) for token, p in cold.items()}
    share = remaining_gap_share(
        answer(cold), answer({t: p / sum(warm.values()) for t, p in warm.items()})
    )
    assert share == pytest.approx(1 / temperature)


def test_gaps_that_are_too_small_tell_nothing() -> None:
    even = answer({b"a": 0.5, b"b": 0.5})
    assert remaining_gap_share(even, even) is None
    assert remaining_gap_share(ProbeAnswer(), even) is None
