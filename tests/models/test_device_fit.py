"""Fit and speed of a model, worked out by hand."""

from floe.llama.free_memory import FreeMemory
from floe.models.device_fit import guess_memory_mb, guess_speed, judge_fit


def test_the_verdict_compares_need_with_what_is_free() -> None:
    verdicts = [
        judge_fit(1000, 500_000_000, FreeMemory(free, "")).verdict
        for free in (999_999_999, 1_000_000_000, 1_249_999_999, 1_250_000_000)
    ]
    assert verdicts == ["does not fit", "tight", "tight", "fits"]
    fit = judge_fit(1000, 500_000_000, FreeMemory(2_000_000_000, ""))
    assert fit.sentence == "needs about 1.0 GB, 2.0 GB are free"


def test_within_a_limit_the_loader_wants_twice_the_file() -> None:
    fit = judge_fit(700, 500_000_000, FreeMemory(1_399_000_000, "the limit of its container"))
    assert fit.verdict == "does not fit"
    assert fit.sentence.endswith("1.4 GB are free within the limit of its container")


def test_guesses_go_with_the_size() -> None:
    assert guess_memory_mb(1_000_000_000) == 1600
    assert guess_speed(200, known_size=100, known_seconds=0.05) == 10
