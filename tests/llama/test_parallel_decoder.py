"""Answers side by side are those that each prompt gets alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.llama.parallel_decoder import ParallelDecoder
from floe.llama.runtime import LlamaModel
from tests.training.tiny import write_tiny

PROMPTS = ["how is it?", "x", "what is there to see at the old harbour?", "no", "a b c d e f"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    path = write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf")
    with LlamaModel(path, context=1024) as loaded:
        yield loaded


def best(_number: int, _written: Sequence[int], logits: NDArray[np.float32]) -> int:
    return int(logits.argmax())


def alone(model: LlamaModel, prompt: Sequence[int], count: int) -> list[int]:
    logits = model.prefill(prompt, lambda: False)
    written: list[int] = []
    while logits is not None and len(written) < count:
        token = int(logits[-1].argmax())
        if token in model.end_ids:
            break
        written.append(token)
        logits = model.evaluate([token])
    return written


def test_side_by_side_is_as_one_by_one_however_few_places_there_are(model: LlamaModel) -> None:
    long = b"a prompt of more tokens than one batch takes. " * 13
    prompts = [model.tokenize(text.encode()) for text in PROMPTS]
    prompts.insert(2, model.tokenize(long))
    assert len(prompts[2]) > 512
    expected = [alone(model, prompt, 10) for prompt in prompts]
    for sequences, tokens in ((2, 700), (6, 2000)):
        ended: list[int] = []
        with ParallelDecoder(model, tokens=tokens, sequences=sequences) as decoder:
            found = decoder.decode(prompts, best, 10, on_ended=ended.append)
            again = decoder.decode(prompts[:2], best, 10)
        assert [answer.tokens for answer in found] == expected
        assert [answer.tokens for answer in again] == expected[:2]
        assert ended == list(range(1, 7))


def test_an_end_token_ends_one_and_the_others_go_on(model: LlamaModel) -> None:
    def ends_second(number: int, written: Sequence[int], logits: NDArray[np.float32]) -> int:
        return model.end_ids[0] if number == 1 and len(written) == 3 else best(0, (), logits)

    prompts = [model.tokenize(text.encode()) for text in PROMPTS]
    with ParallelDecoder(model, tokens=1000, sequences=2) as decoder:
        found = decoder.decode(prompts, ends_second, 8)
        decoder_stopped = decoder.decode(prompts, best, 8, stopped=lambda: True)
    assert [(len(each.tokens), each.ended) for each in found] == [
        (8, False),
        (3, True),
        (8, False),
        (8, False),
        (8, False),
    ]
    assert all(not each.tokens for each in decoder_stopped)
