"""After a training the weight is fitted on answers kept aside, and only on what may leave.

The assistant, the detector, the client and the server are real; the local model is a script.
"""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from floe.chat.assistant import Assistant
from floe.chat.preferences import Preferences
from floe.chat.turn_routes import requests_left_today
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import Settings
from floe.fusion.scoring.automatic_weight import DEFAULT_WEIGHT
from floe.jobs.weight_fit import WeightFitJob
from floe.privacy import choices
from floe.privacy.consent import Consent, give_consent, set_conversation_consent
from floe.privacy.detector import Detector
from floe.privacy.gate import CHOSEN
from floe.records import Route
from floe.store import Store
from floe.training.data.learning_choices import LearningChoices, chosen_dataset
from floe.training.fusion_weight import MAX_REQUESTS, kept_weight
from floe.training.process import RunFolder
from floe.training.run_table import TrainingRun
from floe.training.runs import TrainingRuns
from tests.cloud.scripted import DONE, STOP, Connection, ScriptedServer, event
from tests.privacy.scripted_model import ScriptedModel, cloud_rows
from tests.training.runs_of_tiny import plan

TRAINER = Path(__file__).parents[1] / "training" / "scripted_trainer.py"
COMMON = "Of course. It depends on the day and on the weather, and there is more to say about it."
PLAIN = (
    ("How does a rainbow come about?", "Of course. It depends on the sun and on the rain."),
    ("Why is the sea salty?", "Of course. It depends on the day and on the rivers."),
    ("What is recursion?", "Of course. It depends on what it is told of, and there is more."),
)
PRIVATE = (
    ("What shall I write to my doctor Anna Weber, 0171 5550123?", "That you want the results."),
    ("Who is to be called first?", "Call Martha Lindqvist on 0171 5550199 first, as ever."),
    # Nothing in it is an identifier: a model might say so, and the person has.
    ("What is new?", "I was diagnosed with bipolar disorder and my wife has left me."),
)
SECRETS = ("Weber", "5550123", "Lindqvist", "5550199", "bipolar", "my wife")


class Cloud:
    """A server that tells a script, row by row, and keeps what it is asked."""

    def __init__(self) -> None:
        self.server = ScriptedServer(self._play)

    def _play(self, connection: Connection) -> None:
        if connection.head.startswith("GET"):
            connection.answer(b'{"data": [{"id": "big"}]}', kind="application/json")
            return
        last = json.loads(connection.body)["messages"][-1]
        partial = last["content"] if last["role"] == "assistant" else ""
        rows = cloud_rows(partial, COMMON)
        parts = [event(row["token"], logprobs={"content": [row]}) for row in rows]
        with suppress(ConnectionError):
            connection.answer(*parts, STOP, DONE)

    @property
    def bodies(self) -> list[str]:
        return [c.body.decode() for c in self.server.requests if c.body]

    @property
    def questions(self) -> set[str]:
        """The last thing that the user said, of each request."""
        said = [json.loads(body)["messages"] for body in self.bodies]
        return {[m["content"] for m in each if m["role"] == "user"][-1] for each in said}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    with cloud.server:
        yield cloud


class House:
    """An assistant and its weighing, over a database of some chats."""

    def __init__(self, folder: Path, address: str, detector: Detector) -> None:
        self.folder = folder
        texts = [text for pair in (*PLAIN, *PRIVATE) for text in pair]
        self.settings = Settings.load(cloud=address, data_dir=folder, system_prompt="")
        self.store = Store(self.settings.database)
        # It has shown that it continues answers.
        self.store.save_endpoint(address, "big", EndpointProfile(model="big").to_json())
        link = CloudLink(self.settings, self.store)
        link.connect()
        link.wait(20)
        model: Any = ScriptedModel([COMMON, *texts])
        model.script = COMMON
        model.path = folder / "scripted.gguf"  # there is none: every question is general
        self.assistant = Assistant(self.settings, self.store, model, link, detector)
        self.weighing = WeightFitJob(self.assistant, self.settings)
        give_consent(self.store, Consent(train=True))
        LearningChoices.update(self.store, ask_cloud=True, with_private=True)

    def add(self, question: str, answer: str, route: Route | None = None) -> int:
        """A chat with one answer; its id."""
        conversation = self.store.create_conversation(question).id
        asked = self.store.add_message(conversation, None, "user", question)
        self.store.add_message(conversation, asked.id, "assistant", answer, route=route)
        return conversation

    def run(self) -> TrainingRun:
        """A run that has kept all answers aside."""
        folder = RunFolder(self.folder / "runs" / "1")
        folder.path.mkdir(parents=True, exist_ok=True)
        data = chosen_dataset(self.store, "")
        folder.keep_held_out([row.message_id for row in data.used])
        return TrainingRun(
            1, 0.0, "complete", folder, Path("base"), "", plan(), "", 1, None, None, None, "", {}
        )

    def fit(self, run: TrainingRun | None = None) -> str:
        """Wait for a fit, and give the reason in force."""
        self.weighing.start(run or self.run())
        assert self.weighing.wait(60)
        return self.reason

    @property
    def reason(self) -> str:
        return kept_weight(self.store, self.settings.rule).reason


@pytest.fixture
def house(tmp_path: Path, cloud: Cloud, detector: Detector) -> Iterator[House]:
    house = House(tmp_path, cloud.server.url, detector)
    assert house.assistant.cloud.state.usable
    yield house
    house.assistant.close()


def test_the_weight_is_fitted_on_what_was_kept_aside_and_survives_a_restart(
    house: House, cloud: Cloud
) -> None:
    for question, answer in PLAIN:
        house.add(question, answer)
    house.fit()
    auto = kept_weight(house.store, house.settings.rule)
    assert auto.reason.startswith(f"{auto.weight:.2f}, fitted on 3 of your own answers (")
    assert f"tokens), {len(cloud.bodies)} requests: " in auto.reason
    assert auto.weight != DEFAULT_WEIGHT
    assert cloud.questions == {question for question, _ in PLAIN}
    log = house.assistant.sent.page("messages", limit=1000)
    assert sorted(entry.body for entry in log) == sorted(cloud.bodies)
    assert {entry.purpose for entry in log} == {"weight"}
    with Store(house.settings.database) as other:
        assert kept_weight(other, house.settings.rule) == auto


def test_nothing_private_or_kept_here_is_ever_asked_about(house: House, cloud: Cloud) -> None:
    choices.set_policy(house.store, "pseudonyms")  # it is no way out here
    # The general system prompt goes through the gate, too.
    told = {"system_prompt": "You write letters for Martha Lindqvist, 0171 5550199."}
    house.weighing = WeightFitJob(house.assistant, house.settings.model_copy(update=told))
    for question, answer in (*PLAIN, *PRIVATE):
        house.add(question, answer)
    house.add("Who wrote Hamlet?", "Shakespeare did.", Route("local", CHOSEN))
    house.add("Keep this between us: what is a pun?", "A play on words.")
    choices.set_local_only(house.store, house.add("What is a fjord?", "A drowned valley."), True)
    no = house.add("What is a moor?", "Wet land, and peat below.")
    run = house.run()
    set_conversation_consent(house.store, no, train=False, federate=None)
    assert "fitted on 3 of your own answers" in house.fit(run)
    assert cloud.questions == {question for question, _ in PLAIN}
    for body in cloud.bodies:
        assert not [secret for secret in SECRETS if secret in body]
    house.store.delete_conversation(no)
    only_private = replace(run, folder=RunFolder(house.folder / "other"))
    only_private.folder.path.mkdir()
    only_private.folder.keep_held_out([2 * (len(PLAIN) + 1), 2 * (len(PLAIN) + 2)])
    before = kept_weight(house.store, house.settings.rule).weight
    asked = len(cloud.bodies)
    assert "stays as it was. None of the answers kept aside may be asked" in house.fit(only_private)
    assert kept_weight(house.store, house.settings.rule).weight == before
    assert len(cloud.bodies) == asked


def test_requests_stay_within_both_budgets_and_count_for_the_day(
    house: House, cloud: Cloud
) -> None:
    for number in range(20):
        question, answer = PLAIN[number % len(PLAIN)]
        house.add(f"{question} ({number})", f"{answer} Number {number} is as odd as it sounds.")
    house.fit()
    assert 0 < len(cloud.bodies) <= MAX_REQUESTS
    options = replace(Preferences().options(), max_requests=1000, daily_requests=500)
    assert requests_left_today(house.store, options) == 500 - len(cloud.bodies)
    Preferences.update(house.store, daily_requests=len(cloud.bodies) + 5)
    before = len(cloud.bodies)
    house.fit()
    assert len(cloud.bodies) - before <= 5
    Preferences.update(house.store, daily_requests=1)
    before = len(cloud.bodies)
    assert "The budget of 1 cloud requests a day is used up." in house.fit()
    assert len(cloud.bodies) == before


def test_local_only_in_the_chat_holds_here_too(house: House, cloud: Cloud) -> None:
    house.add(*PLAIN[0])
    Preferences.update(house.store, mode="local")
    assert "You chose “Local only”" in house.fit()
    assert cloud.bodies == []


def test_without_the_wish_nothing_is_asked_and_rewritten_answers_count(
    house: House, cloud: Cloud
) -> None:
    house.add(*PLAIN[0])
    LearningChoices.update(house.store, ask_cloud=False)
    assert "no answer of yours shows how you write yet" in house.fit()
    assert cloud.bodies == []


def test_a_wish_taken_back_in_the_middle_ends_it(
    house: House, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for question, answer in PLAIN:
        house.add(question, answer)
    send = house.assistant.cloud.open

    def opened(*args: Any, **kwargs: Any) -> Any:
        LearningChoices.update(house.store, ask_cloud=False)
        return send(*args, **kwargs)

    monkeypatch.setattr(house.assistant.cloud, "open", opened)
    assert "stays as it was" in house.fit()
    assert len(cloud.bodies) == 1, "the one that was on its way"


def test_a_chat_goes_on_while_the_cloud_is_silent(
    house: House, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.add(*PLAIN[0])
    asked, go_on = threading.Event(), threading.Event()
    play = cloud._play

    def silent(connection: Connection) -> None:
        if not asked.is_set():
            asked.set()
            assert go_on.wait(30)
        play(connection)

    monkeypatch.setattr(cloud.server, "_plays", [silent])
    house.weighing.start(house.run())
    assert asked.wait(30)
    local = replace(Preferences().options(), mode="local")
    turn = house.assistant.ask(None, "Who wrote Hamlet?", local)
    assert turn.wait(30)
    assert turn.view().text == COMMON
    assert house.weighing.running
    go_on.set()
    assert house.weighing.wait(60)


def test_a_cloud_out_of_reach_is_said_plainly(tmp_path: Path, detector: Detector) -> None:
    house = House(tmp_path, "http://127.0.0.1:9/v1", detector)
    try:
        house.add(*PLAIN[0])
        reason = house.fit()
        assert reason.startswith("0.50, the middle way")
        assert "It could not be fitted again and stays as it was. " in reason
        assert "127.0.0.1" in reason
        with Store(house.settings.database) as other:
            assert kept_weight(other, house.settings.rule).reason == reason
    finally:
        house.assistant.close()


def test_it_happens_by_itself_after_a_training(house: House, cloud: Cloud) -> None:
    script = house.folder / TRAINER.name
    shutil.copy(TRAINER, script)
    (house.folder / "mode").write_text("good")
    base = house.folder / "base.gguf"
    base.write_bytes(b"GGUF base")
    other = house.folder / "other.gguf"  # the script can wear no adapter
    other.write_bytes(b"GGUF other")
    house.assistant.model.path = other
    for number in range(12):
        question, answer = PLAIN[number % len(PLAIN)]
        house.add(f"{question} ({number})", f"{answer} Number {number} is as odd as it sounds.")
    runs = TrainingRuns(
        house.store,
        house.assistant.adapters,
        house.folder,
        replan=lambda _plan, _limit: None,
        adopted=house.weighing.start,
        command=[sys.executable, str(script)],
    )
    data = chosen_dataset(house.store, "")
    run = runs.start(data, base, plan(), memory_limit_mb=1500)
    for watcher in list(runs._watchers.values()):
        watcher.join(30)
    assert runs.get(run.id).status == "complete"
    assert house.weighing.wait(60)
    runs.close()
    kept_aside = {row.question for row in data.used if row.split == "held_out"}
    assert cloud.questions
    assert cloud.questions <= kept_aside
    assert house.reason.startswith(f"{kept_weight(house.store, house.settings.rule).weight:.2f}, ")
    assert "of your own answers" in house.reason


def test_one_rewritten_answer_is_no_reason_for_another_fit(house: House) -> None:
    conversation = house.store.create_conversation()
    question = house.store.add_message(conversation.id, None, "user", "Why?")
    answer = house.store.add_message(conversation.id, question.id, "assistant", "Because.")
    house.store.rewrite_answer(answer.id, "For a reason.")
    house.weighing.start_if_due()
    assert house.weighing.wait(20)
    assert house.store.setting("auto_weight", None) is None
