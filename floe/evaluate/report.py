"""`make report`: the figures of the README, two plots of them, and all of it as JSON.

The writers are the example chats: of each five chats the first three are learned from, the other
two measured on; `docs/method.md` says what was looked at on which.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from floe.chats.jsonl import read_chats
from floe.config import Settings
from floe.evaluate.figures import draw_latency, draw_weights
from floe.evaluate.latency import run_latency
from floe.evaluate.memory import run_memory
from floe.evaluate.tables import memory_table, quality_table
from floe.evaluate.writers import Writer, measure_writers, opened_cloud
from floe.models.catalog import resolve_model
from floe.resources import EXAMPLES

_SAMPLES: Final = 1000
_WEIGHT: Final = 0.5


def example_writers() -> list[Writer]:
    """Return the writers of `data/examples/`, each split in two."""
    writers = []
    for path in sorted(EXAMPLES.glob("*.jsonl")):
        chats = read_chats(path)
        train = [chat for i, chat in enumerate(chats) if i % 5 < 3]
        test = [chat for i, chat in enumerate(chats) if i % 5 >= 3]
        writers.append(Writer(path.stem, train, test))
    return writers


def run_report(folder: Path) -> dict[str, Any]:
    """Measure everything; write `report.json`, `fusion_weight.svg`, `latency_quality.svg`."""
    settings = Settings.load()
    gguf = resolve_model(settings.stand_in_model, settings.models_dir)
    with opened_cloud(argparse.Namespace(live=None, cloud_gguf=gguf)) as cloud:
        quality = measure_writers(example_writers(), cloud, _WEIGHT, settings.rule)
    memory = run_memory(sorted(EXAMPLES.glob("*.jsonl"))[0], sample=_SAMPLES)
    latency = run_latency()
    folder.mkdir(parents=True, exist_ok=True)
    draw_weights(quality, folder / "fusion_weight.svg")
    draw_latency(latency, folder / "latency_quality.svg")
    result = {"quality": quality, "memory": memory, "latency": latency}
    (folder / "report.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written: {folder}", file=sys.stderr)
    return result | {"table": f"{quality_table(quality)}\n\n{memory_table(memory)}"}
