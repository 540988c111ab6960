"""Handlers of what is deleted in the chat, and of taking that back."""

import gradio as gr

from floe.application import Application
from floe.chat.undo import UndoableDeletions, UnsentMessage
from floe.errors import PromptError
from floe.ui.chat.chat_actions import ChatActions
from floe.ui.chat.session import Session
from floe.ui.layout import Parts
from floe.ui.page_events import ItemAsked, ItemsAsked, read_asked, read_text
from floe.ui.page_values import UndoValue
from floe.ui.show_errors import Changes, show_errors


class DeletionActions:
    """All handlers; `chat` shows what is there afterwards."""

    def __init__(self, application: Application, parts: Parts, chat: ChatActions) -> None:
        self._assistant = application.assistant
        self._store = application.store
        self._deletions = UndoableDeletions(self._store, on_deleted=self._forget_prompts)
        self._chat = chat
        self.parts = parts

    def _forget_prompts(self) -> None:
        self._assistant.model.forget_prompts()  # of the model in use now, which may have changed

    @show_errors
    def delete(self, session: Session, text: str, event: gr.EventData) -> Changes:
        """Delete conversations; answers still written in them end first."""
        doomed = read_asked(event, ItemsAsked).ids
        running = [turn for each in doomed if (turn := self._assistant.running(each))]
        for turn in running:
            turn.stop()
        for turn in running:
            turn.wait(5)
        drafts, files = self._chat.drafts, self._chat.attach.waiting
        in_view = session.conversation in doomed
        if in_view:
            drafts.keep(session.conversation, read_text(text))
        unsent = [UnsentMessage(each, drafts.text(each), files.of(each)) for each in doomed]
        self._deletions.delete_chats(doomed, unsent)
        shown = self._chat.turn_to(session, text, None if in_view else session.conversation)
        for each in unsent:
            drafts.keep(each.conversation_id, "")
            files.clear(each.conversation_id, each.files)
        drafts.save()
        return {**shown, self.parts.undo: self._undo_value(session)}

    @show_errors
    def remove(self, session: Session, event: gr.EventData) -> Changes:
        """Delete a message and all that follows it."""
        doomed = self._store.message(read_asked(event, ItemAsked).id)
        if self._assistant.running(doomed.conversation_id) is not None:
            raise PromptError("An answer is still being written here. Stop it, or wait for it.")
        self._deletions.delete_message(doomed.id, doomed.conversation_id)
        shown = self._chat.show(session, session.conversation)
        return {**shown, self.parts.undo: self._undo_value(session)}

    @show_errors
    def undo(self, session: Session, text: str, event: gr.EventData) -> Changes:
        """Put back what was deleted last, and show it."""
        done = self._deletions.undo(read_asked(event, ItemAsked).id)
        for each in done.unsent:
            self._chat.drafts.keep(each.conversation_id, each.text)
            self._chat.attach.waiting.put_back(each.conversation_id, each.files)
        shown = self._chat.turn_to(session, text, done.conversation_id)
        return {**shown, self.parts.undo: self._undo_value(session)}

    def notice_changes(self, session: Session) -> Changes:
        """Have `follow` called if this page shows what no longer holds; nothing is drawn yet."""
        if not self._is_too_late(session) and not self._chat.has_changed(session):
            return {}
        session.noticed += 1
        return {self.parts.noticed: session.noticed}

    def follow(self, session: Session) -> Changes:
        """Take the offer to undo away once it is too late, else follow as the chat does."""
        if self._is_too_late(session):
            return {self.parts.undo: self._undo_value(session), self.parts.figures: gr.skip()}
        return self._chat.follow(session)

    def _is_too_late(self, session: Session) -> bool:
        last = self._deletions.last  # asked for at least every two seconds, so that it is let go of
        return bool(session.undo) and (last is None or last.number != session.undo)

    def _undo_value(self, session: Session) -> UndoValue:
        last = self._deletions.last
        session.undo = last.number if last else 0
        return UndoValue(number=session.undo, sentence=last.sentence if last else "")
