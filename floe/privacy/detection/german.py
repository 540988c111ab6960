"""German nouns, whose capitals look like those of names: a dictionary, and compounds of its words.

The words are of the German Wiktionary; see `training/german.py`. A surname that is none of them may
still be put together like one ("Lindner", "Steinbach"), so that the usual ends of surnames are no
ends of a noun that the dictionary does not have. Knows neither names nor the verdict.
"""

import gzip
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import regex

FILE: Final = Path(__file__).with_name("german.txt.gz")
SHORTEST: Final = 4
"""Letters of a noun, and of the last part of a compound."""
SHORTEST_FIRST: Final = 3
"""Letters of what stands before it."""
_SURE_FIRST: Final = 5
"""Letters of a noun that may stand before any other."""
_PARTS: Final = 3
_OF_SURNAMES: Final = (
    *("bach", "bauer", "baum", "beck", "becker", "berg", "berger", "brand", "brink", "burg"),
    *("busch", "dorf", "dorfer", "egger", "feld", "graf", "hardt", "hauer", "haus", "hausen"),
    *("hof", "hofer", "hoff", "holz", "horst", "kamp", "kopf", "macher", "maier", "mann", "mark"),
    *("mayer", "meier", "meyer", "müller", "rath", "reich", "schmidt", "stein", "stock", "strom"),
    *("thal", "vogel", "wald"),
)
_GERMAN: Final = regex.compile(
    r"(?<![\p{L}'-])(?:aber|als|am|auf|aus|bei|beim|bin|bitte|das|dass|dein|deine|dem|den|der|des|dich|die|dir|du|durch|ein|eine|einem|einen|einer|eines|er|es|gegen|gibt|hab|habe|haben|hat|ich|im|ist|kann|kannst|mein|meine|meinem|meinen|meiner|mich|mir|mit|nach|nicht|ob|obwohl|oder|ohne|schon|sich|sie|sind|soll|über|um|und|uns|vom|von|vor|wann|war|warum|was|welche|welchem|welchen|welcher|welches|wem|wen|wenn|wer|wie|wieso|wieviel|wir|wird|wo|woher|woran|worauf|wurde|zu|zum|zur|zwischen|für)(?![\p{L}'-])",
    regex.I,
)
_OTHER: Final = regex.compile(
    r"(?<![\p{L}'-])(?:a|an|and|are|at|do|does|for|from|has|have|he|how|i|i'm|is|it|my|not|of|on|she|that|the|their|they|this|to|what|who|why|with|you|your|de|het|een|van|niet|ik|je|mijn|hoe|wat|og|jeg|på|hvad|hvordan|att|och|jag|hur|för)(?![\p{L}'-])",
    regex.I,
)
_PREFIX: Final = 2_000
"""Characters that show the language of a text."""


class Nouns(NamedTuple):
    """Nouns that are no compound of the others, and what stands first and last in compounds."""

    whole: frozenset[str]
    first: frozenset[str]
    last: frozenset[str]


@cache
def _nouns() -> Nouns:
    """Return nouns in all their forms, and the parts of compounds, in small letters."""
    data = gzip.decompress(FILE.read_bytes()).decode()
    return Nouns(*(frozenset(section.split()) for section in data.split("\n\n")))


@lru_cache(maxsize=4)
def is_german(text: str) -> bool:
    """Return whether more small words of a text are German than of its neighbours.

    Remembered, as each name of a text asks.
    """
    start = text[:_PREFIX]
    german = sum(1 for _ in _GERMAN.finditer(start, timeout=1.0))
    return german > 0 and german > sum(1 for _ in _OTHER.finditer(start, timeout=1.0))


@lru_cache(maxsize=4_096)
def is_noun(word: str) -> bool:
    """Return whether a word in small letters is a German noun, or a compound of some."""
    known = _nouns()
    return word in known.whole or word in known.last or is_compound(word, known)


def is_compound(word: str, known: Nouns, parts: int = _PARTS) -> bool:
    """Return whether a word is put together from at most `parts` of what is known."""
    if parts < 2 or word.endswith(_OF_SURNAMES):
        return False
    for at in range(SHORTEST_FIRST, len(word) - SHORTEST + 1):
        first, last = word[:at], word[at:]
        sure = len(first) >= _SURE_FIRST and (first in known.whole or first in known.last)
        if (sure or first in known.first) and (
            last in known.last or is_compound(last, known, parts - 1)
        ):
            return True
    return False
