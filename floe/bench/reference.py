"""Reference of `floe.bench.train`: transformers.Trainer and peft with their defaults.

A process of its own: `python -m floe.bench.reference --base GGUF --rows FILE ...` prints JSON.
The model is the same GGUF as transformers reads it, the rows are the same tokens with the same
targets; adapter, optimiser, batches, precision and padding are what the libraries do by default.
The first step is left out of the time: it allocates what the others use again.
"""

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig, TaskType, get_peft_model
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from floe.training.data.packing import Example
from floe.training.data.tokenisation import Encoder, read_rows
from floe.training.memory_limit import peak_rss_mb

_STEPS: Final = 6
_IGNORED: Final = -100
Item = dict[str, torch.Tensor]


class _Clock(TrainerCallback):
    """Times at which each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


class _Collate:
    """Pads a batch, and counts the tokens that are not padding."""

    def __init__(self) -> None:
        self.tokens: list[int] = []

    def __call__(self, items: list[Item]) -> Item:
        ids = [item["input_ids"] for item in items]
        self.tokens.append(sum(map(len, ids)))
        mask = [torch.ones_like(one) for one in ids]
        labels = [item["labels"] for item in items]
        return {
            "input_ids": pad_sequence(ids, batch_first=True),
            "attention_mask": pad_sequence(mask, batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=_IGNORED),
        }


def _item(example: Example) -> Item:
    """Tokens and labels; the library shifts by itself."""
    ids = torch.from_numpy(example.tokens).long()
    ids = torch.cat([ids, torch.from_numpy(example.targets[-1:]).long()])
    labels = torch.full_like(ids, _IGNORED)
    learned = torch.from_numpy(example.weights > 0)
    labels[1:][learned] = torch.from_numpy(example.targets).long()[learned]
    return {"input_ids": ids, "labels": labels}


def _plain(base: Path) -> Any:
    """Load the model in float32, as the library reads it.

    Carried over into a fresh one, because the trainer takes what came from a GGUF for quantised.
    """
    read = AutoModelForCausalLM.from_pretrained(base.parent, gguf_file=base.name)
    config = AutoConfig.from_pretrained(base.parent, gguf_file=base.name)
    model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=torch.float32
    )
    model.load_state_dict(read.state_dict())
    return model


def measure(base: Path, rows: Path, length: int, folder: Path) -> dict[str, Any]:
    """Train a few steps; tokens per second of the steps after the first."""
    with Encoder(base) as encoder:
        items = [_item(example) for example in encoder.examples(read_rows(rows), length)]
    model = get_peft_model(_plain(base), LoraConfig(task_type=TaskType.CAUSAL_LM))
    clock, collate = _Clock(), _Collate()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder), max_steps=_STEPS, save_strategy="no", report_to=[]
        ),
        train_dataset=items,
        data_collator=collate,
        callbacks=[clock],
    )
    trainer.train()
    tokens = sum(collate.tokens[1:_STEPS])
    return {
        "tok_s": tokens / (clock.ends[-1] - clock.ends[0]),
        "tokens": tokens,
        "peak_rss_mb": peak_rss_mb(),
    }


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="python -m floe.bench.reference", description=__doc__)
    for name in ("base", "rows", "folder"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("length", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    torch.set_num_threads(options.threads)
    found = measure(options.base, options.rows, options.length, options.folder)
    print()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
