"""A plan in the making: measuring this device and counting tokens take seconds."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.adapters.architecture import read_architecture
from floe.errors import FloeError
from floe.jobs.background import BackgroundJob
from floe.records import TrainPlan
from floe.store import Store
from floe.training.data.dataset import Dataset
from floe.training.planning.backend_choice import ANY_BACKEND, BackendWish
from floe.training.planning.cost import Workload
from floe.training.planning.hardware import allowed_memory_mb, load_or_measure_hardware
from floe.training.planning.parity_check import check_parity
from floe.training.planning.plan import choose_plan, smaller_plan, workload_of

NO_DEADLINE: Final = 1e9
"""Seconds."""
_NAMED: Final = 3
"""Chats that a sentence names."""
_WORKING: Final = "Looking at what this device can do."


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """Base, rows by their fingerprint, and limits of a plan; None: as the device allows."""

    base: Path
    fingerprint: str
    memory_mb: int | None
    deadline_s: int | None
    wish: BackendWish = ANY_BACKEND

    @property
    def limit_mb(self) -> float:
        """Memory that the trainer may take, 10^6 bytes."""
        return float(self.memory_mb) if self.memory_mb else allowed_memory_mb()


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, or the sentence that says why there is none (yet)."""

    request: PlanRequest
    plan: TrainPlan | None
    sentence: str
    running: bool = False


class PlanJob:
    """The newest plan for one base model."""

    def __init__(self, store: Store, base: Path) -> None:
        self._store = store
        self._base = base
        self._lock = threading.Lock()
        self._view: PlanView | None = None
        self._pending: tuple[Dataset, PlanRequest] | None = None
        self._counted: tuple[str, Workload, tuple[str, ...]] | None = None
        # One at a time: two measurements at once would each find half a device.
        self._job = BackgroundJob("plan")
        self._working = False

    def close(self) -> None:
        """Wait for the plan in the making, and begin no other."""
        self._pending = None
        self._job.close()

    def use_base(self, base: Path) -> None:
        """Plan for another model from now on."""
        with self._lock:
            self._base = base
            self._view = self._pending = self._counted = None

    def view(self) -> PlanView | None:
        """Show how the plan stands."""
        return self._view

    def request(
        self,
        data: Dataset,
        memory_mb: int | None,
        deadline_s: int | None,
        wish: BackendWish = ANY_BACKEND,
    ) -> None:
        """Make a plan for these rows and limits, unless it is there or in the making."""
        with self._lock:
            request = PlanRequest(self._base, data.fingerprint, memory_mb, deadline_s, wish)
            if self._view is not None and self._view.request == request:
                return
            self._view = PlanView(request, None, _WORKING, running=True)
            self._pending = data, request
            if self._working:
                return
            self._working = True
        # Without the lock, which the thread before may still need; it has nothing left to do.
        self._job.wait()
        if not self._job.start(self._work, self._end):
            with self._lock:
                self._working = False

    def wait(self, seconds: float) -> PlanView | None:
        """Sleep until the plan is there, at most `seconds`."""
        self._job.wait(seconds)
        return self._view

    def make_smaller(self, failed: TrainPlan, limit_mb: float) -> TrainPlan | None:
        """Make a plan in place of one that outgrew the memory."""
        architecture = read_architecture(self._base)
        wish = self._view.request.wish if self._view is not None else ANY_BACKEND
        hardware = load_or_measure_hardware(self._store)
        return smaller_plan(hardware, architecture, failed, limit_mb, wish)

    def _work(self) -> None:
        while True:
            with self._lock:
                pending, self._pending = self._pending, None
                if pending is None:
                    self._working = False
                    return
            self._show(self._make_view(*pending))

    def _make_view(self, data: Dataset, request: PlanRequest) -> PlanView:
        try:
            data.check()
            # First what is quickly said: whether this kind of model can be trained at all.
            architecture = read_architecture(request.base)
            workload, refused = self._count(request.base, data)
            plan = choose_plan(
                load_or_measure_hardware(self._store),
                architecture,
                workload,
                memory_limit_mb=request.memory_mb,
                deadline_s=request.deadline_s or NO_DEADLINE,
                wish=request.wish,
            )
            check_parity(self._store, request.base, plan)
        except FloeError as error:
            return PlanView(request, None, str(error))
        sentence = f"{plan.reason[:1].upper()}{plan.reason[1:]}."
        return PlanView(
            request, plan, f"{sentence} {plan.backend_reason}{_describe_refused(refused)}"
        )

    def _show(self, made: PlanView) -> None:
        with self._lock:
            if self._view is not None and self._view.request == made.request:
                self._view = made

    def _end(self, problem: str) -> None:
        """End the work; a problem is a bug, after which the page must not wait for ever."""
        if not problem:
            return  # it said so itself, and other work may have been asked for since
        with self._lock:
            self._working = False
            if self._view is not None and self._view.running:
                self._view = PlanView(self._view.request, None, problem)

    def _count(self, base: Path, data: Dataset) -> tuple[Workload, tuple[str, ...]]:
        key = f"{base} {data.fingerprint}"
        if self._counted is None or self._counted[0] != key:
            self._counted = key, *workload_of(base, data.lines())
        return self._counted[1:]


def _describe_refused(titles: Sequence[str]) -> str:
    """Name the chats that the model's chat template refuses, if there are any."""
    if not titles:
        return ""
    names = ", ".join(f"“{title}”" for title in titles[:_NAMED])
    more = f" and {len(titles) - _NAMED} more" if len(titles) > _NAMED else ""
    verb = "is" if len(titles) == 1 else "are"
    return f" {names}{more} {verb} left out, because this model's chat template refuses that."
