"""A short soak: the same turns as the long one, and the same looks at what they leave behind."""

import pytest

from floe.bench import soak


def test_thirty_turns_leave_nothing_behind_and_lose_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(soak, "_KEPT_CHATS", 3)  # so that chats with two answers are deleted, too
    figures = soak.run(turns=30, trainings=0)
    assert figures["turns"] == 30
    assert figures["chats_deleted"] > 0
    assert 5 < figures["answers_checked"] < 30
    assert figures["answers_lost"] == 0
    assert figures["streaming_left"] == 0
    assert figures["integrity"] == "ok"
    assert figures["turns_held"] == 0
    assert figures["threads_after_close"] == []
    for name, pooled in soak._POOLED.items():
        assert figures[f"{name}_after"] <= figures[f"{name}_before"] + pooled, (name, figures)
    # So few turns are the warm-up itself: whether memory grows, only the long soak can tell.
    assert figures["memory_growth"] < 0.5
