"""Replay: which of the base's answers are learnt along, and that each is written once."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from floe.config import Settings
from floe.errors import DataError
from floe.models.catalog import load_catalog
from floe.models.sampling_defaults import sampling_defaults
from floe.records import ChatMessage, Role, Sampling
from floe.resources import GENERAL, QUESTIONS, REPLAY, TRIAL
from floe.training.data.tokenisation import TrainRow, read_rows
from floe.training.trial.base_answers import BaseAnswers, is_good_answer, replay_rows
from floe.training.trial.measures import WrittenAnswer
from floe.training.trial.public_prompts import (
    PublicPrompt,
    languages_of,
    read_prompts,
    replay_prompts,
    trial_prompts,
)
from floe.training.trial.trial_run import own_prompts, system_of


class Hand:
    """Writes, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, conversations: Sequence[Sequence[ChatMessage]]) -> list[WrittenAnswer]:
        self.asked += [said[-1].content for said in conversations]
        return [WrittenAnswer(f"Of {said[-1].content}", ended=True) for said in conversations]


def answers(folder: Path | None, system: str = "Be kind.") -> BaseAnswers:
    return BaseAnswers(folder, "abc", system, Sampling())


def test_what_the_base_answers_is_written_once(tmp_path: Path) -> None:
    hand = Hand()
    answers(tmp_path).answer(["one", "two"], hand)
    assert answers(tmp_path).answer(["two", "three"], hand)[0].text == "Of two"
    assert hand.asked == ["one", "two", "three"]
    answers(tmp_path, "Be brief.").answer(["one"], hand)  # another prompt, another answer
    answers(None).answer(["one"], hand)
    assert hand.asked[3:] == ["one", "one"]


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    answers(tmp_path).answer(["one"], Hand())
    (path,) = tmp_path.iterdir()
    for content in ("{", "[]", '{"one": {"word": 1}}'):
        path.write_text(content)
        assert answers(tmp_path).missing(["one"]) == ["one"]


def test_the_answers_that_come_along_are_those_of_the_default_settings(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    entry = load_catalog().find(settings.model)
    assert entry is not None
    sampling = sampling_defaults(settings, {}).sampling
    known = BaseAnswers(None, entry.sha256, settings.system_prompt, sampling)
    wanted = [*replay_prompts(["en"]), *trial_prompts(["en"])]
    assert known.missing([each.prompt for each in wanted]) == []
    hand = Hand()
    (answer,) = known.answer([wanted[0].prompt], hand)
    assert answer.text
    assert not hand.asked
    other = BaseAnswers(None, entry.sha256, "Be brief.", sampling)
    assert len(other.missing([each.prompt for each in wanted])) == len(wanted)


def test_what_was_stopped_half_way_is_not_kept(tmp_path: Path) -> None:
    answers(tmp_path).answer(["one"], Hand(), lambda: True)
    assert answers(tmp_path).missing(["one"]) == ["one"]


@pytest.mark.parametrize(
    ("text", "ended", "good"),
    [
        ("A week has seven days.", True, True),
        ("A week has seven days.", False, False),
        (" ", True, False),
        ("day one is a day. day two is a day. " * 4, True, False),
    ],
)
def test_only_answers_that_end_and_do_not_loop_are_learnt(
    text: str, ended: bool, good: bool
) -> None:
    assert is_good_answer(WrittenAnswer(text, ended)) is good


def test_replay_is_a_share_of_the_rows_spread_over_the_prompts() -> None:
    prompts = [PublicPrompt(str(i)) for i in range(30)]
    written = [WrittenAnswer(f"answer {i}", ended=i % 3 > 0) for i in range(30)]
    few = replay_rows(prompts, written, 2, None)
    assert len(few) == 8
    assert few[0].messages == (ChatMessage("user", "1"), ChatMessage("assistant", "answer 1"))
    many = replay_rows(prompts, written, 20, "Be kind.")
    assert len(many) == 12
    assert many[0].messages[0] == ChatMessage("system", "Be kind.")
    assert len(replay_rows(prompts, written, 1000, None)) == 20
    assert replay_rows(prompts, [WrittenAnswer("", ended=False)] * 30, 20, None) == []


def test_prompts_are_of_the_persons_languages() -> None:
    german = "Wie koche ich den Reis, und ist das nicht zu lang?"
    english = "How do I cook the rice, and is it not too long?"
    assert languages_of([english] * 20) == ["en"]
    assert languages_of([english] * 8 + [german] * 2) == ["de", "en"]
    assert languages_of(["今天天气怎么样?"]) == ["zh"]
    assert languages_of(["123", "ok"]) == []
    # "do" is Portuguese as well, "la" French, "un" French and Spanish.
    assert languages_of(["How do I decide?", "Do I need a plumber?"]) == ["en"]
    assert languages_of(["Qual é o nome do hospital?"]) == ["pt"]
    assert languages_of(["¿Cuál es la capital de Perú?", "¿De qué color es la nieve?"]) == ["es"]
    assert languages_of(["Quante zampe ha un cane?"]) == ["it"]
    assert {each.language for each in replay_prompts(["de"])} == {"en", "de"}
    assert {each.language for each in trial_prompts(["de"])} == {"en", "de"}
    assert {each.language for each in trial_prompts([])} == {"en"}


def test_each_language_of_a_person_has_replay_greetings_questions_and_general_text() -> None:
    languages = {each.language for each in read_prompts(REPLAY)}
    assert {row.language for row in read_rows(GENERAL)} == languages
    for language in languages:
        asked = [each for each in trial_prompts([language]) if each.language == language]
        assert {bool(each.expected) for each in asked} == {True, False}


def test_a_third_of_what_is_replayed_is_in_the_persons_other_languages() -> None:
    prompts = [PublicPrompt(str(i)) for i in range(36)]
    prompts += [PublicPrompt(f"de {i}", language="de") for i in range(4)]
    written = [WrittenAnswer(f"answer {i}", ended=True) for i in range(40)]
    asked = [row.messages[0].content for row in replay_rows(prompts, written, 20, None)]
    assert asked[-4:] == ["de 0", "de 1", "de 2", "de 3"]
    assert len(asked) == 12
    # But none that the base answered in another language.
    written = [WrittenAnswer("The answer to this question is yes.", ended=True)] * 40
    asked = [row.messages[0].content for row in replay_rows(prompts, written, 20, None)]
    assert len(asked) == 12
    assert not any(each.startswith("de") for each in asked)


def test_what_is_learnt_along_tried_by_and_measured_by_is_never_the_same() -> None:
    sets = [{each.prompt for each in read_prompts(path)} for path in (REPLAY, TRIAL, QUESTIONS)]
    sets.append({row.messages[0].content for row in read_rows(GENERAL)})
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert len(read_prompts(QUESTIONS)) == 40


def test_a_file_of_something_else_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    for content in ("[1]", "no", '{"question": "x"}'):
        (tmp_path / "q.jsonl").write_text(content)
        with pytest.raises(DataError, match="Expected is"):
            read_prompts(tmp_path / "q.jsonl")


def turns(*said: str, held_out: bool = True, system: str | None = "Be kind.") -> TrainRow:
    roles: tuple[Role, ...] = ("user", "assistant")
    messages = [ChatMessage(roles[i % 2], text) for i, text in enumerate(said)]
    before = [] if system is None else [ChatMessage("system", system)]
    return TrainRow((*before, *messages), held_out=held_out)


def test_own_questions_are_those_kept_aside_of_as_many_chats_as_there_are() -> None:
    rows = [turns("a", "1", "b", "2"), turns("c", "3", held_out=False), turns("d", "4")]
    assert [(p[-1].content, answer) for p, answer in own_prompts(rows)] == [
        ("a", "1"),
        ("d", "4"),
        ("b", "2"),
    ]
    assert len(own_prompts(rows)[2][0]) == 4


def test_the_chats_system_prompt_is_that_of_its_rows() -> None:
    assert (
        system_of([turns("a", "1"), turns("b", "2"), turns("c", "3", system="Odd.")]) == "Be kind."
    )
    assert system_of([turns("a", "1", system=None)]) is None
    assert system_of([turns("a", "1", system="")]) == ""
