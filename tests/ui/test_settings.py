"""Settings and the first steps, as a person walks through them with the keyboard."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from floe.store.backup import list_backups
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser


@pytest.fixture
def own(tmp_path: Path) -> Iterator[App]:
    """An app for one test, that nobody has opened yet."""
    (tmp_path / "data").mkdir()
    running = App(tmp_path / "data", cloud=False)
    with running.store() as store, store.writing() as db:
        db.execute("DELETE FROM settings WHERE key = 'first_steps'")
    running.start("--api-port", "0")
    yield running
    running.end(signal.SIGINT)


def models_with(address: str, key: str) -> int:
    """Ask the endpoint for its models; returns the status."""
    request = urllib.request.Request(
        f"{address}/models", headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_first_steps_appearance_api_and_a_restored_backup(page: Page, own: App) -> None:
    page.goto(own.url)
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text("First steps, 1 of 3")
    steps.get_by_role("button", name="Next").press("Enter")
    expect(steps.get_by_role("heading")).to_have_text("Your cloud")
    expect(steps).to_contain_text("this device")
    steps.get_by_role("button", name="Choose and test a cloud").press("Enter")
    expect(page.locator("#panel")).to_be_visible()
    page.keyboard.press("Escape")
    steps.get_by_role("button", name="Next").press("Enter")
    expect(steps.get_by_role("heading")).to_have_text("Try it")
    steps.get_by_role("button", name="Done").press("Enter")
    expect(steps).to_be_hidden()
    person = Person.__new__(Person)  # no cloud is waited for
    person.page, person.app = page, own
    page.reload()
    expect(page.get_by_role("list", name="Examples")).to_be_visible()
    expect(steps).to_be_hidden()

    room = person.go("Settings")
    # By keyboard one need not pass all chats to get to what is shown.
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip the list of chats")).to_be_focused()
    page.keyboard.press("Enter")
    expect(room.get_by_role("heading", name="Settings")).to_be_focused()
    expect(room.get_by_role("region", name="Keyboard")).to_contain_text("Search all chats")
    room.get_by_role("button", name="Import or export chats").press("Enter")
    expect(page.locator("#personalise").get_by_role("button", name="Import")).to_be_visible()
    person.go("Settings")
    room.get_by_label("Dark", exact=True).check()
    expect(page.locator("body.dark")).to_be_attached()
    page.reload()
    expect(page.locator("body.dark")).to_be_attached()
    expect(room.get_by_label("Dark", exact=True)).to_be_checked()
    room.get_by_label("As the system has it").check()
    expect(page.locator("body.dark")).to_have_count(0)
    expect(room.get_by_role("region", name="Data folder")).to_contain_text(str(own.data_dir))

    programs = room.get_by_role("region", name="API for other programs")
    switch = programs.get_by_role("switch")
    switch.press("Enter")
    address = programs.locator("code").first
    expect(address).to_have_text(re.compile(r"http://127\.0\.0\.1:\d+/v1"))
    expect(programs.get_by_label("The key", exact=True)).to_have_text("••••••••")
    programs.get_by_role("button", name="Show").press("Enter")
    expect(programs.get_by_label("The key", exact=True)).to_have_text(re.compile("^floe-"))
    at, key = address.inner_text(), programs.get_by_label("The key", exact=True).inner_text()
    assert models_with(at, key) == 200
    programs.get_by_role("button", name="New key").click()
    programs.get_by_role("button", name="Make a new key").click()
    expect(programs.get_by_label("The key", exact=True)).to_have_text("••••••••")
    expect(address).not_to_have_text(at)  # the port is a free one each time here
    assert models_with(address.inner_text(), key) == 401

    about = room.get_by_role("region", name="About")
    expect(about).to_contain_text("Floe 0.2.0, under the Apache License 2.0")
    about.locator("summary").press("Enter")
    expect(about.get_by_role("row", name="gradio")).to_contain_text("Apache")

    # A backup takes the place of what came after it.
    with own.store() as store:
        store.create_conversation("Kept")
    room.get_by_role("button", name="Back up now").click()
    # Beside that of the day, which may be made meanwhile.
    backups = room.get_by_role("list", name="Backups").get_by_role("listitem")
    mine = backups.filter(has_text="by you")
    expect(mine).to_have_count(1)
    # A port that was open when it was made is not opened by it.
    switch.press("Enter")
    expect(address).to_be_hidden()
    with own.store() as store:
        store.create_conversation("Made afterwards")
    mine.get_by_role("button", name="Restore", exact=True).click()
    room.get_by_role("button", name="Restore it").click()
    expect(room).to_contain_text(
        "The chats and adapters are those of the backup now. The API for other programs is off"
    )
    expect(switch).not_to_be_checked()
    expect(address).to_be_hidden()
    made = [each for each in list_backups(own.data_dir) if each.kind == "manual"]
    assert len(made) == 1
    expect(person.in_list("Kept")).to_have_count(1)
    expect(person.in_list("Made afterwards")).to_have_count(0)
    room.get_by_role("button", name="Show them again").click()
    expect(steps).to_be_visible()
    steps.get_by_role("button", name="Skip").press("Enter")
    expect(steps).to_be_hidden()
