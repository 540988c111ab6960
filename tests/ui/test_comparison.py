"""One question answered side by side, as a person walks through it."""

import re

import pytest
from playwright.sync_api import Page, expect

from floe.privacy.sent import SentLog
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


def test_answers_stand_side_by_side_and_the_chat_goes_on_with_one(page: Page, app: App) -> None:
    person = Person(page, app, length=12)
    page.click(".new-chat")
    sheet = page.get_by_role("region", name="Side by side", exact=True)
    columns = sheet.get_by_role("article")
    page.get_by_role("button", name="Side by side: Explain to a ten-year-old").press("Enter")
    expect(columns).to_have_count(3)
    expect(columns.get_by_role("heading")).to_have_text(
        ["This device", "Both together", "The cloud"]
    )
    goes_on = sheet.get_by_role("button", name="Go on with this one")
    expect(goes_on).to_have_count(3)
    expect(sheet.locator("article.live")).to_have_count(0)
    expect(page.locator("#send")).to_be_visible()
    for column in columns.all():
        expect(column.locator(".message-text")).not_to_be_empty()
        expect(column.locator("dl")).to_contain_text("tokens/s")
    expect(columns.nth(0).locator("dl")).to_contain_text("cloud requests0")
    expect(columns.nth(2).locator("dl")).to_contain_text("100%")

    # A phone: the columns stand beside each other, to be swiped through.
    page.set_viewport_size({"width": 390, "height": 800})
    expect(columns.nth(0)).to_be_in_viewport()
    expect(columns.nth(2)).not_to_be_in_viewport()
    goes_on.nth(2).focus()
    expect(columns.nth(2)).to_be_in_viewport()
    page.set_viewport_size({"width": 1280, "height": 800})

    words = columns.nth(1).locator(".message-text").inner_text()
    goes_on.nth(1).press("Enter")
    expect(sheet).to_be_hidden()
    expect(person.answer.locator(".switcher")).to_have_text("2/3")
    assert person.answer_text == words
    page.reload()
    expect(person.answer.locator(".switcher")).to_have_text("2/3")
    person.answer.get_by_label("All versions side by side").press("Enter")
    expect(columns).to_have_count(3)
    expect(sheet.get_by_role("heading", name="Side by side")).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(person.prompt).to_be_focused()

    # What is somebody's own stays here, and the other columns say so.
    page.click(".new-chat")
    page.get_by_role("button", name="Side by side: My sister Anna").click()
    expect(columns).to_have_count(3)
    expect(columns.nth(2)).to_contain_text("The cloud was not asked: kept on this device")
    expect(columns.nth(1)).to_contain_text("The cloud was not asked: kept on this device")
    expect(goes_on).to_have_count(1)
    with app.store() as store:
        assert SentLog(store).count("ten-year-old")[0] >= 2
        assert SentLog(store).count("Anna")[0] == 0
    page.get_by_role("button", name="Back to the chat").click()
    expect(person.answer.locator(".switcher")).to_have_text("1/3")

    # Two weights, of what is in the box; stopped, none of those to come is begun.
    page.click(".new-chat")
    person.prompt.fill("Tell me a very long story about a lamp.")
    page.get_by_label("Ask side by side").first.press("Enter")
    page.get_by_label("Second weight").fill("1")
    page.get_by_role("button", name="Two weights").click()
    expect(person.prompt).to_have_value("")
    expect(columns).to_have_count(2)
    expect(columns.get_by_role("heading")).to_have_text(["Weight 0.20", "Weight 1.00"])
    expect(goes_on).to_have_count(2)
    expect(page.locator("#send")).to_be_visible()
    person.send("And another one.")
    expect(sheet).to_be_hidden()
    person.wait_for_the_end()
    expect(page.locator("#chat .user-row")).to_have_count(2)
    expect(page.locator("#chat .user-row").first).to_contain_text(re.compile("about a lamp"))
