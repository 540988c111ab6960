"""The cloud's candidates, byte strings of another tokenizer, as a distribution over local tokens.

Two attributions are averaged (Floe's own; the paper's mapping between vocabularies is not public):

- *longest prefix*: a candidate's mass goes to the longest local token that is a prefix of it;
- *consistent*: it is spread over all local tokens that are a prefix of it or extend it, in
  proportion to the local model; an extension belongs only to the longest candidate before it.

What the cloud left unsaid (the tail) goes to all local tokens that got nothing, in proportion to
the local model: it is a constant factor on them and never needs to be written out. With one
shared vocabulary every candidate is a token, and the projection is exact.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from floe.fusion.index import Reach, TokenIndex
from floe.records import Candidate, CloudToken

Ids = NDArray[np.int32]
Mass = NDArray[np.float64]

PENDING_TAIL = 0.02
"""Mass left for the unknown when candidates are cut down to those that fit the pending bytes."""
MIN_TAIL = 1e-6
"""Rounded log-probabilities can add up to 1; no token of the vocabulary is impossible."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A distribution over the local vocabulary that touches few tokens.

    Attributes:
        ids: int32 of shape (touched,), without repetition.
        mass: float64 of shape (touched,): probability of each.
        tail: probability of all other tokens together, shared in proportion to the local model.
    """

    ids: Ids
    mass: Mass
    tail: float


class Projector:
    """Projects rows onto one local vocabulary; keeps its work space between calls."""

    def __init__(self, index: TokenIndex, *, shared_vocabulary: bool = False) -> None:
        self._index = index
        self._shared = shared_vocabulary
        self._accumulator = np.zeros(index.size, np.float64)

    def project(self, row: CloudToken, pending: bytes, local: NDArray[np.float32]) -> Projection:
        """The cloud's row as a distribution over local tokens.

        Args:
            row: candidates of one cloud token.
            pending: bytes of the fused text since the start of that token.
            local: float32 of shape (vocabulary,), proportional to the local probabilities.

        Returns:
            A projection whose mass and tail sum to 1.
        """
        texts, masses, end_mass, tail = _condition(row.candidates, pending)
        ids, values, lost = (
            self._exact(texts, masses) if self._shared else self._spread(texts, masses, local)
        )
        if end_mass > 0 and len(self._index.end_ids):
            share = local[self._index.end_ids].astype(np.float64)
            total = share.sum()
            share = share / total if total > 0 else np.full(len(share), 1 / len(share))
            ids = np.concatenate((ids, self._index.end_ids))
            values = np.concatenate((values, end_mass * share))
        elif end_mass > 0:
            lost += end_mass
        return Projection(ids, values, tail + lost)

    def _exact(self, texts: list[bytes], masses: list[float]) -> tuple[Ids, Mass, float]:
        found = [
            (self._index.spelled(text), mass) for text, mass in zip(texts, masses, strict=True)
        ]
        known = [(token, mass) for token, mass in found if token is not None]
        lost = sum(mass for token, mass in found if token is None)
        ids = np.array([token for token, _ in known], np.int32)
        return ids, np.array([mass for _, mass in known], np.float64), lost

    def _spread(
        self, texts: list[bytes], masses: list[float], local: NDArray[np.float32]
    ) -> tuple[Ids, Mass, float]:
        """Mean of both attributions. Returns ids, mass, and mass that fits no token."""
        index = self._index
        reaches = [index.reach(text) for text in texts]
        mass = np.array(masses, np.float64)
        owners, spans = _disjoint(reaches, [len(text) for text in texts])
        sizes = np.array([stop - start for start, stop in spans], np.intp)
        extended = (
            np.concatenate([index.order[start:stop] for start, stop in spans])
            if spans
            else np.empty(0, np.int32)
        )
        extended_owner = np.repeat(np.array(owners, np.intp), sizes)
        shorter = np.array([i for reach in reaches for i in reach.prefixes], np.int32)
        counts = np.array([len(reach.prefixes) for reach in reaches], np.intp)
        shorter_owner = np.repeat(np.arange(len(reaches)), counts)

        extended_p = local[extended].astype(np.float64)
        shorter_p = local[shorter].astype(np.float64)
        weight = np.zeros(len(texts))
        np.add.at(weight, extended_owner, extended_p)
        np.add.at(weight, shorter_owner, shorter_p)
        longest = np.array([reach.longest for reach in reaches], np.int32)
        reached = longest >= 0
        # No local probability at all to share by: that half goes the way of the other.
        blank = weight <= 0
        scale = np.divide(0.5 * mass, weight, out=np.zeros_like(mass), where=~blank)
        direct = np.where(blank, mass, 0.5 * mass)
        lost = float(direct[~reached].sum())

        accumulator = self._accumulator
        accumulator[extended] = extended_p * scale[extended_owner]
        extra = np.concatenate((shorter, longest[reached]))
        np.add.at(
            accumulator,
            extra,
            np.concatenate((shorter_p * scale[shorter_owner], direct[reached])),
        )
        # `extended` repeats nothing; of the rest only what it does not hold is new.
        new = np.setdiff1d(extra, extended) if len(extra) else extra
        ids = np.concatenate((extended, new))
        values = accumulator[ids]
        accumulator[ids] = 0.0
        return ids, values, lost


def _condition(
    candidates: tuple[Candidate, ...], pending: bytes
) -> tuple[list[bytes], list[float], float, float]:
    """Candidates that fit what is already written: texts, masses, mass of the end, tail.

    With nothing pending the tail is what the listed candidates leave. Otherwise those that
    begin with `pending` are renormalised; one that *is* `pending` says nothing about what
    follows, so its mass joins the tail.
    """
    texts: list[bytes] = []
    masses: list[float] = []
    end_mass = 0.0
    silent = 0.0
    for candidate in candidates:
        probability = math.exp(min(candidate.logprob, 0.0))
        if candidate.end:
            end_mass += 0.0 if pending else probability
        elif candidate.text_bytes.startswith(pending):
            rest = candidate.text_bytes[len(pending) :]
            if rest:
                texts.append(rest)
                masses.append(probability)
            else:
                silent += probability
    total = sum(masses) + end_mass + silent
    if total <= 0:
        return [], [], 0.0, 1.0
    wanted = 1 - PENDING_TAIL if pending else min(total, 1 - MIN_TAIL)
    factor = wanted / total
    return (
        texts,
        [mass * factor for mass in masses],
        end_mass * factor,
        1 - wanted + silent * factor,
    )


def _disjoint(reaches: list[Reach], lengths: list[int]) -> tuple[list[int], list[tuple[int, int]]]:
    """Ranges of extensions, each cut down to what no longer candidate owns.

    Ranges of byte strings are nested or apart, never crossed; of two equal ones the longer
    string (`lengths`, in bytes) is the inner.

    Returns:
        For each span the position of its owner in `reaches`, and the spans (start, stop).
    """
    owners: list[int] = []
    spans: list[tuple[int, int]] = []

    def close(owner: int, start: int, stop: int) -> None:
        if start < stop:
            owners.append(owner)
            spans.append((start, stop))

    open_ranges: list[tuple[int, int]] = []  # (owner, stop), outermost first
    at = 0
    by_start = sorted(
        range(len(reaches)), key=lambda i: (reaches[i].start, -reaches[i].stop, lengths[i])
    )
    for i in by_start:
        start, stop = reaches[i].start, reaches[i].stop
        while open_ranges and open_ranges[-1][1] <= start:
            owner, end = open_ranges.pop()
            close(owner, at, end)
            at = max(at, end)
        if open_ranges:
            close(open_ranges[-1][0], at, start)
        at = start
        open_ranges.append((i, stop))
    while open_ranges:
        owner, end = open_ranges.pop()
        close(owner, at, end)
        at = max(at, end)
    return owners, spans
