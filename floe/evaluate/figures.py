"""The two figures of the report. Reads results, draws, knows nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")  # no window, on a machine without a screen too
from matplotlib import pyplot as plt

_INK: Final = "#2b3440"
_COLOURS: Final = ("#0b6e99", "#d1495b", "#6a8d3a", "#8a5fbf", "#c77d2e", "#4a4a4a")
_STYLE: Final[dict[Any, Any]] = {
    "figure.facecolor": "white",  # readable on a dark page too
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e7eb",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "floe",  # the same figures give the same file
}


def draw_weights(result: dict[str, Any], path: Path) -> None:
    """Bits per byte against the local weight, one panel a writer.

    Args:
        result: of `floe.evaluate.quality.summary`.
        path: its ending says which format.
    """
    writers: Sequence[dict[str, Any]] = result["writers"]
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(
            1, len(writers), figsize=(3.1 * len(writers) + 0.6, 3.4), squeeze=False
        )
        for axis, report in zip(axes[0], writers, strict=True):
            for colour, (rule, values) in zip(_COLOURS, report["by_weight"].items(), strict=False):
                axis.plot(report["grid"], values, color=colour, label=rule)
            for name, style in (("slm", ":"), ("personal", "--"), ("cloud", "-.")):
                if report[name] is not None:
                    axis.axhline(report[name], color=_INK, linestyle=style, linewidth=1, label=name)
            axis.plot(
                report["weight_auto"], report["fused_auto"], "o", color=_COLOURS[4], label="auto"
            )
            axis.set_title(report["writer"], fontsize=10)
            axis.set_xlabel("local weight")
        axes[0][0].set_ylabel("bits per byte, lower is better")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="lower center", ncols=len(labels), frameon=False, fontsize=9
        )
        figure.tight_layout(rect=(0, 0.08, 1, 1))
        _save(figure, path)


def draw_latency(result: dict[str, Any], path: Path) -> None:
    """Tokens per second against agreement with full fusion, one line a round trip.

    Args:
        result: of `floe.evaluate.latency.run_latency`.
        path: its ending says which format.
    """
    with plt.rc_context(_STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 4.2))
        round_trips = list(dict.fromkeys(row["rtt_ms"] for row in result["scenarios"]))
        for colour, round_trip in zip(_COLOURS, round_trips, strict=False):
            rows = [row for row in result["scenarios"] if row["rtt_ms"] == round_trip]
            axis.plot(
                [row["tok_s"] for row in rows],
                [100 * row["agreement"] for row in rows],
                "o-",
                color=colour,
                markersize=4,
                label=f"{round_trip} ms",
            )
            if round_trip == round_trips[-1]:
                for row in rows:
                    axis.annotate(
                        f"wait ≤ {row['deadline_ms']} ms",
                        (row["tok_s"], 100 * row["agreement"]),
                        textcoords="offset points",
                        xytext=(6, -9),
                        fontsize=8,
                    )
        local = result["local"]
        axis.plot(local["tok_s"], 100 * local["agreement"], "s", color=_INK, label="local alone")
        axis.set_xlabel("tokens per second")
        axis.set_ylabel("tokens that full fusion would pick, %")
        axis.legend(title="round trip", frameon=False, fontsize=9)
        figure.tight_layout()
        _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    # No date inside: the same figures give the same file.
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
