"""The local vocabulary by bytes: how the local tokenizer spells a string, which tokens extend one.

Knows bytes and ids only. A cloud proposes the same few thousand strings again and again, so every
answer is kept by its string: only a string that was never seen costs a call of the tokenizer.
"""

import string
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

TokenizeBytes = Callable[[bytes], Sequence[int]]
"""Token ids that join up to the given bytes; ValueError where no tokens do."""

_KEPT_STRINGS: Final = 1 << 16
_KEPT_VOCABULARIES: Final = 4
_SPACES: Final = b" \t\n\r\v\f"
_AFTER_SPACE: Final = {
    b"a": string.ascii_letters.encode(),
    b"1": string.digits.encode(),
    b"-": string.punctuation.encode(),
    "é".encode(): bytes(range(0x80, 0x100)),
}
"""What may follow white space, by an example of each kind of character that tokenizers know."""

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Kept(dict[Asked, Answer], Generic[Asked, Answer]):
    """Answers of a function by its argument; beyond `_KEPT_STRINGS` all are forgotten at once.

    Between two tokens a model has run through memory, and each object that an answer is reached by
    has to be fetched again: a dictionary has half as many of them as `lru_cache`, which also moves
    what it finds to the front of a list.
    """

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, asked: Asked) -> Answer:
        if len(self) >= _KEPT_STRINGS:
            self.clear()
        answer = self[asked] = self._answer(asked)
        return answer


class TokenIndex:
    """A vocabulary, and the spelling of byte strings in it.

    Attributes:
        pieces: bytes of each token by id; empty for tokens that are never text.
        end_ids: intp (what numpy indexes with) of shape (end tokens,).
        size: number of all tokens.
        own: the token that has exactly the given bytes; None without one.
        spell: the canonical spelling of a byte string, the one that the tokenizer writes; a tuple
            of ids, empty where the vocabulary has no tokens for some of the bytes.
        spell_pieces: the same as a tuple of byte strings.
        first: the first token of that spelling; a string that is a token is that token, so that
            between two equal vocabularies nothing is respelled. None without one.
        order: intp, all tokens that are text, by their bytes.
        extension_ranges: where in `order` the tokens stand that begin with the bytes of another
            one and are longer: from at twice its id, to beside that.
        rivals: intp, the tokens that begin a byte string or that it begins, but for `first` of it:
            what the first token may be instead once more bytes follow.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        end_ids: Sequence[int],
        tokenize: TokenizeBytes | None = None,
    ) -> None:
        """Sort the vocabulary.

        Args:
            pieces: bytes of each token by id.
            end_ids: tokens that end a text.
            tokenize: the model's own tokenizer; None: the longest token first, again and again.
        """
        ids = sorted((i for i, piece in enumerate(pieces) if piece), key=pieces.__getitem__)
        self.size = len(pieces)
        self.pieces = pieces
        self.end_ids: NDArray[np.intp] = np.array(sorted(end_ids), np.intp)
        self.order: NDArray[np.intp] = np.array(ids, np.intp)
        self._sorted = [pieces[i] for i in ids]
        # Of tokens with the same bytes the last is the one that a tokenizer produces: in
        # SentencePiece files the 256 byte tokens come before the pieces that spell them.
        self._ids = {pieces[i]: i for i in ids}
        self.extension_ranges = _extension_ranges(self._sorted, ids, self.size)
        self._pairs = _adjacent_bytes(self._sorted)
        self._longest = max(map(len, self._sorted), default=0)
        self._tokenize = tokenize or self._longest_match
        self.own = self._ids.get
        self.spell = _Kept(self._spell).__getitem__
        self.spell_pieces = _Kept(self._spell_pieces).__getitem__
        self.first = _Kept(self._first).__getitem__
        self.rivals = _Kept(self._rivals).__getitem__
        self._joining_space = _Kept(self._bytes_joining_space).__getitem__

    def joining_bytes(self, text: bytes) -> bytes:
        """Tell which bytes could follow the end of `text` inside of one token.

        Where none does, what is before and what comes after are spelled as each is alone: far
        cheaper to know than by spelling. After white space it is asked of the tokenizer: many
        split a run of it before a word, so that an empty line is one token before a number and
        two before a letter.

        Returns:
            A table of 256 entries, 0 for every byte that cannot.
        """
        if not text:
            return bytes(256)
        last = text[-1]
        if last in _SPACES and len(text) > 1 and text[-2] in _SPACES:
            return self._joining_space(text[len(text.rstrip(_SPACES)) :])
        return self._pairs[last << 8 : (last + 1) << 8]

    def _bytes_joining_space(self, space: bytes) -> bytes:
        """Make the table of `joining_bytes` after a run of white space."""
        joining = bytearray(self._pairs[space[-1] << 8 : (space[-1] + 1) << 8])
        alone = self._spell(space)
        for sample, alike in _AFTER_SPACE.items():
            if self._spell(space + sample)[: len(alone)] != alone:
                for byte in alike:
                    joining[byte] = 1
        return bytes(joining)

    def spell_after(
        self, text: bytes, pending: bytes, spelled: tuple[bytes, ...] | None
    ) -> tuple[int, ...]:
        """Spell what is left of `text` once its first bytes are written.

        Args:
            text: a token of the cloud, or several joined.
            pending: what is written of it.
            spelled: the local tokens that make up `pending`; None: they do not begin with it.

        Returns:
            Token ids; empty where `text` does not begin with `pending` in that spelling, ends
            with it, or cannot be spelled.
        """
        if not pending:
            token = self.own(text)
            return (token,) if token is not None else self.spell(text)
        if not text.startswith(pending):
            return ()
        if spelled is None:
            return self.spell_after(text[len(pending) :], b"", None)
        count = len(spelled)
        return self.spell(text)[count:] if self.spell_pieces(text)[:count] == spelled else ()

    def _spell(self, text: bytes) -> tuple[int, ...]:
        try:
            return tuple(self._tokenize(text))
        except ValueError:
            return ()

    def _spell_pieces(self, text: bytes) -> tuple[bytes, ...]:
        return tuple(self.pieces[token] for token in self.spell(text))

    def _first(self, text: bytes) -> int | None:
        token = self.own(text)
        if token is not None:
            return token
        tokens = self.spell(text)
        return tokens[0] if tokens else None

    def extensions(self, token: int) -> NDArray[np.intp]:
        """List the tokens that begin with the bytes of another one and are longer."""
        ranges = self.extension_ranges
        return self.order[ranges[2 * token] : ranges[2 * token + 1]]

    def _range_beyond(self, text: bytes) -> tuple[int, int]:
        """Find all tokens that `text` begins, but for itself: where in `order`."""
        after = _after(text)
        start = bisect_right(self._sorted, text)
        return start, bisect_left(self._sorted, after, start) if after else len(self._sorted)

    def _rivals(self, text: bytes) -> NDArray[np.intp]:
        beginnings = (self.own(text[:size]) for size in range(1, len(text) + 1))
        first = self.first(text)
        shorter = [token for token in beginnings if token is not None and token != first]
        start, stop = self._range_beyond(text)
        return np.concatenate([np.array(shorter, np.intp), self.order[start:stop]])

    def _longest_match(self, text: bytes) -> list[int]:
        tokens: list[int] = []
        while text:
            for length in range(min(len(text), self._longest), 0, -1):
                token = self.own(text[:length])
                if token is not None:
                    tokens.append(token)
                    text = text[length:]
                    break
            else:
                raise ValueError(f"the vocabulary has no token for byte {text[0]:#04x}")
        return tokens


class TokenizingModel(Protocol):
    """Model whose vocabulary an index is made of."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """Bytes of each token by id."""
        ...

    @property
    def end_ids(self) -> Sequence[int]:
        """Ids that end an answer."""
        ...

    def tokenize(self, data: bytes) -> Sequence[int]:
        """Tokens that join up to `data`; ValueError where none do."""
        ...


def index_vocabulary(model: TokenizingModel) -> TokenIndex:
    """Make the index of a model, or find it: sorting 150,000 strings once is enough."""
    return _kept_index(tuple(model.pieces), tuple(model.end_ids), model.tokenize)


@lru_cache(_KEPT_VOCABULARIES)
def _kept_index(
    pieces: tuple[bytes, ...], end_ids: tuple[int, ...], tokenize: TokenizeBytes
) -> TokenIndex:
    return TokenIndex(pieces, end_ids, tokenize)


def _adjacent_bytes(texts: Sequence[bytes]) -> bytes:
    """Make a table of all pairs of bytes: 1 for those that stand side by side in some text."""
    joined = np.frombuffer(b"".join(texts), np.uint8).astype(np.uint16)
    inside = np.ones(len(joined), bool)
    inside[np.cumsum([len(text) for text in texts], dtype=np.intp) - 1] = False
    pairs = np.zeros(1 << 16, np.uint8)
    pairs[(joined[:-1] << 8 | joined[1:])[inside[:-1]]] = 1
    return pairs.tobytes()


def _extension_ranges(texts: Sequence[bytes], ids: Sequence[int], size: int) -> "array[int]":
    """Find the range of longer texts that each of some sorted texts begins, by its token.

    In one block of memory instead of an object for each token, for the reason that `_Kept` gives.
    """
    ranges = array("i", bytes(4 * 2 * size))
    open_texts: list[int] = []
    for place, text in enumerate([*texts, b""]):
        while open_texts and not (text and text.startswith(texts[open_texts[-1]])):
            ranges[2 * ids[open_texts.pop()] + 1] = place
        open_texts.append(place)
    after = len(texts)
    for place in range(len(texts) - 1, -1, -1):
        if place + 1 == len(texts) or texts[place + 1] != texts[place]:
            after = place + 1
        ranges[2 * ids[place]] = after
    return ranges


def _after(text: bytes) -> bytes:
    """Find the least byte string greater than every extension of `text`; empty if none is."""
    text = text.rstrip(b"\xff")
    return text[:-1] + bytes([text[-1] + 1]) if text else b""
