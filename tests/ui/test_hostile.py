"""Hostile messages in the real page: no request, no script, no element outside its message."""

import html
import re
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from floe.records import Role
from floe.ui.chat.allow_list import ATTRIBUTES, TAGS, VALUES
from floe.ui.chat.markdown import render_blocks
from tests.ui.bare_page import URL, BarePage
from tests.ui.conftest import App
from tests.ui.hostile import HAND_MADE, random_messages
from tests.ui.person import Person
from tests.ui.test_markdown import MESSAGES

pytestmark = pytest.mark.browser

DRAW: Final = Path(__file__).with_name("hostile.js").read_text()
BATCH: Final = 500
OWN: Final = re.compile(r"/gradio_api/(queue/(join|data)|heartbeat/\w+|component_server|run/\w+)")
"""What the page asks its server for by itself: looks at the cloud and at the weight."""

ALARM: Final = """
window.alarms = [];
window.taken = () => window.alarms.push("a script ran");
for (const name of ["alert", "confirm", "prompt", "open"]) {
  window[name] = () => window.alarms.push(name);
}
document.addEventListener("securitypolicyviolation", (event) => {
  window.alarms.push(event.blockedURI);
});
addEventListener("submit", () => window.alarms.push("a form was sent"), true);
"""


def batches(messages: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(messages, BATCH)):
        yield batch


@pytest.mark.timeout(7200)
def test_no_message_makes_a_request_runs_a_script_or_leaves_its_box(page: Page) -> None:
    """On the page's own scripts, styles and policy; see the next test for the app as a whole."""
    page.add_init_script(ALARM)
    bare = BarePage(page)
    draw_all(page, MESSAGES)
    page.wait_for_timeout(500)
    assert bare.requests == []
    assert page.url == URL


def test_hostile_messages_in_the_app_make_no_request(page: Page, app: App) -> None:
    page.add_init_script(ALARM)
    page.goto(app.url)
    expect(page.locator("#chat .welcome, #chat .message-row").first).to_be_attached()
    page.wait_for_timeout(2000)  # for what the page itself loads late
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    draw_all(page, 100)  # a thousand are drawn without the app
    page.wait_for_timeout(500)
    assert urlsplit(page.url).path == "/"
    assert [url for url in asked if not OWN.fullmatch(urlsplit(url).path)] == []
    assert {urlsplit(url).netloc for url in asked} <= {urlsplit(app.url).netloc}


def draw_all(page: Page, count: int) -> None:
    """Draw the hand-made and `count` random messages; none may do or be what it must not."""
    opened: list[str] = []
    page.context.on("page", lambda other: opened.append(other.url))
    names = {"class", *chain(*VALUES.values(), *ATTRIBUTES.values())}
    listed = {"tags": sorted(TAGS), "attributes": sorted(names)}
    shown = 0
    for batch in batches(chain(HAND_MADE, random_messages(21, count))):
        drawn = [list(render_blocks(text)) for text in batch]
        reply = page.evaluate(DRAW, {"batch": drawn, **listed})
        assert reply["faults"] == [], [
            batch[int(fault.split()[1].rstrip(":"))] for fault in reply["faults"][:3]
        ]
        shown += len(batch)
    assert shown == len(HAND_MADE) + count
    assert page.evaluate("window.alarms") == []
    assert opened == []


def test_hostile_messages_in_a_conversation_are_shown_as_they_were_written(
    page: Page, app: App
) -> None:
    wanted = [each for each in HAND_MADE if each.startswith("<") and "\n" not in each][:60]
    with app.store() as store:
        conversation = store.create_conversation("Attacks")
        parent = None
        for number, text in enumerate(wanted):
            role: Role = "assistant" if number % 2 else "user"
            parent = store.add_message(conversation.id, parent, role, text).id
    page.add_init_script(ALARM)
    person = Person(page, app)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    person.in_list("Attacks").locator(".title").click()
    rows = page.locator("#chat .message-row")
    expect(rows.last.locator(".message-text")).to_have_text(wanted[-1])
    assert rows.count() >= 40
    texts = rows.locator(".message-text").all_text_contents()
    # Markdown knows `&quot;` for a quotation mark, except in a block of HTML, which is shown as it
    # was written; nothing else of them is anything but text.
    shown = [html.unescape(text) for text in texts]
    assert shown == [html.unescape(text).strip() for text in wanted[-len(texts) :]]
    assert page.evaluate("window.alarms") == []
    assert [url for url in asked if "file=" in url] == []
