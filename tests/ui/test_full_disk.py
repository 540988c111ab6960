"""A disk that fills up in the midst of an answer, as a person sees it in the page."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.faults.small_disk import SmallDisk, small_disk
from tests.ui.conftest import App
from tests.ui.person import Person
from tests.ui.test_browser import LONG_QUESTION, newest

pytestmark = pytest.mark.browser


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", monkeypatch) as mounted:
        if not mounted.real:
            pytest.skip("needs a disk of its own: the app is another process")
        yield mounted


def test_a_full_disk_is_told_and_nothing_that_was_shown_is_lost(
    page: Page, disk: SmallDisk
) -> None:
    own = App(disk.path)
    own.start()
    try:
        person = Person(page, own, length=120)
        person.send(LONG_QUESTION)
        person.wait_for_tokens(5)
        disk.fill()
        unkept = person.answer.locator(".aside", has_text="not saved yet: the disk is full")
        expect(unkept).to_contain_text(re.compile(r"^The last \d+ words are .*make some room\.$"))
        expect(page.locator("#send")).to_be_visible()  # the answer has ended, and is not kept
        expect(person.tokens).to_have_count(120)
        shown = person.answer_text
        assert newest(own)[0].status == "streaming"

        person.send("And what became of the ship?")
        expect(person.notice).to_contain_text("not saved yet")
        expect(person.prompt).to_have_value("And what became of the ship?")
        expect(page.locator("#chat .user-row")).to_have_count(1)

        disk.make_room()
        expect(unkept).to_have_count(0)
        expect(person.answer).to_contain_text("because the disk was full; now it is saved")
        assert person.answer_text == shown
        message, steps = newest(own)
        assert message.status == "length"
        assert len(steps) == 120
        assert shown.split()[-1] in message.content

        disk.fill()
        page.locator(".new-chat").click()
        expect(person.prompt).to_have_value("")  # the draft has stayed with its chat
        person.send("Is anybody there?")
        expect(person.notice).to_contain_text("disk is full")
        expect(person.prompt).to_have_value("Is anybody there?")
        disk.make_room()
        person.prompt.press("Enter")
        person.wait_for_the_end()
        assert newest(own)[0].content
    finally:
        own.end(signal.SIGINT)
