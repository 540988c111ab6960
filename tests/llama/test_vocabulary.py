"""Text to tokens and back without losing a byte: BPE files, a SentencePiece file, any bytes."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from floe.llama.runtime import LlamaModel

HARD = [
    "Hello, world",
    " leading and trailing ",
    "\n\n  four\tspaces    and\r\nlines",
    "😀👩‍👩‍👧 family",
    "漢字とかな 한국어",
    "e\u0301 combining, ﬁ ligature, \u00a0 no-break",
    "<|im_end|> spelled out",
    "def f(x):\n    return x ** 2  # 3.14",
]


@pytest.mark.parametrize("name", ["smollm", "qwen"])
@pytest.mark.parametrize("text", HARD)
def test_any_cut_of_a_text_comes_back_to_the_byte(
    request: pytest.FixtureRequest, name: str, text: str
) -> None:
    vocabulary = request.getfixturevalue(name).vocabulary
    data = text.encode()
    for cut in range(len(data)):
        for part in (data[:cut], data[cut:]):
            assert vocabulary.detokenize(vocabulary.tokenize(part)) == part


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_comes_back_to_the_byte(qwen: LlamaModel, text: str) -> None:
    data = text.encode()
    assert qwen.vocabulary.detokenize(qwen.vocabulary.tokenize(data)) == data


@pytest.mark.parametrize("name", ["smollm", "qwen"])
def test_control_tokens_are_never_text(request: pytest.FixtureRequest, name: str) -> None:
    vocabulary = request.getfixturevalue(name).vocabulary
    (end,) = vocabulary.tokenize_prompt("<|im_end|>", parse_special=True, add_bos=False)
    assert end in vocabulary.end_ids
    assert vocabulary.pieces[end] == b""
    assert vocabulary.detokenize(vocabulary.tokenize(b"<|im_end|>")) == b"<|im_end|>"
    assert end not in vocabulary.tokenize(b"<|im_end|>")


def test_fingerprints_tell_vocabularies_apart(smollm: LlamaModel, qwen: LlamaModel) -> None:
    with LlamaModel(smollm.path, context=256) as again:
        assert again.vocabulary.fingerprint == smollm.vocabulary.fingerprint
    assert smollm.vocabulary.fingerprint != qwen.vocabulary.fingerprint


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaModel]:
    """A tiny llama model with a SentencePiece vocabulary and random weights."""
    path = tmp_path_factory.mktemp("spm") / "tiny.gguf"
    words = ["▁", "▁hello", "▁wor", "ld", "he", "l", "lo", "o", "a", "▁a", "é", "漢"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *words]
    types = [2, 3, 3, *[6] * 256, *[1] * len(words)]
    scores = [0.0] * 259 + [-float(i) for i in range(len(words))]
    width, layers, heads, hidden = 64, 1, 2, 64
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    random = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(scale=0.1, size=shape).astype(np.float32))

    tensor("token_embd.weight", len(tokens), width)
    tensor("output_norm.weight", width)
    for name in ("attn_norm", "ffn_norm"):
        tensor(f"blk.0.{name}.weight", width)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensor(f"blk.0.{name}.weight", width, width)
    for name in ("ffn_gate", "ffn_up", "ffn_down"):
        tensor(f"blk.0.{name}.weight", width, hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with LlamaModel(path, context=256) as model:
        yield model


@pytest.mark.parametrize("text", HARD)
def test_sentencepiece_adds_no_space_and_loses_no_byte(
    sentencepiece: LlamaModel, text: str
) -> None:
    data = text.encode()
    for cut in range(len(data)):
        for part in (data[:cut], data[cut:]):
            assert sentencepiece.vocabulary.detokenize(sentencepiece.tokenize(part)) == part


def test_sentencepiece_pieces_are_bytes_and_spaces(sentencepiece: LlamaModel) -> None:
    vocabulary = sentencepiece.vocabulary
    assert vocabulary.pieces[3 + 0xE6] == b"\xe6"
    assert vocabulary.tokenize(b" a") == [vocabulary.pieces.index(b" a")]
    byte, piece = (i for i, p in enumerate(vocabulary.pieces) if p == b"a")
    assert byte < piece
    assert vocabulary.tokenize(b"a") == [piece]
    assert vocabulary.end_ids == (2,)


def test_bytes_that_no_token_spells_are_refused(smollm: LlamaModel) -> None:
    with pytest.raises(ValueError, match="0xff"):
        smollm.tokenize(b"\xff")


def test_the_files_are_the_ones_meant(smollm_path: Path, qwen_path: Path) -> None:
    assert smollm_path.stat().st_size == 98_362_432
    assert qwen_path.stat().st_size == 491_400_064
