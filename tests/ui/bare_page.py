"""The thread of the page alone, with its real scripts and styles, on a page that loads nothing.

It needs neither models nor a server: what the app would send is put in by the test.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from playwright.sync_api import Locator, Page, Route

from floe.chat.turn import TurnView
from floe.records import Message
from floe.ui.chat.answer_figures import context_value
from floe.ui.chat.thread import draw_rows, thread_rows
from floe.ui.serving.access import content_policy
from floe.ui.serving.page_server import _HERE, _SCRIPTS, _STYLES

URL: Final = "http://127.0.0.1:9/"

_BODY: Final = """<!doctype html><html data-view="chat"><head><title>Floe</title>
<style>body { margin: 0 } * { box-sizing: border-box } button { border: 0; background: none }
:root { --font-mono: monospace }</style>
<style>%s</style><script nonce="bare">%s</script></head><body>
<gradio-app><div class="gradio-container">
<div id="frame"><div id="main"><div id="chat"><div><div class="html-container"><div></div></div>
</div></div></div></div></div></gradio-app><script nonce="bare">
const props = { value: null };
let changed = () => {};
window.pressed = [];
const server = {
  window: async (request) => JSON.parse(await window.askRows(request)),
  text: async (id) => `text of ${id}`,
  tokens: async () => ({ rows: [], live: false }),
};
floe.remember("tokens", "closed");
floe.thread({
  element: document.querySelector("#chat .html-container > div"), props, server,
  trigger: (name, data) => window.pressed.push([name, data]),
  watch: (_, call) => { changed = call; },
});
window.show = (value) => { props.value = value; changed(); };
</script></body></html>"""


class BarePage:
    """One conversation, whose `messages` the test may change."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.messages: list[Message] = []
        self.asked: list[list[int]] = []
        self.requests: list[str] = []
        self._generation = 0
        page.expose_function("askRows", self._rows)
        page.route("**/*", self._answer)
        page.goto(URL)

    def show(self, *, around: int | None = None, live: TurnView | None = None) -> None:
        """Send the conversation as `ChatActions._show` does."""
        self._generation += 1
        rows = thread_rows(
            self.messages,
            live,
            generation=self._generation,
            around=around,
            flash=around is not None,
        )
        self.page.evaluate("value => window.show(value)", rows)

    def frame(self, view: TurnView, *, generation: int | None = None) -> None:
        """Send a frame of the running answer, the last message."""
        row = draw_rows(self.messages, len(self.messages) - 1, len(self.messages), view)[0]
        frame = {"generation": generation or self._generation, "row": row, "figures": []}
        frame["context"] = context_value(None, 2048)
        self.page.evaluate("value => floe.showFrame(value)", frame)

    @property
    def log(self) -> Locator:
        return self.page.locator("#chat .log")

    @property
    def rows(self) -> Locator:
        return self.page.locator("#chat .message-row")

    @property
    def from_end(self) -> float:
        """Pixels between the view and the end."""
        found: float = self.log.evaluate("n => n.scrollHeight - n.clientHeight - n.scrollTop")
        return found

    def settle(self) -> None:
        """Let the page draw what it has."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def _rows(self, request: list[int]) -> str:
        self.asked.append(request)
        _, _, first, end = request
        return json.dumps({"rows": draw_rows(self.messages, first, end)})

    def _answer(self, route: Route) -> None:
        if route.request.url != URL:
            self.requests.append(route.request.url)
            route.abort()
            return
        styles, scripts = (
            "\n".join((_HERE / name).read_text("utf-8") for name in names)
            for names in (_STYLES, _SCRIPTS)
        )
        headers = {
            "Content-Security-Policy": content_policy("bare"),
            "Content-Type": "text/html; charset=utf-8",
        }
        route.fulfill(body=_BODY % (styles, scripts), headers=headers)


def conversation(length: int, text: Callable[[int], str] = "Message {}".format) -> list[Message]:
    """Questions and answers in turn, ids from 1."""
    roles: Sequence[Any] = ("user", "assistant")
    return [
        Message(n + 1, 9, n or None, roles[n % 2], text(n), 0.0, siblings=(n + 1,))
        for n in range(length)
    ]
