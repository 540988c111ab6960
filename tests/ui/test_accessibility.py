"""axe over every view: no serious or critical finding, whatever the width and the theme."""

import itertools
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from floe.records import AnswerStats, Route, TokenStep
from tests.ui.conftest import REPOSITORY, App
from tests.ui.person import Person

pytestmark = pytest.mark.browser

AXE: Final = REPOSITORY / "tests" / "js" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS: Final = ("chat", "personalise", "privacy", "federate", "models", "settings")
_LESSER: Final = """() => Object.fromEntries(axe._audit.rules
  .filter((each) => ["minor", "moderate"].includes(each.impact))
  .map((each) => [each.id, { enabled: false }]))"""
"""The rules whose findings would be neither serious nor critical, and need not be looked for."""
COLOURS: Final = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
FORMATS: Final = """\
# A heading

Text with **weight**, *stress*, `code`, [a link](https://example.org) and \\(a^2 + b^2\\).

| River | Length | Through |
|---|---:|---|
| Nile | 6,650 km | eleven countries, of which this cell names none, so that the table is wide |

```python
def area(radius: float) -> float:  # a line that is long enough to be scrolled, and then some more
    return 3.14159 * radius**2
```

- [x] a task that is done
- [ ] one that is not
  1. an item below it

> A quotation.

אַרְבָּעָה נְהָרוֹת, وأربعة أنهار

\\[ \\int_0^1 x^2 \\, dx = \\tfrac{1}{3} \\]
"""


def seed(app: App) -> int:
    """Put a chat with all formats, two answers, tokens and a chip into the database."""
    with app.store() as store:
        chat = store.create_conversation("All formats").id
        question = store.add_message(chat, None, "user", "Show me all formats, Anna.")
        kept = Route("local", "kept on this device: name", ((22, 26, "name"),), True)
        for column, route in (("This device", kept), ("Both together", Route("fused", ""))):
            answer = store.add_message(
                chat, question.id, "assistant", "", status="streaming", route=route
            )
            stats = AnswerStats(tokens=1, seconds=1.0, first_token_ms=9.0, column=column)
            step = TokenStep(1, b"A", 0.5, 0.4, 0.6, 0.5, "fused", 9.0)
            store.append_tokens(answer.id, [step], FORMATS)
            store.finish_answer(
                answer.id, content=FORMATS, status="length", stats=stats, notices=["A notice."]
            )
        return chat


class Audit:
    """Looks at what is shown, and keeps what axe calls serious or critical in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.case = ""
        self.rules: dict[str, Any] = {}
        self.problems: list[str] = []

    def look(self, name: str) -> None:
        self.page.wait_for_timeout(100)  # what fades in is judged by its last colour
        options = {"resultTypes": ["violations"], "preload": False, "iframes": False, **self.rules}
        found: list[dict[str, Any]] = self.page.evaluate(
            "options => axe.run(document, options).then(done => done.violations)", options
        )
        self.problems += [
            f"{name} {self.case}: {each['impact']} {each['id']} at {len(each['nodes'])} places: "
            f"{each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:300]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    def look_at_open(self, name: str, opener: str) -> None:
        """Press what opens something, look at it, close it."""
        self.page.locator(opener).press("Enter")
        self.look(name)
        self.page.keyboard.press("Escape")


@pytest.mark.timeout(900)
def test_no_view_has_a_serious_finding(page: Page, app: App) -> None:
    assert AXE.is_file(), "run `make lint` once: npm fetches axe-core"
    chat = seed(app)
    Person(page, app, length=8, mode="local")
    base = page.url.split("#", maxsplit=1)[0]
    audit = Audit(page)
    for theme, size in itertools.product(("light", "dark"), (1280, 390)):
        audit.case = f"{size} {theme}"
        page.set_viewport_size({"width": size, "height": 800})
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.goto(f"{base}#/chat/{chat}")
        page.reload()
        expect(page.locator("#chat .bot-row table")).to_be_attached()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        # The dark page differs in its colours alone.
        audit.rules = COLOURS if theme == "dark" else {"rules": page.evaluate(_LESSER)}
        for view in VIEWS:
            page.evaluate("view => floe.setView(view)", view)
            expect(page.locator(f"#{view}.room .undrawn")).to_have_count(0)
            audit.look(view)
        page.evaluate("() => floe.setView('chat')")
        page.locator("#chat .bot-row").get_by_label("All versions side by side").press("Enter")
        expect(page.locator("#comparison article")).to_have_count(2)
        audit.look("side by side")
        page.keyboard.press("Escape")
        if theme == "light":
            look_at_what_opens(audit)
    assert audit.problems == []


def look_at_what_opens(audit: Audit) -> None:
    """Go through what stands over the chat, and the empty chat of a new person."""
    page = audit.page
    audit.look_at_open("cloud panel", "#open-cloud")
    audit.look_at_open("advanced", "#advanced summary")
    audit.look_at_open("ways to compare", "#compare summary")
    audit.look_at_open("more about the chat", "#about summary")
    page.evaluate("() => floe.showShortcuts()")
    audit.look("keys")
    page.keyboard.press("Escape")
    page.evaluate("() => floe.setDrawer(true)")
    page.get_by_role("button", name="Select chats").press("Enter")
    audit.look("conversations")
    page.get_by_role("button", name="Done", exact=True).press("Enter")
    page.evaluate("() => floe.openChat(null)")
    expect(page.locator(".welcome")).to_be_visible()
    page.evaluate("() => document.documentElement.classList.add('first-run')")
    audit.look("first steps")
