"""`floe evaluate accuracy`: what counts as right, the sandbox, all of it with tiny models."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from floe.errors import DataError
from floe.evaluate.__main__ import main
from floe.evaluate.accuracy import accuracy, question_sets
from floe.evaluate.accuracy.accuracy import share_of
from floe.evaluate.accuracy.question_sets import (
    SET_NAMES,
    SETS,
    chosen_letter,
    final_number,
    program_in,
    read_questions,
)
from floe.evaluate.accuracy.sandbox import passes
from tests.training.tiny import write_tiny

OPTIONS = ("dog", "hen", "cow", "bat")


@pytest.mark.parametrize("name", SET_NAMES)
def test_reference_answers_are_right_and_others_are_not(name: str) -> None:
    known = next(each for each in SET_NAMES if each == name)
    questions = read_questions(known)
    some = questions[:: max(1, len(questions) // 10)]
    assert all(SETS[known].right(question, question.reference) for question in some)
    assert not any(SETS[known].right(question, "I do not know.") for question in some)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3 + 4 = 7, so the answer is 1,200 dollars in 2 years.", 1200),
        ("#### 18", 18),
        (r"so \boxed{-2.5} is it, for all 3", -2.5),
        ("He has 3, then 5.", 5),
        ("nothing", None),
    ],
)
def test_number_that_an_answer_comes_to(text: str, number: float | None) -> None:
    assert final_number(text) == number


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("B) hen", "B"),
        ("**(C)** cow", "C"),
        ("A hen lays eggs.", "B"),
        ("The right answer is D.", "D"),
        ("A) dog B) hen C) cow D) bat", None),
        ("A) dog B) hen C) cow D) bat. The answer is (B).", "B"),
        ("It may be B) or C)", None),
        ("The cow gives milk, the hen lays eggs.", None),
        ("E", None),
    ],
)
def test_letter_that_an_answer_settles_on(text: str, letter: str | None) -> None:
    assert chosen_letter(text, OPTIONS) == letter


def test_program_is_found_in_an_answer() -> None:
    head = 'import math\n\ndef double(x):\n    """Twice."""\n'
    whole = "Here:\n```python\ndef double(x):\n    return math.floor(x) * 2\n```\nIt doubles."
    test = "\nassert double(2) == 4\n"
    assert passes(program_in(whole, head, "double") + test)
    assert passes(program_in("return x + x", head, "double") + test)
    assert not passes(program_in("return x", head, "double") + test)


@pytest.mark.parametrize(
    "program",
    [
        "assert False",
        "import sys; sys.exit(0)",
        "import os; os._exit(0)",
        "import os; os.write(3, b'x')",
        "x = bytearray(10**9)",
        "open('large', 'wb').write(b'0' * 10**7)",
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.fork()",
        "import os; os.system('true')",
        "import ctypes",
        "import os; os.listdir('/')",
        "open('../said', 'w')",
        f"open({__file__!r}).read()",
        "import os; os.environ['HOME']",
        "import sqlite3; sqlite3.connect('../said')",
        "import _xxsubinterpreters",
        "open('own', 'w').close(); import os; os.rename('own', '../said')",
        "import os, json; os.open(os.path.dirname(json.__file__), os.O_RDONLY)",
        "import sys; sys.modules['ctypes._endian'].Structure",
        "import sys; sys.modules['__main__'].ctypes",
    ],
)
def test_program_that_reaches_out_does_not_pass(program: str) -> None:
    assert not passes(program)


def test_program_that_does_not_end_is_ended_and_a_harmless_one_passes() -> None:
    assert not passes("while True: pass", 0.5)
    assert passes(
        "import collections, heapq, itertools, json, math, random, re, typing\n"
        "open('own', 'w').write('x')\nassert open('own').read() == 'x'\nprint('hello')"
    )


def test_interval_is_wilson_s() -> None:
    # 5 of 10: (0.5 + z²/20 ± z sqrt(0.025 + z²/400)) / (1 + z²/10), z = 1.96.
    found = share_of([True, False] * 5)
    assert (found["right"], found["accuracy"]) == (5, 0.5)
    assert found["interval"] == pytest.approx([0.2366, 0.7634], abs=1e-3)


def test_all_five_systems_answer_the_same_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = write_tiny(tmp_path / "tiny.gguf")
    monkeypatch.setenv("FLOE_MODEL", str(tiny))
    monkeypatch.setenv("FLOE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(accuracy, "_CONTEXT", 512)
    short = replace(SETS["choice"], max_tokens=4)
    monkeypatch.setitem(question_sets.SETS, "choice", short)
    words = ["accuracy", "--set", "choice", "--limit", "2", "--cloud-gguf", str(tiny), "--json"]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = result["choice"]
    assert (found["asked"], len(found["written"])) == (2, 2)
    for system in accuracy.SYSTEMS:
        assert found[system]["right"] in (0, 1, 2)
        low, high = found[system]["interval"]
        assert 0 <= low <= found[system]["accuracy"] <= high <= 1
        assert found["bits_per_byte"][system] > 0
    # The cloud is the same model: each token is the one that both would take.
    bits = found["bits_per_byte"]
    assert bits["local"] == pytest.approx(bits["cloud"], rel=1e-3)
    assert found["personal"] == found["local"]
    assert result["adapter"] is False


def test_a_set_that_shows_nothing_has_the_weight_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = write_tiny(tmp_path / "tiny.gguf")
    monkeypatch.setenv("FLOE_MODEL", str(tiny))
    monkeypatch.setenv("FLOE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(accuracy, "_CONTEXT", 512)
    monkeypatch.setattr(accuracy, "_MOST_ASIDE", 0)
    monkeypatch.setitem(question_sets.SETS, "gsm", replace(SETS["gsm"], max_tokens=4))
    words = ["accuracy", "--set", "gsm", "--limit", "1", "--cloud-gguf", str(tiny), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["gsm"]
    assert found["weight_auto"] == 0.1
    assert "0.10 for calculations" in found["reason"]


def test_what_cannot_be_measured_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "?"}')
    with pytest.raises(DataError, match=r"q\.jsonl cannot be read as questions of the set nq"):
        read_questions("nq", tmp_path / "q.jsonl")
    for words in (
        ["accuracy", "--set", "gsm"],
        ["accuracy", "--set", "poems", "--cloud-gguf", "x"],
        ["accuracy", "--questions", "x", "--cloud-gguf", "x"],
    ):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    assert "joined by commas" in capsys.readouterr().err
