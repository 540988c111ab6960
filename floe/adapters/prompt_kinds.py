"""Kind of a prompt: of the person's own domain, general, a calculation, or code.

The router's rule for what a person has taught: nearest neighbours in the base model's embedding
space, nothing trained. What a person asks about lies in no one place, so a prompt is compared with
the questions that were learnt from, one by one, and with public ones of the other kinds, written
for Floe (`prompt_kinds.jsonl`): calculations, code, and general ones. These have one right answer,
ask for something to be done with words that they bring along (to translate, correct, shorten), or
greet and ask the assistant who it is. The adapter acts unless a prompt is more like those, by a
margin that the person's own questions set, each seen from the others.
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np

from floe.adapters.router import PromptSpace, Vector
from floe.errors import PromptError
from floe.fusion.scoring.kind_weights import KIND_WORDS
from floe.records import PromptKind

OWN_SHARE: Final = 0.95
"""Share of the person's questions that lie within the margin, each measured from the others."""
_NEIGHBOURS: Final = 2
"""The likest prompts of a kind, whose mean likeness counts: one may be a chance."""
_MOST_KEPT: Final = 64
"""Questions of a person that are kept of a training; more are thinned evenly."""
_FEWEST: Final = 8
"""Questions from which on they set the margin."""
_MARGIN: Final = 0.15
"""Cosine; the margin where there are too few: what it came to for the example writers."""


@dataclass(frozen=True, slots=True, eq=False)
class TaughtQuestions:
    """Questions that an adapter learnt the answers of.

    `embeddings`: float32 of shape (questions, e), rows of unit length; `margin`: by how much
    a prompt may be more like another kind (a cosine, at least 0).
    """

    embeddings: Vector
    margin: float


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
        kinds: tuple[PromptKind, ...] = ("general", "calculation", "code")
        self._public = {
            kind: np.stack([space.embed(each["prompt"]) for each in known if each["kind"] == kind])
            for kind in kinds
        }
        self._anything = space.public_embeddings

    def taught_by(self, prompts: Sequence[str]) -> TaughtQuestions | None:
        """Return what is kept of a person's questions; None if there are none."""
        said = [prompt for prompt in prompts if prompt.strip()]
        if not said:
            return None
        count = min(len(said), _MOST_KEPT)
        chosen = [said[i * len(said) // count] for i in range(count)]
        rows = np.stack([self._space.embed(prompt) for prompt in chosen])
        if count < _FEWEST:
            return TaughtQuestions(rows, _MARGIN)
        leads = [
            max(self._likeness(row).values()) - _mean_likeness(row, np.delete(rows, i, axis=0))
            for i, row in enumerate(rows)
        ]
        return TaughtQuestions(rows, max(0.0, float(np.quantile(leads, OWN_SHARE))))

    def choose(self, prompt: str, taught: TaughtQuestions | None = None) -> KindChoice:
        """Choose the kind of a prompt.

        Args:
            prompt: the person's question.
            taught: by what they asked before; None: not known, then no prompt is of that kind.
        """
        try:
            embedding = self._space.embed(prompt)
        except PromptError:
            return KindChoice("own" if taught else "general", "the question has no words")
        likeness = self._likeness(embedding)
        if taught is None:
            likeness["general"] = max(
                likeness["general"], _mean_likeness(embedding, self._anything)
            )
        nearest = max(likeness, key=likeness.__getitem__)
        if taught is None:
            return KindChoice(nearest, f"closest to {KIND_WORDS[nearest]}")
        own = _mean_likeness(embedding, taught.embeddings)
        lead = likeness[nearest] - own
        if lead > taught.margin:
            words = f"likeness {own:.2f}, to {KIND_WORDS[nearest]} {likeness[nearest]:.2f}"
            return KindChoice(
                nearest, f"closer to {KIND_WORDS[nearest]} than to what you taught it: {words}"
            )
        words = f"close to what you taught it: likeness {own:.2f}"
        if lead > 0:
            words += f", to {KIND_WORDS[nearest]} no more than {lead:.2f} above that"
        return KindChoice("own", words)

    def likest(self, prompt: str, taught: TaughtQuestions) -> list[int]:
        """Return the places of the questions in `taught`, the likest to a prompt first.

        Raises:
            PromptError: it is empty.
        """
        likeness = taught.embeddings @ self._space.embed(prompt)
        return [int(place) for place in np.argsort(-likeness, kind="stable")]

    def _likeness(self, embedding: Vector) -> dict[PromptKind, float]:
        return {kind: _mean_likeness(embedding, rows) for kind, rows in self._public.items()}


def taught_to_json(taught: TaughtQuestions) -> dict[str, Any]:
    """Return values that JSON can hold: numbers of a byte each, which changes no likeness."""
    rows = taught.embeddings
    unit = max(float(np.abs(rows).max()), 1e-12) / 127
    data = np.round(rows / unit).astype(np.int8).tobytes()
    return {
        "embeddings": base64.b64encode(data).decode("ascii"),
        "count": len(rows),
        "margin": taught.margin,
    }


def taught_from_json(values: object) -> TaughtQuestions | None:
    """Read what `taught_to_json` gave; None where it is something else, as of older adapters."""
    try:
        assert isinstance(values, dict)
        data = np.frombuffer(base64.b64decode(values["embeddings"], validate=True), dtype=np.int8)
        rows = data.reshape(int(values["count"]), -1).astype(np.float32)
        margin = float(values["margin"])
    except (AssertionError, KeyError, TypeError, ValueError):
        return None
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not rows.size or not lengths.all() or not math.isfinite(margin) or margin < 0:
        return None
    return TaughtQuestions((rows / lengths).astype(np.float32), margin)


def _mean_likeness(embedding: Vector, rows: Vector) -> float:
    """Return the mean cosine with the likest rows."""
    return float(np.sort(rows @ embedding)[-_NEIGHBOURS:].mean())
