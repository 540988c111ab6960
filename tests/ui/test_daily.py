"""What makes a chat page one to stay in: tabs, addresses, drafts, and answers that go on."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


def add_chat(app: App, title: str, question: str, answer: str | None) -> int:
    """Put a chat into the database; without an answer Floe ended before there was one."""
    with app.store() as store:
        chat = store.create_conversation(title).id
        asked = store.add_message(chat, None, "user", question)
        if answer is not None:
            store.add_message(chat, asked.id, "assistant", answer)
        return chat


def answer_late(route: Route) -> None:
    """Let the app hear of it after a while."""
    route.request.frame.page.wait_for_timeout(600)
    route.continue_()


def expect_draft(app: App, chat: int, text: str | None) -> None:
    """Wait until the store has that draft; it is brought there every two seconds."""
    for _ in range(600):
        with app.store() as store:
            if store.setting("drafts", {}).get(str(chat)) == text:
                return
        time.sleep(0.1)
    raise AssertionError(store.setting("drafts", {}))


def test_each_tab_has_its_chat_its_address_and_its_drafts(page: Page, app: App) -> None:
    rivers = add_chat(app, "Waterways", "Which river is the longest?", "The Nile.")
    hills = add_chat(app, "Summits", "Which mountain is the highest?", "Mount Everest.")
    person = Person(page, app, length=8, mode="local")
    header = page.locator("#about h1")
    person.in_list("Waterways").locator(".title").click()
    expect(header).to_have_text("Waterways")
    expect(page).to_have_url(re.compile(rf"#/chat/{rivers}$"))
    person.prompt.press_sequentially("begun about rivers")

    other = page.context.new_page()
    other.goto(f"{page.url.split('#', maxsplit=1)[0]}#/chat/{hills}")
    expect(other.locator("#about h1")).to_have_text("Summits")
    # Each tab comes back to its own chat, whichever was opened last.
    page.reload()
    expect(header).to_have_text("Waterways")
    expect(person.prompt).to_have_value("begun about rivers")

    person.in_list("Summits").locator(".title").click()
    expect(header).to_have_text("Summits")
    expect(person.prompt).to_have_value("")
    page.go_back()
    expect(header).to_have_text("Waterways")
    expect(person.prompt).to_have_value("begun about rivers")
    page.go_forward()
    expect(header).to_have_text("Summits")
    person.go("Privacy")
    expect(page).to_have_url(re.compile("#/privacy$"))
    page.go_back()
    expect(header).to_be_visible()
    expect(header).to_have_text("Summits")

    # What is typed in the very moment in which another chat opens stays with the one it is of.
    rivers_row = person.in_list("Waterways").locator(".title")
    person.prompt.fill("begun about hills")
    expect_draft(app, hills, "begun about hills")
    page.route("**/queue/join*", answer_late)
    rivers_row.click(no_wait_after=True)
    person.prompt.press_sequentially(", and more")
    page.unroute_all(behavior="wait")
    expect(header).to_have_text("Waterways")
    expect(person.prompt).to_have_value("begun about rivers")
    expect_draft(app, hills, "begun about hills, and more")
    person.in_list("Summits").locator(".title").click()
    expect(person.prompt).to_have_value("begun about hills, and more")
    person.prompt.fill("")
    expect_draft(app, hills, None)

    page.get_by_label("More about this chat").click()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Save as Markdown").click()
    assert fetched.value.suggested_filename == "Summits.md"
    assert "**Floe**\n\nMount Everest.\n" in Path(fetched.value.path()).read_text()
    page.keyboard.press("Escape")

    person.act_on(person.in_list("Summits"), "Rename")
    page.locator("#conversations .renaming input").fill("Hillocks")
    page.keyboard.press("Enter")
    expect(header).to_have_text("Hillocks")
    expect(other.locator("#about h1")).to_have_text("Hillocks")
    other.locator("#prompt textarea").fill("And the second highest?")
    other.locator("#prompt textarea").press("Enter")
    expect(page.locator("#chat .user-row").last).to_contain_text("And the second highest?")
    expect(person.answer).to_contain_text("Cut off at the longest answer")
    expect(other.locator("#chat .bot-row").last).to_contain_text("Cut off at the longest answer")

    person.act_on(person.in_list("Hillocks"), "Delete")
    expect(header).to_have_text("New chat")
    expect(other.locator("#notice p")).to_have_text("This chat has been deleted in another window.")
    expect(other.locator("#chat .message-row")).to_have_count(0)
    other.close()


def test_what_broke_off_goes_on_and_what_waits_says_so(page: Page, app: App) -> None:
    add_chat(app, "Left alone", "Name three colours.", None)
    person = Person(page, app, length=8, mode="local")
    page.click(".new-chat")
    examples = page.get_by_role("list", name="Examples").locator(".example")
    expect(examples).to_have_count(4)
    examples.last.click()
    expect(person.prompt).to_have_value(re.compile("^My sister Anna"))
    expect(person.prompt).to_be_focused()
    person.prompt.fill("")
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Search all chats")).to_be_focused()
    page.locator("#chat .log").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Search all chats")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    page.keyboard.press("/")
    expect(person.prompt).to_be_focused()
    person.in_list("Left alone").locator(".title").click()
    page.get_by_role("button", name="Answer", exact=True).click()
    person.wait_for_the_end()
    expect(person.answer).to_contain_text("Cut off at the longest answer")
    expect(page.get_by_role("button", name="Answer", exact=True)).to_have_count(0)
    begun = person.answer_text
    person.answer.get_by_role("button", name="Continue").click()
    expect(person.answer.locator(".switcher")).to_have_text("2/2")
    person.wait_for_the_end()
    assert person.answer_text.startswith(begun)
    assert len(person.answer_text) > len(begun)
    person.answer.get_by_label("Earlier version").click()
    expect(person.answer.locator(".switcher")).to_have_text("1/2")
    assert person.answer_text == begun

    page.locator("#advanced summary").click()
    page.get_by_label("Longest answer").fill("2048")
    page.get_by_label("Longest answer").press("Enter")
    page.keyboard.press("Escape")
    page.click(".new-chat")
    person.send("Tell me a very long story about a lamp.")
    person.wait_for_tokens(3)
    page.click(".new-chat")
    person.send("Tell me a short story about a key.")
    expect(person.answer).to_contain_text("Waiting: one other answer is written first.")
    person.in_list("about a lamp").locator(".title").click()
    page.click("#stop")
    person.wait_for_the_end()
    person.in_list("about a key").locator(".title").click()
    person.wait_for_tokens(3)
    expect(person.answer).not_to_contain_text("Waiting")
    page.click("#stop")
    person.wait_for_the_end()


def test_chats_are_put_in_order_and_what_is_deleted_comes_back(page: Page, app: App) -> None:
    for name in ("Ferns", "Mosses"):
        add_chat(app, name, f"What are {name.lower()}?", "Green plants of damp places.")
    long = add_chat(app, "Lichens", "What is a lichen?", "A fungus and an alga, quibblewort.")
    with app.store() as store:
        last = store.open_conversation(long)[-1]
        for text in ("Where does the quibblewort grow?", "The quibblewort grows on bark."):
            last = store.add_message(long, last.id, "user" if "?" in text else "assistant", text)
    person = Person(page, app, length=8, mode="local")
    titles = page.locator("#conversations .title")
    offer = page.locator("#undo p")

    person.act_on(person.in_list("Ferns"), "Pin")
    expect(titles.first).to_have_text("Ferns")
    expect(page.locator("#conversations h2").first).to_have_text("Pinned")
    person.act_on(person.in_list("Mosses"), "Archive")
    expect(person.in_list("Mosses")).to_have_count(0)
    page.get_by_role("button", name="Archive (1)").click()
    person.act_on(person.in_list("Mosses"), "Bring")
    expect(page.get_by_role("button", name="Archive (1)")).to_have_count(0)

    # A folder comes with the first chat in it, and goes with the last.
    person.act_on(person.in_list("Mosses"), "into a folder")
    page.get_by_label("Folder", exact=True).fill("Plants of the shade")
    page.keyboard.press("Enter")
    folder = page.get_by_role("button", name="Plants of the shade (1)")
    expect(folder).to_have_attribute("aria-expanded", "true")
    folder.press("Enter")
    expect(person.in_list("Mosses")).to_have_count(0)
    page.reload()
    expect(folder).to_have_attribute("aria-expanded", "false")
    folder.press("Enter")
    expect(person.in_list("Mosses")).to_have_count(1)

    # Several of those that were found, all at once.
    page.get_by_label("Search all chats").fill("lichen")
    page.get_by_role("button", name="Select chats").click()
    person.in_list("Lichens").get_by_role("checkbox").press("Space")
    page.get_by_role("group", name="Selected chats").get_by_role("button", name="Folder").click()
    page.get_by_label("Folder", exact=True).fill("Plants of the shade")
    page.get_by_role("button", name="Move", exact=True).press("Enter")
    expect(page.locator("#conversations .hit")).to_have_count(1)
    page.get_by_label("Search all chats").fill("")
    expect(page.get_by_role("button", name="Plants of the shade (2)")).to_be_visible()
    for name in ("Lichens", "Mosses"):
        person.act_on(person.in_list(name), "into a folder")
        page.get_by_role("button", name="No folder").click()
    expect(page.locator("#conversations .folder")).to_have_count(0)

    # One row a chat; each press goes on to its next place.
    page.get_by_label("Search all chats").fill("quibblewort")
    found = page.locator("#conversations .hit")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("3 places")
    places = set()
    for number in (1, 2, 3):
        found.click()
        expect(found).to_contain_text(f"place {number} of 3")
        expect(page.locator("#chat .message-row.found")).to_have_count(1)
        places.add(page.locator("#chat .message-row.found .message-text").inner_text())
        expect(page.locator("#chat .message-row.found")).to_have_count(0)
    assert len(places) == 3
    page.get_by_label("Search all chats").fill("")

    # A message goes with what follows it, and comes back with it.
    rows = page.locator("#chat .message-row")
    expect(rows).to_have_count(4)
    rows.nth(1).get_by_label("Delete this message and what follows").click()
    expect(rows).to_have_count(1)
    expect(offer).to_contain_text("3 messages are deleted.")
    page.set_viewport_size({"width": 390, "height": 800})
    bar, dock = offer.bounding_box(), page.locator("#dock").bounding_box()
    assert bar
    assert dock
    assert bar["y"] + bar["height"] <= dock["y"]
    page.set_viewport_size({"width": 1280, "height": 800})
    offer.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(4)
    expect(offer).to_have_count(0)

    # Several at once, by keyboard; the chat in view comes back with what was begun in it.
    person.prompt.press_sequentially("begun about lichens")
    page.get_by_role("button", name="Select chats").click()
    for name in ("Ferns", "Lichens"):
        person.in_list(name).get_by_role("checkbox").press("Space")
    chosen = page.get_by_role("group", name="Selected chats")
    expect(chosen).to_contain_text("2 selected")
    chosen.get_by_role("button", name="Delete").press("Enter")
    expect(person.in_list("Ferns")).to_have_count(0)
    expect(page.locator("#about h1")).to_have_text("New chat")
    expect(person.prompt).to_have_value("")
    expect(offer).to_contain_text("2 chats are deleted.")
    with app.store() as store:
        assert store.search_chats("quibblewort") == []
    offer.get_by_role("button", name="Undo").click()
    expect(person.in_list("Lichens")).to_have_count(1)
    person.in_list("Lichens").locator(".title").click()
    expect(person.prompt).to_have_value("begun about lichens")
    person.prompt.fill("")
