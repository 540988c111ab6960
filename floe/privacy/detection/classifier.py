"""What kind of private matter a stretch of text is about.

As the encoder reads it, or, where a text is in another script or a language that was never learnt,
by a linear model over hashed features; the words that speak most for a matter are always those of
the linear model, whose logits are sums over words. It has one table for Latin letters and one for
all other scripts, as the many English texts would drown the few others. Its weights are in
`weights.npz`, made by `floe.privacy.detection.training.train`. Knows neither rules nor what is done
about a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from floe.privacy.detection.courtesy import core
from floe.privacy.detection.encoder import EncodedStretch
from floe.privacy.detection.features import Token, features, tokens_of, windows
from floe.privacy.detection.names import Name, lexicon

KINDS: Final = (
    "-",
    "health",
    "love life",
    "belief",
    "politics",
    "origin",
    "legal matter",
    "money",
    "company secret",
    "whereabouts",
    "family",
    "name",
    "password",
)
"""Classes of the model; the first: nobody's secret."""

SCRIPTS: Final = "scripts"
"""The model of texts in other scripts than Latin."""
_LATIN_LETTER: Final = regex.compile(r"\p{Latin}")
_NAME: Final = KINDS.index("name")
_PASSWORD: Final = KINDS.index("password")

ASKED: Final = (
    "-",
    "password",
    "identity number",
    "name",
    "birth date",
    "address",
    "phone",
    "health",
    "belief",
    "politics",
    "origin",
    "love life",
    "legal matter",
    "money",
    "company secret",
)
"""What a question of an assistant can ask for."""


_FEW_DIGITS: Final = frozenset({"#1", "#2"})
"""What opens no door: "the locker is 24 inches"."""
_ASKED: Final = 0.33
"""Probability from which a question asks for something: less than half, as a reply is then kept
only if it holds what was asked for."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A linear model: logits = scale * sum of rows / sqrt(number of features) + bias.

    table: int8, features times classes; scale, bias: one for each class.
    """

    table: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of text and what it is about.

    start, end: characters. probabilities: one for each of `KINDS`, their sum is 1. tokens: words
    with their places.
    """

    start: int
    end: int
    probabilities: NDArray[np.float32]
    tokens: Sequence[Token]

    @property
    def private(self) -> float:
        """The probability that this is somebody's own matter."""
        return float(1.0 - self.probabilities[0])

    @property
    def beyond_names(self) -> float:
        """The same, a person's name aside."""
        return float(1.0 - self.probabilities[0] - self.probabilities[_NAME])

    def shares(self) -> NDArray[np.float32]:
        """Return what each word adds to each logit of the linear model: tokens times kinds."""
        return _shares(self.tokens)

    def words_for(self, kind: str) -> list[tuple[int, int]]:
        """Places of the words, names aside, that speak most for a kind, the strongest first."""
        shares = self.shares()
        share = shares[:, KINDS.index(kind)] - shares[:, 0]
        order = np.argsort(-share)
        plain = [i for i in order if share[i] > 0 and self.tokens[i][0][0] != "\x02"]
        return [self.tokens[i][1:] for i in plain]


@cache
def weights(model: str) -> Weights:
    """Return the trained model "private", "scripts", "glossed", "leaning" or "asking"."""
    with (
        as_file(files("floe.privacy.detection").joinpath("weights.npz")) as path,
        np.load(path) as data,
    ):
        return Weights(data[f"{model}_table"], data[f"{model}_scale"], data[f"{model}_bias"])


def classify(
    text: str, names: Sequence[Name], readings: Sequence[EncodedStretch] | None = None
) -> list[Stretch]:
    """All stretches of a normalised text: as the encoder has read it, or else the linear model."""
    cuts = windows(text)
    if readings is None:
        return [_stretch(text, names, start, end, whole=len(cuts) == 1) for start, end in cuts]
    return [_read(text, names, readings, start, end, whole=len(cuts) == 1) for start, end in cuts]


def model_of(tokens: Sequence[Token]) -> str:
    """Return which model reads some words: "private", or "scripts" if most are not in Latin letters."""
    words = [word for word, _, _ in tokens if word[0].isalpha()]
    latin = sum(_LATIN_LETTER.match(word) is not None for word in words)
    return SCRIPTS if 2 * latin < len(words) else "private"


def _read(
    text: str,
    names: Sequence[Name],
    readings: Sequence[EncodedStretch],
    start: int,
    end: int,
    *,
    whole: bool,
) -> Stretch:
    """Return a stretch with the probabilities of the readings that it lies in, the most private."""
    inside = [each for each in readings if each.start < end and each.end > start] or readings
    within = [each for each in inside if each.start <= start and end <= each.end] or inside
    chances = [_softmax(each.logits) for each in within]
    chance = min(chances, key=lambda each: float(each[0]))
    return Stretch(start, end, chance, tokens_of(text, names, start, end, whole=whole))


def leans(text: str, names: Sequence[Name]) -> float:
    """Return the probability that a message cannot be understood without what was said before."""
    hashes, _ = features(tokens_of(text, names, *core(text)))
    if not len(hashes):
        return 1.0
    logits = _logits(weights("leaning"), hashes)
    return float(_softmax(logits)[1])


def asked_kind(question: str) -> str:
    """Return what an assistant's question asks for: one of `ASKED`, "-" if nothing of anybody's own."""
    hashes, _ = features(tokens_of(question, (), *core(question)))
    if not len(hashes):
        return "-"
    chance = _softmax(_logits(weights("asking"), hashes))
    best = 1 + int(chance[1:].argmax())
    return ASKED[best] if chance[best] > _ASKED else "-"


def linear_logits(model: str, tokens: Sequence[Token]) -> NDArray[np.float32]:
    """Return the logits of a linear model for some words, one for each of `KINDS`."""
    return _logits(weights(model), features(tokens)[0])


def _logits(model: Weights, hashes: NDArray[np.int32]) -> NDArray[np.float32]:
    total = model.table[hashes].sum(0, dtype=np.int32).astype(np.float32)
    return np.asarray(
        total * model.scale / np.sqrt(np.float32(len(hashes))) + model.bias, np.float32
    )


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum(), np.float32)


def _shares(tokens: Sequence[Token]) -> NDArray[np.float32]:
    """Return what each word adds to each logit: tokens times kinds."""
    hashes, owners = features(tokens)
    shares = np.zeros((len(tokens), len(KINDS)), np.float32)
    if len(hashes):
        model = weights(model_of(tokens))
        np.add.at(shares, owners, model.table[hashes].astype(np.float32) * model.scale)
        shares /= np.sqrt(np.float32(len(hashes)))
    return shares


def _stretch(text: str, names: Sequence[Name], start: int, end: int, *, whole: bool) -> Stretch:
    """Return a stretch as the linear model reads it.

    The probability of a name is 0 where no name stands, that of a password where no word could be
    one.
    """
    tokens = tokens_of(text, names, start, end, whole=whole)
    if not tokens:
        nothing = np.zeros(len(KINDS), np.float32)
        nothing[0] = 1.0
        return Stretch(start, end, nothing, tokens)
    chance = _softmax(_shares(tokens).sum(0) + weights(model_of(tokens)).bias)
    if not any(word[0] == "\x02" and not word.startswith("\x02public") for word, _, _ in tokens):
        chance[0] += chance[_NAME]
        chance[_NAME] = 0.0
    if not any(map(_may_be_secret, tokens)):
        chance[0] += chance[_PASSWORD]
        chance[_PASSWORD] = 0.0
    return Stretch(start, end, chance, tokens)


def _may_be_secret(token: tuple[str, int, int]) -> bool:
    """Return whether it is a number of three digits or more, a name, or a word that no list has."""
    word = token[0]
    if word in _FEW_DIGITS:
        return False
    return word[0] in "\x02#" or (len(word) > 4 and word not in lexicon().ordinary)
