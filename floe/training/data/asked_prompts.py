"""Questions that a training learns the answers of, and where they lie in the base's space."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from floe.adapters.prompt_kinds import PromptKinds
from floe.adapters.router import PromptRegion, PromptSpace
from floe.errors import ModelError
from floe.training.data.tokenisation import Encoder, TrainRow


def asked_prompts(rows: Sequence[TrainRow]) -> list[str]:
    """Return the questions whose answers are learnt; of rows that are held out, none."""
    return [
        before.content
        for row in rows
        if not row.held_out
        for i, (before, answer) in enumerate(itertools.pairwise(row.messages), 1)
        if i >= row.context and before.role == "user" and answer.role == "assistant"
    ]


def region_of_rows(base: Path, rows: Sequence[TrainRow]) -> PromptRegion | None:
    """Return the region of those questions, within which the adapter will act.

    None: there are none, or the base's file has no table of embeddings; then it acts on all.
    """
    with Encoder(base) as encoder:
        try:
            space = PromptSpace(base, encoder.vocabulary.tokenize)
        except ModelError:
            return None
        return PromptKinds(space).region_of(asked_prompts(rows))
