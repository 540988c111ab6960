"""Finds private words that are known already: another case, a part of a name, other spacing.

A detector sees a text for the first time each time, and a name without its surroundings may
escape it; what has been found once is looked for as it stands. Knows neither store nor cloud.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from floe.privacy.detection.cases import ENDINGS, common_stem, is_cyrillic, stems

NAME: Final = "name"
_NUMBER: Final = re.compile(r"\+?\d(?:[\s().\-/]{0,3}\d)+")
_WORD: Final = re.compile(r"\w+")
_FEWEST_DIGITS: Final = 5
_SHORTEST_PART: Final = 2
_SHORTEST_STEM: Final = 4
_SHORTEST_PREFIX: Final = 3
_JOINED: Final = re.compile(r"[A-Za-z\d]+(?:[._-][A-Za-z\d]+)*")
_MONTHS: Final = frozenset(
    ["april", "may", "june", "july", "august", "summer", "autumn", "winter", "spring"]
)
_IN: Final = re.compile(
    r"\b(?:in|since|until|till|by|last|next|this|every|early|late|mid|of|during)\s$", re.I
)
_LISTED: Final = re.compile(
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)"
    r"(?:,|,? and|,? or| to|-)\s?$",
    re.I,
)
"""Another month, before one that may be a name."""
_INDEFINITE: Final = re.compile(
    r"\b(?:an?|ein(?:e[nmrs]?)?|kein(?:e[nmrs]?)?|une?|una|uno|uma|een|geen)\s\Z",
    re.I,
)
"""After this comes a thing, though somebody here is called like it: "ein Fuchs"."""
_PLURAL: Final = re.compile(r"(?<=\w{3})(?:e?s|en)\Z")
_PREFIX_WORDS: Final = 8
_TITLES: Final = "dr|prof|professor|mr|mrs|ms|miss|mx|sir|madam|herr|frau|doctor|nurse"
_TITLE: Final = re.compile(rf"(?:(?:{_TITLES})\b\.?\s*)+", re.IGNORECASE)
_POSSESSIVE: Final = re.compile(r"['\u2019]s?$", re.IGNORECASE)
_EDGES: Final = " \t\r\n.,;:!?\"'()[]{}<>*\u2018\u2019\u201c\u201d"
ALSO_WORDS: Final = frozenset(
    _WORD.findall(
        "an and april art august bay best bill bird black blue bob brown bush chase chip "
        "church cliff cook dale dawn day dean do drew earl else faith field fisher flora ford "
        "fox frank gene grace grant gray green grey hall hand heath hill holly hope hunter in "
        "iris ivy jack jade jasmine jean jim joy june king lake lane lee lily long love mark "
        "mason may miles mill miller moon nanny nick norm olive or page park pat pearl penny "
        "pepper pierce pool porter price rain ray reed rich rob robin rock rose ruby rush "
        "rusty sage sand sandy sky smith so star stone storm sue summer sun the to van victor "
        "violet von walker ward wells west white will win wolf wood woods young "
        "вера любовь надежда роза лилия слава "
    )
)
"""Names that are words, too: found as they are written, not in small letters."""

_NOUNS: Final = frozenset(
    _WORD.findall(
        "bach backer baecker bakker bar baum bauer becker berg bianca blum fischer flores fuchs "
        "gatti hase herbst jager kaiser kiefer koch konig koning kot kowal krawiec krebs krug "
        "kuiper leao leon leone lis luna maler muller pfeiffer richter rios rojas rosa rossi "
        "schafer schmied schneider schuster smit stein stella stern visser vogel wagner weber "
        "wilk winter zajac zimmermann "
    )
)
"""Surnames that are things and trades, too: always masked, but after an indefinite article."""
_ENDINGS: Final = ("s", "es", "n", "en")
"""Of plurals and genitives."""
_FAMILY: Final = re.compile(r"\b(?:the|die|den|der|les|los|las|i|os|de)\s\Z", re.IGNORECASE)
"""Before the plural of a surname."""
_ADDRESSED: Final = re.compile(
    r"\b(?:tell|told|ask|asked|text|call|email|mail|message|write|thank|thanks|invite|remind|dear|hi|hey|hello"
    r"|(?:my|our|his|her)\s\w+)\s\Z",
    re.IGNORECASE,
)
"""After this comes a person, though the word is written in small letters."""
_NAMED_HERE: Final = re.compile(
    r"(?:\A|[.!?,;:\n]\s*|\b(?:to|for|from|with|and|or|is|miss|love|hate|meet|met)\s)\Z",
    re.IGNORECASE,
)
"""The same where the person has written the name itself in small letters."""


class Found(NamedTuple):
    """Characters start to end (half open) of a text, and what they are."""

    start: int
    end: int
    kind: str


class _Entry(NamedTuple):
    """Compiled only when its first word is met: there may be thousands.

    before: what has to stand before it, one of these; empty: anything. word: it is also a word,
    and no name after "a".
    """

    pattern: str
    flags: re.RegexFlag
    kind: str
    before: tuple[re.Pattern[str], ...] = ()
    word: bool = False

    def fits(self, text: str, start: int) -> bool:
        """Return whether what stands before a place lets it be this value."""
        lead = text[max(0, start - 24) : start]
        if self.word and _INDEFINITE.search(lead):
            return False
        return not self.before or any(each.search(lead) for each in self.before)


class Lexicon:
    """Known private values of one conversation, or of the person."""

    def __init__(self) -> None:
        self._by_first_word: dict[str, list[_Entry]] = {}
        self._numbers: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._full_names: list[tuple[str, ...]] = []
        self._handles: list[re.Pattern[str]] = []

    def __contains__(self, value: str) -> bool:
        return value.casefold() in self._values

    def add(self, value: str, kind: str) -> None:
        """Look for `value` from now on; for a name, for each of its parts too."""
        if value.casefold() in self._values or not _WORD.search(value):
            return
        self._values[value.casefold()] = kind
        value = unaccented(value)
        digits = _digits(value)
        if len(digits) >= _FEWEST_DIGITS and len(digits) * 2 >= len("".join(value.split())):
            self._numbers[digits] = kind
        self._add_pattern(value, kind)
        if kind == NAME:
            parts = name_parts(value)
            for part in parts:
                self._add_pattern(part, kind)
            if len(parts) > 1 and all(len(part) > _SHORTEST_PART for part in parts):
                self._full_names.append(tuple(part.casefold() for part in parts))
            if len(parts) > 1 and len(parts[-1]) > _SHORTEST_STEM:
                last = re.escape(parts[-1].casefold())
                self._handles.append(re.compile(rf"[a-z]{{1,2}}{last}\d*|{last}[a-z]{{0,2}}\d+"))
        street = value.split(",")[0]
        if kind == "address" and street != value and any(map(str.isdigit, street)):
            self._add_pattern(street.strip(), kind)

    def find(self, text: str) -> list[Found]:
        """Find known values; sorted, without overlap."""
        found = []
        plain = unaccented(text)
        for word in _WORD.finditer(plain):
            for entry in self._entries(word.group().casefold()):
                pattern = re.compile(entry.pattern, entry.flags)
                match = pattern.match(plain, word.start())
                if (
                    match
                    and entry.fits(plain, match.start())
                    and not is_month(plain, *match.span())
                ):
                    found.append(Found(match.start(), match.end(), entry.kind))
        found += self._inside_words(plain)
        if self._numbers:
            for run in _NUMBER.finditer(text):
                digits = _digits(run.group())
                kinds = [kind for known, kind in self._numbers.items() if known in digits]
                if kinds:
                    found.append(Found(run.start(), run.end(), kinds[0]))
        return united(found)

    def _entries(self, word: str) -> list[_Entry]:
        """Find what may begin with this word, or with it less a plural's or genitive's ending."""
        entries = list(self._by_first_word.get(word, ()))
        if is_cyrillic(word):
            for stem in (word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending)):
                entries += self._by_first_word.get(f"{stem}-", ())
            return entries
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
                entries += self._by_first_word.get(word.removesuffix(ending), ())
        return entries

    def _inside_words(self, plain: str) -> list[Found]:
        """Return handles made of a name: "anna.weber", "annaweber77", "aweber", "weber88"."""
        if not self._full_names:
            return []
        found = []
        for word in _JOINED.finditer(plain):
            letters = "".join(filter(str.isalpha, word.group().casefold()))
            joined = re.sub(r"[._-]", "", word.group().casefold())
            if any(all(part in letters for part in parts) for parts in self._full_names) or any(
                handle.fullmatch(joined) for handle in self._handles
            ):
                found.append(Found(word.start(), word.end(), NAME))
        return found

    def breaks_off(self, text: str) -> bool:
        """Whether `text` ends in the middle of a known value: what comes next may complete it."""
        ends = [word.start() for word in _WORD.finditer(text, max(0, len(text) - 200))]
        for start in ends[-_PREFIX_WORDS:]:
            tail = " ".join(text[start:].split()).casefold()
            if len(tail) < _SHORTEST_PREFIX:
                continue
            if any(value.startswith(tail) and value != tail for value in self._values):
                return True
        run = re.search(r"\d(?:[\s().\-/]{0,3}\d)*[\s().\-/]{0,3}$", text)
        digits = _digits(run.group()) if run else ""
        return len(digits) >= _SHORTEST_PREFIX and any(
            known.startswith(digits) and known != digits for known in self._numbers
        )

    def _add_pattern(self, value: str, kind: str) -> None:
        first = _WORD.search(value)
        assert first is not None
        words = value[first.start() :].split()
        body = r"\s+".join(re.escape(word) for word in words)
        first_word = first.group().casefold()
        if len(words) == 1 and kind == NAME and _is_also_word(value):
            small = (_ADDRESSED, _NAMED_HERE) if value[0].islower() else (_ADDRESSED,)
            if not value[0].islower():
                self._add_entry(
                    first_word,
                    _Entry(rf"(?<!\w)(?:{body}|{body.upper()})(?!\w)", re.NOFLAG, kind, word=True),
                )
                self._add_entry(
                    first_word, _Entry(rf"(?<!\w){body}s(?!\w)", re.NOFLAG, kind, (_FAMILY,))
                )
            entry = _Entry(rf"(?<!\w){body}(?!\w)", re.IGNORECASE, kind, small, word=True)
        elif len(words) == 1 and len(value) <= _SHORTEST_PART:
            entry = _Entry(rf"(?<!\w)(?:{body}|{body.upper()})(?!\w)", re.NOFLAG, kind)
        else:
            ended = ""
            if kind == NAME and len(value) >= _SHORTEST_STEM:
                # With an ending and in small letters it may be a word: Pierre, "pierres".
                words_of_it = "|".join(
                    ending for ending in _ENDINGS if _is_also_word(value + ending)
                )
                word = rf"(?!{body.lower()}(?:{words_of_it})(?!\w))" if words_of_it else ""
                ended = rf"(?-i:{word}){body}(?:e?s|e?n)|"
            noun = kind == NAME and value.casefold() in _NOUNS
            entry = _Entry(rf"(?<!\w)(?:{ended}{body})(?!\w)", re.IGNORECASE, kind, word=noun)
        self._add_entry(first_word, entry)
        if kind == NAME and len(words) == 1 and is_cyrillic(value):
            for stem in stems(first_word):
                pattern = rf"(?<!\w){stem}(?:{'|'.join(ENDINGS)})(?!\w)"
                self._add_entry(f"{stem}-", _Entry(pattern, re.IGNORECASE, kind))

    def _add_entry(self, first_word: str, entry: _Entry) -> None:
        entries = self._by_first_word.setdefault(first_word, [])
        if entry not in entries:
            entries.append(entry)


def _is_also_word(name: str) -> bool:
    """Return whether a name is a common word of some language, too."""
    if name.casefold() in ALSO_WORDS:
        return True
    from floe.privacy.detection.names import lexicon  # noqa: PLC0415 (slow, and leans on this)

    return name.casefold() in lexicon().ordinary


def stem_of(word: str) -> str:
    """Return a word in small letters, without accents, less the ending of a plural or a case."""
    return common_stem(word) if is_cyrillic(word) else _PLURAL.sub("", word)


def unaccented(text: str) -> str:
    """Letters without their accents, character by character, so that places stay the same."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFD", character)[0] for character in text)


def is_month(text: str, start: int, end: int) -> bool:
    """Whether "April" is the month here, though somebody may be called so."""
    return text[start:end].casefold() in _MONTHS and bool(
        _IN.search(text[max(0, start - 9) : start])
        or _LISTED.search(text[max(0, start - 16) : start])
    )


def name_parts(name: str) -> list[str]:
    """First names and surnames of a full name, without initials, particles and titles."""
    parts = [part.strip(_EDGES) for part in name.split()]
    if len(parts) < 2:
        return []
    return [
        part
        for part in parts
        if len(part) >= _SHORTEST_PART
        and (part[0].isupper() or part.casefold() not in ALSO_WORDS)
        and not _TITLE.fullmatch(part)
    ]


def bare(text: str, found: Found) -> Found:
    """`found` without the title, possessive and punctuation around it, if anything is left.

    A name in another sentence has none of them; the cloud may see "Dr. PERSON_1's".
    """
    start, end = found.start, found.end
    if found.kind == NAME:
        if (title := _TITLE.match(text, start)) and title.end() < end:
            start = title.end()
        if possessive := _POSSESSIVE.search(text[start:end]):
            end = start + possessive.start()
    while start < end and text[start] in _EDGES:
        start += 1
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    return Found(start, end, found.kind) if start < end else found


def is_title(text: str) -> bool:
    """Whether nothing is there but titles and punctuation."""
    core = text.strip(_EDGES)
    return not core or _TITLE.fullmatch(core) is not None


def united(found: Iterable[Found]) -> list[Found]:
    """Sorted, and what overlaps made one, of the kind of its longest part."""
    result: list[Found] = []
    longest = 0
    for each in sorted(found, key=lambda f: (f.start, -f.end)):
        if not result or each.start >= result[-1].end:
            result.append(each)
            longest = each.end - each.start
            continue
        last = result[-1]
        kind = each.kind if each.end - each.start > longest else last.kind
        longest = max(longest, each.end - each.start)
        result[-1] = Found(last.start, max(last.end, each.end), kind)
    return result


def identifies(value: str, kind: str) -> bool:
    """Whether a value points to somebody wherever it stands: a full name, a number, an address."""
    if kind == NAME:
        return len(name_parts(value)) >= 2
    return len(_digits(value)) >= _FEWEST_DIGITS or "@" in value


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
