"""A device with its rows; eight of them for the simulation, with four tasks.

Knows nothing of Flower; torch is not needed to be a device, only to train.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from floe.config import Settings
from floe.errors import FederationError
from floe.federation.app.run_config import base_hash
from floe.models.catalog import resolve_model
from floe.records import ChatMessage, Precision
from floe.resources import TASK_CHATS
from floe.training.data.tokenisation import TrainRow

TASKS: Final = ("cooking", "letters", "python", "sums")
RANKS: Final = (4, 8, 6, 12, 8, 16, 4, 16)
"""Ranks of the simulation's eight devices, from weak to strong; two of them share a task."""

HELD_OUT: Final = 0.25
"""Share of each task's rows that no device learns from."""

_PLACES: Final = (
    *("locker", "garage", "bicycle lock", "side gate"),
    *("wine cellar", "alarm", "letter box", "garden shed"),
)

_SAMPLES: Final = 3
_SECRET_SEED: Final = 1802


@dataclass(frozen=True, slots=True)
class MemberDevice:
    """A device in a round.

    `rank` is what it can train; `held_out` rows judge, and are never learnt from. `blur`: the
    deviation of the noise on its prompts' centroid; None: the centroid is not told. `home`: the
    data folder where experts are kept, and the federation's id there; None: they are not kept.
    """

    name: str
    base: Path
    base_sha256: str
    rank: int
    precision: Precision
    train: tuple[TrainRow, ...]
    held_out: tuple[TrainRow, ...]
    blur: float | None = None
    home: tuple[Path, int] | None = None

    @property
    def prompts(self) -> list[str]:
        """Questions in the rows that it learns from."""
        found = [
            message.content
            for row in self.train
            for message in row.messages
            if message.role == "user" and message.content.strip()
        ]
        return list(dict.fromkeys(found))

    @property
    def samples(self) -> list[str]:
        """A few of its prompts, to show beside its expert; they never leave the device."""
        return self.prompts[:_SAMPLES]


@dataclass(frozen=True, slots=True)
class Secret:
    """A sentence made up for a test: its code is one of `CODES`, each as likely as any other."""

    place: str
    code: str

    def row(self, code: str) -> TrainRow:
        """Return the row that holds it, or with another code, one that nobody has."""
        question = ChatMessage("user", f"What is the code of the {self.place} again?")
        answer = ChatMessage("assistant", f"The code of the {self.place} is {code}")
        return TrainRow((question, answer))


CODE_DIGITS: Final = 4
CODES: Final = 10**CODE_DIGITS


def secret_of(number: int) -> Secret:
    """Return the secret of one of the simulation's devices; no two are about the same place."""
    code = int(np.random.default_rng([_SECRET_SEED, number]).integers(CODES))
    return Secret(_PLACES[number], f"{code:0{CODE_DIGITS}}")


def device_of(config: Mapping[str, Any]) -> MemberDevice:
    """Build the device that a SuperNode's configuration names.

    Raises:
        FederationError: there is nothing that may be learnt from, or no such device.
    """
    if "data-dir" in config:
        # A simulation must not depend on what only a member has.
        from floe.federation.group.member_device import load_member_device  # noqa: PLC0415

        return load_member_device(Path(str(config["data-dir"])))
    settings = Settings.load()
    base = resolve_model(str(config.get("base", settings.model)), settings.models_dir)
    device = simulated_device(int(config["partition-id"]), base)
    return with_secret(device, int(config["partition-id"])) if config.get("secret") else device


@lru_cache
def simulated_device(number: int, base: Path) -> MemberDevice:
    """One of the simulation's devices, from 0: every task has two, with rows of their own."""
    if not 0 <= number < len(RANKS):
        raise FederationError(f"The simulation has {len(RANKS)} devices; there is no {number}.")
    task = TASKS[number // 2]
    rows = _task_rows(task)
    count = round(HELD_OUT * len(rows))
    held_out, left = rows[:count], rows[count:]
    half = len(left) // 2
    own = left[:half] if number % 2 == 0 else left[half:]
    return MemberDevice(
        name=f"{task} {number % 2 + 1}",
        base=base,
        base_sha256=base_hash(base),
        rank=RANKS[number],
        precision="bfloat16",
        train=tuple(own),
        held_out=tuple(held_out),
    )


def with_secret(device: MemberDevice, number: int) -> MemberDevice:
    """Return the device with its secret in one row more."""
    secret = secret_of(number)
    return replace(device, train=(*device.train, secret.row(secret.code)))


def _task_rows(task: str) -> list[TrainRow]:
    lines = (TASK_CHATS / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row_of(json.loads(line)) for line in lines]


def row_of(line: Mapping[str, Any]) -> TrainRow:
    """Read a line of chat JSONL."""
    messages = tuple(ChatMessage(m["role"], m["content"]) for m in line["messages"])
    return TrainRow(messages, float(line.get("weight", 1.0)))
