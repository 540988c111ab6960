"""The `durability` bench: what it costs to have each token on the disk before it is shown.

For each of SQLite's `synchronous` settings that make sense with a write-ahead log, and for several
times in which tokens gather: milliseconds of a commit, of a token, and the share of one core at
the pace of an answer. Beside it the bare fsync of this disk, for a disk that takes no time to
flush does not flush. `floe.chat.answer_writer` says what was chosen by this, and what each
outlives.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from floe.bench.store import steps_of
from floe.records import AnswerStats, TokenStep
from floe.store import Store

_TOKENS_PER_SECOND: Final = 50
_GATHERED_MS: Final = (20, 40, 80, 200, 500)
_SECONDS: Final = 12
"""Seconds of an answer that is written at that pace; the commits follow each other at once."""
_SURVIVES: Final = {
    "NORMAL": "kill -9; after a power cut the last commits may be missing",
    "FULL": "kill -9 and a power cut",
    "EXTRA": "kill -9 and a power cut (as FULL with a write-ahead log)",
}


def run() -> dict[str, object]:
    """Measure in the folder for temporary files, unless TMPDIR names another disk."""
    dice = random.Random(3)  # noqa: S311 (reproducible, not secret)
    steps = steps_of(dice, _TOKENS_PER_SECOND * _SECONDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "tokens_per_second": _TOKENS_PER_SECOND,
            "fsync_ms": round(_fsync_ms(folder), 3),
            "settings": [
                _measure(folder / f"{mode}-{gathered}.db", mode, gathered, steps)
                for mode in _SURVIVES
                for gathered in _GATHERED_MS
            ],
        }


def _measure(path: Path, mode: str, gathered_ms: int, steps: list[TokenStep]) -> dict[str, Any]:
    batch = max(1, round(gathered_ms / 1000 * _TOKENS_PER_SECOND))
    times = []
    with Store(path) as store:
        with store.reading():
            pass
        # One thread and no nesting: the pool hands out this one connection again and again.
        store._idle[-1].execute(f"PRAGMA synchronous = {mode}")
        question = store.add_message(None, None, "user", "why?")
        answer = store.add_message(
            question.conversation_id, question.id, "assistant", "", status="streaming"
        )
        text = ""
        for at in range(0, len(steps), batch):
            some = steps[at : at + batch]
            text += b"".join(step.text_bytes for step in some).decode()
            began = time.perf_counter()
            store.append_tokens(
                answer.id, some, text, at=at, stats=AnswerStats(tokens=at), notices=()
            )
            times.append((time.perf_counter() - began) * 1e3)
    commit = statistics.median(times)
    print(f"durability: {mode} {gathered_ms} ms: {commit:.2f} ms a commit", file=sys.stderr)
    return {
        "synchronous": mode,
        "gathered_ms": gathered_ms,
        "commit_ms": round(commit, 3),
        "commit_p95_ms": round(sorted(times)[int(len(times) * 0.95)], 3),
        "ms_per_token": round(sum(times) / len(steps), 4),
        "core_share": round(sum(times) / 1e3 / _SECONDS, 5),
        "survives": _SURVIVES[mode],
    }


def _fsync_ms(folder: Path) -> float:
    times = []
    with (folder / "plain").open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)
