from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from floe.cloud.credentials.choice import EndpointChoice
from floe.cloud.credentials.keys import Keys
from floe.cloud.link import NOT_TESTED, CloudLink, CloudState
from floe.cloud.probe.profile import EndpointProfile
from floe.config import OFF, STAND_IN, Settings
from floe.jobs.endpoint_test import EndpointTestView
from floe.ui.cloud import cloud_words as words
from tests.cloud.quirky import Quirks, QuirkyServer


def profile_of(quirks: Quirks) -> EndpointProfile:
    with QuirkyServer(quirks) as server:
        link = CloudLink(Settings())
        try:
            return link.test(server.url)
        finally:
            link.close()


def test_a_good_endpoint_has_good_marks_alone() -> None:
    profile = profile_of(Quirks())
    assert profile.complete
    assert {mark for mark, _ in words.marked_findings(profile)} == {"good"}


def test_what_is_missing_is_marked_as_a_limit_or_as_not_possible() -> None:
    found = words.marked_findings(
        profile_of(Quirks(continues="none", logprobs="refused", usage=False, models=True))
    )
    marks = {sentence.split()[1]: mark for mark, sentence in found}
    assert marks["refuses"] == "impossible"
    assert marks["cannot"] == "impossible"
    assert marks["does"] == "limited"
    nulls = words.marked_findings(profile_of(Quirks(spelling="null")))
    assert [mark for mark, _ in nulls].count("limited") == 1


def test_a_test_that_ended_early_ends_in_what_stood_in_the_way() -> None:
    refused = words.marked_findings(profile_of(Quirks(key="sk-other")))
    assert refused[-1][0] == "impossible"
    assert "key" in refused[-1][1]
    stopped = EndpointProfile(findings=("Reachable; 2 models.", "The test was stopped."))
    assert [mark for mark, _ in words.marked_findings(stopped)] == ["good", "limited"]
    assert words.marked_findings(EndpointProfile()) == []


def test_every_choice_has_a_note_and_an_address() -> None:
    for _, preset_id in words.CHOICES:
        assert words.preset_note(preset_id)["note"].endswith(".")
    assert words.preset_note("openai")["link"].startswith("https://")
    assert words.preset_note(STAND_IN)["link"] == words.preset_note(OFF)["link"] == ""
    assert words.intended_address(STAND_IN, "http://elsewhere") == STAND_IN
    assert words.intended_address(OFF, "") == OFF
    assert words.intended_address("custom", " http://127.0.0.1:1/v1/ ") == "http://127.0.0.1:1/v1"


def test_where_a_key_is_never_tells_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    openai = "https://api.openai.com/v1"
    kept, where = words.key_place(Keys(), openai)
    assert kept
    assert "environment" in where
    assert "sk-secret" not in where
    kept, where = words.key_place(Keys(), "http://127.0.0.1:1/v1")
    assert not kept
    assert where
    for no_address in (STAND_IN, OFF, "", "http://[::"):
        assert words.key_place(Keys(), no_address) == (False, "")
    given = Settings(cloud=openai, cloud_key=SecretStr("sk-given"))
    assert "floe.toml" in words.key_place(Keys(given), openai)[1]
    assert "not encrypted" in words.key_place(Keys(given), "http://api.openai.com/v1")[1]


def test_who_decides_at_the_next_start(tmp_path: Path) -> None:
    outside = words.duration_note(Settings.load(data_dir=tmp_path, cloud=OFF))
    assert "until Floe ends" in outside
    assert "Floe remembers" in words.duration_note(Settings.load(data_dir=tmp_path))


def test_the_cloud_in_use_names_its_test_or_the_lack_of_one() -> None:
    settings = Settings(cloud="http://127.0.0.1:1/v1", cloud_model="m")
    link = CloudLink(settings)
    shown = words.in_use_value(link, settings)
    assert shown["tested"] == "http://127.0.0.1:1/v1, m. Not tested yet."
    assert shown["findings"] == []
    assert shown["usable"] is False
    assert words.in_use_value(CloudLink(Settings(cloud=OFF)), settings)["tested"] == ""


def test_a_failed_test_is_told_as_long_as_that_cloud_is_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(cloud="http://127.0.0.1:1/v1", cloud_model="m")
    link = CloudLink(settings)
    failed = EndpointProfile(model="m", findings=("Reachable.", "Nobody answers."))
    view = EndpointTestView(link.choice, (), failed, running=False)
    shown = words.in_use_value(link, settings, view)
    assert shown["tested"] == "http://127.0.0.1:1/v1, m. Its last test failed."
    assert shown["findings"] == [("good", "Reachable."), ("impossible", "Nobody answers.")]
    # The line above it, which is that of the strip, does not say the opposite.
    ready = CloudState("ready", f"The cloud takes part: m. {NOT_TESTED}")
    monkeypatch.setattr(CloudLink, "state", ready)
    for said in (
        words.in_use_value(link, settings, view)["sentence"],
        words.cloud_sentence(link, view),
    ):
        assert said == "The cloud takes part: m. Its last test failed."
    assert words.cloud_sentence(link) == ready.sentence
    other = replace(view, choice=EndpointChoice("http://127.0.0.1:2/v1", "m"))
    ended = replace(view, profile=replace(failed, findings=("The test was stopped.",)))
    for no_failure in (other, ended, replace(view, running=True), None):
        shown = words.in_use_value(link, settings, no_failure)
        assert shown["tested"].endswith("Not tested yet.")
        assert shown["findings"] == []


def test_a_test_shows_steps_while_it_runs_and_findings_after() -> None:
    assert words.endpoint_test_value(None)["title"] == ""
    choice = EndpointChoice("https://api.openai.com/v1", "gpt-4.1-mini", "openai")
    running = words.endpoint_test_value(EndpointTestView(choice, ("Asking.",)))
    assert running["title"] == "Testing OpenAI, gpt-4.1-mini"
    assert running["lines"] == ["Asking."]
    profile = EndpointProfile(complete=True, findings=("A streamed answer came.",))
    ended = words.endpoint_test_value(
        EndpointTestView(choice, ("Asking.",), profile, running=False)
    )
    assert ended["lines"] == []
    assert ended["findings"] == [("good", "A streamed answer came.")]
    lost = words.endpoint_test_value(
        EndpointTestView(choice, ("The disk is full.",), running=False)
    )
    assert lost["lines"] == ["The disk is full."]
