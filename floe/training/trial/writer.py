"""Answers written freely by the model that will serve the chat, with its defaults of sampling.

Many at once, beside the chat and in whatever process asks. Knows prompts and adapters, not what
is made of the answers.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from floe.adapters.prompt_kinds import PromptKinds
from floe.adapters.router import PromptSpace
from floe.errors import ModelError
from floe.fusion.index import TokenIndex
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.llama.parallel_decoder import SEQUENCES, ParallelDecoder
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import Adapter, LlamaModel
from floe.records import ChatMessage, Sampling
from floe.training.trial.measures import WrittenAnswer

MAX_TOKENS: Final = 128
"""Tokens in which an answer has to come to an end: enough for an answer, and seconds for all."""
_PROMPT_TOKENS: Final = 256
"""Tokens of a prompt that are counted on; a longer one leaves room for fewer at once."""
_LONGEST_PROMPT: Final = 1024
_SEED: Final = 0
"""Where the defaults draw at random: the same draws for both models."""


class FreeWriter:
    """One base model that writes.

    Raises:
        ModelError: it cannot be loaded, or memory does not suffice.
    """

    def __init__(self, base: Path, sampling: Sampling, *, threads: int = 0) -> None:
        self._sampling = replace(
            sampling,
            max_tokens=min(sampling.max_tokens, MAX_TOKENS),
            seed=_SEED if sampling.seed is None else sampling.seed,
        )
        self._base = base
        self._model = LlamaModel(base, context=256, threads=threads)
        try:
            tokens = SEQUENCES * (MAX_TOKENS + _PROMPT_TOKENS)
            self._decoder = ParallelDecoder(self._model, tokens=tokens)
            self._prompts = PromptBuilder(self._model)
        except BaseException:
            self._model.close()
            raise
        self._index = TokenIndex(self._model.pieces, self._model.end_ids)
        self._projector = Projector(self._index)
        self._adapters: dict[Path, Adapter] = {}

    def close(self) -> None:
        """Free the model."""
        self._decoder.close()
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def prompt_kinds(self) -> PromptKinds:
        """Return what tells this model's prompts apart, as the chat does.

        Raises:
            ModelError: the file has no table of token embeddings.
        """
        return PromptKinds(PromptSpace(self._base, self._model.tokenize))

    def prompt_fits(self, messages: Sequence[ChatMessage]) -> bool:
        """Return whether the model's template takes these, and they are not too long to try."""
        with suppress(ModelError):
            return len(self._prompts.render(messages)) <= _LONGEST_PROMPT
        return False

    def write(
        self,
        conversations: Sequence[Sequence[ChatMessage]],
        adapter: Path | None = None,
        scale: float = 1.0,
        *,
        on_ended: Callable[[int], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[WrittenAnswer]:
        """Answer each conversation, which ends with a question.

        Args:
            conversations: see `prompt_fits`.
            adapter: a GGUF adapter; None: the base alone.
            scale: how strongly it acts.
            on_ended: told how many answers are written, after each.
            stopped: asked all the time; what was not written then is empty.
        """
        if adapter is not None and adapter not in self._adapters:
            self._adapters[adapter] = self._model.load_adapter(adapter)
        scaled = [] if adapter is None else [(self._adapters[adapter], scale)]
        self._decoder.use_adapters(scaled)
        prompts = [self._prompts.render(messages) for messages in conversations]
        pickers: dict[int, Picker] = {}

        def pick(number: int, written: Sequence[int], logits: NDArray[np.float32]) -> int:
            if not written:
                pickers[number] = self._begin()
            picker = pickers[number]
            if written:
                picker.accept(written[-1])
            return picker.local(logits, self._sampling).token

        decoded = self._decoder.decode(
            prompts, pick, self._sampling.max_tokens, on_ended=on_ended, stopped=stopped
        )
        vocabulary = self._model.vocabulary
        return [
            WrittenAnswer(vocabulary.detokenize(each.tokens).decode("utf-8", "replace"), each.ended)
            for each in decoded
        ]

    def _begin(self) -> Picker:
        picker = Picker(tuple(self._model.pieces), self._index, self._projector, "log-linear")
        picker.begin(self._sampling)
        return picker
