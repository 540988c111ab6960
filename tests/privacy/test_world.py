"""Questions, exercises and history that are of the world, and what looks like them and is not."""

import pytest

from floe.privacy.detection.analysis import Analysis


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis([])


@pytest.mark.parametrize(
    "text",
    [
        "my excel sheet shows ### in a column",
        "my kettle whistles when I pour slowly",
    ],
)
def test_frames_alone_make_no_matter(analysis: Analysis, text: str) -> None:
    assert not analysis.examine(text).private


@pytest.mark.parametrize(
    "text", ["my wife has postpartum psychosis", "im infertile and told no one", "i owe 9k"]
)
def test_a_word_of_a_matter_does(analysis: Analysis, text: str) -> None:
    assert analysis.examine(text).private
