"""Marks of answers that programs have and that hold words of memory: hashes, never words.

A program brings back what it got: the answer as a message, a part of it where it left in the
middle, or all of it inside a message of its own, such as a request for a title of the chat.
"""

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

from floe.privacy.hidden import visible
from floe.store import Store

_TELLING: Final = 5
"""Letters by which a word that is broken off can be told, as `KeptWords` compares words."""
_RUNS: Final = (5, 4, 3)
"""Words in a row by which an answer is known inside another text; a shorter one by all it has."""
_AT_ONCE: Final = 500
"""Hashes that are looked for in one query."""
_WORDS: Final = re.compile(r"\w+")


def mark_answer(store: Store, text: str, holds: Callable[[str], bool]) -> None:
    """Remember an answer.

    Kept are hashes of its beginning up to the first word of memory, that word whole and broken
    off, and of the runs of words with one in it.

    Args:
        store: where they are kept.
        text: the answer.
        holds: whether a text holds such words.
    """
    words = text.split()
    first = bisect_left(range(len(words)), True, key=lambda n: holds(" ".join(words[: n + 1])))
    *before, last = words[: first + 1]
    begun = (last[:end] for end in range(_TELLING, len(last)))
    marks = {_beginnings([*before, word])[-1] for word in (*begun, last)}
    said = plain_words(text)
    size = next((size for size in _RUNS if size <= len(said)), 0)
    marks |= {_digest(run) for run in _runs(said, size) if holds(" ".join(run))}
    keep_marks(store, marks)


def is_marked(store: Store, text: str) -> bool:
    """Return whether a text of a program begins like such an answer, or has one in it."""
    words = plain_words(text)
    inside = (_digest(run) for size in _RUNS for run in _runs(words, size))
    return bool(known_marks(store, chain(_beginnings(text.split()), inside), first=True))


def keep_marks(store: Store, marks: Iterable[bytes]) -> None:
    """Keep marks among those that are known.

    Raises:
        StoreError: they cannot be kept.
    """
    query = "INSERT OR IGNORE INTO memory_answers VALUES (?)"
    with store.writing() as db:
        db.conn.executemany(query, [(mark,) for mark in marks])


def known_marks(store: Store, marks: Iterable[bytes], *, first: bool = False) -> set[bytes]:
    """Return those of the marks that are kept; `first`: one is enough."""
    found: set[bytes] = set()
    with store.reading() as db:
        if db.execute("SELECT 1 FROM memory_answers").fetchone() is None:
            return found
        left = iter(marks)
        while not (found and first) and (some := list(islice(left, _AT_ONCE))):
            places = ", ".join("?" * len(some))
            query = f"SELECT sha256 FROM memory_answers WHERE sha256 IN ({places})"  # noqa: S608
            found |= {mark for (mark,) in db.execute(query, some)}
    return found


def plain_words(text: str) -> list[str]:
    """Return the words of a text, in small letters, without what nobody sees."""
    return [word.casefold() for word in _WORDS.findall(visible(text))]


def _runs(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (words[i : i + size] for i in range(len(words) - size + 1) if size)


def _digest(run: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join(run).encode()).digest()


def _beginnings(words: Sequence[str]) -> list[bytes]:
    """Hash every beginning of an answer, word by word; programs trim what they bring back."""
    hashed = hashlib.sha256()
    digests = []
    for place, word in enumerate(words):
        hashed.update(f" {word}".encode() if place else word.encode())
        digests.append(hashed.copy().digest())
    return digests
