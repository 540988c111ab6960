"""The stand-in's computing: one thread owns the model and serves one request after the other.

Knows nothing of HTTP or JSON: token ids in, picks out.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from floe.llama.runtime import LlamaModel

logger = logging.getLogger(__name__)

MAX_CANDIDATES: Final = 20
_WINDOW: Final = 12.0
"""Candidates are looked for among the logits this close to the best one first."""

_BLOCK: Final = 512

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class SampledToken:
    """One generated token.

    `candidates` are (id, logprob) pairs, best first; log-probabilities are those of the model
    itself, before temperature and top-p. `computed_at`: seconds, `time.monotonic()`.
    """

    token: int
    logprob: float
    candidates: list[tuple[int, float]]
    end: bool
    computed_at: float


@dataclass(frozen=True, slots=True)
class GenerationFailure:
    """The computation broke; the front answers with an error."""

    error: Exception


Event = SampledToken | FinishReason | GenerationFailure


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """One request.

    `deliver` is called in the worker's thread with each pick, then once with the reason of the
    end; not at all any more once `cancelled` is set.
    """

    tokens: Sequence[int]
    deliver: Callable[[Event], object]
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    candidates: int = 0
    seed: int | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class TokenSampler:
    """Picks tokens from logits of one vocabulary, with what it costs kept small.

    Control tokens other than the end ones have no text: they keep their share of the probability
    and are never picked or listed.
    """

    def __init__(self, pieces: Sequence[bytes], end_ids: Sequence[int]) -> None:
        ends = set(end_ids)
        self._textless = np.array(
            [i for i, piece in enumerate(pieces) if not piece and i not in ends], np.intp
        )
        self._ends = ends
        self._shifted = np.empty(len(pieces), np.float32)

    def sample(
        self, logits: NDArray[np.float32], job: GenerationJob, rng: np.random.Generator
    ) -> SampledToken:
        """Pick from `logits`, shape (vocabulary,), which are changed on the way."""
        best = float(logits.max())
        shifted = np.subtract(logits, best, out=self._shifted)
        total = float(np.log(np.exp(shifted, out=shifted).sum())) + best
        logits[self._textless] = -np.inf
        candidates = _largest_ids(logits, job.candidates, best)
        token = int(logits.argmax()) if job.temperature == 0 else _sample(logits, job, rng)
        logprobs = (logits[candidates].astype(np.float64) - total).tolist()
        return SampledToken(
            token,
            min(float(logits[token]) - total, 0.0),
            [(i, min(p, 0.0)) for i, p in zip(candidates.tolist(), logprobs, strict=True)],
            token in self._ends,
            time.monotonic(),
        )


def _largest_ids(logits: NDArray[np.float32], count: int, best: float) -> NDArray[np.intp]:
    """Return ids of the `count` largest, best first; equal ones in order of their ids."""
    if count == 0:
        return np.empty(0, np.intp)
    ids = np.flatnonzero(logits > best - _WINDOW)
    if len(ids) < count:
        ids = np.argpartition(logits, -count)[-count:]
    elif len(ids) > count:
        ids = ids[np.argpartition(logits[ids], -count)[-count:]]
    return ids[np.lexsort((ids, -logits[ids]))]


def _sample(logits: NDArray[np.float32], job: GenerationJob, rng: np.random.Generator) -> int:
    """Draw at the job's temperature from the smallest set that holds `top_p` of the mass."""
    weights = logits - logits.max()
    weights /= np.float32(job.temperature)
    np.exp(weights, out=weights)  # float64 would take ten times as long; the sums are float64
    if job.top_p == 1:
        return sample_index(weights, rng.random())
    # Tokens below this bound hold less than 1 - top_p together: no need to sort them.
    total = weights.sum(dtype=np.float64)
    ids = np.flatnonzero(weights >= (1 - job.top_p) * total / len(weights))
    ids = ids[np.argsort(-weights[ids], kind="stable")]
    mass = np.cumsum(weights[ids], dtype=np.float64)
    ids = ids[: int(np.searchsorted(mass, job.top_p * total)) + 1]
    return int(ids[sample_index(weights[ids], rng.random())])


def sample_index(weights: NDArray[np.float32], u: float) -> int:
    """Return the index where the cumulative weight passes the share `u` of all, 0 <= u < 1.

    First the block, then the place in it: a running sum over 152k weights takes 2 ms.
    """
    blocks = np.cumsum(
        np.add.reduceat(weights, np.arange(0, len(weights), _BLOCK), dtype=np.float64)
    )
    aim = u * blocks[-1]
    block = min(int(np.searchsorted(blocks, aim, "right")), len(blocks) - 1)
    start = block * _BLOCK
    before = blocks[block - 1] if block else 0.0
    mass = before + np.cumsum(weights[start : start + _BLOCK], dtype=np.float64)
    # The last digits of the two sums may differ: stay on what has a weight.
    place = min(int(np.searchsorted(mass, aim, "right")), int(np.searchsorted(mass, mass[-1])))
    return start + place


class GenerationWorker:
    """The thread that computes. A cancelled job gives way to the next one between two tokens."""

    def __init__(self, model: LlamaModel, tokens_per_second: Callable[[], float]) -> None:
        """Start; `tokens_per_second` is asked before each token; 0 is as fast as it goes."""
        self._model = model
        self._tokens_per_second = tokens_per_second
        self._picker = TokenSampler(model.pieces, model.end_ids)
        self._jobs: queue.SimpleQueue[GenerationJob | None] = queue.SimpleQueue()
        self._current: GenerationJob | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def submit(self, job: GenerationJob) -> None:
        """Queue `job` behind those that are neither done nor cancelled."""
        self._jobs.put(job)

    def close(self) -> None:
        """Let go of the running job and all that wait; the model is free afterwards."""
        self._closing.set()
        current = self._current
        if current is not None:
            current.cancelled.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._current = job
            if self._closing.is_set() or job.cancelled.is_set():
                continue
            try:
                self._generate(job)
            except Exception as error:  # the thread must live on for the next request
                logger.exception("generation failed")
                job.deliver(GenerationFailure(error))

    def _generate(self, job: GenerationJob) -> None:
        logits = self._model.prefill(job.tokens, job.cancelled.is_set)
        if logits is None:
            return
        rng = np.random.default_rng(None if job.seed is None else job.seed % 2**64)
        limit = min(job.max_tokens, self._model.context_size - len(job.tokens))
        due = time.monotonic()
        for left in range(limit, 0, -1):
            pick = self._picker.sample(logits[0], job, rng)
            due = self._pace(due, job.cancelled)
            if job.cancelled.is_set():
                return
            job.deliver(pick)
            if pick.end:
                job.deliver("stop")
                return
            if left > 1:
                logits = self._model.evaluate([pick.token])
        job.deliver("length")

    def _pace(self, due: float, cancelled: threading.Event) -> float:
        """Wait until this token is due; when the next one is."""
        rate = self._tokens_per_second()
        now = time.monotonic()
        if not rate:
            return now
        if due > now:
            cancelled.wait(due - now)
        return max(due, now) + 1 / rate
