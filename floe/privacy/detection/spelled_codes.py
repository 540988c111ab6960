"""What opens a door, said aloud: "three, then nine twice, then zero", "capital M, a, r, m, o, t".

Words for digits or single letters, three or more, behind a word for a code. Finds no other codes.
"""

from collections.abc import Iterator
from typing import Final

from floe.privacy.detection.identifiers import SPOKEN_DIGIT
from floe.privacy.detection.rules import Sign, compiled, sign_of

_PART: Final = (
    rf"(?: (?:the \s)? (?: {SPOKEN_DIGIT} (?: s \b)? | \d | \p{{L}} | hash | star | pound | exclamation | question | full \s stop | dot | dash )"
    r" (?! [\p{L}\d] ) (?: \s (?: key | sign | mark | once | twice | thrice | (?: two | three ) \s times ) )? )"
)
_CAPITAL: Final = r"(?: (?: an? \s )? (?: capital | upper \s? case | lower \s? case | small ) \s )?"
_BETWEEN: Final = r"(?: [ ]? , [ ]? | [ ] ) (?: (?: and \s )? then \s | and \s )? (?: an? \s )?"
_SAID: Final = compiled(
    r"\b (?: pins? | pass \s? (?: code | word | phrase )s? | pw | pwd"
    r"   | (?: my | our | his | her | their | the ) \s (?: [\w'-]+ \s ){0,2} (?: code | combination | combo )"
    r"     \s (?: for | to | of | on | at ) \s (?: my | our | his | her | their | the )"
    r"   | (?: door | gate | alarm | safe | lock | locker | phone | house | garage | entry | building | flat ) \s (?: code | combination ) )"
    r" \b [^.?!\n]{0,40}? (?: \b (?: is | are ) | [:=] ) \s"
    rf" (?P<x> {_CAPITAL} {_PART} (?: {_BETWEEN} {_CAPITAL} {_PART} ){{2,20}} ) (?! \w )"
)


def find_spelled_codes(text: str) -> Iterator[Sign]:
    """Yield codes that are said digit by digit or letter by letter. Raises TimeoutError."""
    for match in _SAID.finditer(text, timeout=1.0):
        yield sign_of(match, "x", "password", 0.85)
