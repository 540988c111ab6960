"""The cloud's candidates, byte strings of another tokenizer, as a distribution over local tokens.

The target is the probability, under the cloud, that the next token of the text *as the local
tokenizer would spell it* is t (compare ByteSampler, Hayase et al. 2025, which computes it exactly
from a model's full distributions; here there are only the candidates of the positions that a
stream has passed). Four rules:

- *canonical spelling*: a candidate gives its mass to the first token of its spelling; after
  pending bytes to the next one, and only if its spelling begins with the tokens that stand there.
  A candidate that is a local token is that token, so that between two models with one vocabulary
  the projection is exact;
- *lookahead*: what follows the stream's own token can change its spelling: "un" is the beginning
  of "unbelievable", and " corn" is one token where " corns" is " cor" and "ns". The stream's next
  distribution says what follows, and the mass moves to the tokens that are written then; inside of
  a word, where that is not settled yet, the ones after it (" O", "ph", "elia" against " Op", "hel",
  "ia"). They are asked for wherever such a token has a say under the local model, so that the
  result does not depend on whether they have arrived;
- *sharing*: of other candidates no next distribution is known. They may be the beginning of a
  longer local token that the cloud's vocabulary does not have: their mass is shared between the
  two in the local model's proportions, with a prior for that vocabulary;
- *tail*: what the cloud left unsaid goes to all local tokens that got nothing, flatter than the
  local model has them: what that one likes best, and the cloud did not say, is mostly not what it
  meant. Of those far below the best the proportions are the local model's: a constant factor on
  them, which never needs to be written out.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.fusion.index import TokenIndex
from floe.records import CloudToken

Ids = NDArray[np.intp]
Mass = NDArray[np.float64]
Successor = Callable[[int], CloudToken | None]
"""Gives the distribution after so many of the stream's own tokens; None: not to be had in time."""
Spelled = tuple[bytes, ...]
"""Pieces of the local tokens written since a boundary of the stream."""

PENDING_TAIL: Final = 0.02
"""Mass left for the unknown when candidates are cut down to those that fit the pending bytes."""
MIN_TAIL: Final = 1e-6
"""Rounded log-probabilities can add up to 1; no token of the vocabulary is impossible."""
LOOKAHEAD_SHARE: Final = 0.01
"""Local mass of all tokens that a token may still turn into, as a share of its own, from which on
they have a say. A share of the best local token's would leave out words that the local model knows
nothing of: "s" and "sky" alike, of which the cloud has just begun one."""
MOST_ROWS_AHEAD: Final = 4
"""Beyond these a word is waited for no longer."""
LONGER_PRIOR: Final = 0.2
"""Prior probability that the cloud has no token for an extension of its candidate, and would have
begun it with the candidate. Chosen with the two below on 16 GSM8K answers of even number (bits per
byte at weight 0 with 0.1, 0.2: 0.5967, 0.5963; at weight 0.5: 0.5410, 0.5407)."""
BEGUN_PRIOR: Final = 0.5
"""The same of a candidate that is the rest of a token: no vocabulary was made for rests."""
MOST_SHARED: Final = 0.9
"""Of the mass of a candidate, unless it is the rest of a token."""
_LEAST_SHARED: Final = 0.002
"""Probability below which a candidate is not worth the look."""
_FEW_EXTENSIONS: Final = 8
"""Up to these all of them share, beyond the likeliest alone."""
_MOST_EXTENSIONS: Final = 2000
"""Beyond these it costs time and changes nothing."""
TAIL_DEPTH: Final = 0.02
"""Of the tail, tokens within this share of the likeliest one have the square root of theirs. Chosen
with that power on answers to 40 questions of fact, 24 sums and 12 of Python."""
_SMALL_TAIL: Final = 1e-3
"""A smaller one is not worth the look."""
LEAST_REST: Final = 1e-9
"""Less local probability than this in all unnamed tokens together is none: the named ones are the
whole vocabulary, and the tail is not heaped on what is left."""
_ROUNDED_UP: Final = 1 + 1e-6
_NOTHING: Final = 1e-12
"""Less mass than this of all candidates that fit is what rounding leaves of none."""


class Projection(NamedTuple):
    """A distribution over the local vocabulary that touches few tokens.

    Attributes:
        ids: intp of shape (touched,), without repetition.
        mass: float64 of shape (touched,): probability of each.
        tail: probability of all other tokens together, shared in proportion to the local model.
        likely: so many of the last `ids` have a part of what the cloud left unsaid, and nothing
            else.
        rest: sum of the projected `local` over all other tokens; None: it was not needed.
        taken: float32, what `local` had of each of `ids`, where it was taken out (see `project`).
        most_rest: no other token has more in `local`.
    """

    ids: Ids
    mass: Mass
    tail: float
    likely: int = 0
    rest: float | None = None
    taken: NDArray[np.float32] | None = None
    most_rest: float = math.inf


class Projector:
    """Projects the cloud's distributions onto one local vocabulary."""

    def __init__(self, index: TokenIndex) -> None:
        """Project onto the vocabulary of `index`."""
        self._index = index
        self._likely = np.empty(index.size, bool)

    def project(
        self,
        row: CloudToken,
        pending: bytes,
        local: NDArray[np.float32],
        *,
        spelled: Spelled | None = None,
        successor: Successor | None = None,
        take_out: bool = False,
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
            successor: see `Successor`; None: no lookahead, and nothing is shared.
            take_out: `local` loses the tokens that the projection names, which `pool` would do
                next: what is put back and taken out again would have to be written twice.

        Returns:
            A projection whose mass and tail sum to 1.
        """
        if pending:
            masses, silent, total = self._attribute_pending(row, pending, spelled)
        else:
            masses, silent, total = self._attribute(row, local)
        if successor is not None:
            own = row.text_bytes
            goes_on = not row.end and own.startswith(pending) and len(own) > len(pending)
            token = self._next_token(own, pending, spelled, row.restored) if goes_on else None
            self._share(masses, self._begun(row, pending, spelled), token, local)
            if goes_on and self._may_change(own[len(pending) :], token, local):
                total += self._look_ahead(row, pending, spelled, token, successor, local, masses)
        if total <= _NOTHING:
            none = np.empty(0, np.float32) if take_out else None
            return Projection(np.empty(0, np.intp), np.empty(0, np.float64), 1.0, taken=none)
        ids = np.fromiter(masses, np.intp, len(masses))
        values = np.fromiter(masses.values(), np.float64, len(masses))
        wanted = 1 - PENDING_TAIL if pending else min(total, 1 - MIN_TAIL)
        scale = wanted / total
        if scale != 1:
            values *= scale
        projection = self._share_tail(ids, values, 1 - wanted + silent * scale, local)
        if take_out:
            return projection
        assert projection.taken is not None
        local[projection.ids] = projection.taken
        return projection._replace(taken=None)

    def _share_tail(
        self, ids: Ids, values: Mass, tail: float, local: NDArray[np.float32]
    ) -> Projection:
        """Name the likeliest of the other tokens, with what they have of the tail.

        Each has the square root of x, x being its local probability as a share of the likeliest
        one's, down to a depth d; below that x / sqrt(d), so that nothing jumps there.

        Args:
            ids: tokens that are named already.
            values: their mass.
            tail: of all others.
            local: as of `project`; the named tokens are taken out.
        """
        named = local.take(ids)
        local[ids] = 0.0
        if tail < _SMALL_TAIL or not len(ids):
            return Projection(ids, values, tail, taken=named)
        largest = float(local[local.argmax()])
        if largest <= LEAST_REST * max(named.tolist()):
            return Projection(ids, values, tail, taken=named)
        least = TAIL_DEPTH * largest
        likely = np.greater(local, least, out=self._likely).nonzero()[0]
        taken = local.take(likely)
        local[likely] = 0.0
        rest = float(np.add.reduce(local))
        shares = np.sqrt(taken.astype(np.float64) / largest)
        others = rest / largest / math.sqrt(TAIL_DEPTH)
        unit = tail / (float(np.add.reduce(shares)) + others)
        return Projection(
            np.concatenate((ids, likely)),
            np.concatenate((values, shares * unit)),
            others * unit,
            len(likely),
            rest,
            np.concatenate((named, taken)),
            # Both sides of the comparison were rounded to float32.
            least * _ROUNDED_UP,
        )

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
            text = candidate.text_bytes
            if candidate.end or not text.startswith(pending):
                continue
            token = None
            if len(text) > len(pending):
                token = self._next_token(text, pending, spelled, candidate.restored)
                if token is None:
                    continue
            mass = math.exp(min(candidate.logprob, 0.0))
            total += mass
            if token is None:
                silent += mass
            else:
                masses[token] = masses.get(token, 0.0) + mass
        return masses, silent, total

    def _next_token(
        self, text: bytes, pending: bytes, spelled: Spelled | None, restored: bool = False
    ) -> int | None:
        """Find the token of `text`'s spelling after `pending`; None if it has none.

        Words that stand for a placeholder (`restored`) are given bytes: what is left of them is
        spelled by itself where they were begun in another way.
        """
        if not pending:
            return self._index.first(text)
        tokens = self._index.spell_after(text, pending, spelled)
        if restored and not tokens:
            tokens = self._index.spell_after(text, pending, None)
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
        token: int | None,
        successor: Successor,
        local: NDArray[np.float32],
        masses: dict[int, float],
    ) -> float:
        """Move the mass of the stream's own token to what is written once more bytes follow.

        `token` is the one that the own token gives its mass to if nothing follows; without one it
        is no candidate for this place by itself, but may be with what follows. Changes `masses`.

        Returns:
            How much the mass of all tokens together has grown.
        """
        text = row.text_bytes
        mass = _mass_of(row, text)
        grown = 0.0
        for ahead in range(1, MOST_ROWS_AHEAD + 1):
            following = successor(ahead) if mass > 0 else None
            if following is None:
                break
            joining = self._index.joining_bytes(text)
            for candidate in following.candidates:
                more = candidate.text_bytes
                if not more or not joining[more[0]]:
                    continue
                other = self._next_token(text + more, pending, spelled, row.restored)
                if other == token:
                    continue
                moved = mass * math.exp(min(candidate.logprob, 0.0))
                if token is not None:
                    moved = min(moved, masses.get(token, 0.0))
                    masses[token] = masses.get(token, 0.0) - moved
                    grown -= moved
                if other is not None:
                    masses[other] = masses.get(other, 0.0) + moved
                    grown += moved
            own = following.text_bytes
            if following.end or not own or not joining[own[0]]:
                break
            mass *= _mass_of(following, own)
            text += own
            token = self._next_token(text, pending, spelled, row.restored)
            if not self._may_change(text[len(pending) :], token, local):
                break
        return grown

    def _may_change(self, rest: bytes, token: int | None, local: NDArray[np.float32]) -> bool:
        """Tell whether what follows `rest` can change its first token, and it matters."""
        if token is None:
            return True
        rivals = self._index.rivals(rest)
        if not len(rivals):
            return False
        return float(np.add.reduce(local.take(rivals))) > LOOKAHEAD_SHARE * float(local[token])

    def _begun(self, row: CloudToken, pending: bytes, spelled: Spelled | None) -> dict[int, float]:
        """Mass of candidates that are the rest of a token, by local token."""
        begun: dict[int, float] = {}
        for candidate in row.candidates:
            if candidate.begun and candidate.text_bytes.startswith(pending):
                token = self._next_token(candidate.text_bytes, pending, spelled)
                if token is not None:
                    mass = math.exp(min(candidate.logprob, 0.0))
                    begun[token] = begun.get(token, 0.0) + mass
        return begun

    def _share(
        self,
        masses: dict[int, float],
        begun: dict[int, float],
        own: int | None,
        local: NDArray[np.float32],
    ) -> None:
        """Share mass of every token but `own` with its extensions.

        Not with one that a candidate stands for: the cloud would have said that itself.

        Args:
            masses: of all tokens; changed.
            begun: how much of that is of candidates that are the rest of a token.
            own: the token of the stream's own, whose next distribution is known.
            local: as of `project`.
        """
        index = self._index
        ranges, order, weight_of = index.extension_ranges, index.order, local.item
        gained: dict[int, float] = {}
        longer: Sequence[int]
        for token, mass in masses.items():
            if mass <= _LEAST_SHARED or token == own:
                continue
            start, stop = ranges[2 * token], ranges[2 * token + 1]
            count = stop - start
            if not 0 < count < _MOST_EXTENSIONS:
                continue
            rest = min(begun.get(token, 0.0) / mass, 1.0) if begun else 0.0
            if count == 1:
                longer = (order.item(start),)
            elif count > _FEW_EXTENSIONS and not rest:
                ids = order[start:stop]
                longer = (ids.item(local.take(ids).argmax()),)
            else:
                longer = order[start:stop].tolist()
            total = 0.0
            pairs = []
            for i in longer:
                if i not in masses:
                    weight = weight_of(i)
                    total += weight
                    pairs.append((i, weight))
            if total <= 0:
                continue
            prior = LONGER_PRIOR + rest * (BEGUN_PRIOR - LONGER_PRIOR)
            moved = prior * total / (prior * total + (1 - prior) * weight_of(token))
            moved = mass * (moved if rest else min(moved, MOST_SHARED))
            for i, weight in pairs:
                share = moved * weight / total
                gained[i] = gained[i] + share if i in gained else share
            masses[token] = mass - moved
        masses.update(gained)


def _mass_of(row: CloudToken, text: bytes) -> float:
    """Add up the probability of one token of a distribution."""
    return sum(
        math.exp(min(candidate.logprob, 0.0))
        for candidate in row.candidates
        if candidate.text_bytes == text and not candidate.end
    )
