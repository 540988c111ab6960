"""Eight devices of different strength and four tasks find their clusters, in one process.

    floe simulate [--rounds 5] [--model ID_OR_PATH] [--no-baselines] [--json]
    floe simulate --canary [--rounds 5] [--model ID_OR_PATH] [--json]

The devices run the same ClientApp, and the server the same strategy, as in a real group; only the
messages do not travel. Afterwards each device is trained as long by itself, and once more under
one global average, so that there is something to compare with. `--canary`
measures what experts reveal of a secret.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from sklearn.metrics import adjusted_rand_score

from floe.adapters.architecture import read_architecture
from floe.command_flags import add_folder_flags
from floe.config import Settings
from floe.errors import FederationError, FloeError
from floe.federation.app.client_app import app
from floe.federation.app.learner import Learner
from floe.federation.app.recipe import Recipe, common_start, module_shapes
from floe.federation.app.round_report import ClientLine, RoundReport
from floe.federation.app.run_config import RunConfig, base_hash
from floe.federation.app.server_app import run
from floe.federation.app.strategy import TaskExperts
from floe.federation.group.history import History
from floe.federation.simulation.canary import run_canary_test
from floe.federation.simulation.local_grid import LocalGrid
from floe.federation.simulation.simulated_device import RANKS, simulated_device
from floe.models.catalog import resolve_model
from floe.store import Store, encryption
from floe.units import format_duration

ROUNDS: Final = 5
_KNOWN_AFTER: Final = 0.25
"""Rounds after which the time that is left is told."""
_WAIT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A simulation's end. Losses in nats per token on rows of its task that no device learnt.

    `cluster_ari`: adjusted Rand index of the clusters found against the tasks. `alone`: after as
    much training without the others; `average`: under one average of all; None: not measured.
    """

    devices: tuple[str, ...]
    ranks: tuple[int, ...]
    clusters: tuple[str, ...]
    cluster_ari: float
    base: tuple[float, ...]
    expert: tuple[float, ...]
    alone: tuple[float, ...] | None
    average: tuple[float, ...] | None
    bytes_in: int
    bytes_out: int
    seconds: float

    @property
    def sentence(self) -> str:
        """Outcome in words."""
        count = len(set(self.clusters))
        text = f"{count} clusters, adjusted Rand index {self.cluster_ari:.2f}."
        if self.alone and self.average:
            n = len(self.expert)
            own = sum(e < a for e, a in zip(self.expert, self.alone, strict=True))
            one = sum(e < a for e, a in zip(self.expert, self.average, strict=True))
            text += (
                f" The group's expert is better than own training on {own} of {n} devices, and "
                f"than one average of all on {one} of {n}."
            )
        return text


def simulate(
    base: Path,
    rounds: int = ROUNDS,
    *,
    recipe: Recipe | None = None,
    baselines: bool = True,
    on_report: Callable[[RoundReport], None] = lambda _: None,
    on_stage: Callable[[str], None] = lambda _: None,
    on_turn: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Run it to the end.

    Args:
        base: a GGUF that can be trained.
        rounds: of the group; the baselines train as long.
        recipe: what the devices agree on.
        baselines: whether own training and one average of all are measured, too.
        on_report: told of each round.
        on_stage: told what is going on, in words.
        on_turn: told the same with round, device and the time that is left, at each device's turn.

    Raises:
        ModelError: the base cannot be read or trained.
        FederationError: a device could take no part.
    """
    began = time.perf_counter()
    run_config = _run_config(base, rounds, recipe or Recipe())
    progress = SimulationProgress(rounds, 3 if baselines else 1, on_stage, on_turn)
    progress.begin("Eight devices train by their tasks")
    strategy = TaskExperts(run_config, on_report)
    run(_grid(base, lambda *turn: progress.turn(len(strategy.reports), *turn)), strategy, _WAIT)
    last = strategy.reports[-1].clients
    expert = _losses(last)
    alone = average = None
    if baselines:
        progress.begin("To compare, each device trains by itself")
        alone = _alone(base, run_config, progress)
        progress.begin("To compare, all devices train one adapter")
        one = TaskExperts(replace(run_config, clusters=1))
        run(_grid(base, lambda *turn: progress.turn(len(one.reports), *turn)), one, _WAIT)
        average = _losses(one.reports[-1].clients)
    tasks = [number // 2 for number in range(len(RANKS))]
    clusters = tuple(line.cluster for line in last)
    return Outcome(
        devices=tuple(line.name for line in last),
        ranks=tuple(line.rank for line in last),
        clusters=clusters,
        cluster_ari=float(adjusted_rand_score(tasks, clusters)),
        base=tuple(line.loss_base or 0.0 for line in last),
        expert=expert,
        alone=alone,
        average=average,
        bytes_in=sum(report.bytes_in for report in strategy.reports),
        bytes_out=sum(report.bytes_out for report in strategy.reports),
        seconds=time.perf_counter() - began,
    )


def _run_config(base: Path, rounds: int, recipe: Recipe) -> RunConfig:
    return RunConfig(
        recipe=recipe,
        shapes=module_shapes(read_architecture(base), recipe),
        base_sha256=base_hash(base),
        rounds=rounds,
        devices=len(RANKS),
    )


def _losses(lines: Sequence[ClientLine]) -> tuple[float, ...]:
    found = [line.loss_expert for line in lines]
    failed = next((line for line in lines if line.dropped or line.loss_expert is None), None)
    if failed is not None:
        raise FederationError(
            f"The simulation cannot go on: {failed.name} took no part, as {failed.dropped}."
        )
    return tuple(loss for loss in found if loss is not None)


class SimulationProgress:
    """Says where a simulation stands: round, device, and about how long it will still take.

    Attributes:
        done: rounds of all its parts that are over, with a fraction for the one under way.
    """

    def __init__(
        self,
        rounds: int,
        parts: int,
        on_stage: Callable[[str], None],
        on_turn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin; each of the parts takes as many `rounds`."""
        self._rounds, self._parts, self._clock = rounds, parts, clock
        self._on_stage, self._on_turn = on_stage, on_turn
        self._began = clock()
        self._title = ""
        self._part = -1
        self.done = 0.0

    def begin(self, title: str) -> None:
        """Begin the next part."""
        self._part += 1
        self._title = title
        self._on_stage(f"{title}.")

    def turn(self, rounds_over: int, place: int, count: int, over: float | None = None) -> None:
        """Tell that a device has its turn in the round after `rounds_over`.

        `over`: how many rounds of this part are over, where devices do not take turns in each.
        """
        if over is None:
            over = rounds_over + (place - 1) / count
        self.done = max(self.done, self._part * self._rounds + min(over, self._rounds))
        left = self._left()
        if rounds_over >= self._rounds:
            where = f"last look at device {place} of {count}"
        else:
            where = f"round {rounds_over + 1} of {self._rounds}, device {place} of {count}"
        self._on_turn(f"{self._title}: {where}." + (f" About {left} left." if left else ""))

    def _left(self) -> str:
        """About how long it will still take; empty while too little is known."""
        if self.done < _KNOWN_AFTER:
            return ""
        pace = (self._clock() - self._began) / self.done
        return format_duration(pace * max(self._rounds * self._parts - self.done, 0))


def _grid(base: Path, watch: Callable[[int, int], None]) -> LocalGrid:
    nodes: list[dict[str, str | int | float | bool]] = [
        {"partition-id": number, "base": str(base)} for number in range(len(RANKS))
    ]
    return LocalGrid(app, nodes, watch)


def _alone(base: Path, run_config: RunConfig, progress: SimulationProgress) -> tuple[float, ...]:
    """Train as many rounds alone, with nothing in between: the result without a group."""
    learner = Learner.shared(base, run_config.recipe, simulated_device(0, base).precision)
    losses = []
    for number, rank in enumerate(RANKS):
        device = simulated_device(number, base)
        factors = common_start(run_config.shapes, rank)
        examples = learner.examples(device.train)
        for round_number in range(1, run_config.rounds + 1):
            over = (number * run_config.rounds + round_number - 1) / len(RANKS)
            progress.turn(round_number - 1, number + 1, len(RANKS), over)
            seed = 1000 * (number + 1) + round_number
            factors = learner.train(examples, factors, rank, seed)
        losses.append(learner.loss(learner.examples(device.held_out), factors, rank))
    return tuple(losses)


def table(outcome: Outcome) -> str:
    """One line a device."""
    head = f"{'device':<12}{'rank':>5}{'cluster':>10}{'base':>8}{'expert':>8}"
    head += f"{'alone':>8}{'average':>9}" if outcome.alone else ""
    lines = [head]
    for i, name in enumerate(outcome.devices):
        line = f"{name:<12}{outcome.ranks[i]:>5}{outcome.clusters[i]:>10}"
        line += f"{outcome.base[i]:>8.3f}{outcome.expert[i]:>8.3f}"
        if outcome.alone and outcome.average:
            line += f"{outcome.alone[i]:>8.3f}{outcome.average[i]:>9.3f}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; also the process behind the page's button."""
    parser = argparse.ArgumentParser(
        prog="floe simulate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_flags(parser)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--model", help="catalog id or path of a GGUF")
    parser.add_argument("--no-baselines", action="store_true", help="only the group itself")
    parser.add_argument("--canary", action="store_true", help="what experts reveal of a secret")
    parser.add_argument("--json", action="store_true", help="last line: the outcome as JSON")
    parser.add_argument("--record", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args(arguments)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    if flags.with_parent:
        if flags.data_dir is not None:
            encryption.receive_key(flags.data_dir, sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = Settings.load(model=flags.model, models_dir=flags.models_dir)
    record = _Record(flags.data_dir, flags.record) if flags.record is not None else None
    on_report, on_stage = (record.report, record.stage) if record else (_print, _say)
    try:
        base = resolve_model(settings.model, settings.models_dir)
        if flags.canary:
            found = run_canary_test(base, _run_config(base, flags.rounds, Recipe()), _print, _say)
            worst = {"worst_quiet": found.quiet.worst, "worst_noisy": found.noisy.worst}
            return _told("", found.sentence, asdict(found) | worst if flags.json else None)
        outcome = simulate(
            base,
            flags.rounds,
            baselines=not flags.no_baselines,
            on_report=on_report,
            on_stage=on_stage,
            on_turn=record.stage if record else lambda _: None,
        )
    except FloeError as error:
        if record:
            record.failed(str(error))
        _say(str(error))
        return 1
    if record:
        record.complete(outcome)
    return _told(table(outcome), outcome.sentence, asdict(outcome) if flags.json else None)


def _told(lines: str, sentence: str, outcome: dict[str, Any] | None) -> int:
    if lines:
        _say(lines)
    _say(sentence)
    if outcome is not None:
        sys.stdout.write(json.dumps(outcome) + "\n")
    return 0


class _Record:
    """Writes what happens where the page reads it."""

    def __init__(self, data_dir: Path, federation_id: int) -> None:
        self._history = History(Store(data_dir / "floe.db"))
        self._id = federation_id

    def report(self, report: RoundReport) -> None:
        self._history.add_round(self._id, report)

    def stage(self, sentence: str) -> None:
        self._history.say(self._id, sentence)

    def failed(self, sentence: str) -> None:
        self._history.end(self._id, "failed", sentence)

    def complete(self, outcome: Outcome) -> None:
        self._history.set_outcome(self._id, asdict(outcome))
        self._history.end(self._id, "complete", outcome.sentence)


def _print(report: RoundReport) -> None:
    _say(report.sentence)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
