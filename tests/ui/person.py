"""What a person does with the page, in the words of a person."""

import re

from playwright.sync_api import Locator, Page, expect

from floe.ui.cloud.cloud_panel import LONGEST_DEADLINE_MS
from tests.ui.conftest import App


class Person:
    """Sits before one tab of one app, and has patience with the cloud.

    `length`: the longest answer they want, in tokens.
    """

    def __init__(self, page: Page, app: App, *, length: int = 40, mode: str = "fused") -> None:
        self.page = page
        self.app = app
        with app.store() as store:
            kept = {"mode": mode, "weight": 0.5, "temperature": 0.0, "max_tokens": length}
            store.set_setting("page", kept | {"deadline_ms": LONGEST_DEADLINE_MS})
        self.come()

    def come(self) -> None:
        """Open the page, and wait until it is ready and the cloud, if there is one, takes part."""
        self.page.goto(self.app.url)
        if self.app.cloud:
            expect(self.page.locator("#cloud .usable")).to_be_visible()
        expect(self.page.locator("#conversations nav > *").first).to_be_attached()

    def send(self, text: str) -> None:
        self.prompt.fill(text)
        self.prompt.press("Enter")

    def ask(self, text: str) -> None:
        """Send, and wait for the whole answer."""
        self.send(text)
        self.wait_for_the_end()

    def wait_for_the_end(self) -> None:
        expect(self.prompt).to_have_value("")
        expect(self.page.locator("#chat .message-row.live")).to_have_count(0)
        expect(self.page.locator("#send")).to_be_visible()

    def wait_for_tokens(self, count: int) -> None:
        """Wait until the newest answer shows that many, while it is written."""
        expect(self.tokens.nth(count - 1)).to_be_attached()
        expect(self.page.locator("#stop")).to_be_visible()

    def go(self, view: str) -> Locator:
        """Open a view by its name, as it stands beside the chats."""
        if not self.page.locator("#drawer").is_visible():
            self.page.click("#open-drawer")
        self.page.locator("#views").get_by_role("button", name=view, exact=True).click()
        return self.page.locator(f"#{view.lower()}")

    @property
    def shown_chat(self) -> int:
        """The chat that the address names; others may be pinned above it."""
        found = re.search(r"#/chat/(\d+)", self.page.url)
        assert found, self.page.url
        return int(found.group(1))

    @property
    def chip(self) -> Locator:
        """What was decided about the newest question."""
        return self.page.locator("#chat .user-row").last.locator(".chip")

    @property
    def prompt(self) -> Locator:
        return self.page.locator("#prompt textarea")

    @property
    def tokens(self) -> Locator:
        return self.page.locator(".tokens .floe-token")

    @property
    def answer(self) -> Locator:
        """The newest answer."""
        return self.page.locator("#chat .bot-row").last

    @property
    def answer_text(self) -> str:
        return self.answer.locator(".message-text").inner_text().strip()

    @property
    def notice(self) -> Locator:
        return self.page.locator("#notice p")

    def act_on(self, row: Locator, action: str) -> None:
        """Do something with a conversation of the list."""
        row.hover()
        row.get_by_label("More about").click()
        row.get_by_label(action).click()

    def in_list(self, title: str) -> Locator:
        return self.page.locator("#conversations li", has_text=title)
