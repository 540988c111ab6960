"""A data folder of a device that has trained before, and limits that make a plan small."""

import time
from typing import Final

from floe.llama.threads import usable_cores
from floe.store import Store
from floe.training.planning.hardware import Hardware, save_hardware

SMALLEST_PLAN: Final = {"deadline_s": 1, "memory_mb": 2000}
"""Limits that no plan keeps: the fastest one is taken. Of ten chats it learns too little to be
put to use."""
SMALL_PLAN: Final = {"deadline_s": 45, "memory_mb": 2000}
"""Limits in which ten chats are learnt well enough to be put to use, whatever the order of sums on
a processor: the loss falls by 0.34, and by 0.09 at the lower end of its interval."""


def set_trained_before(store: Store) -> None:
    """Make a data folder one of a device that has been measured.

    The figures are of two cores in 2026, so that a plan, and what comes of it, is the same on each
    machine. What the default model answers to public prompts comes along with Floe.
    """
    device = Hardware(
        cores=usable_cores(),
        float32_gflops=89.0,
        bfloat16_gflops=143.0,
        load_seconds=3.8,
        measured_at=time.time(),
    )
    save_hardware(store, device)
