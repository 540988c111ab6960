"""Scores of a set of answers: the local model, with and without an adapter, against the cloud.

The expensive part, done once; every weight and rule is then arithmetic on `Scores`. All systems
are measured in bits per byte of the answers' text: the sum of -log2 of the probabilities that a
system gave to the tokens of the text, over its bytes. A text has many spellings in tokens; each
system is charged for the one that its own tokenizer makes (the fused one for the local model's,
as it would be written), which makes the figure an upper bound of -log2 of the text's probability.
The token that ends an answer is no text and is not counted, for no system.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from floe.evaluate.reading import Cloud, CloudAnswer, LocalReader
from floe.fusion.index import index_vocabulary
from floe.fusion.scoring.scores import Scores
from floe.fusion.scoring.teacher_forcing import score_text
from floe.llama.forced_logits import forced_logits
from floe.llama.runtime import LlamaModel

LN2: Final = math.log(2.0)


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """One answer.

    Attributes:
        answer: what was read.
        scores: the local model and the projected cloud, position by position.
        local_bits: of the local model alone.
        cloud_bits: of the cloud by its own tokens, over its whole vocabulary; None: not shown.
    """

    answer: CloudAnswer
    scores: Scores
    local_bits: float
    cloud_bits: float | None

    @property
    def bytes(self) -> int:
        """Length of what was scored."""
        return self.scores.bytes


class Scorer:
    """Both models, and the projection between them."""

    def __init__(self, local: LlamaModel, cloud: Cloud) -> None:
        self._local = LocalReader(local)
        self._cloud = cloud
        self._shared = local.vocabulary.fingerprint == cloud.vocabulary
        self._index = index_vocabulary(local)

    def score(self, answers: Sequence[CloudAnswer]) -> list[ScoredAnswer]:
        """Those that fit both contexts, with the adapters that are in use now.

        A live cloud whose requests are used up leaves out the rest of an answer and all after.
        """
        fitting = [a for a in answers if self._local.fits(a) and self._cloud.fits(a)]
        scored = [self._score(answer) for answer in fitting]
        return [one for one in scored if one.bytes]

    def local_bits_per_byte(self, answers: Sequence[CloudAnswer]) -> float:
        """Return the bits per byte of the local model alone, with the adapters in use now."""
        bits = sum(local_bits(self._local, answer) for answer in answers)
        return bits / sum(len(answer.text.encode()) for answer in answers)

    def _score(self, answer: CloudAnswer) -> ScoredAnswer:
        reading = self._cloud.read(answer)
        model = self._local.model
        prompt, tokens = self._local.tokens(answer)
        scores = score_text(
            forced_logits(model, prompt, tokens),
            tokens,
            self._index,
            reading.row,
            shared_vocabulary=self._shared,
        )
        local_bits = -float(np.log(scores.own_local).sum()) / LN2
        return ScoredAnswer(answer, scores, local_bits, reading.bits)


def local_bits(reader: LocalReader, answer: CloudAnswer) -> float:
    """Return the bits of an answer under a local model alone, with the adapters in use now."""
    prompt, tokens = reader.tokens(answer)
    bits = 0.0
    for row, token in zip(forced_logits(reader.model, prompt, tokens), tokens, strict=False):
        top = float(row.max())
        bits += (top - float(row[token]) + math.log(float(np.exp(row - top).sum()))) / LN2
    return bits
