"""The local vocabulary in byte order: which tokens begin, spell or extend a byte string.

Knows bytes and ids only. In byte order all extensions of a string are neighbours, so a candidate
of the cloud touches one range and a handful of shorter tokens instead of the whole vocabulary.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reach(NamedTuple):
    """What a byte string touches.

    Attributes:
        start, stop: its extensions (itself included) in `TokenIndex.order`.
        prefixes: ids of all tokens that are a strict prefix of it, shortest first.
    """

    start: int
    stop: int
    prefixes: tuple[int, ...]


class TokenIndex:
    """Sorted view of a vocabulary.

    Attributes:
        order: intp (what numpy indexes with) of shape (tokens with text,): ids in the order of
            their bytes.
        end_ids: intp of shape (end tokens,).
        size: number of all tokens.
        own: the token that spells a byte string; None without one.
    """

    def __init__(self, pieces: Sequence[bytes], end_ids: Sequence[int]) -> None:
        ids = sorted((i for i, piece in enumerate(pieces) if piece), key=pieces.__getitem__)
        self.size = len(pieces)
        self.order: NDArray[np.intp] = np.array(ids, np.intp)
        self.end_ids: NDArray[np.intp] = np.array(sorted(end_ids), np.intp)
        self._pieces = pieces
        self._sorted = [pieces[i] for i in ids]
        # Of tokens with the same bytes the last is the one that a tokenizer produces: in
        # SentencePiece files the 256 byte tokens come before the pieces that spell them.
        self._ids = {pieces[i]: i for i in ids}
        self.own = self._ids.get
        # A cloud proposes the same few thousand strings again and again.
        self.reach = lru_cache(maxsize=1 << 15)(self._reach)

    def spell(self, text: bytes) -> list[int]:
        """The longest token first, again and again; empty if some bytes have no token."""
        tokens: list[int] = []
        while text:
            token = self.own(text)
            if token is not None:
                return [*tokens, token]
            reach = self.reach(text)
            if not reach.prefixes:
                return []
            tokens.append(reach.prefixes[-1])
            text = text[len(self._pieces[reach.prefixes[-1]]) :]
        return tokens

    def _reach(self, text: bytes) -> Reach:
        start = bisect_left(self._sorted, text)
        after = _after(text)
        stop = bisect_left(self._sorted, after, start) if after else len(self._sorted)
        prefixes = [
            token for end in range(1, len(text)) if (token := self._ids.get(text[:end])) is not None
        ]
        return Reach(start, stop, tuple(prefixes))


def _after(text: bytes) -> bytes:
    """The least byte string that is greater than every extension of `text`; empty if none is."""
    text = text.rstrip(b"\xff")
    return text[:-1] + bytes([text[-1] + 1]) if text else b""
