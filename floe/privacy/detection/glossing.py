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
from typing import Final, NamedTuple

import regex

from floe.privacy.detection.fame import is_known_in_full
from floe.privacy.detection.names import Form, Name, lexicon
from floe.privacy.places import Places

_FOLDER: Final = files("floe.privacy.detection").joinpath("glosses")
_ENGLISH: Final = "en"
_NOTHING: Final = "-"
_A_NAME: Final = "-n"
_WORD: Final = regex.compile(r"\p{L}[\p{L}\p{M}]*(?:['’]\p{L}+)?")
_SENTENCE_ENDS: Final = frozenset(".!?:…\n")
_SEGMENT: Final = regex.compile(r"[^.!?:;…\n\"„“”«»。！？]+")
"""What is in one language: an English text quoted in a German question is another one."""
_UNDECOMPOSED: Final = str.maketrans(
    {"ł": "l", "ı": "i", "đ": "d", "ø": "o", "ß": "ss", "æ": "ae", "’": "'"}
)
"""Letters that Unicode does not take apart."""
_COMPOUNDING: Final = frozenset({"de", "nl", "sv"})
_NOUNS_HAVE_CAPITALS: Final = "de"
_AGGLUTINATING: Final = "ko"
_TITLED: Final = regex.compile(
    r"\b(?:herrn?|frau|fräulein|monsieur|madame|mademoiselle|mme|mlle|señor(?:a|ita)?|sra?|don|doña|signor(?:e|a|ina)?|sig"
    r"|senhor(?:a)?|seu|dona|mevrouw|meneer|mevr|dhr|pan[iaí]?|paní|bay|bayan|fru|herr|fröken|domnul|doamna|dl|dna"
    r"|bapak|pak|ibu|bu|mas|mbak|ông|bà|anh|chị|dr|prof|ing|dott(?:oressa)?|avv|mr|mrs|ms)\.? \Z",
    regex.I,
)
_HONOUR: Final = regex.compile(
    r" ?(?:씨|님|군|양)(?!\p{Hangul})| (?:bey|hanım|abi|abla|usta|hoca)\b", regex.I
)
_DOES: Final = regex.compile(r"^\p{Hangul}{2}(?:하|되|해|했|할|한)")
"""A noun that was made a verb."""
_BEFORE: Final = 8
"""Characters among which the end of the sentence before is looked for."""
_SHORTEST_STEM: Final = 4
_STEM: Final = 0.6
"""Share of a word that a known one must begin with in order to be another form of it."""
_SHORTEST_COMPOUND: Final = 8
_SHORTEST_PART: Final = 3
_LEAST_KNOWN: Final = 0.45
"""Share of words that a dictionary must have of a text in its language."""
_LEAST_IN_FORMS: Final = 0.5
"""The same if forms that it has not are counted as well."""
_FEW: Final = 4
"""Words of a text so short that a loan word or a false form may look like its language."""
_CERTAIN: Final = 2
"""Words of it that a dictionary must have as they stand."""
_ELIDING: Final = frozenset({"fr", "it"})
"""Languages in which what stands before an apostrophe is an article: "l'homme"."""
_JOINING: Final = frozenset({"uk"})
"""Languages in which an apostrophe is a part of the word: "здоров'я"."""
_LONGEST_COMPOUND: Final = 40
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
    (regex.compile(letters, regex.V1), language)
    for letters, language in (
        (r"\p{Hangul}", "ko"),
        (r"\p{Greek}", "el"),
        (r"\p{Hebrew}", "he"),
        (r"[\p{Devanagari}&&\p{L}]", "hi"),
    )
)
"""Scripts in which hardly anybody writes another language to an assistant."""
_KANA: Final = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_EAST_ASIAN: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}ー々]")
_KANA_SHARE: Final = 8
"""Of as many letters of a Japanese text at least one is kana."""
_WITHOUT_BLANKS: Final = frozenset({"ja", "zh"})
_MOST_CHARACTERS: Final = 8
"""Of an entry in such a language."""
_LONGEST_ENTRY: Final = 3
"""Words of an entry, where a language writes the syllables of a word apart."""


class Place(NamedTuple):
    """Where a word stands among the English words, where in the original, whether it is another."""

    start: int
    end: int
    original_start: int
    original_end: int
    other: bool


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
    """A text in English words.

    names: those of the original that stayed, where they stand here. english: how many of its words
    are of sentences that were English before.
    """

    text: str
    language: str
    places: Sequence[Place]
    names: Sequence[Name]
    english: int = 0

    def moved(self, names: Sequence[Name]) -> list[Name]:
        """Return names of the original where they stand here; not those that became other words."""
        return _moved(names, self.places)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original that some characters came from; if none, (0, 0)."""
        first = bisect_right(self.places, start, key=lambda place: place.end)
        last = bisect_left(self.places, end, key=lambda place: place.start)
        if first >= last:
            return (0, 0)
        return self.places[first].original_start, self.places[last - 1].original_end


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
    """Return the code of a text's language; empty if it is English or has no dictionary."""
    letters = sum(map(str.isalpha, text))
    for script, language in _OF_SCRIPT:
        if 2 * len(script.findall(text)) > letters:
            return language if language in languages() else ""
    east_asian = len(_EAST_ASIAN.findall(text))
    if 2 * east_asian > letters:
        language = "ja" if len(_KANA.findall(text)) * _KANA_SHARE >= east_asian else "zh"
        return language if language in languages() else ""
    words = _words_of(text)
    if not words or _share(words, _ENGLISH, stems=False) >= _ENGLISH_FOR_SURE:
        return ""
    for stems, least in ((False, _LEAST_KNOWN), (True, _LEAST_IN_FORMS)):
        shares = {each: _share(words, each, stems=stems) for each in (_ENGLISH, *languages())}
        best = max(shares, key=lambda each: shares[each])  # English, where another has no more
        if shares[best] >= least:
            return best if best != _ENGLISH and _is_certain(words, best) else ""
    return ""


def languages_in(text: str) -> frozenset[str]:
    """Return the codes of all languages in which parts of a text are."""
    parts = (language_of(match[0]) for match in _SEGMENT.finditer(text))
    return frozenset({language_of(text), *parts}) - {""}


def _words_of(text: str) -> list[str]:
    found = (match[0].lower().replace("’", "'") for match in _WORD.finditer(text))
    return [word for word in found if len(word) > 1][:_SHOWING]  # "x + y = z" is in no language


def _is_certain(words: Sequence[str], language: str) -> bool:
    """Return whether a text is no short one that only looks like a language."""
    known = glosses(language).words
    certain = sum(known.get(word, word) != word for word in words)
    return len(words) >= _FEW or certain >= _CERTAIN


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


def _segments(text: str, language: str) -> Iterator[tuple[int, int, str]]:
    """Yield the parts of a text with the language of each; a short one has that of the text."""
    for match in _SEGMENT.finditer(text):
        words = _words_of(match[0])
        part = language_of(match[0])
        if not part:
            own, english = (
                (_share(words, each, stems=False) for each in (language, _ENGLISH))
                if words
                else (0.0, 0.0)
            )
            part = "" if english >= own and english > 0 else language
        yield *match.span(), part


def gloss(text: str, names: Sequence[Name], language: str) -> Glossed:
    """Put a normalised text into English words; what no dictionary has stays.

    language: of most of the text. Sentences in another one are read with the dictionary of that,
    and English ones stay as they are: "die" and "not" mean something else in German.
    """
    kept = Places(
        (name.start, name.end)
        for name in names
        if name.form not in ("unknown", "ambiguous")
        and not (text[name.start : name.end].islower() and _is_word(text, name, glosses(language)))
    )
    parts: list[str] = []
    places: list[Place] = []
    english = 0
    at = size = 0
    last = ""
    for first, end_of_part, code in _segments(text, language):
        known = glosses(code or _ENGLISH)
        for start, end in _entries(text, first, end_of_part, known):
            between = text[at:start]
            word = text[start:end]
            english += not code
            new = word if not code or kept.touch(start, end) else _new_word(text, start, end, known)
            if new and not between and last.isalnum():
                between = " "  # in a language that sets no blanks
            last = (last + between + new)[-1:]
            parts += [between, new]
            size += len(between)
            places.append(Place(size, size + len(new), start, end, other=new != word))
            size += len(new)
            at = end
    parts.append(text[at:])
    return Glossed("".join(parts), language, places, _moved(names, places), english)


def _new_word(text: str, start: int, end: int, known: Glosses) -> str:
    word = text[start:end]
    tall = word[0].isupper() and known.language != _NOUNS_HAVE_CAPITALS
    opens = _opens(text, start)
    # "Sinem" in the middle of a sentence is no form of "sinema".
    meaning = (_exact if tall and not opens else _meaning)(word, known)
    if meaning in (None, _A_NAME, word.lower()):
        return word
    if meaning == _NOTHING:
        return ""
    new = str(meaning)
    return new[0].upper() + new[1:] if word[0].isupper() and (tall or opens) else new


def _moved(names: Sequence[Name], places: Sequence[Place]) -> list[Name]:
    """Return names where they stand in the English words; not those that became other words."""
    moved = []
    for name in names:
        first = bisect_right(places, name.start, key=lambda place: place.original_end)
        last = bisect_left(places, name.end, key=lambda place: place.original_start)
        inside = places[first:last]
        if inside and not any(place.other for place in inside):
            moved.append(replace(name, start=inside[0].start, end=inside[-1].end))
    return moved


def without_known_words(text: str, names: Sequence[Name], language: str) -> list[Name]:
    """Return names without those that are words of the language: "la mia mamma adora", "Praga".

    One with a capital that is on a list of first names stays, and so does whatever is behind a
    title ("Herr Schneider"). A word that opens a sentence is no part of the name behind it
    ("Porovnej Karla Čapka"), and whom all know by the full name is public.
    """
    known = glosses(language)
    found = [_without_opening(text, name, known) for name in names]
    return [
        replace(name, form="public") if is_known_in_full(text[name.start : name.end]) else name
        for name in found
        if not _is_word(text, name, known)
    ]


def _without_opening(text: str, name: Name, known: Glosses) -> Name:
    words = [*_WORD.finditer(text, name.start, name.end)]
    if len(words) < 2 or name.form == "public" or not _opens(text, name.start):
        return name
    first = words[0][0]
    if first.lower() in lexicon().given or _exact(first, known) in (None, _A_NAME):
        return name
    rest = [word[0].lower() for word in words[1:]]
    one: Form = "given" if rest[0] in lexicon().given else "unknown"
    return Name(words[1].start(), name.end, name.form if len(rest) > 1 else one)


def _is_word(text: str, name: Name, known: Glosses) -> bool:
    if _TITLED.search(text, max(0, name.start - 20), name.start) or _HONOUR.match(text, name.end):
        return False
    if known.language == _AGGLUTINATING:
        # "설명하" of "설명하는" has three syllables as a name has, and begins like one.
        found = _WORD.search(text, name.start)
        word = found[0] if found else ""
        told = known.words.get(text[name.start : name.end]) or known.words.get(word, _A_NAME)
        return not _HONOUR.search(word) and (bool(_DOES.search(word)) or told != _A_NAME)
    if name.form in ("full", "given") and not text[name.start : name.end].islower():
        return False
    words = _WORD.findall(text, name.start, name.end)
    tall_given = (word[0].isupper() and word.lower() in lexicon().given for word in words)
    return (
        bool(words)
        and not any(tall_given)
        and all(_exact(word, known) not in (None, _A_NAME) for word in words)
    )


def _entries(text: str, start: int, end: int, known: Glosses) -> Iterator[tuple[int, int]]:
    """Yield the words of a part of a text, or as many in a row as one entry has."""
    spans = [match.span() for match in _WORD.finditer(text, start, end)]
    if known.language in _WITHOUT_BLANKS:
        for first, last in spans:
            yield from _cut(text, first, last, known)
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
    before = text[max(0, start - _BEFORE) : start].rstrip(" \"'«„“(")
    return before[-1] in _SENTENCE_ENDS if before else start < _BEFORE


def _meaning(word: str, known: Glosses) -> str | None:
    """Return what a word means: as it stands, without accents, as a compound, or by its stem.

    An English word that the dictionary does not have is one.
    """
    found = _exact(word, known)
    small = word.lower().replace("’", "'")
    if found is not None or small in glosses(_ENGLISH).words:
        return found
    bare = _main_part(_bare(small), known.language)
    return _of_parts(bare, known) or _of_stem(bare, known)


def _exact(word: str, known: Glosses) -> str | None:
    """Return what a word means as an entry, with its accents or without.

    Behind an article with an apostrophe the word itself: "l'homme"; elsewhere what is before it:
    "baby's".
    """
    small = word.lower().replace("’", "'")
    if small in known.words:
        return known.words[small]
    bare = _bare(small)
    return known.bare.get(bare, known.bare.get(_main_part(bare, known.language)))


def _main_part(bare: str, language: str) -> str:
    """Return a word without its article or ending, if an apostrophe sets that apart."""
    if "'" not in bare or language in _JOINING:
        return bare
    return bare.split("'", 1)[language in _ELIDING]


def _of_parts(bare: str, known: Glosses) -> str | None:
    if known.language not in _COMPOUNDING:
        return None
    if not _SHORTEST_COMPOUND <= len(bare) <= _LONGEST_COMPOUND:
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
    """Return a word without accents."""
    taken = unicodedata.normalize("NFD", word.translate(_UNDECOMPOSED))
    return "".join(letter for letter in taken if not unicodedata.combining(letter))
