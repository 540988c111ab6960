"""Names that only their company tells, in a text that is private already.

Beside a name that is known, after a title or a word for kin, and in quotes between two names a word
with a capital is a name, also where it is a word of the language or on no list: "guests are Lou,
Mags and Fi", "her husband Al", "Ms. Tan", "the Hubers". Decides nothing by itself.
"""

from collections.abc import Container, Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.german import is_german
from floe.privacy.detection.names import is_public, lexicon
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.vocabulary import listed
from floe.privacy.places import Places

_NAME: Final = "name"
_BY_COMPANY: Final = 0.6
_TIMEOUT: Final = 1.0
_LEFT: Final = listed("never_names") | listed("titles")
_WORD: Final = r"(?P<x>\p{Lu}\p{Ll}[\p{L}\p{M}]*(?:-\p{Lu}\p{Ll}[\p{L}\p{M}]*)?)"
_TITLED: Final = regex.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herrn?|Frau|Mme|Mlle|Monsieur|Madame|Señora?|Sra?|Signora?"
    rf"|Mevrouw|Meneer)\b\.?\s{_WORD}"
)
_KIN: Final = "|".join(sorted(word for word in listed("kin") if len(word) > 1 and word != "man"))
_AFTER_KIN: Final = regex.compile(
    r"(?:\b(?i:my|our|his|her|their|your|and|mijn|onze|zijn|haar|hun|mon|ma|mes|son|sa|ses|notre|mi|mis|su|sus"
    r"|mio|mia|il mio|la mia|meu|minha|min|mit|mina|moja|mój)|['’]s?)"
    r"\s(?:(?:little|best|older|younger|late|new|big|old)\s)?"
    rf"(?i:(?:{_KIN})(?:e?s)?|buurman|buurvrouw|best man|bridesmaid|godfather|godmother|pal|carer|nanny|au pair)\s{_WORD}"
    rf"|\b(?:little|poor|dear)\s{_WORD}"
    rf"|\bI['’]m\s(?P<self>\p{{Lu}}\p{{Ll}}+)(?=[,.;])|(?<!\p{{L}}){_WORD}(?=\s\(\d{{1,2}}\))"
    r"|(?<![\p{L}.])(?P<x>(?:\p{Lu}\.\s?){1,3}\p{Lu}\p{Ll}[\p{L}\p{M}-]+)"
)
_FAMILY: Final = regex.compile(r"\bthe\s(?P<x>\p{Lu}\p{Ll}+s)\b(?!\s\p{Lu})")
_JOINED: Final = r"(?:,\s?(?:and\s|&\s)?|\s?[&/]\s?|\s(?:and|or|und|et|y|e|og|och|en)\s)"
_JOIN: Final = regex.compile(_JOINED)
_AFTER: Final = regex.compile(rf"{_JOINED}{_WORD}(?!\p{{L}})")
_BEFORE: Final = regex.compile(rf"(?<!\p{{L}}){_WORD}{_JOINED}\Z")
_NICKNAME: Final = regex.compile(
    rf"\s[\"'“‘]{_WORD}[\"'”’](?:\s(?P<last>\p{{Lu}}\p{{Ll}}[\p{{L}}\p{{M}}-]*))?"
)
_WINDOW: Final = 40


def find_company(text: str, found: Sequence[Sign]) -> Iterator[Sign]:
    """Yield names that no sign covers, by those in `found` and by what stands before them.

    Raises TimeoutError.
    """
    covered = Places((sign.start, sign.end) for sign in found)
    added = {match.span("x") for match in _TITLED.finditer(text, timeout=_TIMEOUT)}
    if not is_german(text):  # where every noun has a capital
        added.update(_by_place(text))
        names = [(sign.start, sign.end) for sign in found if sign.kind == _NAME] + [*added]
        starts = {start for start, _ in names}
        while names:
            beside = {at for at in _beside(text, names.pop(), starts) if not covered.touch(*at)}
            beside -= added
            names += beside
            added |= beside
            starts.update(start for start, _ in beside)
    for start, end in sorted(added):
        if not covered.touch(start, end):
            yield Sign(start, end, _NAME, _BY_COMPANY)


def _by_place(text: str) -> Iterator[tuple[int, int]]:
    """Yield who stands after a word for kin, before an age, with initials, or as a family."""
    for match in _AFTER_KIN.finditer(text, timeout=_TIMEOUT):
        if match["self"] is not None and _is_strange(match["self"]):
            yield match.span("self")
        elif match["x"] is not None and match["x"].lower() not in _LEFT:
            yield match.span("x")
    for match in _FAMILY.finditer(text, timeout=_TIMEOUT):
        if _is_family(match["x"].lower()):
            yield match.span("x")


def _beside(text: str, name: tuple[int, int], starts: Container[int]) -> Iterator[tuple[int, int]]:
    """Yield the words that a list joins to a name, and a nickname after it.

    A word of the language ("Fi", "Will") is one between two names alone; these begin at `starts`.
    """
    start, end = name
    nickname = _NICKNAME.match(text, end)
    if nickname is not None:
        yield nickname.span("x")
        if nickname["last"] is not None and _may_be_name(nickname["last"]):
            yield nickname.span("last")
    after = _AFTER.match(text, end)
    if after is not None:
        next_one = _JOIN.match(text, after.end("x"))
        between = next_one is not None and next_one.end() in starts
        if _is_strange(after["x"]) or (between and _may_be_name(after["x"])):
            yield after.span("x")
    opens = max(0, start - _WINDOW)
    before = _BEFORE.search(text[opens:start])
    if before is not None and _is_strange(before["x"]):
        yield opens + before.start("x"), opens + before.end("x")


def _may_be_name(word: str) -> bool:
    return word.lower() not in _LEFT and not is_public(word)


def _is_strange(word: str) -> bool:
    """Return whether a word is on a list of given names, or on no list at all."""
    known, small = lexicon(), word.lower()
    if not _may_be_name(word):
        return False
    return small in known.given or (small not in known.ordinary and small not in known.entities)


def _is_family(plural: str) -> bool:
    """Return whether neither a word nor its singular is one of the language, a place or a brand."""
    known = lexicon()
    single = plural[:-1]
    return not any(
        word in words for word in (plural, single) for words in (known.ordinary, known.entities)
    )
