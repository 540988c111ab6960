from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from floe.chat.assistant import Assistant
from floe.chat.turn import TurnView
from floe.chat.turn_routes import BESIDE_OTHERS
from floe.errors import StoreError
from floe.privacy.gate import CHOSEN
from floe.records import AnswerStats, Attachment, Message, Route
from floe.ui.chat.answer_figures import live_figures, summary
from floe.ui.chat.markdown import render_message
from floe.ui.chat.thread import WINDOW, chip, draw_rows, thread_page, thread_rows

QUESTION = Message(1, 9, None, "user", "Why <b>?", 0.0, siblings=(1,))
ANSWER = Message(
    3,
    9,
    1,
    "assistant",
    "Because.",
    0.0,
    status="stopped",
    route=Route("fused", "nothing speaks against the cloud"),
    stats=AnswerStats(tokens=2, seconds=1.0, cloud_tokens=1),
    notices=("The cloud was late.",),
    siblings=(2, 3),
)


def test_rows_tell_branches_figures_and_how_an_answer_ended() -> None:
    question, answer = thread_rows([QUESTION, ANSWER])["rows"]
    assert question["siblings"] == [1]
    assert question["notices"] == []
    assert question["blocks"] == ['<p dir="auto">Why &lt;b&gt;?</p>']
    assert answer["siblings"] == [2, 3]
    assert answer["live"] is False
    assert answer["notices"] == ["The cloud was late.", "Stopped by you; what was written stays."]
    assert answer["summary"].startswith("2 tokens")


def test_a_running_answer_is_told_by_its_turn() -> None:
    view = TurnView(3, "Be", (), AnswerStats(tokens=1), ("Late.",), "streaming", Route("local", ""))
    _, answer = thread_rows([QUESTION, ANSWER], view)["rows"]
    assert answer["live"] is True
    assert answer["blocks"] == ['<p dir="auto">Be</p>']
    assert answer["notices"] == ["Late."]
    assert answer["summary"] == ""
    elsewhere = replace(view, message_id=77)
    assert thread_rows([QUESTION, ANSWER], elsewhere) == thread_rows([QUESTION, ANSWER])


def test_a_question_says_why_it_stayed_here() -> None:
    kept = Route("local", "kept on this device: name", ((4, 8, "name"),))
    answer = replace(ANSWER, route=kept)
    question, answered = thread_rows([QUESTION, answer])["rows"]
    shown = {"kept": True, "reason": kept.reason, "spans": kept.spans}
    assert question["chip"] == {**shown, "unsure": False}
    assert answered["chip"] is None
    assert answered["reason"] == kept.reason
    running = TurnView(3, "", (), AnswerStats(), (), "streaming", kept)
    assert thread_rows([QUESTION, replace(ANSWER, route=None)], running)["rows"][0]["chip"]


def test_a_file_says_who_read_it_for_the_answer_in_view() -> None:
    content = "Why?\n\n[a.txt]\none two"
    asked = replace(QUESTION, content=content, attachments=(Attachment("a.txt", 4, 21),))
    notes = {
        "2 words · read on this device alone for this answer": Route("local", BESIDE_OTHERS),
        "2 words · sent to the cloud too": Route("fused", "nothing private found"),
        "2 words · sent to the cloud too, with placeholders": Route("cloud", "pseudonyms stand"),
    }
    for note, route in notes.items():
        question, _ = thread_rows([asked, replace(ANSWER, route=route)])["rows"]
        (file,) = question["attachments"]
        assert file["note"] == note
        assert question["blocks"] == ['<p dir="auto">Why?</p>']


def test_only_what_the_gate_decided_gets_a_chip() -> None:
    assert chip(None) is None
    assert chip(Route("local", CHOSEN)) is None
    assert chip(Route("local", "The cloud is not connected yet.")) is None
    assert chip(Route("fused", "nothing private found")) is None
    asked = chip(Route("local", "kept on this device: name", unsure=True))
    assert asked is not None
    assert asked["unsure"]
    masked = chip(Route("fused", "pseudonyms stand for: name", ((0, 4, "name"),)))
    assert masked is not None
    assert masked["kept"] is False


def test_a_rewritten_answer_and_its_rating_are_told() -> None:
    own = replace(ANSWER, edited_from=2, rating=1)
    _, answer = thread_rows([QUESTION, own])["rows"]
    assert (answer["rewritten"], answer["rating"]) == (True, 1)


def branch(length: int) -> list[Message]:
    return [
        Message(
            place + 100, 9, place + 99 or None, ("user", "assistant")[place % 2], f"{place}", 0.0
        )
        for place in range(length)
    ]


def test_the_page_gets_the_end_of_a_long_conversation_or_what_is_around_a_message() -> None:
    messages = branch(2000)
    end = thread_rows(messages)
    assert (end["first"], end["total"], end["leaf"]) == (2000 - WINDOW, 2000, 2099)
    assert [row["id"] for row in end["rows"]] == list(range(2100 - WINDOW, 2100))
    assert end["focus"] is None
    found = thread_rows(messages, around=700, flash=True)
    assert found["first"] == 600 - WINDOW // 2
    assert len(found["rows"]) == WINDOW
    assert (found["focus"], found["flash"]) == (700, True)
    assert thread_rows(messages, around=105)["first"] == 0
    assert thread_rows(messages, around=4)["focus"] is None
    assert thread_rows([])["rows"] == []


def test_rows_asked_for_later_are_the_same_rows() -> None:
    messages = branch(200)
    store = SimpleNamespace(path_to={299: messages}.__getitem__)
    assistant = cast(Assistant, SimpleNamespace(store=store, running=lambda _: None))
    asked = thread_page(assistant, [9, 299, 40, 80])["rows"]
    assert asked == draw_rows(messages, 0, 200)[40:80]
    assert len(thread_page(assistant, [9, 299, 0, 200])["rows"]) == 2 * WINDOW


def test_rows_of_a_branch_that_was_deleted_are_none() -> None:
    def path_to(_: int) -> list[Message]:
        raise StoreError("gone")

    store = SimpleNamespace(path_to=path_to)
    assistant = cast(Assistant, SimpleNamespace(store=store, running=lambda _: None))
    assert thread_page(assistant, [9, 299, 0, 40]) == {"rows": []}


def test_a_message_is_rendered_once() -> None:
    text = "the same **text**"
    assert render_message(text) is render_message(text)


@pytest.mark.parametrize(
    ("cloud", "tokens", "shown"),
    [(0, 300, "0%"), (1, 300, "1%"), (150, 300, "50%"), (299, 300, "99%"), (300, 300, "100%")],
)
def test_all_with_the_cloud_is_said_only_of_an_answer_without_a_late_token(
    cloud: int, tokens: int, shown: str
) -> None:
    stats = AnswerStats(tokens=tokens, seconds=10.0, cloud_tokens=cloud)
    assert f" · {shown} with the cloud" in summary(stats)
    assert live_figures(stats)[2]["value"] == shown
