"""Reads what is new for memory, beside the page: messages, notes, the folder of files."""

import threading

from floe.jobs.background import BackgroundJob
from floe.memory.memory import Memory


class MemoryJob:
    """The reading that is going on, if any."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._job = BackgroundJob("memory")
        self._lock = threading.Lock()
        self._wanted = False
        self._working = False

    @property
    def running(self) -> bool:
        """True while it goes on."""
        return self._job.running

    @property
    def problem(self) -> str:
        """The sentence that says why not all could be read; empty if it could."""
        return self._job.problem

    def start(self) -> None:
        """Read whatever is new; returns at once. What comes meanwhile is read after it."""
        with self._lock:
            self._wanted = True
            if self._working:
                return
            self._working = True
        self._job.wait()  # the thread before has nothing left to do
        if not self._job.start(self._work):
            self._stop_working()

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """End it with the application; the next one goes on from there."""
        self._job.close()

    def _work(self) -> None:
        try:
            while self._take():
                self._memory.update(self._job.cancelled.is_set)
        except BaseException:
            self._stop_working()
            raise

    def _take(self) -> bool:
        """Return whether there is something to read; if not, the next `start` begins anew."""
        with self._lock:
            wanted = self._wanted and not self._job.cancelled.is_set()
            self._wanted = False
            self._working = wanted
        return wanted

    def _stop_working(self) -> None:
        with self._lock:
            self._working = False
