"""A page full of names takes as much work for each name as a line does."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floe.privacy.detector import Detector
from floe.privacy.places import Places
from floe.privacy.verdict import Span, _joined, without_overlap

PAGES = [
    "Yesterday Anna Weber met Karim Haddad; Lucia Castellano called Grace Lee about the rent. ",
    "Anna Weber, Karim Haddad, Tomasz Nowak, ",
    "Anna Weber wrote books. ",
    "tell Anna Weber and Karim Haddad ",
]

_place = st.tuples(st.integers(0, 40), st.integers(1, 8)).map(lambda p: (p[0], p[0] + p[1]))


_COUNT = """
import json, sys
from floe.privacy.detection.analysis import Analysis

def calls(text):
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    analysis.examine(text)
    sys.setprofile(None)
    return count

analysis = Analysis([])
told = "My wife has cancer. "  # all that is done with a private text
print(json.dumps([[analysis.examine(told + line * 100) and calls(told + line * 100),
                   calls(told + line * 50)] for line in json.loads(sys.argv[1])]))
"""
"""In a process of its own: beside threads that want their turn, CPython 3.11 may stand still for
ever at the first call that is noted."""


def test_twice_the_names_are_twice_the_calls() -> None:
    command = [sys.executable, "-c", _COUNT, json.dumps(PAGES)]
    counted = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    for line, (long, short) in zip(PAGES, counted, strict=True):
        assert 1000 < long < 2.3 * short, line


@given(st.lists(_place), _place)
def test_places_touch_as_one_by_one(
    places: Sequence[tuple[int, int]], other: tuple[int, int]
) -> None:
    start, end = other
    assert Places(places).touch(start, end) is any(a < end and start < b for a, b in places)


@given(
    st.lists(st.tuples(_place, st.sampled_from(["name", "phone"]), st.floats(0, 1), st.booleans()))
)
def test_spans_kept_are_those_that_overlap_none_before_them(
    found: Sequence[tuple[tuple[int, int], str, float, bool]],
) -> None:
    spans = [Span(start, end, kind, score, decides) for (start, end), kind, score, decides in found]
    kept: list[Span] = []
    for span in sorted(
        _joined(spans), key=lambda s: (not s.decides, -s.score, s.start - s.end, s.start)
    ):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    assert without_overlap(spans) == tuple(sorted(kept, key=lambda span: span.start))


@pytest.mark.parametrize("piece", ["1 ", "-", ", ", "...", "\n"])
def test_a_page_of_signs_can_be_examined(detector: Detector, piece: str) -> None:
    """A table of numbers or a long rule is no reason to keep a message: none ends a search."""
    assert detector.examine((piece * 6000)[:6000] + "x", 60).spans == ()


def test_what_stands_after_a_long_run_is_found_in_its_place(detector: Detector) -> None:
    text = "-" * 300 + " My card is 4454 7945 1139 0933 " + "\n" * 300 + "thanks"
    (span,) = [s for s in detector.examine(text, 60).spans if s.kind == "card number"]
    assert text[span.start : span.end] == "4454 7945 1139 0933"
