"""A clock stops only when all has been drawn after the last change, and draws over nothing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from floe.application import Application
from floe.chat.assistant import Assistant
from floe.cloud.link import CloudLink
from floe.config import Settings
from floe.data_folder.maintenance import Maintenance
from floe.jobs.plan_job import PlanRequest, PlanView
from floe.privacy.consent import Consent, give_consent
from floe.privacy.detector import Detector
from floe.store import Store
from floe.training.data.dataset import Dataset
from floe.ui.models.models_actions import ModelsActions
from floe.ui.page import build_page
from floe.ui.personalise.personal_actions import PersonalActions
from tests.privacy.scripted_model import ScriptedModel

NAMES = ("notice", "learning", "plan", "run", "weight", "adapters", "clock")


class Ends:
    """A look at chats that has ended when it is asked about for the n-th time."""

    sentence = ""

    def __init__(self, asked: int) -> None:
        self._left = asked

    @property
    def running(self) -> bool:
        self._left -= 1
        return self._left > 0

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


class Instant:
    """Plans are there as soon as they are wanted."""

    def __init__(self) -> None:
        self.planned: PlanView | None = None

    def request(self, data: Dataset, memory_mb: int | None, deadline_s: int | None) -> None:
        request = PlanRequest(Path("model.gguf"), data.fingerprint, memory_mb, deadline_s)
        self.planned = PlanView(request, None, f"A plan for {len(data.used)} answers.")

    def view(self) -> PlanView | None:
        return self.planned

    def close(self) -> None:
        pass


@pytest.fixture
def application(tmp_path: Path, detector: Detector) -> Iterator[Application]:
    settings = Settings.load(cloud="off", data_dir=tmp_path, system_prompt="")
    store = Store(settings.database)
    model: Any = ScriptedModel(["Of course."])
    model.path = tmp_path / "model.gguf"
    model.path.write_bytes(b"GGUF")
    assistant = Assistant(settings, store, model, CloudLink(settings, store), detector)
    application = Application(settings, assistant)
    application.plan_job.close()
    yield application
    application.close()


@pytest.fixture
def actions(application: Application) -> PersonalActions:
    parts: Any = SimpleNamespace(**{name: name for name in NAMES})
    listing: Any = "listing"
    save: Any = "save"
    return PersonalActions(application, parts, listing, save)


@pytest.mark.parametrize("asked", range(1, 9))
def test_a_look_that_ends_at_any_moment_is_followed_by_a_plan(
    actions: PersonalActions, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_scan", Ends(asked))
    monkeypatch.setattr(actions, "_plan_job", Instant())
    store = actions._store
    give_consent(store, Consent(train=True))
    chat = store.create_conversation("Rain").id
    question = store.add_message(chat, None, "user", "Why does it rain?")
    store.add_message(chat, question.id, "assistant", "Because clouds are heavy.")
    drawn = dict(actions.refresh())
    ticks = 0
    while drawn["clock"]["active"]:
        ticks += 1
        assert ticks < 20
        drawn |= actions.poll()
    assert drawn["plan"]["words"] == "A plan for 1 answers."
    assert len(drawn["learning"]["chats"]) == 1
    assert actions.wake_clock() == {}


def test_a_clock_that_was_stopped_too_early_goes_on(
    actions: PersonalActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_scan", Ends(4))
    give_consent(actions._store, Consent(train=True))
    assert actions.refresh()["clock"]["active"]
    assert actions.wake_clock()["clock"].active


@pytest.mark.usefixtures("loops_closed")
def test_what_draws_the_chat_waits_its_turn(application: Application, tmp_path: Path) -> None:
    """A look of the clock that arrived late had taken a running answer from the page."""
    page = build_page(application, Maintenance(tmp_path, lambda: None))
    handlers = list(page.fns.values())
    (stream,) = [each for each in handlers if each.name == "stream_answer"]
    which_answer = stream.outputs[0]  # what its end changes begins the next one
    drawing = [each for each in handlers if which_answer in each.outputs and each is not stream]
    assert {"send", "follow", "open", "delete", "load", "choose"} <= {each.name for each in drawing}
    for each in drawing:
        assert each.queue, each.name
        assert each.concurrency_id == "chat", each.name
        assert each.concurrency_limit in (1, "default"), each.name
    # These are drawn with the chat, too.
    drawn = {part._id for part in stream.outputs if part.elem_id in {"about", "chat"}}
    assert len(drawn) == 2
    for each in handlers:
        if each is not stream and drawn & {part._id for part in each.outputs}:
            assert each.concurrency_id == "chat", each.name
    # Only after an event that waits in the queue does gradio tell what a state has changed to.
    told = {place for each in handlers for place, event in each.targets if event == "change"}
    for each in handlers:
        assert each.queue or not told & {part._id for part in each.outputs}, each.name


def test_what_was_said_of_a_file_stays_when_the_clock_ticks(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    for drawn in ("models_value", "chip_value"):
        monkeypatch.setattr(f"floe.ui.models.models_actions.{drawn}", lambda _: "drawn")
    parts: Any = SimpleNamespace(models="models", notice="notice", clock="clock")
    chip: Any = "chip"
    models = ModelsActions(application, parts, chip)
    assert models.poll()["notice"] == gr.skip()
    assert models.wake_clock() == {}
    asked: Any = SimpleNamespace(name="/there/is/no.gguf")
    models.use(asked)
    assert application.model_switch.wait(30)
    assert models.wake_clock()["clock"].active  # though nothing moves any more
    assert "There is no file /there/is/no.gguf" in models.poll()["notice"]
    assert models.wake_clock() == {}
