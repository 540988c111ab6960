"""The cloud panel: which endpoint, what it can do, how its part in answers is limited.

It opens from the state of the cloud in the strip above the chat; what it does is in
`cloud_actions`.
"""

from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.chat.preferences import Preferences
from floe.ui.cloud.cloud_words import CHOICES
from floe.ui.js_component import js_component

_POLL_SECONDS: Final = 0.4
"""Time between two polls of a test that runs."""
LONGEST_DEADLINE_MS: Final = 3000

_SECRET: Final = gr.InputHTMLAttributes(
    autocomplete="new-password", autocapitalize="off", autocorrect="off", spellcheck=False
)
_PLAIN: Final = gr.InputHTMLAttributes(
    autocomplete="off", autocapitalize="off", autocorrect="off", spellcheck=False
)


@dataclass(frozen=True, slots=True)
class CloudParts:
    """Every component of the panel that an event reads or writes; the HTML parts take JSON.

    `clock` ticks only while a test runs.
    """

    notice: gr.HTML
    preset: gr.Dropdown
    hint: gr.HTML
    base_url: gr.Textbox
    model: gr.Dropdown
    key: gr.Textbox
    where: gr.HTML
    test: gr.Button
    cancel: gr.Button
    use: gr.Button
    forget: gr.Button
    test_result: gr.HTML
    in_use: gr.HTML
    deadline: gr.Slider
    fewer_requests: gr.Checkbox
    max_requests: gr.Number
    daily_requests: gr.Number
    clock: gr.Timer

    @property
    def form(self) -> list[gr.Dropdown | gr.Textbox]:
        """The fields that name an endpoint."""
        return [self.preset, self.base_url, self.model, self.key]

    @property
    def limits(self) -> list[gr.Slider | gr.Checkbox | gr.Number]:
        """The fields that limit the cloud's part in the answers to come."""
        return [self.deadline, self.fewer_requests, self.max_requests, self.daily_requests]

    @property
    def all(self) -> list[Any]:
        """All parts that may change."""
        return [getattr(self, field) for field in self.__dataclass_fields__]


def lay_out_cloud(deadline_ms: float) -> CloudParts:
    """Build the panel inside the current `gr.Blocks`; `deadline_ms` is what the settings say."""
    defaults = Preferences()
    with gr.Column(elem_id="panel", min_width=0):
        js_component("panelHead")
        notice = js_component("notice", elem_id="panel-notice")
        with gr.Row(elem_id="panel-columns"):
            with gr.Column(min_width=0):
                _heading("Endpoint")
                preset = gr.Dropdown(
                    CHOICES, value=None, label="Cloud", elem_id="preset", min_width=0
                )
                hint = js_component("hint")
                base_url = gr.Textbox(
                    label="Base URL",
                    placeholder="https://…/v1",
                    lines=1,
                    max_lines=1,
                    elem_id="base-url",
                    min_width=0,
                    html_attributes=_PLAIN,
                )
                model = gr.Dropdown(
                    [],
                    label="Model (empty: the first that is listed)",
                    allow_custom_value=True,
                    elem_id="cloud-model",
                    min_width=0,
                )
                key = gr.Textbox(
                    label="API key",
                    type="password",
                    lines=1,
                    max_lines=1,
                    elem_id="key",
                    min_width=0,
                    html_attributes=_SECRET,
                )
                with gr.Row(elem_id="panel-buttons"):
                    test = gr.Button("Test connection", elem_id="test", min_width=0)
                    cancel = gr.Button("Cancel test", elem_id="cancel", min_width=0, visible=False)
                    use = gr.Button("Use", variant="primary", elem_id="use", min_width=0)
                    forget = gr.Button("Forget key", elem_id="forget", min_width=0)
                # Below the buttons: it changes when an address was typed, that is when a button
                # is pressed next, and a button that moves under the pointer is not pressed.
                where = js_component("where")
            with gr.Column(min_width=0):
                test_result = js_component("trial")
                _heading("In use")
                in_use = js_component("inUse")
            with gr.Column(min_width=0):
                _heading("Answering")
                deadline = gr.Slider(
                    0,
                    LONGEST_DEADLINE_MS,
                    min(deadline_ms, LONGEST_DEADLINE_MS),
                    step=50,
                    precision=0,
                    label="Longest wait per token, ms",
                    elem_id="deadline",
                    min_width=0,
                    buttons=[],
                )
                fewer_requests = gr.Checkbox(
                    defaults.fewer_requests,
                    label="Fewer requests",
                    info="At temperature 0, the cloud's own token is taken if it is nearly as "
                    "likely as the best one.",
                    elem_id="fewer-requests",
                    min_width=0,
                )
                max_requests = gr.Number(
                    defaults.max_requests,
                    label="Cloud requests per answer",
                    precision=0,
                    elem_id="max-requests",
                    min_width=0,
                )
                daily_requests = gr.Number(
                    None,
                    label="Per day (empty: no limit)",
                    precision=0,
                    elem_id="daily-requests",
                    min_width=0,
                )
    return CloudParts(
        notice=notice,
        preset=preset,
        hint=hint,
        base_url=base_url,
        model=model,
        key=key,
        where=where,
        test=test,
        cancel=cancel,
        use=use,
        forget=forget,
        test_result=test_result,
        in_use=in_use,
        deadline=deadline,
        fewer_requests=fewer_requests,
        max_requests=max_requests,
        daily_requests=daily_requests,
        clock=gr.Timer(_POLL_SECONDS, active=False),
    )


def _heading(text: str) -> None:
    gr.HTML(f"<h2>{text}</h2>", apply_default_css=False)
