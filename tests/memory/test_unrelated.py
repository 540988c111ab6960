"""What memory holds on another subject is put into no prompt."""

import pytest

from floe.memory.memory import Memory
from floe.memory.question_match import has_to_do_with
from floe.store import Store
from tests.memory.test_memory import recalled, store
from tests.memory.test_told_facts import ABOUT, memory, tell

__all__ = ["memory", "store"]


def test_a_request_of_another_chat_is_read_in_none(store: Store) -> None:
    words = Memory(store)
    tell(
        store, "Write a limerick about a sailor.", "Make it shorter.", "Explain compound interest."
    )
    assert recalled(words, "What else did she write about?") == []
    assert recalled(words, "Make it shorter.") == []
    assert recalled(words, "Explain compound interest.") == []
    tell(store, "Write a poem for my wife Ines, who loves herons.")
    assert len(recalled(words, "What does my wife love?")) == 1


def test_a_word_that_only_looks_like_another_finds_nothing(store: Store) -> None:
    tell(store, "My mother moved into the home in August.")
    assert recalled(Memory(store), "What does my liver do?") == []
    assert len(recalled(Memory(store), "Where is my mother living now?")) == 1


@pytest.mark.parametrize(
    ("question", "passage", "has"),
    [
        ("How do I ask my boss for a raise?", "My landlord raised the rent again.", False),
        ("How do I ask my boss for a raise?", "My boss Henrike retires in May.", True),
        ("Was it dry, the boat?", "Bone dry, and the wind is from the south.", True),
        ("Can I tell my boss about my knee?", "My knee was operated on in May.", True),
    ],
)
def test_a_passage_has_to_do_with_something_of_ones_own(
    question: str, passage: str, has: bool
) -> None:
    assert has_to_do_with(question, passage) is has


def test_what_has_nothing_to_do_with_a_task_is_not_read(store: Store) -> None:
    tell(store, "My landlord raised the rent again.", "My boss Henrike retires in May.")
    assert recalled(Memory(store), "How do I ask my boss for a raise?") == [
        "My boss Henrike retires in May."
    ]


def test_what_is_no_answer_is_read_by_no_model_in_a_later_turn_either(
    store: Store, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, near = "Which choir do I sing in?", "I sing in a choir on Mondays."
    monkeypatch.setitem(ABOUT, asked, (1, 0.2))
    monkeypatch.setitem(ABOUT, near, (1, 0.2))
    tell(store, near)
    found = memory.recall(asked, None)
    assert ([each.read for each in found.passages], found.untold) == ([near], True)
    assert found.unfit == {found.passages[0].id}
