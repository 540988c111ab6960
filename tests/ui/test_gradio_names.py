"""Gradio's own class names stand in one style sheet, and each is still one of the running page."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.ui.conftest import App

UI: Final = Path(__file__).parents[2] / "floe" / "ui"
SHEET: Final = UI / "gradio.css"
_STATES: Final = re.compile(r":(?:focus-visible|focus-within|has\([^)]*\))|::before|\.dark ")
_TICKING: Final = """() => window.gradio_config.dependencies.flatMap((each) => each.targets)
  .filter(([, event]) => event === "tick").map(([timer]) => timer)"""
_SHOWING_PROGRESS: Final = """() => window.gradio_config.dependencies
  .filter((each) => each.backend_fn && each.show_progress_on?.length !== 0)
  .map((each) => each.id)"""
_NOTING_FRAMES: Final = """window.drawing = [];
const draw = window.requestAnimationFrame;
window.requestAnimationFrame = (each) => window.drawing.push(`${each}`) && draw(each);"""
_UNMATCHED: Final = """selectors => selectors.filter(
  (each) => document.querySelectorAll(each).length === 0)"""


def selectors(style: str) -> list[str]:
    """All selectors of a style sheet without states that come and go."""
    plain = re.sub(r"/\*.*?\*/|@media[^{]*\{", "", style, flags=re.DOTALL)
    heads = re.findall(r"([^{}]+)\{", plain)
    # Commas inside of parentheses divide no selectors; there are none.
    found = [_STATES.sub("", each).strip() for head in heads for each in head.split(",")]
    return list(dict.fromkeys(found))


def classes(style: str) -> set[str]:
    return {name for each in selectors(style) for name in re.findall(r"\.([a-zA-Z][\w-]*)", each)}


def test_selectors_are_read_without_their_states() -> None:
    style = "/* .a {} */ .b, .c:focus-within > d::before { x: y }\n@media (w) { .dark .e { x: y } }"
    assert selectors(style) == [".b", ".c > d", ".e"]


def test_gradios_names_stand_in_one_style_sheet() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in UI.rglob("*.js"))
    python = "".join(path.read_text(encoding="utf-8") for path in UI.rglob("*.py"))
    ours = set(re.findall(r"[a-zA-Z][\w-]*", scripts)) | {
        name for text in re.findall(r'elem_classes="([^"]+)"', python) for name in text.split()
    }
    theirs = classes(SHEET.read_text(encoding="utf-8")) - ours
    assert {"html-container", "slider_input_container", "gradio-container"} <= theirs
    for path in sorted(UI.rglob("*.css")):
        if path != SHEET:
            assert classes(path.read_text(encoding="utf-8")) & theirs == set(), path.name
    for name in theirs - {"form", "block", "column", "hide", "selected", "wrap"}:  # words, too
        assert f".{name}" not in scripts


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[App]:
    """An app as at its first start: other tests leave fields of the shared one hidden."""
    running = App(tmp_path, cloud=False)
    running.start()
    yield running
    running.end(signal.SIGINT)


def test_every_selector_of_gradios_matches_in_the_running_page(fresh: App, page: Page) -> None:
    page.add_init_script(_NOTING_FRAMES)
    page.goto(fresh.url)
    expect(page.locator("#conversations .new-chat")).to_be_visible()
    expect(page.locator("#group .sheet").first).to_be_attached()
    expect(page.locator("#mode .selected")).to_be_attached()
    expected = selectors(SHEET.read_text(encoding="utf-8"))
    assert page.evaluate(_UNMATCHED, [*expected, "#chat .no-such-name"]) == ["#chat .no-such-name"]
    # Each of them is a round through gradio for all that it may change, for as long as a page is
    # open: one for each clock.
    ticking = page.evaluate(_TICKING)
    assert ticking
    assert len(ticking) == len(set(ticking))
    # Nothing is drawn while nothing changes: no part counts the time of an event, and the count
    # that gradio begins when the page is opened has ended.
    assert page.evaluate(_SHOWING_PROGRESS) == []
    page.evaluate("window.drawing.length = 0")
    page.wait_for_timeout(500)
    assert [each for each in page.evaluate("window.drawing") if "performance.now" in each] == []
