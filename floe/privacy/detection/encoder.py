"""What a text is about and whom it names, read by a small transformer.

all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Apache-2.0), trained further on the texts of
`data/privacy`; `training/encoder.py` makes `encoder.onnx`. Its matrices are whole numbers of eight
bits, with which ONNX Runtime computes faster than with floating points. Knows neither rules nor
what is done about a verdict.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import onnxruntime
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
PIECES: Final = "pieces"
INPUTS: Final = "inputs"
"""What is kept beside the weights: word pieces, one a line; the digest of what they learnt from."""


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


class TextEncoder:
    """Weights and word pieces; thread-safe, as nothing in it changes.

    model: the bytes of an ONNX file.

    Attributes:
        inputs: the digest of what it was trained on.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # A message takes a few milliseconds: threads would wait for one another longer than that.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        onnxruntime.disable_telemetry_events()  # of builds for Windows
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        kept = self._session.get_modelmeta().custom_metadata_map
        self.inputs = kept[INPUTS]
        self._tokenizer = word_pieces(kept[PIECES].split("\n"))

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
        logits, named = self._session.run(
            None,
            {
                "ids": ids[None],
                "form": np.array([[int(forms[a:b].max(initial=0)) for a, b in places]]),
                "case": np.array([[case_of(text, *at) for at in places]]),
            },
        )
        # The first and the last piece are marks of the model's own.
        yield EncodedStretch(start, end, logits[0], places[1:-1], named[0, 1:-1])


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


def named_words(
    text: str, chances: Floats, least: float, beside: float = 1.1
) -> list[tuple[int, int]]:
    """Return the words that are names with a probability of at least `least`.

    chances: one for each character. Words between which only a blank, a dot or a hyphen is are one
    name; beside: what suffices for a word of which a neighbour is a name.
    """
    runs: list[list[tuple[int, int]]] = []
    for word in _WORD.finditer(text):
        if chances[word.start() : word.end()].max() < min(least, beside):
            continue
        if runs and text[runs[-1][-1][1] : word.start()] in _JOINS:
            runs[-1].append(word.span())
        else:
            runs.append([word.span()])
    return [
        (run[0][0], run[-1][1])
        for run in runs
        if any(chances[start:end].max() >= least for start, end in run)
    ]


@cache
def encoder() -> TextEncoder:
    """Return the trained model."""
    return TextEncoder(files("floe.privacy.detection").joinpath("encoder.onnx").read_bytes())


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
