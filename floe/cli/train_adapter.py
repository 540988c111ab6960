"""`floe train`: train a personal adapter, as the button in the page does.

floe train                          on the chats that you allowed
floe train --chats chats.jsonl      on the chats of a file, which are added to yours
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from floe.adapters.registry import Adapters
from floe.chats.jsonl import import_chats
from floe.cli.arguments import add_model_flags, command_parser, settings_from
from floe.cli.data import data_folder
from floe.config import Settings
from floe.errors import TrainingError
from floe.jobs.plan_job import PlanJob
from floe.jobs.privacy_scan import PrivacyScan
from floe.models.catalog import fetch_missing, resolve_model
from floe.models.chosen import chosen_model
from floe.models.sampling_defaults import sampling_defaults
from floe.privacy.choices import own_words, system_prompt
from floe.privacy.detector import Detector
from floe.privacy.gate import Gate
from floe.store import Store
from floe.training.data.dataset import Dataset, Selection, build_dataset
from floe.training.data.learning_choices import LearningChoices, chosen_dataset
from floe.training.data.tokenisation import Encoder
from floe.training.planning.backend_choice import ANY_BACKEND, DEVICES, BackendWish
from floe.training.run_table import TrainingRun
from floe.training.runs import TrainingRuns
from floe.training.trial.request import TrialRequest

_POLL_SECONDS: Final = 0.3
_IMPORTS: Final = "imports"
"""Setting: which chats a file brought, by its sha256, so that the same file is not added twice."""


def main(arguments: Sequence[str]) -> int:
    """Train, and say what came of it."""
    parser = command_parser("train", __doc__)
    add_model_flags(parser)
    parser.add_argument("--chats", type=Path, metavar="FILE", help="chats to learn from, as JSONL")
    parser.add_argument(
        "--with-private", action="store_true", help="learn from private answers too"
    )
    parser.add_argument("--seconds", type=int, metavar="N", help="longest time; 0: no limit")
    parser.add_argument("--memory-mb", type=int, metavar="N", help="most memory, 10^6 bytes")
    parser.add_argument(
        "--backend", choices=("cpu", "autograd"), help="left out: chosen for this model"
    )
    parser.add_argument(
        "--device", choices=DEVICES, help="of the autograd back end; left out: chosen"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    settings = settings_from(options)
    with data_folder(settings), Store(settings.database) as store:
        name = chosen_model(settings, store).name
        settings = settings.model_copy(update={"model": name})
        fetch_missing([settings.model], settings.models_dir)
        base = resolve_model(settings.model, settings.models_dir)
        kept = LearningChoices.load(store)
        chats = None if options.chats is None else add_file_chats(store, options.chats)
        scan_chats(store)
        with_private = options.with_private or kept.with_private
        data = learning_rows(store, settings, chats, with_private=with_private)
        seconds = kept.deadline_s if options.seconds is None else options.seconds
        memory_mb = kept.memory_mb if options.memory_mb is None else options.memory_mb
        wish = BackendWish(options.backend, options.device)
        run = train(store, settings, base, data, memory_mb, seconds, wish)
        found = result_value(store, settings, run)
    if options.json:
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{found['reason']}\n")
    return 0 if found["status"] == "complete" else 1


def add_file_chats(store: Store, path: Path) -> tuple[int, ...]:
    """Return the conversations that a file holds, added to the store unless they are there.

    Raises:
        DataError: the file cannot be read as chats.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = ""  # `import_chats` says what is wrong
    known: dict[str, list[int]] = store.setting(_IMPORTS, {})
    there = {each.id for each in store.conversations(10**9)}
    if digest in known and set(known[digest]) <= there:
        return tuple(known[digest])
    made = import_chats(store, path)
    store.set_setting(_IMPORTS, known | {digest: made})
    return tuple(made)


def scan_chats(store: Store) -> None:
    """Look for what is private in chats that have not been examined; they stay out otherwise.

    Raises:
        PrivacyError: the detector cannot be loaded.
    """
    detector = Detector(own_words(store))
    privacy_scan = PrivacyScan(store, Gate(store, detector))
    if not privacy_scan.sentence:
        return
    detector.load()
    privacy_scan.start()
    while not privacy_scan.wait(_POLL_SECONDS):
        sys.stderr.write(f"\r{privacy_scan.sentence:<70}")
    sys.stderr.write("\r" + " " * 70 + "\r")


def learning_rows(
    store: Store, settings: Settings, chats: Sequence[int] | None, *, with_private: bool
) -> Dataset:
    """Return what is learnt from; chats named on the command line are allowed by that."""
    if chats is None:
        return chosen_dataset(store, settings.system_prompt, with_private=with_private)
    selection = Selection(
        conversations=tuple(chats),
        with_private=with_private,
        system_prompt=system_prompt(store, settings.system_prompt),
    )
    return build_dataset(store, selection, lambda _conversation: True)


def train(
    store: Store,
    settings: Settings,
    base: Path,
    data: Dataset,
    memory_mb: int | None,
    seconds: int | None,
    wish: BackendWish = ANY_BACKEND,
) -> TrainingRun:
    """Plan, train and wait, with a bar on stderr; Ctrl-C stops it in order.

    Raises:
        FloeError: there is too little to learn from, or no plan fits this device.
    """
    data.check()
    with ExitStack() as opened:
        plan_job = PlanJob(store, base)
        opened.callback(plan_job.close)
        plan_job.request(data, memory_mb, seconds or None, wish)
        while (planned := plan_job.wait(_POLL_SECONDS)) is None or planned.running:
            pass
        if planned.plan is None:
            raise TrainingError(planned.sentence)
        sys.stderr.write(f"{data.sentence} {planned.sentence}\n")
        adapters = Adapters(store, settings.data_dir)
        runs = TrainingRuns(
            store,
            adapters,
            settings.data_dir,
            replan=plan_job.make_smaller,
            examiner=Detector(own_words(store)),
        )
        opened.callback(runs.close)
        with Encoder(base) as encoder:
            sampling = sampling_defaults(settings, encoder.metadata).sampling
        run = runs.start(
            data,
            base,
            planned.plan,
            memory_limit_mb=planned.request.limit_mb,
            trial=TrialRequest(sampling, settings.system_prompt),
        )
        try:
            return wait_for_run(runs, run.id)
        except KeyboardInterrupt:
            runs.cancel(run.id)
            return wait_for_run(runs, run.id)


def wait_for_run(runs: TrainingRuns, run_id: int) -> TrainingRun:
    """Wait until the run has ended, with a bar on stderr."""
    with tqdm(desc="training", unit="step", file=sys.stderr, leave=False) as bar:
        while (run := runs.get(run_id)).active:
            steps, stage = runs.steps(run_id), run.folder.stage()
            if stage is not None:
                bar.set_description_str(stage.sentence, refresh=False)
                bar.total, bar.n = stage.count, stage.done
                bar.update(0)
            elif steps:
                bar.set_description_str("training", refresh=False)
                bar.total, bar.n = steps[-1].steps, steps[-1].step
                bar.update(0)
            runs.wait(run_id, _POLL_SECONDS)
    return run


def result_value(store: Store, settings: Settings, run: TrainingRun) -> dict[str, Any]:
    """Return what `--json` prints; losses in nats per token of the answers kept aside."""
    adapters = Adapters(store, settings.data_dir).all()
    adapter = next((each for each in adapters if each.run_id == run.id), None)
    return {
        "status": run.status,
        "adopted": adapter is not None and adapter.in_use,
        "reason": run.sentence.strip(),
        "adapter_id": adapter.id if adapter is not None else None,
        "held_out_before": run.metrics.get("held_out_before"),
        "held_out_after": run.metrics.get("held_out_after"),
        "seconds": run.metrics.get("seconds"),
        "rows": run.rows,
        "backend": run.plan.backend,
        "device": run.plan.device,
        **_written_values(run),
    }


def _written_values(run: TrainingRun) -> dict[str, Any]:
    """Return what was measured of answers that the new adapter wrote; None where none were."""
    written = (run.metrics.get("trial") or {}).get("personal", {})
    values = {name: written.get(name) for name in ("ended", "distinct4", "right", "asked")}
    return values | {"manner": (run.metrics.get("trial") or {}).get("manner")}
