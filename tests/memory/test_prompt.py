"""Earlier words in the local prompt of a real model."""

from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from floe.chat.answer_decoder import QUOTED
from floe.chat.assistant import Assistant
from floe.chat.turn import TurnOptions
from floe.cloud.link import CloudLink
from floe.config import OFF, Settings
from floe.llama.runtime import LlamaModel
from floe.privacy.consent import Consent, give_consent
from floe.privacy.detector import Detector
from floe.privacy.guard import MEMORY
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


def test_an_answer_without_the_told_fact_is_a_quotation_that_stays_here(
    smollm: LlamaModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One token of any model is no word of the fact yet.
    monkeypatch.setattr("floe.chat.quoted_fact._MOST_HELD", 1)
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = cast(LlamaModel, _Kept(smollm))
    assistant = Assistant(settings, store, model, CloudLink(settings, store), Detector())
    try:
        told = store.add_message(None, None, "user", FACT)
        options = TurnOptions("local", 1.0, Sampling(max_tokens=64))
        turn = assistant.ask(None, "What is my sister called?", options)
        assert turn.wait(60)
        day = datetime.fromtimestamp(told.created_at)
        quotation = f"You wrote on {day.day} {day:%B %Y}: \u201c{FACT}\u201d"
        kept = store.message(turn.message_id)
        assert (kept.content, kept.status, kept.private) == (quotation, "complete", (MEMORY,))
        assert kept.notices == (QUOTED,)
        steps = store.token_steps(turn.message_id)
        assert smollm.tokenize(quotation.encode()) == [each.token_id for each in steps]
    finally:
        assistant.close()


def test_examples_of_how_the_person_writes_stay_before_the_chat(
    smollm: LlamaModel, tmp_path: Path
) -> None:
    settings = Settings.load(cloud=OFF, data_dir=tmp_path)
    store = Store(settings.database)
    model = _Kept(smollm)
    link = CloudLink(settings, store)
    assistant = Assistant(settings, store, cast(LlamaModel, model), link, Detector())
    try:
        give_consent(store, Consent(train=True))
        texts = {
            "How do I keep the bilge of my boat dry?": "sponge, twice. then look again.",
            "Which rope do I take for the mooring?": "the thick one -- always.",
            "Why does my dough not rise?": "cold kitchen, my dear.",
        }
        for question, answer in texts.items():
            asked = store.add_message(None, None, "user", question)
            store.add_message(asked.conversation_id, asked.id, "assistant", answer)
        options = TurnOptions("fused", 0.5, Sampling(max_tokens=4))
        first = assistant.ask(None, "How do I dry the bilge of the boat?", options)
        assert first.wait(60)
        assert [each.kind for each in first.memory] == ["example", "example"]
        assert "sponge, twice." in first.memory[0].text
        assert first.controls.weight == 0.5
        assert store.message(first.message_id).stats.memory == 2  # type: ignore[union-attr]
        shown = assistant.memory.uses_of(first.message_id)
        assert [each.text for each in shown] == [each.text for each in first.memory]
        second = assistant.ask(first.conversation_id, "Which sponge for the boat's bilge?", options)
        assert second.wait(60)
        before, after = model.prompts
        assert b"sponge, twice." in b"".join(smollm.pieces[token] for token in before)
        # The whole of the first prompt is still the beginning of the second: nothing is read anew.
        assert after[: len(before)] == before
        assistant.memory.set_on(False)
        third = assistant.ask(None, "How do I dry the bilge of the boat?", options)
        assert third.wait(60)
        assert third.memory == ()
        assert b"sponge, twice." not in b"".join(smollm.pieces[t] for t in model.prompts[-1])
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
