"""Turns from question to database: real models, a real stand-in process, a real file."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from floe.chat.assistant import Assistant
from floe.chat.turn import Turn, TurnOptions, TurnView
from floe.cloud.link import CloudLink
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.stand_in.process import StandIn
from floe.config import OFF, Settings
from floe.errors import PromptError
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.privacy.detector import Detector
from floe.records import ChatMessage, Sampling
from floe.store import Store

SHORT = Sampling(max_tokens=40)
QUESTION = "Why is the sky blue?"
NO_FAULTS = {"rtt_ms": 0, "jitter_ms": 0, "tokens_per_second": 0, "fail": "none", "fail_after": 0}

Make = Callable[..., Assistant]


class LentStandIn(StandIn):
    """A stand-in that does not end with its assistant, but is lent to the next one, if it lives."""

    kept: ClassVar[dict[tuple[str, ...], StandIn]] = {}

    def start(self) -> None:
        command = tuple(self._command)
        known = self.kept.get(command)
        if known is not None and known.alive:
            known.wait_ready()
            vars(self).update(vars(known))
            set_faults(self, **NO_FAULTS)
            return
        if known is not None:
            StandIn.stop(known)
        super().start()
        self.kept[command] = self

    def stop(self) -> None:
        pass

    @classmethod
    def end_all(cls) -> None:
        while cls.kept:
            StandIn.stop(cls.kept.popitem()[1])


@pytest.fixture(scope="module", autouse=True)
def _stand_ins_end() -> Iterator[None]:
    yield
    LentStandIn.end_all()


class LentModel(LlamaModel):
    """A model that does not end with its assistant, but is lent to the next one."""

    def close(self) -> None:
        """Forget what was evaluated, so that the next one finds it as it was loaded."""
        self.use_adapters([])
        self.forget_prompts()

    def free(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def lent_model(smollm_path: Path) -> Iterator[LentModel]:
    model = LentModel(smollm_path, context=Settings.load().context, threads=1)
    yield model
    model.free()


@pytest.fixture
def make(
    tmp_path: Path,
    smollm_path: Path,
    lent_model: LentModel,
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Make]:
    """Assistants on the small model; the stand-in runs the model that is named."""
    monkeypatch.setattr("floe.cloud.link.StandIn", LentStandIn)
    made: list[Assistant] = []

    def assistant(stand_in: Path | None = None, **settings: Any) -> Assistant:
        values = {"cloud": OFF, "data_dir": tmp_path, "deadline_ms": 20_000.0, **settings}
        if stand_in is not None:
            values |= {"cloud": "stand-in", "stand_in_model": str(stand_in)}
        loaded = Settings.load(**values)
        store = Store(loaded.database)
        link = CloudLink(loaded, store)
        link.connect()
        model: LlamaModel = lent_model
        if loaded.context != lent_model.context_size:
            model = LlamaModel(smollm_path, context=loaded.context, threads=1)
        made.append(Assistant(loaded, store, model, link, detector))
        link.wait(60)
        return made[-1]

    yield assistant
    for each in made:
        each.close()


def answer(turn: Turn) -> TurnView:
    assert turn.wait(120)
    return turn.view()


def until(turn: Turn, tokens: int) -> None:
    """Sleep until so many tokens are there."""
    for _ in range(2400):
        if len(turn.view().steps) >= tokens or not turn.running:
            return
        time.sleep(0.05)
    raise AssertionError("no tokens came")


def faults(assistant: Assistant, **values: Any) -> None:
    process = assistant.cloud._stand_in
    assert process is not None
    set_faults(process, **values)


def set_faults(process: StandIn, **values: Any) -> None:
    httpx2.post(
        f"{process.base_url.removesuffix('/v1')}/stand-in/faults",
        json=values,
        headers={"Authorization": f"Bearer {process.key.get_secret_value()}"},
        trust_env=False,
    ).raise_for_status()


def test_a_fused_answer_is_streamed_and_kept(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    view = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, SHORT)))
    assert view.route.kind == "fused"
    assert len(view.steps) == view.stats.tokens > 20
    assert {step.source for step in view.steps} == {"fused"}
    assert view.stats.cloud_requests >= 1
    assert view.stats.cloud_completion_tokens > 0
    assert view.stats.cloud_prompt_tokens > 0
    for step in view.steps:
        assert step.p_local is not None
        assert step.p_cloud is not None
        assert 0 <= step.p_cloud <= 1 + 1e-9
        assert step.alternatives[0].p_fused == pytest.approx(step.p_fused)
    kept = assistant.store.message(view.message_id)
    assert kept.content == view.text
    assert kept.stats == view.stats
    assert assistant.store.token_steps(view.message_id) == list(view.steps)


def test_a_follow_up_is_routed_with_what_was_asked_before(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = make()
    routed: list[str] = []

    def activate_for(prompt: str) -> str:
        routed.append(prompt)
        return "mine at 100%"

    monkeypatch.setattr(assistant._active_adapters, "activate_for", activate_for)
    options = TurnOptions("local", 1.0, Sampling(max_tokens=2))
    first = assistant.ask(None, QUESTION, options)
    assert answer(first).stats.adapters == "mine at 100%"
    second = assistant.ask(first.conversation_id, "And at night?", options)
    assert answer(second).stats.adapters == "mine at 100%; read with what was asked before"
    assert routed == [QUESTION, f"{QUESTION} And at night?"]


def test_cloud_that_cannot_continue_takes_part_in_half_of_these_answers(
    make: Make, qwen_path: Path
) -> None:
    """With one request; without a tolerance it ended after a few tokens."""
    assistant = make(qwen_path, stand_in_args="--no-continuation")
    assert assistant.cloud.test("stand-in").continuation is Continuation.NONE
    views = [
        answer(assistant.ask(None, question, TurnOptions("fused", 0.5, SHORT)))
        for question in ("How do I boil an egg?", "What is a good name for a black cat?")
    ]
    assert [view.stats.cloud_requests for view in views] == [1, 1]
    tokens = sum(view.stats.tokens for view in views)
    assert sum(view.stats.cloud_tokens for view in views) >= 0.5 * tokens
    assert all(view.stats.cloud_alone > 0 for view in views)


def test_at_weight_1_no_connection_is_opened(
    make: Make, smollm_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = make(smollm_path)
    assert assistant.cloud.state.usable
    prompt = PromptBuilder(assistant.model).build(
        [ChatMessage("system", Settings.load().system_prompt), ChatMessage("user", QUESTION)]
    )
    logits = assistant.model.prefill(prompt.tokens, lambda: False)
    expected: list[int] = []
    while logits is not None and len(expected) < SHORT.max_tokens:
        token = int(logits[-1].argmax())
        if token in assistant.model.end_ids:
            break
        expected.append(token)
        logits = assistant.model.evaluate([token])
    assistant.model.roll_back(0)

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    with monkeypatch.context() as patched:
        patched.setattr(assistant.cloud, "open", refuse)
        patched.setattr(socket.socket, "connect", refuse)
        view = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 1.0, SHORT)))
    assert [step.token_id for step in view.steps] == expected
    assert view.stats.cloud_requests == 0


@pytest.mark.parametrize("rule", ["log-linear", "linear"])
def test_the_same_model_on_both_sides_says_what_it_says_alone(
    make: Make, smollm_path: Path, rule: str
) -> None:
    assistant = make(smollm_path, rule=rule)
    alone = answer(assistant.ask(None, QUESTION, TurnOptions("local", 1.0, SHORT)))
    for weight in (0.0, 0.3, 0.7):
        both = answer(assistant.ask(None, QUESTION, TurnOptions("fused", weight, SHORT)))
        assert both.stats.cloud_share == 1.0
        for mine, theirs in zip(both.steps, alone.steps, strict=False):
            if mine.token_id != theirs.token_id:
                # Batches of other shapes differ in the last digits, which decides a tie.
                best, second = mine.alternatives[:2]
                assert second.p_fused > 0.98 * best.p_fused
                break
        else:
            assert both.text == alone.text


def test_the_slider_moves_the_next_tokens(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    faults(assistant, tokens_per_second=15)
    turn = assistant.ask(None, QUESTION, TurnOptions("fused", 0.0, Sampling(max_tokens=60)))
    until(turn, 10)
    turn.set_weight(1.0)
    seen = len(turn.view().steps)
    view = answer(turn)
    weights = [step.weight for step in view.steps]
    assert weights[:10] == [0.0] * 10
    assert set(weights[seen + 1 :]) == {1.0}
    assert len(weights) > seen + 1


def test_stop_keeps_what_is_there(make: Make) -> None:
    assistant = make()
    turn = assistant.ask(None, "Tell me a long story.", TurnOptions("local", 1.0))
    until(turn, 5)
    turn.stop()
    view = answer(turn)
    assert view.status == "stopped"
    assert 5 <= len(view.steps) < 512
    assert assistant.store.message(view.message_id).content == view.text != ""


def test_the_cloud_killed_in_mid_answer(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    faults(assistant, tokens_per_second=15)
    turn = assistant.ask(None, QUESTION, TurnOptions("fused", 0.2, SHORT))
    until(turn, 6)
    process = assistant.cloud._stand_in
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    view = answer(turn)
    assert view.status in ("complete", "length")
    assert len(view.steps) > 12
    sources = [step.source for step in view.steps]
    assert sources[0] == "fused"
    assert sources[-1] == "offline"
    assert view.notices
    assert assistant.store.message(view.message_id).content == view.text
    # The next question starts it again, and is answered meanwhile.
    assert answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.2, SHORT))).text
    assert assistant.cloud.wait(60).usable


def test_a_silent_cloud_is_waited_for_once(make: Make, smollm_path: Path) -> None:
    assistant = make(smollm_path, deadline_ms=300.0)
    faults(assistant, fail="silence", fail_after=0)
    view = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, SHORT)))
    assert {step.source for step in view.steps} == {"late"}
    assert view.notices[0] == "The cloud was late; this device went on alone."
    assert view.notices[1].startswith(f"It was late for all {len(view.steps)} tokens, so")
    assert "wait per token" in view.notices[1]
    assert view.steps[0].at_ms >= 300


@pytest.mark.parametrize("fault", ["429", "500", "cut"])
def test_a_broken_cloud_is_told_and_the_answer_goes_on(
    make: Make, smollm_path: Path, fault: str
) -> None:
    assistant = make(smollm_path)
    faults(assistant, fail=fault, fail_after=0 if fault != "cut" else 5)
    view = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, SHORT)))
    assert view.status in ("complete", "length")
    assert "offline" in {step.source for step in view.steps}
    assert view.notices


def test_the_cloud_alone_is_passed_on(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    view = answer(assistant.ask(None, QUESTION, TurnOptions("cloud", 0.5, SHORT)))
    assert {step.source for step in view.steps} == {"cloud"}
    assert view.stats.cloud_requests == 1
    assert len(view.text) > 50


def test_the_cloud_alone_that_breaks_off_is_continued_here(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    faults(assistant, fail="cut", fail_after=8)
    view = answer(assistant.ask(None, QUESTION, TurnOptions("cloud", 0.5, SHORT)))
    sources = [step.source for step in view.steps]
    assert sources[:3] == ["cloud"] * 3
    assert set(sources[9:]) == {"offline"}
    assert len(view.steps) == SHORT.max_tokens or view.status == "complete"
    assert any("went on alone" in notice for notice in view.notices)
    assert assistant.store.message(view.message_id).content == view.text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cloud": "http://127.0.0.1:9/v1"}, "127.0.0.1"),
        ({"cloud": OFF}, "switched off"),
    ],
)
def test_a_cloud_that_cannot_be_reached_is_told_in_words(
    make: Make, settings: dict[str, str], words: str
) -> None:
    assistant = make(**settings)
    assert not assistant.cloud.state.usable
    assert words in assistant.cloud.state.sentence
    view = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, SHORT)))
    assert view.route.kind == "local"
    assert words in view.notices[0]
    assert len(view.steps) > 10


def test_a_wrong_key_is_told_and_never_shown(make: Make, smollm_path: Path) -> None:
    keyed = make(smollm_path)
    assert keyed.cloud.state.usable
    assert keyed.cloud._stand_in is not None
    url = keyed.cloud._stand_in.base_url
    wrong = make(cloud=url, cloud_key="wrong-key-123")
    assert "key" in wrong.cloud.state.sentence
    assert "wrong-key-123" not in wrong.cloud.state.sentence
    right = make(cloud=url, cloud_key=keyed.cloud._stand_in.key)
    assert right.cloud.state.usable


def test_questions_that_cannot_be_answered_leave_nothing_behind(make: Make) -> None:
    assistant = make()
    for text, words in (("  \n", "nothing to answer"), ("long " * 20_000, "Shorten it")):
        with pytest.raises(PromptError, match=words):
            assistant.ask(None, text, TurnOptions())
    assert assistant.store.conversations() == []


def test_a_second_question_waits_for_the_first(make: Make) -> None:
    assistant = make()
    turn = assistant.ask(None, "Tell me a long story.", TurnOptions("local", 1.0))
    with pytest.raises(PromptError, match="still being written"):
        assistant.ask(turn.conversation_id, "And then?", TurnOptions("local", 1.0))
    assert assistant.running(turn.conversation_id) is turn
    elsewhere = assistant.ask(None, QUESTION, TurnOptions("local", 1.0, SHORT))
    assert (assistant.ahead_of(turn), assistant.ahead_of(elsewhere)) == (0, 1)
    turn.stop()
    assert answer(elsewhere).text
    assert assistant.running(turn.conversation_id) is None


def test_regenerate_and_edit_are_branches(make: Make) -> None:
    assistant = make()
    options = TurnOptions("local", 1.0, Sampling(max_tokens=8))
    first = answer(assistant.ask(None, QUESTION, options))
    second = answer(assistant.regenerate(first.message_id, options))
    path = assistant.store.path_to(second.message_id)
    assert [m.content for m in path] == [QUESTION, second.text]
    assert path[-1].siblings == (first.message_id, second.message_id)
    third = answer(assistant.edit(path[0].id, "Why is grass green?", options))
    path = assistant.store.path_to(third.message_id)
    assert [m.content for m in path] == ["Why is grass green?", third.text]
    assert len(path[0].siblings) == 2


def test_an_answer_that_broke_off_goes_on_as_if_it_had_not(make: Make) -> None:
    assistant = make()
    whole = answer(assistant.ask(None, QUESTION, TurnOptions("local", 1.0, SHORT)))
    cut = answer(assistant.ask(None, QUESTION, TurnOptions("local", 1.0, Sampling(max_tokens=12))))
    assert cut.status == "length"
    rest = TurnOptions("local", 1.0, Sampling(max_tokens=SHORT.max_tokens - 12))
    continued = answer(assistant.continue_answer(cut.message_id, rest))
    assert continued.text == whole.text
    assert continued.steps[:12] == cut.steps
    assert [step.token_id for step in continued.steps] == [step.token_id for step in whole.steps]
    assert continued.steps[12].at_ms >= 1000 * cut.stats.seconds
    assert continued.stats.tokens == whole.stats.tokens
    kept = assistant.store.message(continued.message_id)
    assert kept.siblings == (cut.message_id, continued.message_id)
    assert assistant.store.message(cut.message_id).content == cut.text
    assert assistant.store.token_steps(kept.id) == list(continued.steps)
    question = assistant.store.message(cut.message_id).parent_id
    assert question is not None
    with pytest.raises(PromptError, match="nothing to continue"):
        assistant.continue_answer(question, rest)


def test_what_began_on_this_device_by_choice_is_continued_there(
    make: Make, smollm_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = make(smollm_path)
    few = Sampling(max_tokens=8)
    begun = answer(assistant.ask(None, QUESTION, TurnOptions("local", 1.0, few)))
    fused = answer(assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, few)))
    asked: list[str] = []
    open_stream = assistant.cloud.open

    def note(messages: Any, partial: str, *args: Any, **named: Any) -> Any:
        asked.append(partial)
        return open_stream(messages, partial, *args, **named)

    monkeypatch.setattr(assistant.cloud, "open", note)
    rest = answer(assistant.continue_answer(begun.message_id, TurnOptions("fused", 0.5, few)))
    assert rest.route.kind == "local"
    assert asked == []
    # Begun with the cloud, it goes on with the cloud, which is asked for the rest alone.
    rest = answer(assistant.continue_answer(fused.message_id, TurnOptions("fused", 0.5, few)))
    assert rest.route.kind == "fused"
    assert asked[0] == fused.text
    assert {step.source for step in rest.steps} == {"fused"}
    alone = answer(assistant.continue_answer(fused.message_id, TurnOptions("cloud", 0.5, few)))
    assert alone.text.startswith(fused.text)
    assert len(alone.text) > len(fused.text)
    assert [step.source for step in alone.steps[len(fused.steps) :]] == ["cloud"] * (
        len(alone.steps) - len(fused.steps)
    )


def test_a_question_without_an_answer_is_answered(make: Make) -> None:
    assistant = make()
    question = assistant.store.add_message(None, None, "user", QUESTION)
    options = TurnOptions("local", 1.0, Sampling(max_tokens=8))
    view = answer(assistant.regenerate(question.id, options))
    assert assistant.store.message(view.message_id).parent_id == question.id
    assert len(assistant.store.open_conversation(question.conversation_id)) == 2


def test_budgets_end_in_local_only_with_a_sentence(make: Make, qwen_path: Path) -> None:
    assistant = make(qwen_path)
    sampling = Sampling(max_tokens=60)
    first = answer(
        assistant.ask(None, QUESTION, TurnOptions("fused", 0.8, sampling, max_requests=2))
    )
    assert first.stats.cloud_requests == 2
    assert "budget of 2 cloud requests for this answer" in first.notices[0]
    assert {first.steps[0].source, first.steps[-1].source} == {"fused", "offline"}
    second = answer(
        assistant.ask(None, QUESTION, TurnOptions("fused", 0.5, SHORT, daily_requests=2))
    )
    assert second.route.kind == "local"
    assert "a day is used up" in second.notices[0]
    assert second.stats.cloud_requests == 0


def test_a_conversation_that_outgrows_the_context_says_so(make: Make) -> None:
    assistant = make(context=512)
    options = TurnOptions("local", 1.0, Sampling(max_tokens=8))
    question = "Who lives by the sea? " + "The keeper of the lighthouse watches ships. " * 20
    view = answer(assistant.ask(None, question, options))
    conversation = assistant.store.message(view.message_id).conversation_id
    for _ in range(2):
        view = answer(assistant.ask(conversation, question, options))
    dropped = view.stats.dropped_messages
    assert dropped in (2, 4), "whole turns of the four messages before"
    assert f"oldest {dropped} messages" in view.notices[0]
    assert view.text


def test_a_disk_that_is_full_loses_no_answer_on_the_page(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = make()
    # What SQLite reports is the same: the file may not grow any more.
    with assistant.store.writing() as db:
        pages = next(iter(db.query("pragma page_count")))["page_count"]
        db.execute(f"pragma max_page_count = {pages + 8}")
    view = answer(
        assistant.ask(
            None, "Tell me a long story.", TurnOptions("local", 1.0, Sampling(max_tokens=300))
        )
    )
    assert len(view.steps) > 100
    assert any("full" in notice or "space" in notice for notice in view.notices)


def test_a_private_prompt_stays_here_and_a_plain_one_does_not(
    make: Make, smollm_path: Path
) -> None:
    assistant = make(smollm_path)
    private = "Draft a mail to my doctor Anna Weber, 0171 5550123, about my test results."
    view = answer(assistant.ask(None, private, TurnOptions("fused", 0.5, SHORT)))
    assert view.route.kind == "local"
    assert view.route.reason == "kept on this device: name, phone, health"
    assert {step.source for step in view.steps} == {"local"}
    kept = assistant.store.message(view.message_id)
    assert kept.route == view.route
    assert assistant.store.path_to(view.message_id)[0].private == ("name", "phone", "health")
    assert assistant.sent.page("messages") == []
    plain = answer(
        assistant.ask(kept.conversation_id, "Who wrote Hamlet?", TurnOptions("fused", 0.5, SHORT))
    )
    assert plain.route.kind == "fused"
    sent = assistant.sent.page("messages")
    assert len(sent) == plain.stats.cloud_requests > 0
    assert "Hamlet" in sent[-1].body
    assert not [entry for entry in sent if "Weber" in entry.body or "5550123" in entry.body]


def test_the_automatic_weight_follows_the_kind_of_question(make: Make, smollm_path: Path) -> None:
    assistant = make(smollm_path)
    kinds = {"own": 0.9, "general": 0.6, "calculation": 0.25, "code": 0.5}
    auto = {"weight": 0.75, "reason": "", "tokens": 100, "gain": 0.0}
    kept = {"auto": auto, "rule": "log-linear", "rewritten": 0, "kinds": kinds}
    assistant.store.set_setting("auto_weight", kept)

    def weight(question: str, **options: Any) -> tuple[float, str]:
        given = TurnOptions("fused", sampling=Sampling(max_tokens=2), **options)
        view = answer(assistant.ask(None, question, given))
        return view.steps[0].weight, view.stats.weighed

    assert weight("What is 17 times 23?", weight=0.75, auto=True) == (
        0.25,
        "weight 0.25 for calculations",
    )
    assert weight("Who was Napoleon?", weight=0.75, auto=True)[0] == 0.6
    # The person's own choice stays, and so does a slider that stands at "local".
    assert weight("What is 17 times 23?", weight=0.75) == (0.75, "")
    assert weight("What is 17 times 23?", weight=1.0, auto=True) == (1.0, "")
