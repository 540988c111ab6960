"""The personalise view: what is learnt from, the plan, the run while it goes, the adapters.

Drawn by `personal.js`; what it does is in `personal_actions`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.ui.js_component import drawn

WATCH_SECONDS: Final = 0.7
"""Time between two looks at a run."""


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
        """Whatever may change."""
        return [getattr(self, field) for field in self.__dataclass_fields__]


def lay_out_personal(rows: Callable[[int], Any]) -> PersonalParts:
    """Build the view inside the current `gr.Blocks`; `rows` gives the answers of a chat."""
    with gr.Column(elem_id="personalise", elem_classes="room", min_width=0):
        learning = drawn(
            "learning",
            "allow",
            "choose",
            "leave",
            "privately",
            "bring",
            "example",
            "export",
            server=[rows],
        )
        notice = drawn("notice", elem_id="personal-notice", elem_classes="notice")
        plan = drawn("plan", "limit", "begin")
        run = drawn("run", "cancel", "resume")
        weight = drawn("ownWeight", "set", "fit")
        adapters = drawn("adapters", "rename", "switch", "strengthen", "export", "delete")
    return PersonalParts(
        notice, learning, plan, run, weight, adapters, gr.Timer(WATCH_SECONDS, active=False)
    )
