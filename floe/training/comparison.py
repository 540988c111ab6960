"""Before and after: whether a new adapter is better, and a few questions answered with both.

Who answers is given: this module knows no model.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from floe.errors import PromptError
from floe.records import ChatMessage
from floe.store import encryption
from floe.training.adapter_scale import describe_scale
from floe.training.process import RunFolder
from floe.training.trial.trial import MIN_MANNER, TrialResult

Answerer = Callable[[Sequence[ChatMessage], Sequence[tuple[Path, float]]], str]
"""Answers a prompt with exactly these adapters (GGUF file, scale), then puts back those in use."""

_QUESTIONS: Final = 3
_FILE: Final = "answers.json"
_STAYS: Final = "What was in use stays in use."


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One question; `own` is the answer that was kept aside."""

    question: str
    own: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TrainingVerdict:
    """What came of a training, for somebody who wants to know whether it was worth it.

    All is empty of one that has not come to its end.
    """

    headline: str = ""
    words: str = ""
    good: bool = False


def verdict_of(result: Mapping[str, Any]) -> TrainingVerdict:
    """Say in plain words what `judge` found."""
    good, reason = judge(result)
    trial = read_trial(result)
    if good:
        words = "On answers that were kept aside it is closer to yours than before."
        if trial is not None:
            words = _gained(trial)
        return TrainingVerdict("Worth using: the new adapter is in use.", words, good=True)
    if result.get("refused"):
        return TrainingVerdict("Not worth using.", reason)
    if trial is not None and trial.losses:
        words = f"When it was tried out, {'; '.join(trial.losses)}. {_STAYS}"
        return TrainingVerdict("Not worth using.", words)
    change = result.get("change")
    if change is not None and change["answers"] == 1:
        return TrainingVerdict(
            "Too little to judge by.",
            f"{_within_noise(change)} {_STAYS} With a few more chats there is more to judge by.",
        )
    return TrainingVerdict(
        "No change.",
        f"The model answers what was kept aside no more like you than before. {_STAYS} More chats "
        "of one kind, or answers that you have rewritten, teach it more.",
    )


def _gained(trial: TrialResult) -> str:
    """Say what is won and that next to nothing is lost."""
    base, personal = trial.base, trial.personal
    facts = "It answers simple questions as well as before"
    if personal.right < base.right:
        facts = (
            f"It answers {personal.right} of {personal.asked} simple questions right "
            f"(before: {base.right})"
        )
    more = personal.distinct4 < base.distinct4 or personal.longest_loop > base.longest_loop
    repeats = "hardly repeats itself more" if more else "does not repeat itself more"
    manner = ""
    if trial.manner is not None and trial.manner >= MIN_MANNER:
        manner = f"{trial.manner:.0%} of its answers to your own questions sound more like you. "
    elif trial.manner is not None:
        manner = "Too few of your own questions were kept aside to tell if it sounds like you. "
    return f"{manner}{facts}, and it {repeats}."


def judge(result: Mapping[str, Any]) -> tuple[bool, str]:
    """Judge whether an adapter is better than the base and than its start, and why.

    Better: the loss on what was kept aside has fallen beyond chance, and what it writes by itself
    has lost nothing beyond the margins.
    """
    if refused := result.get("refused"):
        return False, str(refused)
    after = result.get("held_out_after")
    earlier = [result.get("held_out_before"), result.get("held_out_start")]
    known = [loss for loss in earlier if loss is not None]
    if after is None or not known:
        return False, "There was nothing to judge the new adapter by, so it was not taken."
    best = min(known)
    if after >= best:
        return False, (
            f"The new adapter was no better on the answers kept aside (loss {after:.3f}, before "
            f"{best:.3f}), so it was not taken. {_STAYS}"
        )
    if noise := _within_noise(result.get("change")):
        return False, f"{noise} {_STAYS}"
    trial = read_trial(result)
    if trial is not None and trial.losses:
        weakest = "" if trial.strength == 1 else f", even at {trial.strength:.0%} of its strength"
        return False, (
            f"Loss on the answers kept aside fell from {best:.3f} to {after:.3f}, and yet this "
            f"training is not worth using{weakest}: {'; '.join(trial.losses)}. {_STAYS}"
        )
    sentence = (
        f"Loss on the answers kept aside fell from {best:.3f} to {after:.3f}: the new adapter "
        f"is in use{describe_scale(result.get('strength', 1.0))}."
    )
    return True, sentence if trial is None else f"{sentence} {trial.describe()}"


def read_trial(result: Mapping[str, Any]) -> TrialResult | None:
    """Read what both models wrote, from what a trainer reported; None: they were not tried out."""
    with suppress(KeyError, TypeError):
        return TrialResult.from_json(result["trial"])
    return None


def _within_noise(change: Mapping[str, Any] | None) -> str:
    """Say that a fall is no more than chance would do; empty if it is more, or is not known."""
    if change is None or (change["low"] is not None and change["low"] > 0):
        return ""
    if change["answers"] == 1:
        return (
            "There is one answer kept aside, too little to judge by: nobody can tell whether the "
            "new adapter is better, so it was not taken."
        )
    return (
        f"No change: loss on the {change['answers']} answers kept aside fell by "
        f"{change['fall']:.3f}, and chance alone does as much, so the new adapter was not taken."
    )


def compare(
    folder: RunFolder,
    answer: Answerer,
    before: Sequence[tuple[Path, float]],
    after: Sequence[tuple[Path, float]],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Answer the first question of up to three held-out rows, and keep that in the folder.

    A question that is too long for the model is left out. `stopped` is asked before each.
    """
    pairs: list[SideBySide] = []
    for prompt, own in _prompts(folder.rows):
        if stopped() or len(pairs) == _QUESTIONS:
            return
        with suppress(PromptError):
            both = answer(prompt, before), answer(prompt, after)
            pairs.append(SideBySide(prompt[-1].content, own, *both))
        lines = json.dumps([asdict(pair) for pair in pairs], ensure_ascii=False)
        encryption.write_bytes(folder.path / _FILE, lines.encode())


def read_comparison(folder: RunFolder) -> list[SideBySide]:
    """Read the pairs that `compare` has made so far."""
    with suppress(OSError, ValueError):
        pairs = json.loads(encryption.read_bytes(folder.path / _FILE))
        return [SideBySide(**pair) for pair in pairs]
    return []


def _prompts(rows: Path) -> list[tuple[list[ChatMessage], str]]:
    found = []
    for line in encryption.read_bytes(rows).splitlines():
        row = json.loads(line)
        if row["split"] != "held_out":
            continue
        said = [ChatMessage(message["role"], message["content"]) for message in row["messages"]]
        context = int(row.get("context", 0))
        first = next(
            i for i, message in enumerate(said) if i >= context and message.role == "assistant"
        )
        found.append((said[:first], said[first].content))
    return found
