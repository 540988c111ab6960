"""Router: the experts nearest to a prompt in the base model's own embedding space, or none.

No parameter is trained. A prompt is the mean of its token embeddings in the base model, frequent
tokens counting less (SIF: Arora, Liang, Ma, "A Simple but Tough-to-Beat Baseline for Sentence
Embeddings", 2017). The space is crooked, as embeddings of language models are: all vectors share
a few strong directions that tell little. So it is centred, and its strongest directions are
levelled, by what public prompts show (`public_prompts.txt`).

Why not the mean of the last hidden state: it takes an evaluation of its own, 28 ms for 8 tokens
on two cores. Between four tasks that lie apart it chose as well (0.94 against 0.94); where tasks
are diffuse it was better at saying "none" (0.84 against 0.73). Knows neither torch nor llama.cpp's
library, nor how an adapter is put to use.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from gguf.quants import dequantize
from numpy.typing import NDArray

from floe.errors import ModelError, PromptError
from floe.llama.gguf_file import ModelHeader
from floe.store import Store

Vector: TypeAlias = NDArray[np.float32]
Tokenize: TypeAlias = Callable[[bytes], Sequence[int]]

_FREQUENT: Final = 1e-3
"""a of SIF: a token of probability p counts a / (a + p)."""

_WHITENED_DIRECTIONS: Final = 10
"""Directions stronger than the public prompts' tenth are levelled to it."""

_PUBLIC_SHARE: Final = 0.02
"""Share of the public prompts, which are of any task, that may lie within an expert's radius."""

_SHARPNESS: Final = 8.0
"""Exponent of an expert's weight at its radius, e^-8; it sets how soon two experts mix."""

_MIN_SHARE: Final = 0.1
"""A smaller weight is not worth an adapter's time."""


@dataclass(frozen=True, slots=True)
class PromptRegion:
    """Region of a set of prompts: their mean (e,) and how far one of them may be from it."""

    centroid: Vector
    radius: float


@dataclass(frozen=True, slots=True)
class Expert:
    """An expert that may be chosen. `scale`: what the person set; `samples`: some prompts."""

    adapter_id: int
    name: str
    region: PromptRegion
    scale: float = 1.0
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpertChoice:
    """Adapter ids with their scales, largest first (none: the base model alone), and why."""

    scales: tuple[tuple[int, float], ...]
    reason: str


class PromptSpace:
    """The embedding space of one base model, in which prompts and experts are compared.

    Args:
        base: the GGUF; its table of token embeddings is read where it lies, row by row.
        tokenize: text as UTF-8 to the base model's token ids.

    Raises:
        ModelError: the file has no table of token embeddings.
    """

    def __init__(self, base: Path, tokenize: Tokenize) -> None:
        try:
            tables = [t for t in ModelHeader(base).tensors if t.name == "token_embd.weight"]
        except (OSError, ValueError) as error:
            raise ModelError(f"{base.name} cannot be read; choose another model file.") from error
        if not tables:
            raise ModelError(f"{base.name} has no token embeddings; choose another model file.")
        self._table = tables[0]
        self._tokenize = tokenize
        # The space is straightened by the statistics of public prompts.
        public = files("floe.adapters").joinpath("public_prompts.txt").read_text("utf-8")
        raw = np.stack([self._mean_embedding(each) for each in public.splitlines()])
        raw = raw.astype(np.float64)
        self._mean = raw.mean(axis=0)
        _, values, self._directions = np.linalg.svd(raw - self._mean, full_matrices=False)
        at = values[min(_WHITENED_DIRECTIONS, len(values) - 1)]
        self._whitening = 1 / np.sqrt(1 + (values / at) ** 2) if at > 0 else np.ones_like(values)
        self._public = np.stack([self._whiten(row) for row in raw])

    @property
    def public_embeddings(self) -> Vector:
        """The public prompts, float32 of shape (prompts, e), rows of unit length."""
        return self._public.astype(np.float32)

    def embed(self, prompt: str) -> Vector:
        """Embed a prompt: float32 of shape (e,), of unit length. Takes well under 1 ms.

        Raises:
            PromptError: it is empty.
        """
        return self._whiten(self._mean_embedding(prompt)).astype(np.float32)

    def region_of(
        self,
        prompts: Sequence[str],
        blur: float = 0.0,
        random: np.random.Generator | None = None,
    ) -> PromptRegion:
        """Return the region of a task's prompts.

        The radius takes in every one of them, each measured from the mean of the others, but no
        more than 2 % of the public prompts.

        Args:
            prompts: at least one.
            blur: deviation of Gaussian noise on each number of the centroid, to hide what the
                prompts say; the radius is measured with it on. A centroid has a length of 1 at
                most, and noise one of blur sqrt(e).
            random: seeded by the system's entropy, but in tests.
        """
        rows = np.stack([self.embed(prompt) for prompt in prompts]).astype(np.float64)
        random = random or np.random.default_rng()
        noise = blur * random.standard_normal(rows.shape[1])
        centroid = rows.mean(axis=0) + noise
        n = len(rows)
        others = (rows.sum(axis=0) - rows) / (n - 1) + noise if n > 1 else np.array([noise])
        reach = float(np.linalg.norm(rows - others, axis=1).max())
        foreign = np.linalg.norm(self._public - centroid, axis=1)
        radius = min(reach, float(np.quantile(foreign, _PUBLIC_SHARE)))
        return PromptRegion(centroid.astype(np.float32), radius)

    def _mean_embedding(self, prompt: str) -> NDArray[np.float64]:
        ids = np.array(self._tokenize(prompt.encode()), dtype=np.intp)
        if not ids.size:
            raise PromptError("An empty text has no embedding.")
        rows = dequantize(self._table.data[ids], self._table.tensor_type).astype(np.float64)
        # Byte-pair tokens are numbered by the order of their merges, the most frequent first:
        # Zipf's law gives their probabilities without counting anything.
        share = 1 / ((ids + 10) * math.log(len(self._table.data)))
        mean = (rows * (_FREQUENT / (_FREQUENT + share))[:, None]).sum(axis=0)
        length: NDArray[np.float64] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return length

    def _whiten(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = raw - self._mean
        parts = self._directions @ centred
        straight = centred + (parts * (self._whitening - 1)) @ self._directions
        unit: NDArray[np.float64] = straight / max(float(np.linalg.norm(straight)), 1e-12)
        return unit


def merge_regions(regions: Sequence[tuple[PromptRegion, float]]) -> PromptRegion:
    """One place for a cluster out of its devices' (place, weight)."""
    weights = np.array([weight for _, weight in regions], dtype=np.float64)
    weights /= weights.sum()
    centroid = sum(w * p.centroid for w, (p, _) in zip(weights, regions, strict=True))
    radius = sum(w * p.radius for w, (p, _) in zip(weights, regions, strict=True))
    return PromptRegion(np.asarray(centroid, dtype=np.float32), float(radius))


def choose_experts(embedding: Vector, experts: Sequence[Expert], most: int = 2) -> ExpertChoice:
    """Choose the experts for a prompt: softmax over negative squared distances within reach.

    Args:
        embedding: of the prompt, in the space in which the experts were placed.
        experts: those in use.
        most: how many may share an answer; each costs time at every token.
    """
    if not experts:
        return ExpertChoice((), "no experts are in use")
    shares = [
        float(np.linalg.norm(embedding - expert.region.centroid)) / max(expert.region.radius, 1e-12)
        for expert in experts
    ]
    order = sorted(range(len(experts)), key=lambda i: shares[i])
    near = [i for i in order if shares[i] <= 1][:most]
    if not near:
        closest = experts[order[0]]
        return ExpertChoice(
            (), f"unlike all experts: {shares[order[0]]:.2f} times the reach of {closest.name}"
        )
    logits = -_SHARPNESS * np.square([shares[i] for i in near])
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    chosen = [(experts[i], w) for i, w in zip(near, weights, strict=True) if w >= _MIN_SHARE]
    total = sum(w for _, w in chosen)
    scales = tuple((expert.adapter_id, expert.scale * float(w / total)) for expert, w in chosen)
    words = " and ".join(f"{expert.name} ({w / total:.0%})" for expert, w in chosen)
    return ExpertChoice(scales, f"close to {words}: at {shares[near[0]]:.2f} of its reach")


def experts_in_use(store: Store, base_sha256: str) -> list[Expert]:
    """Experts of this base model that are switched on and whose place is known."""
    with store.reading() as db:
        rows = db.execute(
            "SELECT a.id, a.name, a.scale, e.centroid, e.radius, e.samples"
            " FROM experts e JOIN adapters a ON a.id = e.adapter_id"
            " WHERE a.in_use = 1 AND a.base_sha256 = ? AND length(e.centroid) > 0 ORDER BY a.id",
            [base_sha256],
        ).fetchall()
    return [
        Expert(
            adapter_id,
            name,
            PromptRegion(np.frombuffer(centroid, dtype="<f4"), radius),
            scale,
            tuple(json.loads(samples)),
        )
        for adapter_id, name, scale, centroid, radius, samples in rows
    ]
