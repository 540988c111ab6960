"""Sizes, durations and ages are spelled once, and read well at any magnitude."""

import time

import pytest

from floe.units import format_bytes, format_duration, format_gigabytes, format_time_ago


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 kB"),
        (900, "1 kB"),
        (640_400, "640 kB"),
        (1_234_567, "1.23 MB"),
        (98_362_432, "98 MB"),
        (1_117_320_736, "1,117 MB"),
    ],
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_memory_is_written_in_gigabytes() -> None:
    assert format_gigabytes(1_264) == "1.3 GB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (41.7, "42 s"),
        (59.7, "a minute"),
        (60, "a minute"),
        (150, "2 minutes"),
        (3600, "60 minutes"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (7_300, "2 hours ago"),
        (86_400, "1 day ago"),
        (9 * 86_400, "9 days ago"),
    ],
)
def test_ages_read_well(seconds: float, text: str) -> None:
    assert format_time_ago(1_000_000, 1_000_000 + seconds) == text


def test_an_age_is_measured_by_the_clock_unless_told() -> None:
    assert format_time_ago(time.time() - 7_300) == "2 hours ago"
