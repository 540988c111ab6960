"""The cloud's candidates, byte strings of another tokenizer, as a distribution over local tokens.

The target is the probability, under the cloud, that the next token of the text *as the local
tokenizer would spell it* is t (compare ByteSampler, Hayase et al. 2025, which computes it exactly
from a model's full distributions; here there are only the candidates of the positions that a
stream has passed). Three rules:

- *canonical spelling*: a candidate gives its mass to the first token of its spelling; after
  pending bytes to the next one, and only if its spelling begins with the tokens that stand there.
  A candidate that is a local token is that token, so that between two models with one vocabulary
  the projection is exact;
- *lookahead*: the stream's own token may be the beginning of a longer local token ("un" of
  "unbelievable"). Into which one it grows is what the stream's next distribution says, and the
  mass moves there. It is asked for wherever an extension has a say under the local model, so that
  the result does not depend on whether it has arrived;
- *sharing*: of other candidates no next distribution is known. A tenth of their mass is shared
  between their token and its likeliest extension, in the local model's proportions: enough for
  " kil" to let " kilow" be, too little to cost much where the token stays what it is;
- *tail*: what the cloud left unsaid goes to all local tokens that got nothing, in proportion to
  the local model: a constant factor on them, which never needs to be written out.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.index import TokenIndex
from floe.records import CloudToken

Ids = NDArray[np.intp]
Mass = NDArray[np.float64]
Successor = Callable[[], CloudToken | None]
"""Gives the distribution after the stream's own token; None: it is not to be had in time."""
Spelled = tuple[bytes, ...]
"""Pieces of the local tokens written since a boundary of the stream."""

PENDING_TAIL: Final = 0.02
"""Mass left for the unknown when candidates are cut down to those that fit the pending bytes."""
MIN_TAIL: Final = 1e-6
"""Rounded log-probabilities can add up to 1; no token of the vocabulary is impossible."""
LOOKAHEAD_SHARE: Final = 0.01
"""Local mass of all extensions of a token, as a share of the best local token's, from which on
they have a say."""


SHARED: Final = 0.1
"""Of a candidate's mass. Chosen on six GSM8K answers (bits per byte at weight 0 with 0, 0.1, 0.3,
0.6: 0.4736, 0.4703, 0.4699, 0.4702; at weight 0.5: 0.4301, 0.4291, 0.4295, 0.4301)."""
_LEAST_SHARED: Final = 0.02
_FEW_EXTENSIONS: Final = 8
"""Up to these all of them share, beyond the likeliest alone."""
_MOST_EXTENSIONS: Final = 2000
"""Beyond these it costs time and changes nothing."""


class Projection(NamedTuple):
    """A distribution over the local vocabulary that touches few tokens.

    Attributes:
        ids: intp of shape (touched,), without repetition.
        mass: float64 of shape (touched,): probability of each.
        tail: probability of all other tokens together, shared in proportion to the local model.
    """

    ids: Ids
    mass: Mass
    tail: float


class Projector:
    """Projects the cloud's distributions onto one local vocabulary."""

    def __init__(self, index: TokenIndex) -> None:
        """Project onto the vocabulary of `index`."""
        self._index = index

    def project(
        self,
        row: CloudToken,
        pending: bytes,
        local: NDArray[np.float32],
        *,
        spelled: Spelled | None = None,
        successor: Successor | None = None,
    ) -> Projection:
        """Turn the cloud's distribution into one over local tokens.

        With nothing pending the tail is what the listed candidates leave. Otherwise those that
        begin with `pending` are renormalised; one that *is* `pending` says nothing about what
        follows, so its mass joins the tail.

        Args:
            row: candidates of one cloud token.
            pending: bytes of the fused text since the start of that token.
            local: float32 of shape (vocabulary,), proportional to the local probabilities.
            spelled: the local tokens that make up `pending`; None: they do not begin with it.
            successor: see `Successor`; None: no lookahead.

        Returns:
            A projection whose mass and tail sum to 1.
        """
        if pending:
            masses, silent, total = self._attribute_pending(row, pending, spelled)
        else:
            masses, silent, total = self._attribute(row, local)
        if total <= 0:
            return Projection(np.empty(0, np.intp), np.empty(0, np.float64), 1.0)
        if successor is not None and not row.end:
            self._look_ahead(row, pending, spelled, local, successor, masses)
        ids = np.fromiter(masses, np.intp, len(masses))
        values = np.fromiter(masses.values(), np.float64, len(masses))
        wanted = 1 - PENDING_TAIL if pending else min(total, 1 - MIN_TAIL)
        scale = wanted / total
        if scale != 1:
            values *= scale
        return Projection(ids, values, 1 - wanted + silent * scale)

    def _attribute(
        self, row: CloudToken, local: NDArray[np.float32]
    ) -> tuple[dict[int, float], float, float]:
        """Mass of each local token, mass that fits none, and both together.

        One loop: after each evaluation of a model all of this has to come from memory again, and
        what counts is how often something new is looked at.
        """
        first = self._index.first
        exp = math.exp
        masses: dict[int, float] = {}
        end = silent = total = 0.0
        for candidate in row.candidates:
            logprob = candidate.logprob
            mass = exp(logprob) if logprob < 0 else 1.0
            total += mass
            if candidate.end:
                end += mass
                continue
            token = first(candidate.text_bytes)
            if token is None:
                silent += mass
            else:
                masses[token] = masses[token] + mass if token in masses else mass
        if end > 0:
            silent += self._share_end(end, local, masses)
        return masses, silent, total

    def _attribute_pending(
        self, row: CloudToken, pending: bytes, spelled: Spelled | None
    ) -> tuple[dict[int, float], float, float]:
        """As `_attribute`, of the candidates that begin with `pending` in this spelling."""
        masses: dict[int, float] = {}
        silent = total = 0.0
        for candidate in row.candidates:
            if candidate.end or not candidate.text_bytes.startswith(pending):
                continue
            if len(candidate.text_bytes) > len(pending):
                token = self._next_token(candidate.text_bytes, pending, spelled)
                if token is None:
                    continue
            else:
                token = None
            mass = math.exp(min(candidate.logprob, 0.0))
            total += mass
            if token is None:
                silent += mass
            else:
                masses[token] = masses.get(token, 0.0) + mass
        return masses, silent, total

    def _next_token(self, text: bytes, pending: bytes, spelled: Spelled | None) -> int | None:
        """The token of `text`'s spelling after `pending`; None if it has none."""
        if not pending:
            return self._index.first(text)
        tokens = self._index.spell_after(text, pending, spelled)
        return tokens[0] if tokens else None

    def _share_end(
        self, mass: float, local: NDArray[np.float32], masses: dict[int, float]
    ) -> float:
        """Give the cloud's end to the local end tokens; returns what could not be given."""
        ends = self._index.end_ids
        if not len(ends):
            return mass
        share = local[ends].astype(np.float64)
        total = share.sum()
        share = share / total if total > 0 else np.full(len(ends), 1 / len(ends))
        for token, part in zip(ends.tolist(), (mass * share).tolist(), strict=True):
            masses[token] = masses.get(token, 0.0) + part
        return 0.0

    def _look_ahead(
        self,
        row: CloudToken,
        pending: bytes,
        spelled: Spelled | None,
        local: NDArray[np.float32],
        successor: Successor,
        masses: dict[int, float],
    ) -> None:
        """Move the mass of the stream's own token on to the longer tokens it will become."""
        own = row.text_bytes
        token = self._next_token(own, pending, spelled)
        self._share_with_extensions(masses, token, local)
        if token is None or token not in masses:
            return
        piece = self._index.pieces[token]
        if len(own) != len(pending) + len(piece):
            return  # more of its own tokens follow first
        ids, next_bytes = self._index.extensions(token)
        if not len(ids) or local[ids].sum() <= LOOKAHEAD_SHARE * local.max():
            return
        following = successor()
        if following is None:
            return
        own_mass = sum(
            math.exp(min(c.logprob, 0.0))
            for c in row.candidates
            if c.text_bytes == own and not c.end
        )
        for candidate in following.candidates:
            text = candidate.text_bytes
            if not text or text[0] not in next_bytes:
                continue
            longer = self._next_token(own + text, pending, spelled)
            if longer is not None and longer != token:
                moved = own_mass * math.exp(min(candidate.logprob, 0.0))
                moved = min(moved, masses[token])
                masses[token] -= moved
                masses[longer] = masses.get(longer, 0.0) + moved

    def _share_with_extensions(
        self, masses: dict[int, float], own: int | None, local: NDArray[np.float32]
    ) -> None:
        """Share mass of every token but `own` with its likeliest extensions.

        Not with one that a candidate stands for: the cloud would have said that itself.
        """
        likely = [(t, m) for t, m in masses.items() if m > _LEAST_SHARED and t != own]
        named = set(masses)
        for token, mass in likely:
            ids = self._index.extensions(token).ids
            if not 0 < len(ids) < _MOST_EXTENSIONS:
                continue
            if len(ids) > _FEW_EXTENSIONS:
                ids = ids[local[ids].argmax()][None]
            weights = {i: float(local[i]) for i in ids.tolist() if i not in named}
            total = sum(weights.values())
            if total <= 0:
                continue
            share = SHARED * mass / (total + float(local[token]))
            for longer, weight in weights.items():
                masses[longer] = masses.get(longer, 0.0) + share * weight
            masses[token] -= share * total
