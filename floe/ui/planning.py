"""A plan in the making: measuring this device and counting tokens take seconds, so in a thread.

It belongs to the program, not to the page: whoever looks sees where it stands.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from floe.errors import FloeError
from floe.personal.architecture import read_architecture
from floe.personal.cost import Workload
from floe.personal.dataset import Dataset
from floe.personal.device import free_mb, measured_device
from floe.personal.plan import MOST_MB, choose_plan, smaller_plan, workload_of
from floe.records import TrainPlan
from floe.store import Store

logger = logging.getLogger(__name__)

NO_DEADLINE: Final = 1e9
"""Seconds."""
_WORKING: Final = "Looking at what this device can do."


@dataclass(frozen=True, slots=True)
class Wish:
    """For what a plan is wanted: rows by their fingerprint, limits; None: as the device allows."""

    fingerprint: str
    memory_mb: int | None
    deadline_s: int | None

    @property
    def limit_mb(self) -> float:
        """What the trainer may take, 10^6 bytes."""
        return float(self.memory_mb) if self.memory_mb else min(MOST_MB, free_mb())


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, or the sentence that says why there is none (yet)."""

    wish: Wish
    plan: TrainPlan | None
    sentence: str
    running: bool = False


class Planning:
    """The newest plan for one base model."""

    def __init__(self, store: Store, base: Path) -> None:
        self._store = store
        self._base = base
        self._lock = threading.Lock()
        self._view: Planned | None = None
        self._counted: tuple[str, Workload] | None = None
        # One at a time: two measurements at once would each find half a device.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="plan")

    def close(self) -> None:
        """The app ends: the plan in the making is waited for, no other is begun."""
        self._worker.shutdown(cancel_futures=True)

    def view(self) -> Planned | None:
        """How it stands."""
        return self._view

    def want(self, data: Dataset, memory_mb: int | None, deadline_s: int | None) -> None:
        """Make a plan for these rows and limits, unless it is there or in the making."""
        wish = Wish(data.fingerprint, memory_mb, deadline_s)
        with self._lock:
            if self._view is not None and self._view.wish == wish:
                return
            self._view = Planned(wish, None, _WORKING, running=True)
        self._worker.submit(self._make, data, wish)

    def smaller(self, failed: TrainPlan, limit_mb: float) -> TrainPlan | None:
        """In place of a plan that outgrew the memory."""
        architecture = read_architecture(self._base)
        return smaller_plan(measured_device(self._store), architecture, failed, limit_mb)

    def _make(self, data: Dataset, wish: Wish) -> None:
        if self._view is None or self._view.wish != wish:
            return  # nobody waits for it any more
        try:
            data.check()
            device = measured_device(self._store)
            plan = choose_plan(
                device,
                read_architecture(self._base),
                self._count(data),
                memory_limit_mb=wish.memory_mb,
                deadline_s=wish.deadline_s or NO_DEADLINE,
            )
            made = Planned(wish, plan, f"{plan.reason[:1].upper()}{plan.reason[1:]}.")
        except FloeError as error:
            made = Planned(wish, None, str(error))
        except Exception:
            logger.exception("planning failed")
            made = Planned(wish, None, "Something went wrong inside Floe; the log has the trace.")
        with self._lock:
            if self._view is not None and self._view.wish == wish:
                self._view = made

    def _count(self, data: Dataset) -> Workload:
        if self._counted is None or self._counted[0] != data.fingerprint:
            self._counted = data.fingerprint, workload_of(self._base, data.lines())
        return self._counted[1]
