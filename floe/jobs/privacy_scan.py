"""Looks for what is private in chats that nobody has examined yet, such as imported ones.

Before anything is learnt from them: what has not been examined stays out.
"""

from typing import Final

from floe.jobs.background import BackgroundJob
from floe.privacy.gate import Gate
from floe.store import Store

_BATCH: Final = 20
_UNEXAMINED: Final = (
    "SELECT id FROM messages WHERE private IS NULL AND role <> 'system' AND content <> ''"
    " AND status <> 'streaming' ORDER BY id"
)


class PrivacyScan:
    """The scan that is going on, if any."""

    def __init__(self, store: Store, gate: Gate) -> None:
        self._store = store
        self._gate = gate
        self._job = BackgroundJob("privacy scan")

    @property
    def running(self) -> bool:
        """True while the scan goes on."""
        return self._job.running

    @property
    def sentence(self) -> str:
        """A sentence for the person; empty if everything has been examined."""
        left = len(self._unexamined_ids())
        if not left:
            return ""
        if self.running:
            return f"Looking for what is private: {left} messages to go."
        problem = self._job.problem
        return f"{left} messages have not been looked at for what is private. {problem}"

    def start(self) -> None:
        """Examine whatever has not been examined; returns at once."""
        if self._unexamined_ids():
            self._job.start(self._scan)

    def wait(self, seconds: float) -> bool:
        """Sleep until it has ended, at most `seconds`; whether it has."""
        return self._job.wait(seconds)

    def close(self) -> None:
        """End the scan with the application; the next one goes on from there."""
        self._job.close()

    def _scan(self) -> None:
        while not self._job.cancelled.is_set() and (unseen := self._unexamined_ids()[:_BATCH]):
            self._gate.look_at([self._store.message(each) for each in unseen])
            if self._unexamined_ids()[:_BATCH] == unseen:
                return  # the detector cannot examine them now

    def _unexamined_ids(self) -> list[int]:
        with self._store.reading() as db:
            return [row[0] for row in db.execute(_UNEXAMINED)]
