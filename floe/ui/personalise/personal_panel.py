"""The personalise view: what is learnt from, the plan, the run while it goes, the adapters.

Drawn by `personal.js`; what it does is in `personal_actions`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.ui.js_component import js_component

_POLL_SECONDS: Final = 0.7
"""Time between two polls of a run."""


@dataclass(frozen=True, slots=True)
class PersonalParts:
    """Every component of the view that an event reads or writes; the HTML parts take JSON.

    `clock` ticks only while something runs.
    """

    notice: gr.HTML
    learning: gr.HTML
    plan: gr.HTML
    run: gr.HTML
    weight: gr.HTML
    adapters: gr.HTML
    clock: gr.Timer

    @property
    def all(self) -> list[Any]:
        """All parts that may change."""
        return [getattr(self, field) for field in self.__dataclass_fields__]


def lay_out_personal(rows: Callable[[int], Any]) -> PersonalParts:
    """Build the view inside the current `gr.Blocks`; `rows` gives the answers of a chat."""
    with gr.Column(elem_id="personalise", elem_classes="room", min_width=0):
        learning = js_component(
            "learning",
            "allow",
            "choose",
            "leave",
            "privately",
            "bring",
            "undo",
            "swap",
            "example",
            "export",
            server=[rows],
        )
        notice = js_component("notice", elem_id="personal-notice", elem_classes="notice")
        plan = js_component("plan", "limit", "begin")
        run = js_component("run", "cancel", "resume")
        weight = js_component("ownWeight", "set", "fit")
        adapters = js_component("adapters", "rename", "switch", "strengthen", "export", "delete")
    return PersonalParts(
        notice, learning, plan, run, weight, adapters, gr.Timer(_POLL_SECONDS, active=False)
    )
