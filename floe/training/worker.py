"""Training as a process of its own: `python -m floe.training.worker --folder RUN`.

Reads `run.json` (base, plan, seed, continue_from, memory_limit_mb, trial) and `rows.jsonl`; writes
`progress.jsonl`, one line a step (a resumed run repeats the steps since its checkpoint),
`stage.json` before and after the steps, `checkpoint/state.pt`, and at the end `adapter/` (PEFT),
`adapter.gguf` and `result.json`. A file `stop` ends it in order after the step under way, with the
checkpoint kept. Knows nothing of the database or the page.

What the finished adapter does to text of nobody in particular is measured on `data/general.jsonl`.
With a `trial`, general answers of the base are learnt along, and the adapter is tried out by what
it writes (`floe.training.trial`) and made weaker if need be.
"""

import argparse
import dataclasses
import errno
import gc
import hashlib
import io
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch

from floe.adapters.architecture import Architecture
from floe.adapters.export import read_peft, write_gguf, write_peft
from floe.adapters.lora_factors import Factors
from floe.adapters.prompt_kinds import TaughtQuestions, taught_to_json
from floe.disk_errors import is_disk_full
from floe.errors import FloeError, ModelError
from floe.llama.free_memory import free_memory
from floe.models.download import ignore_progress, sha256_of
from floe.records import TrainPlan
from floe.resources import GENERAL
from floe.store import encryption
from floe.training.adapter_scale import describe_scale
from floe.training.backends.backend import TrainingBackend
from floe.training.backends.opening import TrainingBase, build_backend, read_base
from floe.training.backends.parity import read_reference, require_parity
from floe.training.data.asked_prompts import LearntDomain, find_domain
from floe.training.data.packing import Example
from floe.training.data.tokenisation import Encoder, RowsError, TrainRow, read_rows
from floe.training.held_out_losses import HeldOutLosses, measure_held_out
from floe.training.interval import LossChange, measure_change
from floe.training.memory_limit import (
    MemoryLimit,
    MemoryWatch,
    keep_freed_memory,
    peak_rss_mb,
    release_freed_memory,
)
from floe.training.pairing import find_language_fault, find_pairing_fault
from floe.training.planning.parity_check import ParityError
from floe.training.process import MEASURING, RunFolder, TrainingStage
from floe.training.provenance import describe_provenance
from floe.training.training_loop import GeneralText, LoopResult, LoopStep, TrainingLoop
from floe.training.trial.public_prompts import languages_of
from floe.training.trial.request import TrialRequest
from floe.training.trial.trial import TrialResult
from floe.training.trial.trial_run import TrialRun, questions_of

Code = Literal["", "rows", "base", "memory", "disk", "adapter", "numbers", "bug"]
"""Cause of a failed run, for a program; "" if it did not fail."""

_CHECKPOINT_SECONDS: Final = 10.0
_NICENESS: Final = 10
_LOW_MEMORY_BYTES: Final = 200 * 10**6
MIN_PAIRS: Final = 8
MOST_PAIRS: Final = 16
"""Questions with answers by which one can tell, and that are asked about."""
PAIR_SHIFT: Final = 3
"""How far away the question of another stands: neighbours are often of one kind."""


@dataclass(frozen=True, slots=True, eq=False)
class WorkerResult:
    """Result of a training run. Losses in nats per token, None without held-out rows.

    `factors` are of `rank` with `alpha`: the product B A counts alpha / rank. `held_out_bytes`:
    UTF-8 bytes of the held-out answers; bits per byte are over these, end tokens' bits included.
    `taught`: the questions that were learnt from (None: not known).
    """

    trained: LoopResult
    rank: int
    alpha: float
    held_out_bytes: int
    held_out_tokens: int
    seconds: float
    outcome: "TrialOutcome | None" = None
    taught: TaughtQuestions | None = None

    @property
    def factors(self) -> Factors:
        """Module name to (A, B)."""
        if self.outcome is None:
            return self.trained.factors
        share = self.outcome.share
        return {name: (a, b * share) for name, (a, b) in self.trained.factors.items()}

    @property
    def strength(self) -> float:
        """Strength that the adapter was left with, as a share of what was trained."""
        share = 1.0 if self.outcome is None else self.outcome.share
        return self.trained.scale_choice.scale * share

    @property
    def held_out_after(self) -> float | None:
        """Held-out loss at that strength."""
        if self.outcome is None or self.outcome.held_out_after is None:
            return self.trained.held_out_after
        return self.outcome.held_out_after

    def bits_per_byte(self, nats_per_token: float | None) -> float | None:
        """Return a held-out loss in bits per byte of the held-out text."""
        if nats_per_token is None or not self.held_out_bytes:
            return None
        return nats_per_token * self.held_out_tokens / math.log(2) / self.held_out_bytes


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """Outcome of the trial.

    `share` of the strength that the loop left is what the adapter acts with; `held_out_after` is
    the loss at it; `change` that against the better of base and start, with its interval; `trial`
    what both wrote; `complete` is False where it was stopped.
    """

    share: float = 1.0
    held_out_after: float | None = None
    change: LossChange | None = None
    trial: TrialResult | None = None
    complete: bool = True


class StoppedError(Exception):
    """The run was stopped before its first step."""


class PairingError(FloeError):
    """The answers have nothing to do with their questions, as far as the model can tell."""


def train(
    base: TrainingBase,
    train_examples: Sequence[Example],
    held_out: Sequence[Example],
    plan: TrainPlan,
    *,
    seed: int = 0,
    start: tuple[Factors, float] | None = None,
    on_step: Callable[[LoopStep], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> WorkerResult:
    """Train in this process.

    Args:
        base: the frozen model, as `read_base` reads it for this plan.
        train_examples: what to learn.
        held_out: what to measure; the best step on it is kept. None of it: the last step is.
        plan: shape, batches, epochs, learning rate.
        seed: of everything random.
        start: factors and their alpha to go on from; of any rank.
        on_step: told of every step.
        stopped: asked between steps.

    Raises:
        RowsError: there is nothing to learn.
        ModelError: `start` is not an adapter for this base.
    """
    loop, backend = build_training_loop(
        base, train_examples, held_out, plan, seed=seed, start=start
    )
    return build_result(loop.run(on_step, stopped), backend, held_out)


def build_training_loop(
    base: TrainingBase,
    train_examples: Sequence[Example],
    held_out: Sequence[Example],
    plan: TrainPlan,
    *,
    seed: int,
    start: tuple[Factors, float] | None,
    watch: Callable[[int], None] = lambda _: None,
    general: GeneralText | None = None,
) -> tuple[TrainingLoop, TrainingBackend]:
    """Build the loop that is ready to run; arguments and errors as in `train`.

    `general` is as in `TrainingLoop`.
    """
    if not train_examples:
        raise RowsError("There are no answers to learn from. Choose some conversations.")
    backend = build_backend(base, plan, seed=seed, start=start, watch=watch)
    return TrainingLoop(backend, train_examples, held_out, plan, seed, general), backend


def build_result(
    trained: LoopResult, backend: TrainingBackend, held_out: Sequence[Example]
) -> WorkerResult:
    """Build the result of a run."""
    return WorkerResult(
        trained=trained,
        rank=backend.rank,
        alpha=backend.alpha,
        held_out_bytes=sum(example.text_bytes for example in held_out),
        held_out_tokens=sum(int((example.weights > 0).sum()) for example in held_out),
        seconds=trained.seconds,
    )


class WorkerRun:
    """One run folder while it is worked on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        plan = dict(self.settings["plan"])
        plan["modules"] = tuple(plan["modules"])
        self.plan = TrainPlan(**plan)
        limit = self.settings.get("memory_limit_mb")
        # On a graphics card the limit is the card's, of which torch itself tells the end.
        watched = limit is not None and self.plan.device == "cpu"
        self._watch = MemoryWatch(float(limit) if watched else None)
        self._saved_at = time.monotonic()

    @property
    def seed(self) -> int:
        """Seed of everything random in this run."""
        return int(self.settings.get("seed", 0))

    def provenance(self) -> dict[str, Any]:
        """Return what it is learnt from, in numbers, and what under."""
        rows = read_rows(self.folder / "rows.jsonl")
        public_system = (self.settings.get("trial") or {}).get("system") or ""
        return describe_provenance(Path(self.settings["base"]), rows, public_system)

    def work(self, on_step: Callable[[LoopStep], None] = lambda _: None) -> WorkerResult:
        """Train, from the checkpoint if there is one; `on_step` is told after the files are."""
        with ExitStack() as opened:
            return self._work(on_step, opened)

    def _work(self, on_step: Callable[[LoopStep], None], opened: ExitStack) -> WorkerResult:
        base_path = Path(self.settings["base"])
        rows = read_rows(self.folder / "rows.jsonl")
        if not any(row.learnt for row in rows if not row.held_out):
            raise RowsError("There are no answers to learn from. Choose some conversations.")
        trial = self._trial(base_path, rows)
        if trial is not None:
            opened.callback(trial.close)
        result, architecture, losses = self._train(base_path, rows, trial, on_step)
        if trial is not None and result.trained.complete:
            strength = result.strength
            result = replace(result, outcome=self._try_out(trial, result, losses))
            if result.strength != strength:
                self._export(result, architecture, base_path)
        return result

    def _train(
        self,
        base_path: Path,
        rows: Sequence[TrainRow],
        trial: TrialRun | None,
        on_step: Callable[[LoopStep], None],
    ) -> tuple[WorkerResult, Architecture, HeldOutLosses | None]:
        """Return what was learnt, the base's architecture, and the losses at each strength.

        The base's weights are let go at the end: the trial's own copy of the model, in llama.cpp,
        would lie in memory beside them.
        """
        replayed = [] if trial is None else self._replay(trial)
        domain, train_examples, held_out, general = self._encode(base_path, rows, replayed)
        reference = read_reference(base_path, self.plan.threads)
        base = read_base(base_path, self.plan, self._watch)
        before = self.settings.get("continue_from")
        start = read_peft(Path(before)) if before else None
        loop, backend = build_training_loop(
            base,
            train_examples,
            held_out,
            self.plan,
            seed=self.seed,
            start=start,
            watch=self._watch,
            general=general,
        )
        require_parity(backend, reference, self.plan.backend)
        identity = self._identity(base_path, replayed)
        self._resume(loop, identity)
        if trial is not None:
            self._check_pairing(loop, base_path, rows)
        with (self.folder / "progress.jsonl").open("a", encoding="utf-8") as progress:

            def report(step: LoopStep) -> None:
                record = dataclasses.asdict(step)
                ended, last = record.pop("epoch_ended"), record.pop("last")
                print(json.dumps({**record, "at": time.time()}), file=progress, flush=True)
                self._run_folder.tell_stepping()
                if ended or time.monotonic() - self._saved_at > _CHECKPOINT_SECONDS:
                    self._checkpoint(loop, identity)
                if last:
                    self._run_folder.tell_stage(MEASURING)
                on_step(step)

            trained = loop.run(report, self._stopped)
        if not trained.complete:
            self._checkpoint(loop, identity)
        result = build_result(trained, backend, held_out)
        losses = None
        if trained.complete:
            result = replace(result, taught=domain.taught)
            self._export(result, base.architecture, base_path)
            if trial is not None and trained.best_step:
                losses = measure_held_out(loop, held_out, trained.scale_choice.scale)
        return result, base.architecture, losses

    def _trial(self, base: Path, rows: Sequence[TrainRow]) -> TrialRun | None:
        request = self.settings.get("trial")
        if request is None:
            return None
        return TrialRun(
            TrialRequest.from_json(request),
            base,
            sha256_of(base, ignore_progress),
            rows,
            threads=self.plan.threads,
            progress=lambda *stage: self._run_folder.tell_stage(TrainingStage(*stage)),
            stopped=self._stopped,
        )

    def _replay(self, trial: TrialRun) -> list[TrainRow]:
        rows = trial.replay()
        self._run_folder.tell_stage(None)
        # The model would lie in memory twice while the steps need it.
        trial.close()
        if self._stopped():
            raise StoppedError
        return rows

    def _check_pairing(self, loop: TrainingLoop, base: Path, rows: Sequence[TrainRow]) -> None:
        """See that answers are in their questions' language, and that the base expects them there.

        Raises:
            PairingError: they are not, or it does not, and there are enough of them to tell.
        """
        pairs = single_turns(rows)
        if fault := find_language_fault(pairs):
            raise PairingError(fault)
        if len(pairs) < MIN_PAIRS:
            return
        swapped = [
            replace(row, messages=(*pairs[i - PAIR_SHIFT].messages[:-1], row.messages[-1]))
            for i, row in enumerate(pairs)
        ]
        with Encoder(base) as encoder:
            own = [encoder.examples([row], self.plan.sequence_length) for row in pairs]
            other = [encoder.examples([row], self.plan.sequence_length) for row in swapped]
        # A long answer is compared by its first window alone.
        losses = [
            loop.answer_losses([examples[0] for examples in each if examples], 0.0)
            for each in (other, own)
        ]
        if fault := find_pairing_fault(pairs, measure_change(*losses)):
            raise PairingError(fault)

    def _try_out(
        self, trial: TrialRun, found: WorkerResult, losses: HeldOutLosses | None
    ) -> TrialOutcome:
        if found.trained.best_step == 0 and found.held_out_tokens:
            return TrialOutcome()  # nothing was learnt that could be tried
        gc.collect()  # the base and the loop refer to each other
        release_freed_memory()
        result = trial.try_out(self.folder / "adapter.gguf", taught=found.taught)
        trial.close()
        if result is None:
            return TrialOutcome(complete=False)
        if losses is None:
            return TrialOutcome(result.strength, trial=result)
        after = losses.after[result.strength]
        loss = sum(each.nats for each in after) / sum(each.targets for each in after)
        return TrialOutcome(result.strength, loss, measure_change(losses.before, after), result)

    @property
    def _run_folder(self) -> RunFolder:
        return RunFolder(self.folder)

    def _stopped(self) -> bool:
        return (self.folder / "stop").exists()

    def _encode(
        self, base: Path, rows: Sequence[TrainRow], replayed: Sequence[TrainRow]
    ) -> tuple[LearntDomain, list[Example], list[Example], GeneralText]:
        """Return what the adapter will act on; the examples to learn, held out, and general."""
        with Encoder(base) as encoder:
            domain = find_domain(encoder, base, rows)
            learnt = [*(row for row in rows if not row.held_out), *replayed]
            held_out = [row for row in rows if row.held_out]
            general: dict[bool, list[TrainRow]] = {True: [], False: []}
            wanted = {"en", *languages_of(questions_of(rows))}
            for row in read_rows(GENERAL):
                if row.language in wanted:
                    general[domain.takes(row.messages[0].content)].append(row)
            length = self.plan.sequence_length
            held_out_examples, taken, left = (
                encoder.examples(part, length, some=False)
                for part in (held_out, general[True], general[False])
            )
            examples = encoder.examples(learnt, length)
            return domain, examples, held_out_examples, GeneralText(taken, left)

    def _identity(self, base: Path, replayed: Sequence[TrainRow]) -> dict[str, str]:
        """Return the hashes that tell which run a checkpoint belongs to."""
        rows = encryption.read_bytes(self.folder / "rows.jsonl")
        rows += "".join(row.messages[-1].content for row in replayed).encode()
        return {
            "base": sha256_of(base, ignore_progress),
            "rows": hashlib.sha256(rows).hexdigest(),
            "plan": json.dumps([self.settings["plan"], self.seed], sort_keys=True),
        }

    def _resume(self, loop: TrainingLoop, identity: dict[str, str]) -> None:
        path = self.folder / "checkpoint" / "state.pt"
        if not path.exists():
            return
        with encryption.readable_file(path) as readable:
            state = torch.load(readable, weights_only=True)
        began = state.pop("identity")
        if began["base"] != identity["base"]:
            raise ModelError(
                "The base model is not the one that this training began with, so it cannot go on. "
                "Choose that model again, or start anew."
            )
        if began == identity:
            loop.load_state(state)

    def _checkpoint(self, loop: TrainingLoop, identity: dict[str, str]) -> None:
        path = self.folder / "checkpoint" / "state.pt"
        path.parent.mkdir(exist_ok=True)
        # Through memory, because torch hides what the disk says in an error of its own.
        content = io.BytesIO()
        torch.save({**loop.state(), "identity": identity}, content)
        encryption.write_bytes(path, content.getbuffer())
        self._saved_at = time.monotonic()

    def _export(self, result: WorkerResult, architecture: Architecture, base: Path) -> None:
        factors, alpha = result.factors, result.alpha
        write_peft(self.folder / "adapter", factors, alpha=alpha, base_name=base.stem)
        write_gguf(self.folder / "adapter.gguf", factors, alpha=alpha, architecture=architecture)


def single_turns(rows: Sequence[TrainRow]) -> list[TrainRow]:
    """Return the first question and answer of as many rows as the pairing is checked on."""
    found = []
    for row in rows:
        place = next(
            (i for i, m in enumerate(row.messages) if i >= row.context and m.role == "assistant"), 0
        )
        if place:
            found.append(replace(row, messages=row.messages[: place + 1], weight=1.0))
    return found[:MOST_PAIRS]


def _summarise(result: WorkerResult, seconds: float) -> dict[str, Any]:
    trained, outcome = result.trained, result.outcome or TrialOutcome()
    return {
        "status": "complete" if trained.complete and outcome.complete else "cancelled",
        "code": "",
        "sentence": _sentence(result),
        "held_out_before": trained.held_out_before,
        "held_out_start": trained.held_out_start,
        "held_out_after": result.held_out_after,
        "held_out_bytes": result.held_out_bytes,
        "bits_per_byte_before": result.bits_per_byte(trained.held_out_before),
        "bits_per_byte_start": result.bits_per_byte(trained.held_out_start),
        "bits_per_byte_after": result.bits_per_byte(result.held_out_after),
        "seconds": seconds,
        "tokens": trained.tokens,
        "tok_s": trained.tokens / trained.seconds if trained.seconds else 0.0,
        "steps": trained.steps,
        "best_step": trained.best_step,
        "strength": result.strength,
        "change": None if outcome.change is None else _finite(outcome.change),
        "trial": None if outcome.trial is None else outcome.trial.to_json(),
        "taught": None if result.taught is None else taught_to_json(result.taught),
        "general_before": trained.scale_choice.general_before,
        "general_after": trained.scale_choice.general_after,
    }


def _finite(change: LossChange) -> dict[str, Any]:
    """Return it as JSON can hold it: an end that is not known is None."""
    values = dataclasses.asdict(change)
    return {k: None if isinstance(v, float) and math.isinf(v) else v for k, v in values.items()}


def _sentence(result: WorkerResult) -> str:
    trained = result.trained
    if not trained.complete:
        return f"Stopped after {trained.steps} steps; it can go on from there."
    if trained.held_out_start is None or result.held_out_after is None:
        return "Trained to the end; no rows were held out to measure it by."
    if trained.best_step == 0:
        return "Training did not lower the held-out loss, so nothing was changed."
    change = 1 - result.held_out_after / trained.held_out_start
    strength = describe_scale(result.strength)
    return (
        f"The held-out loss fell by {change:.1%}; the best step was {trained.best_step}{strength}."
    )


def _ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out, in the words of Python, C++, torch and oneDNN."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    words = str(error)
    if any(said in words for said in ("allocate memory", "bad_alloc", "out of memory")):
        return True
    # oneDNN gives no reason; where memory is plenty it is another one.
    return "could not create a primitive" in words and free_memory().bytes < _LOW_MEMORY_BYTES


def _classify_failure(error: BaseException) -> tuple[Code, str]:
    """Return a code and a sentence for the error that ended a run."""
    if is_disk_full(error):
        return "disk", "The disk is full. Free some space and go on from where it stopped."
    codes: list[tuple[type[BaseException], Code]] = [
        (MemoryLimit, "memory"),
        (RowsError, "rows"),
        (ModelError, "base"),
        (ParityError, "base"),
    ]
    for kind, code in codes:
        if isinstance(error, kind):
            return code, str(error)
    if _ran_out_of_memory(error):
        return "memory", "The device has not enough free memory. A smaller plan will do with less."
    if isinstance(error, FloatingPointError):
        return "numbers", "The loss was no longer a number. Try a lower learning rate."
    if isinstance(error, FloeError):
        return "adapter", str(error)
    return "bug", "Training failed in a way that was not foreseen; the log has the details."


def run_folder(folder: Path) -> int:
    """Work on a run folder to its end; 0 if complete or cancelled, 1 if it failed."""
    began = time.perf_counter()
    summary: dict[str, Any]
    code = 0
    try:
        run = WorkerRun(folder)
        torch.set_num_threads(run.plan.threads)
        result = run.work()
        summary = _summarise(result, time.perf_counter() - began)
        summary["provenance"] = run.provenance()
    except StoppedError:
        sentence = "Stopped before the first step; it can go on from there."
        summary = {"status": "cancelled", "code": "", "sentence": sentence}
    except PairingError as error:
        summary = {"status": "complete", "code": "", "sentence": "", "refused": str(error)}
    except Exception as error:
        kind, sentence = _classify_failure(error)
        if kind == "bug":
            traceback.print_exc()
        code = 1
        summary = {"status": "failed", "code": kind, "sentence": sentence}
    summary["peak_rss_mb"] = peak_rss_mb()
    _write_result(folder, summary)
    return code


def _write_result(folder: Path, summary: dict[str, Any]) -> None:
    part = folder / "result.json.part"
    part.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / "result.json")


def main() -> int:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="python -m floe.training.worker", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    encryption.receive_key(encryption.data_folder_of(folder), sys.stdin.buffer)
    os.nice(_NICENESS)  # the chat comes first
    keep_freed_memory()
    return run_folder(folder)


if __name__ == "__main__":
    sys.exit(main())
