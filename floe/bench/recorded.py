"""A cloud whose computing does not disturb a measurement: rows by text, served at a set pace.

A row is computed once, by a model in this process, and is a function of the question and the
text alone; the clock of the streams stands still meanwhile. Streams bring rows after a round
trip, at a rate, without threads or sockets of their own.
"""

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from floe.errors import CloudError
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import Candidate, ChatMessage, CloudToken

_TOP: Final = 20
MOST_AT_ONCE: Final = 24
"""Rows of one look; no decoder looks further ahead, and each has to be computed once."""


class RecordedCloud:
    """Greedy rows of one model, remembered.

    Attributes:
        seconds: time spent computing rows, which is no part of what is measured.
        cpu_seconds: processor time of this thread that giving them out has taken.
    """

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self._prompts = PromptBuilder(model)
        self._rows: dict[tuple[str, bytes], CloudToken] = {}
        self.seconds = 0.0
        self.cpu_seconds = 0.0

    def now(self) -> float:
        """Return the time in seconds of a clock that stands still while a row is computed."""
        return time.perf_counter() - self.seconds

    def cpu_now(self) -> float:
        """Return the processor time of this thread, without what rows took."""
        return time.thread_time() - self.cpu_seconds

    def row(self, question: str, text: bytes) -> CloudToken:
        """Return the distribution after `text`, the beginning of an answer to `question`."""
        key = (question, text)
        row = self._rows.get(key)
        if row is None:
            began = time.perf_counter()
            row = self._rows[key] = self._compute(question, text)
            self.seconds += time.perf_counter() - began
        return row

    def _compute(self, question: str, text: bytes) -> CloudToken:
        prompt = self._prompts.render([ChatMessage("user", question)])
        logits = self._model.prefill([*prompt, *self._model.tokenize(text)], lambda: False)
        assert logits is not None
        scores = logits[0].astype(np.float64)
        scores -= scores.max()
        scores -= math.log(np.exp(scores).sum())
        best = np.argpartition(-scores, _TOP)[:_TOP]
        best = best[np.argsort(-scores[best], kind="stable")]
        ends = set(self._model.end_ids)
        candidates = [
            Candidate(self._model.pieces[i], float(scores[i]), end=int(i) in ends)
            for i in best
            # Control tokens that are no end have no text.
            if self._model.pieces[i] or int(i) in ends
        ]
        own = candidates[0]
        return CloudToken(own.text_bytes, tuple(candidates), end=own.end)


class PacedStream:
    """A `CloudStream` of at most `limit` recorded rows; times in seconds.

    Attributes:
        waited: time spent in `wait`.
    """

    error: CloudError | None = None

    def __init__(
        self,
        cloud: RecordedCloud,
        question: str,
        partial: str,
        round_trip: float,
        interval: float,
        limit: int,
        at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._cloud = cloud
        self._question = question
        self._at_once = at_once
        self._text = partial.encode()
        self._next_at = cloud.now() + round_trip + interval
        self._left = limit
        self._interval = interval
        self._finished = False
        self.waited = 0.0

    def poll(self) -> list[CloudToken]:
        """Rows whose time has come."""
        rows: list[CloudToken] = []
        now, cpu_now = self._cloud.now(), self._cloud.cpu_now()
        while not self._finished and self._next_at <= now and len(rows) < self._at_once:
            row = self._cloud.row(self._question, self._text)
            rows.append(row)
            self._text += row.text_bytes
            self._next_at += self._interval
            self._left -= 1
            self._finished = row.end or self._left <= 0
        # Looking rows up is the cloud's work, not that of who follows it.
        self._cloud.seconds += self._cloud.now() - now
        self._cloud.cpu_seconds += self._cloud.cpu_now() - cpu_now
        return rows

    def wait(self, seconds: float) -> bool:
        """Sleep until the next row is due, at most `seconds`."""
        began, cpu_began = self._cloud.now(), self._cloud.cpu_now()
        until = min(self._next_at, began + seconds)
        # Woken a little early and spun to the end: a sleep is late by up to a scheduler's tick.
        if until > began + 0.001:
            time.sleep(until - began - 0.001)
        while self._cloud.now() < until:
            pass
        self.waited += self._cloud.now() - began
        self._cloud.cpu_seconds += self._cloud.cpu_now() - cpu_began
        return self._next_at <= self._cloud.now()

    @property
    def ended(self) -> bool:
        """True once the end of the stream has been given out."""
        return self._finished

    def close(self) -> None:
        """No more rows."""
        self._finished = True


class PacedCloud:
    """Opens paced streams for one question.

    Attributes:
        streams: all that were opened.
    """

    def __init__(
        self,
        cloud: RecordedCloud,
        question: str,
        round_trip: float,
        interval: float,
        limit: int,
        at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._cloud = cloud
        self._question = question
        self._pace = (round_trip, interval, limit, at_once)
        self.streams: list[PacedStream] = []

    def open(self, partial: str) -> PacedStream:
        """Start a stream."""
        stream = PacedStream(self._cloud, self._question, partial, *self._pace)
        self.streams.append(stream)
        return stream

    @property
    def waited(self) -> float:
        """Seconds spent waiting for rows."""
        return sum(stream.waited for stream in self.streams)


QUESTIONS: Final[Sequence[str]] = (
    "Why is the sky blue?",
    "How do I make a good cup of coffee at home?",
    "Write a short poem about the sea.",
    "Explain what a linked list is.",
    "What should I pack for a week of hiking?",
    "Describe the water cycle in simple words.",
    "Give me three tips for learning a new language.",
    "What is the difference between a virus and a bacterium?",
    "Write a Python function that reverses a string.",
    "How does a refrigerator work?",
    "Tell me a story about a dragon who likes tea.",
    "What are the benefits of walking every day?",
    "How can I thank a colleague for their help?",
    "Explain photosynthesis to a child.",
    "What is the capital of Japan, and what is it known for?",
    "How do I repair a flat bicycle tyre?",
    "Summarise the idea of supply and demand.",
    "Write an e-mail that asks for a day off.",
    "Why do cats purr?",
    "What makes bread rise?",
)
"""Everyday questions; nothing was tuned on them."""
