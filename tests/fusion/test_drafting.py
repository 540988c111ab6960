"""Draft lengths against the formula, tried for every length."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.fusion.drafting import DraftAcceptance, DraftLength
from tests.tiers import examples


def taught(acceptance: float, start: float, slope: float, most: int = 15) -> DraftLength:
    """One that has seen so much that it has forgotten what it began with."""
    lengths = DraftLength(most)
    for _ in range(200):
        lengths.evaluated(1, 1.0)
        for size in (2, 5, 9):
            lengths.evaluated(size, start + slope * size)
    # The average of a memory of ten is drawn to the right value, not by chance.
    lengths._acceptance = acceptance
    return lengths


@settings(max_examples=examples(100), deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.1, 3.0), st.floats(0.02, 1.5), st.integers(0, 15))
def test_the_length_is_the_best_of_all(
    acceptance: float, start: float, slope: float, available: int
) -> None:
    def rate(count: int) -> float:
        tokens = (1 - acceptance ** (count + 1)) / (1 - acceptance)
        return tokens / (start + slope * (count + 1) if count else 1.0)

    chosen = taught(acceptance, start, slope).choose(available)
    assert 0 <= chosen <= available
    assert rate(chosen) == pytest.approx(max(rate(k) for k in range(available + 1)))


def test_small_batches_that_cost_more_than_single_steps_are_left_out() -> None:
    # Two tokens cost 2.3 single steps, sixteen 7.5: one proposal (1.95 tokens) does not pay, and
    # with four of five accepted no number of them does.
    lengths = taught(0.95, 1.56, 0.37)
    assert lengths.choose(1) == 0
    assert lengths.choose(15) > 7
    assert taught(0.8, 1.56, 0.37).choose(15) == 0


def test_a_cloud_that_is_never_right_is_not_drafted() -> None:
    lengths = taught(0.8, 0.6, 0.4)
    before = lengths.choose(15)
    for _ in range(50):
        lengths.checked(accepted=False)
    assert lengths.choose(15) == 0 < before
    for _ in range(50):
        lengths.checked(accepted=True)
    assert lengths.choose(15) > before


def test_batches_that_cost_nothing_are_used_to_the_full() -> None:
    assert taught(0.9, 1.0, 0.001, most=7).choose(15) == 7


def test_agreement_is_of_the_last_answers_and_not_of_a_few_words() -> None:
    agreement = DraftAcceptance()
    verdicts = [agreement.close]
    for tokens, requests in ((10, 0), (100, 2), (100, 30), (100, 2), (100, 2), (100, 2)):
        agreement.remember(tokens, requests)
        verdicts.append(agreement.close)
    # Ten tokens say nothing, and what was long ago counts less and less.
    assert verdicts == [False, False, True, False, False, True, True]
