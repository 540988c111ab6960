"""The exact bytes of every token of a llama.cpp vocabulary, and text to tokens without loss.

Knows nothing of contexts or logits. SentencePiece models write a space before a text and BPE
models may normalise it; what this module returns always joins up to the bytes that went in.
"""

import codecs
import ctypes
import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from llama_cpp import llama_cpp as lib

_CONTROL = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNUSED
# A newline is a token of its own in every SentencePiece vocabulary: it takes the dummy space
# that is put before a text, so that the text behind it is tokenised as a continuation.
_SENTINEL = b"\n"


class Vocabulary:
    """Token bytes and flags of one loaded model.

    Attributes:
        pieces: bytes of each token as they appear in text; empty for control tokens.
        end_ids: ids of all end-of-generation tokens.
        control_texts: spelling of each control token, by id (`<|im_end|>`).
        bos_text, eos_text: spelling of the tokens that begin and end a text; "" without one.
    """

    def __init__(self, handle: lib.llama_vocab_p) -> None:
        self._handle = handle
        size = lib.llama_vocab_n_tokens(handle)
        pieces: list[bytes] = []
        self.control_texts: dict[int, str] = {}
        end_ids = []
        for token in range(size):
            control = bool(lib.llama_vocab_get_attr(handle, token) & _CONTROL)
            piece = self._piece(token)
            if lib.llama_vocab_is_eog(handle, token):
                end_ids.append(token)
                control = True
            if control and piece:
                self.control_texts[token] = piece.decode("utf-8", "replace")
            pieces.append(b"" if control else piece)
        self.pieces: Sequence[bytes] = tuple(pieces)
        self.end_ids: Sequence[int] = tuple(end_ids)
        self.bos_text = self.control_texts.get(lib.llama_vocab_bos(handle), "")
        self.eos_text = self.control_texts.get(lib.llama_vocab_eos(handle), "")

    def __len__(self) -> int:
        return len(self.pieces)

    def _piece(self, token: int) -> bytes:
        buffer = ctypes.create_string_buffer(64)
        length = lib.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, True)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = lib.llama_token_to_piece(self._handle, token, buffer, len(buffer), 0, True)
        return buffer.raw[:length]

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 over all token bytes: two models with the same one share a vocabulary.

        Trailing padding rows are left out: files of one family are padded to different sizes.
        """
        digest = hashlib.sha256()
        used = max((i for i, piece in enumerate(self.pieces) if piece), default=-1) + 1
        for piece in self.pieces[:used]:
            digest.update(len(piece).to_bytes(4, "little") + piece)
        return digest.hexdigest()

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        """Id of each byte string; of several the last, as in `fusion.index.TokenIndex`."""
        return {piece: token for token, piece in enumerate(self.pieces) if piece}

    @cached_property
    def _longest(self) -> int:
        return max((len(piece) for piece in self._ids), default=0)

    def detokenize(self, tokens: Iterable[int]) -> bytes:
        """Return the exact bytes of `tokens`; control tokens have none."""
        return b"".join(self.pieces[token] for token in tokens)

    def tokenize(self, data: bytes) -> list[int]:
        """Tokens that continue a text by exactly `data`; control spellings stay plain text.

        `data` may begin or end inside a UTF-8 character: those bytes are covered by the longest
        tokens that fit, the rest by the model's own tokenizer.

        Raises:
            ValueError: the vocabulary has no tokens for some of the bytes.
        """
        head, middle, tail = _split_utf8(data)
        tokens = self._longest_match(head)
        if middle:
            tokens += self._continuation(middle)
        return tokens + self._longest_match(tail)

    def tokenize_prompt(self, text: str, *, parse_special: bool, add_bos: bool) -> list[int]:
        """Tokens of a rendered chat template, as llama.cpp's own front ends make them."""
        return self._raw(text.encode(), add_special=add_bos, parse_special=parse_special)

    def _continuation(self, data: bytes) -> list[int]:
        tokens = self._raw(data)
        if self.detokenize(tokens) == data:
            return tokens
        tokens = self._raw(_SENTINEL + data)
        for i, token in enumerate(tokens):
            if self.pieces[token] == _SENTINEL:
                if self.detokenize(tokens[i + 1 :]) == data:
                    return tokens[i + 1 :]
                break
        return self._longest_match(data)

    def _longest_match(self, data: bytes) -> list[int]:
        tokens = []
        start = 0
        while start < len(data):
            for end in range(min(len(data), start + self._longest), start, -1):
                token = self._ids.get(data[start:end])
                if token is not None:
                    tokens.append(token)
                    start = end
                    break
            else:
                raise ValueError(f"the vocabulary has no token for byte {data[start]:#04x}")
        return tokens

    def _raw(
        self, data: bytes, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        room = len(data) + 8
        while True:
            buffer = np.empty(room, np.int32)
            pointer = buffer.ctypes.data_as(ctypes.POINTER(lib.llama_token))
            count = lib.llama_tokenize(
                self._handle, data, len(data), pointer, room, add_special, parse_special
            )
            if count >= 0:
                return [int(token) for token in buffer[:count]]
            room = -count


def _split_utf8(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut off the pieces of characters at both ends; a middle that is not UTF-8 joins the head."""
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        middle = decoder.decode(data[start:]).encode()
    except UnicodeDecodeError:
        return data, b"", b""
    return data[:start], middle, data[start + len(middle) :]
