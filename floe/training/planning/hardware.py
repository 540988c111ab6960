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

import numpy as np
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
_METHOD: Final = 3
"""How speeds are measured; what was measured in an earlier way is measured anew."""
_PATIENCE_SECONDS: Final = 120.0
_MARGIN_MB: Final = 1000.0
_LEAST_SHARE: Final = 0.5
"""Of free memory that training may take, however little it is."""


@dataclass(frozen=True, slots=True)
class TrainingSpeed:
    """Seconds that training takes with all cores, for one token in one direction.

    `layers`: (numbers that pass through the rest of a layer, seconds of the layer), for layers of
    several sizes, the smallest first. `head`: 10^9 numbers of the head, softmax included.
    """

    layers: tuple[tuple[int, float], ...]
    head: float

    @classmethod
    def of_gflops(cls, gflops: float) -> "TrainingSpeed":
        """Estimate it where only the speed of matrix products is known."""
        # On the machine that these were fitted to, products were most of it in layers of all sizes.
        return cls(tuple((n, flops / gflops / 1e9) for n, flops in _LAYER_FLOPS), 2.2 / gflops)

    def layer_seconds(self, values: float) -> float:
        """Return the seconds of a layer through which that many numbers pass."""
        sizes, seconds = np.array(self.layers).T
        between = float(np.interp(values, sizes, seconds))
        outside = values / float(np.clip(values, sizes[0], sizes[-1]))
        return between * outside


_LAYER_FLOPS: Final = ((11_136, 11.6e6), (29_696, 38.7e6), (54_016, 113e6))
"""Operations for which a layer takes as long, its attention and activations counted in."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Speeds in 10^9 operations a second, memory in 10^6 bytes.

    `load_seconds`: of its own until torch is there. `gpu`: its name if torch sees one, `gpu_kind`
    torch's name of its kind ("cuda"), `gpu_bfloat16`: whether it computes in that, `gpu_gflops` in
    half precision. `time_factors`, `memory_factors`: the constants of the cost model where it was
    calibrated here (see `cost.py`). `measured_at`: seconds since the epoch (UTC). `method`: how
    the speeds were measured. `float32_speed`, `bfloat16_speed`: of training's own layers, which
    are no quicker by as much where a processor has units for products.
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
    float32_speed: TrainingSpeed | None = None
    bfloat16_speed: TrainingSpeed | None = None

    def speed(self, precision: Precision) -> TrainingSpeed:
        """Return how fast layers are learnt in that precision."""
        measured = self.bfloat16_speed if precision == "bfloat16" else self.float32_speed
        return measured or TrainingSpeed.of_gflops(self.gflops(precision))

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
            float32_speed=_shared(self.float32_speed, share),
            bfloat16_speed=_shared(self.bfloat16_speed, share),
        )


def _shared(speed: TrainingSpeed | None, share: float) -> TrainingSpeed | None:
    if speed is None:
        return None
    return TrainingSpeed(tuple((n, t / share) for n, t in speed.layers), speed.head / share)


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
        return _HARDWARE.validate_python(
            {"cores": usable_cores(), "measured_at": time.time(), **found}
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise TrainingError(
            "This device could not be measured: torch cannot be loaded. Set Floe up again "
            "(`make setup`)."
        ) from error


def free_memory_mb() -> float:
    """Memory that is free now, to this process and what it starts."""
    return free_memory().bytes / 1e6


def allowed_memory_mb() -> float:
    """Return what training may take of it: all but a margin for the chat and other programs."""
    free = free_memory_mb()
    return max(free - _MARGIN_MB, _LEAST_SHARE * free)
