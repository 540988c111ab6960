"""Handlers of the conversation list for what changes its order alone: pin, archive, folders."""

import gradio as gr

from floe.chat.assistant import Assistant
from floe.ui.chat.conversations import conversation_list
from floe.ui.chat.session import Session
from floe.ui.layout import Parts
from floe.ui.page_events import MarkAsked, MoveAsked, read_asked
from floe.ui.show_errors import Changes, show_errors


class ListingActions:
    """All handlers; `parts` are what they change."""

    def __init__(self, assistant: Assistant, parts: Parts) -> None:
        self._assistant = assistant
        self.parts = parts

    @show_errors
    def mark(self, session: Session, event: gr.EventData) -> Changes:
        """Pin conversations or put them into the archive, or take that back."""
        asked = read_asked(event, MarkAsked)
        self._assistant.store.mark_conversations(asked.ids, **{asked.mark: asked.on})
        return self._shown(session)

    @show_errors
    def move(self, session: Session, event: gr.EventData) -> Changes:
        """Put conversations into a folder, or take them out of theirs."""
        asked = read_asked(event, MoveAsked)
        self._assistant.store.move_conversations(asked.ids, asked.folder)
        return self._shown(session)

    def _shown(self, session: Session) -> Changes:
        session.listed = conversation_list(self._assistant, session.conversation)
        return {self.parts.listing: session.listed, self.parts.notice: ""}
