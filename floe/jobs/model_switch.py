"""The change to another model: checking and loading a file takes seconds to minutes."""

from collections.abc import Callable

from floe.errors import ModelError
from floe.jobs.background import BackgroundJob


class ModelSwitchJob:
    """The change that goes on, if any. `use` does it, and raises what a person is to be told."""

    def __init__(self, use: Callable[[str], None]) -> None:
        self._use = use
        self._job = BackgroundJob("model switch")
        self._name = ""

    @property
    def running(self) -> bool:
        """True while a model is being checked and loaded."""
        return self._job.running

    @property
    def name(self) -> str:
        """The model that is being loaded; empty if none is."""
        return self._name if self._job.running else ""

    @property
    def problem(self) -> str:
        """The sentence that says why the last change failed; empty if it did not."""
        return "" if self._job.running else self._job.problem

    def start(self, name: str) -> None:
        """Use this model; returns at once.

        Raises:
            ModelError: another one is being loaded.
        """
        if self._job.running:
            raise ModelError("Another model is still being loaded. Wait until it is in use.")
        self._name = name
        self._job.start(lambda: self._use(name))

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """Wait for what goes on, and start nothing more."""
        self._job.close()
