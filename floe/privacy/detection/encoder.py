"""What a text is about and whom it names, read by a small transformer.

The first four layers of all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Apache-2.0), trained
further on the texts of `data/privacy`; `training/encoder.py` makes the weights. Computed in numpy,
as one text takes some ten milliseconds and no library of tensors has to be loaded. Knows neither
rules nor what is done about a verdict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any, Final

import numpy as np
import regex
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from floe.privacy.detection.features import windows
from floe.privacy.detection.names import Name

Floats = NDArray[np.float32]

FORMS: Final = ("", "full", "given", "small", "ambiguous", "unknown", "public")
"""What lists say of a word, in the order of the rows of `form.weight`; the first: it is no name."""
STRETCH: Final = 440
"""Characters of a text that is read as a whole."""
STRETCH_OF_LONG: Final = 260
"""Characters of the stretches in which a longer one is read: of 96 private messages among three
harmless ones 79 are found so, 73 in stretches of the length above."""
MOST_PIECES: Final = 192
"""A stretch of more word pieces, as one of symbols alone would be, is read in two."""
_LETTER: Final = regex.compile(r"\p{L}")
_LATIN: Final = regex.compile(r"\p{Latin}")
_WORD: Final = regex.compile(r"[\p{L}\p{M}]+")
_JOINS: Final = (" ", "-", ".", ". ")
_FOREIGN: Final = 8
"""Of as many letters one may be of another script, as a word in a question about a language is."""
_HEADS: Final = 12
_SMALL: Final = np.float32(1e-12)
_SLOPE: Final = np.float32((2 / np.pi) ** 0.5)


@dataclass(frozen=True, slots=True)
class EncodedStretch:
    """A stretch of text as the encoder reads it.

    start, end: characters. logits: one for each of `classifier.KINDS`. places: characters of each
    word piece; named: the probability of each to be of a private person's name.
    """

    start: int
    end: int
    logits: Floats
    places: Sequence[tuple[int, int]]
    named: Floats


@dataclass(frozen=True, slots=True)
class _Layer:
    """Matrices of one layer, inputs times outputs; each with its bias."""

    qkv: tuple[Floats, Floats]
    out: tuple[Floats, Floats]
    up: tuple[Floats, Floats]
    down: tuple[Floats, Floats]
    norms: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]


class TextEncoder:
    """Weights and word pieces; thread-safe, as nothing in it changes.

    word: int8, pieces times 384, with a scale for each piece.
    """

    def __init__(self, data: Mapping[str, NDArray[Any]]) -> None:
        self._word, self._scale = data["word"], data["word_scale"]
        self._position, self._form, self._case = (
            data[name].astype(np.float32) for name in ("pos", "form.weight", "case.weight")
        )
        self._norm = _pair(data, "n0")
        self._head, self._tokens = _matrix(data, "head"), _matrix(data, "tok")
        count = 1 + max(int(name.split(".")[1]) for name in data if name.startswith("layers."))
        self._layers = [_layer(data, f"layers.{i}.") for i in range(count)]
        pieces = bytes(data["pieces"]).decode().split("\n")
        self._tokenizer = word_pieces(pieces)

    def read(self, text: str, names: Sequence[Name]) -> list[EncodedStretch]:
        """Read all stretches of a normalised text."""
        forms = forms_at(text, names)
        size = STRETCH if len(text) <= STRETCH else STRETCH_OF_LONG
        return [each for cut in windows(text, size) for each in self._read(text, forms, *cut)]

    def _read(
        self, text: str, forms: NDArray[np.int8], start: int, end: int
    ) -> Iterator[EncodedStretch]:
        made = self._tokenizer.encode(text[start:end])
        ids = np.array(made.ids)
        if len(ids) > MOST_PIECES:  # symbols alone, say; nothing may stay unread behind them
            middle = start + made.offsets[len(ids) // 2][0]
            yield from self._read(text, forms, start, middle)
            yield from self._read(text, forms, middle, end)
            return
        places = [(a + start, b + start) for a, b in made.offsets]
        x = self._word[ids] * self._scale[ids] + self._position[: len(ids)]
        x += self._form[[int(forms[a:b].max(initial=0)) for a, b in places]]
        x += self._case[[case_of(text, *at) for at in places]]
        x = _normed(x, self._norm)
        for layer in self._layers:
            x = _applied(layer, x)
        pooled = np.concatenate([x.mean(0), x.max(0)])
        matrix, bias = self._tokens
        likely = x @ matrix + bias
        named = 1.0 / (1.0 + np.exp(likely[:, 0] - likely[:, 1]))
        logits = pooled @ self._head[0] + self._head[1]
        # The first and the last piece are marks of the model's own.
        yield EncodedStretch(start, end, logits, places[1:-1], named[1:-1].astype(np.float32))


def is_latin(text: str) -> bool:
    """Return whether nearly all letters of a text are Latin: the encoder knows few others."""
    letters = len(_LETTER.findall(text))
    return (letters - len(_LATIN.findall(text))) * _FOREIGN < max(letters, 1)


def named_at(text: str, readings: Sequence[EncodedStretch]) -> Floats:
    """Return for each character the probability to be of a private person's name, the highest."""
    chances = np.zeros(len(text), np.float32)
    for reading in readings:
        for (start, end), chance in zip(reading.places, reading.named, strict=True):
            np.maximum(chances[start:end], chance, out=chances[start:end])
    return chances


def named_words(text: str, chances: Floats, least: float) -> list[tuple[int, int]]:
    """Return the words that are names with a probability of at least `least`.

    chances: one for each character. Words between which only a blank, a dot or a hyphen is are one
    name.
    """
    found: list[tuple[int, int]] = []
    for word in _WORD.finditer(text):
        if chances[word.start() : word.end()].max() < least:
            continue
        if found and text[found[-1][1] : word.start()] in _JOINS:
            found[-1] = (found[-1][0], word.end())
        else:
            found.append(word.span())
    return found


@cache
def encoder() -> TextEncoder:
    """Return the trained model."""
    with (
        as_file(files("floe.privacy.detection").joinpath("encoder.npz")) as path,
        np.load(path) as data,
    ):
        return TextEncoder(data)


def word_pieces(pieces: Sequence[str]) -> Tokenizer:
    """Return the word pieces of BERT, uncased."""
    made = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")  # noqa: S106 (no password)
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(mark, pieces.index(mark)) for mark in ("[CLS]", "[SEP]")],
    )
    return made


def forms_at(text: str, names: Sequence[Name]) -> NDArray[np.int8]:
    """Return for each character what lists say of the name that it is a part of, as its row."""
    forms = np.zeros(len(text), np.int8)
    for name in reversed(names):
        forms[name.start : name.end] = FORMS.index(name.form)
    return forms


def case_of(text: str, start: int, end: int) -> int:
    """Return how the word around some characters is written.

    0: in small letters, 1: with a capital, 2: in capitals alone, 3: without a letter.
    """
    while start > 0 and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    word = text[start:end]
    if not any(map(str.isalpha, word)):
        return 3
    if word.isupper() and len(word) > 1:
        return 2
    return int(word[0].isupper())


def _applied(layer: _Layer, x: Floats) -> Floats:
    """Apply one layer of BERT to the vectors of the pieces, one a row (Devlin et al. 2018)."""
    pieces, width = x.shape
    size = width // _HEADS
    query, key, value = (
        (x @ layer.qkv[0] + layer.qkv[1]).reshape(pieces, 3, _HEADS, size).transpose(1, 2, 0, 3)
    )
    scores = query @ key.transpose(0, 2, 1)
    scores *= np.float32(size**-0.5)
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    mixed: Floats = (scores @ value).transpose(1, 0, 2).reshape(pieces, width)
    x = _normed(x + mixed @ layer.out[0] + layer.out[1], layer.norms[0])
    hidden: Floats = x @ layer.up[0] + layer.up[1]
    # GELU by tanh (Hendrycks & Gimpel 2016, arXiv 1606.08415), as in training; in place, as new
    # arrays of this size cost as much as what is computed.
    bent = hidden * hidden
    bent *= 0.044715
    bent += 1.0
    bent *= hidden
    bent *= _SLOPE
    np.tanh(bent, out=bent)
    bent += 1.0
    hidden *= bent
    hidden *= 0.5
    return _normed(x + hidden @ layer.down[0] + layer.down[1], layer.norms[1])


def _normed(x: Floats, norm: tuple[Floats, Floats]) -> Floats:
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt(np.einsum("ij,ij->i", x, x)[:, None] / np.float32(x.shape[1]) + _SMALL)
    x *= norm[0]
    x += norm[1]
    return x


def _layer(data: Mapping[str, NDArray[Any]], at: str) -> _Layer:
    return _Layer(
        qkv=_matrix(data, at + "qkv"),
        out=_matrix(data, at + "o"),
        up=_matrix(data, at + "u"),
        down=_matrix(data, at + "d"),
        norms=(_pair(data, at + "n1"), _pair(data, at + "n2")),
    )


def _matrix(data: Mapping[str, NDArray[Any]], name: str) -> tuple[Floats, Floats]:
    """Return a matrix, inputs times outputs, and its bias."""
    weight = data[f"{name}.weight"].astype(np.float32)
    if f"{name}.weight_scale" in data:
        weight *= data[f"{name}.weight_scale"]
    return np.ascontiguousarray(weight.T), data[f"{name}.bias"].astype(np.float32)


def _pair(data: Mapping[str, NDArray[Any]], name: str) -> tuple[Floats, Floats]:
    return data[f"{name}.weight"].astype(np.float32), data[f"{name}.bias"].astype(np.float32)
