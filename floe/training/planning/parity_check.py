"""Asks, before there is a plan, whether a back end computes the model that llama.cpp runs.

The answer comes from a process of its own (`floe.training.backends.parity`), because torch is not
loaded here, and is kept: it holds as long as the file and the libraries stay. The trainer asks
again; here it is asked so that a person hears of it before they press a button.
"""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from floe.adapters.registry import model_sha256
from floe.child_environment import child_environment
from floe.errors import FloeError, TrainingError
from floe.models.catalog import load_catalog
from floe.records import TrainPlan
from floe.resources import IMPORT_ROOT
from floe.store import Store

MAX_KL: Final = 0.02
"""Nats: what quantised arithmetic costs by itself stays below a third of it."""
_SETTING: Final = "training_parity"
_MEASURE: Final = "without the first token"
"""What is kept was measured so: earlier versions counted the first token, too."""
_PATIENCE_SECONDS: Final = 600.0
_LIBRARIES: Final = ("torch", "transformers", "peft", "llama-cpp-python")


class ParityError(FloeError):
    """The back end computes another model than the one that answers."""


def judge_parity(kl: float, backend: str) -> None:
    """See that a mean KL is small enough.

    Raises:
        ParityError: it is not.
    """
    if not kl <= MAX_KL:
        raise ParityError(
            "This model cannot be personalised: training would compute it otherwise than the "
            f"program that answers (back end {backend}: {kl:.2g} nats a token apart, at most "
            f"{MAX_KL} allowed). Choose another model."
        )


def check_parity(store: Store, base: Path, plan: TrainPlan) -> None:
    """See that the plan's back end computes `base` as llama.cpp does; at most once a file.

    Models of the catalog on the hand-written passes are known to: they are what those are tested
    with.

    Raises:
        ParityError: it does not.
        TrainingError: it cannot be found out.
    """
    digest = model_sha256(store, base)
    if plan.backend == "cpu" and any(digest == each.sha256 for each in load_catalog().models):
        return
    key = " ".join((digest, plan.backend, plan.device, plan.precision, _MEASURE, *_versions()))
    kept = store.setting(_SETTING, {})
    kept = kept if isinstance(kept, dict) else {}
    kl = kept.get(key)
    if not isinstance(kl, float):
        kl = _measure(base, plan)
        store.set_setting(_SETTING, kept | {key: kl})
    judge_parity(kl, plan.backend)


def _measure(base: Path, plan: TrainPlan) -> float:
    flags = {
        "backend": plan.backend,
        "device": plan.device,
        "precision": plan.precision,
        "threads": plan.threads,
    }
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "floe.training.backends.parity", str(base.resolve()), *words],
            cwd=IMPORT_ROOT,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=True,
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise TrainingError(
            f"{base.name} could not be tried out for training: the process that does it ended "
            "early, perhaps because memory ran out. Close other programs, or choose another model."
        ) from error
    if "error" in found:
        raise TrainingError(str(found["error"]))
    return float(found["kl"])


def _versions() -> list[str]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append(version(name))
        except PackageNotFoundError:
            found.append("none")
    return found
