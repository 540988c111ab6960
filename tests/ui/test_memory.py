"""Earlier words in the page: told in one chat, used in another, shown, and forgotten."""

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


def test_earlier_words_are_used_shown_and_forgotten(page: Page, app: App) -> None:
    with app.store() as store:
        store.add_message(None, None, "user", "My harpsichord is called Quillona.")
    person = Person(page, app, length=8, mode="local")
    page.locator("#conversations").get_by_role("button", name="New chat").click()
    person.ask("What is my harpsichord called?")
    chip = page.locator("#chat .bot-row").last.locator(".memory-line")
    expect(chip.locator("button.chip")).to_have_text("used 1 of your notes")
    chip.locator("button.chip").click()
    expect(chip).to_contain_text("My harpsichord is called Quillona.")
    chip.get_by_role("button", name="Forget this").click()
    chip.get_by_role("button", name="Forget", exact=True).click()
    expect(chip).to_contain_text("None of it is kept any more.")
    room = person.go("Privacy")
    sheet = room.get_by_role("region", name="Your earlier words")
    expect(sheet.get_by_role("status")).to_contain_text("at hand, on this device")
    sheet.get_by_role("textbox", name="Notes").fill("My clavichord is called Dulcian.")
    folder = sheet.get_by_role("textbox", name="Folder")
    folder.fill("/there/is/no/such/folder")
    read = sheet.get_by_role("button", name="Read this folder")
    left = [each.evaluate("e => e.getBoundingClientRect().left") for each in (folder, read)]
    assert left[0] == left[1]  # under what it reads, not under the notes
    read.click()
    expect(page.locator("#privacy-notice")).to_contain_text("There is no folder")
    with app.store() as store:
        assert store.setting("memory_notes", "") == "My clavichord is called Dulcian."
        with store.reading() as db:
            rows = db.execute("SELECT text FROM memory_passages").fetchall()
    texts = [text for (text,) in rows]
    assert "My clavichord is called Dulcian." in texts
    assert "My harpsichord is called Quillona." not in texts
