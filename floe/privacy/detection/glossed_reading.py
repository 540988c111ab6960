"""What a text in another language is about, as two models read it word by word in English.

The encoder has learnt from sentences, and word for word it reads a third of them badly; a linear
model has learnt from such words alone ("glossed" in `weights.npz`). Together they are better than
either. Knows neither rules nor what is done about a verdict.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from floe.privacy.detection.classifier import SCRIPTS, linear_logits, model_of
from floe.privacy.detection.courtesy import core
from floe.privacy.detection.encoder import EncodedStretch, Floats, encoder
from floe.privacy.detection.features import tokens_of
from floe.privacy.detection.glossing import Glossed
from floe.privacy.detection.names import Name

ENCODER_SHARE: Final = 0.3
"""Of the logits the encoder's share: of 8,370 messages in Latin letters, each read by models that
had not learnt it, 0.054 of the harmless ones have more than nine tenths of the private ones have;
with either of the two alone 0.115."""
SCRIPT_SHARE: Final = 0.5
"""In other scripts the share of the linear model of the words as they stand, which has learnt more
messages there: of 5,680 the same is 0.05, with it alone 0.19, without it 0.08."""


def read_glossed(glossed: Glossed, text: str, names: Sequence[Name]) -> list[EncodedStretch]:
    """Read a normalised text in another language; `glossed`: the same in English words.

    The places are those of the original.
    """
    readings = encoder().read(glossed.text, glossed.names)
    whole = len(readings) == 1
    read = []
    for each in readings:
        start, end = (0, len(text)) if whole else glossed.original(each.start, each.end)
        logits = _together(glossed, each, whole=whole)
        own = tokens_of(text, names, *(core(text) if whole else (start, end)), whole=whole)
        if model_of(own) == SCRIPTS:
            linear = _log_softmax(linear_logits(SCRIPTS, own))
            logits = (1 - SCRIPT_SHARE) * logits + SCRIPT_SHARE * linear
        places = [glossed.original(*place) for place in each.places]
        read.append(replace(each, start=start, end=end, logits=logits, places=places))
    return read


def chances_in_gloss(glossed: Glossed, chances: Floats) -> Floats:
    """Return what stands for each character of the original for those of the English words."""
    moved = np.zeros(len(glossed.text), np.float32)
    for place in glossed.places:
        found = chances[place.original_start : place.original_end]
        moved[place.start : place.end] = found.max(initial=0.0)
    return moved


def _together(glossed: Glossed, reading: EncodedStretch, *, whole: bool) -> Floats:
    start, end = core(glossed.text) if whole else (reading.start, reading.end)
    tokens = tokens_of(glossed.text, glossed.names, start, end, whole=whole)
    if not tokens:
        return reading.logits
    linear = linear_logits("glossed", tokens)
    mixed = ENCODER_SHARE * _log_softmax(reading.logits)
    return np.asarray(mixed + (1 - ENCODER_SHARE) * _log_softmax(linear), np.float32)


def _log_softmax(logits: Floats) -> Floats:
    raised = logits - logits.max()
    return np.asarray(raised - np.log(np.exp(raised).sum()), np.float32)
