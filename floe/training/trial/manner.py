"""Manner of a writer: character n-grams of their texts against those of the base's answers.

Naive Bayes over runs of one to four characters, case and line breaks included, as in authorship
attribution (Peng, Schuurmans, Keselj and Wang, "Language independent authorship attribution using
character level language models", EACL 2003). Knows only text.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

_LONGEST: Final = 4
_SMOOTHING: Final = 0.5


def character_grams(text: str) -> list[str]:
    """Return all runs of one to four characters; the text has a break before and after it."""
    padded = f"\n{text.strip()}\n"
    return [
        padded[i : i + size]
        for size in range(1, _LONGEST + 1)
        for i in range(len(padded) - size + 1)
    ]


class MannerClassifier:
    """Tells texts of a person from those of the base."""

    def __init__(self, own: Sequence[str], base: Sequence[str]) -> None:
        self._own = Counter(gram for text in own for gram in character_grams(text))
        self._base = Counter(gram for text in base for gram in character_grams(text))
        self._kinds = len(self._own.keys() | self._base.keys())

    def score(self, text: str) -> float:
        """Return how much likelier a run of the text is the person's, in nats; above 0: theirs."""
        grams = character_grams(text)
        own, base = self._own.total(), self._base.total()
        room = _SMOOTHING * (self._kinds + 1)
        total = sum(
            math.log((self._own[gram] + _SMOOTHING) / (own + room))
            - math.log((self._base[gram] + _SMOOTHING) / (base + room))
            for gram in grams
        )
        return total / len(grams)


def nearer_share(
    own: Sequence[str], base: Sequence[str], personal: Sequence[str], other: Sequence[str] = ()
) -> float | None:
    """Return the share of answers that are nearer to the person than the base's are.

    Args:
        own: the person's texts that were learnt from.
        base: the base's answers to the held-out questions.
        personal: the trained model's answers to the same.
        other: more of the base's answers. The one that an answer is compared with is left out of
            what the base is known by: it would know itself.

    Returns:
        In [0, 1]; None without such answers.
    """
    pairs = list(zip(base, personal, strict=True))
    if not pairs or not own:
        return None
    nearer = 0
    for i, (before, after) in enumerate(pairs):
        rest = [text for k, text in enumerate(base) if k != i]
        classifier = MannerClassifier(own, [*rest, *other] or [before])
        nearer += classifier.score(after) > classifier.score(before)
    return nearer / len(pairs)
