"""What the privacy view does: keep its choices, show and clear the log of what was sent."""

import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from floe.chat import Assistant
from floe.privacy import choices
from floe.privacy.consent import Consent, consent, give_consent
from floe.store import Store
from floe.ui.downloads import offer
from floe.ui.plainly import Changes, plainly
from floe.ui.privacy_panel import PrivacyParts


class PrivacyActions:
    """All handlers of the view; `parts` are what they change, `save` hands over files."""

    def __init__(self, assistant: Assistant, parts: PrivacyParts, save: gr.HTML) -> None:
        self._assistant = assistant
        self._store = assistant.store
        self._log = assistant.sent
        self._save = save
        self.parts = parts

    @property
    def notice(self) -> gr.HTML:
        """Where an error becomes a sentence."""
        return self.parts.notice

    @plainly
    def come(self, event: gr.EventData) -> Changes:
        """Another view was opened: this one, perhaps."""
        return self.look() if event._data["view"] == "privacy" else {self.parts.notice: ""}

    @plainly
    def look(self) -> Changes:
        """Everything as it stands."""
        return {
            self.parts.rules: self._rules(),
            self.parts.consent: consent_value(self._store),
            self.parts.notice: "",
        }

    @plainly
    def set(self, event: gr.EventData) -> Changes:
        """Keep one choice, by its name."""
        value: str = event._data["value"]
        match event._data["name"]:
            case "policy":
                choices.set_policy(
                    self._store, "pseudonyms" if value == "pseudonyms" else "local only"
                )
            case "own_words":
                self._assistant.set_own_words(value.splitlines())
            case "about_me":
                choices.set_about_me(self._store, value)
            case "personal_context":
                choices.set_personal_context(self._store, value)
            case "treatment":
                group, _, treatment = value.partition("=")
                choices.set_treatment(self._store, group, choices.as_treatment(treatment))
            case "forget":
                self._assistant.forget_lessons()
        return {self.parts.rules: self._rules(), self.parts.notice: ""}

    @plainly
    def allow(self, event: gr.EventData) -> Changes:
        """Keep the general answer to what chats may be used for."""
        keep_consent(self._store, event)
        return {self.parts.consent: consent_value(self._store), self.parts.notice: ""}

    @plainly
    def clear(self) -> Changes:
        """Forget what was sent."""
        self._log.clear()
        return {self.parts.log: {"cleared": self._log.count()}, self.parts.notice: ""}

    @plainly
    def export(self, event: gr.EventData) -> Changes:
        """Hand over the requests in which the words occur, as JSONL."""
        with tempfile.TemporaryDirectory(dir=self._store.path.parent) as folder:
            path = Path(folder) / "sent.jsonl"
            self._log.export(path, event._data["query"])
            content = path.read_bytes()
        return {self._save: offer("floe-sent.jsonl", content), self.parts.notice: ""}

    def _rules(self) -> dict[str, Any]:
        store = self._store
        return {
            "policy": choices.policy(store),
            "own_words": "\n".join(choices.own_words(store)),
            "about_me": choices.about_me(store),
            "personal_context": choices.personal_context(store),
            "detector": self._assistant.detector.sentence,
            "treatments": choices.treatments(store),
            "lessons": len(choices.lessons(store)),
        }


def consent_value(store: Store) -> dict[str, bool | None]:
    """The general answers; None: not asked yet."""
    given = consent(store)
    return {"train": given.train, "federate": given.federate}


def keep_consent(store: Store, event: gr.EventData) -> None:
    """Keep one general answer that was given in the page."""
    asked: dict[str, Any] = event._data
    give_consent(store, Consent(**(consent_value(store) | {asked["use"]: asked["allowed"]})))
