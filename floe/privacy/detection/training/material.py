"""What the encoder is trained on, as word pieces: `python -m …training.material VOCAB OUT.npz`.

Reads the same texts as `train.py` and, in `data/privacy/marked.jsonl`, messages written one by one
in which private persons' names stand between ⟦ and ⟧. VOCAB is `vocab.txt` of the model that the
encoder is made from. Knows nothing of torch, so that it can run where the encoder is not trained.
"""

import argparse
import gzip
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from floe.privacy.detection.classifier import KINDS
from floe.privacy.detection.encoder import STRETCH, case_of, forms_at, word_pieces
from floe.privacy.detection.features import windows
from floe.privacy.detection.names import find_names, lexicon
from floe.privacy.detection.normalise import normalise
from floe.privacy.detection.training.grammar import Generator
from floe.privacy.detection.training.train import (
    FOLDER,
    PART,
    REPEATS,
    SEED,
    tells_of_somebody,
    texts,
    texts_digest,
)

SOURCES: Final = ("grammars", "public prompts", "messages", "marked messages", "variants")
UNKNOWN: Final = -100
"""Label of a piece of which nobody has said whether it is of a name."""
_OPENS: Final = "⟦"
_CLOSES: Final = "⟧"
_TYPED: Final = {0x0E: _OPENS, 0x0F: _CLOSES}
"""The marks in a text that a grammar has made, where they must be ASCII and no letters."""
_MARKED: Final = re.compile(f"{_OPENS}([^{_OPENS}{_CLOSES}]+){_CLOSES}")
_LETTERS: Final = re.compile(r"[a-zà-öø-ÿ'-]{3,14}")
_MOST_STRETCHES: Final = 3
"""Of one text."""
_SWAPS: Final = 3
"""Times that a message is repeated with other names in it."""
_LONGEST_NAME: Final = 3
"""Words of a name that is exchanged for another."""
_PAIRED: Final = 3_000
"""Messages that are put together with another, harmless one."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its kind, where it came from, and the characters of the names in it, if known."""

    text: str
    kind: str
    source: int
    names: Sequence[tuple[int, int]] | None


def parse(marked: str) -> tuple[str, list[tuple[int, int]] | None]:
    """Return a text without its marks, and what stood between them; None if marks do not pair."""
    plain: list[str] = []
    places: list[tuple[int, int]] = []
    start = -1
    whole = True
    for letter in marked.translate(_TYPED):
        if letter == _OPENS:
            whole &= start < 0
            start = len(plain)
        elif letter == _CLOSES:
            whole &= start >= 0
            places.append((start, len(plain)))
            start = -1
        else:
            plain.append(letter)
    return "".join(plain), places if whole and start < 0 else None


def of_grammars(dice: random.Random) -> Iterator[Text]:
    """Texts out of all grammars; the names put into them are marked."""
    made = sorted(set(texts(dice, repeats=REPEATS, wrap="\x0e{}\x0f")))
    dice.shuffle(made)
    for marked, kind in made:
        text, names = parse(marked)
        yield Text(text, kind, 0, [] if kind == "-" else names)


def of_public(dice: random.Random) -> Iterator[Text]:
    """Public prompts; none is anybody's private matter."""
    made = Generator(FOLDER, dice)
    for source, text in json.loads(gzip.decompress((FOLDER / "public.json.gz").read_bytes())):
        if source == "opentriviaqa" and tells_of_somebody(normalise(text).text):
            continue
        short = len(text) < STRETCH // 3 and text.isascii()
        yield Text(made.polite(text) if short and dice.random() < 0.1 else text, "-", 1, [])


def of_writers(dice: random.Random) -> Iterator[Text]:
    """Messages written one by one, and variants of them: other names, hasty, two in one."""
    exchange = _Exchange(dice)
    private: list[Text] = []
    harmless: list[Text] = []
    for line in (FOLDER / "written.jsonl").read_text("utf-8").splitlines():
        found = json.loads(line)
        yield Text(found["text"], found["kind"], 2, [] if found["kind"] == "-" else None)
    for line in (FOLDER / "marked.jsonl").read_text("utf-8").splitlines():
        found = json.loads(line)
        marked, kind = found["text"], found["kind"]
        text, names = parse(marked)
        this = Text(text, kind, 3, names)
        (harmless if kind == "-" else private).append(this)
        yield this
        if _OPENS in marked:
            for _ in range(_SWAPS):
                swapped, places = parse(exchange.names(marked))
                yield Text(swapped, kind, 4, places)
        if dice.random() < 0.3:
            hasty, places = parse(re.sub(r"[.,!?'’]", "", marked.lower()))
            yield Text(hasty, kind, 4, places)
    for this in dice.sample(private + harmless, min(_PAIRED, len(private) + len(harmless))):
        other = dice.choice(harmless).text
        if len(this.text) + len(other) >= STRETCH or this.names is None:
            continue
        between = dice.choice(["\n\n", " ", "\n", ". "])
        if dice.random() < 0.5:
            yield Text(this.text + between + other, this.kind, 4, this.names)
        else:
            lead = len(other) + len(between)
            names = [(start + lead, end + lead) for start, end in this.names]
            yield Text(other + between + this.text, this.kind, 4, names)


class _Exchange:
    """Puts other names into a marked message, so that none is learnt by heart."""

    def __init__(self, dice: random.Random) -> None:
        known = lexicon()
        self._dice = dice
        self._given, self._family = (
            sorted(word for word in each if _LETTERS.fullmatch(word) and word not in known.ordinary)
            for each in (known.given, known.family)
        )

    def names(self, marked: str) -> str:
        """Return a message with another name for each; the same for the same."""
        others: dict[str, str] = {}

        def other(found: re.Match[str]) -> str:
            name = found[1]
            words = name.split()
            plain = name.replace(" ", "").replace("-", "")
            if not (plain.isalpha() and plain.isascii()) or len(plain) < len("Jo ") - 1:
                return found[0]
            if len(words) > _LONGEST_NAME:
                return found[0]
            if name.lower() not in others:
                drawn = [self._dice.choice(self._given)]
                drawn += [self._dice.choice(self._family) for _ in words[1:]]
                others[name.lower()] = " ".join(drawn)
            new = others[name.lower()]
            if name.isupper():
                new = new.upper()
            elif not name.islower():
                new = " ".join(word.capitalize() for word in new.split())
            return f"{_OPENS}{new}{_CLOSES}"

        return _MARKED.sub(other, marked)


class Material:
    """Rows of word pieces, with what lists say of each, how it is written and what it is."""

    def __init__(self, tokenizer: Tokenizer, dice: random.Random) -> None:
        self._tokenizer = tokenizer
        self._dice = dice
        self._pieces: list[list[tuple[int, int, int, int]]] = []
        self._rows: list[tuple[int, int, int]] = []

    def add(self, number: int, text: Text) -> None:
        """Add the stretches of a text; of a private one those that name somebody."""
        part = text.text.startswith(PART)
        whole = normalise(text.text.lstrip(PART))
        plain = whole.text
        if not plain.strip():
            return
        shift = len(text.text) - len(text.text.lstrip(PART))
        places = None
        if text.names is not None:
            wanted = [(start - shift, end - shift) for start, end in text.names]
            inside = [
                [
                    i
                    for i, (a, b) in enumerate(zip(whole.starts, whole.ends, strict=True))
                    if a < end and b > start
                ]
                for start, end in wanted
            ]
            places = [(each[0], each[-1] + 1) for each in inside if each]
        names = find_names(plain)
        forms = forms_at(plain, names)
        cuts = [(0, len(plain))] if part else windows(plain, STRETCH)
        if len(cuts) > 1 and text.kind != "-":
            people = [(n.start, n.end) for n in names if n.form in ("full", "given")]
            people += places or []
            cuts = [
                (start, end) for start, end in cuts if any(start <= a < end for a, _ in people)
            ] or cuts[:1]
        if len(cuts) > _MOST_STRETCHES:
            cuts = self._dice.sample(cuts, _MOST_STRETCHES)
        for start, end in cuts:
            made = self._tokenizer.encode(plain[start:end])
            row = []
            offsets = [(a + start, b + start) for a, b in made.offsets]
            for piece, (a, b) in zip(made.ids, offsets, strict=True):
                if a == b:
                    row.append((piece, 0, 0, UNKNOWN))
                    continue
                named = UNKNOWN if places is None else int(any(x < b and y > a for x, y in places))
                row.append((piece, int(forms[a:b].max()), case_of(plain, a, b), named))
            self._pieces.append(row)
            self._rows.append((KINDS.index(text.kind), text.source, number))

    def save(self, path: Path, digest: str) -> None:
        """Write all rows, one after the other, with the place at which each starts.

        digest: of all that they were made from.
        """
        flat = np.array([piece for row in self._pieces for piece in row], np.int32)
        rows = np.array(self._rows, np.int32)
        np.savez_compressed(
            path,
            ids=flat[:, 0].astype(np.uint16),
            form=flat[:, 1].astype(np.int8),
            case=flat[:, 2].astype(np.int8),
            named=flat[:, 3].astype(np.int8),
            starts=np.cumsum([0, *map(len, self._pieces)]),
            kind=rows[:, 0].astype(np.int8),
            source=rows[:, 1].astype(np.int8),
            number=rows[:, 2],
            inputs=np.array(digest),
        )


def kept_pieces(vocabulary: Path) -> list[str]:
    """Return the word pieces of a vocabulary, those that stand for nothing aside."""
    lines = vocabulary.read_text("utf-8").rstrip("\n").split("\n")
    return [line for line in lines if not line.startswith("[unused")]


def main() -> int:
    """Write the material."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vocabulary", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    digest = texts_digest()  # before the texts are read: they may change while this runs
    dice = random.Random(SEED)  # noqa: S311 (texts, no secrets)
    made = Material(word_pieces(kept_pieces(given.vocabulary)), dice)
    number = 0
    for source in (of_grammars, of_public, of_writers):
        for text in source(dice):
            made.add(number, text)
            number += 1
    made.save(given.out, digest)
    print(number, "texts,", given.out.stat().st_size, "bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
