"""Hashed features of a stretch of text: words, letters in words, who speaks of whom.

Names are replaced by their form, numbers by their length, so that neither is learnt by heart.
Deterministic on every machine (CRC-32). Knows nothing of weights.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final
from zlib import crc32

import numpy as np
import regex
from numpy.typing import NDArray

from floe.privacy.detection.courtesy import core
from floe.privacy.detection.names import Name
from floe.privacy.detection.vocabulary import listed

BITS: Final = 17
"""Features are hashed into 2^BITS places."""

Token = tuple[str, int, int]
"""A word in small letters, and where it starts and ends."""

WINDOW: Final = 220
"""Characters; a longer text is read in stretches of about this length."""

_TOKEN: Final = regex.compile(
    r"\x02\w+|(?<!\w)(?=[0-9a-f-]*\d)(?=[0-9-]*[a-f])[0-9a-f]{4,}(?:-[0-9a-f]{4,})*(?!\w)|[\p{Han}々]|[\p{Hiragana}]+|[\p{Katakana}ー]+|\p{Hangul}+|\p{L}[\p{L}\p{M}]*(?:'\p{L}+)?|\d+(?:[.,]\d+)*|[?!:;@#$€£%&=/{}()<>*_\"]"
)
_HEX: Final = frozenset("0123456789abcdef-")
_HANGUL: Final = regex.compile(r"\p{Hangul}")
"""A syllable of two or three letters, so that two of them are what four letters are elsewhere."""
_SENTENCE: Final = regex.compile(r"(?<=[.!?。！？…])(?:\s+|(?<=[。！？]))|\n+")
_FIRST: Final = listed("first_person")
_KIN: Final = listed("kin")
_ASKS: Final = listed("asks")


def windows(text: str, size: int = WINDOW) -> list[tuple[int, int]]:
    """Stretches of `size` characters at most: the text if it is short, its sentences in packs.

    Each is judged by itself. Two sentences that follow each other are together in one of them.
    """
    if len(text) <= size:
        return [core(text)]
    cuts = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    pieces: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        at = start
        while end - at > size:
            cut = text.rfind(" ", at + size // 2, at + size)
            cut = cut if cut > 0 else at + size
            pieces.append((at, cut))
            at = cut
        if end > at:
            pieces.append((at, end))
    packed: list[tuple[int, int]] = []
    first = 0
    for last in range(len(pieces)):
        if pieces[last][1] - pieces[first][0] > size:
            packed.append((pieces[first][0], pieces[last - 1][1]))
            first = last if pieces[last][1] - pieces[last - 1][0] > size else last - 1
    packed.append((pieces[first][0], pieces[-1][1]))
    return packed


def tokens_of(
    text: str, names: Sequence[Name], start: int, end: int, *, whole: bool = True
) -> list[Token]:
    """Words of a stretch in small letters with their places; a name is one token.

    whole: the stretch is all of the text. A name in the middle of a long text is another sign than
    one in a short message.
    """
    mark = "" if whole else "_long"
    found: list[Token] = []
    at = start
    for name in names:
        if name.end <= start or name.start >= end:
            continue
        found += _plain(text, at, name.start)
        found.append((f"\x02{name.form}{mark}", name.start, name.end))
        at = max(at, name.end)
    return [*found, *_plain(text, at, end)]


def _plain(text: str, start: int, end: int) -> Iterator[Token]:
    for match in _TOKEN.finditer(text, start, max(start, end)):
        word = match[0].lower()
        if len(word) > 6 and set(word) <= _HEX:
            word = "#hex" if not word.isdigit() else word
        if word[0].isdigit():
            word = f"#{min(len(word), 7)}"
        yield word.replace("'", ""), *match.span()


def features(tokens: Sequence[Token]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Hashed features and, for each, the index of the token that it began with."""
    words = [word for word, _, _ in tokens]
    hashes: list[int] = []
    owners: list[int] = []

    def add(feature: str, owner: int) -> None:
        hashes.append(crc32(feature.encode()) & ((1 << BITS) - 1))
        owners.append(owner)

    size = len(words)
    for i, word in enumerate(words):
        add(word, i)
        if i + 1 < size:
            add(f"{word} {words[i + 1]}", i)
        if i + 2 < size:
            add(f"{word} {words[i + 1]} {words[i + 2]}", i)
            add(f"{word} _ {words[i + 2]}", i)
        if word[0] != "\x02" and word[0] != "#":
            edged = f"^{word}$"
            for n in (2, 3, 4, 5) if _HANGUL.match(word) else (3, 4, 5):
                if len(edged) < n:
                    break
                for k in range(len(edged) - n + 1):
                    add(edged[k : k + n], i)
    _roles(words, add)
    return np.array(hashes, np.int32), np.array(owners, np.int32)


def _roles(words: Sequence[str], add: object) -> None:
    """Who speaks of whom: first person, kin, names, the opening word; each with all words near it."""
    put = add
    assert callable(put)
    first = [i for i, word in enumerate(words) if word in _FIRST]
    kin = [i for i, word in enumerate(words) if word in _KIN]
    names = [
        i for i, word in enumerate(words) if word[0] == "\x02" and not word.startswith("\x02public")
    ]
    public = any(word.startswith("\x02public") for word in words)
    flags = f"{bool(first):d}{bool(kin):d}{min(len(names), 2)}{public:d}"
    opening = words[0] if words and words[0] in _ASKS else "-"
    put(f"=flags {flags}", 0)
    put(f"=opening {bool(first):d}{bool(kin):d} {opening}", 0)
    put(f"=own {any(b - a <= 2 for a in first for b in kin if b > a):d}{min(len(names), 2)}", 0)
    if first or kin:
        who = f"{bool(first):d}{bool(kin):d}"
        for i, word in enumerate(words):
            if len(word) > 2:
                put(f"=with {who} {word}", i)
    for i in names:
        form = words[i]
        put(f"=name {form} {words[i - 1] if i else '^'}", i)
        put(f"=name {form} > {words[i + 1] if i + 1 < len(words) else '$'}", i)
        put(f"=name {form} {bool(first):d}{bool(kin):d} {opening}", i)
