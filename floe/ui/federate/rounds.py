"""The rounds of a group or a simulation as the page shows them: curves, clusters, figures."""

from collections.abc import Sequence
from typing import Final

from floe.federation.app.round_report import RoundReport
from floe.federation.group.history import Federation
from floe.ui.page_values import FigureValue, PositionValue, RoundsValue
from floe.units import format_bytes

COLUMNS: Final = ["round", "devices", "clusters", "mean loss", "left out", "in", "out", "time"]

NOTHING: Final = RoundsValue(
    title="",
    running=False,
    sentence="",
    figures=[],
    promise="",
    series=[],
    positions=[],
    columns=COLUMNS,
    rounds=[],
)
"""Before the first group or simulation."""


def rounds_value(title: str, federation: Federation, rounds: Sequence[RoundReport]) -> RoundsValue:
    """Return what `floe.rounds` draws."""
    newest = rounds[-1] if rounds else None
    labels = _labels(rounds)
    return {
        "title": title,
        "running": federation.status == "running",
        "sentence": federation.sentence,
        "figures": _figures(rounds),
        "promise": newest.privacy if newest else "",
        "series": [
            {"name": label, "dots": True, "points": _losses(rounds, label)} for label in labels
        ],
        "positions": _positions(newest, labels) if newest else [],
        "columns": COLUMNS,
        "rounds": [_row(report) for report in reversed(rounds)],
    }


def _labels(rounds: Sequence[RoundReport]) -> list[str]:
    """Return clusters in the order they came up, so that each keeps its colour."""
    return list(dict.fromkeys(line.label for report in rounds for line in report.clusters))


def _losses(rounds: Sequence[RoundReport], label: str) -> list[list[float]]:
    return [
        [float(report.round), line.loss]
        for report in rounds
        for line in report.clusters
        if line.label == label and line.loss is not None
    ]


def _positions(report: RoundReport, labels: Sequence[str]) -> list[PositionValue]:
    lines = {line.client: line for line in report.clients}
    return [
        {
            "x": x,
            "y": y,
            "name": lines[client].name,
            "cluster": lines[client].cluster,
            "group": labels.index(lines[client].cluster),
        }
        for client, x, y in report.positions
        if client in lines and lines[client].cluster in labels
    ]


def _figures(rounds: Sequence[RoundReport]) -> list[FigureValue]:
    if not rounds:
        return []
    newest = rounds[-1]
    figures = {
        "round": f"{newest.round} of {newest.rounds}",
        "clusters": str(len(newest.clusters)),
        "bytes from the devices": format_bytes(sum(report.bytes_in for report in rounds)),
        "bytes to the devices": format_bytes(sum(report.bytes_out for report in rounds)),
    }
    if newest.epsilon is not None:
        figures["epsilon"] = f"{newest.epsilon:.2f}"
    return [FigureValue(name=name, value=value, hint="") for name, value in figures.items()]


def _row(report: RoundReport) -> list[str]:
    losses = [line.loss for line in report.clusters if line.loss is not None]
    dropped = [f"{line.name}: {line.dropped}" for line in report.clients if line.dropped]
    return [
        str(report.round),
        str(len(report.clients)),
        str(len(report.clusters)),
        f"{sum(losses) / len(losses):.3f}" if losses else "—",
        "; ".join(dropped) or "—",
        format_bytes(report.bytes_in),
        format_bytes(report.bytes_out),
        f"{report.seconds:.0f} s",
    ]
