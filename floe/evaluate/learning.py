"""A personal adapter for an evaluation, by the trainer that the page uses too.

The trainer runs as a process of its own, as always: torch never enters this one. The plan is the
same on every machine, so that figures of two machines can be compared.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from floe.adapters.architecture import read_architecture
from floe.adapters.lora_defaults import DEFAULT_SHAPE
from floe.chats.jsonl import write_lines
from floe.errors import FloeError
from floe.llama.threads import choose_threads
from floe.records import ChatMessage, TrainPlan
from floe.resources import IMPORT_ROOT
from floe.training.planning.plan import EPOCHS, LEARNING_RATE
from floe.training.process import TRAINER, RunFolder, environment
from floe.training.trial.request import TrialRequest

Chat = Sequence[ChatMessage]

_HELD_OUT_SHARE: Final = 0.25
"""More than the page's fifth, because the example writers have few chats."""
_BATCH_TOKENS: Final = 256
_SEQUENCE_LENGTH: Final = 512


@dataclass(frozen=True, slots=True)
class TrainedWriter:
    """A trained adapter.

    Attributes:
        adapter: the GGUF; None if training made nothing better.
        result: what the trainer reported.
    """

    adapter: Path | None
    result: dict[str, Any]


def hold_out(chats: Sequence[Chat]) -> tuple[list[Chat], list[Chat]]:
    """Chats to learn from, and a quarter of them, spread evenly, to judge and weigh by."""
    count = max(1, round(_HELD_OUT_SHARE * len(chats))) if len(chats) > 1 else 0
    chosen = {round((i + 1) * len(chats) / (count + 1)) for i in range(count)}
    chosen = {min(place, len(chats) - 1) for place in chosen}
    return (
        [chat for i, chat in enumerate(chats) if i not in chosen],
        [chat for i, chat in enumerate(chats) if i in chosen],
    )


def plan_for(base: Path) -> TrainPlan:
    """Return the default plan, on as many threads as this device is good for.

    Raises:
        ModelError: the model is of a kind that cannot be trained.
    """
    architecture = read_architecture(base)
    return TrainPlan(
        rank=DEFAULT_SHAPE.rank,
        alpha=DEFAULT_SHAPE.alpha,
        modules=architecture.present_modules(DEFAULT_SHAPE.modules),
        layers=DEFAULT_SHAPE.layers(architecture.layers),
        backend="autograd" if architecture.slow_reason else "cpu",
        batch_tokens=_BATCH_TOKENS,
        sequence_length=_SEQUENCE_LENGTH,
        checkpointing=False,
        precision="bfloat16",
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        threads=choose_threads(0)[0],
        rows_tokens=0,
        seconds=0.0,
        peak_mb=0.0,
        reason="the plan of every evaluation",
    )


def learn(
    base: Path,
    train: Sequence[Chat],
    held_out: Sequence[Chat],
    folder: Path,
    *,
    seed: int = 0,
    trial: TrialRequest | None = None,
) -> TrainedWriter:
    """Train in `folder`; `trial`: with replay, and tried out, as the page does.

    Where the folder holds the same training, its result is taken, or it goes on from its
    checkpoint.

    Raises:
        FloeError: the trainer failed; its own sentence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder)
    before = _inputs(run)
    free = psutil.virtual_memory().available / 1e6
    told = trial.to_json() if trial else None
    run.request(base.resolve(), plan_for(base), seed, None, free, told)
    write_lines(
        run.rows, [_row(c, "train") for c in train] + [_row(c, "held_out") for c in held_out]
    )
    result = run.result()
    if before != _inputs(run) or result is None or result["status"] != "complete":
        run.clear()
        with (folder / "trainer.log").open("wb") as log:
            subprocess.run(
                [*TRAINER, "--folder", str(folder)],
                check=False,
                stdout=log,
                stderr=log,
                cwd=IMPORT_ROOT,
                env=environment(),
            )
        result = run.result()
    if result is None:
        raise FloeError(
            f"The trainer ended without a word. Its last line: {run.last_output_line()}"
        )
    if result["status"] != "complete":
        raise FloeError(result["sentence"])
    better = not held_out or result.get("best_step", 0) > 0
    return TrainedWriter(folder / "adapter.gguf" if better else None, result)


def _inputs(run: RunFolder) -> tuple[dict[str, Any], bytes] | None:
    """Return all that a training hangs on; None where none was asked for."""
    try:
        # Free memory is another each time, and changes no result.
        return {**run.read_request(), "memory_limit_mb": 0.0}, run.rows.read_bytes()
    except OSError:
        return None


def _row(chat: Chat, split: str) -> dict[str, Any]:
    messages = [{"role": message.role, "content": message.content} for message in chat]
    return {"messages": messages, "split": split}
