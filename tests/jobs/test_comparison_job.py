"""Answers side by side: one after another, as asked, and what is left when some do not come."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from floe.chat.turn import Turn, TurnOptions
from floe.chat.turn_routes import BESIDE_OTHERS, TurnRoutes, may_not_answer, stays_here, was_kept
from floe.errors import PromptError
from floe.fusion.decoder import Controls
from floe.jobs.comparison_job import (
    ComparisonJob,
    columns_by_adapter,
    columns_by_mode,
    columns_by_weight,
)
from floe.privacy.gate import CHOSEN, SWITCHED, Gate
from floe.records import AnswerStats, Route
from floe.store import Store

QUESTION = "Why is the sky blue?"


class Writer:
    """An assistant whose answers the test writes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[TurnOptions] = []
        self.turns: list[Turn] = []
        self.question = store.add_message(None, None, "user", QUESTION)

    def ask(self, options: TurnOptions) -> Turn:
        answer = self.store.add_message(
            self.question.conversation_id, self.question.id, "assistant", "", status="streaming"
        )
        self.asked.append(options)
        route = Route("fused", "")
        self.turns.append(Turn(answer.conversation_id, answer.id, route, Controls()))
        return self.turns[-1]

    def regenerate(self, message_id: int, options: TurnOptions) -> Turn:
        assert self.store.message(message_id).parent_id == self.question.id
        return self.ask(options)

    def write(self, text: str, status: Any = "complete") -> None:
        turn = self.turns[-1]
        turn.finish(status)
        part = turn.unsaved_part()
        assert part is not None
        self.store.finish_answer(
            turn.message_id, content=text, status=status, stats=AnswerStats(), notices=()
        )
        turn.mark_saved(part)

    def wait_for(self, count: int, job: ComparisonJob) -> None:
        while len(self.turns) < count:
            assert not job.wait(0.01), "it ended early"


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Store(tmp_path / "floe.db") as store:
        yield Writer(store)


def begun(writer: Writer) -> ComparisonJob:
    assistant: Any = writer
    job = ComparisonJob(assistant)
    job.begin(columns_by_mode(TurnOptions()), writer.ask)
    return job


def test_answers_come_one_after_another_and_those_to_come_are_named(writer: Writer) -> None:
    job = begun(writer)
    assert job.question == writer.question.id
    assert job.waiting(writer.question.id) == ["Both together", "The cloud"]
    assert job.waiting(writer.question.id + 1) == []
    with pytest.raises(PromptError, match="still being written side by side"):
        job.begin(columns_by_mode(TurnOptions()), writer.ask)
    writer.write("Light is scattered.")
    writer.wait_for(2, job)
    writer.write("Air scatters blue light.")
    writer.wait_for(3, job)
    writer.write("Rayleigh scattering.")
    assert job.wait(60)
    assert job.problem(writer.question.id) == ""
    assert [(each.column, each.mode) for each in writer.asked] == [
        ("This device", "local"),
        ("Both together", "fused"),
        ("The cloud", "cloud"),
    ]
    answers = writer.store.answers_to(writer.question.id)
    assert [each.content for each in answers] == [
        "Light is scattered.",
        "Air scatters blue light.",
        "Rayleigh scattering.",
    ]
    assert writer.store.open_conversation(writer.question.conversation_id)[-1] == answers[-1]


def test_who_stops_one_stops_those_to_come(writer: Writer) -> None:
    job = begun(writer)
    writer.write("Light", "stopped")
    assert job.wait(60)
    assert len(writer.asked) == 1
    assert job.waiting(writer.question.id) == []


def test_one_that_is_called_off_begins_no_further_answer(writer: Writer) -> None:
    job = begun(writer)
    writer.write("Light is scattered.")
    writer.wait_for(2, job)
    job.cancel()
    assert job.wait(60)
    assert len(writer.asked) == 2
    in_view = writer.store.open_conversation(writer.question.conversation_id)
    assert in_view[-1].content == "Light is scattered."  # the other has not a word yet


def test_a_chat_does_not_go_on_with_an_answer_that_stayed_empty(writer: Writer) -> None:
    job = begun(writer)
    writer.write("Here are three presents.")
    writer.wait_for(2, job)
    writer.write("")
    writer.wait_for(3, job)
    writer.write("")
    assert job.wait(60)
    in_view = writer.store.open_conversation(writer.question.conversation_id)
    assert in_view[-1].content == "Here are three presents."


def test_weights_and_adapters_are_compared_with_all_else_as_it_is() -> None:
    options = TurnOptions("cloud", 0.5, auto=True, daily_requests=9)
    by_weight = columns_by_weight(options, (0.2, 0.8))
    assert [(each.mode, each.weight, each.auto) for each in by_weight] == [
        ("fused", 0.2, False),
        ("fused", 0.8, False),
    ]
    assert {each.daily_requests for each in by_weight} == {9}
    with pytest.raises(PromptError, match="Nothing has been learnt yet"):
        columns_by_adapter(options, [])
    kept: list[Any] = [
        SimpleNamespace(id=n, name=f"Adapter {n}", in_use=n == 1) for n in range(1, 4)
    ]
    by_adapter = columns_by_adapter(options, kept)
    assert [each.adapter for each in by_adapter] == [0, 1, 3]  # the one in use, then the newest
    assert not any(each.strict for each in by_adapter)
    assert {each.mode for each in by_adapter} == {"fused"}  # the cloud alone has not learnt it
    alone = columns_by_adapter(TurnOptions("local"), kept)
    assert {each.mode for each in alone} == {"local"}


def test_local_beside_others_is_no_wish_to_keep_it_here_but_a_local_chat_is(
    writer: Writer,
) -> None:
    none: Any = None
    routes = TurnRoutes(writer.store, Gate(writer.store, none), none)
    (local, fused, _) = columns_by_mode(TurnOptions())
    path = [writer.question]
    chosen = routes.choose(TurnOptions("local"), path, 0, "", ()).route
    beside = routes.choose(local, path, 0, "", ()).route
    assert (chosen.reason, beside.reason) == (CHOSEN, BESIDE_OTHERS)
    assert stays_here(local, beside)
    assert was_kept(chosen)
    assert not was_kept(beside)
    assert not may_not_answer(local, beside)
    with writer.store.writing() as db:
        db.execute("UPDATE conversations SET local_only = 1")
    assert routes.choose(local, path, 0, "", ()).route.reason == CHOSEN
    kept = routes.choose(fused, path, 0, "", ()).route
    assert kept.reason == SWITCHED
    assert may_not_answer(fused, kept)
    assert not may_not_answer(TurnOptions(), kept)
