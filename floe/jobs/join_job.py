"""Joining a group: the first time, this device is measured, which takes seconds."""

from pathlib import Path
from typing import Final

from floe.federation.membership import GroupSettings, Membership, device_key
from floe.jobs.background import BackgroundJob
from floe.personal.adapters import model_sha256
from floe.personal.architecture import read_architecture
from floe.personal.cost import Workload
from floe.personal.device import measured_device
from floe.personal.plan import choose_plan
from floe.store import Store

_ROUND_TOKENS: Final = 10_000
"""For the rank of this device, before anybody knows how much there will be to learn."""


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
        """Whether it goes on."""
        return self._job.running

    def take_problem(self) -> str:
        """Give the sentence of what went wrong, once; empty if nothing did."""
        problem, self._problem = self._problem, ""
        return problem

    def resume(self) -> None:
        """Go back into the group that was never left, if there is one."""
        self._job.start(self._resume, self._end)

    def start(self, address: str, certificate: Path, blur: float | None) -> bool:
        """Measure this device, if need be, then connect; returns at once.

        Returns:
            False: this device is joining already.
        """
        return self._job.start(lambda: self._join(address, certificate, blur), self._end)

    def close(self) -> None:
        """Wait for what goes on, and start nothing more."""
        self._job.close()

    def _end(self, problem: str) -> None:
        self._problem = problem

    def _join(self, address: str, certificate: Path, blur: float | None) -> None:
        plan = choose_plan(
            measured_device(self._store),
            read_architecture(self._base),
            Workload.of_tokens(_ROUND_TOKENS),
        )
        self._membership.join(
            GroupSettings(
                address=address,
                certificate=str(certificate.resolve()),
                key=str(device_key(self._membership.folder)[0].resolve()),
                base=str(self._base.resolve()),
                base_sha256=model_sha256(self._store, self._base),
                rank=plan.rank,
                rank_reason=plan.reason,
                precision=plan.precision,
                blur=blur,
            )
        )

    def _resume(self) -> None:
        self._membership.resume()
