"""Handlers of the settings view: the API's switch, versions and licences, the first steps."""

from typing import Final

import gradio as gr

from floe.application import Application
from floe.errors import FloeError
from floe.ui.page_events import SwitchAsked, ViewAsked, read_asked
from floe.ui.page_values import ApiValue, FirstRunValue
from floe.ui.settings.licences import licences_value
from floe.ui.settings.past_figures_view import past_figures
from floe.ui.settings.settings_panel import SettingsParts
from floe.ui.show_errors import Changes, numbered, show_errors

_FIRST_STEPS: Final = "first_steps"
"""The setting that says whether they have been seen."""


class SettingsActions:
    """All handlers of the view but those of the data; `first_run` is the card over the chat."""

    def __init__(self, application: Application, parts: SettingsParts, first_run: gr.HTML) -> None:
        self._store = application.store
        self._cloud = application.assistant.cloud
        self._sent = application.assistant.sent
        self._switch = application.api_switch
        self._first_run = first_run
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Refresh what can be changed, if the view that was opened is this one."""
        if read_asked(event, ViewAsked).view != "settings":
            return {self.parts.notice: ""}
        return {**self._api(), self.parts.notice: self._switch.problem}

    @show_errors
    def load_figures(self, event: gr.EventData) -> Changes:
        """Show figures and licences, if the view that was opened is this one.

        Apart, because it takes a second: what it says of the switch could be old by then.
        """
        if read_asked(event, ViewAsked).view != "settings":
            return {self.parts.notice: gr.skip()}
        return {
            self.parts.past_figures: past_figures(self._store, self._sent),
            self.parts.licences: licences_value(),
        }

    @show_errors
    def switch(self, event: gr.EventData) -> Changes:
        """Start or stop answering other programs."""
        self._switch.switch(read_asked(event, SwitchAsked).on)
        return {**self._api(), self.parts.notice: ""}

    @show_errors
    def renew(self) -> Changes:
        """Make another key."""
        try:
            self._switch.renew_key()
        except FloeError as error:  # it may be off now
            return {**self._api(), self.parts.notice: str(error)}
        return {**self._api(), self.parts.notice: ""}

    @numbered
    def _api(self) -> Changes:
        return {self.parts.api: ApiValue(address=self._switch.address)}

    @numbered
    def show_first_run(self) -> Changes:
        """Show the first steps to who has not seen them."""
        seen = self._store.setting(_FIRST_STEPS, None)
        if seen is None:  # who has chats has found the way without them
            seen = bool(self._store.conversations(limit=1))
        value = FirstRunValue(show=not seen, cloud=self._cloud.state.sentence)
        return {self._first_run: value}

    @show_errors
    def finish_first_run(self) -> Changes:
        """Stop showing them."""
        self._store.set_setting(_FIRST_STEPS, True)
        return {**self.show_first_run(), self.parts.notice: ""}

    @show_errors
    def show_first_run_again(self) -> Changes:
        """Show them once more."""
        self._store.set_setting(_FIRST_STEPS, False)
        return {**self.show_first_run(), self.parts.notice: ""}
