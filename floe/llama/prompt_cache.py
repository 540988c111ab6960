"""Copies of what a model has evaluated, so that going back to a prompt does not read it anew.

A copy is the KV cache as llama.cpp writes it. Knows neither chats nor templates.
"""

import ctypes
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from llama_cpp import llama_cpp as lib

from floe.llama.free_memory import free_memory

LEAST_TOKENS: Final = 256
"""Fewer tokens are read anew about as soon as they are copied."""
_SHARE_OF_FREE: Final = 8
"""No copy takes more than an eighth of the memory that is free."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedPrompt:
    """Tokens and the adapters that acted on them, with what llama.cpp keeps of both."""

    tokens: tuple[int, ...]
    adapters: Hashable
    state: "ctypes.Array[ctypes.c_uint8]"


class PromptCache:
    """Copies of one context's first sequence; the one that was used longest ago goes first.

    Args:
        most_bytes: of all copies together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._saved: list[SavedPrompt] = []
        self._lock = threading.Lock()

    def save(self, context: Any, tokens: Sequence[int], adapters: Hashable) -> None:
        """Copy what the context holds, if it is worth it and there is memory for it.

        Args:
            context: llama.cpp's own handle.
            tokens: all that its first sequence holds.
            adapters: those that act, with their scales.
        """
        if not self._most_bytes or len(tokens) < LEAST_TOKENS:
            return
        size = lib.llama_state_seq_get_size(context, 0)
        if size > min(self._most_bytes, free_memory().bytes // _SHARE_OF_FREE):
            return
        with self._lock:
            # A copy that the new one begins with is of no further use.
            kept = [
                each
                for each in self._saved
                if each.adapters != adapters
                or common_length(each.tokens, tokens) < len(each.tokens)
            ]
            while sum(len(each.state) for each in kept) + size > self._most_bytes:
                del kept[0]
            self._saved = kept
        state = (ctypes.c_uint8 * size)()
        if lib.llama_state_seq_get_data(context, state, size, 0) == size:
            with self._lock:
                self._saved = [*self._saved, SavedPrompt(tuple(tokens), adapters, state)]

    def known_length(self, tokens: Sequence[int], adapters: Hashable) -> int:
        """Count the first tokens of a prompt that one of the copies holds; 0 if none does.

        Any thread may ask: the answer may be that of a moment ago.
        """
        found = self._best(tokens, adapters)
        return common_length(found.tokens, tokens) if found is not None else 0

    def take(self, tokens: Sequence[int], adapters: Hashable) -> SavedPrompt | None:
        """Take out the copy that holds most of a prompt's beginning; None if there is none."""
        with self._lock:
            found = self._best(tokens, adapters)
            self._saved = [each for each in self._saved if each is not found]
        return found

    def clear(self) -> None:
        """Let go of all copies; any thread may."""
        with self._lock:
            self._saved = []

    def _best(self, tokens: Sequence[int], adapters: Hashable) -> SavedPrompt | None:
        return max(
            (each for each in tuple(self._saved) if each.adapters == adapters),
            key=lambda each: common_length(each.tokens, tokens),
            default=None,
        )


def restore_prompt(context: Any, saved: SavedPrompt) -> bool:
    """Write a copy back into a context whose first sequence is empty; it stays so on failure."""
    if lib.llama_state_seq_set_data(context, saved.state, len(saved.state), 0):
        return True
    lib.llama_memory_seq_rm(lib.llama_get_memory(context), 0, 0, -1)
    return False


def common_length(tokens: Sequence[int], others: Sequence[int]) -> int:
    """Count the first tokens in which two sequences agree."""
    pairs = enumerate(zip(tokens, others, strict=False))
    return next((i for i, (one, other) in pairs if one != other), min(len(tokens), len(others)))
