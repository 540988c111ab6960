"""The federate view: a group to join, a simulation to watch, the experts that came of them.

Drawn by `federate.js`; what it does is in `federate_actions`.
"""

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.ui.js_component import js_component

_POLL_SECONDS: Final = 1.0
"""Time between two polls of a group or a simulation."""


@dataclass(frozen=True, slots=True)
class FederateParts:
    """Every component of the view that an event reads or writes; the HTML parts take JSON.

    `clock` ticks only while this device is in a group or simulates one.
    """

    notice: gr.HTML
    group: gr.HTML
    group_rounds: gr.HTML
    simulation: gr.HTML
    simulation_rounds: gr.HTML
    experts: gr.HTML
    clock: gr.Timer

    @property
    def all(self) -> list[Any]:
        """All parts that may change."""
        return [getattr(self, field) for field in self.__dataclass_fields__]


def lay_out_federate() -> FederateParts:
    """Build the view inside the current `gr.Blocks`."""
    with gr.Column(elem_id="federate", elem_classes="room", min_width=0):
        group = js_component("group", "allow", "join", "leave")
        notice = js_component("notice", elem_id="federate-notice", elem_classes="notice")
        group_rounds = js_component("rounds", elem_id="group-rounds")
        simulation = js_component("simulation", "start", "stop")
        simulation_rounds = js_component("rounds", elem_id="simulation-rounds")
        experts = js_component("experts", "switch")
    return FederateParts(
        notice,
        group,
        group_rounds,
        simulation,
        simulation_rounds,
        experts,
        gr.Timer(_POLL_SECONDS, active=False),
    )
