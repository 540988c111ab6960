"""The adapters in use, on the model that answers. Only the model's own thread may call.

Knows neither turns nor the page; who is in use, and how strongly, the registry says.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import PromptKinds, taught_from_json
from floe.adapters.registry import Adapters, LearntAdapter, model_sha256
from floe.adapters.router import PromptSpace, choose_experts, experts_in_use
from floe.errors import ModelError, TrainingError
from floe.fusion.index import index_vocabulary
from floe.fusion.picking import Picker
from floe.fusion.projection import Projector
from floe.fusion.scoring.scores import Scores
from floe.fusion.scoring.teacher_forcing import RowAfter, score_text
from floe.llama.forced_logits import forced_logits
from floe.llama.prompt import Prompt
from floe.llama.runtime import Adapter, LlamaModel
from floe.records import PromptKind, Sampling
from floe.store import Store

_MAX_ANSWER_TOKENS: Final = 80
"""Tokens of an answer that is only to be compared with another."""


class ActiveAdapters:
    """Adapters that act on one model.

    Raises:
        ModelError: a file is broken, or was made for another model.
        StoreError: the registry cannot be read.
        TrainingError: the base model cannot be read.
    """

    def __init__(self, model: LlamaModel, store: Store, adapters: Adapters) -> None:
        self._model = model
        self._store = store
        self._adapters = adapters
        self._loaded: dict[Path, Adapter] = {}
        self._active: list[tuple[Path, float]] = []
        self._space: PromptSpace | None = None
        self._prompt_kinds: PromptKinds | None = None

    def activate_for(self, prompt: str) -> str:
        """Let those act that are meant for this prompt, as they stand now.

        Experts within whose reach the prompt lies come first: they were made for such tasks, by
        several devices, this one among them. Else what this device has learnt by itself, where
        the prompt is of the kind that it learnt from, else nothing. A follow-up is given in its
        place (`place_question`).

        Returns:
            What acts, and why, in words; empty if nothing is switched on.
        """
        if not any(each.in_use for each in self._adapters.all()):
            self.set_active([])
            return ""
        base = model_sha256(self._store, self._model.path)
        reason, scales = self._route(prompt, base)
        active = [(self._adapters.get(adapter_id), scale) for adapter_id, scale in scales]
        reasons = [reason]
        if not active:
            for each in self._personal(base):
                acts, why = self._belongs(each, prompt)
                reasons.append(why)
                if acts:
                    active.append((each, each.scale))
        self.set_active([(each.gguf, scale) for each, scale in active])
        names = " + ".join(f"{each.name} at {scale:.0%}" for each, scale in active)
        told = [names or "no adapter", *dict.fromkeys(reasons)]
        return "; ".join(filter(None, told))

    def activate(self, adapter_id: int) -> str:
        """Let this adapter act alone, whatever the prompt; return what acts, in words."""
        each = self._adapters.get(adapter_id)
        self.set_active([(each.gguf, each.scale)])
        return f"{each.name} at {each.scale:.2g}"

    def kind_of(self, prompt: str) -> PromptKind:
        """Return the kind of a prompt, seen from what this device has learnt and uses.

        It is general where the model's file cannot tell.
        """
        try:
            base = model_sha256(self._store, self._model.path)
            known = [taught_from_json(a.metrics.get("taught")) for a in self._personal(base)]
            return self.prompt_kinds().choose(prompt, next(filter(None, known), None)).kind
        except (ModelError, TrainingError):
            return "general"

    def _personal(self, base: str) -> list[LearntAdapter]:
        return [each for each in self._adapters.in_use(base) if each.kind == "personal"]

    def _belongs(self, adapter: LearntAdapter, prompt: str) -> tuple[bool, str]:
        """Return whether an adapter acts on a prompt, and why; an older one acts on all."""
        taught = taught_from_json(adapter.metrics.get("taught"))
        if taught is None:
            return True, ""
        choice = self.prompt_kinds().choose(prompt, taught)
        return choice.kind == "own", choice.reason

    def _route(self, prompt: str, base: str) -> tuple[str, tuple[tuple[int, float], ...]]:
        experts = experts_in_use(self._store, base)
        if not experts:
            return "", ()
        choice = choose_experts(self._prompt_space().embed(prompt), experts)
        return choice.reason, choice.scales

    def _prompt_space(self) -> PromptSpace:
        if self._space is None:
            self._space = PromptSpace(self._model.path, self._model.tokenize)
        return self._space

    def prompt_kinds(self) -> PromptKinds:
        """Return what tells questions apart for this model; any thread may call.

        Raises:
            ModelError: the model's file has no token embeddings.
        """
        if self._prompt_kinds is None:
            self._prompt_kinds = PromptKinds(self._prompt_space())
        return self._prompt_kinds

    def set_active(self, scaled: Sequence[tuple[Path, float]]) -> None:
        """Let exactly these files act. The cache is kept where nothing changes."""
        wanted = [(path, scale) for path, scale in scaled if scale > 0]
        if wanted == self._active:
            return
        for path, _ in wanted:
            if path not in self._loaded:
                self._loaded[path] = self._model.load_adapter(path)
        self._model.use_adapters([(self._loaded[path], scale) for path, scale in wanted])
        self._active = wanted

    def score(
        self, prompt: Prompt, tokens: Sequence[int], row_after: RowAfter, *, shared: bool
    ) -> Scores:
        """Both models along a given answer, with what acts on its question.

        Args:
            prompt: what comes before it.
            tokens: the answer.
            row_after: the cloud's rows, there already.
            shared: both models have the same tokens.

        Raises:
            PromptError: both together are longer than the model's context.
        """
        self.activate_for(place_question(prompt.kept))
        return score_text(
            forced_logits(self._model, prompt.tokens, tokens),
            tokens,
            index_vocabulary(self._model),
            row_after,
            shared_vocabulary=shared,
        )

    def answer(
        self, tokens: Sequence[int], scaled: Sequence[tuple[Path, float]], sampling: Sampling
    ) -> str:
        """Answer a prompt shortly, with exactly these files, as the chat samples."""
        self.set_active(scaled)
        data = b""
        index = index_vocabulary(self._model)
        picker = Picker(tuple(self._model.pieces), index, Projector(index), "log-linear")
        picker.begin(sampling)
        logits = self._model.prefill(tokens, lambda: False)
        while logits is not None and len(self._model.tokens) < len(tokens) + _MAX_ANSWER_TOKENS:
            token = picker.local(logits[-1], sampling).token
            if token in self._model.end_ids:
                break
            picker.accept(token)
            data += self._model.pieces[token]
            logits = self._model.evaluate([token])
        else:
            data += " …".encode()  # it would have gone on
        return data.decode("utf-8", "replace").strip()
