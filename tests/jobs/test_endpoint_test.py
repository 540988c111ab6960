import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from floe.application import Application
from floe.chat.preferences import Preferences
from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.link import CloudLink
from floe.cloud.probe.profile import EndpointProfile
from floe.config import Settings
from floe.errors import CloudError, StoreError
from floe.jobs.endpoint_test import EndpointTest
from tests.cloud.quirky import MODEL, Quirks, QuirkyServer
from tests.training.tiny import write_tiny

CHOICE = EndpointChoice("http://127.0.0.1:1/v1", "m", "vllm")
KEY = SecretStr("sk-secret")


class Link:
    """A test that goes on until it is cancelled, or ends as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[Any] = []
        self.begun = threading.Event()

    def test(
        self,
        *endpoint: Any,
        preset: str,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> EndpointProfile:
        self.asked += [*endpoint, preset]
        progress("Asking which models there are.")
        if self.error is not None:
            raise self.error
        self.begun.set()
        while not cancelled():
            pass
        return EndpointProfile(findings=("The test was stopped.",))


def trial_of(link: Link) -> EndpointTest:
    return EndpointTest(cast(CloudLink, link))


def test_a_trial_goes_on_by_itself_until_it_is_cancelled() -> None:
    link = Link()
    trial = trial_of(link)
    assert trial.view() is None
    trial.start(CHOICE, KEY)
    assert link.begun.wait(60)
    view = trial.view()
    assert view is not None
    assert view.running
    assert view.lines == ("Asking which models there are.",)
    with pytest.raises(CloudError, match="still under way"):
        trial.start(CHOICE, None)
    trial.cancel()
    ended = trial.wait(60)
    assert ended is not None
    assert not ended.running
    assert ended.profile is not None
    assert link.asked == ["http://127.0.0.1:1/v1", "m", KEY, "vllm"]
    trial.start(CHOICE, None)
    trial.cancel()
    assert trial.wait(60)


@pytest.mark.parametrize(
    ("error", "words"),
    [(StoreError("The disk is full."), "The disk is full."), (RuntimeError(), "the log has")],
)
def test_whatever_goes_wrong_ends_the_trial_with_a_sentence(error: Exception, words: str) -> None:
    trial = trial_of(Link(error))
    trial.start(CHOICE, KEY)
    view = trial.wait(60)
    assert view is not None
    assert not view.running
    assert view.profile is None
    assert words in view.lines[-1]


def test_the_daily_limit_of_the_page_binds_tests(tmp_path: Path) -> None:
    tiny = write_tiny(tmp_path / "tiny.gguf")
    settings = Settings(
        data_dir=tmp_path, models_dir=tmp_path, model=str(tiny), cloud="off", threads=1
    )
    with Application.open(settings) as application, QuirkyServer(Quirks()) as server:
        Preferences.update(application.assistant.store, daily_requests=2)
        trial = application.endpoint_test
        trial.start(EndpointChoice(server.url, MODEL, "custom"), None)
        view = trial.wait(60)
        assert view is not None
        assert view.profile is not None
        assert "budget of 2 cloud requests a day is used up" in view.profile.findings[-1]
        assert len(server.asked) == 2
