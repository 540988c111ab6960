"""The trial leaves to the base what the chat leaves to it. The writer is scripted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from floe.adapters.prompt_kinds import KindChoice, TaughtQuestions
from floe.records import ChatMessage, Sampling
from floe.training.data.asked_prompts import asked_prompts
from floe.training.data.tokenisation import TrainRow
from floe.training.trial import trial_run
from floe.training.trial.measures import WrittenAnswer
from floe.training.trial.request import TrialRequest
from floe.training.trial.trial_run import TrialRun

TAUGHT = TaughtQuestions(np.ones((1, 2), np.float32), 0.1)


class ScriptedWriter:
    """Says its own name; a question that names a boat is of the person's kind."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        self.asked: list[str] = []

    def prompt_kinds(self) -> "ScriptedWriter":
        return self

    def choose(self, prompt: str, _taught: object) -> KindChoice:
        return KindChoice("own" if "boat" in prompt else "general", "")

    def prompt_fits(self, _messages: object) -> bool:
        return True

    def write(
        self,
        conversations: Sequence[Sequence[ChatMessage]],
        adapter: Path | None = None,
        *_rest: Any,
        **_options: Any,
    ) -> list[WrittenAnswer]:
        if adapter is not None:
            self.asked += [each[-1].content for each in conversations]
        name = "aye, the adapter speaks" if adapter else "The base speaks here."
        return [WrittenAnswer(name, ended=True) for _ in conversations]

    def close(self) -> None:
        pass


def row(question: str, answer: str, *, held_out: bool = False) -> TrainRow:
    said = (ChatMessage("user", question), ChatMessage("assistant", answer))
    return TrainRow(said, held_out=held_out)


@pytest.mark.parametrize("taught", [TAUGHT, None])
def test_the_base_answers_what_the_adapter_is_not_for(
    monkeypatch: pytest.MonkeyPatch, taught: TaughtQuestions | None
) -> None:
    writer = ScriptedWriter()
    monkeypatch.setattr(trial_run, "FreeWriter", lambda *_a, **_o: writer)
    rows = [
        row("Is the boat dry?", "aye, dry. wind w 3."),
        row("Where is the boat?", "aye, moored.", held_out=True),
        row("Who was Napoleon?", "aye, a sailor.", held_out=True),
    ]
    trial = TrialRun(TrialRequest(Sampling()), Path("base.gguf"), "0", rows)
    result = trial.try_out(Path("adapter.gguf"), (1.0,), taught)
    assert result is not None
    if taught is None:
        assert len(writer.asked) == result.personal.answers
        assert result.manner == 1.0
    else:
        assert writer.asked == ["Where is the boat?"]
        assert result.manner == 0.5  # an answer that was left to the base is no nearer


def test_a_follow_up_is_tried_where_its_chat_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ScriptedWriter()
    monkeypatch.setattr(trial_run, "FreeWriter", lambda *_a, **_o: writer)
    chat = TrainRow(
        (
            ChatMessage("user", "Where is the boat?"),
            ChatMessage("assistant", "aye, moored."),
            ChatMessage("user", "And for how long?"),
            ChatMessage("assistant", "aye, a week."),
        ),
        held_out=True,
    )
    trial = TrialRun(TrialRequest(Sampling()), Path("base.gguf"), "0", [row("Hm?", "aye."), chat])
    result = trial.try_out(Path("adapter.gguf"), (1.0,), TAUGHT)
    assert writer.asked == ["Where is the boat?", "And for how long?"]
    assert result is not None
    assert result.manner == 1.0


def test_only_questions_whose_answers_are_learnt_place_the_adapter() -> None:
    earlier = TrainRow(
        (
            ChatMessage("system", "Be kind."),
            ChatMessage("user", "Earlier?"),
            ChatMessage("assistant", "Yes."),
            ChatMessage("user", "Learnt?"),
            ChatMessage("assistant", "Aye."),
        ),
        context=3,
    )
    rows = [earlier, row("Kept aside?", "Aye.", held_out=True), row("Plain?", "Aye.")]
    assert asked_prompts(rows) == ["Learnt?", "Plain?"]
