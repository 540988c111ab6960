"""The automatic weight from a real database: what counts, what does not, and what is kept."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from floe.adapters.active_adapters import ActiveAdapters
from floe.adapters.registry import Adapters
from floe.bench.recorded import PacedCloud, RecordedCloud
from floe.cloud.stream import Unavailable
from floe.errors import CloudError, DataError
from floe.fusion.protocols import CloudStream, OpenStream
from floe.fusion.scoring.automatic_weight import DEFAULT_WEIGHT
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.records import Alternative, AnswerStats, ChatMessage, TokenStep
from floe.store import Store
from floe.store.day_requests import add_request, requests_since
from floe.training.fusion_weight import (
    REFIT_AFTER,
    OwnAnswer,
    Score,
    fit_is_due,
    fit_on_answers,
    fit_on_rewritten,
    fitted_on_answers,
    keep_note,
    kept_kind_weights,
    kept_weight,
)
from floe.training.planning.hardware import load_hardware

WORDS = [b" red", b" blue", b" green", b" grey"]


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


QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."


class Asked:
    """Two models, the other one in the cloud's place, asked about answers to one question."""

    def __init__(self, store: Store, model: LlamaModel, other: LlamaModel, folder: Path) -> None:
        self.clouds: list[PacedCloud] = []
        self.model = model
        self._recorded = RecordedCloud(other)
        live = ActiveAdapters(model, store, Adapters(store, folder))
        self.score: Score = lambda prompt, tokens, rows: live.score(
            prompt, tokens, rows, shared=False
        )

    def answer(self, text: str = ANSWER, open_stream: OpenStream | None = None) -> OwnAnswer:
        prompt = PromptBuilder(self.model).build([ChatMessage("user", QUESTION)])
        self.clouds.append(PacedCloud(self._recorded, QUESTION, 0.0, 0.0, 16))
        return OwnAnswer(prompt, text, open_stream or self.clouds[-1].open)

    @property
    def requests(self) -> list[int]:
        return [len(cloud.streams) for cloud in self.clouds]


@pytest.fixture
def asked(store: Store, smollm: LlamaModel, smollm_path: Path, tmp_path: Path) -> Iterator[Asked]:
    with LlamaModel(smollm_path, context=512) as other:
        yield Asked(store, smollm, other, tmp_path)


def refused(_text: str) -> CloudStream:
    return Unavailable(CloudError("The cloud is busy."))


def test_whole_answers_are_asked_about_within_the_budget(store: Store, asked: Asked) -> None:
    answers = [asked.answer() for _ in range(20)]
    keep_note(store, "Something went wrong before.")
    auto = fit_on_answers(store, "log-linear", asked.model, answers, asked.score, max_requests=30)
    spent = sum(asked.requests)
    assert spent <= 30
    assert auto.tokens >= 60
    assert f"fitted on 20 of your own answers ({auto.tokens} tokens), {spent} req" in auto.reason
    assert auto.reason.startswith(f"{auto.weight:.2f}, ")
    assert kept_weight(store, "log-linear") == auto


def test_one_long_answer_leaves_requests_for_the_others(store: Store, asked: Asked) -> None:
    odd = "Umber quartz, nine violins; then a kettle sang of Tuesdays. " * 3
    answers = [asked.answer(odd) for _ in range(3)]
    with pytest.raises(DataError, match="takes 60 to tell"):
        fit_on_answers(store, "log-linear", asked.model, answers, asked.score, max_requests=25)
    assert asked.requests == [9, 8, 8]


def test_a_text_that_must_not_leave_costs_no_request_and_ends_there(
    store: Store, asked: Asked
) -> None:
    kept = asked.answer("The capital of France is Paris, and it always was.", lambda _text: None)
    answers = [kept, *(asked.answer() for _ in range(12))]
    auto = fit_on_answers(store, "log-linear", asked.model, answers, asked.score)
    assert "12 of your own answers" in auto.reason


def test_a_cloud_that_refuses_leaves_the_weight_as_it_was(store: Store, asked: Asked) -> None:
    person_of(store, 0.9, 60)
    before = fit_on_rewritten(store, "log-linear")
    answers = [asked.answer(open_stream=refused), asked.answer()]
    with pytest.raises(CloudError, match="busy"):
        fit_on_answers(store, "log-linear", asked.model, answers, asked.score)
    assert sum(asked.requests) == 0, "nobody is asked again"
    with pytest.raises(DataError, match="takes 60 to tell"):
        fit_on_answers(store, "log-linear", asked.model, [asked.answer()], asked.score)
    assert kept_weight(store, "log-linear") == before


def test_what_came_before_a_refusal_counts_if_it_is_enough(store: Store, asked: Asked) -> None:
    answers = [*(asked.answer() for _ in range(12)), asked.answer(open_stream=refused)]
    auto = fit_on_answers(store, "log-linear", asked.model, answers, asked.score)
    assert "12 of your own answers" in auto.reason


def test_whole_answers_count_until_enough_has_been_rewritten(store: Store, asked: Asked) -> None:
    answers = [asked.answer() for _ in range(12)]
    auto = fit_on_answers(store, "log-linear", asked.model, answers, asked.score)
    assert fit_on_rewritten(store, "log-linear") == auto
    assert fitted_on_answers(store, "log-linear")
    assert not fitted_on_answers(store, "linear")
    person_of(store, 0.9, 60)
    assert "60 answers of yours" in fit_on_rewritten(store, "log-linear").reason
    assert not fitted_on_answers(store, "log-linear")


def test_a_note_stands_beside_the_reason(store: Store) -> None:
    before = kept_weight(store, "log-linear")
    keep_note(store, "The cloud is off.")
    after = kept_weight(store, "log-linear")
    assert after.weight == before.weight
    assert after.reason == f"{before.reason} The cloud is off."


def test_requests_are_counted_by_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requests_since(store, 0.0) == 0
    for now in (86_400.0, 90_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        add_request(store)
    assert requests_since(store, 86_400.0) == 2
    assert requests_since(store, 2 * 86_400.0) == 0
    monkeypatch.setattr("time.time", lambda: 2 * 86_400.0)
    add_request(store)
    assert requests_since(store, 2 * 86_400.0) == 1


@pytest.mark.parametrize(
    "junk",
    [
        "x",
        [],
        7,
        {"rule": "log-linear"},
        {"auto": {"weight": 7.0, "reason": "", "tokens": 1, "gain": 0.0}, "rule": "log-linear"},
        {"auto": {"weight": None, "reason": "", "tokens": 1, "gain": 0.0}, "rule": "log-linear"},
    ],
)
def test_what_stands_in_the_store_is_no_weight_unless_it_is_one(store: Store, junk: object) -> None:
    for name in ("auto_weight", "auto_weight_requests", "auto_weight_note"):
        store.set_setting(name, junk)
    assert kept_weight(store, "log-linear").weight == DEFAULT_WEIGHT
    assert requests_since(store, 0.0) == 0
    assert not fit_is_due(store)
    store.set_setting("training_device", junk)
    assert load_hardware(store) is None


def test_each_kind_of_question_has_its_weight_and_the_reason_tells(store: Store) -> None:
    person_of(store, 0.9, 60)
    kinds = iter(["own", "calculation"] * 30)
    auto = fit_on_rewritten(store, "log-linear", lambda _question: next(kinds))  # type: ignore[arg-type]
    found = kept_kind_weights(store, "log-linear")
    assert set(found) == {"own", "general", "calculation", "code"}
    unfitted = {"calculation": 0.1, "code": 0.1}
    assert kept_kind_weights(store, "linear") == unfitted, "nothing was fitted for this rule"
    assert "0.10 for calculations, 0.10 for code" in kept_weight(store, "linear").reason
    assert kept_weight(store, "log-linear").reason.startswith(auto.reason)
    fit_on_rewritten(store, "log-linear", lambda _question: "own")
    assert kept_kind_weights(store, "log-linear")["general"] == DEFAULT_WEIGHT
    assert kept_kind_weights(store, "log-linear")["calculation"] == 0.1
    assert "0.50 for other questions, 0.10 for calculations" in (
        kept_weight(store, "log-linear").reason
    )
