"""Chats of several public voices: `floe evaluate voices --folder FOLDER`.

chatterbot-corpus (BSD-3-Clause) comes with the extra `bench`. Each of its themes with enough
text has a voice of its own: a robot that jokes about itself, a reader, a programmer. Per voice
`NAME.train.jsonl` and `NAME.test.jsonl`; a row goes to one or the other by a hash of its question.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from floe.chats.jsonl import write_lines
from floe.errors import DataError
from floe.extras import installing_command

VOICES: Final = {
    "robot": ("ai", "botprofile", "emotion"),
    "joker": ("humor", "gossip", "food"),
    "programmer": ("coding",),
    "reader": ("literature", "movies", "history"),
    "talker": ("psychology", "conversations", "politics"),
}
_PACKAGE: Final = "chatterbot_corpus"
_LEAST_BYTES: Final = 24
"""Shorter answers say more about the question than about who answers."""
_MOST_BYTES: Final = 4000
"""Bytes of the answers of a file."""

QuestionAnswer = tuple[str, str]


def write_voices(folder: Path) -> list[Path]:
    """Write all voices; returns the files.

    Raises:
        DataError: the corpus is not installed, or a file cannot be written.
    """
    files = []
    for name, themes in VOICES.items():
        mixed = sorted(_pairs(themes), key=lambda pair: _place(pair[0]))
        half = len(mixed) // 2
        for part, chosen in (("train", mixed[:half]), ("test", mixed[half:])):
            files.append(folder / f"{name}.{part}.jsonl")
            write_lines(files[-1], [_line(pair) for pair in _cut(chosen)])
    return files


def _pairs(themes: Sequence[str]) -> list[QuestionAnswer]:
    """Question and answer, each question once."""
    found: dict[str, str] = {}
    for theme in themes:
        text = (_corpus() / f"{theme}.yml").read_text(encoding="utf-8")
        for question, answer, *_ in yaml.safe_load(text)["conversations"]:
            if len(str(answer).encode()) >= _LEAST_BYTES:
                found.setdefault(str(question).strip(), str(answer).strip())
    return list(found.items())


def _corpus() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise DataError(
            "The public chats come from chatterbot-corpus, which is not here. Install it with "
            f"`{installing_command('bench')}`."
        )
    return Path(found.origin).parent / "data" / "english"


def _place(question: str) -> int:
    """Return a fixed number for each question, evenly spread."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:4])


def _cut(pairs: Sequence[QuestionAnswer]) -> list[QuestionAnswer]:
    chosen = []
    size = 0
    for pair in pairs:
        size += len(pair[1].encode())
        if size > _MOST_BYTES:
            break
        chosen.append(pair)
    return chosen


def _line(pair: QuestionAnswer) -> dict[str, list[dict[str, str]]]:
    roles = ("user", "assistant")
    return {
        "messages": [
            {"role": role, "content": text} for role, text in zip(roles, pair, strict=True)
        ]
    }


def run_voices(folder: Path) -> dict[str, list[str]]:
    """Write all voices and name their files; errors as `write_voices`."""
    return {"files": [str(path) for path in write_voices(folder)]}
