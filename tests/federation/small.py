"""The simulation's four tasks with answers of a few letters, for a hand-sized model."""

import json
import random
from pathlib import Path

import pytest

from floe.federation.app import learner
from floe.federation.app.recipe import Recipe
from floe.federation.simulation import simulated_device as device
from floe.federation.simulation.simulated_device import simulated_device

WORDS = {"cooking": "aeiou", "letters": "bcdfg", "python": "(){}[]", "sums": "0123456789"}
TINY = Recipe(layers=2, epochs=2, batch_tokens=256, learning_rate=1e-2)


def use_small_tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task answers in letters of its own; twelve rows of it."""
    for task, letters in WORDS.items():
        generator = random.Random(task)
        rows = []
        for number in range(12):
            answer = "".join(generator.choices(letters, k=12))
            rows.append(
                {
                    "messages": [
                        {"role": "user", "content": f"{number}?"},
                        {"role": "assistant", "content": answer},
                    ]
                }
            )
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{task}.jsonl").write_text(text, encoding="utf-8")
    monkeypatch.setattr(device, "TASK_CHATS", folder)
    # Threads that wait for each other would take most of the time of a model of this size.
    monkeypatch.setattr(learner, "choose_threads", lambda: (1, "it is tiny"))
    simulated_device.cache_clear()
