"""Log-probability of a short text behind another, by the model that answers.

A context of its own, so that neither the chat's cache nor adapters take part, and any thread may
call while the model answers.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from llama_cpp import llama_cpp as lib

from floe.errors import ModelError

MOST_TOKENS: Final = 512
"""Tokens of both texts."""
SLOTS: Final = 2
"""Texts of which what was read stays for the next one that begins alike."""
_AT_ONCE: Final = 64
"""Tokens of one computation; its logits take 13 MB with the default model."""


class TextScorer:
    """Scores texts with the weights of one model; it has to be closed before they are freed.

    Args:
        weights: llama.cpp's own handle of them.
        threads: of a computation.
    """

    def __init__(self, weights: Any, threads: int) -> None:
        self._weights = weights
        self._threads = threads
        self._size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(weights))
        self._lock = threading.Lock()
        self._context: Any = None
        self._batch: Any = None
        self._closed = False
        self._read: list[list[int]] = [[] for _ in range(SLOTS)]

    def log_probability(
        self, before: Sequence[int], text: Sequence[int], *, slot: int = 0
    ) -> float:
        """Return the log-probability, in nats, of tokens behind others.

        Args:
            before: at least one id.
            text: ids that follow; both together are at most `MOST_TOKENS`.
            slot: below `SLOTS`; one for each row of texts that begin alike.

        Raises:
            ModelError: the model has been closed, or memory is short.
        """
        tokens = [*before, *text]
        first = len(before) - 1
        with self._lock:
            self._open()
            same = (a == b for a, b in zip(self._read[slot], tokens[:first], strict=False))
            begin = next(i for i, is_same in enumerate([*same, False]) if not is_same)
            # Nothing is known of it until all has been read.
            self._read[slot] = []
            lib.llama_memory_seq_rm(lib.llama_get_memory(self._context), slot, begin, -1)
            starts = range(begin, len(tokens) - 1, _AT_ONCE)
            total = sum(self._score(tokens, start, first, slot) for start in starts)
            self._read[slot] = tokens[:-1]
            return total

    def close(self) -> None:
        """Free the context, once the text in hand is done."""
        with self._lock:
            self._closed = True
            if self._context is not None:
                lib.llama_batch_free(self._batch)
                lib.llama_free(self._context)
                self._context = None

    def _score(self, tokens: Sequence[int], start: int, first: int, slot: int) -> float:
        """Read one batch; return the log-probability of what follows its places from `first` on."""
        places = range(start, min(start + _AT_ONCE, len(tokens) - 1))
        self._batch.n_tokens = len(places)
        for i, place in enumerate(places):
            self._batch.token[i] = tokens[place]
            self._batch.pos[i] = place
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = slot
            self._batch.logits[i] = int(place >= first)
        if lib.llama_decode(self._context, self._batch) != 0:
            raise RuntimeError("llama_decode failed while scoring")
        total = 0.0
        for i, place in enumerate(places):
            if place < first:
                continue
            pointer = lib.llama_get_logits_ith(self._context, i)
            logits = np.ctypeslib.as_array(pointer, (self._size,)).astype(np.float64)
            highest = logits.max()
            total += float(logits[tokens[place + 1]] - highest)
            total -= float(np.log(np.exp(logits - highest).sum()))
        return total

    def _open(self) -> None:
        if self._closed:
            raise ModelError("Another model answers now.")
        if self._context is not None:
            return
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = SLOTS * MOST_TOKENS
        parameters.n_batch = parameters.n_ubatch = _AT_ONCE
        parameters.n_seq_max = SLOTS
        parameters.n_threads = parameters.n_threads_batch = self._threads
        self._context = lib.llama_init_from_model(self._weights, parameters)
        if not self._context:
            raise ModelError("There is not enough memory to compare a question with its chat.")
        self._batch = lib.llama_batch_init(_AT_ONCE, 0, 1)
