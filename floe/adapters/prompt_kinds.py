"""Kind of a prompt: of the person's own domain, general, a calculation, or code.

The router's rule for what a person has taught: nearest centroid in the base model's embedding
space, nothing trained. What a person asks about lies in no one place, so unlike an expert it has
no narrow reach: it acts on a prompt unless that lies nearer to calculations or code, or further
from the person's prompts than these lie from each other. Public prompts of those kinds, written
for Floe, come along (`prompt_kinds.jsonl`).
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np

from floe.adapters.router import PromptRegion, PromptSpace
from floe.errors import PromptError
from floe.fusion.scoring.kind_weights import KIND_WORDS
from floe.records import PromptKind

OWN_SHARE: Final = 0.95
"""Share of the person's prompts that lie within their reach, each measured from the others."""


@dataclass(frozen=True, slots=True)
class KindChoice:
    """The kind of a prompt and why, in words."""

    kind: PromptKind
    reason: str


class PromptKinds:
    """Tells prompts of one base model's space apart."""

    def __init__(self, space: PromptSpace) -> None:
        self._space = space
        text = files("floe.adapters").joinpath("prompt_kinds.jsonl").read_text("utf-8")
        known = [json.loads(line) for line in text.splitlines()]
        kinds: tuple[PromptKind, ...] = ("calculation", "code")
        self._foreign = {
            kind: space.region_of([each["prompt"] for each in known if each["kind"] == kind])
            for kind in kinds
        }
        self._general = space.public_centroid

    def region_of(self, prompts: Sequence[str]) -> PromptRegion | None:
        """Return the region of a person's prompts; None if there are none."""
        said = [prompt for prompt in prompts if prompt.strip()]
        return self._space.region_of(said, share=OWN_SHARE) if said else None

    def choose(self, prompt: str, own: PromptRegion | None = None) -> KindChoice:
        """Choose the kind of a prompt.

        Args:
            prompt: the person's question.
            own: of what they asked before; None: not known, then no prompt is of that kind.
        """
        try:
            embedding = self._space.embed(prompt)
        except PromptError:
            return KindChoice("own" if own else "general", "the question has no words")
        centroids = {kind: region.centroid for kind, region in self._foreign.items()}
        home: PromptKind = "own" if own else "general"
        centroids[home] = own.centroid if own else self._general
        away = {k: float(np.linalg.norm(embedding - c)) for k, c in centroids.items()}
        nearest = min(away, key=away.__getitem__)
        if own is None:
            return KindChoice(nearest, f"closest to {KIND_WORDS[nearest]}")
        if nearest != "own":
            share = away["own"] / max(away[nearest], 1e-12)
            return KindChoice(
                nearest,
                f"closer to {KIND_WORDS[nearest]} than to what you taught it, by {share - 1:.0%}",
            )
        reach = away["own"] / max(own.radius, 1e-12)
        if reach > 1:
            return KindChoice(
                "general", f"unlike what you taught it: {reach:.2f} times the reach of that"
            )
        return KindChoice(
            "own", f"close to what you taught it: at {reach:.2f} of the reach of that"
        )


def region_to_json(region: PromptRegion) -> dict[str, Any]:
    """Return values that JSON can hold."""
    data = region.centroid.astype("<f4").tobytes()
    return {"centroid": base64.b64encode(data).decode("ascii"), "radius": region.radius}


def region_from_json(values: object) -> PromptRegion | None:
    """Read what `region_to_json` gave; None where it is something else, as of older adapters."""
    try:
        assert isinstance(values, dict)
        centroid = np.frombuffer(base64.b64decode(values["centroid"], validate=True), dtype="<f4")
        radius = float(values["radius"])
    except (AssertionError, KeyError, TypeError, ValueError):
        return None
    sound = len(centroid) and np.isfinite(centroid).all() and math.isfinite(radius) and radius > 0
    return PromptRegion(centroid, radius) if sound else None
