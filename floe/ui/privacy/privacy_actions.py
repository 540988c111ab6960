"""Handlers of the privacy view: keep its choices, show and clear the log of what was sent."""

import tempfile
from dataclasses import replace
from pathlib import Path

import gradio as gr

from floe.chat.assistant import Assistant
from floe.privacy import choices
from floe.privacy.consent import consent, give_consent
from floe.store import Store
from floe.store.encryption import temporary_parent
from floe.ui.page_events import ConsentAsked, PrivacyAsked, QueryAsked, ViewAsked, read_asked
from floe.ui.page_values import ConsentValue, PrivacyRulesValue, SentClearedValue
from floe.ui.privacy.privacy_panel import PrivacyParts
from floe.ui.serving.downloads import offer
from floe.ui.show_errors import Changes, numbered, show_errors


class PrivacyActions:
    """All handlers of the view; `parts` are what they change, `save` hands over files."""

    def __init__(self, assistant: Assistant, parts: PrivacyParts, save: gr.HTML) -> None:
        self._assistant = assistant
        self._store = assistant.store
        self._log = assistant.sent
        self._save = save
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Refresh if the view that was opened is this one."""
        return (
            self.refresh()
            if read_asked(event, ViewAsked).view == "privacy"
            else {self.parts.notice: ""}
        )

    @show_errors
    def refresh(self) -> Changes:
        """Show everything as it stands."""
        return {**self._shown_rules(), **self._shown_consent(), self.parts.notice: ""}

    @show_errors
    def set(self, event: gr.EventData) -> Changes:
        """Keep one choice, by its name."""
        asked = read_asked(event, PrivacyAsked)
        value = asked.value
        match asked.name:
            case "policy":
                choices.set_policy(
                    self._store, "pseudonyms" if value == "pseudonyms" else "local only"
                )
            case "own_words":
                self._assistant.lessons.set_own_words(value.splitlines())
            case "about_me":
                if len(value) > len(choices.about_me(self._store)):  # to shorten is never refused
                    self._assistant.check_told(about=value)
                choices.set_about_me(self._store, value)
            case "personal_context":
                if len(value) > len(choices.personal_context(self._store)):
                    self._assistant.check_told(context=value)
                choices.set_personal_context(self._store, value)
            case "treatment":
                group, _, treatment = value.partition("=")
                choices.set_treatment(self._store, group, choices.as_treatment(treatment))
            case "forget":
                self._assistant.lessons.forget()
        return {**self._shown_rules(), self.parts.notice: ""}

    @show_errors
    def allow(self, event: gr.EventData) -> Changes:
        """Keep the general answer to what chats may be used for."""
        keep_consent(self._store, event)
        return {**self._shown_consent(), self.parts.notice: ""}

    @show_errors
    def clear(self) -> Changes:
        """Forget what was sent."""
        self._log.clear()
        return {
            self.parts.log: SentClearedValue(cleared=self._log.count()),
            self.parts.notice: "",
        }

    @show_errors
    def export(self, event: gr.EventData) -> Changes:
        """Hand over the requests in which the words occur, as JSONL."""
        with tempfile.TemporaryDirectory(dir=temporary_parent(self._store.path.parent)) as folder:
            path = Path(folder) / "sent.jsonl"
            self._log.export(path, read_asked(event, QueryAsked).query)
            content = path.read_bytes()
        return {self._save: offer("floe-sent.jsonl", content), self.parts.notice: ""}

    @numbered
    def _shown_consent(self) -> Changes:
        return {self.parts.consent: consent_value(self._store)}

    @numbered
    def _shown_rules(self) -> Changes:
        store = self._store
        rules: PrivacyRulesValue = {
            "policy": choices.policy(store),
            "own_words": "\n".join(choices.own_words(store)),
            "about_me": choices.about_me(store),
            "personal_context": choices.personal_context(store),
            "detector": self._assistant.detector.sentence,
            "treatments": choices.treatments(store),
            "lessons": len(choices.lessons(store)),
            "confirmations": choices.confirmations(store),
        }
        return {self.parts.rules: rules}


def consent_value(store: Store) -> ConsentValue:
    """Return the general answers; None: not asked yet."""
    given = consent(store)
    return {"train": given.train, "federate": given.federate}


def keep_consent(store: Store, event: gr.EventData) -> None:
    """Keep one general answer that was given in the page."""
    asked = read_asked(event, ConsentAsked)
    give_consent(store, replace(consent(store), **{asked.use: asked.allowed}))
