"""Answers of this device alone that a program has, known again when it brings them back.

It may bring one without its question, cut off, or inside a message of its own, such as a request
for a title. Kept are hashes, never words, in the table of `floe.memory.answer_marks`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from floe.memory.answer_marks import keep_marks, known_marks, plain_words
from floe.privacy.gate import CHOSEN
from floe.privacy.guard import MEMORY
from floe.records import Message, Route
from floe.store import Store

_RUN: Final = 8
"""Words in a row by which an answer is known inside another text: fewer are anybody's."""
_STRIDE: Final = 4
"""Words from one run that is kept to the next: any quotation of 11 words has one of them."""
_SHORTEST_QUOTATION: Final = _RUN + _STRIDE - 1


def keep_answer(store: Store, text: str, question: str) -> None:
    """Remember an answer, but for what it only repeats of its question.

    Raises:
        StoreError: it cannot be kept.
    """
    words = plain_words(text)
    if not words:
        return
    asked = set(_runs(plain_words(question)))
    some = [run for run in [*_runs(words)][::_STRIDE] if run not in asked]
    begun = [words[:length] for length in range(2, _SHORTEST_QUOTATION + 1)]
    marks = {_digest("begins", each) for each in (*begun, words)} | {
        _digest("inside", each) for each in some
    }
    keep_marks(store, marks)


def with_kept(store: Store, path: Iterable[Message]) -> list[Message]:
    """Return a program's messages, with what they have of such answers marked: that stays here."""
    return [_with_kept(store, message) for message in path]


def _with_kept(store: Store, message: Message) -> Message:
    words = plain_words(message.content)
    inside = {_digest("inside", run) for run in _runs(words)}
    if message.role == "user":
        known = known_marks(store, inside, first=True)
        return replace(message, private=(*(message.private or ()), MEMORY)) if known else message
    # As a program has it; the last word may be broken off.
    whole = {_digest("begins", each) for each in (words, words[:-1]) if each}
    if not known_marks(store, inside | whole, first=True):
        return message
    return replace(message, route=Route("local", CHOSEN))


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + _RUN]) for place in range(len(words) - _RUN + 1)]


def _digest(place: str, words: Sequence[str]) -> bytes:
    return hashlib.sha256("\0".join(["answer", place, *words]).encode()).digest()
