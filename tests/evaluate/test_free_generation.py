"""Rows of a cloud in this process, as a stream of it would bring them."""

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from floe.evaluate.accuracy import free_generation
from floe.evaluate.accuracy.free_generation import RowsByText
from floe.llama.runtime import LlamaModel

PIECES = [b"<end>", b"\n", b" ", b"  ", b"   ", b"1", *(b"word%d" % i for i in range(20))]


class Indenting:
    """Writes two spaces, one more and a digit; a text that begins with three at once ends."""

    pieces = PIECES
    end_ids = (0,)
    following: ClassVar = {(): 3, (3,): 2, (3, 2): 5, (3, 2, 5): 0}

    def __init__(self) -> None:
        self.read: list[tuple[int, ...]] = []

    def tokenize(self, text: bytes) -> list[int]:
        """Take the longest piece first."""
        tokens: list[int] = []
        while text:
            piece = max((p for p in PIECES if text.startswith(p)), key=len)
            tokens.append(PIECES.index(piece))
            text = text[len(piece) :]
        return tokens

    def prefill(self, tokens: Sequence[int], _stopped: object) -> NDArray[np.float32]:
        self.read.append(tuple(tokens))
        logits: NDArray[np.float32] = np.zeros((1, len(PIECES)), np.float32)
        logits[0, self.following.get(tuple(tokens), 0)] = 9.0
        return logits


class NoPrompt:
    """Renders nothing."""

    def __init__(self, _model: object) -> None: ...

    def render(self, _messages: object) -> list[int]:
        return []


def test_a_stream_keeps_the_tokens_that_it_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_generation, "PromptBuilder", NoPrompt)
    model = Indenting()
    rows = RowsByText(cast(LlamaModel, model), [])
    text = b""
    while not (row := rows.after(text)).end:
        text += row.text_bytes
    assert text == b"   1"
    assert model.read == [(), (3,), (3, 2), (3, 2, 5)]
    # Reopened there, it is read as a server would read it.
    assert RowsByText(cast(LlamaModel, model), []).after(b"   ").end
