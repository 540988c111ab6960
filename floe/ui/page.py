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
from floe.ui.actions import Actions, Seat
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

    page: gr.Blocks
    with gr.Blocks(title="Floe", analytics_enabled=False, fill_height=True) as page:
        model = Path(settings.model).stem if "/" in settings.model else settings.model
        parts = lay_out(search, tokens, text, model)
        _wire(page, parts, Actions(assistant, parts))
    return page


def _wire(page: gr.Blocks, parts: Parts, actions: Actions) -> None:
    seat = gr.State(Seat())
    shown = [
        parts.look,
        parts.listing,
        parts.figures,
        parts.chat,
        parts.thread,
        parts.notice,
        parts.send,
        parts.stop,
    ]
    parts.look.change(
        actions.follow,
        [seat, parts.look],
        shown,
        concurrency_limit=None,
        trigger_mode="multiple",
        **_SILENT,
    )
    page.load(actions.load, seat, [*shown, *parts.controls, parts.cloud], **_SILENT)
    parts.listing.new(actions.new, seat, shown, **_SILENT)
    parts.listing.open(actions.open, seat, shown, **_SILENT)
    parts.listing.delete(actions.delete, seat, shown, **_SILENT)
    parts.listing.rename(actions.rename, seat, [parts.listing, parts.notice], **_SILENT)

    gr.on(
        [parts.send.click, parts.prompt.submit],
        actions.send,
        [seat, parts.prompt, *parts.controls],
        [*shown, parts.prompt],
        **_SILENT,
    )
    parts.thread.edit(actions.edit, [seat, *parts.controls], shown, **_SILENT)
    parts.thread.regenerate(actions.regenerate, [seat, *parts.controls], shown, **_SILENT)
    parts.thread.branch(actions.branch, seat, shown, **_SILENT)
    parts.stop.click(actions.stop, seat, None, **_AT_ONCE)

    latest: dict[str, Any] = {**_AT_ONCE, "trigger_mode": "always_last"}
    parts.weight.input(actions.set_weight, [seat, parts.weight], None, **latest)
    gr.on(
        [parts.mode.input, parts.temperature.input, parts.max_tokens.input],
        actions.keep,
        parts.controls,
        None,
        **latest,
    )
    parts.clock.tick(actions.look_at_cloud, None, parts.cloud, **_AT_ONCE)
