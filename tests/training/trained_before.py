"""A data folder in which something was trained before: what the product then keeps."""

import shutil
import time
from pathlib import Path
from typing import Final

from floe.config import Settings
from floe.llama.threads import usable_cores
from floe.models.download import ignore_progress, sha256_of
from floe.models.sampling_defaults import sampling_defaults
from floe.store import Store
from floe.training.data.tokenisation import Encoder
from floe.training.planning.hardware import Hardware, save_hardware
from floe.training.trial.base_answers import BaseAnswers
from floe.training.trial.public_prompts import replay_prompts, trial_prompts
from floe.training.trial.request import BASE_ANSWERS
from floe.training.trial.writer import FreeWriter

SMALLEST_PLAN: Final = {"deadline_s": 1, "memory_mb": 2000}
"""Limits that no plan keeps: the fastest one is taken. Of ten chats it learns too little to be
put to use."""
SMALL_PLAN: Final = {"deadline_s": 30, "memory_mb": 2000}
"""Limits in which ten chats are learnt well enough to be put to use."""


def set_trained_before(store: Store, data_dir: Path, base_answers: Path) -> None:
    """Make a data folder one of a device that has trained: measured, the base's answers kept.

    The figures are of two cores in 2026, so that a plan, and what comes of it, is the same on each
    machine.
    """
    device = Hardware(
        cores=usable_cores(),
        float32_gflops=89.0,
        bfloat16_gflops=143.0,
        load_seconds=3.8,
        measured_at=time.time(),
    )
    save_hardware(store, device)
    shutil.copytree(base_answers, data_dir / BASE_ANSWERS, dirs_exist_ok=True)


def write_base_answers(base: Path, folder: Path) -> None:
    """Have `base` answer the English prompts that a trainer asks, with the settings of the page."""
    settings = Settings.load()
    with Encoder(base) as encoder:
        sampling = sampling_defaults(settings, encoder.metadata).sampling
    known = BaseAnswers(folder, sha256_of(base, ignore_progress), settings.system_prompt, sampling)
    prompts = [each.prompt for each in (*replay_prompts([]), *trial_prompts())]
    with FreeWriter(base, sampling) as writer:
        known.answer(prompts, writer.write)
