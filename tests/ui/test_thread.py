from dataclasses import replace

import pytest

from floe.privacy.gate import CHOSEN
from floe.records import AnswerStats, Message, Route
from floe.turn import TurnView
from floe.ui.thread import WAITING, chip, facts, history, markdown

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


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("a <b>bold</b> <!-- x -->", "a &lt;b>bold&lt;/b> &lt;!-- x -->"),
        ("1 < 2 and `<div>`", "1 < 2 and `<div>`"),
        ("```html\n<div>\n```\n<p>", "```html\n<div>\n```\n&lt;p>"),
        ("```html\n<div>", "```html\n<div>"),
        ("~~~\n<a>\n~~~", "~~~\n<a>\n~~~"),
        ("$a<b$", r"\(a<b\)"),
        ("it costs $5 or $10", "it costs $5 or $10"),
        ("$20,000 and US$30", "$20,000 and US$30"),
        ("$$a<b$$ and \\(c<d\\) and \\[e<f\\]", "$$a<b$$ and \\(c<d\\) and \\[e<f\\]"),
        ("![x](https://example.com/x.png)", "&#33;[x](https://example.com/x.png)"),
        ("`![x](y)` wow!", "`![x](y)` wow!"),
        ("", ""),
    ],
)
def test_markdown_shows_html_and_knows_formulas_from_money(text: str, ready: str) -> None:
    assert markdown(text) == ready


def test_history_is_what_the_chatbot_draws() -> None:
    empty = replace(ANSWER, content="")
    assert history([QUESTION, empty]) == [
        {"role": "user", "content": "Why &lt;b>?"},
        {"role": "assistant", "content": WAITING},
    ]


def test_facts_tell_branches_figures_and_how_an_answer_ended() -> None:
    question, answer = facts(9, [QUESTION, ANSWER])["messages"]
    assert question["siblings"] == [1]
    assert question["notices"] == []
    assert answer["siblings"] == [2, 3]
    assert answer["live"] is False
    assert answer["notices"] == ["The cloud was late.", "Stopped by you; what was written stays."]
    assert answer["summary"].startswith("2 tokens")


def test_a_running_answer_is_told_by_its_turn() -> None:
    view = TurnView(3, "Be", (), AnswerStats(tokens=1), ("Late.",), "streaming", Route("local", ""))
    _, answer = facts(9, [QUESTION, ANSWER], view)["messages"]
    assert answer["live"] is True
    assert answer["notices"] == ["Late."]
    assert answer["summary"] == ""
    elsewhere = replace(view, message_id=77)
    assert facts(9, [QUESTION, ANSWER], elsewhere) == facts(9, [QUESTION, ANSWER])


def test_a_question_says_why_it_stayed_here() -> None:
    kept = Route("local", "kept on this device: name", ((4, 8, "name"),))
    answer = replace(ANSWER, route=kept)
    question, answered = facts(9, [QUESTION, answer])["messages"]
    assert question["chip"] == {"kept": True, "reason": kept.reason, "spans": kept.spans}
    assert answered["chip"] is None
    assert answered["reason"] == kept.reason
    running = TurnView(3, "", (), AnswerStats(), (), "streaming", kept)
    assert facts(9, [QUESTION, replace(ANSWER, route=None)], running)["messages"][0]["chip"]


def test_only_what_the_gate_decided_gets_a_chip() -> None:
    assert chip(None) is None
    assert chip(Route("local", CHOSEN)) is None
    assert chip(Route("local", "The cloud is not connected yet.")) is None
    assert chip(Route("fused", "nothing private found")) is None
    masked = chip(Route("fused", "pseudonyms stand for: name", ((0, 4, "name"),)))
    assert masked is not None
    assert masked["kept"] is False


def test_a_rewritten_answer_and_its_rating_are_told() -> None:
    own = replace(ANSWER, edited_from=2, rating=1)
    _, answer = facts(9, [QUESTION, own])["messages"]
    assert (answer["rewritten"], answer["rating"]) == (True, 1)
