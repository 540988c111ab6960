"""Questions that a training learns the answers of, and where they lie in the base's space."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from floe.adapters.prompt_kinds import PromptKinds, TaughtQuestions
from floe.adapters.router import PromptSpace
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


@dataclass(frozen=True, slots=True)
class LearntDomain:
    """What the adapter will act on: questions like those that are learnt from.

    None for both: there are none, or the base's file has no table of embeddings; then it acts on
    everything.
    """

    kinds: PromptKinds | None = None
    taught: TaughtQuestions | None = None

    def takes(self, prompt: str) -> bool:
        """Return whether the adapter acts on a prompt."""
        if self.kinds is None or self.taught is None:
            return True
        return self.kinds.choose(prompt, self.taught).kind == "own"


def find_domain(encoder: Encoder, base: Path, rows: Sequence[TrainRow]) -> LearntDomain:
    """Find what an adapter that learns these rows will act on; `encoder` is the base's."""
    try:
        kinds = PromptKinds(PromptSpace(base, encoder.vocabulary.tokenize))
    except ModelError:
        return LearntDomain()
    return LearntDomain(kinds, kinds.taught_by(asked_prompts(rows)))
