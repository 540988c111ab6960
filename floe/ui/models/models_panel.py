"""The models view, and the chip at the top that opens it. Drawn by `models.js`."""

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.ui.js_component import js_component

_POLL_SECONDS: Final = 0.7
"""Time between two polls of a download, a change of model, or a search."""


@dataclass(frozen=True, slots=True)
class ModelsParts:
    """Every component of the view; `clock` ticks only while something goes on."""

    notice: gr.HTML
    models: gr.HTML
    clock: gr.Timer

    @property
    def all(self) -> list[Any]:
        """All parts that may change."""
        return [self.notice, self.models, self.clock]


def lay_out_model_chip() -> gr.HTML:
    """Build the chip with the model in use."""
    return js_component("modelChip")


def lay_out_models() -> ModelsParts:
    """Build the view inside the current `gr.Blocks`."""
    with gr.Column(elem_id="models-room", elem_classes="room", min_width=0):
        notice = js_component("notice", elem_id="models-notice", elem_classes="notice")
        models = js_component(
            "models", "use", "fetch", "pause", "resume", "cancel", "drop", "search"
        )
    return ModelsParts(notice, models, gr.Timer(_POLL_SECONDS, active=False))
