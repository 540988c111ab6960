"""Marks of what an adapter was trained on and what is not known to be harmless.

A model repeats what it was trained on, also where nobody asks for it: an answer that begins to do
so is known by these marks. They are hashes under a key of this data folder, so that a file of them
is noise without it: not even guessed words can be held against it. Marked are

- words on no list of ordinary words, whole;
- of sentences that tell of a matter, any two of the words by which they do, and any two words in a
  row that carry meaning, by the letters that `KeptWords` compares;
- of other sentences, five words in a row that carry meaning.

What stands in harmless answers of the same training, such as a person's usual phrases, is not.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Protocol, Self

import regex

from floe.errors import FloeError, StoreError
from floe.privacy.hidden import visible
from floe.privacy.kept_words import plain_content_words, singular, stem
from floe.privacy.verdict import Verdict
from floe.privacy.verdict_parts import words_of_matters
from floe.store import Store, encryption

_KEY: Final = "training_marks_key"
_MAGIC: Final = b"FLOEMRK1"
_BYTES: Final = 6
"""Of a mark: one in some 10^9 of a reader's words is taken for one of 100,000 by chance."""
_REACH: Final = 8
"""Words that carry meaning from one of a pair to the other."""
_RUNS: Final = (2, 5)
"""Words in a row that tell of a sentence with a telling word, and of any other."""
_BEGUN: Final = 3
"""Letters of a word that is broken off from which on it can be told."""
_SENTENCE: Final = regex.compile(r"(?<=[.!?])\s+|\n+|(?<=[\u3002\uff01\uff1f])")


class LoadableExaminer(Protocol):
    """Part of a detector that is needed for marks."""

    def load(self) -> None:
        """Make ready; raises PrivacyError."""
        ...

    def examine(self, text: str) -> Verdict:
        """Look at what a person wrote; raises PrivacyError on any doubt."""
        ...

    def rare_words(self, text: str) -> tuple[str, ...]:
        """Return the words by which a text can be told from others."""
        ...


@dataclass(frozen=True, slots=True)
class LearntAnswer:
    """An answer that the cloud has not had. `kept`: it stays here whatever it says."""

    text: str
    kept: bool = False

    @classmethod
    def read_all(cls, path: Path) -> list[Self]:
        """Read a file of `write_all`; there is none: no answers."""
        if not path.is_file():
            return []
        return [cls(**each) for each in json.loads(encryption.read_bytes(path))]

    @staticmethod
    def write_all(path: Path, answers: Sequence["LearntAnswer"]) -> None:
        """Write them for this user's eyes; raises OSError."""
        encryption.write_bytes(path, json.dumps([asdict(each) for each in answers]).encode())


class TrainingMarks:
    """Marks of one or more adapters.

    `found_in` and `may_begin` are as those of `KeptWords`.
    """

    def __init__(self, key: bytes = b"", marks: Iterable[bytes] = ()) -> None:
        self._digest = _keyed(key)
        self._marks = frozenset(marks)

    def __bool__(self) -> bool:
        return bool(self._marks)

    def found_in(self, text: str, known: str = "") -> bool:
        """Return whether something that is marked stands in `text` and not in `known`."""
        found = self._among(text)
        return bool(found) and not found <= self._among(known)

    def may_begin(self, text: str, known: str = "") -> bool:
        """Return whether the last word of `text`, which may go on, begins a marked one."""
        text = visible(text)
        if not self._marks or not text or not text[-1].isalnum():
            return False
        last = plain_content_words(text[-40:])[-1:]
        if not last or self._digest("begins", last) not in self._marks:
            return False
        return not any(word.startswith(last[0]) for word in plain_content_words(known))

    def _among(self, text: str) -> set[bytes]:
        if not self._marks or not text:
            return set()
        return {mark for mark in _all_marks(self._digest, text) if mark in self._marks}


def make_marks(
    store: Store, examiner: LoadableExaminer | None, answers: Sequence[LearntAnswer]
) -> frozenset[bytes]:
    """Judge answers as words of the person, and mark those that are not known to be harmless.

    Raises:
        StoreError: the key cannot be kept.
    """
    if not answers:
        return frozenset()
    digest = _keyed(marks_key(store))
    harmless, others = _parted(examiner, answers)
    known = {word for text in harmless for word in _words(text)}
    marks: set[bytes] = set()
    alone: set[str] = set()
    for text, telling, rare in others:
        alone |= rare - known
        words = _words(text)
        if len(words) == 1:
            alone |= {*words} - known
        for sentence in _sentences(text):
            marks |= _marks_of_sentence(digest, _stems(sentence), telling)
    for text in harmless:
        marks.difference_update(_all_marks(digest, text))
    for word in alone:
        marks.add(digest("word", [word]))
        marks |= {digest("begins", [word[:length]]) for length in range(_BEGUN, len(word))}
    return frozenset(marks)


def marks_key(store: Store) -> bytes:
    """Return the key of this data folder's marks; made when it is first needed."""
    kept = store.setting(_KEY, "")
    if not isinstance(kept, str) or not kept:
        kept = secrets.token_hex(32)
        store.set_setting(_KEY, kept)
    return bytes.fromhex(kept)


def write_marks(path: Path, marks: Iterable[bytes]) -> None:
    """Write marks to a file; raises OSError."""
    encryption.write_bytes(path, _MAGIC + b"".join(sorted(marks)))


def read_marks(path: Path) -> frozenset[bytes]:
    """Read the marks of a file; there is none: no marks.

    Raises:
        StoreError: it is broken.
    """
    try:
        data = encryption.read_bytes(path)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}).") from error
    body = data.removeprefix(_MAGIC)
    if len(body) == len(data) or len(body) % _BYTES:
        raise StoreError(f"{path} is broken. Delete the adapter in that folder and train again.")
    return frozenset(body[i : i + _BYTES] for i in range(0, len(body), _BYTES))


_Digest = Callable[[str, Sequence[str]], bytes]


def _keyed(key: bytes) -> _Digest:
    def digest(kind: str, stems: Sequence[str]) -> bytes:
        said = "\0".join([kind, *stems]).encode()
        return hashlib.blake2b(said, digest_size=_BYTES, key=key).digest()

    return digest


def _parted(
    examiner: LoadableExaminer | None, answers: Sequence[LearntAnswer]
) -> tuple[list[str], list[tuple[str, set[str], set[str]]]]:
    """Part harmless answers from others; of these also their telling stems, and the rare ones."""
    harmless, others = [], []
    for answer in answers:
        telling: set[str] = {
            each for each in _stems(answer.text) if each.isdigit() and len(each) > 1
        }
        rare: set[str] = set()
        if examiner is not None:
            try:
                examiner.load()
                verdict = examiner.examine(answer.text)
                if not (verdict.private or answer.kept):
                    harmless.append(answer.text)
                    continue
                telling |= _stems_of(words_of_matters(answer.text, verdict))
                told = examiner.rare_words(answer.text)
                telling |= _stems_of(told)
                # With a capital alone a word is no rare one: Paris, Python.
                words = {word for each in told for word in _words(each)}
                rare |= {word for word in words if examiner.rare_words(word)}
            except FloeError:
                pass  # nobody knows that it is harmless
        others.append((answer.text, telling, rare))
    return harmless, others


def _words(text: str) -> list[str]:
    return [singular(word) for word in plain_content_words(text)]


def _stems(text: str) -> list[str]:
    return [stem(word) for word in plain_content_words(text)]


def _stems_of(texts: Iterable[str]) -> set[str]:
    return {each for text in texts for each in _stems(text)}


def _marks_of_sentence(digest: _Digest, stems: Sequence[str], telling: set[str]) -> set[bytes]:
    told = [each for each in stems if each in telling]
    marks = {digest("pair", pair) for pair in _pairs(told) if not all(map(str.isdigit, pair))}
    return marks | {digest("run", run) for run in _runs(stems, _RUNS[0 if told else 1])}


def _all_marks(digest: _Digest, text: str) -> Iterator[bytes]:
    """Yield all that a text could be known by."""
    for sentence in _sentences(text):
        yield from (digest("word", [word]) for word in _words(sentence))
        stems = _stems(sentence)
        yield from (digest("pair", pair) for pair in _pairs(stems))
        yield from (digest("run", run) for size in _RUNS for run in _runs(stems, size))


def _sentences(text: str) -> list[str]:
    return [each for each in _SENTENCE.split(text) if each]


def _runs(stems: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (stems[i : i + size] for i in range(len(stems) - size + 1))


def _pairs(stems: Sequence[str]) -> Iterator[Sequence[str]]:
    reach = (stems[i : i + _REACH] for i in range(len(stems)))
    return (sorted(pair) for some in reach for pair in combinations(some, 2) if pair[0] == some[0])


NO_MARKS: Final = TrainingMarks()
