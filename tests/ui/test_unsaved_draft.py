"""What is typed while the app cannot be reached is not lost, and nothing of it stays in the tab."""

import signal
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.ui.conftest import WAIT, App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

KEPT = "Object.values(sessionStorage).concat(Object.values(localStorage)).join()"


def test_what_is_typed_while_the_app_is_away_is_there_when_it_is_back(
    tmp_path: Path, browser: Browser
) -> None:
    own = App(tmp_path, cloud=False)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own.port = probe.getsockname()[1]
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
        own.start()
        # gradio opens the page again by itself, once it can.
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
