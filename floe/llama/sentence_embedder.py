"""Sentences as vectors, by the model that answers: one word for what the speaker talks about.

As PromptEOL (Jiang et al. 2023, "Scaling Sentence Embeddings with Large Language Models"): the
hidden state with which a model begins that word. A context of its own, so that
neither the chat's cache nor adapters take part, and any thread may call while the model answers.
"""

import threading
from typing import Any, Final

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from floe.errors import ModelError, PromptError
from floe.llama.vocabulary import Vocabulary

_CONTEXT: Final = 128
"""Tokens of the longest sentence with the words around it."""
_BEFORE: Final = b'I said: "'
_AFTER: Final = b'" In one word, I talked about my "'
PROMPT_NAME: Final = "talked about"
"""Tells vectors made with these words from those made with others, which cannot be compared."""


class SentenceEmbedder:
    """Embeds sentences with the weights of one model; it has to be closed before they are freed.

    Args:
        weights: llama.cpp's own handle of them.
        vocabulary: text to tokens.
    """

    def __init__(self, weights: Any, vocabulary: Vocabulary) -> None:
        self._weights = weights
        self._vocabulary = vocabulary
        self._before = vocabulary.tokenize(_BEFORE)
        self._after = vocabulary.tokenize(_AFTER)
        self._size = lib.llama_model_n_embd(weights)
        self._lock = threading.Lock()
        self._context: Any = None
        self._batch: Any = None
        self._closed = False

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return a vector for a sentence: float32 of shape (hidden size,), of unit length.

        Text beyond some hundred tokens is left out.

        Raises:
            ModelError: the model has been closed, or memory is short.
            PromptError: the text is empty.
        """
        room = _CONTEXT - len(self._before) - len(self._after)
        with self._lock:
            self._open()  # before the vocabulary is read, which goes with the weights
            tokens = self._vocabulary.tokenize(text.encode())[:room]
            if not tokens:
                raise PromptError("An empty text has no embedding.")
            vector = self._last_state([*self._before, *tokens, *self._after])
        vector /= max(float(np.linalg.norm(vector)), 1e-12)
        return vector

    def close(self) -> None:
        """Free the context, once the sentence in hand is done."""
        with self._lock:
            self._closed = True
            if self._context is not None:
                lib.llama_batch_free(self._batch)
                lib.llama_free(self._context)
                self._context = None

    def _open(self) -> None:
        if self._closed:
            raise ModelError("Another model answers now.")
        if self._context is not None:
            return
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = _CONTEXT
        parameters.n_seq_max = 1
        # One: facts are read beside answers, which are waited for.
        parameters.n_threads = parameters.n_threads_batch = 1
        parameters.embeddings = True
        parameters.pooling_type = lib.LLAMA_POOLING_TYPE_LAST
        self._context = lib.llama_init_from_model(self._weights, parameters)
        if not self._context:
            raise ModelError("There is not enough memory to compare sentences.")
        self._batch = lib.llama_batch_init(_CONTEXT, 0, 1)

    def _last_state(self, tokens: list[int]) -> NDArray[np.float32]:
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        self._batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            self._batch.token[i] = token
            self._batch.pos[i] = i
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = 0
            self._batch.logits[i] = 1
        if lib.llama_decode(self._context, self._batch) != 0:
            raise RuntimeError("llama_decode failed while embedding")
        pointer = lib.llama_get_embeddings_seq(self._context, 0)
        vector: NDArray[np.float32] = np.ctypeslib.as_array(pointer, (self._size,)).copy()
        return vector
