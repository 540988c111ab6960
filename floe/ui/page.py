"""The page: which event runs which action.

A turn belongs to the assistant, not to the page. The page only looks at it (`follow`), so a
reload, a second window or another conversation in view never stops an answer.
"""

import os
from pathlib import Path
from typing import Any, Final

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads it while it is imported

import gradio as gr

from floe.chat import Assistant
from floe.config import Settings
from floe.ui.actions import Actions
from floe.ui.conversations import find
from floe.ui.layout import Parts, lay_out
from floe.ui.serving import launch_options
from floe.ui.tokens import token_page

__all__ = ["build_page", "launch_options"]

_SILENT: Final[dict[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
_AT_ONCE: Final[dict[str, Any]] = {**_SILENT, "queue": False}
"""For events that must not wait behind an answer that streams."""


def build_page(assistant: Assistant, settings: Settings) -> gr.Blocks:
    """Everything a person sees, ready for `launch(**launch_options(settings))`."""

    def search(words: str) -> list[dict[str, Any]]:
        return find(assistant, words)

    def tokens(request: list[int]) -> dict[str, Any]:
        return token_page(assistant, request)

    def text(message_id: int) -> str:
        return assistant.store.message(message_id).content

    with gr.Blocks(title="Floe", analytics_enabled=False, fill_height=True) as page:
        model = Path(settings.model).stem if "/" in settings.model else settings.model
        parts = lay_out(search, tokens, text, model)
        _wire(page, parts, Actions(assistant, parts))
    return page


def _wire(page: gr.Blocks, parts: Parts, actions: Actions) -> None:
    shown = [
        parts.conversation,
        parts.watched,
        parts.listing,
        parts.figures,
        parts.chat,
        parts.thread,
        parts.notice,
        parts.send,
        parts.stop,
    ]
    follow = parts.watched.change(
        actions.follow,
        parts.watched,
        shown,
        concurrency_limit=None,
        trigger_mode="multiple",
        **_SILENT,
    )
    leave: dict[str, Any] = {**_SILENT, "cancels": [follow]}

    page.load(actions.load, None, [*shown, *parts.controls, parts.cloud], **_SILENT)
    parts.listing.new(actions.new, None, shown, **leave)
    parts.listing.open(actions.open, None, shown, **leave)
    parts.listing.delete(actions.delete, parts.conversation, shown, **leave)
    parts.listing.rename(
        actions.rename, parts.conversation, [parts.listing, parts.notice], **_SILENT
    )

    gr.on(
        [parts.send.click, parts.prompt.submit],
        actions.send,
        [parts.prompt, parts.conversation, *parts.controls],
        [*shown, parts.prompt],
        **_SILENT,
    )
    parts.thread.edit(actions.edit, parts.controls, shown, **_SILENT)
    parts.thread.regenerate(actions.regenerate, parts.controls, shown, **_SILENT)
    parts.thread.branch(actions.branch, parts.conversation, shown, **leave)
    parts.stop.click(actions.stop, parts.conversation, None, **_AT_ONCE)

    latest: dict[str, Any] = {**_AT_ONCE, "trigger_mode": "always_last"}
    parts.weight.input(actions.set_weight, [parts.weight, parts.conversation], None, **latest)
    gr.on(
        [parts.mode.input, parts.temperature.input, parts.max_tokens.input],
        actions.keep,
        parts.controls,
        None,
        **latest,
    )
    parts.clock.tick(actions.look_at_cloud, None, parts.cloud, **_AT_ONCE)
