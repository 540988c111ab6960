"""Which adapters act on an answer: the real model, real adapter files, a real registry."""

import json
from pathlib import Path

import numpy as np
import pytest

from floe.adapters import active_adapters
from floe.adapters.active_adapters import ActiveAdapters
from floe.adapters.prompt_kinds import PromptKinds, taught_to_json
from floe.adapters.registry import Adapters, NewAdapter, model_sha256
from floe.adapters.router import PromptSpace
from floe.bench.decode import write_random_adapter
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import Candidate, ChatMessage, CloudToken, Sampling
from floe.store import Store

COOKING = [
    "How do I cook rice?",
    "How long do I boil an egg?",
    "What goes into a tomato sauce?",
    "How do I bake bread with dry yeast?",
    "How do I roast a chicken?",
    "How much salt goes into a soup?",
]


@pytest.fixture
def adapters(tmp_path: Path, smollm: LlamaModel) -> Adapters:
    store = Store(tmp_path / "floe.db")
    adapters = Adapters(store, tmp_path)
    base = model_sha256(store, smollm.path)
    source = tmp_path / "source"
    (source / "adapter").mkdir(parents=True)
    (source / "adapter" / "adapter_config.json").write_text("{}")
    write_random_adapter(smollm, source / "adapter.gguf", 2)
    for name, kind in (("mine", "personal"), ("cooking", "expert")):
        new = adapters.add(
            NewAdapter(name, "personal" if kind == "personal" else "expert", source, base, 2)
        )
        adapters.set_in_use(new.id, True, base)
    place = PromptSpace(smollm.path, smollm.tokenize).region_of(COOKING)
    with store.writing() as db:
        db.execute(
            "INSERT INTO experts (adapter_id, cluster, centroid, radius, samples)"
            " VALUES (2, 'cooking', ?, ?, ?)",
            [place.centroid.astype("<f4").tobytes(), place.radius, json.dumps(COOKING[:2])],
        )
    return adapters


@pytest.fixture
def live(adapters: Adapters, smollm: LlamaModel, tmp_path: Path) -> ActiveAdapters:
    return ActiveAdapters(smollm, Store(tmp_path / "floe.db"), adapters)


def test_a_prompt_in_an_experts_reach_is_answered_by_it(live: ActiveAdapters) -> None:
    words = live.activate_for("How do I cook an egg?")
    assert words.startswith("cooking at 100%; close to cooking")
    live.set_active([])


def test_any_other_prompt_is_answered_by_what_this_device_has_learnt(live: ActiveAdapters) -> None:
    words = live.activate_for("Why did the Roman Empire fall?")
    assert words.startswith("mine at 100%; unlike all experts")
    live.set_active([])


def test_nothing_acts_once_all_are_switched_off(
    live: ActiveAdapters, adapters: Adapters, smollm: LlamaModel
) -> None:
    tokens = smollm.tokenize(b"The sea is")
    bare = smollm.prefill(tokens, lambda: False)
    assert bare is not None
    before = bare.copy()
    live.activate_for("Why did the Roman Empire fall?")
    with_mine = smollm.prefill(tokens, lambda: False)
    assert with_mine is not None
    assert not np.array_equal(with_mine, before)
    for each in adapters.all():
        adapters.set_in_use(each.id, False, each.base_sha256)
    assert live.activate_for("Why did the Roman Empire fall?") == ""
    after = smollm.prefill(tokens, lambda: False)
    assert after is not None
    assert np.array_equal(after, before)


def test_an_answer_is_scored_with_what_would_answer_its_question(
    live: ActiveAdapters, adapters: Adapters, smollm: LlamaModel
) -> None:
    question = ChatMessage("user", "Why did the Roman Empire fall?")
    prompt = PromptBuilder(smollm).build([question])
    tokens = smollm.tokenize(b"Nobody knows.")
    row = CloudToken(b"zzz", (Candidate(b"zzz", -0.1),))
    with_mine = live.score(prompt, tokens, lambda _text: row, shared=False)
    for each in adapters.all():
        adapters.set_in_use(each.id, False, each.base_sha256)
    without = live.score(prompt, tokens, lambda _text: row, shared=False)
    assert len(with_mine) == len(without) == len(tokens)
    assert not np.allclose(with_mine.own_local, without.own_local)


def test_a_short_answer_that_would_go_on_says_so(
    live: ActiveAdapters, smollm: LlamaModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_adapters, "_MAX_ANSWER_TOKENS", 3)
    tokens = PromptBuilder(smollm).build([ChatMessage("user", "Tell me a story.")]).tokens
    assert live.answer(tokens, [], Sampling(temperature=0.0)).endswith(" …")


@pytest.fixture
def taught(adapters: Adapters, smollm: LlamaModel, tmp_path: Path) -> ActiveAdapters:
    """The personal adapter alone, with the place of the questions that it learnt from."""
    learnt = PromptKinds(PromptSpace(smollm.path, smollm.tokenize)).taught_by(COOKING)
    assert learnt is not None
    store = Store(tmp_path / "floe.db")
    with store.writing() as db:
        db.execute("UPDATE adapters SET in_use = 0 WHERE kind = 'expert'")
        metrics = json.dumps({"taught": taught_to_json(learnt)})
        db.execute("UPDATE adapters SET metrics = ? WHERE kind = 'personal'", [metrics])
    return ActiveAdapters(smollm, store, adapters)


def test_what_this_device_learnt_acts_where_it_belongs_and_says_why(
    taught: ActiveAdapters,
) -> None:
    assert taught.activate_for("How do I fry an egg?").startswith(
        "mine at 100%; close to what you taught"
    )
    assert taught.kind_of("How do I fry an egg?") == "own"
    words = taught.activate_for("What is 17 times 23?")
    assert words.startswith("no adapter; closer to calculations than to what you taught it")
    assert taught.kind_of("What is 17 times 23?") == "calculation"
    taught.set_active([])


def test_the_common_prefix_stays_evaluated_until_the_choice_changes(
    taught: ActiveAdapters, smollm: LlamaModel
) -> None:
    taught.activate_for("How do I fry an egg?")
    smollm.prefill(smollm.tokenize(b"The sea is wide"), lambda: False)
    kept = list(smollm.tokens)
    taught.activate_for("How do I boil a potato?")
    assert list(smollm.tokens) == kept
    taught.activate_for("What is 17 times 23?")
    assert not list(smollm.tokens)
    taught.set_active([])
