"""The model in llama.cpp against llama.cpp's own high-level class; what it must refuse."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from llama_cpp import Llama
from llama_cpp import llama_cpp as lib

from floe.bench.decode import write_random_adapter
from floe.errors import ModelError, PromptError
from floe.fusion.decoder import Controls, Decoder
from floe.llama.prompt_cache import PromptCache
from floe.llama.runtime import LlamaModel
from floe.llama.threads import choose_threads, usable_cores
from floe.records import Sampling
from tests.plain_llama import leave_out_amx

TEXT = b"The capital of France is Paris. The capital of Italy is"


def never() -> bool:
    return False


def greedy(model: LlamaModel, prompt: list[int], count: int) -> list[int]:
    logits = model.prefill(prompt, never)
    tokens = []
    for _ in range(count):
        assert logits is not None
        tokens.append(int(logits[-1].argmax()))
        logits = model.evaluate(tokens[-1:])
    return tokens


def test_logits_of_any_number_of_outputs_are_those_of_the_last_call(smollm: LlamaModel) -> None:
    tokens = smollm.tokenize(TEXT)
    smollm.roll_back(0)
    expected = smollm.evaluate(tokens, 3).copy()
    for outputs in (1, 2, 3, 1):
        smollm.roll_back(0)
        logits = smollm.evaluate(tokens, outputs)
        assert logits.shape == (outputs, len(smollm.pieces))
        np.testing.assert_array_equal(logits, expected[-outputs:])
    single = smollm.evaluate(tokens[:1])
    assert not np.array_equal(single[0], expected[-1])


def test_the_decoder_at_weight_1_says_what_llama_cpp_says(
    smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = smollm.tokenize(TEXT)
    monkeypatch.setattr(lib, "llama_model_default_params", lib.llama_model_default_params)
    leave_out_amx()
    # llama.cpp itself turns flash attention on where it can; its Python class has to be asked.
    reference = Llama(
        str(smollm.path), n_ctx=2048, n_threads=smollm.threads, verbose=False, flash_attn=True
    )
    try:
        expected: list[int] = []
        for token in reference.generate(prompt, temp=0.0, top_k=1):
            if token in smollm.end_ids or len(expected) == 60:
                break
            expected.append(token)
    finally:
        reference.close()
    # Both from an empty cache: other batch shapes give other last digits.
    smollm.roll_back(0)
    logits = smollm.prefill(prompt, never)
    assert logits is not None
    decoder = Decoder(smollm, Controls(weight=1.0))
    steps = list(decoder.run(logits, Sampling(max_tokens=60)))
    assert [step.token_id for step in steps] == expected
    assert len(expected) > 20


def test_a_batch_gives_the_logits_of_single_steps(smollm: LlamaModel) -> None:
    tokens = smollm.tokenize(TEXT)
    smollm.roll_back(0)
    batch = smollm.evaluate(tokens, len(tokens)).copy()
    smollm.roll_back(0)
    for token, row in zip(tokens, batch, strict=True):
        single = smollm.evaluate([token])[0]
        np.testing.assert_allclose(single, row, atol=0.15)
        assert single.argmax() == row.argmax()


@pytest.mark.parametrize("before", [32, 250, 500])
@pytest.mark.parametrize("name", ["smollm", "qwen"])
def test_batches_up_to_the_exact_size_have_the_digits_of_one_token_at_a_time(
    request: pytest.FixtureRequest, name: str, before: int
) -> None:
    model: LlamaModel = request.getfixturevalue(name)
    size = model.bit_exact_batch_size
    assert size > 1
    tokens = model.tokenize(TEXT * 60)
    model.prefill(tokens[:before], never)
    want = model.evaluate(tokens[before : before + size], size).copy()
    model.roll_back(before)
    for at, token in enumerate(tokens[before : before + size]):
        # Where single steps have digits of their own, the second one is of no account.
        batch = [token] * (1 if before + at < model.single_step_exact_below else 2)
        np.testing.assert_array_equal(model.evaluate(batch, len(batch))[0], want[at])
        model.roll_back(before + at + 1)


def test_going_back_to_a_prompt_evaluates_only_what_is_new(
    smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm, "_prompt_cache", PromptCache(10**9))
    one = smollm.tokenize(b"The sea is deep and wide. " * 50)
    other = smollm.tokenize(b"A mill grinds corn for the bread of the town. " * 40)
    longer = [*one, *smollm.tokenize(b" And it is")]
    smollm.roll_back(0)
    smollm.prefill(one, never)
    logits = smollm.prefill(longer, never)
    assert logits is not None
    wanted = logits.copy()
    smollm.roll_back(len(one))
    evaluated: list[int] = []
    evaluate = smollm.evaluate

    def counted(tokens: list[int], outputs: int = 1) -> object:
        evaluated.append(len(tokens))
        return evaluate(tokens, outputs)

    monkeypatch.setattr(smollm, "evaluate", counted)
    smollm.prefill(other, never)
    assert sum(evaluated) >= len(other) - 1
    evaluated.clear()
    assert smollm.count_unread(longer) == len(longer) - len(one)
    again = smollm.prefill(longer, never)
    assert again is not None
    assert smollm.tokens == longer
    assert sum(evaluated) == len(longer) - len(one)
    np.testing.assert_allclose(again, wanted, atol=0.2)
    assert again.argmax() == wanted.argmax()
    assert smollm.count_unread(other) == 0  # and the other one was kept
    # What adapters did to a prompt holds for them alone.
    smollm.use_adapters([])
    assert smollm.tokens == []
    assert smollm.count_unread(longer) == 0
    assert smollm._prompt_cache.known_length(longer, "another adapter") == 0
    assert smollm.prompt_speed is not None


def test_copies_of_prompts_take_no_more_memory_than_they_may(
    smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (smollm.tokenize(text * 60) for text in (b"The sea is deep. ", b"A mill grinds. "))
    monkeypatch.setattr(smollm, "_prompt_cache", PromptCache(10**9))
    smollm.prefill(one, never)
    smollm._prompt_cache.save(smollm.context, one, ())
    (saved,) = smollm._prompt_cache._saved
    small = PromptCache(len(saved.state) * 3 // 2)
    monkeypatch.setattr(smollm, "_prompt_cache", small)
    small.save(smollm.context, one, ())
    smollm.prefill(two, never)
    smollm.prefill(one[:100], never)
    assert small.known_length(two, ()) == len(two)
    assert small.known_length(one, ()) < 2
    smollm.prefill(smollm.tokenize(TEXT), never)  # too short to be worth a copy
    assert len(small._saved) == 1
    smollm.prefill(one, never)
    smollm.forget_prompts()
    smollm.prefill(two, never)
    # Neither the copies nor what was evaluated just then.
    assert small._saved == []
    none = PromptCache(0)
    none.save(smollm.context, one, ())
    assert none._saved == []


@pytest.fixture(scope="module")
def qwen_adapter(qwen: LlamaModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of random numbers, which take seconds to draw."""
    path = tmp_path_factory.mktemp("adapter") / "adapter.gguf"
    write_random_adapter(qwen, path, 8)
    return path


@pytest.fixture
def evenly(request: pytest.FixtureRequest, qwen: LlamaModel) -> Iterator[LlamaModel]:
    if request.param:
        adapter = request.getfixturevalue("qwen_adapter")
        qwen.use_adapters([(qwen.load_adapter(adapter), 1.0)])
        assert qwen.bit_exact_batch_size == 1
    yield qwen
    qwen.use_adapters([])


# How far the cache is filled changes the attention, which an adapter does not.
@pytest.mark.parametrize(
    ("evenly", "before"),
    [(False, 32), (False, 250), (False, 500), (True, 500)],
    indirect=["evenly"],
    ids=["32", "250", "500", "500 with an adapter"],
)
def test_even_batches_have_the_same_digits_whatever_their_length(
    evenly: LlamaModel, before: int
) -> None:
    model, even = evenly, evenly.batch_invariant_min_size
    longer = 2 * even
    tokens = model.tokenize(TEXT * 60)
    model.roll_back(0)
    model.evaluate(tokens[:before])
    want = model.evaluate(tokens[before : before + longer], longer).copy()
    model.roll_back(before)
    for at in range(longer):
        # One token at a time, the rest of the batch is of no account.
        batch = [tokens[before + at]] * even
        np.testing.assert_array_equal(model.evaluate(batch, even)[0], want[at])
        model.roll_back(before + at + 1)


def test_only_the_last_positions_are_returned(smollm: LlamaModel) -> None:
    tokens = smollm.tokenize(TEXT)
    smollm.roll_back(0)
    every = smollm.evaluate(tokens, len(tokens)).copy()
    smollm.roll_back(0)
    last = smollm.evaluate(tokens, 3)
    np.testing.assert_allclose(last, every[-3:], atol=0.15)


def test_roll_back_forgets(smollm: LlamaModel) -> None:
    prompt = smollm.tokenize(TEXT)
    before = greedy(smollm, prompt, 8)
    smollm.evaluate(smollm.tokenize(b" something else entirely"))
    smollm.roll_back(len(prompt) - 3)
    assert smollm.tokens == prompt[:-3]
    assert greedy(smollm, prompt, 8) == before


def test_the_common_prefix_is_not_evaluated_again(
    smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = smollm.tokenize(TEXT)
    smollm.prefill(prompt, never)
    evaluated: list[list[int]] = []
    evaluate = smollm.evaluate

    def spy(tokens: list[int]) -> np.ndarray:
        evaluated.append(list(tokens))
        return evaluate(tokens)

    monkeypatch.setattr(smollm, "evaluate", spy)
    longer = prompt + smollm.tokenize(b" Rome.")
    smollm.prefill(longer, never)
    assert evaluated == [longer[len(prompt) :]]
    smollm.prefill(longer, never)
    assert evaluated[1:] == [longer[-1:]], "the last token is needed for its logits"


def test_a_long_prompt_can_be_cancelled_between_batches(smollm: LlamaModel) -> None:
    prompt = smollm.tokenize(TEXT) * 60
    smollm.roll_back(0)
    asked = 0

    def stop_at_second() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    assert smollm.prefill(prompt, stop_at_second) is None
    assert 0 < len(smollm.tokens) < len(prompt)
    assert smollm.tokens == prompt[: len(smollm.tokens)]


def test_a_full_context_is_refused_and_nothing_is_lost(smollm_path: Path) -> None:
    with LlamaModel(smollm_path, context=256) as model:
        tokens = model.tokenize(TEXT)
        model.prefill(tokens * 15, never)
        held = list(model.tokens)
        with pytest.raises(PromptError, match="256 tokens is full"):
            model.evaluate(tokens * 10)
        assert model.tokens == held


def test_embeddings_put_like_texts_together(smollm: LlamaModel) -> None:
    vectors = [
        smollm.embed(text)
        for text in (
            "How do I bake bread with sourdough?",
            "What flour is best for baking a loaf?",
            "SELECT name FROM users WHERE id = 3;",
        )
    ]
    assert [float(np.linalg.norm(v)) for v in vectors] == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_embedding_leaves_the_chat_alone(smollm: LlamaModel) -> None:
    prompt = smollm.tokenize(TEXT)
    before = greedy(smollm, prompt, 5)
    smollm.prefill(prompt, never)
    smollm.embed("something else")
    assert greedy(smollm, prompt, 5) == before


def test_an_adapter_changes_the_logits_and_leaves_no_trace(
    smollm: LlamaModel, tmp_path: Path
) -> None:
    path = tmp_path / "adapter.gguf"
    write_random_adapter(smollm, path, 4)
    prompt = smollm.tokenize(TEXT)

    def logits() -> np.ndarray:
        smollm.use_adapters([])
        result = smollm.prefill(prompt, never)
        assert result is not None
        return result.copy()

    bare = logits()
    adapter = smollm.load_adapter(path)
    smollm.use_adapters([(adapter, 1.0)])
    changed = smollm.prefill(prompt, never)
    assert changed is not None
    assert np.abs(changed - bare).max() > 0.1
    np.testing.assert_array_equal(logits(), bare)


def test_an_adapter_of_another_model_is_refused(smollm: LlamaModel, qwen_adapter: Path) -> None:
    with pytest.raises(ModelError, match="does not fit"):
        smollm.load_adapter(qwen_adapter)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"PK\x03\x04 a zip", "not a GGUF"),
        (b"", "not a GGUF"),
        (b"GGUF\x03\x00\x00\x00 and then nonsense" * 20, "more than it has room for"),
    ],
)
def test_what_is_no_model_is_refused_in_words(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=words):
        LlamaModel(path)


def test_a_truncated_model_is_refused_in_words(tmp_path: Path, smollm_path: Path) -> None:
    path = tmp_path / "half.gguf"
    with smollm_path.open("rb") as file:
        path.write_bytes(file.read(20_000_000))
    with pytest.raises(ModelError, match="is cut short"):
        LlamaModel(path)


def test_threads_are_chosen_with_a_reason() -> None:
    cores = usable_cores()
    assert choose_threads(3) == (3, "set by the user")
    assert choose_threads()[0] == cores
    threads, reason = choose_threads(shared=True)
    assert threads == max(1, cores // 2)
    assert reason
