"""The settings view, and the first steps of a new person.

Drawn by `settings.js`, `data.js` and `first_run.js`; what it does is in `settings_actions` and
`data_actions`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from floe.ui.js_component import js_component


@dataclass(frozen=True, slots=True)
class SettingsParts:
    """Every component of the view that an event reads or writes; all take JSON."""

    notice: gr.HTML
    appearance: gr.HTML
    own_data: gr.HTML
    past_figures: gr.HTML
    api: gr.HTML
    licences: gr.HTML


def lay_out_first_run() -> gr.HTML:
    """Build the card with the first steps, which stands over an empty chat until it is left."""
    return js_component("firstRun", "done")


def lay_out_settings(key: Callable[[str], str]) -> SettingsParts:
    """Build the view inside the current `gr.Blocks`; `key` gives the browser that of the API."""
    with gr.Column(elem_id="settings", elem_classes="room", min_width=0):
        appearance = js_component("appearance", "again")
        notice = js_component("notice", elem_id="settings-notice", elem_classes="notice")
        past_figures = js_component("pastFigures")
        api = js_component("api", "switch", "renew", server=[key])
        own_data = js_component(
            "ownData", "backup", "restore", "drop", "encrypt", "decrypt", "erase"
        )
        licences = js_component("licences")
    return SettingsParts(notice, appearance, own_data, past_figures, api, licences)
