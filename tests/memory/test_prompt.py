"""Earlier words in the local prompt of a real model."""

from pathlib import Path
from typing import cast

from floe.chat.assistant import Assistant
from floe.chat.turn import TurnOptions
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.records import Sampling
from floe.store import Store

FACT = "My sister's name is Ilvara."


class _Kept:
    """A model that the session's other tests go on with."""

    def __init__(self, model: LlamaModel) -> None:
        self._model = model
        self.prompts: list[list[int]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def prefill(self, tokens: list[int], stopped: object) -> object:
        self.prompts.append(list(tokens))
        return self._model.prefill(tokens, stopped)  # type: ignore[arg-type]

    def close(self) -> None:
        pass


def test_what_was_evaluated_before_stays_when_earlier_words_come_in(
    smollm: LlamaModel, tmp_path: Path
) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, model), link, Detector())
    try:
        store.add_message(None, None, "user", FACT)
        options = TurnOptions("local", 1.0, Sampling(max_tokens=4))
        first = assistant.ask(None, "Why is the sky blue?", options)
        assert first.wait(60)
        assert (first.memory, first.stats.memory) == ((), 0)
        second = assistant.ask(first.conversation_id, "What is my sister called?", options)
        assert second.wait(60)
        assert [each.text for each in second.memory] == [FACT]
        assert store.message(second.message_id).stats.memory == 1  # type: ignore[union-attr]
        assert [each.text for each in assistant.memory.uses_of(second.message_id)] == [FACT]
        before, after = model.prompts
        assert FACT.encode() in b"".join(smollm.pieces[token] for token in after)
        # The whole of the first prompt is still the beginning of the second.
        assert after[: len(before)] == before
        assert second.controls.weight == 1
    finally:
        assistant.close()


def test_a_context_that_is_nearly_full_goes_without(smollm: LlamaModel, tmp_path: Path) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    model.context_size = 256  # type: ignore[attr-defined]
    assistant = Assistant(
        settings, store, cast(LlamaModel, model), CloudLink(settings, store), Detector()
    )
    try:
        store.add_message(None, None, "user", FACT)
        long_question = "What is my sister called? " + "Please answer. " * 50
        turn = assistant.ask(None, long_question, TurnOptions("local", 1.0, Sampling(max_tokens=2)))
        assert turn.wait(60)
        assert turn.memory == ()
    finally:
        assistant.close()
