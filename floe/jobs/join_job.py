"""Joining a group: the first time, this device is measured, which takes seconds."""

from pathlib import Path

from floe.federation.group.membership import Membership, group_settings
from floe.jobs.background import BackgroundJob
from floe.store import Store


class JoinJob:
    """The joining that is going on, if any."""

    def __init__(self, store: Store, membership: Membership, base: Path) -> None:
        self._store = store
        self._membership = membership
        self._base = base
        self._job = BackgroundJob("join")
        self._problem = ""

    @property
    def running(self) -> bool:
        """True while the joining goes on."""
        return self._job.running

    def use_base(self, base: Path) -> None:
        """Join with another model from now on."""
        self._base = base

    def take_problem(self) -> str:
        """Give the sentence of what went wrong, once; empty if nothing did."""
        problem, self._problem = self._problem, ""
        return problem

    def resume(self) -> None:
        """Go back into the group that was never left, if there is one."""
        self._job.start(self._resume, self._end)

    def start(self, address: str, certificate: Path, level: str) -> bool:
        """Measure this device, if need be, then connect; returns at once.

        Returns:
            False: this device is joining already.
        """
        return self._job.start(lambda: self._join(address, certificate, level), self._end)

    def close(self) -> None:
        """Wait for what goes on, and start nothing more."""
        self._job.close()

    def _end(self, problem: str) -> None:
        self._problem = problem

    def _join(self, address: str, certificate: Path, level: str) -> None:
        settings = group_settings(
            self._store,
            self._membership.folder.parent,
            self._base,
            address=address,
            certificate=certificate,
            level=level,
        )
        self._membership.join(settings)

    def _resume(self) -> None:
        self._membership.resume()
