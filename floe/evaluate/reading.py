"""Answers as the cloud reads them: rows after any beginning, and its own bits where they show.

A cloud in this process is cut down to what an endpoint shows, its top 20 candidates a token; a
real endpoint is followed with as few requests as its streams allow.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from floe.cloud.client import CloudClient
from floe.fusion.scoring.teacher_forcing import StreamedDistributions
from floe.llama.forced_logits import forced_logits
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel, Logits
from floe.records import Candidate, ChatMessage, CloudToken, Sampling

TOP: Final = 20
_PATIENCE: Final = 30.0
"""Seconds without a row after which a real endpoint has none to give."""
_SPACING: Final = 0.05
_STREAM_TOKENS: Final = 128
"""A stream is closed where the text leaves it, which nearly always comes sooner."""


@dataclass(frozen=True, slots=True)
class CloudAnswer:
    """An assistant's message and what was said before it.

    `row`: which chat of the file it is of.
    """

    row: int
    context: tuple[ChatMessage, ...]
    text: str


def answers_of(chats: Sequence[Sequence[ChatMessage]]) -> list[CloudAnswer]:
    """Every assistant's message that holds text, with all before it as its context."""
    return [
        CloudAnswer(row, tuple(chat[:place]), message.content)
        for row, chat in enumerate(chats)
        for place, message in enumerate(chat)
        if message.role == "assistant" and message.content.strip() and place
    ]


class Reading(Protocol):
    """One answer as a cloud reads it."""

    @property
    def bits(self) -> float | None:
        """Bits of the answer by the cloud's tokens, over its whole vocabulary; None: not shown."""
        ...

    def row(self, text: bytes) -> CloudToken | None:
        """Return the distribution after `text`, the answer's beginning; None: no more requests."""
        ...


class Cloud(Protocol):
    """Whatever reads answers; what it said of one is kept."""

    @property
    def vocabulary(self) -> str | None:
        """Its vocabulary's fingerprint, if known."""
        ...

    def fits(self, answer: CloudAnswer) -> bool:
        """Tell whether it can read that much."""
        ...

    def read(self, answer: CloudAnswer) -> Reading:
        """Read it, or remember."""
        ...


class LocalReader:
    """Prompts of answers for a model in this process."""

    def __init__(self, model: LlamaModel) -> None:
        self.model = model
        self._prompts = PromptBuilder(model)

    def tokens(self, answer: CloudAnswer) -> tuple[list[int], list[int]]:
        """Prompt and answer, by the model's own template and tokenizer."""
        prompt = self._prompts.render(answer.context)
        return prompt, self.model.tokenize(answer.text.encode())

    def fits(self, answer: CloudAnswer) -> bool:
        """Tell whether prompt and answer fit the context."""
        prompt, tokens = self.tokens(answer)
        return len(prompt) + len(tokens) < self.model.context_size


class GgufCloud:
    """A model in this process in the cloud's place."""

    def __init__(self, model: LlamaModel) -> None:
        self._reader = LocalReader(model)
        self._readings: dict[CloudAnswer, _GgufReading] = {}
        self.vocabulary: str | None = model.vocabulary.fingerprint

    def fits(self, answer: CloudAnswer) -> bool:
        """Do as the protocol says."""
        return self._reader.fits(answer)

    def read(self, answer: CloudAnswer) -> Reading:
        """Do as the protocol says."""
        reading = self._readings.get(answer)
        if reading is None:
            reading = self._readings[answer] = _GgufReading(self._reader, answer)
        return reading


class _GgufReading:
    """Rows at the model's own tokens come from one pass over the answer.

    The stream of an answer that was reopened in the middle of such a token is read again from
    there, as a server would.
    """

    def __init__(self, reader: LocalReader, answer: CloudAnswer) -> None:
        self._model = reader.model
        self._prompt, tokens = reader.tokens(answer)
        self._rows: dict[bytes, CloudToken] = {}
        nats = 0.0
        text = b""
        logits = forced_logits(self._model, self._prompt, tokens)
        for row, token in zip(logits, [*tokens, None], strict=True):
            logprobs = _log_softmax(row)
            self._rows[text] = row_of(logprobs, self._model)
            if token is not None:
                nats -= float(logprobs[token])
                text += self._model.pieces[token]
        self.bits: float | None = nats / math.log(2.0)

    def row(self, text: bytes) -> CloudToken:
        row = self._rows.get(text)
        if row is None:
            prompt = [*self._prompt, *self._model.tokenize(text)]
            logits = self._model.prefill(prompt, lambda: False)
            assert logits is not None
            row = self._rows[text] = row_of(_log_softmax(logits[0]), self._model)
        return row


class LiveCloud:
    """A real endpoint.

    Attributes:
        requests: streams opened so far.
    """

    def __init__(
        self,
        client: CloudClient,
        max_requests: int,
        may_leave: Callable[[CloudAnswer], bool] = lambda _answer: True,
    ) -> None:
        """Ask nothing yet.

        Args:
            client: the way there.
            max_requests: for everything that is read together.
            may_leave: whether an answer, with what was said before it, may be sent.
        """
        self._client = client
        self._may_leave = may_leave
        self._left = max_requests
        self._readings: dict[CloudAnswer, _LiveReading] = {}
        self.requests = 0
        self.vocabulary: str | None = client.vocabularies.get(client.model)

    def fits(self, answer: CloudAnswer) -> bool:
        """Whether it may leave this device; how much fits, the endpoint will say itself."""
        return self._may_leave(answer)

    def read(self, answer: CloudAnswer) -> Reading:
        """Do as the protocol says. Closes what the answer before it left open."""
        reading = self._readings.get(answer)
        if reading is None:
            for other in self._readings.values():
                other.asked.close()
            self.requests = sum(other.asked.requests for other in self._readings.values())
            asked = StreamedDistributions(
                lambda partial: self._client.open(
                    answer.context, partial, Sampling(), _STREAM_TOKENS
                ),
                max_requests=max(self._left - self.requests, 0),
                patience=_PATIENCE,
                spacing=_SPACING,
            )
            reading = self._readings[answer] = _LiveReading(asked)
        return reading

    def close(self) -> None:
        """Close all streams and count the requests."""
        for reading in self._readings.values():
            reading.asked.close()
        self.requests = sum(reading.asked.requests for reading in self._readings.values())


class _LiveReading:
    bits: float | None = None

    def __init__(self, asked: StreamedDistributions) -> None:
        self.asked = asked
        self._rows: dict[bytes, CloudToken | None] = {}

    def row(self, text: bytes) -> CloudToken | None:
        if text not in self._rows:
            self._rows[text] = self.asked.after(text)
        return self._rows[text]


def row_of(logprobs: NDArray[np.float64], model: LlamaModel) -> CloudToken:
    """Return the best candidates, the very best as the token that a greedy stream chooses."""
    best = np.argpartition(-logprobs, TOP)[:TOP]
    best = best[np.argsort(-logprobs[best], kind="stable")]
    ends = set(model.end_ids)
    candidates = [
        Candidate(model.pieces[i], float(logprobs[i]), end=int(i) in ends)
        for i in best
        # Control tokens that are no end have no text.
        if model.pieces[i] or int(i) in ends
    ]
    own = candidates[0]
    return CloudToken(own.text_bytes, tuple(candidates), end=own.end)


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    scores = logits.astype(np.float64)
    scores -= scores.max()
    return np.asarray(scores - math.log(np.exp(scores).sum()))
