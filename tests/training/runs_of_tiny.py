"""Rows and plans for the hand-sized models."""

import json
from pathlib import Path
from typing import Any

from floe.adapters.lora_defaults import MODULES
from floe.records import TrainPlan

ANSWERS = (
    "the harbour is calm today",
    "the boats are all in",
    "wind from the west, as ever",
    "no fish, but a good moon",
    "mind the third step",
    "the harbour is calm again",
)


def plan(**changes: Any) -> TrainPlan:
    """A plan of a few steps."""
    values: dict[str, Any] = {
        "rank": 2,
        "alpha": 4.0,
        "modules": MODULES,
        "layers": 2,
        "batch_tokens": 128,
        "sequence_length": 128,
        "checkpointing": False,
        "precision": "float32",
        "epochs": 3,
        "learning_rate": 1e-2,
        "threads": 1,
        "rows_tokens": 0,
        "seconds": 0.0,
        "peak_mb": 0.0,
        "reason": "small",
    }
    return TrainPlan(**{**values, **changes})


def rows() -> list[dict[str, Any]]:
    """Six questions and answers, the last two held out."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"how is it, {i}?"},
                {"role": "assistant", "content": answer},
            ],
            "weight": 1.0,
            "split": "held_out" if i >= 4 else "train",
        }
        for i, answer in enumerate(ANSWERS)
    ]


def write_run(
    folder: Path, base: Path, some_rows: list[dict[str, Any]] | None = None, **changes: Any
) -> Path:
    """A run folder, ready for the trainer. `changes` are for the plan or the request."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in (rows() if some_rows is None else some_rows)]
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    request: dict[str, Any] = {
        "base": str(base),
        "seed": 0,
        "continue_from": None,
        "memory_limit_mb": None,
    }
    request["trial"] = None
    for key in request:
        if key in changes:
            request[key] = changes.pop(key)
    values = plan(**changes)
    fields = {name: getattr(values, name) for name in values.__slots__}
    (folder / "run.json").write_text(json.dumps({**request, "plan": fields}), encoding="utf-8")
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    """What the trainer said at its end."""
    found: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return found
