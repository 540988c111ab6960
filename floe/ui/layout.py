"""The parts of the page and where they stand; what they do is in `actions` and `page`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from floe.chat.preferences import Preferences
from floe.privacy.sent import SentLog
from floe.ui.cloud.cloud_panel import CloudParts, lay_out_cloud
from floe.ui.federate.federate_panel import FederateParts, lay_out_federate
from floe.ui.js_component import js_component
from floe.ui.models.models_panel import ModelsParts, lay_out_model_chip, lay_out_models
from floe.ui.personalise.personal_panel import PersonalParts, lay_out_personal
from floe.ui.privacy.privacy_panel import PrivacyParts, lay_out_privacy
from floe.ui.settings.settings_panel import SettingsParts, lay_out_first_run, lay_out_settings

MODES: Final = [("Local only", "local"), ("Fused", "fused"), ("Cloud only", "cloud")]
_POLL_SECONDS: Final = 2.0
"""Time between two polls of the state of the cloud and of the weight."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Every component that an event reads or writes.

    `answer_generation` changes when there is a running answer to show, `comparison_generation` when
    there are several, side by side (gradio tells so only after events that wait in its queue).
    The HTML parts take JSON: `thread` takes `Rows`, `live` the `Frame`s of a running answer, `save`
    the address of a file for the browser, `noticed` another number whenever another page has
    changed what this one shows.
    """

    answer_generation: gr.State
    comparison_generation: gr.State
    noticed: gr.HTML
    views: gr.HTML
    save: gr.HTML
    listing: gr.HTML
    undo: gr.HTML
    cloud: gr.HTML
    figures: gr.HTML
    about: gr.HTML
    thread: gr.HTML
    live: gr.HTML
    comparison: gr.HTML
    notice: gr.HTML
    weight: gr.Slider
    auto: gr.HTML
    mode: gr.Radio
    advanced: gr.HTML
    attach: gr.HTML
    context: gr.HTML
    prompt: gr.Textbox
    compare: gr.HTML
    drafts: gr.HTML
    send: gr.Button
    stop: gr.Button
    clock: gr.Timer
    panel: CloudParts
    privacy: PrivacyParts
    personal: PersonalParts
    federate: FederateParts
    model_chip: gr.HTML
    models: ModelsParts
    first_run: gr.HTML
    settings: SettingsParts

    @property
    def controls(self) -> list[gr.Slider | gr.Radio]:
        """The controls for the answers to come, in the order of `Preferences`."""
        return [self.mode, self.weight]


def lay_out(
    listed: list[Callable[..., Any]],
    tokens: Callable[[list[int]], Any],
    text: Callable[[int], str],
    window: Callable[[list[int]], Any],
    deadline_ms: float,
    sent_log: SentLog,
    rows: Callable[[int], Any],
    memory: Callable[[int], Any],
    key: Callable[[str], str],
) -> Parts:
    """Build everything inside the current `gr.Blocks`.

    Args:
        listed: give the browser the chats where words occur, and more of the list.
        tokens: gives it rows of tokens.
        text: gives it a message word for word, to copy or to edit.
        window: gives it rows of a conversation.
        deadline_ms: longest wait for the cloud, per token, until the person chooses another.
        sent_log: what was sent.
        rows: gives the browser the answers of a conversation to learn from.
        memory: gives it the earlier words that were read for an answer.
        key: gives it that of the API, for a person who wants to see it.
    """
    defaults = Preferences()
    answer_generation, comparison_generation = gr.State(None), gr.State(None)
    with gr.Row(elem_id="frame"):
        with gr.Column(elem_id="drawer", min_width=0):
            views = js_component("views", "go")
            listing = js_component(
                "conversations", "new", "open", "rename", "delete", "mark", "move", server=listed
            )
            save = js_component("save")
            noticed = js_component("noticed", "follow")
        with gr.Column(elem_id="main", min_width=0):
            with gr.Row(elem_id="top"):
                cloud = js_component("cloud")
                model_chip = lay_out_model_chip()
                figures = js_component("figures")
            panel = lay_out_cloud(deadline_ms)
            about = js_component("about", "keep", "allow", "export")
            first_run = lay_out_first_run()
            thread = js_component(
                "thread",
                "edit",
                "regenerate",
                "resume",
                "take",
                "branch",
                "release",
                "confirm",
                "rate",
                "rewrite",
                "forget",
                "remove",
                "compare",
                server=[tokens, text, window, memory],
                elem_id="chat",
            )
            live = js_component("live")
            drafts = js_component("drafts", "keep")
            comparison = js_component("comparison", "choose", "close")
            undo = js_component("undo", "undo")
            with gr.Column(elem_id="dock", min_width=0):
                notice = js_component("notice")
                with gr.Row(elem_id="controls"):
                    with gr.Column(elem_id="weight-controls", min_width=0):
                        weight = gr.Slider(
                            0,
                            1,
                            defaults.weight,
                            step=0.01,
                            label="Weight of the local model",
                            elem_id="weight",
                            min_width=0,
                            buttons=[],
                        )
                        auto = js_component("auto", "set")
                    mode = gr.Radio(
                        MODES, value=defaults.mode, label="Who answers", elem_id="mode", min_width=0
                    )
                    advanced = js_component("advanced", "set", "reset", "tell", "save", "drop")
                with gr.Row(elem_id="composer"):
                    attach = js_component("attach", "read", "drop")
                    prompt = gr.Textbox(
                        elem_id="prompt",
                        label="Message",
                        show_label=False,
                        container=False,
                        placeholder="Ask anything",
                        lines=1,
                        max_lines=8,
                        autofocus=True,
                    )
                    compare = js_component("compare", "ask")
                    context = js_component("context")
                    send = gr.Button("Send", variant="primary", elem_id="send", min_width=0)
                    stop = gr.Button(
                        "Stop", variant="stop", elem_id="stop", min_width=0, visible=False
                    )
            privacy = lay_out_privacy(sent_log)
            personal = lay_out_personal(rows)
            federate = lay_out_federate()
            models = lay_out_models()
            settings = lay_out_settings(key)
    return Parts(
        answer_generation=answer_generation,
        comparison_generation=comparison_generation,
        noticed=noticed,
        views=views,
        save=save,
        listing=listing,
        undo=undo,
        cloud=cloud,
        figures=figures,
        about=about,
        thread=thread,
        live=live,
        comparison=comparison,
        notice=notice,
        weight=weight,
        auto=auto,
        mode=mode,
        advanced=advanced,
        attach=attach,
        context=context,
        prompt=prompt,
        compare=compare,
        drafts=drafts,
        send=send,
        stop=stop,
        clock=gr.Timer(_POLL_SECONDS),
        panel=panel,
        privacy=privacy,
        personal=personal,
        federate=federate,
        model_chip=model_chip,
        models=models,
        first_run=first_run,
        settings=settings,
    )
