"""Tokens of this device, of both and of the cloud differ in lightness, and can be read."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

SHEET = (Path(__file__).parents[2] / "floe" / "ui" / "frame.css").read_text(encoding="utf-8")
RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722


def variables(selector: str) -> dict[str, str]:
    """The custom properties of the first rule with this selector."""
    found = re.search(rf"^{re.escape(selector)} \{{(.*?)^\}}", SHEET, re.DOTALL | re.MULTILINE)
    assert found is not None
    return dict(re.findall(r"--([\w-]+): ([^;]+);", found[1]))


def luminance(channels: list[float]) -> float:
    """Relative luminance of sRGB in [0, 255], as WCAG 2 defines it."""
    linear = [
        c / 255 / 12.92 if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4
        for c in channels
    ]
    return RED * linear[0] + GREEN * linear[1] + BLUE * linear[2]


def channels(colour: str) -> list[float]:
    """Red, green and blue in [0, 255]."""
    return [float(int(colour[at : at + 2], 16)) for at in (1, 3, 5)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sides_are_told_apart_without_colour_and_read(theme: str) -> None:
    chosen = variables(":root")
    if theme == "dark":
        chosen |= variables(".dark")
    paper, ink = channels(chosen["paper"]), luminance(channels(chosen["ink"]))
    lightness = []
    for side, tint in (("local", "tint-local"), ("both", "tint"), ("cloud", "tint-cloud")):
        share = float(chosen[tint].rstrip("%")) / 100
        over = zip(paper, channels(chosen[side]), strict=True)
        shown = luminance([below * (1 - share) + above * share for below, above in over])
        lighter, darker = max(shown, ink), min(shown, ink)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5
        lightness.append(116 * shown ** (1 / 3) - 16)  # CIE L*
    assert all(before - after > 5 for before, after in pairwise(lightness))
