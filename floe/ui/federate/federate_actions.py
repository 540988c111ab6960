"""Handlers of the federate view: join and leave a group, simulate one, switch experts."""

import logging
from pathlib import Path

import gradio as gr

from floe.adapters.registry import model_sha256
from floe.application import Application
from floe.errors import FederationError
from floe.federation.app.limits import LIMITS
from floe.federation.group.history import Federation, History
from floe.federation.group.membership import (
    check_address,
    check_certificate,
)
from floe.privacy.consent import consent
from floe.ui.federate.expert_rows import expert_rows
from floe.ui.federate.federate_panel import FederateParts
from floe.ui.federate.rounds import NOTHING, rounds_value
from floe.ui.page_events import GroupAsked, ItemSwitchAsked, ViewAsked, read_asked
from floe.ui.page_values import ExpertListValue, GroupValue, RoundsValue, SimulationValue
from floe.ui.privacy.privacy_actions import keep_consent
from floe.ui.show_errors import Changes, numbered, show_errors

logger = logging.getLogger(__name__)


class FederateActions:
    """All handlers of the view; `parts` are what they change."""

    def __init__(self, application: Application, parts: FederateParts) -> None:
        self._store = application.store
        self._adapters = application.assistant.adapters
        self._assistant = application.assistant
        self._folder = application.settings.data_dir / "flower"
        self._history = History(application.store)
        self._membership = application.membership
        self._simulation = application.simulation
        self._join_job = application.join_job
        self._redraw_due = False  # something has moved since everything was drawn
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Refresh if the view that was opened is this one."""
        return (
            self.refresh()
            if read_asked(event, ViewAsked).view == "federate"
            else {self.parts.notice: ""}
        )

    @show_errors
    @numbered
    def refresh(self) -> Changes:
        """Show everything as it stands; a problem met meanwhile is told once."""
        # The job is read first, so that a group joined meanwhile is drawn at the next tick.
        joining = self._join_job.running
        group, simulation = self._membership.current(), self._simulation.current()
        running = [each for each in (group, simulation) if each and each.status == "running"]
        self._redraw_due = joining or bool(running)
        problem = self._join_job.take_problem()
        shown: Changes = {
            self.parts.group: self._group(group, joining=joining),
            self.parts.group_rounds: self._rounds("The group's rounds", group),
            self.parts.simulation: SimulationValue(
                running=bool(simulation and simulation in running)
            ),
            self.parts.simulation_rounds: self._rounds("Simulated rounds", simulation),
            self.parts.experts: ExpertListValue(rows=expert_rows(self._store)),
            self.parts.clock: gr.update(active=self._redraw_due),
        }
        return shown | ({self.parts.notice: problem} if problem else {})

    @show_errors
    def allow(self, event: gr.EventData) -> Changes:
        """Keep the general answer: may a group learn from what was learnt here."""
        keep_consent(self._store, event)
        return self._done()

    @show_errors
    def join(self, event: gr.EventData) -> Changes:
        """Take part in a group: measure this device, if need be, then connect."""
        asked = read_asked(event, GroupAsked)
        certificate = self._certificate(asked.certificate)
        check_address(asked.address)
        check_certificate(certificate)
        if not self._join_job.start(asked.address, certificate, asked.level):
            raise FederationError("This device is joining already.")
        return self._done()

    @show_errors
    def leave(self) -> Changes:
        """Take no part any more."""
        self._membership.leave()
        return self._done()

    @show_errors
    def start(self) -> Changes:
        """Simulate a group."""
        self._simulation.start(self._assistant.model.path)
        return self._done()

    @show_errors
    def stop(self) -> Changes:
        """End the simulation."""
        self._simulation.stop()
        return self._done()

    @show_errors
    def switch(self, event: gr.EventData) -> Changes:
        """Let prompts be led to an expert, or not."""
        asked = read_asked(event, ItemSwitchAsked)
        self._adapters.set_in_use(
            asked.id, asked.on, model_sha256(self._store, self._assistant.model.path)
        )
        return self._done()

    def wake_clock(self) -> Changes:
        """Let the clock go on for as long as anything is to be drawn."""
        return {self.parts.clock: gr.Timer(active=True)} if self._redraw_due else {}

    def _done(self) -> Changes:
        return {self.parts.notice: "", **self.refresh()}

    def _certificate(self, text: str) -> Path:
        """Keep the file that was picked with the group's files; the last one if none was."""
        path = self._folder / "group.pem"
        if text:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(text, encoding="utf-8")
        elif not path.exists():
            raise FederationError(
                "The group's certificate is missing. Choose the file that its host gave you."
            )
        return path

    def _group(self, group: Federation | None, *, joining: bool) -> GroupValue:
        kept = group.settings if group else {}
        sentence = group.sentence if group else ""
        return {
            "consent": consent(self._store).federate,
            "running": joining or bool(group and group.status == "running"),
            "sentence": "Looking at what this device can do." if joining else sentence,
            "address": kept.get("address", ""),
            "certificate": (self._folder / "group.pem").exists(),
            "public_key": self._membership.public_key(),
            "limits": LIMITS.sentence,
        }

    def _rounds(self, title: str, federation: Federation | None) -> RoundsValue:
        if federation is None:
            return NOTHING
        return rounds_value(title, federation, self._history.rounds(federation.id))
