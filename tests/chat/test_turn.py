"""A turn as a log of events: what readers see of it, and when."""

import random
import threading

import pytest

from floe.chat import turn as turn_module
from floe.chat.turn import (
    EndEvent,
    KeptEvent,
    NoticeEvent,
    RouteEvent,
    TextEvent,
    TokenEvent,
    Turn,
    TurnReader,
    TurnView,
)
from floe.fusion.decoder import Controls
from floe.records import Route, TokenStep

ROUTE = Route("local", "kept on this device")


def step(text: str | bytes) -> TokenStep:
    data = text if isinstance(text, bytes) else text.encode()
    return TokenStep(7, data, 0.5, None, 0.5, 1.0, "local", 12.0)


def new_turn() -> Turn:
    return Turn(3, 9, ROUTE, Controls())


def commit(turn: Turn) -> None:
    part = turn.unsaved_part()
    assert part is not None
    turn.mark_saved(part)


def whole_turn() -> Turn:
    """One with a bit of everything: a split character, trouble, notices, an end."""
    turn = new_turn()
    turn.add(step("One"))
    commit(turn)
    turn.add(step(" \xe9".encode()[:2]))
    turn.notice("The cloud was late.")
    commit(turn)
    turn.add(step("\xe9".encode()[1:]))
    turn.report_trouble("the disk is full.")
    turn.add(step(" three"))
    turn.count(cloud_requests=4)
    turn.finish("complete")
    commit(turn)
    return turn


def test_nothing_is_shown_before_it_is_committed() -> None:
    turn = new_turn()
    turn.add(step("One"))
    turn.notice("The cloud was late.")
    turn.finish("complete")
    before = turn.view()
    assert (before.text, before.steps, before.notices) == ("", (), ())
    assert before.status == "streaming"
    commit(turn)
    after = turn.view()
    assert (after.text, after.notices, after.status) == (
        "One",
        ("The cloud was late.",),
        "complete",
    )
    assert after.unkept == ""
    assert not turn.running


def test_what_cannot_be_committed_is_shown_at_once_and_says_so() -> None:
    turn = new_turn()
    turn.add(step("kept words here"))
    commit(turn)
    turn.add(step(" two more"))
    turn.report_trouble("the disk is full. Make some room.")
    view = turn.view()
    assert view.text == "kept words here two more"
    assert view.unkept == "The last 2 words are not saved yet: the disk is full. Make some room."
    assert view.notices == (view.unkept,)
    turn.add(step(" and"))
    assert turn.view().text.endswith(" and")
    assert "The last 3 words" in turn.view().unkept
    turn.finish("length")
    assert turn.view().status == "length"
    assert (turn.writing, turn.running) == (False, True)
    commit(turn)
    assert (turn.view().unkept, turn.view().notices, turn.running) == ("", (), False)


def test_a_commit_that_does_not_come_back_holds_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn_module, "PATIENCE_SECONDS", -1.0)
    turn = new_turn()
    turn.add(step("One"))
    view = turn.view()
    assert view.text == "One"
    assert "not saved yet: the disk is slow" in view.unkept
    commit(turn)
    assert turn.view().unkept == ""


def test_events_are_numbered_in_order_and_end_last() -> None:
    events = whole_turn().events()
    assert [event.number for event in events] == [*range(1, len(events) + 1)]
    assert events[0] == RouteEvent(1, ROUTE)
    assert [e.step.text_bytes for e in events if isinstance(e, TokenEvent)] == [
        b"One",
        b" \xc3",
        b"\xa9",
        b" three",
    ]
    assert "".join(e.text for e in events if isinstance(e, TextEvent)) == "One é three"
    assert [e.sentence for e in events if isinstance(e, NoticeEvent)] == ["The cloud was late."]
    ends = [e for e in events if isinstance(e, EndEvent)]
    assert [end.status for end in ends] == ["complete"]
    assert all(isinstance(e, KeptEvent | NoticeEvent) for e in events[ends[0].number :])


def test_a_token_counts_as_kept_before_a_reader_has_it_unless_there_is_trouble() -> None:
    kept, seen, trouble = 0, 0, ""
    for event in whole_turn().events():
        if isinstance(event, KeptEvent):
            kept, trouble = event.tokens, event.trouble
        elif isinstance(event, TokenEvent):
            seen += 1
            assert seen <= kept or trouble


@pytest.mark.parametrize("seed", range(30))
def test_a_reader_ends_the_same_however_events_are_shuffled_and_repeated(seed: int) -> None:
    turn = whole_turn()
    dice = random.Random(seed)
    sent = turn.events() * 3
    dice.shuffle(sent)
    reader = TurnReader(9)
    views: list[TurnView] = []
    while sent:
        reader.receive([sent.pop() for _ in range(min(len(sent), dice.randint(1, 4)))])
        views.append(reader.view())
    assert views[-1] == turn.view()
    whole = turn.view().text
    assert all(whole.startswith(view.text) for view in views)


def test_readers_at_any_cursor_get_the_rest() -> None:
    turn = whole_turn()
    events = turn.events()
    for after in range(len(events) + 1):
        assert turn.events(after) == events[after:]
    assert turn.events(len(events), seconds=60) == []  # it has ended: nothing to wait for


def test_a_reader_is_woken_by_the_next_event() -> None:
    turn = new_turn()
    turn.add(step("One"))
    threading.Timer(0.05, commit, [turn]).start()
    assert any(isinstance(event, TokenEvent) for event in turn.events(1, seconds=60))


def test_a_deleted_conversation_ends_its_turn() -> None:
    turn = new_turn()
    turn.add(step("One"))
    turn.discard()
    assert turn.controls.stopped
    assert not turn.running
    assert turn.view().status == "stopped"
