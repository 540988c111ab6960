"""Persons in small letters by their place: "fell out w ness", "told ty but", "my mate gaz hes".

After a title or a word for kin, before what persons alone do, and as whom hasty writing deals with,
a word is a name whatever it is otherwise, unless it is a function word. Decides nothing; knows words
and places, neither verdict nor classifier.
"""

from collections.abc import Iterator
from typing import Final

import regex

from floe.privacy.detection.likely_words import ABROAD, KIN, NO_PERSONS, NOT_SMALL, SHORT_WORDS
from floe.privacy.detection.names import lexicon
from floe.privacy.detection.world import names_matter

_TIMEOUT: Final = 1.0
_SHORT: Final = 4
"""Letters of a nickname that some language has as a word: "mo", "gaz"."""
KIN_WORD: Final = "|".join(
    sorted(map(regex.escape, KIN - {"man", "ma", "mor", "far"}), key=len, reverse=True)
)
DOES: Final = (
    r"(?:(?:just |also |never |already |always |still |then |finally |secretly )?(?:told|texted|messaged|phoned|owes|owed|cheated|lied|promised|refuses|refused|confessed|admitted|apologi[sz]ed|proposed|drinks|gambles|overdosed|relapsed|miscarried|dumped|ghosted|kissed|cried|begged|threatened|slept with|beats|hates|says|said|thinks|"
    r"moved (?:in|out|away|back)|moves (?:in|out)|is moving|came (?:out|round|over|home|into)|comes (?:out|round|over|home|into)|ran (?:off|away)|passed away|died|walked out|broke up|split up|got (?:fired|sacked|pregnant|drunk|arrested|married|divorced|caught|expelled|evicted)"
    r"|(?:is|was|'s) (?:pregnant|expecting|divorc\w+|drunk|drinking|cheating|dating|gay|trans|bi|suicidal|depressed|married|engaged|\d{1,2}\b(?! ?%)|my|our|his|her|seeing|sleeping with|lying|in (?:love|jail|prison|rehab|hospital)|out of (?:jail|prison|rehab)|threatening|stealing|having an affair)|hit (?:me|him|her|us)|has (?:cancer|hiv|been (?:fired|sacked|arrested))"
    r"|knows? (?:about|that|who)|found out|wants (?:me|us|him|her|custody|kids|a divorce|to)|doesn't (?:know|want|speak)|didn't (?:know|tell)|won't (?:speak|talk|tell|see|take)|(?:can|could) (?:not|n't) (?:forgive|sleep)|left (?:me|him|her|us|his|my)|loves|misses|blames|thought|asked|touched|raped|stole|punched|slapped)(?!\w))"
)
"""What persons alone do, and what is said of them alone."""
_THINGS_TEXT: Final = """
    hope faith joy love peace honor justice chance grace mercy may will march april june august
    summer winter autumn rain snow sunny rich major royal story song melody dream rose lily daisy
    wine rum brandy coco pepper ginger basil sage rice art dance lake river sky star france paris
    london china india asia america texas florence victoria carolina dakota georgia jordan israel
    early late sun moon spring angel saint prince princess king queen duke baron earl rabbit
    grant mark bill cash penny pound bond frank earnest patience trust glory
"""
_ALSO_THINGS: Final = frozenset(_THINGS_TEXT.split())
"""First names that are more often things that one pays, loves or lives with."""
_NO_NAMES: Final = NOT_SMALL | NO_PERSONS | SHORT_WORDS | ABROAD
_SMALL_ONE: Final = r"(?P<x>\p{Ll}{2,10})"
_DEALT_WITH: Final = regex.compile(
    rf"(?<![\w'])(?:me (?:and|n|&)|(?:fell out|fallen out|fall out|broke up|break up|split up|made up|slept|sleeping|went out|going out|hooked up|living|moved in|moving in|engaged|married|pregnant by|in love) (?:with|w|to)|cheat(?:ed|ing)? on|crush on|apologi[sz]e to|split from|dumped by|back (?:with|w))\s{_SMALL_ONE}(?![\w'-]|\s\p{{Ll}}+ing\b)"
    rf"|(?<![\w'])(?:to|w|with|from|for|about|bout|over|tell|told|text|texted|ask|asked|call|called|meet|see|on|by)\s{_SMALL_ONE}(?=,\s(?:his|her)\b|,?\s(?:he|she|hes|shes|he's|she's|who)\b)"
    rf"|(?<![\w'])(?:tell|told|ask|asked|text|texted)\s(?P<x>\p{{Ll}}{{2,4}})(?=\s(?:but|that|im|i'm|about|bout|if|to|not|what|how|why|when|i|where|or|is|cos)\b)"
    rf"|(?:\A|[.!?,;:\n\"]\s{{0,3}}|\b(?:and|but|that|because|if|think|since|cos)\s){_SMALL_ONE}(?=\s(?:punched|kicked|slapped|bit (?:me|him|her|us|my|our|a|the)|raped|stabbed|stole|overdosed|relapsed|miscarried|dumped|is on meds|is on the (?:pill|run)|got (?:fired|sacked|pregnant|arrested|expelled|evicted)|is in (?:rehab|jail|prison|hospital|love)|came out to|slept with|cheated|moved (?:in|out))\b)"
    rf"|(?:\A|[.!?;:\n\"]\s{{0,3}}){_SMALL_ONE}(?=\s(?:and|n|&)\s(?:i|me)\b)"
)
"""Whom hasty writing deals with: "fell out w ness", "told ty but"."""
_DEALT_GIVEN: Final = regex.compile(
    r"(?<![\w'])(?:owes?|owed|paid|pay|lent|lend|gave|kissed|invited|blocked|dumped|fired|hates?|loves?|likes?|misses|trusts?|met|texted|tell|told|ask|asked|with|from|marry|married|dating)\s(?P<x>\p{Ll}{2,10})(?=\s(?:\d+|and|n|but|that|to|about|if|my|the|a|at|back|so|she|he|is|was)\b|\s?[,.!?;)]|\s*\Z)"
)
"""Whom one deals with: a first name that is also a word, "owes bob 30"."""
_KIN_ABROAD: Final = regex.compile(
    rf"(?<![\w'])(?:mijn|meine?|ma|mon|mi|mia|mio|meu|minha|min|mit|moj[aą]?|mój|seine?|ihre?|sa|son|su|zijn|haar|hans|hennes)\s(?:{KIN_WORD})\s{_SMALL_ONE}(?=\s(?:is|ist|hat|war|heeft|had|est|a|es|está|tiene|ha|è|tem|está|é|er|har|är|jest|ma|me|mich|mir|nie|ne|no|niet|ikke|inte|und|et|y|e|en|og|och|i)\b)"
)
_TITLED: Final = regex.compile(
    r"\b(?:mr|mrs|ms|mme|mlle|frau|herrn?|señora?|señor|sra|signora?|meneer|mevrouw|dr)\.?\s(?P<x>\p{Ll}[\p{Ll}\p{M}'-]+)(?:\s(?:and|n|&)\s(?:mr|mrs|ms|dr)\.?\s(?P<x>\p{Ll}+))?(?![\w@])"
)
_SMALL_KIN: Final = regex.compile(
    rf"(?<![\p{{L}}'-])(?:{KIN_WORD})(?:e?s)?(?:[- ]in[- ]law)?,?\s(?P<x>\p{{Ll}}{{2,10}})(?=\s(?P<next>{DOES}|is|was|has|hes|shes|he's|she's|he|she|keeps|got|never|wont|won't|cant|can't|didnt|and|n)(?!\w)|'s\s)"
)
_SMALL_DOES: Final = regex.compile(
    r"\s(?:told (?:me|her|him|us|my)|texted|owes|owed|came out|moved (?:in|out)|(?:is|was) (?:pregnant|gay|trans|drinking|cheating|dating|suicidal)|cheated|hates (?:me|her|him)|hit (?:me|her|him)|says|said|slept with|hes|shes|he's|she's)(?!\w)"
)


def find_hasty(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places of who stands in small letters where persons stand. Raises TimeoutError."""
    for match in _TITLED.finditer(text, timeout=_TIMEOUT):
        for start, end in match.spans("x"):
            if text[start:end] not in NOT_SMALL | NO_PERSONS and end - start > 1:
                yield start, end
    for match in _KIN_ABROAD.finditer(text, timeout=_TIMEOUT):
        if match["x"] not in _NO_NAMES:
            yield match.span("x")
    if text.isascii():
        yield from _in_english(text)


def _in_english(text: str) -> Iterator[tuple[int, int]]:
    """Yield whom hasty writing deals with, and who stands between a word for kin and a verb."""
    for match in _DEALT_WITH.finditer(text, timeout=_TIMEOUT):
        word = match["x"]
        left = word in _NO_NAMES or word.removesuffix("s") in _NO_NAMES
        if not left and not word.endswith(("ing", "ly")) and not names_matter(word):
            yield match.span("x")
    for match in _DEALT_GIVEN.finditer(text, timeout=_TIMEOUT):
        word = match["x"]
        if word in lexicon().given and word not in _NO_NAMES and word not in _ALSO_THINGS:
            yield match.span("x")
    for match in _SMALL_KIN.finditer(text, timeout=_TIMEOUT):
        word = match["x"]
        if word in _NO_NAMES or word.endswith(("ing", "ed", "ly")) or names_matter(word):
            continue
        if regex.fullmatch(DOES, word) is None and (
            len(word) <= _SHORT
            or word in lexicon().given
            or _SMALL_DOES.match(text, match.end("x"))
        ):
            yield match.span("x")
