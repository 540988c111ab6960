"""A local model that says what it is told, fast: for hundreds of conversations.

It follows its script from word to word wherever the text stands, as a model does that wants to
tell something: what the cloud puts in between does not keep it from going on.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from floe.llama.prompt_cache import common_length

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PIECE = re.compile(r" ?[A-Za-z]{1,4}| ?\d{1,3}|\s?[^A-Za-z\d\s]|\s")
"""Words fall into pieces of at most four letters, so that names and numbers come bit by bit."""


def pieces_of(text: str) -> list[bytes]:
    """The tokens that both sides use."""
    return [piece.encode() for piece in PIECE.findall(text)]


def after(script: Sequence[bytes], said: bytes) -> int:
    """How far a script has been told by a text that also holds other words."""
    at = place = 0
    while place < len(script):
        found = said.find(script[place], at)
        # Only what follows closely is the script, and not the same letters by chance.
        if found < 0 or found > at + 60:
            break
        at, place = found + len(script[place]), place + 1
    return place


class ScriptedModel:
    """What `Assistant` needs of a `LlamaModel`; `script` is what it wants to say next."""

    metadata: Mapping[str, str] = {"tokenizer.chat_template": CHATML}
    context_size = 4096
    bit_exact_batch_size = 16
    batch_invariant_min_size = 1
    single_step_exact_below = 10_000
    prompt_speed = None
    end_ids = (0,)
    path = Path("there is no such file")

    def __init__(self, texts: Sequence[str]) -> None:
        known = dict.fromkeys(piece for text in texts for piece in pieces_of(text))
        self.pieces: tuple[bytes, ...] = (b"", *(bytes([b]) for b in range(256)), *known)
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}
        self.tokens: list[int] = []
        self.script = ""
        self._base = 0
        fingerprint = hashlib.sha256(b"".join(self.pieces)).hexdigest()
        self.vocabulary = SimpleNamespace(
            bos_text="",
            eos_text="",
            control_texts={},
            fingerprint=fingerprint,
            tokenize=self._tokenize,
            tokenize_prompt=lambda text, **_: self._tokenize(text.encode()),
        )

    def prefill(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> NDArray[np.float32]:
        del stopped
        self.tokens = list(tokens)
        self._base = len(tokens)
        return self._logits()[None]

    def keep_prefix(self, tokens: Sequence[int]) -> int:
        self.tokens = self.tokens[: common_length(self.tokens, tokens[:-1])]
        return len(self.tokens)

    def forget_prompts(self) -> None:
        pass

    def count_unread(self, tokens: Sequence[int]) -> int:
        return len(tokens)

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> NDArray[np.float32]:
        rows = []
        for token in tokens:
            self.tokens.append(token)
            rows.append(self._logits())
        return np.array(rows[-outputs:], np.float32)

    def roll_back(self, length: int) -> None:
        del self.tokens[length:]

    def tokenize(self, data: bytes) -> list[int]:
        return self._tokenize(data)

    def close(self) -> None:
        pass

    def _tokenize(self, data: bytes) -> list[int]:
        return [self._ids[bytes([byte])] for byte in data]

    def _logits(self) -> NDArray[np.float32]:
        said = b"".join(self.pieces[token] for token in self.tokens[self._base :])
        script = [
            part
            for piece in pieces_of(self.script)
            for part in ([piece] if piece in self._ids else [bytes([byte]) for byte in piece])
        ]
        place = after(script, said)
        wanted = self._ids[script[place]] if place < len(script) else 0
        logits = np.zeros(len(self.pieces), np.float32)
        logits[wanted] = 12.0
        return logits


def cloud_rows(partial: str, script: str) -> list[dict[str, Any]]:
    """What a cloud with a script says after `partial`: entries of the log-probabilities."""
    wanted = pieces_of(script)
    rows = []
    for piece in wanted[after(wanted, partial.encode()) :]:
        token = piece.decode()
        own = {"token": token, "logprob": -0.2, "bytes": list(piece)}
        other = {"token": " so", "logprob": -3.0, "bytes": list(b" so")}
        rows.append({**own, "top_logprobs": [own, other]})
    return rows
