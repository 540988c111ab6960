"""The figures of an answer and the state of the cloud, in words and numbers for the page."""

from typing import Final

from floe.records import AnswerStats, Status
from floe.ui.page_values import ContextValue, FigureValue

ENDED: Final[dict[Status, str]] = {
    "streaming": "",
    "complete": "",
    "length": "Cut off at the longest answer that is set under Advanced.",
    "stopped": "Stopped by you; what was written stays.",
    "interrupted": "Floe ended in the middle of this answer; what had been written is here.",
    "failed": "This answer could not be finished.",
}
"""How an answer ended, where that needs saying."""
_NEARLY_FULL: Final = 0.8


def duration(milliseconds: float | None) -> str:
    """Write `340 ms`, `2.1 s` or, while unknown, a dash."""
    if milliseconds is None:
        return "—"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def live_figures(stats: AnswerStats | None, *, training: bool = False) -> list[FigureValue]:
    """Return the figures above the chat; dashes at first. `training`: that slows this answer."""
    cost = ""
    if stats is None:
        values = ["—", "—", "—", "—"]
    else:
        values = [
            f"{stats.tokens_per_second:.1f}" if stats.tokens else "—",
            duration(stats.first_token_ms),
            stats.cloud_percent if stats.tokens else "—",
            str(stats.cloud_requests),
        ]
        cost = cloud_tokens(stats)
    names = ["tokens/s", "first token", "with the cloud", "cloud requests"]
    hints = [speeds_alone(stats) if stats is not None else "", "", "", cost]
    if training:
        names[0] = "tokens/s, training"
        hints[0] = "A training is running under Personalise, so answers come more slowly."
    return [
        FigureValue(name=name, value=value, hint=hint)
        for name, value, hint in zip(names, values, hints, strict=True)
    ]


def context_value(stats: AnswerStats | None, size: int) -> ContextValue:
    """Say how much of the model's window of `size` tokens a chat takes, as its last answer saw it.

    Nobody has counted in a chat that was imported or has no answer yet.
    """
    if stats is None or not stats.prompt_tokens:
        sentence = f"This model reads {size:,} tokens at once; nothing is counted here yet."
        return ContextValue(used=None, size=size, cut=False, sentence=sentence)
    used = min(stats.prompt_tokens + stats.tokens, size)
    sentence = f"The chat takes {used:,} of the {size:,} tokens that this model reads at once."
    if dropped := stats.dropped_messages:
        oldest = "The oldest message is" if dropped == 1 else f"The oldest {dropped} messages are"
        sentence += f" {oldest} left out: of them the model sees at most what memory finds."
    elif used > _NEARLY_FULL * size:
        sentence += " Soon the oldest messages will be left out."
    return ContextValue(used=used, size=size, cut=dropped > 0, sentence=sentence)


def cloud_tokens(stats: AnswerStats) -> str:
    """Say what the cloud may charge for, cancelled requests included; empty: nothing was asked."""
    asked, written = stats.cloud_prompt_tokens, stats.cloud_completion_tokens
    return f"cloud tokens: {asked:,} in, {written:,} out" if asked or written else ""


def speeds_alone(stats: AnswerStats) -> str:
    """Say how quickly each would have written alone; empty: not seen, or only one took part."""
    if not (stats.cloud_tokens and stats.local_alone and stats.cloud_alone):
        return ""
    return f"alone: this device {stats.local_alone:.0f}, the cloud {stats.cloud_alone:.0f}"


def summary(stats: AnswerStats | None) -> str:
    """One line under a finished answer; empty where nothing was counted."""
    if stats is None or not stats.tokens:
        return ""
    tokens = "1 token" if stats.tokens == 1 else f"{stats.tokens} tokens"
    speed = f"{stats.tokens_per_second:.1f} per second"
    if alone := speeds_alone(stats):
        speed += f" ({alone})"
    share = f"{stats.cloud_percent} with the cloud"
    why = [stats.adapters, stats.weighed]
    return " · ".join(filter(None, [tokens, speed, share, cloud_tokens(stats), *why]))
