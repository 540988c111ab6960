"""A text is scored as the chat's own context would score it, and beside it."""

import numpy as np
import pytest

from floe.errors import ModelError
from floe.llama.forced_logits import forced_logits
from floe.llama.runtime import LlamaModel
from floe.llama.text_scorer import TextScorer

BEFORE = b"The baker of our village closed his shop in May, since nobody bought his rye bread."
AFTER = (b" He moved to the coast.", b" He moved to a farm, where he keeps goats and sheep.")


def _expected(model: LlamaModel, before: list[int], text: list[int]) -> float:
    total = 0.0
    for token, logits in zip(text, forced_logits(model, before, text), strict=False):
        wide = logits.astype(np.float64)
        total += wide[token] - wide.max() - np.log(np.exp(wide - wide.max()).sum())
    return float(total)


def test_log_probabilities_are_those_of_the_chat_whatever_was_read_before(
    smollm: LlamaModel,
) -> None:
    scorer = TextScorer(smollm._model, smollm.threads)
    before = smollm.tokenize(BEFORE)
    texts = [smollm.tokenize(each) for each in AFTER]
    try:
        for told in (before, [*before, *texts[0]], before[:5], 8 * before):
            for slot, text in ((0, texts[0]), (1, texts[1]), (0, texts[1])):
                found = scorer.log_probability(told, text, slot=slot)
                assert found == pytest.approx(_expected(smollm, told, text), rel=0.02)
    finally:
        scorer.close()
    with pytest.raises(ModelError):
        scorer.log_probability(before, texts[0])


def test_only_a_model_that_compares_no_sentences_has_one(smollm: LlamaModel) -> None:
    assert (smollm.sentences is None, smollm.scorer is None) == (True, False)
