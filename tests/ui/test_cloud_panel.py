"""The cloud panel in Chromium: choose, test and use an endpoint, as a person does."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.cloud.quirky import Quirks, QuirkyServer
from tests.ui.conftest import App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

KEY = "sk-very-secret-0123456789"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose cloud may be changed, with no keyring to write to."""
    running = App(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        running.start()
    yield running
    running.end(signal.SIGINT)


def choose(page: Page, title: str) -> None:
    page.locator("#preset input").click()
    page.get_by_role("option", name=title).click()


def panel_for(page: Page, app: App, url: str) -> Person:
    """The panel of a fresh page with an address typed; the cloud in use is the stand-in."""
    person = Person(page, app, length=16)
    page.click("#open-cloud")
    expect(page.locator("#inUse .usable")).to_be_visible()
    # Filled by the page's first look: what is typed before it would be overwritten by it.
    expect(page.locator("#preset input")).not_to_have_value("")
    choose(page, "Another address")
    # Part of the same answer as the field of the address, which it may empty.
    expect(page.locator("#hint")).to_contain_text("Any server that speaks the OpenAI protocol")
    # Where this line of the list was chosen before, its hint stands there already.
    expect(page.locator("#base-url input")).to_have_value("")
    page.locator("#base-url input").fill(url)
    return person


def back_to_the_stand_in(page: Page) -> None:
    choose(page, "Stand-in")
    expect(page.locator("#base-url")).to_have_count(0)
    page.click("#use")
    expect(state(page)).to_contain_text("stand-in cloud on this device takes part")


def state(page: Page) -> Locator:
    return page.locator("#inUse .state")


def test_an_endpoint_is_tested_then_used_and_its_key_stays_hidden(page: Page, own: App) -> None:
    with QuirkyServer(Quirks(key=KEY)) as server:
        person = panel_for(page, own, server.url)
        page.locator("#key input").fill(KEY)
        page.click("#test")
        findings = page.locator("#trial .findings li")
        expect(findings.first).to_contain_text("Reachable")
        expect(
            findings.filter(has_text="continues an answer").get_by_label("Works")
        ).to_be_visible()
        expect(page.locator("#key input")).to_have_value(KEY)
        page.click("#use")
        expect(page.locator("#key input")).to_have_value("")
        expect(page.locator("#key input")).to_have_attribute(
            "placeholder", re.compile("A key is kept")
        )
        expect(state(page)).to_contain_text("counter")
        expect(page.locator("#inUse .tested")).to_contain_text(f"{server.url}. Tested")
        person.ask("Count to ten.")
        assert page.locator(".tokens .floe-token.fused").count() > 0
        expect(person.answer.locator(".summary")).to_contain_text("cloud tokens:")

        person.come()
        page.click("#open-cloud")
        expect(page.locator("#base-url input")).to_have_value(server.url)
        expect(page.locator("#key input")).to_have_value("")
        assert KEY not in page.content()
        page.click("#forget")
        expect(page.locator("#key input")).to_have_attribute("placeholder", "No key is kept")
        page.click("#test")
        expect(page.locator("#trial .findings .impossible")).to_contain_text("wants an API key")
        back_to_the_stand_in(page)
    for file in filter(Path.is_file, own.data_dir.rglob("*")):
        assert KEY.encode() not in file.read_bytes(), file


def test_a_test_survives_a_reload_and_can_be_cancelled(page: Page, own: App) -> None:
    with QuirkyServer(Quirks(mute=True)) as server:
        person = panel_for(page, own, server.url)
        # A slow finger: what is said of keys once the address is left must not move the button.
        page.hover("#test")
        page.mouse.down()
        expect(page.locator("#where p")).to_be_visible()
        page.mouse.up()
        expect(page.locator("#trial .steps li").first).to_be_visible()
        person.come()
        page.click("#open-cloud")
        expect(page.locator("#trial h3")).to_contain_text(f"Testing {server.url}")
        page.click("#cancel")
        expect(page.locator("#trial .findings li").last).to_contain_text("was stopped")
        expect(page.locator("#test")).to_be_visible()


def test_what_is_wrong_is_a_sentence_and_what_was_typed_stays(page: Page, own: App) -> None:
    panel_for(page, own, "127.0.0.1:9")
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator("#use")).to_be_in_viewport(ratio=1)
    # The panel is scrolled down to the button; what it says is in sight all the same.
    page.set_viewport_size({"width": 1280, "height": 640})
    page.click("#use")
    expect(page.locator("#panel-notice p")).to_contain_text("must begin with http://")
    expect(page.locator("#panel-notice p")).to_be_in_viewport(ratio=1)
    expect(page.locator("#base-url input")).to_have_value("127.0.0.1:9")
    expect(state(page)).to_contain_text("stand-in")
    page.locator("#base-url input").fill("http://127.0.0.1:9/v1")
    page.click("#test")
    expect(
        page.locator("#trial .findings .impossible").get_by_label("Not possible")
    ).to_be_in_viewport()
    expect(page.locator("#panel-notice p")).to_have_count(0)
    page.click("#use")
    expect(state(page)).to_contain_text("This device answers alone")
    # However long a service's own words are, the strip keeps its height.
    strip = page.locator("#top")
    height = strip.evaluate("each => each.offsetHeight")
    page.locator("#cloud .sentence").evaluate("each => (each.textContent = 'words '.repeat(99))")
    assert strip.evaluate("each => each.offsetHeight") <= height
    back_to_the_stand_in(page)


def test_limits_are_found_again(page: Page, app: App) -> None:
    person = Person(page, app)
    page.click("#open-cloud")
    page.locator("#deadline input[type=range]").press("Home")
    page.get_by_label("Fewer requests").check()
    page.get_by_label("Cloud requests per answer").fill("7")
    page.wait_for_timeout(500)
    person.come()
    page.click("#open-cloud")
    expect(page.locator("#deadline input[type=number]")).to_have_value("0")
    expect(page.get_by_label("Fewer requests")).to_be_checked()
    expect(page.get_by_label("Cloud requests per answer")).to_have_value("7")
    expect(page.get_by_label("Per day")).to_have_value("")
    with app.store() as store:
        kept = store.setting("page", {})
    assert (kept["deadline_ms"], kept["fewer_requests"], kept["max_requests"]) == (0, True, 7)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_panel_fits_and_closes(page: Page, app: App, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    Person(page, app)
    opener = page.locator("#open-cloud")
    opener.click()
    expect(opener).to_have_attribute("aria-expanded", "true")
    choose(page, "OpenRouter")
    expect(page.locator("#hint a")).to_have_attribute("href", re.compile("openrouter"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#panel").evaluate("node => node.scrollWidth <= node.clientWidth")
    for part in ("#preset", "#base-url", "#cloud-model", "#key", "#use", "#forget", "#deadline"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(opener).to_be_focused()
    expect(page.locator("#prompt")).to_be_visible()
