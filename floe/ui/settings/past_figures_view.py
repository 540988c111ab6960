"""Figures over time: speed, share and cost of past answers, and who was asked how often."""

from collections.abc import Callable
from typing import Final, Literal

from floe.jobs.comparison_job import BOTH, CLOUD, DEVICE
from floe.privacy.sent import SentLog
from floe.records import AnswerStats, Mode
from floe.store import Store
from floe.store.past_figures import past_answers
from floe.ui.page_values import PastFiguresValue, PlotValue

ANSWERS: Final = 200
"""The newest answers that are drawn."""

_Side = Literal["local", "both", "cloud"]
_ROUTES: Final[dict[Mode, tuple[str, _Side]]] = {
    "local": (DEVICE, "local"),
    "fused": (BOTH, "both"),
    "cloud": (CLOUD, "cloud"),
}
_PLOTS: Final[list[tuple[str, str, Callable[[AnswerStats], float | None]]]] = [
    ("Tokens a second", "tokens/s", lambda stats: stats.tokens_per_second),
    (
        "Time to the first token",
        "seconds",
        lambda stats: None if stats.first_token_ms is None else stats.first_token_ms / 1000,
    ),
    ("Share with the cloud", "percent", lambda stats: 100 * stats.cloud_share),
    ("Cloud requests", "requests", lambda stats: float(stats.cloud_requests)),
    (
        "Cloud tokens",
        "tokens in and out",
        lambda stats: float(stats.cloud_prompt_tokens + stats.cloud_completion_tokens),
    ),
]
"""Name, unit and value of each plot."""


def past_figures(store: Store, log: SentLog) -> PastFiguresValue:
    """Draw the newest answers in the order in which they were written."""
    answers = past_answers(store, ANSWERS)
    plots = []
    for name, unit, figure in _PLOTS:
        plot = PlotValue(name=name, unit=unit, series=[])
        for route, (title, side) in _ROUTES.items():
            points = [
                [float(number), round(value, 3)]
                for number, each in enumerate(answers, 1)
                if each.route == route and (value := figure(each.stats)) is not None
            ]
            if points:
                plot["series"].append({"name": title, "points": points, "dots": True, "side": side})
        plots.append(plot)
    return {"answers": len(answers), "plots": plots, "requests": log.totals()}
