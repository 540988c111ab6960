"""Reads what is new for memory, beside the page: messages, notes, the folder of files."""

from floe.jobs.background import BackgroundJob
from floe.memory.memory import Memory


class MemoryJob:
    """The reading that is going on, if any."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._job = BackgroundJob("memory")
        self._again = False

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
        self._again = True
        self._job.start(self._work)

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """End it with the application; the next one goes on from there."""
        self._job.close()

    def _work(self) -> None:
        while self._again and not self._job.cancelled.is_set():
            self._again = False
            self._memory.update(self._job.cancelled.is_set)
