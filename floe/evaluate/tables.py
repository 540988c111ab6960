"""Results as plain text tables."""

from collections.abc import Sequence
from typing import Any

_ROWS = (
    ("slm", "local model"),
    ("personal", "local model with the personal adapter"),
    ("cloud", "cloud, by its own tokens"),
    ("cloud_projected", "cloud, onto local tokens"),
    ("fused", "fused at weight {weight}"),
    ("fused_auto", "fused, automatic weight {weight_auto}"),
    ("fused_oracle", "fused, best weight in hindsight {weight_oracle}"),
)


def quality_table(result: dict[str, Any]) -> str:
    """Bits per byte, one table a writer, and one over all if there are several."""
    writers: list[dict[str, Any]] = result["writers"]
    parts = [_writer(report | {"weight": result["weight"]}) for report in writers]
    if len(writers) > 1:
        every = {"weight_auto": "of each", "weight_oracle": "of each"}
        parts.append(_writer(result | {"writer": "all writers"} | every))
    if "requests" in result:
        parts.append(f"{result['requests']} cloud requests")
    return "\n\n".join(parts)


def _writer(report: dict[str, Any]) -> str:
    lines = [
        f"{report['writer']}: {report['answers']} answers, {report['bytes']:,} bytes; bits per byte"
    ]
    for name, title in _ROWS:
        if report[name] is not None:
            interval = _between(report["intervals"].get(name))
            lines.append(f"  {title.format(**report):<48}{report[name]:7.3f}{interval}")
    gain = report["gain"]
    rival = {"personal": "the personal model", "cloud": "the cloud"}.get(
        report["better"], "the projected cloud"
    )
    lines.append(f"  fusion against {rival} alone: {_percent(gain)}")
    lines.append(f"  adapter against the local model: {_percent(report['personal_gain'])}")
    if "general" in report:
        change = report["general_personal"] / report["general"] - 1
        lines.append(
            f"  text of nobody in particular, with the adapter: {100 * change:+.1f} % bits"
        )
    if isinstance(report["reason"], str):
        lines.append(f"  automatic weight {report['reason']}")
    return "\n".join(lines)


def _between(interval: Sequence[float] | None) -> str:
    return f"   [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""


def _percent(gain: dict[str, Any]) -> str:
    share = f"{100 * gain['share']:+.1f} % fewer bits"
    interval: Sequence[float] | None = gain["interval"]
    if not interval:
        return share
    return f"{share} [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"


def memory_table(result: dict[str, Any]) -> str:
    """Write the table of what an adapter remembers word for word."""
    lines = [f"{result['rows']} rows, {result['canaries']} secrets, each in one row"]
    lines += [
        f"  exposure of a secret, adapter: median {result['exposure_median']:.1f} bits, largest "
        f"{result['exposure_max']:.1f}, of {result['exposure_limit']:.1f}",
        f"  the same, base model: median {result['base_exposure_median']:.1f} bits",
        f"  membership by loss against the base: AUC {result['membership_auc']:.2f} "
        f"[{result['membership_interval'][0]:.2f}, {result['membership_interval'][1]:.2f}]",
        f"  secrets drawn out in {result['samples']} samples: {result['recovered']}",
    ]
    return "\n".join(lines)
