"""What is typed while the app cannot be reached is not lost, and nothing of it stays in the tab."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.ports import lasting_port
from tests.ui.conftest import WAIT, App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

KEPT = "Object.values(sessionStorage).concat(Object.values(localStorage)).join()"


def test_what_is_typed_while_the_app_is_away_is_there_when_it_is_back(
    tmp_path: Path, browser: Browser
) -> None:
    own = App(tmp_path, cloud=False)
    own.port = lasting_port()
    own.start()
    context = browser.new_context()
    context.set_default_timeout(WAIT)
    tab = context.new_page()
    try:
        person = Person(tab, own, length=4, mode="local")
        person.ask("Name a river.")
        person.prompt.press_sequentially("My sister is")
        own.end(signal.SIGKILL)  # before it had brought this to the store
        person.prompt.press_sequentially(" called Runa")
        assert "Runa" in tab.evaluate(KEPT)
        tab.evaluate("window.opened = 'before the app ended'")
        own.start()
        # gradio opens the page again by itself, once it can. The old one may bring the draft to
        # the app before that; what is typed into it would be typed half here and half there.
        tab.wait_for_function("window.opened === undefined")
        tab.wait_for_function("!Object.values(sessionStorage).join().includes('Runa')")
        expect(person.prompt).to_have_value("My sister is called Runa")
        person.prompt.press_sequentially(" May")
        person.prompt.press("Enter")
        person.wait_for_the_end()
        tab.wait_for_function("!Object.values(sessionStorage).join().includes('Runa')")
        assert "Runa" not in tab.evaluate(KEPT)
        person.come()
        expect(person.prompt).to_have_value("")
    finally:
        context.close()
        own.end(signal.SIGINT)


def test_what_is_typed_before_the_page_is_filled_stays(page: Page, app: App) -> None:
    person = Person(page, app, mode="local")
    held: list[Route] = []
    joins = "**/queue/join*"  # the first one asks for what the page is filled with
    page.route(joins, lambda route: route.continue_() if held else held.append(route))
    with page.expect_request(joins):
        page.reload()
    person.prompt.press_sequentially("Typed at once")
    assert page.evaluate("floe.chat === undefined")
    held[0].continue_()
    page.wait_for_function("floe.chat !== undefined")
    person.prompt.press_sequentially(", and later")
    expect(person.prompt).to_have_value("Typed at once, and later")
