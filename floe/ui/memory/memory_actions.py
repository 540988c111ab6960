"""Handlers of the sheet about memory: the switch, the notes, the folder, and what is forgotten."""

from pathlib import Path

import gradio as gr

from floe.application import Application
from floe.memory.passages import MemoryPassage
from floe.ui.page_events import (
    FolderAsked,
    ItemAsked,
    NotesAsked,
    SwitchAsked,
    ViewAsked,
    read_asked,
)
from floe.ui.page_values import MemoryUseValue, MemoryValue
from floe.ui.privacy.privacy_panel import PrivacyParts
from floe.ui.show_errors import Changes, numbered, show_errors


class MemoryActions:
    """All handlers of the sheet; `parts` are those of the view that it stands in."""

    def __init__(self, application: Application, parts: PrivacyParts) -> None:
        self._memory = application.assistant.memory
        self._job = application.memory_job
        self.parts = parts
        self._watching = False

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Read what is new, if the view that was opened is this one."""
        if read_asked(event, ViewAsked).view != "privacy":
            return {self.parts.memory: gr.skip()}
        return self.read()

    @show_errors
    def read(self) -> Changes:
        """Read messages, notes and files that are new or have changed."""
        self._job.start()
        self._watching = True
        return self._shown()

    @show_errors
    def switch(self, event: gr.EventData) -> Changes:
        """Let earlier words be used, or not, from the next turn on."""
        self._memory.set_on(read_asked(event, SwitchAsked).on)
        return self._shown()

    @show_errors
    def keep_notes(self, event: gr.EventData) -> Changes:
        """Keep what is in the box for notes."""
        self._memory.set_notes(read_asked(event, NotesAsked).text)
        return self._shown()

    @show_errors
    def choose_folder(self, event: gr.EventData) -> Changes:
        """Read another folder of files, or none."""
        self._memory.set_folder(read_asked(event, FolderAsked).folder)
        return self.read()

    @show_errors
    def forget(self, event: gr.EventData) -> Changes:
        """Take a passage out for good."""
        self._memory.forget(read_asked(event, ItemAsked).id)
        return self._shown()

    def poll(self) -> Changes:
        """Show how the reading stands, while there is one."""
        if not self._watching:
            return {self.parts.memory: gr.skip()}
        self._watching = self._job.running
        return self._read()

    def _shown(self) -> Changes:
        return {**self._read(), self.parts.notice: ""}

    @numbered
    def _read(self) -> Changes:
        return {self.parts.memory: self._value()}

    def _value(self) -> MemoryValue:
        state = self._memory.state()
        return {
            "on": state.on,
            "notes": state.notes,
            "folder": str(state.folder or ""),
            "sentence": _sentence(state.passages, state.files, reading=self._job.running),
            "problems": [*filter(None, [self._job.problem]), *state.problems],
        }


def memory_uses(passages: list[MemoryPassage]) -> list[MemoryUseValue]:
    """Return what was read for an answer, as the page lists it."""
    return [
        {
            "id": each.id,
            "kind": each.kind,
            "source": Path(each.source).name if each.kind == "file" else each.source,
            "text": each.text,
            "at": each.said_at,
        }
        for each in passages
    ]


def _sentence(passages: int, files: int, *, reading: bool) -> str:
    """Say what there is."""
    if reading:
        return "Reading what is new."
    counted = "1 passage" if passages == 1 else f"{passages:,} passages"
    if not files:
        return f"{counted} at hand, on this device."
    of_files = "1 file" if files == 1 else f"{files:,} files"
    return f"{counted} at hand, on this device, {of_files} among their sources."
