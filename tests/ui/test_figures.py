from dataclasses import replace

import pytest

from floe.records import AnswerStats
from floe.ui.chat.answer_figures import duration, live_figures, summary

STATS = AnswerStats(tokens=40, seconds=2.0, first_token_ms=340.2, cloud_tokens=30, cloud_requests=3)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, "—"), (0.4, "0 ms"), (999.4, "999 ms"), (1000, "1.0 s"), (2140, "2.1 s")],
)
def test_durations_read_well_at_any_size(milliseconds: float | None, text: str) -> None:
    assert duration(milliseconds) == text


def test_figures_of_an_answer() -> None:
    assert [each["value"] for each in live_figures(STATS)] == ["20.0", "340 ms", "75%", "3"]


def test_figures_before_the_first_token_and_before_the_first_answer() -> None:
    assert [each["value"] for each in live_figures(AnswerStats())] == ["—", "—", "—", "0"]
    assert [each["value"] for each in live_figures(None)] == ["—"] * 4


def test_a_summary_is_one_line() -> None:
    assert summary(STATS) == "40 tokens · 20.0 per second · 75% with the cloud"
    assert summary(AnswerStats(tokens=1, seconds=1.0)).startswith("1 token ·")
    assert summary(AnswerStats()) == ""


def test_speed_stands_beside_those_of_either_alone() -> None:
    timed = replace(STATS, local_alone=45.4, cloud_alone=60.0)
    assert "20.0 per second (alone: this device 45, the cloud 60)" in summary(timed)
    assert live_figures(timed)[0]["hint"] == "alone: this device 45, the cloud 60"
    for unseen in (STATS, replace(timed, cloud_alone=0.0), replace(timed, cloud_tokens=0)):
        assert "alone" not in summary(unseen)
    assert summary(None) == ""


def test_cost_is_in_sight_where_the_cloud_was_asked() -> None:
    asked = replace(STATS, cloud_prompt_tokens=1204, cloud_completion_tokens=96)
    assert summary(asked).endswith("with the cloud · cloud tokens: 1,204 in, 96 out")
    assert live_figures(asked)[-1] == {
        "name": "cloud requests",
        "value": "3",
        "hint": "cloud tokens: 1,204 in, 96 out",
    }
    assert {each["hint"] for each in live_figures(STATS)} == {""}


def test_a_training_says_in_the_chat_that_it_slows_it() -> None:
    speed, *rest = live_figures(STATS, training=True)
    assert speed["name"] == "tokens/s, training"
    assert "come more slowly" in speed["hint"]
    assert rest == live_figures(STATS)[1:]
