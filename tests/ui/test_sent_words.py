"""What the list of requests shows of each, before it is opened."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from floe.privacy.sent import SentLog
from floe.store import Store
from floe.ui.privacy.privacy_panel import sent_page, words_of
from tests.ui.conftest import App
from tests.ui.person import Person


def body(*messages: tuple[str, object]) -> str:
    return json.dumps({"messages": [{"role": role, "content": words} for role, words in messages]})


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (body(("system", "Be kind."), ("user", "Why is\nthe sky blue?")), "Why is the sky blue?"),
        (body(("user", "One?"), ("assistant", "1"), ("user", "Two?")), "Two?"),
        (body(("user", "Two?"), ("assistant", "It is")), "Two? → It is"),
        (body(("user", "Two?"), ("assistant", "a" * 99)), "Two? → …" + "a" * 30),
        (body(("user", "x" * 101)), "x" * 100 + "…"),
        (body(), ""),
        ("", ""),
        ("[]", ""),
        ('{"messages": [{"role": "user"}]}', ""),
        ('{"messages": 3}', ""),
        ('{"prompt": "no chat"}', ""),
    ],
)
def test_a_request_is_known_by_its_words(sent: str, words: str) -> None:
    assert words_of(sent) == words


def test_the_list_tells_the_requests_of_one_answer_apart(tmp_path: Path) -> None:
    with Store(tmp_path / "floe.db") as store:
        log = SentLog(store)
        for written in ("", "Because"):
            said = [("user", "Why?"), *([("assistant", written)] if written else [])]
            log.write("http://127.0.0.1:9/v1", "m", "answer", body(*said).encode(), None)
        rows = sent_page(log, "", 0)["rows"]
        assert [row["words"] for row in rows] == ["Why? → Because", "Why?"]


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_long_words_do_not_push_the_list_aside(page: Page, app: App, width: int) -> None:
    question = "How deep is the sea where the harbour ends? " * 9
    with app.store() as store:
        url = "https://api.example.com/v1/chat/completions"
        log = SentLog(store)
        kept = log.write(url, "a-model", "answer", body(("user", question)).encode(), None)
    page.set_viewport_size({"width": width, "height": 800})
    person = Person(page, app)
    room = person.go("Privacy")
    entry = room.locator(".sent summary", has_text="How deep is the sea")
    expect(entry.locator(".words")).to_contain_text("How deep is the sea")
    place, words = entry.bounding_box(), entry.locator(".words").bounding_box()
    when = entry.locator("b").bounding_box()
    assert place is not None
    assert words is not None
    assert when is not None
    assert place["x"] + place["width"] <= width
    assert words["x"] + words["width"] <= place["x"] + place["width"]
    assert words["y"] >= when["y"] + when["height"]
    assert room.evaluate("(room) => room.scrollWidth <= room.clientWidth")
    with app.store() as store:
        SentLog(store).withdraw(kept)  # other tests read the same list
