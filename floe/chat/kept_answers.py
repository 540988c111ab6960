"""Answers of this device alone that a program has, known again when it brings them back.

It may bring one without its question, cut off, or inside a message of its own, such as a request
for a title. Kept are hashes, never words, in the table of `floe.memory.answer_marks`.

A few words by themselves are anybody's, in any chat: "Willows." They count after a message that
stood before them, and for a day or two.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from floe.memory.answer_marks import keep_marks, known_marks, plain_words
from floe.privacy.gate import CHOSEN
from floe.privacy.guard import MEMORY
from floe.records import ChatMessage, Message, Route
from floe.store import Store
from floe.units import DAY_SECONDS

_RUN: Final = 8
"""Words in a row by which an answer is known inside another text: fewer are anybody's."""
_STRIDE: Final = 4
"""Words from one run that is kept to the next: any quotation of 11 words has one of them."""
_SHORTEST_QUOTATION: Final = _RUN + _STRIDE - 1
_FEW: Final = 3
"""Words of a whole message up to which it is known by its place or its day."""
_PLACES: Final = 20
"""Messages of a chat, the latest, by which such a place is known."""


def keep_answer(store: Store, text: str, question: str, before: Sequence[ChatMessage] = ()) -> None:
    """Remember an answer, but for what it only repeats of its question.

    Args:
        store: where marks are kept.
        text: the answer.
        question: what it answers.
        before: the messages before that.

    Raises:
        StoreError: it cannot be kept.
    """
    words = plain_words(text)
    if not words:
        return
    asked = set(_runs(plain_words(question)))
    some = [run for run in [*_runs(words)][::_STRIDE] if run not in asked]
    begun = [words[:length] for length in range(2, _SHORTEST_QUOTATION + 1)]
    whole = [*begun, words]
    marks = {_digest("begins", each) for each in whole if len(each) > _FEW}
    marks |= {_digest("inside", each) for each in some}
    for few in (each for each in whole if len(each) <= _FEW):
        marks |= _marks_of_few(few, before, [_today()])
    keep_marks(store, marks)


def with_kept(store: Store, path: Sequence[Message]) -> list[Message]:
    """Return a program's messages, with what they have of such answers marked: that stays here."""
    return [_with_kept(store, message, path[:place]) for place, message in enumerate(path)]


def _with_kept(store: Store, message: Message, before: Sequence[Message]) -> Message:
    words = plain_words(message.content)
    inside = {_digest("inside", run) for run in _runs(words)}
    if message.role == "user":
        known = known_marks(store, inside, first=True)
        return replace(message, private=(*(message.private or ()), MEMORY)) if known else message
    whole: set[bytes] = set()
    # As a program has it; the last word may be broken off.
    for each in filter(None, (words, words[:-1])):
        if len(each) > _FEW:
            whole.add(_digest("begins", each))
        else:
            whole |= _marks_of_few(each, before, [_today(), _today() - 1])
    if not known_marks(store, inside | whole, first=True):
        return message
    return replace(message, route=Route("local", CHOSEN))


def _marks_of_few(
    words: Sequence[str], before: Sequence[ChatMessage | Message], days: Iterable[int]
) -> set[bytes]:
    """Mark a whole message of a few words for some days, and for what a person said before it."""
    marks = {_digest(f"on day {day}", words) for day in days}
    said = [message.content for message in before if message.role == "user"][-_PLACES:]
    return marks | {_digest("after", [*plain_words(each), "", *words]) for each in said}


def _today() -> int:
    return int(time.time() // DAY_SECONDS)


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[place : place + _RUN]) for place in range(len(words) - _RUN + 1)]


def _digest(place: str, words: Sequence[str]) -> bytes:
    return hashlib.sha256("\0".join(["answer", place, *words]).encode()).digest()
