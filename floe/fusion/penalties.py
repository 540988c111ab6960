"""Penalties on what an answer repeats: llama.cpp's repetition, frequency, presence and DRY.

Each lowers the logits of a few tokens: those that stand in the answer already, and with DRY
(Weidmann, text-generation-webui #5677; in llama.cpp `llama_sampler_dry`) those that would go on
with a passage that stands there. Only the answer counts, unlike in llama.cpp, where the prompt
does too: there the end tokens of the template and the words of the question would be punished.
On a fused distribution DRY can be kept to loops: a capable cloud names "the total number of" things
again and again, and rightly. Knows ids and logits, no models.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from floe.records import Sampling

_MOST_RETRACTED: Final = 64
"""Tokens that can be taken back: more than are ever written ahead."""
_LONGEST_BREAKER: Final = 40
"""Bytes of a sequence breaker that count, as in llama.cpp."""
_FLOAT_MAX_LOG: Final = 88.7228391
"""Logarithm of the largest float32: llama.cpp keeps the power of DRY below it."""


class Shift(NamedTuple):
    """Changes of a few logits.

    Attributes:
        ids: intp of shape (tokens,), each once.
        by: float64 of the same shape, added to the logits.
    """

    ids: NDArray[np.intp]
    by: NDArray[np.float64]


class Penalties:
    """Repetition penalties of one answer, by what it repeats so far."""

    def __init__(self, sampling: Sampling, pieces: tuple[bytes, ...]) -> None:
        """Begin an answer; `pieces` are the bytes of each token by id."""
        self._sampling = sampling
        self._history: list[int] = []
        self._counting = _counts_tokens(sampling)
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._dry = _looks_for_passages(sampling)
        self._pieces = pieces
        texts = sampling.dry_breakers if self._dry else ()
        self._breakers = _breakers(pieces, texts) if texts else _NO_BREAKERS
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        # For each place that an end of the answer agrees with the text before it: how many tokens.
        self._matches: dict[int, int] = {}
        self._before: deque[dict[int, int]] = deque(maxlen=_MOST_RETRACTED)
        exponent = math.log(sampling.dry_base) if sampling.dry_base > 1.000001 else 0.0
        self._most_exponent = int(_FLOAT_MAX_LOG / exponent) if exponent else None

    @staticmethod
    def are_asked_for(sampling: Sampling) -> bool:
        """Return whether these settings punish anything."""
        return _counts_tokens(sampling) or _looks_for_passages(sampling)

    def accept(self, token: int) -> None:
        """Add the answer's next token."""
        place = len(self._history)
        self._history.append(token)
        if self._counting:
            self._counts[token] += 1
            last = self._sampling.penalty_last_n
            if 0 < last <= place:
                self._uncount(self._history[place - last])
        if self._dry:
            before = self._matches
            self._before.append(before)
            if self._ends_breaker(token):
                # What stands before a breaker is part of no repetition after it.
                self._matches = {}
            else:
                places = self._places[token]
                self._matches = {i + 1: before.get(i, 0) + 1 for i in places}
            self._places[token].append(place)

    def retract(self) -> None:
        """Take the last token back; at most as many in a row as are written ahead."""
        token = self._history.pop()
        place = len(self._history)
        if self._counting:
            self._uncount(token)
            last = self._sampling.penalty_last_n
            if 0 < last <= place:
                self._counts[self._history[place - last]] += 1
        if self._dry:
            self._matches = self._before.pop()
            self._places[token].pop()

    @contextmanager
    def after(self, tokens: Sequence[int]) -> Iterator[None]:
        """Look at the answer as if these tokens were there already."""
        for token in tokens:
            self.accept(token)
        try:
            yield
        finally:
            for _ in tokens:
                self.retract()

    def shift(
        self,
        logits_of: Callable[[NDArray[np.intp]], NDArray[np.float64]],
        *,
        least_share: float = 0.0,
    ) -> Shift | None:
        """Return what is to be added to the logits of the next token; None: nothing.

        Args:
            logits_of: gives the logits of some tokens, float64 of the shape of the ids.
            least_share: DRY lets a passage pass that is less than this share of all that was
                written since it began there before. An exact loop comes to 1, one with a number
                that counts up to nearly as much, and what is said again later on to far less.
        """
        dry = self._dry_penalties(least_share) if self._dry else {}
        if not self._counts and not dry:
            return None
        tokens = [*self._counts, *(token for token in dry if token not in self._counts)]
        ids = np.array(tokens, np.intp)
        # Few numbers: numpy's dozen calls would take several times as long as this loop.
        by = self._counted(logits_of(ids[: len(self._counts)])) if self._counts else []
        by += [0.0] * (len(tokens) - len(by))
        if dry:
            by = [change - dry.get(token, 0.0) for token, change in zip(tokens, by, strict=True)]
        return Shift(ids, np.array(by, np.float64))

    def _counted(self, logits: NDArray[np.float64]) -> list[float]:
        """Repetition, frequency and presence (llama.cpp, `llama_sampler_penalties_apply`).

        Args:
            logits: of the tokens that are counted, in their order.
        """
        sampling = self._sampling
        repeat, frequency = sampling.repeat_penalty, sampling.frequency_penalty
        presence = sampling.presence_penalty
        by = []
        for logit, count in zip(logits.tolist(), self._counts.values(), strict=True):
            # A token of probability 0 stays there: minus infinity less itself is no number.
            scaled = (logit * repeat if logit <= 0 else logit / repeat) - logit
            by.append((scaled if math.isfinite(scaled) else 0.0) - count * frequency - presence)
        return by

    def _dry_penalties(self, least_share: float) -> dict[int, float]:
        """Compute what DRY takes off the logits, by token.

        Args:
            least_share: as of `shift`.
        """
        sampling = self._sampling
        allowed = sampling.dry_allowed_length
        written = len(self._history)
        start = max(0, written - sampling.dry_range) if sampling.dry_range > 0 else 0
        longest: dict[int, int] = {}
        for end, length in self._matches.items():
            within = min(length, end - start)
            if within >= allowed and within >= least_share * (written - end):
                token = self._history[end]
                if within > longest.get(token, 0) and token not in self._breakers.single:
                    longest[token] = within
        return {token: self._dry_penalty(length - allowed) for token, length in longest.items()}

    def _dry_penalty(self, exponent: int) -> float:
        if self._most_exponent is not None:
            exponent = min(exponent, self._most_exponent)
        return self._sampling.dry_multiplier * self._sampling.dry_base**exponent

    def _ends_breaker(self, token: int) -> bool:
        """Return whether a breaker ends in this token, the answer's last."""
        breakers = self._breakers
        if token in breakers.single or not breakers.texts:
            return token in breakers.single
        last = len(self._pieces[token])
        text = b""
        for earlier in reversed(self._history):
            text = self._pieces[earlier] + text
            if len(text) >= last + _LONGEST_BREAKER:
                break
        return any(breaker in text[-(last + len(breaker) - 1) :] for breaker in breakers.texts)

    def _uncount(self, token: int) -> None:
        self._counts[token] -= 1
        if not self._counts[token]:
            del self._counts[token]


def _counts_tokens(sampling: Sampling) -> bool:
    """Return whether any penalty goes by how often a token stands there."""
    return sampling.penalty_last_n != 0 and (
        sampling.repeat_penalty != 1
        or sampling.frequency_penalty != 0
        or sampling.presence_penalty != 0
    )


def _looks_for_passages(sampling: Sampling) -> bool:
    """Return whether DRY is on."""
    return sampling.dry_multiplier > 0 and sampling.dry_range != 0


class _Breakers(NamedTuple):
    """Texts across which nothing counts as a repetition.

    Attributes:
        single: tokens that hold a whole breaker.
        texts: breakers of more than one byte, which can lie in several tokens.
    """

    single: frozenset[int]
    texts: tuple[bytes, ...]


_NO_BREAKERS: Final = _Breakers(frozenset(), ())


@lru_cache(maxsize=4)
def _breakers(pieces: tuple[bytes, ...], texts: tuple[str, ...]) -> _Breakers:
    """Find the tokens that hold a breaker."""
    breakers = [made for text in texts if (made := text.encode()[:_LONGEST_BREAKER])]
    single = {i for i, piece in enumerate(pieces) if any(each in piece for each in breakers)}
    return _Breakers(frozenset(single), tuple(each for each in breakers if len(each) > 1))
