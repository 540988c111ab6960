"""Texts in other languages, put word by word into English, so that the encoder can read them.

The encoder has learnt what is private from English texts; word for word is bad English, but has
the words that tell (a dictionary instead of parallel texts: Mayhew, Tsai and Roth 2017, "Cheap
Translation for Cross-Lingual Named Entity Recognition"). Each language has a file in `glosses`: a
word as people type it, a tab, what it means ("-": nothing, "-n": it is a name); `en.txt` has
English words alone, by which an English text is known. Names stay as they are. Knows nothing of
what is private.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import regex

from floe.privacy.detection.fame import is_known_at
from floe.privacy.detection.names import Form, Name, lexicon
from floe.privacy.places import Places

_FOLDER: Final = files("floe.privacy.detection").joinpath("glosses")
_ENGLISH: Final = "en"
_NOTHING: Final = "-"
_A_NAME: Final = "-n"
_WORD: Final = regex.compile(r"\p{L}[\p{L}\p{M}]*(?:['’]\p{L}+)?")
_SENTENCE_ENDS: Final = frozenset(".!?:…\n")
_UNDECOMPOSED: Final = str.maketrans(
    {"ł": "l", "ı": "i", "đ": "d", "ø": "o", "ß": "ss", "æ": "ae", "’": "'"}
)
"""Letters that Unicode does not take apart."""
_COMPOUNDING: Final = frozenset({"de", "nl", "sv"})
_NOUNS_HAVE_CAPITALS: Final = "de"
_AGGLUTINATING: Final = "ko"
_DOES: Final = regex.compile(r"^\p{Hangul}{2}(?:하|되|해|했|할|한)")
"""A noun that was made a verb."""
_SHORTEST_STEM: Final = 4
_STEM: Final = 0.6
"""Share of a word that a known one must begin with in order to be another form of it."""
_SHORTEST_COMPOUND: Final = 8
_SHORTEST_PART: Final = 3
_LEAST_KNOWN: Final = 0.4
"""Share of words that a dictionary must have of a text in its language."""
_ENGLISH_FOR_SURE: Final = 0.85
"""Share of the words of a text that English has, with which no other language is looked at."""
_LOAN: Final = 0.5
"""What a word counts that means itself: most such words are English."""
_BARE: Final = 0.9
"""The same without its accents: "zona" is rather what is written so than "żona"."""
_FORM: Final = 0.6
"""The same in a form that the dictionary has not."""
_SHOWING: Final = 50
"""Words that show the language of a text."""
_OF_SCRIPT: Final = tuple(
    (regex.compile(letters), language)
    for letters, language in (
        (r"\p{Hangul}", "ko"),
        (r"\p{Greek}", "el"),
        (r"\p{Hebrew}", "he"),
        (r"\p{Devanagari}", "hi"),
    )
)
"""Scripts in which hardly anybody writes another language to an assistant."""
_KANA: Final = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_EAST_ASIAN: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー々]")
_WITHOUT_BLANKS: Final = frozenset({"ja", "zh"})
_MOST_CHARACTERS: Final = 8
"""Of an entry in such a language."""
_LONGEST_ENTRY: Final = 3
"""Words of an entry, where a language writes the syllables of a word apart."""


Place = tuple[int, int, int, int, bool]
"""Of a word: start and end in the English words, start and end in the original, whether it is
another word there."""


@dataclass(frozen=True, slots=True)
class Glosses:
    """The dictionary of one language: words, and the same without accents in order."""

    language: str
    words: dict[str, str]
    bare: dict[str, str]
    ordered: Sequence[str]
    longest: int


@dataclass(frozen=True, slots=True)
class Glossed:
    """A text in English words; names: those of the original that stayed, where they stand here."""

    text: str
    language: str
    places: Sequence[Place]
    names: Sequence[Name]

    def moved(self, names: Sequence[Name]) -> list[Name]:
        """Return names of the original where they stand here; not those that became other words."""
        return _moved(names, self.places)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original that some characters came from; if none, (0, 0)."""
        first = bisect_right(self.places, start, key=lambda place: place[1])
        last = bisect_left(self.places, end, key=lambda place: place[0])
        return (self.places[first][2], self.places[last - 1][3]) if first < last else (0, 0)


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages that have a dictionary, English aside."""
    names = sorted(path.name.removesuffix(".txt") for path in _FOLDER.iterdir())
    return tuple(name for name in names if name != _ENGLISH)


@cache
def glosses(language: str) -> Glosses:
    """Read a dictionary, once."""
    words: dict[str, str] = {}
    for line in _FOLDER.joinpath(f"{language}.txt").read_text("utf-8").splitlines():
        word, _, gloss = line.partition("\t")
        words.setdefault(word, gloss)
    bare: dict[str, str] = {}
    for word, gloss in words.items():
        bare.setdefault(_bare(word), gloss)
    ordered = sorted(word for word, gloss in bare.items() if gloss not in (_NOTHING, _A_NAME))
    longest = max((1 + word.count(" ") for word in words), default=1)
    return Glosses(language, words, bare, ordered, min(longest, _LONGEST_ENTRY))


@lru_cache(maxsize=8)
def language_of(text: str) -> str:
    """Return the code of the language of a text that has a dictionary; empty for English or none."""
    found = (match[0].lower().replace("’", "'") for match in _WORD.finditer(text))
    words = [word for word in found if len(word) > 1]  # "x + y = z" is in no language
    if not words:
        return ""
    words = words[:_SHOWING]
    letters = sum(map(str.isalpha, text))
    for script, language in _OF_SCRIPT:
        if 2 * len(script.findall(text)) > letters:
            return language if language in languages() else ""
    if 2 * len(_EAST_ASIAN.findall(text)) > letters:
        language = "ja" if _KANA.search(text) else "zh"
        return language if language in languages() else ""
    if _share(words, _ENGLISH, stems=False) >= _ENGLISH_FOR_SURE:
        return ""
    for stems in (False, True):
        shares = {each: _share(words, each, stems=stems) for each in (_ENGLISH, *languages())}
        best = max(shares, key=lambda each: shares[each])  # English, where another has no more
        if shares[best] >= _LEAST_KNOWN:
            return best if best != _ENGLISH else ""
    return ""


def _share(words: Sequence[str], language: str, *, stems: bool) -> float:
    """Return which share of some words a dictionary has; stems: also in forms that it has not."""
    known = glosses(language)
    found = 0.0
    for word in words:
        if word in known.words:
            found += _LOAN if known.words[word] == word else 1.0
        elif _bare(word) in known.bare:
            found += _BARE
        elif stems and len(word) > _SHORTEST_STEM and _of_stem(_bare(word), known):
            found += _FORM
    return found / len(words)


def gloss(text: str, names: Sequence[Name], language: str) -> Glossed:
    """Put a normalised text into English words; what the dictionary does not have stays."""
    known = glosses(language)
    kept = Places(
        (name.start, name.end)
        for name in names
        if name.form not in ("unknown", "ambiguous")
        and not (text[name.start : name.end].islower() and _is_word(text, name, known))
    )
    parts: list[str] = []
    places: list[Place] = []
    at = size = 0
    last = ""
    for start, end in _entries(text, known):
        between = text[at:start]
        word = text[start:end]
        meaning = None
        tall = word[0].isupper() and language != _NOUNS_HAVE_CAPITALS
        if not kept.touch(start, end):
            # "Sinem" in the middle of a sentence is no form of "sinema".
            as_written = tall and not _opens(text, start)
            meaning = (_meaning_as_written if as_written else _meaning)(word, known)
        new = word if meaning in (None, _A_NAME, word.lower()) else str(meaning)
        if new == _NOTHING:
            new = ""
        elif new is not word and word[0].isupper() and (tall or _opens(text, start)):
            new = new[0].upper() + new[1:]
        if new and not between and last.isalnum():
            between = " "  # in a language that sets no blanks
        last = (last + between + new)[-1:]
        parts += [between, new]
        size += len(between)
        places.append((size, size + len(new), start, end, new is not word))
        size += len(new)
        at = end
    parts.append(text[at:])
    return Glossed("".join(parts), language, places, _moved(names, places))


def _word_at(text: str, name: Name) -> str:
    """Return the word in which a name stands, with its endings."""
    found = _WORD.search(text, name.start)
    return found[0] if found else text[name.start : name.end]


def _moved(names: Sequence[Name], places: Sequence[Place]) -> list[Name]:
    """Return names where they stand in the English words; not those that became other words."""
    moved = []
    for name in names:
        first = bisect_right(places, name.start, key=lambda place: place[3])
        last = bisect_left(places, name.end, key=lambda place: place[2])
        inside = places[first:last]
        if inside and not any(place[4] for place in inside):
            moved.append(replace(name, start=inside[0][0], end=inside[-1][1]))
    return moved


def without_known_words(text: str, names: Sequence[Name], language: str) -> list[Name]:
    """Return names without those that are words of the language: "la mia mamma adora", "Praga".

    One with a capital that is on a list of first names stays. A word that opens a sentence is no
    part of the name behind it ("Porovnej Karla Čapka"), and whom all know is public.
    """
    known = glosses(language)
    found = [_without_opening(text, name, known) for name in names]
    return [
        replace(name, form="public") if is_known_at(text, name.start, name.end) else name
        for name in found
        if not _is_word(text, name, known)
    ]


def _without_opening(text: str, name: Name, known: Glosses) -> Name:
    words = [*_WORD.finditer(text, name.start, name.end)]
    if len(words) < 2 or name.form == "public" or not _opens(text, name.start):
        return name
    first = words[0][0]
    if first.lower() in lexicon().given or _meaning_as_written(first, known) in (None, _A_NAME):
        return name
    rest = [word[0].lower() for word in words[1:]]
    one: Form = "given" if rest[0] in lexicon().given else "unknown"
    return Name(words[1].start(), name.end, name.form if len(rest) > 1 else one)


def _is_word(text: str, name: Name, known: Glosses) -> bool:
    if known.language == _AGGLUTINATING:
        # "설명하" of "설명하는" has three syllables as a name has, and begins like one.
        word = _word_at(text, name)
        return _DOES.search(word) is not None or _meaning(word, known) not in (None, _A_NAME)
    words = _WORD.findall(text, name.start, name.end)
    tall_given = (word[0].isupper() and word.lower() in lexicon().given for word in words)
    return (
        bool(words)
        and not any(tall_given)
        and all(_meaning_as_written(word, known) not in (None, _A_NAME) for word in words)
    )


def _entries(text: str, known: Glosses) -> Iterator[tuple[int, int]]:
    """Yield the words of a text, or as many in a row as one entry has."""
    spans = [match.span() for match in _WORD.finditer(text)]
    if known.language in _WITHOUT_BLANKS:
        for start, end in spans:
            yield from _cut(text, start, end, known)
        return
    i = 0
    while i < len(spans):
        taken = 1
        for n in range(min(known.longest, len(spans) - i), 1, -1):
            whole = text[spans[i][0] : spans[i + n - 1][1]].lower()
            if whole in known.words:
                taken = n
                break
        yield spans[i][0], spans[i + taken - 1][1]
        i += taken


def _cut(text: str, start: int, end: int, known: Glosses) -> Iterator[tuple[int, int]]:
    """Yield the longest entries, from the left, and what lies between them."""
    unknown = at = start
    while at < end:
        longest = min(_MOST_CHARACTERS, end - at)
        size = next((n for n in range(longest, 0, -1) if text[at : at + n] in known.words), 0)
        if size and unknown < at:
            yield unknown, at
        if size:
            yield at, at + size
            unknown = at + size
        at += size or 1
    if unknown < end:
        yield unknown, end


def _opens(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"'«„“(")
    return not before or before[-1] in _SENTENCE_ENDS


def _meaning(word: str, known: Glosses) -> str | None:
    """Return what a word means: as it stands, without accents, as a compound, or by its stem."""
    found = _meaning_as_written(word, known)
    if found is None:
        bare = _bare(word.lower()).rsplit("'", 1)[-1]
        found = _of_parts(bare, known) or _of_stem(bare, known)
    return found


def _meaning_as_written(word: str, known: Glosses) -> str | None:
    """Return what a word means, in capitals or not, with its accents or without."""
    small = word.lower().replace("’", "'")
    if small in known.words:
        return known.words[small]
    bare = _bare(small)
    if bare in known.bare:
        return known.bare[bare]
    return known.bare.get(bare.split("'", 1)[1]) if "'" in bare else None


def _of_parts(bare: str, known: Glosses) -> str | None:
    if known.language not in _COMPOUNDING or len(bare) < _SHORTEST_COMPOUND:
        return None
    for cut in range(_SHORTEST_PART, len(bare) - _SHORTEST_PART):
        tail = known.bare.get(bare[cut:], _NOTHING)
        if tail in (_NOTHING, _A_NAME):
            continue
        head = bare[:cut]
        for first in (head, head.removesuffix("s"), head.removesuffix("en"), f"{head}e"):
            lead = known.bare.get(first, _NOTHING)
            if len(first) >= _SHORTEST_PART and lead not in (_NOTHING, _A_NAME):
                return f"{lead} {tail}"
    return None


def _of_stem(bare: str, known: Glosses) -> str | None:
    """Return what the known word means that shares the longest beginning with another."""
    at = bisect_left(known.ordered, bare)
    best, length = "", 0
    for word in known.ordered[max(0, at - 1) : at + 1]:
        shared = next(
            (i for i, (a, b) in enumerate(zip(word, bare, strict=False)) if a != b),
            min(len(word), len(bare)),
        )
        if shared > length:
            best, length = word, shared
    enough = max(_SHORTEST_STEM, _STEM * len(bare), _STEM * len(best))
    return known.bare[best] if length >= enough else None


@lru_cache(maxsize=4096)
def _bare(word: str) -> str:
    taken = unicodedata.normalize("NFD", word.translate(_UNDECOMPOSED))
    return "".join(letter for letter in taken if not unicodedata.combining(letter))
