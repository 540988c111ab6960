"""Handlers of the paperclip: files that the browser has read, and those that wait to be sent.

The bytes come in the event itself, as those of an imported file do; no upload of gradio's is open.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Protocol

import gradio as gr

from floe.chat.assistant import Assistant
from floe.chat.attachments import MOST_BYTES, AttachedFile, WaitingFiles
from floe.errors import FloeError, PageError
from floe.records import Attachment
from floe.ui.chat.thread import words_read
from floe.ui.page_events import AttachAsked, ItemAsked, read_asked
from floe.ui.page_values import WaitingFilesValue, WaitingFileValue


class InView(Protocol):
    """An open page: its conversation, and the numbers of the files that it was last shown.

    `read`: the page's own number of the last file that it handed over, `attached`: of the last
    one of these in which nothing stood in the way.
    """

    conversation: int | None
    files: tuple[int, ...]
    read: int
    attached: int


class AttachActions:
    """Handlers; `part` shows what waits.

    Attributes:
        waiting: the files that go with the next message of each conversation.
    """

    def __init__(self, assistant: Assistant, part: gr.HTML) -> None:
        self.waiting = WaitingFiles()
        self._assistant = assistant
        self._part = part
        self._handled = 0

    def read(self, session: InView, event: gr.EventData) -> dict[Any, Any]:
        """Read a file that is to go with the next message; what it says waits in memory."""
        problem = ""
        try:
            asked = read_asked(event, AttachAsked)
            left_out = asked.number < session.read  # meanwhile, as it came too late
            twice = asked.number == session.attached > 0
            session.read = max(session.read, asked.number)
            if not left_out and not twice:
                # Another chat may have been opened while the browser read it.
                chat = session.conversation if asked.chat is None else asked.chat
                self.waiting.read(chat, asked.name, _decode(asked.data))
                session.attached = asked.number
        except FloeError as error:
            problem = str(error)
        return {self._part: self.value(session, problem)}

    def drop(self, session: InView, event: gr.EventData) -> dict[Any, Any]:
        """Take back a file that was attached."""
        problem = ""
        try:
            self.waiting.drop(session.conversation, read_asked(event, ItemAsked).id)
        except FloeError as error:
            problem = str(error)
        return {self._part: self.value(session, problem)}

    def shown(self, session: InView) -> list[AttachedFile]:
        """Return the files that wait there and that this page shows.

        What another page has attached since is not sent by one that does not show it.
        """
        waiting = self.waiting.of(session.conversation)
        return [each for each in waiting if each.number in session.files]

    def has_changed(self, session: InView) -> bool:
        """Return whether another page has attached, taken back or sent anything since."""
        return tuple(each.number for each in self.waiting.of(session.conversation)) != session.files

    def follow(self, session: InView) -> dict[Any, Any]:
        """Show what another page has attached, taken back or sent since; empty: nothing."""
        return {self._part: self.value(session)} if self.has_changed(session) else {}

    def value(self, session: InView, problem: str = "") -> WaitingFilesValue:
        """Return the files that wait in the chat in view, and how much of each will be read."""
        self._handled += 1
        waiting = self.waiting.of(session.conversation)
        session.files = tuple(each.number for each in waiting)
        # Not asked for nothing: the model's lock is held while it is replaced or a gate looks.
        placed = self._assistant.fit_files(waiting) if waiting else ()
        return WaitingFilesValue(
            serial=self._handled,
            read=session.read,
            files=_waiting_values(waiting, placed),
            problem=problem,
        )


def _waiting_values(
    files: Sequence[AttachedFile], placed: Sequence[Attachment]
) -> list[WaitingFileValue]:
    values = []
    for file, place in zip(files, placed, strict=True):
        kept = len(file.text) - place.left_out
        note = words_read(len(file.text[:kept].split()), kept, place.left_out)
        values.append(WaitingFileValue(id=file.number, name=file.name, note=note))
    return values


def _decode(data: str) -> bytes:
    """Return the bytes of base64.

    Raises:
        PageError: it is not a file, or more than the page allows.
    """
    if len(data) > 4 * MOST_BYTES // 3 + 4:
        raise PageError
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise PageError from None
