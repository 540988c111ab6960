"""The drawer "Advanced": how tokens are picked, in all chats or this one, and what it is told."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import gradio as gr

from floe.application import Application
from floe.chat.chat_settings import ChatSettings, load_chat_settings, save_chat_settings
from floe.chat.new_chat import NewChatChoices
from floe.chat.preferences import SAMPLING_NAMES, Preferences
from floe.chat.prompt_presets import delete_preset, presets, save_preset
from floe.records import Sampling
from floe.ui.page_events import (
    PresetAsked,
    PresetNameAsked,
    SamplingAsked,
    ScopeAsked,
    SystemPromptAsked,
    read_asked,
)
from floe.ui.page_values import AdvancedValue, PresetValue, SamplingValue
from floe.ui.show_errors import Changes, show_errors


class ChatInView(Protocol):
    """An open page: its conversation, and what was set for one that is not there yet.

    `drawer`: what it was last shown.
    """

    conversation: int | None
    new_chat: NewChatChoices
    drawer: AdvancedValue | None


class AdvancedParts(Protocol):
    """The drawer, and the place that says what does not work."""

    @property
    def advanced(self) -> gr.HTML:
        """The drawer."""

    @property
    def notice(self) -> gr.HTML:
        """The place for sentences."""


class AdvancedActions:
    """Handlers of the drawer."""

    def __init__(self, application: Application, parts: AdvancedParts) -> None:
        self.parts = parts
        self._application = application
        self._assistant = application.assistant
        self._store = application.store

    @show_errors
    def set(self, session: ChatInView, event: gr.EventData) -> Changes:
        """Keep a setting of sampling for the answers to come; None: as one level above has it."""
        asked = read_asked(event, SamplingAsked)
        if asked.scope == "chat":
            chat = session.conversation
            chosen = self._settings(session, chat).with_sampling(asked.name, asked.value)
            self._keep(session, chat, chosen)
        else:
            Preferences.update(self._store, **{asked.name: asked.value})
        return self._shown(session)

    @show_errors
    def reset(self, session: ChatInView, event: gr.EventData) -> Changes:
        """Leave all as it is in general: for this chat, or for the model."""
        if read_asked(event, ScopeAsked).scope == "chat":
            self._keep(session, session.conversation, ChatSettings())
        else:
            Preferences.update(self._store, **dict.fromkeys(SAMPLING_NAMES))
        return self._shown(session)

    @show_errors
    def tell(self, session: ChatInView, event: gr.EventData) -> Changes:
        """Keep what the models are told in a chat before it begins; empty: as in general.

        It is that of the chat in which it was typed, whatever has been opened since.
        """
        asked = read_asked(event, SystemPromptAsked)
        settings = self._settings(session, asked.chat).with_system_prompt(asked.text)
        if settings.system_prompt is not None:
            self._assistant.check_told(settings.system_prompt)
        self._keep(session, asked.chat, settings)
        return self._shown(session)

    @show_errors
    def save(self, session: ChatInView, event: gr.EventData) -> Changes:
        """Keep a text as a preset."""
        asked = read_asked(event, PresetAsked)
        save_preset(self._store, asked.name, asked.text)
        return self._shown(session)

    @show_errors
    def drop(self, session: ChatInView, event: gr.EventData) -> Changes:
        """Let a preset go."""
        delete_preset(self._store, read_asked(event, PresetNameAsked).name)
        return self._shown(session)

    def sampling(self, session: ChatInView, kept: Preferences) -> Sampling:
        """Return how tokens are picked in the chat in view."""
        general = replace(self._assistant.sampling.sampling, **kept.sampling)
        return self._settings(session, session.conversation).sampling.over(general)

    def value(self, session: ChatInView) -> AdvancedValue:
        """Return the settings that hold now, which of them the person chose, and why the others."""
        kept = Preferences.load(self._store)
        settings = self._settings(session, session.conversation)
        session.drawer = AdvancedValue(
            general=_sampling_value(
                replace(self._assistant.sampling.sampling, **kept.sampling), kept.sampling
            ),
            chat=_sampling_value(self.sampling(session, kept), settings.sampling.chosen),
            system=settings.system_prompt or "",
            general_system=self._application.settings.system_prompt,
            presets=[
                PresetValue(name=each.name, text=each.text, own=each.own)
                for each in presets(self._store)
            ],
            reason=self._assistant.sampling.reason,
        )
        return session.drawer

    def refresh(self, session: ChatInView) -> Changes:
        """Show what has changed since: another model, or another page's choice."""
        before = session.drawer
        value = self.value(session)
        return {self.parts.advanced: gr.skip() if value == before else value}

    def _shown(self, session: ChatInView) -> Changes:
        return {self.parts.advanced: self.value(session), self.parts.notice: ""}

    def _settings(self, session: ChatInView, chat: int | None) -> ChatSettings:
        return session.new_chat.settings if chat is None else load_chat_settings(self._store, chat)

    def _keep(self, session: ChatInView, chat: int | None, settings: ChatSettings) -> None:
        if chat is None:
            session.new_chat = replace(session.new_chat, settings=settings)
            session.new_chat.keep(self._store)
        else:
            save_chat_settings(self._store, chat, settings)


def _sampling_value(sampling: Sampling, chosen: Iterable[Any]) -> SamplingValue:
    return SamplingValue(
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repeat_penalty=sampling.repeat_penalty,
        dry_multiplier=sampling.dry_multiplier,
        seed=sampling.seed,
        stop=list(sampling.stop),
        chosen=list(chosen),
    )
