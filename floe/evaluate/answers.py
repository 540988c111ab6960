"""`floe evaluate answers`: what base and personal model write by themselves.

The adapter is trained as the page trains it, on three quarters of the chats; both then answer the
questions of the chats kept aside and questions with known answers, none of which the trainer has
seen, nor its trial, with the page's defaults of sampling. As in the chat, a question of another
kind than the person's own is left to the base.
"""

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import taught_from_json
from floe.chats.jsonl import read_chats
from floe.config import Settings
from floe.evaluate.learning import hold_out, learn
from floe.models.catalog import resolve_model
from floe.models.download import ignore_progress, sha256_of
from floe.models.sampling_defaults import sampling_defaults
from floe.records import ChatMessage
from floe.resources import QUESTIONS
from floe.training.comparison import judge
from floe.training.data.tokenisation import Encoder, TrainRow
from floe.training.trial.base_answers import BaseAnswers, ask
from floe.training.trial.public_prompts import read_prompts
from floe.training.trial.request import BASE_ANSWERS, TrialRequest
from floe.training.trial.trial import WrittenPair, judge_pairs
from floe.training.trial.trial_run import own_prompts
from floe.training.trial.writer import FreeWriter


def run_answers(
    train: Path, questions: Path | None = None, keep: Path | None = None
) -> dict[str, Any]:
    """Train on a file of chats and measure; the keys are those of `--json`.

    The training stays in the folder `keep`, where the next call with the same chats goes on from
    it. `adopted` and `reason` are what the page would say. A refused adapter is measured all the
    same; where training has left none, `personal` is the base.

    Raises:
        FloeError: the chats or questions cannot be read, or the training failed.
    """
    settings = Settings.load()
    known = read_prompts(questions or QUESTIONS)
    base = resolve_model(settings.model, settings.models_dir)
    system = ChatMessage("system", settings.system_prompt)
    chats = [(system, *(m for m in chat if m.role != "system")) for chat in read_chats(train)]
    learnt, held_out = hold_out(chats)
    with Encoder(base) as encoder:
        sampling = sampling_defaults(settings, encoder.metadata).sampling
    cache = settings.data_dir / BASE_ANSWERS
    request = TrialRequest(sampling, settings.system_prompt, cache)
    with tempfile.TemporaryDirectory() as name:
        folder = keep or Path(name) / "run"
        print(f"learning from {len(learnt)} chats", file=sys.stderr)
        trained = learn(base, learnt, held_out, folder, trial=request)
        adopted, reason = judge(trained.result)
        own = own_prompts([TrainRow(tuple(chat), held_out=True) for chat in held_out])
        prompts = [*[list(p) for p, _ in own], *[ask(k.prompt, system.content) for k in known]]
        with FreeWriter(base, sampling) as writer:
            print(f"{len(prompts)} answers without the adapter", file=sys.stderr)
            before = writer.write(prompts[: len(own)])
            answers = BaseAnswers(cache, sha256_of(base, ignore_progress), system.content, sampling)
            before += answers.answer([k.prompt for k in known], writer.write)
            after = list(before)
            if trained.adapter is not None and trained.adapter.exists():
                taught = taught_from_json(trained.result.get("taught"))
                kinds = writer.prompt_kinds()
                acts = [
                    i
                    for i, each in enumerate(prompts)
                    if taught is None or kinds.choose(place_question(each), taught).kind == "own"
                ]
                print(f"{len(acts)} of them with it, the rest is not for it", file=sys.stderr)
                written = writer.write([prompts[i] for i in acts], trained.adapter)
                for i, answer in zip(acts, written, strict=True):
                    after[i] = answer
    expected: list[tuple[str, ...]] = [*[()] * len(own), *[each.expected for each in known]]
    pairs = [
        WrittenPair(
            "own" if i < len(own) else "question",
            prompt[-1].content,
            before[i],
            after[i],
            expected[i],
        )
        for i, prompt in enumerate(prompts)
    ]
    texts = [m.content for chat in learnt for m in chat if m.role == "assistant"]
    found = judge_pairs(pairs, texts)
    result = trained.result
    return {
        "base": asdict(found.base),
        "personal": asdict(found.personal),
        "manner": found.manner,
        "parroted": found.parroted,
        "adopted": adopted,
        "reason": reason,
        "strength": result.get("strength"),
        "bits_per_byte_before": result.get("bits_per_byte_before"),
        "bits_per_byte_after": result.get("bits_per_byte_after"),
        "seconds": result.get("seconds"),
        "trial": result.get("trial"),
        "written": [
            {"prompt": pair.prompt, "base": asdict(pair.base), "personal": asdict(pair.personal)}
            for pair in pairs
        ],
    }


def describe_answers(result: dict[str, Any]) -> str:
    """Describe the result as a table for a terminal."""
    names = ("ended", "distinct4", "longest_loop", "right", "asked")
    rows = [("", "base", "personal")]
    rows += [
        (name, _shown(result["base"][name]), _shown(result["personal"][name])) for name in names
    ]
    table = "\n".join(f"{name:<14}{base:>10}{personal:>10}" for name, base, personal in rows)
    manner = result["manner"]
    nearer = "-" if manner is None else f"{manner:.0%}"
    return (
        f"{table}\nanswers nearer to the person: {nearer}, repeated from the rows: "
        f"{result['parroted']:.0%}\n{result['reason']}"
    )


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"
