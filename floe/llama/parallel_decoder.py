"""Many answers at once: sequences side by side in one batch of llama.cpp.

For what nobody waits for token by token. Which token follows is decided by whoever asks: this
module knows logits, no sampling.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from floe.errors import ModelError
from floe.llama.runtime import Adapter, LlamaModel, set_adapters

SEQUENCES: Final = 12
"""Sequences side by side; more gain little on two cores, and each takes memory."""
_BATCH: Final = 512

PickToken = Callable[[int, Sequence[int], NDArray[np.float32]], int]
"""Prompt's number, its answer's tokens so far, logits of shape (vocabulary,): the next token."""


@dataclass(slots=True)
class DecodedAnswer:
    """Tokens of an answer, without its end token; `ended`: it came to an end by itself."""

    tokens: list[int] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class _Sequence:
    place: int
    number: int
    length: int
    pending: list[int]
    answer: DecodedAnswer


class ParallelDecoder:
    """A context beside the model's own, for as many sequences.

    Raises:
        ModelError: there is not enough memory.
    """

    def __init__(self, model: LlamaModel, *, tokens: int, sequences: int = SEQUENCES) -> None:
        """Make the context; `tokens` are those of all sequences together."""
        self._model = model
        self._tokens = tokens
        self._sequences = sequences
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = tokens
        parameters.n_batch = parameters.n_ubatch = _BATCH
        parameters.n_seq_max = sequences
        parameters.n_outputs_max = sequences
        parameters.n_outputs_max_per_seq = sequences
        # One cache for all: with one for each, sequences that end leave gaps that split a batch.
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = model.threads
        self._context: Any = lib.llama_init_from_model(model.handle, parameters)
        if not self._context:
            raise ModelError(
                "There is not enough memory to try the model out. Close other programs."
            )
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(_BATCH, 0, 1)

    def close(self) -> None:
        """Free the context; the model stays."""
        if self._context is not None:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self._context)
            self._context = None

    def __enter__(self) -> "ParallelDecoder":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def use_adapters(self, scaled: Sequence[tuple[Adapter, float]]) -> None:
        """Put exactly these adapters to work."""
        set_adapters(self._context, scaled)

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        pick: PickToken,
        max_tokens: int,
        *,
        on_ended: Callable[[int], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[DecodedAnswer]:
        """Answer all prompts.

        Args:
            prompts: tokens of each, fewer than `tokens - max_tokens`.
            pick: chooses each token.
            max_tokens: of one answer.
            on_ended: told how many have ended, after each.
            stopped: asked before each batch; what was not written then is empty.
        """
        lib.llama_memory_clear(self._memory, True)
        answers = [DecodedAnswer() for _ in prompts]
        waiting = deque(range(len(prompts)))
        free = list(range(self._sequences))
        active: list[_Sequence] = []
        while (waiting or active) and not stopped():
            reserved = sum(one.length + len(one.pending) + max_tokens for one in active)
            room = _BATCH - sum(len(one.pending) for one in active)
            while waiting and free:
                size = len(prompts[waiting[0]])
                if size > room and active:
                    break
                if reserved + size + max_tokens > self._tokens and active:
                    break
                number = waiting.popleft()
                active.append(_Sequence(free.pop(), number, 0, [*prompts[number]], answers[number]))
                reserved += size + max_tokens
                room -= size
            rows = self._evaluate(active)
            for one, logits in zip([*active], rows, strict=True):
                if logits is None:
                    continue
                token = pick(one.number, one.answer.tokens, logits)
                one.answer.ended = token in self._model.end_ids
                if not one.answer.ended:
                    one.answer.tokens.append(token)
                    one.pending = [token]
                if one.answer.ended or len(one.answer.tokens) == max_tokens:
                    lib.llama_memory_seq_rm(self._memory, one.place, -1, -1)
                    free.append(one.place)
                    active.remove(one)
                    on_ended(len(prompts) - len(waiting) - len(active))
        return answers

    def _evaluate(self, active: Sequence[_Sequence]) -> list[NDArray[np.float32] | None]:
        """Evaluate what is pending of each; None where a long prompt is not through yet."""
        count, room = 0, _BATCH
        ends: list[int | None] = []
        for i, one in enumerate(active):
            # Each of the others still needs a place for its token.
            taken = one.pending[: room - (len(active) - i - 1)]
            for token in taken:
                self._batch.token[count] = token
                self._batch.pos[count] = one.length
                self._batch.n_seq_id[count] = 1
                self._batch.seq_id[count][0] = one.place
                self._batch.logits[count] = 0
                one.length += 1
                count += 1
            del one.pending[: len(taken)]
            room -= len(taken)
            ends.append(None if one.pending else count - 1)
            if not one.pending:
                self._batch.logits[count - 1] = 1
        self._batch.n_tokens = count
        code = lib.llama_decode(self._context, self._batch)
        if code != 0:
            raise RuntimeError(f"llama_decode failed with code {code} for {count} tokens")
        words = len(self._model.vocabulary)
        return [
            None
            if at is None
            else np.ctypeslib.as_array(lib.llama_get_logits_ith(self._context, at), (words,))
            for at in ends
        ]
