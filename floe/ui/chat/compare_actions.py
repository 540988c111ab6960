"""Handlers of what is asked side by side, and of what is done with the answers."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from floe.adapters.registry import model_sha256
from floe.application import Application
from floe.chat.turn import TurnOptions
from floe.errors import FloeError, PageError
from floe.jobs.comparison_job import columns_by_adapter, columns_by_mode, columns_by_weight
from floe.records import Mode
from floe.ui.chat.chat_actions import FRAME_SECONDS, RENDER_SHARE, ChatActions
from floe.ui.chat.comparison import ComparisonValue, compare_answers
from floe.ui.chat.session import Session
from floe.ui.layout import Parts
from floe.ui.page_events import ComparedAsked, ItemAsked, read_asked, read_text
from floe.ui.show_errors import Changes, show_errors


class CompareActions:
    """All handlers; `chat` shows the conversation below."""

    def __init__(self, application: Application, parts: Parts, chat: ChatActions) -> None:
        self._assistant = application.assistant
        self._store = application.store
        self._job = application.comparison
        self._chat = chat
        self.parts = parts

    @show_errors
    def ask(self, session: Session, mode: Mode, weight: float, event: gr.EventData) -> Changes:
        """Ask a question in two or three ways, in the conversation in view or a new one."""
        asked = read_asked(event, ComparedAsked)
        options = self._chat.options(session, mode, weight)
        text = read_text(asked.text)
        columns = self._columns(asked, options)
        turn = self._job.begin(
            columns, lambda first: self._chat.ask(session, text, first, with_files=asked.typed)
        )
        if asked.typed:
            self._chat.forget_draft(session, text)
        shown = self._chat.show(session, turn.conversation_id)
        # Not asked of the job, which may be done: nobody needs long to say that they may not.
        question = self._store.message(turn.message_id).parent_id
        return {**shown, **self._open(session, question), self.parts.prompt: ""}

    def _columns(self, asked: ComparedAsked, options: TurnOptions) -> list[TurnOptions]:
        if asked.by == "weight":
            return columns_by_weight(options, asked.weights)
        if asked.by == "adapter":
            base = model_sha256(self._store, self._assistant.model.path)
            fitting = [a for a in self._assistant.adapters.all() if a.base_sha256 == base]
            return columns_by_adapter(options, fitting)
        return columns_by_mode(options)

    @show_errors
    def open(self, session: Session, event: gr.EventData) -> Changes:
        """Show all answers to the question that this message answers, or is."""
        message = self._store.message(read_asked(event, ItemAsked).id)
        question = message.id if message.role == "user" else message.parent_id
        if question is None:
            raise PageError
        return {**self._open(session, question), self.parts.notice: ""}

    def reopen(self, session: Session) -> Changes:
        """Show again, after a reload, what is still being written side by side."""
        if self._job.conversation is None or self._job.conversation != session.conversation:
            return {self.parts.comparison: gr.skip()}
        return self._open(session, self._job.question)

    def _open(self, session: Session, question: int | None) -> Changes:
        session.comparing = question
        if question is None:
            return {self.parts.comparison: None}
        value = self._value(question)
        generation = time.monotonic() if value["running"] else None
        return {self.parts.comparison: value, self.parts.comparison_generation: generation}

    @show_errors
    def choose(self, session: Session, event: gr.EventData) -> Changes:
        """Let the chat go on with one of the answers."""
        answer = self._store.message(read_asked(event, ItemAsked).id)
        self.stop(session)
        self._store.select_branch(answer.conversation_id, answer.id)
        return self._chat.show(session, answer.conversation_id)

    @show_errors
    def close(self, session: Session) -> Changes:
        """Show the chat again; what is being written goes on."""
        return self._chat.show(session, session.conversation)

    def stop(self, session: Session) -> None:
        """Begin no further answer here, and end the one in hand after its token."""
        if self._job.conversation is not None and self._job.conversation == session.conversation:
            self._job.cancel()
            self._chat.stop(session)
            self._job.wait(5)

    def stream(self, session: Session, generation: float | None) -> Iterator[Changes]:
        """Send the answers as they are written, until all are or the page shows something else.

        What is written stands in the last frame: one that comes right before another can be lost.
        """
        question, parts = session.comparing, self.parts
        pause, drawn = FRAME_SECONDS, None
        while generation is not None and question is not None and question == session.comparing:
            began = time.perf_counter()
            try:
                value = self._value(question)
            except FloeError:
                break  # deleted meanwhile
            if question != session.comparing:
                break
            pause = max(FRAME_SECONDS, (time.perf_counter() - began) / RENDER_SHARE)
            if value != drawn:
                drawn = value
                buttons: dict[Any, Any] = {
                    parts.stop: gr.update(visible=value["running"]),
                    parts.send: gr.update(visible=not value["running"]),
                }
                yield {parts.comparison: value, **buttons}
            if not value["running"]:
                return
            time.sleep(pause)
        # A frame that was on its way would stand over the chat that was opened meanwhile.
        yield {parts.comparison: None if session.comparing is None else gr.skip()}

    def _value(self, question_id: int) -> ComparisonValue:
        question = self._store.message(question_id)
        # Read in this order: what is begun meanwhile stands among those that wait, or is there.
        waiting = self._job.waiting(question_id)
        turn = self._assistant.running(question.conversation_id)
        answers = self._store.answers_to(question_id)
        begun = {each.stats.column for each in answers if each.stats}
        return compare_answers(
            question,
            answers,
            turn.view() if turn else None,
            waiting=[each for each in waiting if each not in begun],
            problem=self._job.problem(question_id),
            ahead=self._assistant.ahead_of(turn) if turn else 0,
        )
