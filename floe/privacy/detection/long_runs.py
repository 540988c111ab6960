"""Long runs of blanks and signs, shortened: rules look for what follows one from each place in it."""

from typing import Final

import regex

from floe.privacy.detection.normalise import NormalisedText

_KEPT: Final = 40
_RUN: Final = regex.compile(rf"[\s.!?,;:*=_#|-]{{{_KEPT}}}\K[\s.!?,;:*=_#|-]+")


def without_long_runs(plain: NormalisedText) -> NormalisedText:
    """Return a text with at most so many blanks and signs in a row; its places stay those."""
    runs = [run.span() for run in _RUN.finditer(plain.text)]
    if not runs:
        return plain
    ends = [0, *(end for _, end in runs)]
    begins = [*(start for start, _ in runs), len(plain.text)]
    kept = [slice(*piece) for piece in zip(ends, begins, strict=True)]
    return NormalisedText(
        "".join(plain.text[piece] for piece in kept),
        tuple(place for piece in kept for place in plain.starts[piece]),
        tuple(place for piece in kept for place in plain.ends[piece]),
    )
