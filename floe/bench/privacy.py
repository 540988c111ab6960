"""The `privacy` bench: a labelled file and general-knowledge questions through the detector.

A line of the file is an object with `text`, `spans` (`type`, `start`, `end` in characters) and
`template_id`. Figures say nothing on lines that rules or weights were developed on. Knows nothing
of the gate or of what is sent.
"""

import itertools
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from pydantic import BaseModel, TypeAdapter, ValidationError

from floe.errors import DataError
from floe.privacy.detector import Detector
from floe.privacy.verdict import Verdict

CONTACT = frozenset(
    {
        *("STREET_ADDRESS", "ZIP_CODE", "PHONE_NUMBER", "EMAIL_ADDRESS", "IP_ADDRESS"),
        *("CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "US_BANK_NUMBER"),
        *("US_DRIVER_LICENSE", "US_PASSPORT", "MEDICAL_LICENSE"),
    }
)
"""Types that alone identify or reach a person."""

_PERSON = "PERSON"
_TIMED = 200
_CHARACTERS = 300

_GENERAL = (
    *("trivia", "science", "history", "literature", "movies", "sports", "politics"),
    *("computers", "food", "health", "money", "psychology"),
)


class Mark(BaseModel):
    """One labelled span."""

    type: str
    start: int
    end: int


class Row(BaseModel):
    """One labelled text."""

    text: str
    spans: list[Mark]
    template_id: int

    @property
    def types(self) -> frozenset[str]:
        """Labels, each once."""
        return frozenset(mark.type for mark in self.spans)


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """A labelled text and what the detector says of it."""

    row: Row
    verdict: Verdict


class Figures(TypedDict):
    """Shares of prompts, 0 to 1; None where there is none of the kind."""

    prompts: int
    prompt_recall: float | None
    person_recall: float | None
    prompt_specificity: float | None
    others_kept_local: float | None
    char_f2: float | None


def run(data: Path | None) -> dict[str, object]:
    """Load, judge every line, and time prompts of 300 characters on one core.

    `general_kept_local`: the share of general-knowledge questions judged private, None if the
    package they come from is not installed. Raises DataError if the file cannot be read.
    """
    if data is None:
        raise DataError("The privacy bench needs labelled texts: add --data FILE.jsonl.")
    rows = read_rows(data)
    with _one_core():
        detector = Detector()
        started = time.perf_counter()
        detector.load()
        load_s = time.perf_counter() - started
        print(f"privacy: loaded in {load_s:.1f} s", file=sys.stderr)
        judged = [JudgedRow(row, detector.examine(row.text)) for row in rows]
        times = _times(detector, rows)
        questions = general_questions()
        kept = [question for question in questions if detector.examine(question).private]
    for question in kept:
        print(f"privacy: kept on this device: {question}", file=sys.stderr)
    return {
        **figures(judged),
        "p50_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
        "load_s": round(load_s, 2),
        "general_kept_local": _share(len(kept), len(questions)),
        "general_questions": len(questions),
        "intervals": intervals(judged),
    }


def read_rows(path: Path) -> list[Row]:
    """All lines of a labelled file. Raises DataError."""
    adapter = TypeAdapter(Row)
    try:
        # Not `splitlines`: a string in JSON may hold a line separator of Unicode as it stands.
        lines = path.read_text("utf-8-sig").split("\n")
        rows = [adapter.validate_json(line) for line in lines if line.strip()]
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        raise DataError(
            f"{path} has a line that is not labelled text: each needs text, spans and template_id."
        ) from error
    if not rows:
        raise DataError(f"{path} has no labelled text in it.")
    return rows


def figures(judged: Sequence[JudgedRow]) -> Figures:
    """Recall and specificity per prompt, and the F2 of characters that decide.

    prompt_recall: texts with contact or identity data that are kept; person_recall: texts with a
    person and nothing of that kind; prompt_specificity: texts without any span that are let go;
    others_kept_local: texts with nothing but places, organisations, dates and the like.
    """
    contact = [one for one in judged if one.row.types & CONTACT]
    person = [one for one in judged if _PERSON in one.row.types and not one.row.types & CONTACT]
    bare = [one for one in judged if not one.row.types]
    others = [one for one in judged if one.row.types and not one.row.types & {_PERSON, *CONTACT}]
    return Figures(
        prompts=len(judged),
        prompt_recall=_share(_private(contact), len(contact)),
        person_recall=_share(_private(person), len(person)),
        prompt_specificity=_share(len(bare) - _private(bare), len(bare)),
        others_kept_local=_share(_private(others), len(others)),
        char_f2=_char_f2(judged),
    )


def intervals(judged: Sequence[JudgedRow]) -> dict[str, tuple[float, float] | None]:
    """95 % intervals (Wilson 1927) of the shares that `figures` gives by the same names."""
    contact = [one for one in judged if one.row.types & CONTACT]
    person = [one for one in judged if _PERSON in one.row.types and not one.row.types & CONTACT]
    bare = [one for one in judged if not one.row.types]
    return {
        "prompt_recall": wilson(_private(contact), len(contact)),
        "person_recall": wilson(_private(person), len(person)),
        "prompt_specificity": wilson(len(bare) - _private(bare), len(bare)),
    }


def wilson(part: int, whole: int, z: float = 1.96) -> tuple[float, float] | None:
    """Return the score interval of a share; None of nothing."""
    if not whole:
        return None
    share, square = part / whole, z * z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    half = z * math.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    half /= 1 + square / whole
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def general_questions() -> list[str]:
    """Questions of general knowledge from chatterbot-corpus, each once; none if it is missing."""
    if find_spec("chatterbot_corpus") is None:
        return []
    import yaml  # noqa: PLC0415 (comes with the corpus, which only developers have)

    folder = files("chatterbot_corpus").joinpath("data", "english")
    found: dict[str, None] = {}
    for name in _GENERAL:
        talks = yaml.safe_load(folder.joinpath(f"{name}.yml").read_text("utf-8"))["conversations"]
        found.update((str(talk[0]), None) for talk in talks if str(talk[0]).strip().endswith("?"))
    return list(found)


def _private(judged: Sequence[JudgedRow]) -> int:
    return sum(one.verdict.private for one in judged)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _char_f2(judged: Sequence[JudgedRow]) -> float | None:
    """F-beta with beta = 2 over characters: recall counts four times as much as precision."""
    both = found = labelled = 0
    for one in judged:
        deciding = (span for span in one.verdict.spans if span.decides)
        ours = {place for span in deciding for place in range(span.start, span.end)}
        marks = (mark for mark in one.row.spans if mark.type in CONTACT or mark.type == _PERSON)
        theirs = {place for mark in marks for place in range(mark.start, mark.end)}
        both += len(ours & theirs)
        found += len(ours)
        labelled += len(theirs)
    return round(5 * both / (4 * labelled + found), 4) if labelled or found else None


def _times(detector: Detector, rows: Sequence[Row]) -> list[float]:
    """Milliseconds for prompts of 300 characters, made of the texts one after the other."""
    stream = itertools.cycle(row.text for row in rows)
    times = []
    for _ in range(_TIMED):
        prompt = ""
        while len(prompt) < _CHARACTERS:
            prompt += next(stream) + " "
        started = time.perf_counter()
        detector.examine(prompt[:_CHARACTERS], timeout=60.0)
        times.append((time.perf_counter() - started) * 1000)
    return times


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process and the threads it starts on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
