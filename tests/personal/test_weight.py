"""The automatic weight from a real database: what counts, what does not, and what is kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from floe.bench.recorded import PacedCloud, RecordedCloud
from floe.edge.runtime import LlamaModel
from floe.fusion.auto import DEFAULT_WEIGHT
from floe.fusion.protocols import OpenStream
from floe.personal.weight import (
    REFIT_AFTER,
    fit_is_due,
    fit_on_answers,
    fit_on_rewritten,
    kept_weight,
)
from floe.records import Alternative, AnswerStats, ChatMessage, TokenStep
from floe.store import Store

WORDS = [b" red", b" blue", b" green", b" grey"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "floe.db") as store:
        yield store


def step(random: np.random.Generator, weight: float, source: str = "fused") -> TokenStep:
    """A token that fusion picked greedily from two random distributions."""
    p, q = (random.dirichlet(np.full(len(WORDS), 0.6)) + 1e-5 for _ in range(2))
    p, q = p / p.sum(), q / q.sum()
    fused = p**weight * q ** (1 - weight)
    fused /= fused.sum()
    best = int(fused.argmax())
    alternatives = tuple(
        Alternative(WORDS[i], float(p[i]), float(q[i]), float(fused[i])) for i in np.argsort(-fused)
    )
    return TokenStep(
        best,
        WORDS[best],
        float(p[best]),
        float(q[best]) if source == "fused" else None,
        float(fused[best]),
        weight,
        source,  # type: ignore[arg-type]
        0.0,
        alternatives,
    )


def add_answer(store: Store, steps: Sequence[TokenStep]) -> int:
    conversation = store.create_conversation().id
    question = store.add_message(conversation, None, "user", "Which colours?")
    answer = store.add_message(conversation, question.id, "assistant", "", status="streaming")
    text = b"".join(s.text_bytes for s in steps).decode()
    store.append_tokens(answer.id, steps, text)
    store.finish_answer(answer.id, content=text, status="complete", stats=AnswerStats(), notices=[])
    return answer.id


def person_of(store: Store, truth: float, answers: int, seed: int = 0) -> None:
    """Rewrites every answer at the first token that somebody of that weight would not say."""
    random = np.random.default_rng(seed)
    for _ in range(answers):
        steps = [step(random, 0.5) for _ in range(12)]
        text = b""
        for s in steps:
            p = np.array([a.p_local for a in s.alternatives], float)
            q = np.array([a.p_cloud for a in s.alternatives], float)
            r = p**truth * q ** (1 - truth)
            text += s.alternatives[int(random.choice(len(r), p=r / r.sum()))].text_bytes
        store.rewrite_answer(add_answer(store, steps), text.decode())


def test_nothing_rewritten_leaves_the_middle_and_says_so(store: Store) -> None:
    add_answer(store, [step(np.random.default_rng(0), 0.9) for _ in range(200)])
    assert kept_weight(store, "log-linear").weight == DEFAULT_WEIGHT
    auto = fit_on_rewritten(store, "log-linear")
    assert auto.weight == DEFAULT_WEIGHT
    assert auto.tokens == 0


@pytest.mark.parametrize("truth", [0.1, 0.9])
def test_the_weight_moves_to_how_the_person_writes_not_to_how_fusion_wrote(
    store: Store, truth: float
) -> None:
    person_of(store, truth, 300)
    auto = fit_on_rewritten(store, "log-linear")
    assert auto.weight == pytest.approx(truth, abs=0.15)
    assert "300 answers of yours" in auto.reason


def test_only_tokens_up_to_the_first_change_count(store: Store) -> None:
    steps = [step(np.random.default_rng(1), 0.5) for _ in range(10)]
    kept = b"".join(s.text_bytes for s in steps[:3])
    other = next(w for w in WORDS if w != steps[3].text_bytes)
    store.rewrite_answer(add_answer(store, steps), (kept + other + b" and more").decode())
    assert fit_on_rewritten(store, "log-linear").tokens == 4


def test_tokens_of_one_model_alone_say_nothing(store: Store) -> None:
    steps = [step(np.random.default_rng(1), 0.5, "late") for _ in range(10)]
    store.rewrite_answer(add_answer(store, steps), " red and nothing else")
    auto = fit_on_rewritten(store, "log-linear")
    assert auto.tokens == 0


def test_the_last_wording_counts_and_a_disliked_one_does_not(store: Store) -> None:
    steps = [step(np.random.default_rng(1), 0.5) for _ in range(4)]
    whole = b"".join(s.text_bytes for s in steps).decode()
    answer = add_answer(store, steps)
    first = next(w for w in WORDS if w != steps[0].text_bytes).decode()
    store.rewrite_answer(answer, first)
    second = store.rewrite_answer(answer, whole)
    assert fit_on_rewritten(store, "log-linear").tokens == 4
    store.rate_message(second.id, -1)
    assert fit_on_rewritten(store, "log-linear").tokens == 0


def test_the_result_is_kept_for_its_rule_and_due_again_after_some_more(store: Store) -> None:
    person_of(store, 0.9, REFIT_AFTER - 1)
    assert not fit_is_due(store)
    person_of(store, 0.9, 60, seed=1)
    assert fit_is_due(store)
    auto = fit_on_rewritten(store, "log-linear")
    assert not fit_is_due(store)
    assert kept_weight(store, "log-linear") == auto
    assert kept_weight(store, "linear").weight == DEFAULT_WEIGHT


def test_whole_answers_are_asked_about_within_the_budget(
    store: Store, smollm: LlamaModel, smollm_path: Path
) -> None:
    question = "What is the capital of France?"
    answers = [([ChatMessage("user", question)], "The capital of France is Paris.")] * 20
    opened: list[PacedCloud] = []
    with LlamaModel(smollm_path, context=512) as other:
        recorded = RecordedCloud(other)

        def ask_about(messages: Sequence[ChatMessage]) -> OpenStream:
            opened.append(PacedCloud(recorded, messages[-1].content, 0.0, 0.0, 16))
            return opened[-1].open

        auto = fit_on_answers(store, "log-linear", smollm, answers, ask_about, max_requests=30)
    assert sum(len(cloud.streams) for cloud in opened) <= 30
    assert auto.tokens >= 60
    assert kept_weight(store, "log-linear") == auto
