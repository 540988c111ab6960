"""Handlers of the slider: the weight by hand, and the automatic one."""

from contextlib import suppress

import gradio as gr

from floe.application import Application
from floe.chat.preferences import Preferences
from floe.chat.turn import Turn
from floe.errors import PageError
from floe.training.fusion_weight import kept_weight
from floe.ui.chat.auto_weight import auto_value
from floe.ui.chat.session import Session
from floe.ui.layout import Parts
from floe.ui.page_events import SwitchAsked, read_asked
from floe.ui.show_errors import Changes, numbered, show_errors


class WeightActions:
    """Handlers of the weight; `parts` has the slider and the sentence beside it."""

    def __init__(self, application: Application, parts: Parts) -> None:
        self._assistant = application.assistant
        self._store = application.store
        self._rule = application.settings.rule
        self.parts = parts

    def set(self, session: Session, weight: float) -> Changes:
        """Steer the answer in view, and keep the place of the slider: the person's own from now."""
        with suppress(PageError):
            kept = Preferences.update(self._store, weight=weight, auto=False)
            self._steer(session, kept.weight)
        return self._auto()

    @show_errors
    def set_auto(self, session: Session, event: gr.EventData) -> Changes:
        """Let the weight follow what the person rewrote, or leave it where it is."""
        Preferences.update(self._store, auto=read_asked(event, SwitchAsked).on)
        return {**self.refresh(session), self.parts.notice: ""}

    @numbered
    def refresh(self, session: Session) -> Changes:
        """Show the automatic weight and its reason; a new fit moves the slider and what runs."""
        kept = Preferences.load(self._store)
        turn = self._running(session)
        weighed = turn.stats.weighed if turn is not None else ""
        shown: Changes = {self.parts.auto: auto_value(self._store, self._rule, weighed)}
        fitted = kept_weight(self._store, self._rule).weight
        if kept.auto and round(fitted, 2) != kept.weight:
            Preferences.update(self._store, weight=round(fitted, 2))
            self._steer(session, round(fitted, 2))
            shown[self.parts.weight] = round(fitted, 2)
        return shown

    @numbered
    def _auto(self) -> Changes:
        return {self.parts.auto: auto_value(self._store, self._rule)}

    def _steer(self, session: Session, weight: float) -> None:
        turn = self._running(session)
        if turn is not None:
            turn.set_weight(weight)

    def _running(self, session: Session) -> Turn | None:
        chat = session.conversation
        return None if chat is None else self._assistant.running(chat)
