"""Handlers of the models view: use, fetch, pause, delete, search."""

from pathlib import Path

import gradio as gr

from floe.application import Application
from floe.errors import FetchError, ModelError
from floe.models.catalog import load_catalog
from floe.ui.models.models_panel import ModelsParts
from floe.ui.models.models_view import chip_value, models_value
from floe.ui.page_events import ModelAsked, ViewAsked, read_asked
from floe.ui.show_errors import Changes, numbered, show_errors


class ModelsActions:
    """All handlers; `parts` and the chip are what they change."""

    def __init__(self, application: Application, parts: ModelsParts, chip: gr.HTML) -> None:
        self._application = application
        self._chip = chip
        self._untold = False  # how the last change of the model ended
        self.parts = parts

    @show_errors
    def on_view_opened(self, event: gr.EventData) -> Changes:
        """Show everything, if the view that was opened is this one."""
        if read_asked(event, ViewAsked).view != "models":
            return {self.parts.notice: ""}
        return self._shown()

    @numbered
    def chip(self) -> Changes:
        """Show the model in use."""
        return {self._chip: chip_value(self._application)}

    @show_errors
    def poll(self) -> Changes:
        """Show how it stands; once nothing goes on any more, the clock stops."""
        # A sentence that has just been shown stays until the person does something.
        self._untold = self._application.model_switch.running
        problem = self._application.model_switch.problem
        return {**self._shown(), self.parts.notice: problem or gr.skip()}

    @show_errors
    def use(self, event: gr.EventData) -> Changes:
        """Answer with this model from now on."""
        self._application.model_switch.start(read_asked(event, ModelAsked).name)
        self._untold = True
        # One tick more, which tells what went wrong at once.
        return {**self._shown(), self.parts.clock: gr.Timer(active=True)}

    def wake_clock(self) -> Changes:
        """Let the clock go on if anything moves here, or how it ended has not been told."""
        return {self.parts.clock: gr.Timer(active=True)} if self._untold or self._is_busy() else {}

    @show_errors
    def fetch(self, event: gr.EventData) -> Changes:
        """Download a model of the catalog, or a file that the hub has just listed."""
        name = read_asked(event, ModelAsked).name
        file = load_catalog().find(name) or self._application.hub_search.file(name)
        if file is None:
            raise FetchError("The list has changed meanwhile. Search again, then press Download.")
        self._application.model_download.start(file)
        return self._shown()

    @show_errors
    def pause(self) -> Changes:
        """Stop the download, and keep what has arrived."""
        self._application.model_download.pause()
        return self._shown()

    @show_errors
    def resume(self) -> Changes:
        """Let the download go on."""
        self._application.model_download.resume()
        return self._shown()

    @show_errors
    def cancel(self) -> Changes:
        """Stop the download, and delete what has arrived."""
        self._application.model_download.cancel()
        return self._shown()

    @show_errors
    def drop(self, event: gr.EventData) -> Changes:
        """Delete a model's file."""
        name = read_asked(event, ModelAsked).name
        entry = load_catalog().find(name)
        folder = self._application.settings.models_dir
        path = Path(name) if entry is None else folder / entry.filename
        if not path.exists():
            raise ModelError(f"{path.name} is not there any more.")
        self._application.delete_model(path)
        return self._shown()

    @show_errors
    def search(self, event: gr.EventData) -> Changes:
        """Ask the hub, by words or by the address of a repository."""
        self._application.hub_search.start(read_asked(event, ModelAsked).name)
        return self._shown()

    @numbered
    def _shown(self) -> Changes:
        application = self._application
        # Read first, so that what ends meanwhile is drawn at the next tick.
        clock = gr.Timer(active=self._is_busy())
        return {
            self.parts.models: models_value(application),
            self.parts.notice: "",
            self.parts.clock: clock,
            self._chip: chip_value(application),
        }

    def _is_busy(self) -> bool:
        application = self._application
        jobs = (application.model_download, application.model_switch, application.hub_search)
        return any(each.running for each in jobs)
