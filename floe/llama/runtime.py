"""The small model in llama.cpp: batches of tokens in, logits out, and back again.

The low-level calls are used because verification needs logits at chosen positions of a batch
and a cache that can be rolled back; the high-level class copies every row and fills its scores
only when all are asked for. One thread may use a model at a time.
"""

import ctypes
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from llama_cpp import llama_cpp as lib
from numpy.typing import NDArray

from floe.errors import ModelError, PromptError
from floe.llama.build import read_build, uses_amx
from floe.llama.free_memory import free_memory
from floe.llama.gguf_checks import check_adapter, check_model
from floe.llama.gguf_file import choose_repacking
from floe.llama.load_options import ChosenOption, LlamaOptions, LoadPlan, plan_load
from floe.llama.malloc_limits import limit_malloc
from floe.llama.metadata import read_metadata
from floe.llama.native_log import forward_log
from floe.llama.prompt_cache import LEAST_TOKENS, PromptCache, common_length, restore_prompt
from floe.llama.sentence_embedder import SentenceEmbedder
from floe.llama.text_scorer import TextScorer
from floe.llama.threads import choose_threads
from floe.llama.vocabulary import Vocabulary
from floe.store import encryption
from floe.store.text import one_line
from floe.units import format_gigabytes

logger = logging.getLogger(__name__)

Logits = NDArray[np.float32]

MAX_BATCH: Final = 512
"""Tokens of one decode call."""
MAX_OUTPUTS: Final = 64
"""Positions of one decode call whose logits can be read."""
_PROMPT_CHUNK: Final = 256
"""Prompt tokens between two polls of the stop flag: about half a second on two small cores."""
_SPEEDS: Final = 8
"""Chunks of prompts by whose speed the next is predicted; one of them may have had to wait."""
_EMBED_CONTEXT: Final = 512
_LEAST_STATE: Final = 800
"""Numbers of a hidden state from which on sentences are compared by it: models of 0.5B and more."""
_LONGEST_NAME: Final = 80
_BATCH_SIZES: Final = (16, 8, 7, 6, 5, 4, 3, 2)
_BATCH_INVARIANT_SIZE: Final = 8
_ATTENTION_SPLIT_FROM: Final = 256
"""llama.cpp sees the cache in steps of 256 cells. From 512 on it parts the attention of a single
step, and of nothing else, among the threads, and adds it up in another order."""
_WORK_BYTES: Final = 400 * 10**6
"""Beside the weights, where a limit is set: llama.cpp has been seen to abort with 290 MB."""
_CACHE_TYPES: Final = {
    "f16": lib.GGML_TYPE_F16,
    "q8_0": lib.GGML_TYPE_Q8_0,
    "q4_0": lib.GGML_TYPE_Q4_0,
}
_FLASH_ATTENTION: Final = {
    None: lib.LLAMA_FLASH_ATTN_TYPE_AUTO,
    True: lib.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    False: lib.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_PANGRAM: Final = b"The quick brown fox jumps over the lazy dog, and 1 + 2 = 3."


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """A LoRA adapter loaded beside one model; it lives as long as the model."""

    path: Path
    handle: Any


class LlamaModel:
    """A GGUF model, its KV cache, and what has been evaluated into it.

    Attributes:
        vocabulary: the exact bytes of every token.
        tokens: ids in the KV cache, in order.
        context_size: how many tokens the cache holds.
        metadata: the GGUF's key-value pairs as text.
        options: how it was loaded, each with its reason.
        step_seconds: of the quickest single step when batches were tried; None until then.
    """

    def __init__(
        self,
        path: Path,
        *,
        context: int = 4096,
        threads: int = 0,
        threads_reason: str = "",
        options: LlamaOptions | None = None,
        repack: bool | None = None,
        prompt_cache_bytes: int = 0,
    ) -> None:
        """Load `path`.

        Args:
            path: a GGUF file.
            context: wished size in tokens; cut to what the model was trained on.
            threads: 0 chooses for this device.
            threads_reason: why so many, where the caller has chosen.
            options: the context in it is taken in place of `context`; None: what suits.
            repack: whether weights are laid out anew, which may take as much memory again as
                the file; None: where it is worth it.
            prompt_cache_bytes: memory for what was evaluated of other prompts; 0: none.

        Raises:
            ModelError: the file is missing, broken, of an unknown kind, or too large, or the
                options cannot be done.
        """
        header = check_model(path)
        self._plan: LoadPlan = plan_load(
            path, header, options or LlamaOptions(context=context), read_build()
        )
        _check_memory(path)
        self.path = path
        self._model: Any = None
        self._context: Any = None
        self._embedder: Any = None
        self.sentences: SentenceEmbedder | None = None
        self.scorer: TextScorer | None = None
        self.threads, reason = choose_threads(threads)
        self.threads_reason = threads_reason or reason
        self.options: tuple[ChosenOption, ...] = (
            ChosenOption("Threads", str(self.threads), self.threads_reason),
            *self._plan.shown,
        )
        self.step_seconds: float | None = None
        self._batch_speed: float | None = None
        self._prompt_speeds: deque[float] = deque(maxlen=_SPEEDS)
        self._prompt_cache = PromptCache(prompt_cache_bytes)
        self._may_keep = True
        limit_malloc()
        forward_log()
        lib.llama_backend_init()
        parameters = lib.llama_model_default_params()
        parameters.n_gpu_layers = self._plan.gpu_layers
        parameters.use_extra_bufts, reason = (
            (repack, "as it was asked for")
            if repack is not None
            else (False, "the build would use AMX, which not every compiler gets right")
            if uses_amx()
            else choose_repacking(path)
        )
        logger.info("weights laid out anew: %s, %s", parameters.use_extra_bufts, reason)
        self._model = lib.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise ModelError(
                f"llama.cpp cannot load {path}: the file is broken or of a kind this version does "
                "not know. Fetch it again (`floe models verify` checks the models "
                "of the catalog), or choose another; the log has llama.cpp's own words."
            )
        self.metadata = read_metadata(self._model)
        self.vocabulary = Vocabulary(lib.llama_model_get_vocab(self._model))
        self.context_size = self._plan.context
        self._context = self._new_context(self.context_size, MAX_OUTPUTS)
        self._memory = lib.llama_get_memory(self._context)
        self._batch = lib.llama_batch_init(MAX_BATCH, 0, 1)
        self._batch_ids = np.ctypeslib.as_array(self._batch.token, (MAX_BATCH,))
        self._batch_positions = np.ctypeslib.as_array(self._batch.pos, (MAX_BATCH,))
        self._batch_outputs = np.ctypeslib.as_array(self._batch.logits, (MAX_BATCH,))
        for i in range(MAX_BATCH):
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = 0
        self.tokens: list[int] = []
        self._adapters: list[Adapter] = []
        if lib.llama_model_n_embd(self._model) >= _LEAST_STATE:
            self.sentences = SentenceEmbedder(self._model, self.vocabulary)
        else:
            self.scorer = TextScorer(self._model, self.threads)
        self._in_use: Sequence[tuple[Adapter, float]] = ()
        # One size without adapters and one with, because their matrices have other kernels.
        self._batch_invariant: dict[bool, int] = {}

    def close(self) -> None:
        """Free everything; the object is of no use afterwards."""
        if self.sentences is not None:
            self.sentences.close()
            self.sentences = None
        if self.scorer is not None:
            self.scorer.close()
            self.scorer = None
        if self._embedder is not None:
            lib.llama_free(self._embedder)
            self._embedder = None
        if self._context is not None:
            lib.llama_batch_free(self._batch)
            lib.llama_free(self._context)
            self._context = None
        # Adapters go with their model.
        self._adapters.clear()
        self._in_use = ()
        if self._model is not None:
            lib.llama_model_free(self._model)
            self._model = None

    def __enter__(self) -> "LlamaModel":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def context(self) -> Any:
        """llama.cpp's own handle, for measurements beside this class."""
        return self._context

    @property
    def handle(self) -> Any:
        """llama.cpp's own handle of the weights, for a context beside this class."""
        return self._model

    @property
    def name(self) -> str:
        """The file's own name for the model, fit for one line of the page."""
        return one_line(self.metadata.get("general.name", ""))[:_LONGEST_NAME] or self.path.stem

    @property
    def pieces(self) -> Sequence[bytes]:
        """Bytes of each token, `vocabulary.pieces`."""
        return self.vocabulary.pieces

    @property
    def end_ids(self) -> Sequence[int]:
        """End-of-generation tokens, `vocabulary.end_ids`."""
        return self.vocabulary.end_ids

    def tokenize(self, data: bytes) -> list[int]:
        """Tokens that continue a text by exactly `data`.

        Raises:
            ModelError: the model was closed, and its vocabulary with it.
            ValueError: the vocabulary has no tokens for some of the bytes.
        """
        if self._model is None:
            raise ModelError("The model is not loaded any more.")
        return self.vocabulary.tokenize(data)

    def evaluate(self, tokens: Sequence[int], outputs: int = 1) -> Logits:
        """Append `tokens` to the cache.

        Args:
            tokens: 1 to MAX_BATCH ids.
            outputs: at how many of the last positions logits are wanted, at most MAX_OUTPUTS.

        Returns:
            float32 of shape (outputs, vocabulary): row i holds the logits *after* the i-th of
            the last `outputs` tokens. A view of llama.cpp's own buffer: valid until the next call.

        Raises:
            PromptError: the context is full.
        """
        count = len(tokens)
        start = len(self.tokens)
        if start + count > self.context_size:
            raise PromptError(f"The model's context of {self.context_size} tokens is full.")
        logits = self._decode(self._context, tokens, start, outputs)
        self.tokens.extend(tokens)
        return logits

    def _decode(self, context: Any, tokens: Sequence[int], start: int, outputs: int) -> Logits:
        """Do as `evaluate` in any context, without the bookkeeping."""
        count = len(tokens)
        self._batch.n_tokens = count
        if count == 1:  # by far the most calls; a slice of one costs several times as much
            self._batch_ids[0] = tokens[0]
            self._batch_positions[0] = start
            self._batch_outputs[0] = 1
        else:
            self._batch_ids[:count] = tokens
            self._batch_positions[:count] = range(start, start + count)
            self._batch_outputs[:count] = 1
            self._batch_outputs[: count - outputs] = 0
        code = lib.llama_decode(context, self._batch)
        if code != 0:
            lib.llama_memory_seq_rm(lib.llama_get_memory(context), 0, start, -1)
            raise RuntimeError(f"llama_decode failed with code {code} for {count} tokens")
        buffer = lib.llama_get_logits(context).contents
        return _array_at(ctypes.addressof(buffer), outputs, len(self.vocabulary))

    @property
    def bit_exact_batch_size(self) -> int:
        """Most tokens that one batch may have before its logits differ from single steps.

        llama.cpp has other kernels for many rows than for one, and for some quantisations they
        round differently (Q4_K: up to 0.7 in a logit from 4 rows on; Q4_1: not at all). Found
        out on this machine, once, by trying in a context of its own; 1 if even two differ, and
        with any adapter: its products are added up in another order, which changes the
        rounded activations now and then, too seldom for a short trial.

        Single steps agree with these up to `single_step_exact_below`, batches of two always.
        """
        return 1 if self._in_use else self._bit_exact_batch_size

    @property
    def single_step_exact_below(self) -> int:
        """Tokens in the cache from which on a single step differs in bits from a batch of two."""
        return _ATTENTION_SPLIT_FROM

    @cached_property
    def _bit_exact_batch_size(self) -> int:
        with self._trial_batches() as batches:
            single = batches(1)
            exact = (n for n in _BATCH_SIZES if np.array_equal(batches(n, 1), single[:n]))
            return next(exact, 1)

    @property
    def batch_invariant_min_size(self) -> int:
        """Fewest tokens from which on logits do not depend on the size of the batch.

        1 where those of single steps are the same. Else kernels for many rows round differently
        from those for one: a batch that is filled up to this size is bit-exact with a longer one.
        0 if not even that is so.
        """
        if self.bit_exact_batch_size == _BATCH_SIZES[0]:
            return 1
        adapted = bool(self._in_use)
        if adapted not in self._batch_invariant:
            with self._trial_batches() as batches:
                even = np.array_equal(
                    batches(_BATCH_INVARIANT_SIZE), batches(2 * _BATCH_INVARIANT_SIZE)
                )
                self._batch_invariant[adapted] = _BATCH_INVARIANT_SIZE if even else 0
        return self._batch_invariant[adapted]

    @contextmanager
    def _trial_batches(self) -> Iterator[Callable[..., Logits]]:
        """Give a function that evaluates fixed tokens in batches of a size, apart from the chat."""
        longest = _BATCH_SIZES[0]
        tokens = (self.tokenize(_PANGRAM) * longest)[: 2 * longest]
        head, tail = tokens[:longest], tokens[longest:]
        context = self._new_context(2 * longest, longest)
        memory = lib.llama_get_memory(context)

        def batches(size: int, count: int | None = None) -> Logits:
            lib.llama_memory_seq_rm(memory, 0, longest, -1)
            rows = []
            for at in range(0, longest, size)[:count]:
                since = time.perf_counter()
                rows.append(self._decode(context, tail[at : at + size], longest + at, size).copy())
                # The quickest: others may have kept the processor busy during the rest.
                took = time.perf_counter() - since
                if size == 1:
                    self.step_seconds = min(took, self.step_seconds or took)
                if size == longest:
                    self._batch_speed = max(size / took, self._batch_speed or 0.0)
            return np.concatenate(rows)

        try:
            set_adapters(context, self._in_use)
            self._decode(context, head, 0, 1)
            yield batches
        finally:
            lib.llama_free(context)

    def roll_back(self, length: int) -> None:
        """Forget all tokens from position `length` on."""
        if length < len(self.tokens):
            lib.llama_memory_seq_rm(self._memory, 0, length, -1)
            del self.tokens[length:]

    def prefill(self, tokens: Sequence[int], stopped: Callable[[], bool]) -> Logits | None:
        """Bring the cache to exactly `tokens`, evaluating only what differs from what it holds.

        Args:
            tokens: at least one id.
            stopped: asked between batches.

        Returns:
            Logits after the last token, shape (1, vocabulary), or None if stopped.
        """
        common = self.keep_prefix(tokens)
        logits: Logits | None = None
        for start in range(common, len(tokens), _PROMPT_CHUNK):
            if stopped():
                return None
            chunk = tokens[start : start + _PROMPT_CHUNK]
            since = time.perf_counter()
            logits = self.evaluate(chunk)
            if len(chunk) == _PROMPT_CHUNK:
                self._prompt_speeds.append(len(chunk) / (time.perf_counter() - since))
        return logits

    def keep_prefix(self, tokens: Sequence[int]) -> int:
        """Bring the cache to the longest known beginning of a prompt, without its last token.

        What goes is kept for another time, if there is memory for it.

        Returns:
            The number of tokens that the cache holds now.
        """
        held = common_length(self.tokens, tokens)
        found = None
        if self._prompt_cache.known_length(tokens, self._in_use) >= held + LEAST_TOKENS:
            found = self._prompt_cache.take(tokens, self._in_use)
        # Where most stays it is the next turn of the same chat: a copy would only cost time.
        if len(self.tokens) - held >= max(held, LEAST_TOKENS):
            self._keep_prompt()
        self._may_keep = True
        if found is not None:
            self.roll_back(0)
            if restore_prompt(self._context, found):
                self.tokens = list(found.tokens)
            held = common_length(self.tokens, tokens)
        common = min(held, len(tokens) - 1)
        self.roll_back(common)
        return common

    def count_unread(self, tokens: Sequence[int]) -> int:
        """Count the tokens of a prompt that would have to be evaluated; any thread may ask."""
        held = common_length(self.tokens, tokens)
        return len(tokens) - max(held, self._prompt_cache.known_length(tokens, self._in_use))

    def forget_prompts(self) -> None:
        """Let go of what is kept of earlier prompts: some of it was deleted. Any thread may."""
        self._may_keep = False  # what is evaluated now may be of it, too
        self._prompt_cache.clear()

    def _keep_prompt(self) -> None:
        if self._may_keep:
            self._prompt_cache.save(self._context, self.tokens, self._in_use)

    @property
    def prompt_speed(self) -> float | None:
        """Tokens of a prompt that are read in a second, as far as is known; None: not at all.

        Until a prompt has been read it is that of the largest batch that was tried, which is
        less: on two small cores about as much, on a graphics card by far.
        """
        return median(self._prompt_speeds) if self._prompt_speeds else self._batch_speed

    def load_adapter(self, path: Path) -> Adapter:
        """Read a GGUF LoRA adapter; it acts only once `use_adapters` names it.

        Raises:
            ModelError: it is missing, broken, or was made for another model.
        """
        with encryption.readable_file(path) as readable:
            check_adapter(readable, self.path, path.name)
            # llama.cpp copies the tensors, so that the file is not needed afterwards.
            handle = lib.llama_adapter_lora_init(self._model, str(readable).encode())
        if not handle:
            raise ModelError(
                f"The adapter {path.name} does not fit {self.path.name}: it is broken or was made "
                "for another model."
            )
        adapter = Adapter(path, handle)
        self._adapters.append(adapter)
        return adapter

    def use_adapters(self, scaled: Sequence[tuple[Adapter, float]]) -> None:
        """Put exactly these adapters to work, each with its scale; none takes all off.

        What was evaluated before no longer holds, so the cache is cleared.
        """
        self._keep_prompt()
        set_adapters(self._context, scaled)
        self._in_use = tuple(scaled)
        self.roll_back(0)

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return the mean-pooled last hidden state of `text` under the base model.

        A context of its own, so that neither the chat's cache nor adapters take part. Text
        beyond 512 tokens is left out.

        Returns:
            float32 of shape (hidden size,), of unit length.
        """
        if self._embedder is None:
            self._embedder = self._new_context(_EMBED_CONTEXT, 1, embeddings=True)
        tokens = self.vocabulary.tokenize(text.encode())[:_EMBED_CONTEXT]
        if not tokens:
            raise PromptError("An empty text has no embedding.")
        lib.llama_memory_clear(lib.llama_get_memory(self._embedder), True)
        self._batch.n_tokens = len(tokens)
        self._batch_ids[: len(tokens)] = tokens
        self._batch_positions[: len(tokens)] = np.arange(len(tokens))
        self._batch_outputs[: len(tokens)] = 1
        if lib.llama_decode(self._embedder, self._batch) != 0:
            raise RuntimeError("llama_decode failed while embedding")
        pointer = lib.llama_get_embeddings_seq(self._embedder, 0)
        vector: NDArray[np.float32] = np.ctypeslib.as_array(
            pointer, (lib.llama_model_n_embd(self._model),)
        ).copy()
        vector /= max(float(np.linalg.norm(vector)), 1e-12)
        return vector

    def _new_context(self, size: int, outputs: int, *, embeddings: bool = False) -> Any:
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = size
        parameters.n_batch = MAX_BATCH
        parameters.n_ubatch = MAX_BATCH
        parameters.n_seq_max = 1
        parameters.n_outputs_max = parameters.n_outputs_max_per_seq = (
            MAX_BATCH if embeddings else outputs
        )
        parameters.n_threads = parameters.n_threads_batch = self.threads
        parameters.flash_attn_type = _FLASH_ATTENTION[self._plan.flash_attention]
        parameters.type_k = parameters.type_v = _CACHE_TYPES[self._plan.cache_type]
        if embeddings:
            parameters.embeddings = True
            parameters.pooling_type = lib.LLAMA_POOLING_TYPE_MEAN
        context = lib.llama_init_from_model(self._model, parameters)
        if not context:
            raise ModelError(
                f"There is not enough memory for a context of {size} tokens with {self.path.name}. "
                "Close other programs, or set a smaller `context`."
            )
        return context


@lru_cache(maxsize=64)
def _array_at(address: int, rows: int, columns: int) -> Logits:
    """Make an array of float32 over memory that llama.cpp owns.

    Kept, because numpy reads a description of the type each time, for 0.03 ms and more: llama.cpp
    has the same buffer for nearly all calls, and whoever is given an array asks for it anew
    after each.
    """
    memory = (ctypes.c_float * (rows * columns)).from_address(address)
    return np.frombuffer(memoryview(memory), np.float32).reshape(rows, columns)


def _check_memory(path: Path) -> None:
    """Refuse what cannot go well: where a limit is hit inside llama.cpp, it aborts the process."""
    needed = path.stat().st_size
    free = free_memory()
    if free.limit:
        # The file and its weights laid out anew, the cache and the buffers of a batch.
        needed = 2 * needed + _WORK_BYTES
    if needed > free.bytes:
        within = f" within {free.limit}" if free.limit else ""
        raise ModelError(
            f"{path.name} needs at least {format_gigabytes(needed / 1e6)} of memory and "
            f"{format_gigabytes(free.bytes / 1e6)} are free{within}. Close other programs"
            f"{', raise that limit,' if free.limit else ''} or choose a smaller model."
        )


def set_adapters(context: Any, scaled: Sequence[tuple[Adapter, float]]) -> None:
    """Put exactly these adapters to work in a context of llama.cpp."""
    count = len(scaled)
    handles = (lib.llama_adapter_lora_p_ctypes * count)(*(a.handle for a, _ in scaled))
    scales = (ctypes.c_float * count)(*(scale for _, scale in scaled))
    code = lib.llama_set_adapters_lora(
        context, handles if count else None, count, scales if count else None
    )
    if code != 0:
        raise RuntimeError(f"llama_set_adapters_lora failed with code {code}")
