"""Handlers of the personalise view: choose rows, plan, start and poll a run, keep adapters."""

import base64
import tempfile
import time
from pathlib import Path
from typing import Final

import gradio as gr

from floe.adapters.adapter_import import import_adapter
from floe.adapters.merged_model import write_merged_model
from floe.adapters.registry import LearntAdapter, model_sha256
from floe.application import Application
from floe.chat.preferences import Preferences
from floe.chats.jsonl import export_chats, import_chats
from floe.errors import DataError, FloeError, PageError, TrainingError
from floe.jobs.plan_job import PlanView
from floe.privacy.consent import consent
from floe.records import ChatMessage, Sampling
from floe.resources import EXAMPLES
from floe.store.encryption import read_bytes, temporary_parent
from floe.store.imports import delete_import, list_imports, swap_roles
from floe.training.data.dataset import Dataset
from floe.training.data.learning_choices import LearningChoices, chosen_dataset, toggled
from floe.training.fusion_weight import keep_note, kept_weight
from floe.training.run_table import TrainingRun
from floe.training.trial.request import TrialRequest
from floe.ui.chat.conversations import conversation_list
from floe.ui.page_events import (
    AdapterPathAsked,
    ExampleAsked,
    FileAsked,
    ImportAsked,
    ItemAsked,
    ItemSwitchAsked,
    KindAsked,
    LimitAsked,
    NameAsked,
    QuestionAsked,
    RowAsked,
    ScaleAsked,
    SwitchAsked,
    ViewAsked,
    read_asked,
)
from floe.ui.page_values import (
    AdapterListValue,
    NoRunValue,
    OwnWeightValue,
    PlanValue,
    RunValue,
    SampleValue,
)
from floe.ui.personalise.example_people import PEOPLE
from floe.ui.personalise.learning_view import learning_value
from floe.ui.personalise.personal_panel import PersonalParts
from floe.ui.personalise.plan_words import describe_plan
from floe.ui.personalise.training_view import NOTHING, adapter_row, run_value
from floe.ui.privacy.privacy_actions import keep_consent
from floe.ui.serving.downloads import offer
from floe.ui.show_errors import Changes, numbered, show_errors

_ASKS: Final = "Floe learns from your chats only if you allow it. It happens on this device alone."
_ACTS: Final = "In the chat, this question is answered with what it learnt."
_LEFT: Final = (
    "In the chat, this question is left to the model as it was: it is unlike what you taught it."
)
_USED: Final = "You have written in these chats. Take them away again if that may go, too."
_COMPARE_SECONDS: Final = 180
"""Time that answers side by side may take; then they are not waited for any more."""


class PersonalActions:
    """All handlers of the view.

    `parts` and the list of conversations are what they change, `save` hands over files.
    """

    def __init__(
        self, application: Application, parts: PersonalParts, listing: gr.HTML, save: gr.HTML
    ) -> None:
        self._application = application
        self._assistant = application.assistant
        self._store = application.store
        self._settings = application.settings
        self._adapters = application.assistant.adapters
        self._scan = application.privacy_scan
        self._chat_import = application.chat_import
        self._import_due = False  # a file has been read, and its chats are not shown yet
        self._plan_job = application.plan_job
        self._weight_fit = application.weight_fit
        self._runs = application.runs
        self._redraw_due = False  # something has moved since everything was drawn
        self._asked: SampleValue | None = None
        self._listing = listing
        self._save = save
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Refresh if the view that was opened is this one."""
        return (
            self.refresh()
            if read_asked(event, ViewAsked).view == "personalise"
            else {self.parts.notice: ""}
        )

    @show_errors
    def refresh(self) -> Changes:
        """Show everything as it stands, and scan chats that have not been scanned."""
        self._scan.start()
        return {**self._learning(), **self._shown_adapters()}

    @show_errors
    def poll(self) -> Changes:
        """Show how the plan and the run stand; once nothing moves any more, everything."""
        if self._chat_import.running:
            self._import_due = True
        elif self._import_due:
            self._import_due = False
            problem = self._chat_import.take_problem()
            return {**self._added(), self.parts.notice: problem}
        if self._is_busy():
            return self._progress()
        # A sentence that has just been shown stays until the person does something.
        return {**self._learning(), **self._shown_adapters(), self.parts.notice: gr.skip()}

    def wake_clock(self) -> Changes:
        """Let the clock go on for as long as anything is to be drawn."""
        return {self.parts.clock: gr.Timer(active=True)} if self._redraw_due else {}

    # A run

    @show_errors
    def set_limit(self, event: gr.EventData) -> Changes:
        """Keep how much memory and time a run may take, and whether it starts afresh."""
        asked = read_asked(event, LimitAsked)
        LearningChoices.update(self._store, **{asked.name: asked.value})
        return self._learning()

    @show_errors
    def start_run(self) -> Changes:
        """Train by the plan that is shown."""
        self._application.check_model_stays()
        data = chosen_dataset(self._store, self._settings.system_prompt)
        data.check()
        planned = self._planned(data)
        if planned is None or planned.plan is None or self._scan.sentence:
            raise TrainingError("There is no plan yet. Wait until it is shown, then press Train.")
        self._runs.start(
            data,
            self._assistant.model.path,
            planned.plan,
            memory_limit_mb=planned.request.limit_mb,
            continue_from=None if self._kept.afresh else self._in_use(),
            trial=TrialRequest(self._sampling(), self._settings.system_prompt),
        )
        self._asked = None
        return {**self._progress(), self.parts.notice: ""}

    @show_errors
    def cancel(self) -> Changes:
        """Stop after the step it is at."""
        run = self._runs.latest()
        if run is not None:
            self._runs.cancel(run.id)
        return {**self._progress(), self.parts.notice: ""}

    @show_errors
    def resume(self) -> Changes:
        """Go on where it stopped."""
        self._application.check_model_stays()
        run = self._runs.latest()
        if run is not None:
            self._runs.resume(run.id)
        return {**self._progress(), self.parts.notice: ""}

    @show_errors
    def compare(self, event: gr.EventData) -> Changes:
        """Answer a question of the person's own without and with what was learnt."""
        question = read_asked(event, QuestionAsked).question.strip()
        adapter = self._in_use()
        if not question or adapter is None:
            raise PageError
        prompt = [
            ChatMessage("system", self._settings.system_prompt),
            ChatMessage("user", question),
        ]
        asked: SampleValue = {
            "question": question,
            "own": "",
            "before": "",
            "after": "",
            "note": "",
        }
        try:
            asked["before"] = self._assistant.answer(prompt, [])
            asked["after"] = self._assistant.answer(prompt, [(adapter.gguf, adapter.scale)])
            asked["note"] = _ACTS if self._assistant.kind_of(question) == "own" else _LEFT
        except FloeError as error:
            asked["note"] = str(error)
        self._asked = asked
        return {**self._progress(), self.parts.notice: ""}

    # The automatic weight

    @show_errors
    def set_ask_cloud(self, event: gr.EventData) -> Changes:
        """Keep whether the cloud is asked about held-out answers, from the next training on."""
        LearningChoices.update(self._store, ask_cloud=read_asked(event, SwitchAsked).on)
        keep_note(self._store, "")
        return {**self._progress(), self.parts.notice: ""}

    @show_errors
    def fit_weight(self) -> Changes:
        """Ask the cloud now."""
        run = self._run_to_ask_about()
        if run is not None and not self._weight_fit.running:
            self._weight_fit.start(run)
        return {**self._progress(), self.parts.notice: ""}

    # What is learnt from

    @show_errors
    def allow(self, event: gr.EventData) -> Changes:
        """Keep the general answer: may chats be used for training."""
        keep_consent(self._store, event)
        return self._learning()

    @show_errors
    def choose_chat(self, event: gr.EventData) -> Changes:
        """Learn from a conversation, or leave it out."""
        kept = self._kept.except_chats
        asked = read_asked(event, ItemSwitchAsked)
        out = toggled(kept, asked.id, not asked.on)
        LearningChoices.update(self._store, except_chats=out)
        return self._learning()

    @show_errors
    def leave_out_answer(self, event: gr.EventData) -> Changes:
        """Leave one answer out, or take it in again."""
        kept = self._kept.without
        asked = read_asked(event, RowAsked)
        without = toggled(kept, asked.message, asked.out)
        LearningChoices.update(self._store, without=without)
        return self._learning()

    @show_errors
    def set_with_private(self, event: gr.EventData) -> Changes:
        """Keep whether private messages are learnt from, too."""
        LearningChoices.update(self._store, with_private=read_asked(event, SwitchAsked).on)
        return self._learning()

    @show_errors
    def add_file(self, event: gr.EventData) -> Changes:
        """Add the chats of a file that the person picked."""
        asked = read_asked(event, FileAsked)
        try:
            content = base64.b64decode(asked.data, validate=True)
        except ValueError:
            raise PageError from None
        self._chat_import.start(asked.name, content)
        self._import_due = True
        return {**self._progress(), self.parts.notice: ""}

    @show_errors
    def undo_import(self, event: gr.EventData) -> Changes:
        """Take out all chats that a file brought."""
        asked = read_asked(event, ImportAsked)
        kept = next((each for each in list_imports(self._store) if each.id == asked.id), None)
        if kept is not None and kept.used and not asked.own:
            return {**self._added(), self.parts.notice: _USED}  # the page did not know of it yet
        delete_import(self._store, asked.id)
        return self._added()

    @show_errors
    def swap_import(self, event: gr.EventData) -> Changes:
        """Let who asked in a file be who answered."""
        swap_roles(self._store, read_asked(event, ItemAsked).id)
        return self._added()

    @show_errors
    def add_example(self, event: gr.EventData) -> Changes:
        """Add the chats of one of the invented people; once is enough."""
        asked = read_asked(event, ExampleAsked)
        chosen = next((person for person in PEOPLE if person.file == asked.name), None)
        if chosen is None:
            raise PageError
        if not any(each.name == chosen.title for each in list_imports(self._store)):
            import_chats(self._store, EXAMPLES / f"{chosen.file}.jsonl", chosen.title)
        return self._added()

    @show_errors
    def export(self) -> Changes:
        """Hand over the chosen chats as JSONL."""
        kept = self._kept
        all_chats = [each.id for each in self._store.conversations(10**9)]
        chosen = [each for each in all_chats if each not in kept.except_chats]
        if not chosen:
            raise DataError("No chat is chosen. Tick at least one to export it.")
        with tempfile.TemporaryDirectory(dir=temporary_parent(self._store.path.parent)) as folder:
            path = Path(folder) / "chats.jsonl"
            export_chats(self._store, path, chosen)
            content = read_bytes(path)
        return {self._save: offer("floe-chats.jsonl", content), self.parts.notice: ""}

    # Adapters

    @show_errors
    def bring_in(self, event: gr.EventData) -> Changes:
        """Take in an adapter that others made for the model in use; it is off at first."""
        brought = import_adapter(
            self._store,
            self._adapters,
            self._assistant.model.path,
            Path(read_asked(event, AdapterPathAsked).place),
        )
        return {**self._shown_adapters(), self.parts.notice: brought.sentence}

    @show_errors
    def rename(self, event: gr.EventData) -> Changes:
        """Give an adapter another name."""
        asked = read_asked(event, NameAsked)
        self._adapters.rename(asked.id, asked.name)
        return self._shown_adapters()

    @show_errors
    def switch(self, event: gr.EventData) -> Changes:
        """Take an adapter into use, or out of it."""
        asked = read_asked(event, ItemSwitchAsked)
        self._adapters.set_in_use(asked.id, asked.on, self._base())
        return self._shown_adapters()

    @show_errors
    def scale(self, event: gr.EventData) -> Changes:
        """Let an adapter act more or less."""
        asked = read_asked(event, ScaleAsked)
        self._adapters.set_scale(asked.id, asked.scale)
        return self._shown_adapters()

    @show_errors
    def delete(self, event: gr.EventData) -> Changes:
        """Remove an adapter for good."""
        self._adapters.delete(read_asked(event, ItemAsked).id)
        return self._shown_adapters()

    @show_errors
    def export_adapter(self, event: gr.EventData) -> Changes:
        """Hand over an adapter as a zip for peft, as a GGUF for llama.cpp, or within its model."""
        asked = read_asked(event, KindAsked)
        adapter = self._adapters.get(asked.id)
        if asked.kind == "merged" and adapter.base_sha256 != self._base():
            raise TrainingError(
                f"“{adapter.name}” was made for another base model. Use that model to export both "
                "in one file."
            )
        suffix = "zip" if asked.kind == "peft" else "gguf"
        with tempfile.NamedTemporaryFile(
            dir=temporary_parent(self._store.path.parent),
            prefix=".export-",
            suffix=f".{suffix}",
            delete=False,
        ) as file:
            path = Path(file.name)
        try:
            if asked.kind == "merged":
                base = self._assistant.model.path
                write_merged_model(path, base, adapter.gguf, adapter.scale, adapter.name)
            elif suffix == "zip":
                self._adapters.export_peft(adapter.id, path)
            else:
                self._adapters.export_gguf(adapter.id, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        name = "".join(each if each.isalnum() else "-" for each in adapter.name)
        name += "-model" if asked.kind == "merged" else ""
        return {self._save: offer(f"{name}.{suffix}", path), self.parts.notice: ""}

    def _sampling(self) -> Sampling:
        """Return the defaults of the page."""
        return self._assistant.sampling.sampling

    def _base(self) -> str:
        return model_sha256(self._store, self._assistant.model.path)

    def _added(self) -> Changes:
        self._scan.start()
        in_view = Preferences.load(self._store).conversation
        return {**self._learning(), self._listing: conversation_list(self._assistant, in_view)}

    @numbered
    def _learning(self) -> Changes:
        # The scan's state is read first, so that rows cleared meanwhile are read at the next tick.
        self._redraw_due = self._scan.running
        data = chosen_dataset(self._store, self._settings.system_prompt)
        kept = self._kept
        if not self._redraw_due:
            self._plan_job.request(data, kept.memory_mb, kept.deadline_s)
        return {
            self.parts.learning: learning_value(self._store, data),
            **self._progress(),
            self.parts.notice: "",
        }

    @numbered
    def _progress(self) -> Changes:
        """Show the plan and the run; the clock ticks until all is drawn after their end."""
        # The state is read first, so that what ends meanwhile is drawn at the next tick.
        self._redraw_due = self._is_busy() or self._redraw_due
        run = self._runs.latest()
        shown: RunValue | NoRunValue = NOTHING
        if run is not None:
            shown = run_value(
                run,
                self._runs.steps(run.id),
                self._runs.comparison(run.id),
                can_ask=run.status == "complete" and self._in_use() is not None,
                asked=self._asked,
            )
        return {
            self.parts.plan: self._plan(),
            self.parts.run: shown,
            self.parts.weight: self._weight(),
            self.parts.clock: gr.update(active=self._redraw_due),
        }

    def _plan(self) -> PlanValue:
        kept, in_use, planned = self._kept, self._in_use(), self._plan_job.view()
        scan_sentence = self._chat_import.sentence or self._scan.sentence
        plan = planned.plan if planned and not scan_sentence else None
        reason = scan_sentence or (planned.sentence if planned else "")
        asks = plan is None and consent(self._store).train is not True
        words = reason if plan is None else describe_plan(plan)
        return {
            "memory_mb": kept.memory_mb,
            "deadline_s": kept.deadline_s,
            "afresh": kept.afresh,
            "can_go_on": in_use is not None,
            "from": in_use.name if in_use else "",
            "words": _ASKS if asks else words,
            "reason": reason if plan is not None else "",
            "ready": plan is not None and not self._is_training(),
            "asks": asks,
        }

    def _weight(self) -> OwnWeightValue:
        on = self._kept.ask_cloud
        running = self._weight_fit.running
        return {
            "on": on,
            "running": running,
            "can_fit": on and not running and self._run_to_ask_about() is not None,
            "reason": kept_weight(self._store, self._settings.rule).reason,
        }

    def _run_to_ask_about(self) -> TrainingRun | None:
        """Return the newest run, if it has ended and noted what was kept aside."""
        run = self._runs.latest()
        ended = run is not None and run.status == "complete" and run.folder.held_out
        return run if ended else None

    def _is_busy(self) -> bool:
        """Return whether anything moves by itself."""
        planned = self._plan_job.view()
        return (
            self._is_training()
            or self._is_comparing()
            or self._scan.running
            or self._import_due
            or self._weight_fit.running
            or (planned is not None and planned.running)
        )

    def _is_training(self) -> bool:
        run = self._runs.latest()
        return run is not None and run.active

    def _is_comparing(self) -> bool:
        """Return whether answers side by side are still on their way."""
        run = self._runs.latest()
        if run is None or run.status != "complete" or run.ended_at is None:
            return False
        return run.folder.rows.exists() and time.time() - run.ended_at < _COMPARE_SECONDS

    def _planned(self, data: Dataset) -> PlanView | None:
        """Return the plan in view, if it is for these rows."""
        planned = self._plan_job.view()
        return planned if planned and planned.request.fingerprint == data.fingerprint else None

    def _in_use(self) -> LearntAdapter | None:
        """Return the personal adapter that a run can go on from."""
        found = [each for each in self._adapters.in_use(self._base()) if each.kind == "personal"]
        return found[0] if found else None

    @property
    def _kept(self) -> LearningChoices:
        return LearningChoices.load(self._store)

    @numbered
    def _shown_adapters(self) -> Changes:
        base = self._base()
        rows = [adapter_row(each, base) for each in self._adapters.all()]
        return {self.parts.adapters: AdapterListValue(rows=rows), self.parts.notice: ""}
