"""Handlers of the cloud panel: choose, test and use an endpoint, keep its key, set limits.

A key goes from its field to the test, the link or the keyring, and never back into the page.
"""

from typing import Final

import gradio as gr
from pydantic import SecretStr

from floe.application import Application
from floe.chat.preferences import Preferences
from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.credentials.presets import preset_by_id
from floe.cloud.endpoint import Endpoint
from floe.config import OFF, STAND_IN
from floe.fusion.follower import DEFAULT_MAX_REQUESTS
from floe.jobs.endpoint_test import EndpointTestView
from floe.origin import origin_of
from floe.ui.cloud import cloud_words as words
from floe.ui.cloud.cloud_panel import LONGEST_DEADLINE_MS, CloudParts
from floe.ui.show_errors import Changes, numbered, show_errors

_KEPT: Final = "A key is kept; type to replace it"
_NO_KEY: Final = "No key is kept"


class CloudActions:
    """All handlers of the panel; `parts` are what they change."""

    def __init__(self, application: Application, parts: CloudParts) -> None:
        self._cloud = application.assistant.cloud
        self._store = application.store
        self._settings = application.settings
        self._test = application.endpoint_test
        self._chosen = self._cloud.choice  # what was last tested or used
        self._redraw_due = False  # a test has gone on since its end was drawn
        self.parts = parts

    @show_errors
    def load(self) -> Changes:
        """Fill a page that was opened: the endpoint last tested or used, the limits as kept."""
        kept = Preferences.load(self._store)
        wait = self._settings.deadline_ms if kept.deadline_ms is None else kept.deadline_ms
        limits = [
            min(wait, LONGEST_DEADLINE_MS),
            kept.fewer_requests,
            kept.max_requests,
            kept.daily_requests or None,
        ]
        return {
            **self._form(self._chosen),
            **self._progress(self._test.view()),
            **self.refresh(),
            **dict(zip(self.parts.limits, limits, strict=True)),
        }

    @numbered
    def refresh(self) -> Changes:
        """Show the cloud in use, as it stands."""
        return {
            self.parts.in_use: words.in_use_value(self._cloud, self._settings, self._test.view())
        }

    # An endpoint

    @show_errors
    def choose(self, preset_id: str, shown: str) -> Changes:
        """Show what is known of another line of the list. A typed key was for the last one."""
        chosen = preset_by_id(preset_id)
        choice = EndpointChoice(
            words.intended_address(preset_id, chosen.base_url), chosen.model, preset_id
        )
        form = self._form(choice)
        if form[self.parts.base_url]["value"] == shown:
            # The address is left alone, because somebody may be typing by the time this arrives.
            del form[self.parts.base_url]["value"]
        return {**form, self.parts.notice: ""}

    @show_errors
    def show_key_place(self, preset_id: str, base_url: str) -> Changes:
        """Show whether there is a key for another address that was typed."""
        return self._key(words.intended_address(preset_id, base_url), what_is_typed_stays=True)

    @show_errors
    def test(self, preset_id: str, base_url: str, model: str | None, key: str) -> Changes:
        """Begin a test; `poll` shows how it goes."""
        choice = _choice(preset_id, base_url, model)
        self._test.start(choice, _typed(key))
        self._chosen, self._redraw_due = choice, True
        return {**self._progress(self._test.view()), self.parts.notice: ""}

    def wake_clock(self) -> Changes:
        """Let the clock go on until the end of a test has been drawn."""
        return {self.parts.clock: gr.Timer(active=True)} if self._redraw_due else {}

    def poll(self) -> Changes:
        """Show how the test goes; the last poll also shows what it means for the cloud in use."""
        view = self._test.view()
        self._redraw_due = view is not None and view.running
        return {**self._progress(view), **self.refresh()}

    def cancel(self) -> None:
        """End the test."""
        self._test.cancel()

    @show_errors
    def use(self, preset_id: str, base_url: str, model: str | None, key: str) -> Changes:
        """Ask this endpoint from now on; a key that was typed is kept."""
        choice = _choice(preset_id, base_url, model)
        own = choice.base_url in (STAND_IN, OFF)
        typed = None if own else _typed(key)
        self._cloud.configure(choice.base_url, choice.model, typed, preset=choice.preset)
        self._chosen = choice
        if typed is not None:
            self._cloud.keys.save(choice.base_url, typed)
        return {**self._key(choice.base_url), **self.refresh(), self.parts.notice: ""}

    @show_errors
    def forget(self, preset_id: str, base_url: str) -> Changes:
        """Remove the key of an endpoint; if that one is in use, it goes on without."""
        meant = _choice(preset_id, base_url, None).base_url
        self._cloud.keys.delete(meant)
        used = self._cloud.choice
        if used.base_url not in (STAND_IN, OFF) and origin_of(used.base_url) == origin_of(meant):
            self._cloud.configure(used.base_url, used.model, preset=used.preset)
        return {**self._key(meant), **self.refresh(), self.parts.notice: ""}

    # Limits

    @show_errors
    def keep(
        self,
        deadline_ms: float,
        fewer_requests: bool,
        max_requests: int | None,
        daily_requests: int | None,
    ) -> Changes:
        """Keep the limits for the answers to come; an empty budget is the usual one."""
        Preferences.update(
            self._store,
            deadline_ms=None if deadline_ms == self._settings.deadline_ms else deadline_ms,
            fewer_requests=fewer_requests,
            max_requests=max(max_requests or DEFAULT_MAX_REQUESTS, 1),
            daily_requests=max(daily_requests or 0, 0),
        )
        return {self.parts.notice: ""}

    # What is shown

    @numbered
    def _form(self, choice: EndpointChoice) -> Changes:
        parts = self.parts
        own = choice.base_url in (STAND_IN, OFF)
        preset_id = choice.base_url if own else choice.preset
        return {
            parts.preset: preset_id,
            parts.hint: words.preset_note(preset_id),
            parts.base_url: gr.update(value="" if own else choice.base_url, visible=not own),
            parts.model: gr.update(value=choice.model, choices=[], visible=not own),
            parts.forget: gr.update(visible=not own),
            parts.test: gr.update(interactive=choice.base_url != OFF),
            **self._key(choice.base_url),
        }

    def _key(self, base_url: str, *, what_is_typed_stays: bool = False) -> Changes:
        kept, where = words.key_place(self._cloud.keys, base_url)
        field = gr.update(
            placeholder=_KEPT if kept else _NO_KEY, visible=base_url not in (STAND_IN, OFF)
        )
        if not what_is_typed_stays:
            field["value"] = ""
        return {self.parts.key: field, self.parts.where: where}

    @numbered
    def _progress(self, view: EndpointTestView | None) -> Changes:
        parts = self.parts
        running = view is not None and view.running
        changes: Changes = {
            parts.test_result: words.endpoint_test_value(view),
            parts.test: gr.update(visible=not running),
            parts.cancel: gr.update(visible=running),
            parts.clock: gr.update(active=running),
        }
        if view is not None and view.profile is not None and view.profile.models:
            changes[parts.model] = gr.update(choices=list(view.profile.models))
        return changes


def _choice(preset_id: str, base_url: str, model: str | None) -> EndpointChoice:
    """Read what the form says.

    Raises:
        CloudError: what was typed is no address.
    """
    meant = words.intended_address(preset_id, base_url)
    if meant in (STAND_IN, OFF):
        return EndpointChoice(meant, preset=preset_id)
    Endpoint(meant, SecretStr(""))
    return EndpointChoice(meant, (model or "").strip(), preset_id)


def _typed(key: str) -> SecretStr | None:
    return SecretStr(key.strip()) if key.strip() else None
