"""Names that their place tells, whatever the word is otherwise: "since Prince moved in".

Right after a word for kin, before what persons alone do, as the "he" or "she" of what follows, in
the column of a list in which others are named, under a letter, and at the head of a line of a chat
stands somebody. Decides nothing; knows words and places, neither verdict nor classifier.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.german import is_german
from floe.privacy.detection.hasty_names import DOES, KIN_WORD, find_hasty
from floe.privacy.detection.likely_words import (
    ALSO_NAMES,
    FIRST,
    KIN,
    NEVER,
    NO_PERSONS,
    NOT_SMALL,
    ORGANISED,
)
from floe.privacy.detection.names import lexicon
from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import names_matter
from floe.privacy.places import Places

_TIMEOUT: Final = 1.0
_MOST: Final = 90
"""Characters after a word in which "he" or "she" may mean it."""
_BEFORE: Final = 24
_MANY_CELLS: Final = 8
_ORDERS: Final = listed("asks") | listed("tasks")
_X: Final = r"(?<![\p{L}\p{N}@/#&_.'-])(?P<x>\p{Lu}[\p{L}\p{M}]+(?:-\p{Lu}\p{Ll}+)?)"
_WHOSE: Final = r"(?:my|our|his|her|their|your|whose)"
_PERSONAL: Final = regex.compile(rf"{_X}\s{DOES}")
_AFTER_THE: Final = regex.compile(
    r"\b(?:the|an?|this|that|my|our|your|their|each|every|some|any|no|in|at|from)\s\Z|-\Z", regex.I
)
_VERB: Final = regex.compile(
    r"(?:\s(?:is|was|has|had|got|gets|went|goes|came|comes|left|took|takes|lost|made|makes|met|quit|ran|runs|fell|feels|felt|told|found|gave|gives|thinks?|thought|broke|keeps?|kept|wants|wanted|needs|lives|lived|works|worked|hides|looks|stays|still|never|always|won't|can't|doesn't|didn't|isn't|wasn't|hasn't|wouldn't)|'s)(?!\w)"
)
_ANY_VERB: Final = regex.compile(r"\s\p{Ll}{2,}(?:s|ed)(?!\w)")
_HE_OR_SHE: Final = regex.compile(
    r"(?<!\w)(?:he|she|him|his|her|hers|himself|herself|he's|she's|hes|shes)(?!\w)", regex.I
)
_OWNS: Final = regex.compile(
    rf"{_X}['’]s\s(?:\p{{Ll}}+\s)?(?i:{KIN_WORD}|scans?|biopsy|tests?|results?|surgery|operation|diagnosis|funeral|birthday|wedding|flat|salary|pay|rent|debts?|lawyer|teacher|doctor|therapist|sponsor|parents?|drinking|cancer|death|affair|pregnancy|phone|bedroom|room|bed|face|arm|medication|meds|insulin|exams?|behaviou?r)(?!\p{{L}})"
)
_ARE_KIN: Final = regex.compile(
    rf"{_X}(?:\s(?:and|&|n)\s(?P<x>\p{{Lu}}[\p{{L}}\p{{M}}]+))?(?:\s(?:is|are|was|were)|['’]s)\s(?:also\s)?{_WHOSE}\s(?:[\p{{L}}-]+\s){{0,2}}?(?:{KIN_WORD})(?:e?s)?(?!\p{{L}})"
)
_KIN_IS: Final = regex.compile(
    rf"\b(?i:{_WHOSE}\s(?:\p{{Ll}}+\s)?(?:{KIN_WORD})(?:e?s)?(?:\s(?:is|was|are|were)|['’]s)\s(?:called\s|named\s)?)(?P<x>\p{{Lu}}\p{{Ll}}[\p{{L}}\p{{M}}'-]*)(?:\s(?:and|&)\s(?P<x>\p{{Lu}}\p{{Ll}}+))?(?=\s?[,.;:!?)\n]|\s(?:and|but|who|so)\b|\s*\Z)"
)
_BESIDE_KIN: Final = regex.compile(
    rf"\b(?:{KIN_WORD})(?:e?s)?(?:[- ]in[- ]law)?,?\s(?P<x>\p{{Lu}}\p{{Ll}}[\p{{L}}\p{{M}}]*)(?=\s(?:is|was|has|had|\p{{Ll}}{{2,}}(?:s|ed)|and|to|that|about|told|came|went|got|left|won't|can't|doesn't|didn't)\b|\s?[,.;:!?)]|['’]s|\s*\Z)"
)
_SIGNED: Final = regex.compile(
    r"(?i:\b(?:yours(?: (?:sincerely|faithfully|truly))?|(?:(?:best|kind|warm|warmest) )?regards|best wishes|all the best|sincerely|signed|love|cheers|thanks|thx|many thanks|hugs|xx+|cordialement|bisous|(?:viele |liebe |beste |mit freundlichen |herzliche )?gr(?:ü|u)(?:ße|sse|ßen|ssen)|lg|vg|gruß|saludos|un abrazo|saluti|groet(?:en|jes)?|hilsen|pozdrawiam|abraços?),?)"
    r"\s?(?:,\s?|\n\s{0,4}|\s)(?P<x>\p{Lu}[\p{L}\p{M}'-]+(?:\s\p{Lu}\.)?(?:\s\p{Lu}[\p{L}\p{M}'-]+){0,2})(?=\s{0,4}(?:[.\n\"”)(,]|\Z))"
    r"|(?:[.!?]|\s)\s?[-–—]\s?(?P<x>\p{Lu}\p{Ll}+)(?=[\"”']?\s*(?:\n|\Z)|[\"”])"
)
"""Under what one writes: after a greeting, or a dash at the end."""
_FAMILY: Final = regex.compile(
    r"\b(?:Familie|Fam\.|[Ff]amille|[Ff]amilia|[Ff]amiglia|[Ff]amilj(?:en)?|[Ff]amilien|[Rr]odzin[aąęy])\s(?P<x>\p{Lu}\p{Ll}[\p{L}-]+)"
)
_NOTED: Final = regex.compile(
    rf"{_X}\s(?:absent|off sick|out sick|on leave|excused|on (?:sick )?leave)(?=[\s(.,;:]|\Z)"
)
"""Who is away, in notes."""
_WHO_I: Final = regex.compile(
    rf"{_X}(?:\s(?P<x>\p{{Lu}}\p{{Ll}}+))?,\s(?:(?:that's|thats|who's|he's|she's|hes|shes)\s(?:my|our|his|her)\b|who(?:m)?\s(?:I|we|is|was|has|had|my|our|works|lives|owes)\b|(?:my|our|his|her)\s(?:[\p{{L}}-]+\s){{0,2}}?(?:{KIN_WORD})(?!\p{{L}}))"
)
_HEADER: Final = regex.compile(
    r"(?m)^[ \t]{0,8}(?i:to|cc|bcc|from|an|von|à|para|attn|fao|signed|name|patient|tenant|employee|client|student|pupil|mieter|kunde)\s?:\s(?P<x>\p{Lu}[\p{L}'-]+(?:\s\p{Lu}[\p{L}'.-]*){0,2})(?:[,;]\s(?P<x>\p{Lu}[\p{L}'-]+(?:\s\p{Lu}[\p{L}'.-]*){0,2}))*\s*$"
)
_SOMEBODYS: Final = regex.compile(
    r"\b[Tt]he\s(?P<x>\p{Lu}\p{Ll}[\p{L}'-]+)\s(?:boy|girl|boys|girls|kids?|twins|family|brothers|sisters|widow|baby|lad|lads|couple|household)\b"
)
_MINE_ABROAD: Final = regex.compile(
    rf"{_X},?\s(?:est\s|è\s|es\s|é\s|is\s|jest\s|er\s|är\s)?(?:il mio|la mia|mon|ma|mi|o meu|a minha|meu|minha|mijn|min|mitt?|mój|moja)\s\p{{Ll}}"
    r"|\A(?P<x>\p{Ll}{3,})\s(?:mój|moja|mon|ma|mijn|meu|minha)\s\p{Ll}"
)
"""Whose somebody is, in other languages: "Esposito, il mio socio"."""
_WHOLE: Final = (_SIGNED, _FAMILY, _HEADER)
"""Where all words with a capital are somebody's."""
_LINE: Final = regex.compile(r"[^\n]+")
_CELL_ENDS: Final = regex.compile(r"\s?[;|\t]\s?|,\s?|\s[-–—>]+\s|\s?[:=]\s")
_BULLET: Final = regex.compile(r"\s*(?:[-*•>]\s*|\|\s*|\d{1,2}[.)]\s*|\[[^\]\n]{1,20}\]\s*)*")
_HEADING: Final = regex.compile(
    r"(?:full ?|first ?|last ?)?(?:names?|sur-?names?|employees?|staff|patients?|pupils?|students?|tenants?|members?|clients?|customers?|guests?|who|persons?|people|kids?|child(?:ren)?|resident|nombre|nom|navn|naam|nome|imię|namn|kunde|mieter|schüler)",
    regex.I,
)
_NO_CELLS: Final = NO_PERSONS | (NOT_SMALL - ALSO_NAMES) | _ORDERS
_CELL: Final = regex.compile(r"\p{L}[\p{L}\p{M}.'’-]*(?:\s\p{L}[\p{L}\p{M}.'’-]*){0,2}")
_RULE: Final = regex.compile(r"[\s|:+-]+")
_SPEAKER: Final = regex.compile(
    r"(?m)^[ \t]{0,8}(?:>\s?)?(?:\[[^\]\n]{1,20}\]\s*|\d\d?[:.]\d\d\s(?:[-–]\s)?)?(?P<x>\p{L}[\p{L}\p{M}'-]{1,14}):\s(?=\S)"
)
_NO_SPEAKERS_TEXT: Final = """
    me i you ich du moi toi yo tú user assistant bot ai q a question answer subject re to from cc
    date note notes ps todo tldr summary title name task input output context example text mail
    email message prompt agenda minutes present cover location time tone edit update
"""
_NO_SPEAKERS: Final = frozenset(_NO_SPEAKERS_TEXT.split())
_STATE: Final = regex.compile(
    r"\s?(?:owes?|owed|paid|hasn't|has|is|was|did|never|always|late|absent|sick|ill|off|out|fired|discharged|quit|left|pregnant|refuses|won't|still|back|needs?|wants?|in (?:hospital|rehab)|suspended|divorc\w+|overdue)\b",
    regex.I,
)
"""What a list says of persons."""
_REAL_NAME: Final = regex.compile(
    rf"{_X}\s\((?:real name|aka|a\.k\.a\.|née|nee|short for|{_WHOSE}\s\p{{Ll}}|we call|he|she|\d{{1,2}}\))"
)


def find_placed(text: str, names: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the places of words that stand where persons stand.

    names: places of what is known to be names; they tell whose column it is. Raises TimeoutError.
    """
    found: set[tuple[int, int]] = set()
    patterns = [*_WHOLE]
    if not is_german(text):
        patterns += [
            _MINE_ABROAD,
            _ARE_KIN,
            _KIN_IS,
            _BESIDE_KIN,
            _OWNS,
            _REAL_NAME,
            _WHO_I,
            _NOTED,
        ]
    for pattern in patterns:
        for match in pattern.finditer(text, timeout=_TIMEOUT):
            for place in match.spans("x"):
                if pattern in _WHOLE or _may_be(text, *place):
                    found.add(place)
    if not is_german(text):
        found.update(_acting(text))
    for match in _SOMEBODYS.finditer(text, timeout=_TIMEOUT):
        word = match["x"].lower()
        if word not in lexicon().entities and (
            word in lexicon().family or word not in lexicon().ordinary
        ):
            found.add(match.span("x"))
    found.update(find_hasty(text))
    found.update(_in_column(text, [*names, *found]))
    found.update(_speakers(text))
    return {(start, end) for start, end in found if not _is_left(text[start:end])}


def is_heading(text: str, start: int, end: int) -> bool:
    """Return whether a word stands in the first row of a table, or after whose head one is."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    rest = text[line_end + 1 :] if line_end >= 0 else ""
    if "|" in line and _RULE.fullmatch(rest.split("\n", 1)[0] or "x"):
        return True
    return (
        regex.search(
            r"\b(?:head|director|chief|vp|department|dept|ministry|minister|board|office|school|faculty) of\s\Z",
            text[max(0, start - _BEFORE) : start],
            regex.I,
        )
        is not None
    )


def _is_left(value: str) -> bool:
    """Return whether none of the words is a name: a word for kin, a day, a greeting."""
    return all(word in NEVER for word in value.lower().split())


def _may_be(text: str, start: int, end: int) -> bool:
    """Return whether a word with a capital may be somebody, by its letters and what leads to it."""
    word = text[start:end]
    small = word.lower()
    if word.isupper() or small in NEVER | FIRST | NO_PERSONS or small in NOT_SMALL - ALSO_NAMES:
        return False
    if small.endswith(("ing", "ly")) or names_matter(word) or small in _ORDERS:
        return False
    return _AFTER_THE.search(text[max(0, start - _BEFORE) : start]) is None


def _acting(text: str) -> Iterator[tuple[int, int]]:
    """Yield who does what persons alone do, and whom "he" or "she" means in what follows."""
    for match in _PERSONAL.finditer(text, timeout=_TIMEOUT):
        if _may_be(text, *match.span("x")):
            yield match.span("x")
    for match in regex.finditer(_X, text, timeout=_TIMEOUT):
        start, end = match.span("x")
        verb = _VERB.match(text, end) is not None
        if not verb and text[start:end].lower() not in lexicon().ordinary:
            verb = _ANY_VERB.match(text, end) is not None
        if not verb or not _may_be(text, start, end):
            continue
        if text[start:end].lower() in ORGANISED:
            continue
        pronoun = _HE_OR_SHE.search(text, end, min(len(text), end + _MOST))
        if pronoun is None:
            continue
        between = text[end : pronoun.start()]
        words = {word.lower() for word in regex.findall(r"\p{L}+", between)}
        if KIN.isdisjoint(words) and not regex.search(r"[\p{Ll},] \p{Lu}\p{Ll}", between):
            yield start, end


def _in_column(text: str, names: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield what stands in a list or table in the column in which others are named."""
    if "\n" not in text:
        return
    known = Places(names)
    rows = [[*_cells(text, *line.span())] for line in _LINE.finditer(text)]
    shapes = [_shape(text, row) for row in rows]
    for at in range(len(rows)):
        if not shapes[at] or (at and shapes[at] == shapes[at - 1]):
            continue  # no table, or the block began before
        last = at
        while last + 1 < len(rows) and shapes[last + 1] == shapes[at]:
            last += 1
        block = rows[at : last + 1]
        if len(block) < 2 or len(block[0]) > _MANY_CELLS:
            continue
        for column in range(min(map(len, block))):
            cells = [row[column] for row in block]
            headed = _HEADING.fullmatch(text[slice(*cells[0])]) is not None
            body = cells[1:] if headed or _is_header(text, block[0]) else cells
            named = any(known.touch(*cell) and _is_cell(text, cell) for cell in body)
            told = column == 0 and all(_is_cell(text, row[0]) for row in block)
            told = told and 2 * sum(_tells(text, row) for row in block) >= len(block)
            if headed or named or told:
                yield from (
                    cell for cell in body if _is_cell(text, cell) and (headed or column == 0)
                )


def _shape(text: str, row: Sequence[tuple[int, int]]) -> str:
    """Return what parts the cells of a row, so that rows of one table have the same; empty: none."""
    if len(row) < 2:
        return ""
    mark = text[row[0][1] : row[1][0]].strip()[:1] or " "
    return f"{mark}{len(row)}" if mark in ";|\t," else mark


def _tells(text: str, row: Sequence[tuple[int, int]]) -> bool:
    """Return whether a row says of its head what is said of persons."""
    head = text[slice(*row[0])].lower()
    return head not in lexicon().entities and _STATE.match(text, row[1][0]) is not None


def _is_header(text: str, row: Sequence[tuple[int, int]]) -> bool:
    """Return whether a row names its columns: one of them is that of names."""
    return any(_HEADING.fullmatch(text[slice(*cell)]) for cell in row)


def _is_cell(text: str, cell: tuple[int, int]) -> bool:
    """Return whether a cell may be a name by its length and its capital."""
    value = text[slice(*cell)]
    if _CELL.fullmatch(value) is None or names_matter(value):
        return False
    words = value.lower().split()
    if any(word in _NO_CELLS for word in words):
        return False
    return value[0].isupper() or len(words) == 1


def _cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the places of the cells of a line, without bullets and blanks."""
    at = _BULLET.match(text, start, end).end()
    while at < end:
        mark = _CELL_ENDS.search(text, at, end)
        stop = mark.start() if mark else end
        while stop > at and text[stop - 1] in " |\r":
            stop -= 1
        if stop > at:
            yield at, stop
        if mark is None:
            return
        at = mark.end()


def _speakers(text: str) -> Iterator[tuple[int, int]]:
    """Yield who speaks in a chat: two labels at least, one of them again or the writer's own."""
    places = [match.span("x") for match in _SPEAKER.finditer(text, timeout=_TIMEOUT)]
    labels = [text[slice(*place)].lower() for place in places]
    if len(labels) < 2 or (len(set(labels)) == len(labels) and "me" not in labels):
        return
    for place, label in zip(places, labels, strict=True):
        if label not in _NO_SPEAKERS and label not in NEVER | NOT_SMALL:
            yield place
