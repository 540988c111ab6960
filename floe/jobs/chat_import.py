"""The import of a file of chats: a large one takes a minute, and is watched meanwhile."""

import io
from typing import Final

from floe.chats.importing import HalfImportError, ImportCancelledError, import_stream
from floe.errors import DataError, StoreError
from floe.jobs.background import BackgroundJob
from floe.store import Store
from floe.store.imports import delete_import
from floe.store.text import one_line

_LONGEST_NAME: Final = 100
_RETRY_SECONDS: Final = 1.0
_NOTHING_ADDED: Final = (
    "The disk was full, so nothing of {name} was added. Make room for it and import it again."
)
_BUSY: Final = "Another file is still being read. Wait until it is in."


class ChatImportJob:
    """The import that is going on, if any."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._job = BackgroundJob("chat import")
        self._name = ""
        self._done = 0.0
        self._full = False
        self._problem = ""

    @property
    def running(self) -> bool:
        """True while a file is being read."""
        return self._job.running

    @property
    def sentence(self) -> str:
        """Progress, for a person; empty if nothing goes on."""
        if not self.running:
            return ""
        if self._full:
            return (
                f"The disk is full, so {self._name} cannot be added. Make some room: what was half "
                "in is then taken out."
            )
        return f"Reading {self._name}: {self._done:.0%}."

    def start(self, name: str, content: bytes) -> None:
        """Import a file that is in memory; returns at once.

        Raises:
            DataError: another one is being read.
        """
        if self.running:
            raise DataError(_BUSY)
        self._name, self._done, self._problem = one_line(name)[:_LONGEST_NAME], 0.0, ""
        self._full = False
        self._job.start(lambda: self._work(name, content), self._end)

    def take_problem(self) -> str:
        """Give the sentence of what went wrong, once; empty if nothing did."""
        problem, self._problem = self._problem, ""
        return problem

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """Stop with the application; what was half in is taken out."""
        self._job.close()

    def _work(self, name: str, content: bytes) -> None:
        try:
            import_stream(
                self._store,
                io.BytesIO(content),
                name,
                progress=self._show,
                is_cancelled=self._job.cancelled.is_set,
            )
        except ImportCancelledError:
            return  # the application ends, and nobody is there to be told
        except HalfImportError as error:
            self._full = True
            self._take_out(error.import_id)
            raise DataError(_NOTHING_ADDED.format(name=self._name)) from error

    def _take_out(self, import_id: int) -> None:
        """Undo the import as soon as there is room; the next start does it otherwise."""
        while not self._job.cancelled.wait(_RETRY_SECONDS):
            try:
                delete_import(self._store, import_id)
            except StoreError as error:
                if error.failure != "deleted":
                    continue
            return

    def _show(self, done: int, total: int) -> None:
        self._done = done / max(total, 1)

    def _end(self, problem: str) -> None:
        self._problem = problem
