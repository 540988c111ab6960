"""Handlers of the chat for what is pressed, moved or typed.

A method returns the parts that change, with their new values. An error that a person can mend
becomes a sentence above the controls; what they typed stays.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import gradio as gr

from floe.application import Application
from floe.chat.attachments import AttachedFile
from floe.chat.chat_settings import save_chat_settings
from floe.chat.drafts import Drafts
from floe.chat.new_chat import NewChatChoices
from floe.chat.preferences import Preferences
from floe.chat.turn import Turn, TurnOptions, TurnReader, TurnView
from floe.chats.one_chat import chat_file
from floe.config import OFF, STAND_IN
from floe.errors import FloeError, PageError, PromptError, StoreError
from floe.records import Message, Mode
from floe.ui.chat.about import about_value, set_chat_consent
from floe.ui.chat.advanced import AdvancedActions
from floe.ui.chat.answer_figures import context_value, live_figures
from floe.ui.chat.attach_actions import AttachActions
from floe.ui.chat.conversations import conversation_list
from floe.ui.chat.draft_actions import keep_draft, keep_unsaved
from floe.ui.chat.session import Session
from floe.ui.chat.thread import Frame, ThreadRows, draw_row, thread_rows, visible
from floe.ui.chat.weight_actions import WeightActions
from floe.ui.cloud.cloud_words import cloud_sentence
from floe.ui.layout import Parts
from floe.ui.page_events import (
    AlternativeAsked,
    ChatFileAsked,
    ConsentAsked,
    DraftAsked,
    ItemAsked,
    PlaceAsked,
    RatingAsked,
    SwitchAsked,
    TextAsked,
    TitleAsked,
    read_address,
    read_asked,
    read_text,
    read_unsaved_draft,
)
from floe.ui.page_values import AboutValue, CloudKind, CloudValue, SavedDraftValue
from floe.ui.serving.downloads import offer
from floe.ui.show_errors import Changes, show_errors

logger = logging.getLogger(__name__)

FRAME_SECONDS: Final = 1 / 12
"""Time between two frames of a running answer."""

_CLOUD_KINDS: Final[dict[str, CloudKind]] = {OFF: "off", STAND_IN: "stand-in"}

RENDER_SHARE: Final = 0.1
"""Largest share of the time that rendering a running answer may take: a long one is drawn less
often, so that decoding has the rest."""


class ChatActions:
    """All handlers; `parts` are what they change.

    Attributes:
        drafts: what is begun in each conversation.
        attach: the paperclip.
        advanced: the drawer with the settings of a chat.
        weight: the slider.
    """

    def __init__(self, application: Application, parts: Parts) -> None:
        self._assistant = application.assistant
        self._weight_fit = application.weight_fit
        self._rule = application.settings.rule
        self._store = application.store
        self._application = application
        self.drafts = Drafts(self._store)
        self._ratings: Counter[int] = Counter()
        self.attach = AttachActions(self._assistant, parts.attach)
        self.advanced = AdvancedActions(application, parts)
        self.weight = WeightActions(application, parts)
        self.parts = parts

    # Conversations

    @show_errors
    def load(self, session: Session, address: str, unsaved: Any = None) -> Changes:
        """Fill a page that was opened: the chat of its address, the controls as they were left.

        Without a chat in the address it is the one that was last in view, here or elsewhere.
        `unsaved` is what was typed into it while the app could not be reached.
        """
        kept = Preferences.load(self._store)
        saved = keep_unsaved(self._store, self.drafts, read_unsaved_draft(unsaved))
        controls = [kept.mode, kept.weight]
        asked = read_address(address)
        shown = self._show_if_there(session, asked.id if asked else kept.conversation)
        return {
            **shown,
            # The box is empty, unless somebody has been quicker than this.
            self.parts.prompt: self.drafts.text(session.conversation) or gr.skip(),
            self.parts.drafts: SavedDraftValue(number=0 if saved else -1),
            **dict(zip(self.parts.controls, controls, strict=True)),
            **self.refresh_cloud(),
            **self.weight.refresh(session),
        }

    @show_errors
    def new(self, session: Session, text: str) -> Changes:
        """Show an empty conversation; it is kept once something has been asked.

        Where a message for it has been begun, it stays as it was set then, local only above all.
        """
        begun = text if session.conversation is None else self.drafts.text(None)
        if not read_text(begun).strip() and not self.attach.waiting.of(None):
            session.new_chat = NewChatChoices()
            session.new_chat.keep(self._store)
        return self.turn_to(session, text, None)

    @show_errors
    def open(self, session: Session, text: str, event: gr.EventData) -> Changes:
        """Show a conversation; with a message found in it, the branch that has the message."""
        asked = read_asked(event, PlaceAsked)
        conversation_id, message_id = asked.id, asked.message
        try:
            messages = self._store.open_conversation(conversation_id)
            if message_id and message_id not in {message.id for message in messages}:
                self._store.select_branch(conversation_id, message_id)
            return self.turn_to(session, text, conversation_id, message_id)
        except StoreError as error:
            return {**self.turn_to(session, text, None), self.parts.notice: str(error)}

    def turn_to(
        self,
        session: Session,
        text: str,
        conversation_id: int | None,
        message_id: int | None = None,
    ) -> Changes:
        """Show another conversation, and the message begun there; `text` stays where it was."""
        before = session.conversation
        text = read_text(text)
        if before not in session.told:  # what the page tells itself is never older than this
            self.drafts.keep(before, text)
        shown = self.show(session, conversation_id, message_id, flash=True)
        draft = self.drafts.text(conversation_id)
        # Nothing is set where nothing changes: what has been typed meanwhile stays.
        if conversation_id != before and draft != text:
            shown[self.parts.prompt] = draft
        return shown

    def keep_draft(self, session: Session, event: gr.EventData) -> Changes:
        """Remember what is being typed, for the conversation in which it was."""
        with suppress(PageError):
            asked = read_asked(event, DraftAsked)
            if asked.number > session.draft:  # else overtaken by a later one
                session.draft = asked.number
                keep_draft(self._store, self.drafts, session, asked)
            if asked.save:
                with suppress(StoreError):
                    self.drafts.save()
                    return {self.parts.drafts: SavedDraftValue(number=asked.number)}
        return {self.parts.drafts: gr.skip()}

    def follow(self, session: Session) -> Changes:
        """Show what another page, or an import, has changed of what this one shows."""
        unchanged: Changes = {self.parts.figures: gr.skip()}
        with session.lock:
            try:
                if self._state(session.conversation) != session.seen:
                    shown = self.show(session, session.conversation, calm=True)
                    del shown[self.parts.notice]
                    return shown
                listed = conversation_list(self._assistant, session.conversation)
            except StoreError as error:
                if error.failure != "deleted":
                    return unchanged
                session.comparing = None
                shown = {**self.show(session, None, calm=True), self.parts.comparison: None}
                return {**shown, self.parts.notice: "This chat has been deleted in another window."}
            if listed == session.listed:
                return {**unchanged, **self.attach.follow(session)}
            session.listed = listed
            return {self.parts.listing: listed}

    def has_changed(self, session: Session) -> bool:
        """Return whether `follow` has anything to show; what is begun in boxes is saved, too."""
        with suppress(StoreError):
            self.drafts.save()
        with session.lock:
            try:
                return (
                    self._state(session.conversation) != session.seen
                    or conversation_list(self._assistant, session.conversation) != session.listed
                    or self.attach.has_changed(session)
                )
            except StoreError as error:
                return error.failure == "deleted"

    def _state(self, conversation_id: int | None) -> object:
        """Return what changes whenever a conversation has to be drawn anew."""
        if conversation_id is None:
            return None
        turn = self._running(conversation_id)
        running = None if turn is None else turn.message_id
        return self._store.conversation(conversation_id), running, self._ratings[conversation_id]

    @show_errors
    def rename(self, session: Session, event: gr.EventData) -> Changes:
        """Give a conversation a title of the user's own."""
        asked = read_asked(event, TitleAsked)
        self._store.rename_conversation(asked.id, asked.title)
        return {
            self.parts.listing: conversation_list(self._assistant, session.conversation),
            self.parts.about: self._about(session),
        }

    @show_errors
    def keep_here(self, session: Session, event: gr.EventData) -> Changes:
        """Keep the conversation in view on this device, or let the cloud take part again."""
        on = read_asked(event, SwitchAsked).on
        if session.conversation is None:
            session.new_chat = replace(session.new_chat, keep_here=on)
            session.new_chat.keep(self._store)
        else:
            self._assistant.set_local_only(session.conversation, on)
        return {self.parts.about: self._about(session), self.parts.notice: ""}

    @show_errors
    def allow(self, session: Session, event: gr.EventData) -> Changes:
        """Keep what the conversation in view may be used for; None: as in general."""
        asked = read_asked(event, ConsentAsked)
        if session.conversation is not None:
            set_chat_consent(self._store, session.conversation, asked.use, asked.allowed)
        return {self.parts.about: self._about(session), self.parts.notice: ""}

    @show_errors
    def export(self, session: Session, event: gr.EventData) -> Changes:
        """Hand over the conversation in view, as it is in view."""
        asked = read_asked(event, ChatFileAsked)
        if session.conversation is None:
            raise PageError
        conversation = self._store.conversation(session.conversation)
        name, content = chat_file(asked.kind, conversation, self._messages(conversation.id))
        return {self.parts.save: offer(name, content), self.parts.notice: ""}

    # Turns

    @show_errors
    def send(
        self,
        session: Session,
        text: str,
        mode: Mode,
        weight: float,
    ) -> Changes:
        """Ask, in the conversation in view or a new one."""
        options = self.options(session, mode, weight)
        turn = self.ask(session, read_text(text), options)
        self.forget_draft(session, text)
        return {**self.show(session, turn.conversation_id), self.parts.prompt: ""}

    def forget_draft(self, session: Session, text: str) -> None:
        """Forget the draft that was begun here: it has been sent."""
        with session.lock:  # see `keep_draft`
            self.drafts.keep(session.conversation, "")
            for chat in session.told:  # typed before the chat that it was sent in was in view
                if self.drafts.text(chat) == text:
                    self.drafts.keep(chat, "")
            session.sent = text

    def ask(
        self, session: Session, text: str, options: TurnOptions, *, with_files: bool = True
    ) -> Turn:
        """Ask with the files that are shown here, in the conversation in view or a new one.

        Nothing is drawn yet.
        """
        begun = session.conversation
        files: Sequence[AttachedFile] = self.attach.shown(session) if with_files else ()
        turn = self._ask(session, text, options, files)
        self.attach.waiting.clear(begun, files)
        return turn

    def _ask(
        self, session: Session, text: str, options: TurnOptions, files: Sequence[AttachedFile]
    ) -> Turn:
        chosen = session.new_chat
        if session.conversation is not None or chosen == NewChatChoices():
            return self._assistant.ask(session.conversation, text, options, files)
        # The chat is marked before anything is asked, so that not a word of it leaves.
        fresh = self._store.create_conversation().id
        try:
            self._assistant.set_local_only(fresh, chosen.keep_here)
            save_chat_settings(self._store, fresh, chosen.settings)
            turn = self._assistant.ask(fresh, text, options, files)
        except FloeError:
            self._store.delete_conversation(fresh)
            raise
        session.new_chat = NewChatChoices()  # the chat's own now
        session.new_chat.keep(self._store)
        return turn

    @show_errors
    def edit(
        self,
        session: Session,
        mode: Mode,
        weight: float,
        event: gr.EventData,
    ) -> Changes:
        """Ask an earlier question in other words: a new branch."""
        options = self.options(session, mode, weight)
        asked = read_asked(event, TextAsked)
        turn = self._assistant.edit(asked.id, asked.text, options)
        return self.show(session, turn.conversation_id)

    @show_errors
    def regenerate(
        self,
        session: Session,
        mode: Mode,
        weight: float,
        event: gr.EventData,
    ) -> Changes:
        """Answer the same question again, or one without an answer: a new branch."""
        options = self.options(session, mode, weight)
        turn = self._assistant.regenerate(read_asked(event, ItemAsked).id, options)
        return self.show(session, turn.conversation_id)

    @show_errors
    def release(
        self,
        session: Session,
        mode: Mode,
        weight: float,
        event: gr.EventData,
    ) -> Changes:
        """Ask the cloud, too: a message that stayed here perhaps rightly is not private."""
        options = self.options(session, mode, weight)
        turn = self._assistant.ask_cloud_too(read_asked(event, ItemAsked).id, options)
        return self.show(session, turn.conversation_id)

    @show_errors
    def confirm(self, session: Session, event: gr.EventData) -> Changes:
        """Keep here from now on what stayed here perhaps rightly."""
        asked = read_asked(event, ItemAsked)
        self._assistant.lessons.confirm(asked.id)
        return {self.parts.thread: self._rows(session, asked.id), self.parts.notice: ""}

    @show_errors
    def go_on(
        self,
        session: Session,
        mode: Mode,
        weight: float,
        event: gr.EventData,
    ) -> Changes:
        """Continue an answer that broke off: a new branch that begins with the same text."""
        options = self.options(session, mode, weight)
        turn = self._assistant.continue_answer(read_asked(event, ItemAsked).id, options)
        return self.show(session, turn.conversation_id)

    @show_errors
    def take(self, session: Session, mode: Mode, weight: float, event: gr.EventData) -> Changes:
        """Go on from another token than the one that was picked: a new branch."""
        options = self.options(session, mode, weight)
        asked = read_asked(event, AlternativeAsked)
        turn = self._assistant.take_alternative(asked.id, asked.token, asked.alternative, options)
        return self.show(session, turn.conversation_id)

    @show_errors
    def branch(self, session: Session, event: gr.EventData) -> Changes:
        """Show another version of a message, with what followed it."""
        if session.conversation is None:
            raise PageError
        asked = read_asked(event, ItemAsked)
        self._store.select_branch(session.conversation, asked.id)
        return self.show(session, session.conversation, asked.id)

    @show_errors
    def rate(self, session: Session, event: gr.EventData) -> Changes:
        """Like an answer, dislike it, or take that back."""
        asked = read_asked(event, RatingAsked)
        self._store.rate_message(asked.id, asked.rating)
        self._ratings[self._store.message(asked.id).conversation_id] += 1
        return {self.parts.thread: self._rows(session, asked.id), self.parts.notice: ""}

    @show_errors
    def rewrite(self, session: Session, event: gr.EventData) -> Changes:
        """Put the person's own words beside an answer, and show those."""
        asked = read_asked(event, TextAsked)
        text = asked.text.strip()
        if not text:
            raise PromptError("An answer cannot be empty: write it, or press Cancel.")
        self._store.rewrite_answer(asked.id, text)
        self._weight_fit.start_if_due()
        return self.show(session, session.conversation)

    def options(self, session: Session, mode: Mode, weight: float) -> TurnOptions:
        """Return the controls as they stand in this page, the rest as it was last set in any."""
        kept = Preferences.load(self._store, mode=mode, weight=weight)
        return replace(kept.options(), sampling=self.advanced.sampling(session, kept))

    def stop(self, session: Session) -> None:
        """End the answer in view after the token in hand."""
        turn = self._running(session.conversation)
        if turn is not None:
            turn.stop()

    def keep(self, mode: Mode, weight: float) -> None:
        """Keep the controls for the next start; what cannot be one is left as it was."""
        with suppress(PageError):
            Preferences.update(self._store, mode=mode, weight=weight)
            if mode == "local":
                self._assistant.keep_all_here()

    def refresh_cloud(self) -> Changes:
        """Show how the cloud is doing; it takes no part before the privacy check is ready."""
        state, detector = self._assistant.cloud.state, self._assistant.detector
        sentence = cloud_sentence(self._assistant.cloud, self._application.endpoint_test.view())
        usable = state.usable
        if usable and detector.state != "ready":
            sentence, usable = detector.sentence, False
        chosen = self._assistant.cloud.choice.base_url
        kind = _CLOUD_KINDS.get(chosen, "cloud")
        return {self.parts.cloud: CloudValue(sentence=sentence, usable=usable, kind=kind)}

    # A running answer

    def stream_answer(self, session: Session, generation: int | None) -> Iterator[Changes]:
        """Send the answer that is being written until it ends, then show what was kept.

        The last frame is sent again by gradio when a generator ends, and no frame at all empties
        every part: one that has been turned away from ends with a frame that changes nothing.
        """
        turn = self._running(session.conversation)
        with session.lock:  # gradio may tell twice of one change
            twice = generation == session.streamed
            session.streamed = generation
        if twice:
            yield {self.parts.figures: gr.skip()}
            return
        last: Changes = {self.parts.figures: gr.skip()}
        try:
            if turn is not None and generation == session.view_generation:
                yield from self._frames(turn, session, generation)
            with session.lock:
                if generation == session.view_generation:
                    last = self._show_if_there(session, session.conversation, calm=True)
        except StoreError as error:  # what was shown of it stays; a later look draws it
            session.seen = None
            last = {self.parts.notice: str(error)}
        except Exception:
            logger.exception("streaming an answer failed")
            raise
        yield last

    def _frames(self, turn: Turn, session: Session, generation: int) -> Iterator[Changes]:
        messages = self._messages(turn.conversation_id)
        in_view = bool(messages) and messages[-1].id == turn.message_id
        pause = FRAME_SECONDS
        reader = TurnReader(turn.message_id)
        writing = True
        drawn: TurnView | None = None
        training = self._application.training
        row = draw_row(messages[-1], turn.view()) if in_view else None
        place = 0
        while not turn.wait(pause) and generation == session.view_generation:
            events = turn.events(reader.cursor)
            reader.receive(events)
            ahead = self._assistant.ahead_of(turn)
            if row is None or (not events and ahead == place):
                continue
            view = reader.view()
            before = None if drawn is None else (drawn.text, drawn.notices, drawn.status)
            if (view.text, view.notices, view.status) != before or ahead != place:
                began = time.perf_counter()
                row = draw_row(messages[-1], view, ahead=ahead)
                pause = max(FRAME_SECONDS, (time.perf_counter() - began) / RENDER_SHARE)
            drawn, place = view, ahead
            frame = Frame(
                generation=generation,
                row=row,
                figures=live_figures(view.stats, training=training),
                context=context_value(view.stats, self._assistant.model.context_size),
            )
            changes: Changes = {self.parts.live: frame}
            if turn.writing != writing:
                # The answer is written, if not wholly kept: there is nothing left to stop.
                writing = turn.writing
                changes[self.parts.stop] = gr.update(visible=writing)
                changes[self.parts.send] = gr.update(visible=not writing)
            yield changes

    # What is in view

    def _show_if_there(
        self, session: Session, conversation_id: int | None, *, calm: bool = False
    ) -> Changes:
        """Show as `show`; a new conversation where the old one has been deleted."""
        try:
            return self.show(session, conversation_id, calm=calm)
        except StoreError as error:
            if error.failure != "deleted":
                raise
            return self.show(session, None)

    def show(
        self,
        session: Session,
        conversation_id: int | None,
        around: int | None = None,
        *,
        flash: bool = False,
        calm: bool = False,
    ) -> Changes:
        """Draw a conversation; `calm`: without a word of the person, so what lies over it stays."""
        with session.lock:
            if conversation_id is None and (session.conversation or not session.view_generation):
                session.new_chat = NewChatChoices.load(self._store)  # as what is begun there
            session.seen = self._state(conversation_id)
            messages = self._messages(conversation_id)
            session.view_generation += 1
            turn = self._running(conversation_id)
            view = turn.view() if turn else None
            stats = next((each.stats for each in reversed(messages) if each.stats), None)
            if view and messages and messages[-1].id == view.message_id:
                stats = view.stats
            rows = thread_rows(
                messages, view, generation=session.view_generation, around=around, flash=flash
            )
            name = self._application.settings.model
            rows["model"] = Path(name).stem if "/" in name else name
            rows["calm"] = calm
            session.conversation = conversation_id
            session.listed = conversation_list(self._assistant, conversation_id)
            if not calm:
                with suppress(StoreError):  # a disk that is full must not keep anybody from reading
                    Preferences.update(self._store, conversation=conversation_id)
            parts = self.parts
            if not calm:
                session.comparing = None
            return {
                parts.comparison: gr.skip() if calm else None,
                parts.answer_generation: session.view_generation if turn else None,
                parts.listing: session.listed,
                parts.figures: live_figures(
                    stats, training=view is not None and self._application.training
                ),
                parts.about: self._about(session),
                parts.thread: rows,
                parts.notice: "",
                parts.attach: self.attach.value(session),
                parts.advanced: self.advanced.value(session),
                parts.context: context_value(stats, self._assistant.model.context_size),
                parts.send: gr.update(visible=turn is None or not turn.writing),
                parts.stop: gr.update(visible=turn is not None and turn.writing),
            }

    def _rows(self, session: Session, around: int) -> ThreadRows:
        """Return the view as it is, with message `around` as it is now."""
        turn = self._running(session.conversation)
        view = turn.view() if turn else None
        messages = self._messages(session.conversation)
        rows = thread_rows(messages, view, generation=session.view_generation, around=around)
        rows["focus"] = None
        return rows

    def _about(self, session: Session) -> AboutValue:
        if session.conversation is None:
            return about_value(None, self._store, keep_here=session.new_chat.keep_here)
        return about_value(self._store.conversation(session.conversation), self._store)

    def _messages(self, conversation_id: int | None) -> list[Message]:
        if conversation_id is None:
            return []
        return visible(self._store.open_conversation(conversation_id))

    def _running(self, conversation_id: int | None) -> Turn | None:
        return None if conversation_id is None else self._assistant.running(conversation_id)
