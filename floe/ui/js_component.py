"""Parts that gradio has no component for, drawn by our scripts from a JSON value.

They are `gr.HTML` with an empty template: a script builds them with text nodes alone. (Values put
into a gradio template are evaluated as JavaScript, so nothing that a person or a model wrote may
go there.)
"""

from collections.abc import Callable
from typing import Any

import gradio as gr


def js_component(
    name: str,
    *events: str,
    server: list[Callable[..., Any]] | None = None,
    elem_id: str = "",
    elem_classes: str = "",
) -> gr.HTML:
    """Make a part drawn by `floe.NAME`, which may trigger `events`; empty `elem_id`: the name."""
    return gr.HTML(
        value=None,
        html_template="",
        js_on_load=f"floe.{name}({{element, props, trigger, server, watch}}, {list(events)});",
        apply_default_css=False,
        server_functions=server,
        elem_id=elem_id or name,
        elem_classes=elem_classes,
    )
