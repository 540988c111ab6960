"""The clock of "Personalise" stops only when everything has been drawn after the last change."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from floe.application import Application
from floe.chat.assistant import Assistant
from floe.cloud.link import CloudLink
from floe.config import Settings
from floe.jobs.plan_job import PlanRequest, PlanView
from floe.privacy.consent import Consent, give_consent
from floe.privacy.detector import Detector
from floe.store import Store
from floe.training.data.dataset import Dataset
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
def actions(tmp_path: Path, detector: Detector) -> Iterator[PersonalActions]:
    settings = Settings.load(cloud="off", data_dir=tmp_path, system_prompt="")
    store = Store(settings.database)
    model: Any = ScriptedModel(["Of course."])
    model.path = tmp_path / "model.gguf"
    model.path.write_bytes(b"GGUF")
    assistant = Assistant(settings, store, model, CloudLink(settings, store), detector)
    parts: Any = SimpleNamespace(**{name: name for name in NAMES})
    listing: Any = "listing"
    save: Any = "save"
    application = Application(settings, assistant)
    application.plan_job.close()
    yield PersonalActions(application, parts, listing, save)
    application.close()


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
