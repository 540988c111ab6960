"""A training run and adapters as the page shows them: words, figures, curves."""

import time
from collections.abc import Sequence
from typing import Final

from floe.adapters.registry import LARGEST_SCALE, LearntAdapter
from floe.training.comparison import SideBySide, TrainingVerdict, read_trial, verdict_of
from floe.training.process import TrainingStage, TrainingStep
from floe.training.run_table import TrainingRun
from floe.training.trial.trial import TrialResult
from floe.ui.page_values import (
    AdapterValue,
    FigureValue,
    NoRunValue,
    RunValue,
    SampleValue,
    TrialLineValue,
)
from floe.units import format_bytes, format_duration, format_gigabytes

NOTHING: Final = NoRunValue(status="")
"""Before the first run."""

_STOPPING: Final = "It stops after the current step."
_CANCELLING: Final = "It is being cancelled."
_POINTS: Final = 300
"""Points of a curve: more cannot be told apart on a screen."""


def run_value(
    run: TrainingRun,
    steps: Sequence[TrainingStep],
    compared: Sequence[SideBySide],
    *,
    can_ask: bool = False,
    asked: SampleValue | None = None,
) -> RunValue:
    """Return what `floe.run` draws; `asked`: what was said to a question of the person's own."""
    newest = steps[-1] if steps else None
    stage = run.folder.stage() if run.active else None
    verdict = verdict_of(run.metrics) if run.status == "complete" else TrainingVerdict()
    return {
        "status": run.status,
        "running": run.active,
        "can_resume": run.can_resume,
        "stopping": run.active and run.folder.stopping,
        "verdict": verdict.headline,
        "good": verdict.good,
        "sentence": verdict.words or _state(run, newest, stage),
        "measured": run.sentence if verdict.headline else "",
        "progress": _progress(newest, stage),
        "left": "" if stage is not None else _left(run, newest),
        "figures": _figures(run),
        "series": [
            {
                "name": "training",
                "points": thinned([(s.step, s.train_loss) for s in steps]),
                "dots": False,
            },
            {
                "name": "kept aside",
                "points": thinned([(s.step, s.held_out_loss) for s in steps]),
                "dots": True,
            },
        ],
        "trial": trial_lines(read_trial(run.metrics)),
        "samples": [
            {
                "question": each.question,
                "own": each.own,
                "before": each.before,
                "after": each.after,
                "note": "",
            }
            for each in compared
        ],
        "can_ask": can_ask,
        "asked": asked,
    }


def thinned(points: Sequence[tuple[int, float | None]]) -> list[list[float]]:
    """Return known points, evenly left out where there are too many; the last one stays."""
    known = [[float(x), y] for x, y in points if y is not None]
    every = -(-len(known) // _POINTS)
    return known if every <= 1 else [*known[:-1:every], known[-1]]


def adapter_row(adapter: LearntAdapter, base_sha256: str) -> AdapterValue:
    """Return what `floe.adapters` draws of one."""
    fits = adapter.base_sha256 == base_sha256
    facts = ["an expert of a group"] if adapter.kind == "expert" else []
    facts += ["made elsewhere"] if "brought_in" in adapter.metrics else []
    facts += [
        time.strftime("%d %b %Y", time.localtime(adapter.created_at)),
        f"rank {adapter.rank}",
        format_bytes(adapter.size),
    ]
    before, after = (adapter.metrics.get(f"held_out_{each}") for each in ("before", "after"))
    if before is not None and after is not None:
        facts.append(f"loss on the answers set aside {before:.2f} without, {after:.2f} with it")
    if not fits:
        facts.append("made for another base model")
    return {
        "id": adapter.id,
        "name": adapter.name,
        "in_use": adapter.in_use,
        "fits": fits,
        "scale": adapter.scale,
        "largest_scale": LARGEST_SCALE,
        "facts": " · ".join(facts),
    }


def trial_lines(trial: TrialResult | None) -> list[TrialLineValue]:
    """Return what was measured of both, line by line."""
    if trial is None:
        return []
    base, personal = trial.base, trial.personal
    lines = [
        ("Answers that come to an end", f"{base.ended:.0%}", f"{personal.ended:.0%}"),
        ("Runs of four words that are new", f"{base.distinct4:.0%}", f"{personal.distinct4:.0%}"),
        ("Longest loop", _words(base.longest_loop), _words(personal.longest_loop)),
        (
            "Simple questions answered right",
            f"{base.right} of {base.asked}",
            f"{personal.right} of {personal.asked}",
        ),
    ]
    if trial.manner is not None:
        lines.append(("Answers that sound more like you", "", f"{trial.manner:.0%}"))
    lines.append(("Answers that repeat your chats", "", f"{trial.parroted:.0%}"))
    return lines


def _words(count: int) -> str:
    return f"{count} words" if count else "none"


def _progress(newest: TrainingStep | None, stage: TrainingStage | None) -> float | None:
    """Return how far what goes on now is, in [0, 1]; None: not known."""
    if stage is not None:
        return stage.done / stage.count if stage.count else None
    return newest.step / newest.steps if newest and newest.steps else None


def _state(run: TrainingRun, newest: TrainingStep | None, stage: TrainingStage | None) -> str:
    if not run.active:
        return run.sentence
    if run.folder.stopping:
        return _STOPPING if run.folder.stepping else _CANCELLING
    if stage is not None:
        counted = f": {stage.done} of {stage.count}" if stage.count else ""
        return f"{stage.sentence}{counted}."
    if newest is None:
        return " ".join(filter(None, [run.sentence, "The model is being read."]))
    return " ".join(filter(None, [run.sentence, f"Step {newest.step} of {newest.steps}."]))


def _left(run: TrainingRun, newest: TrainingStep | None) -> str:
    if not run.active or newest is None or newest.seconds_left is None:
        return ""
    return f"about {format_duration(newest.seconds_left)} left"


def _figures(run: TrainingRun) -> list[FigureValue]:
    """Return names and values of what the trainer reported at its end."""
    found = run.metrics
    figures = {}
    for name, key in (
        ("loss before", "held_out_before"),
        ("loss after", "held_out_after"),
        ("bits per byte before", "bits_per_byte_before"),
        ("bits per byte after", "bits_per_byte_after"),
    ):
        if found.get(key) is not None:
            figures[name] = f"{found[key]:.3f}"
    if found.get("strength") is not None:
        figures["kept of what was learnt"] = f"{found['strength']:.0%}"
    if found.get("seconds"):
        figures["time"] = format_duration(found["seconds"])
    if found.get("peak_rss_mb"):
        figures["memory"] = format_gigabytes(found["peak_rss_mb"])
    return [FigureValue(name=name, value=value, hint="") for name, value in figures.items()]
