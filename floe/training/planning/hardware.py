"""Hardware that this device gives to training: measured once, kept in the store.

Knows nothing of plans. The speeds come from a process of its own; torch is not loaded here.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from floe.child_environment import child_environment
from floe.errors import TrainingError
from floe.extras import require
from floe.llama.free_memory import free_memory
from floe.llama.threads import usable_cores
from floe.records import Precision
from floe.resources import IMPORT_ROOT
from floe.store import Store

SETTING: Final = "training_device"
_METHOD: Final = 2
"""How speeds are measured; what was measured in an earlier way is measured anew."""
_PATIENCE_SECONDS: Final = 120.0
_MARGIN_MB: Final = 1000.0
_LEAST_SHARE: Final = 0.5
"""Of free memory that training may take, however little it is."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Speeds in 10^9 operations a second, memory in 10^6 bytes.

    `load_seconds`: of its own until torch is there. `gpu`: its name if torch sees one, `gpu_kind`
    torch's name of its kind ("cuda"), `gpu_bfloat16`: whether it computes in that, `gpu_gflops` in
    half precision. `time_factors`, `memory_factors`: the constants of the cost model where it was
    calibrated here (see `cost.py`). `measured_at`: seconds since the epoch (UTC). `method`: how
    the speeds were measured.
    """

    cores: int
    float32_gflops: float
    bfloat16_gflops: float
    load_seconds: float
    measured_at: float
    gpu: str | None = None
    gpu_kind: str = ""
    gpu_memory_mb: float = 0.0
    gpu_bfloat16: bool = False
    gpu_gflops: float = 0.0
    time_factors: Mapping[str, float] = field(default_factory=dict)
    memory_factors: Mapping[str, float] = field(default_factory=dict)
    method: int = _METHOD

    def gflops(self, precision: Precision) -> float:
        """Return the matrix speed in that precision."""
        return self.bfloat16_gflops if precision == "bfloat16" else self.float32_gflops

    @property
    def precision(self) -> Precision:
        """The faster one; half the memory is a reason too, so a tie goes to bfloat16."""
        return "bfloat16" if self.bfloat16_gflops >= self.float32_gflops else "float32"

    def with_cores(self, cores: int) -> "Hardware":
        """Return the same device if training had that many of its cores."""
        share = cores / self.cores
        return replace(
            self,
            cores=cores,
            float32_gflops=self.float32_gflops * share,
            bfloat16_gflops=self.bfloat16_gflops * share,
        )


_HARDWARE: Final = TypeAdapter(Hardware)


def load_hardware(store: Store) -> Hardware | None:
    """Load the earlier measurement; None if there is none, or it no longer says what holds here.

    That is so where the cores are not those of then, or speeds were measured in another way.

    Raises:
        StoreError: the store cannot be read.
    """
    kept = store.setting(SETTING, None)
    if not isinstance(kept, Mapping) or kept.get("method") != _METHOD:
        return None
    try:
        known = _HARDWARE.validate_python(kept)
    except ValidationError:
        return None
    if known.gpu and not known.gpu_kind:  # of a version that did not use it
        return None
    return known if known.cores == usable_cores() else None


def load_or_measure_hardware(store: Store) -> Hardware:
    """Load the earlier measurement, or else measure now, which takes a few seconds.

    Raises:
        FloeError: torch is not installed.
        TrainingError: torch cannot be loaded.
        StoreError: the store cannot be used.
    """
    known = load_hardware(store)
    if known is None:
        require("train")
        known = measure_hardware()
        save_hardware(store, known)
    return known


def save_hardware(store: Store, device: Hardware) -> None:
    """Keep it for the next time."""
    store.set_setting(SETTING, asdict(device))


def measure_hardware() -> Hardware:
    """Measure anew.

    Raises:
        TrainingError: torch cannot be loaded.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "floe.training.planning.hardware_benchmark"],
            cwd=IMPORT_ROOT,
            env=child_environment(),
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise TrainingError(
            "This device could not be measured: torch cannot be loaded. Set Floe up again "
            "(`make setup`)."
        ) from error
    return Hardware(cores=usable_cores(), measured_at=time.time(), **found)


def free_memory_mb() -> float:
    """Memory that is free now, to this process and what it starts."""
    return free_memory().bytes / 1e6


def allowed_memory_mb() -> float:
    """Return what training may take of it: all but a margin for the chat and other programs."""
    free = free_memory_mb()
    return max(free - _MARGIN_MB, _LEAST_SHARE * free)
