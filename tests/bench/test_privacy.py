"""The `privacy` bench on a few lines of its own, and its figures worked out by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from floe.bench.privacy import (
    JudgedRow,
    Mark,
    Row,
    figures,
    general_questions,
    read_rows,
    run,
    wilson,
)
from floe.errors import DataError
from floe.privacy.verdict import Span, Verdict

LINES = [
    {"text": "ring +44 20 7183 8750", "spans": [("PHONE_NUMBER", 5, 21)], "template_id": 1},
    {"text": "My name is Rosalinde", "spans": [("PERSON", 11, 20)], "template_id": 5},
    {"text": "Tell me a joke", "spans": [], "template_id": 2},
    {"text": "I moved to Canada", "spans": [("GPE", 11, 17)], "template_id": 3},
]


def _write(path: Path) -> Path:
    rows = [
        line | {"spans": [{"type": t, "start": a, "end": b} for t, a, b in line["spans"]]}  # type: ignore[attr-defined]
        for line in LINES
    ]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def _judged(types: list[str], *, private: bool) -> JudgedRow:
    row = Row(text="0123456789", spans=[Mark(type=t, start=0, end=4) for t in types], template_id=1)
    spans = (Span(2, 6, "name", 1.0, decides=True),) if private else ()
    return JudgedRow(row, Verdict(private, spans))


def test_figures_are_shares_of_prompts_by_what_is_labelled() -> None:
    judged = [
        _judged(["PERSON", "PHONE_NUMBER"], private=True),
        _judged(["ZIP_CODE"], private=False),
        _judged(["PERSON", "GPE"], private=True),
        _judged([], private=True),
        _judged([], private=False),
        _judged(["GPE"], private=False),
    ]
    found = figures(judged)
    assert found["prompt_recall"] == 0.5
    assert found["person_recall"] == 1.0
    assert found["prompt_specificity"] == 0.5
    assert found["others_kept_local"] == 0.0


def test_character_f2_weighs_recall_four_times() -> None:
    # labelled 4 characters, found 4, in common 2: 5*2 / (4*4 + 4)
    assert figures([_judged(["PERSON"], private=True)])["char_f2"] == 0.5


def test_an_interval_is_wilsons() -> None:
    # 8 of 10 at z = 2: middle (0.8 + 0.2) / 1.4, half 2 * sqrt(0.016 + 0.01) / 1.4
    assert wilson(8, 10, z=2.0) == (0.4839, 0.9446)
    assert wilson(0, 0) is None


def test_bench_prints_all_figures_as_one_object(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "floe.bench",
        "privacy",
        "--data",
        str(_write(tmp_path / "l.jsonl")),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    figures_found = json.loads(done.stdout.splitlines()[-1])
    assert figures_found["prompts"] == 4
    assert figures_found["prompt_recall"] == figures_found["person_recall"] == 1.0
    assert figures_found["prompt_specificity"] == 1.0
    assert figures_found["intervals"]["prompt_recall"][1] == 1.0
    assert figures_found["p50_ms"] <= figures_found["p95_ms"]
    assert figures_found["general_kept_local"] <= 0.05


def test_general_questions_are_questions() -> None:
    questions = general_questions()
    assert len(questions) > 200
    assert all(question.strip().endswith("?") for question in questions)


@pytest.mark.parametrize("content", ["", "{", '{"text": "no spans"}'])
def test_a_file_that_is_not_labelled_text_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError):
        read_rows(path)


def test_bench_without_data_says_what_is_missing() -> None:
    with pytest.raises(DataError, match="--data"):
        run(None)
