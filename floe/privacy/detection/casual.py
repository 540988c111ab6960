"""Persons in hasty writing, where neither a capital nor an apostrophe shows them.

Who says, wants, owes or cannot do something at the beginning of a clause is somebody; so is whose
cat, car or birthday it is. Knows words alone, neither the classifier nor the verdict.
"""

from collections.abc import Iterator
from typing import Final

import regex

from floe.privacy.detection.names import Name, lexicon
from floe.privacy.detection.vocabulary import listed
from floe.privacy.lexicon import ALSO_WORDS

_TIMEOUT: Final = 1.0
_KIN: Final = listed("kin") | {"gran", "sis", "bro", "mate", "gran's", "pal", "bloke", "dog", "cat"}
_PARTICIPLES: Final = frozenset(
    ("off", "out", "for", "back", "the", "and", "that", "names", "when", "him", "her", "them")
)
"""What follows "called" and is no name."""
_DOES: Final = (
    r"(?:can'?t|won'?t|does ?n'?t|did ?n'?t|is ?n'?t|was ?n'?t|has ?n'?t|had ?n'?t|would ?n'?t|never|always|still|keeps|kept|said|says|told|thinks|wants|wanted|asked|texted|phoned|messaged|promised|claims|invited|borrowed|owes|owed|paid|lied|cried|hates|forgot|quit|cheated"
    r"|moved (?:in|out|away|to)|is (?:back|late|sick|ill|coming|leaving|pregnant|drunk|angry|mad|upset|here|home|gone|sad|not|so|getting)|was (?:late|drunk|sick|mad|here|fired|so)|got (?:fired|drunk|sick|hurt|married|caught|divorced))"
)
_CLAUSE: Final = regex.compile(
    rf"(?:\A|[.!?,;:\n]\s*|\b(?:and|but|that|because|if|since|so|now)\s)(?P<x>\p{{Ll}}{{3,}})\s{_DOES}\b",
)
_WHOSE: Final = regex.compile(
    r"(?<![\w@/.#'-])(?P<x>\p{Ll}{3,})s\s(?:cat|dog|pet|kids?|mum|mom|dad|house|place|flat|party|birthday|car|bike|wedding|funeral|phone|number|keys|wife|husband|room|baby|son|daughter|boyfriend|girlfriend|parents|sister|brother|teacher|boss|surgery|shift|rent)\b",
)
_WITH_WHOM: Final = regex.compile(
    r"\b(?:apologi[sz]e to|say sorry to|(?:make|made|break|broke|split) up with|(?:go|going|went) out with|(?:in love|sleeping|slept|fell out|fallen out|arguing|cheating|cheated) with|crush on|jealous of)\s(?P<x>\p{Ll}{3,})(?:\s(?:and|n|&)\s(?P<x>\p{Ll}{3,}))?\b"
)
_CALLED: Final = regex.compile(
    r"\b(?P<kin>\p{Ll}+)(?:'s| is|s)? (?:called|named) (?P<x>\p{Ll}{3,})(?=\s(?:and|is|but|has|says)|\W*\Z|[.,;!?])"
)


def dealt_with(text: str) -> Iterator[Name]:
    """Yield the persons of clauses in small letters: a given name, or at its head a word of no list.

    Raises TimeoutError.
    """
    known = lexicon()
    for found in _CLAUSE.finditer(text, timeout=_TIMEOUT):
        word = found["x"]
        if word in known.ordinary or word in known.entities or word in ALSO_WORDS:
            continue
        yield Name(found.start("x"), found.end("x"), "given")
    for found in _WITH_WHOM.finditer(text, timeout=_TIMEOUT):
        for start, end in found.spans("x"):
            word = text[start:end]
            if word not in known.ordinary and word not in known.entities:
                yield Name(start, end, "given")
    for found in _CALLED.finditer(text, timeout=_TIMEOUT):
        if found["kin"] in _KIN and found["x"] not in _PARTICIPLES:
            yield Name(found.start("x"), found.end("x"), "given")
    for found in _WHOSE.finditer(text, timeout=_TIMEOUT):
        word = found["x"]
        if word in known.given and word not in known.ordinary and word not in known.entities:
            yield Name(found.start("x"), found.end("x"), "given")
