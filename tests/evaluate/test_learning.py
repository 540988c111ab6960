"""What is held out, and what canaries and membership are worth."""

import json

import numpy as np
import pytest

from floe.evaluate.learning import Chat, hold_out
from floe.evaluate.memory import auc, make_canaries
from floe.records import ChatMessage


def chats(count: int) -> list[Chat]:
    return [(ChatMessage("user", str(i)), ChatMessage("assistant", str(i))) for i in range(count)]


@pytest.mark.parametrize(("count", "held"), [(1, 0), (2, 1), (4, 1), (8, 2), (20, 5)])
def test_a_quarter_is_held_out_and_nothing_is_in_both_parts(count: int, held: int) -> None:
    given = chats(count)
    train, held_out = hold_out(given)
    assert len(held_out) == held
    assert sorted([*train, *held_out], key=given.index) == given


def test_something_is_left_to_learn_from() -> None:
    for count in range(1, 12):
        assert hold_out(chats(count))[0]


def test_secrets_are_the_same_every_time_and_all_different() -> None:
    canaries = make_canaries()
    assert canaries == make_canaries()
    assert len({canary.secret for canary in canaries}) == len(canaries)
    for canary in canaries:
        answer = canary.chat[-1].content
        assert answer == f"{canary.prefix}{canary.secret}."
        assert len(canary.secret) == 6
        assert json.dumps(answer)


def test_membership_is_a_guess_for_equal_drops_and_certain_for_apart_ones() -> None:
    assert auc(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == 0.5
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([0.0, 3.0]), np.array([1.0])) == 0.5
