"""Forms of sentences: who speaks in one, and what a question asks for.

Knows strings alone.
"""

import re
from typing import Final

_FIRST_PERSON: Final = re.compile(
    r"\b(?:i|me|my|mine|myself|we|our|ours|ich|mich|mir|meine?[mnrs]?|wir|uns|unsere?[mnrs]?"
    r"|je|j|moi|mon|ma|mes|nous|notre|nos|yo|mi|mis|nuestr[oa]s?|soy|tengo)\b",
    re.IGNORECASE,
)
_HOW_TO: Final = re.compile(
    r"\bhow\s+(?:do|may|might|must|shall)\s+(?:i|we)\b|\b(?:can|could|should|would)\s+(?:i|we)\b"
    r"|\b(?:give|tell|show|help|teach|let|write|explain to)\s+me\b",
    re.IGNORECASE,
)
"""Requests in general words: "how do I …" asks about no one."""
_WHO_I_AM: Final = re.compile(
    r"\b(?:do|did)\s+(?:i|we)\s+(?:like|love|prefer|live|work|own|have|pay|drive|wear|teach|play|go"
    r"|sing|keep|speak|hate|know|want|usually|still|study|eat|put|hide|come)\b",
    re.IGNORECASE,
)
"""But "where do I live" does."""
_LONGEST_FACT_QUESTION: Final = 120
"""Characters; a longer question is a task."""
_ASKER: Final = re.compile(
    r"\b(?:i|me|my|mine|myself|we|our|ours"
    r"|(?:to|with|for|from|of|by|near|beside|above|below|\w+(?:ed|ing)|sold|gave|told|lent|owes?|sent"
    r"|brought|taught|helps?|owns?)\s+(?-i:us))\b",
    re.IGNORECASE,
)
"""Who asks, in the language of the question words below; "the us" is a country."""
_REMIND_ME: Final = re.compile(
    r"\W*(?:(?:hey|hi|hello|ok|okay|please|sorry|btw|quick question)\b\W*)*"
    r"(?:(?:(?:do|can|could|would|will)\s+you\s+)?(?:please\s+|still\s+)?"
    r"(?:remind\s+me|tell\s+me|remember|recall|know)\s+(?:again\s+)?(?:of\s+)?"
    r"|i\s+(?:forgot|forget|(?:can't|cannot|can\s+not|don't|do\s+not)\s+(?:remember|recall))\s+)",
    re.IGNORECASE,
)
"""How one asks again for what one has said; the question itself follows."""
_OF_MINE: Final = re.compile(r"(?:the\s+\w+\s+of\s+)?(?:my|our)\s+\w", re.IGNORECASE)
"""What is asked for after that, without a question word: "my sister's name"."""
_TITLE: Final = re.compile(
    r"\W*who\s+(?:sings?|sang|sung|wrote|writes|plays?|played|said|directed)\b", re.IGNORECASE
)
"""Songs and films speak in the first person: "who sings the song it ain't me"."""
_FACT_QUESTION: Final = re.compile(
    r"\W*(?:(?:and|so|on|in|at|by|of|since|until|from|for|to|with)\s+)*"
    r"(?:who|whose|whom|what|what's|when|where|which|why|do|did|does|is|are|am|was|were|have|has"
    r"|how\s+(?:old|many|much|long|tall|big|far|often|strong|heavy|did))\b",
    re.IGNORECASE,
)
_ADVICE: Final = re.compile(
    r"\b(?:should|shall|can(?!'t|\u2019t|not\b|(?:\s+\w+){1,3}\s+not\b)|could|would"
    r"|why\s+can(?:'t|\u2019t|not)|may|might|best way|good (?:idea|way)|if"
    r"|(?:good|bad|best|safe|healthy) (?:for|to))\b",
    re.IGNORECASE,
)
_OWN: Final = re.compile(
    r"\b(?:my|our|meine?[mnrs]?|unsere?[mnrs]?|mon|ma|mes|notre|nos|mis?|nuestr[oa]s?)\s",
    re.IGNORECASE,
)


class _Language:
    """How one asks for a told fact in one language."""

    def __init__(self, begins: str, asker: str, advice: str) -> None:
        self._begins = re.compile(rf"\W*(?:{begins})\b", re.IGNORECASE)
        self._asker = re.compile(rf"\b(?:{asker})", re.IGNORECASE)
        self._advice = re.compile(rf"\b(?:{advice})\b", re.IGNORECASE)

    def asks(self, question: str) -> bool:
        """Return whether a question is one, in this language."""
        return (
            self._begins.match(question) is not None
            and self._asker.search(question) is not None
            and self._advice.search(question) is None
        )


_ELSEWHERE: Final = {
    "de": _Language(
        r"(?:(?:und|also|seit|ab|bis|an|am|in|im|auf|bei|mit|von|aus|zu|für|gegen|um)\s+)*"
        r"(?:wer|wen|wem|wessen|was|wann|wo|woher|wohin|warum|weshalb|wieso"
        r"|wo(?:r(?:an|auf|über)|für|gegen|mit|nach|vor)"
        r"|wie\s+(?:heiß|hieß|alt|viele?|lange|groß|oft|hoch|teuer|schwer|weit|nenn|war|lautet)\w*"
        r"|welche[mnrs]?|habe?|bin|hei(?:ß|ss)t)",
        r"(?:(?:mich|mir|uns|meine?[mnrs]?|unsere?[mnrs]?)\b"
        r"|(?:habe?|hatte|bin|war|wurde|wohne|lebe|arbeite|heiße|fahre|mag|hasse|kenne|vertrage"
        r"|spiele|studiere|verdiene|zahle|besitze|ziehe|verreise|fliege|heirate)"
        r"\s+(?:ich|wir)\b)",
        r"soll(?:te)?n?|kann|können|könnten?|darf|dürfen|müssen|muss|am besten"
        r"|(?:mach|tu|koch|schenk|schreib|nehm|geb|sag|brauch|back)e? (?:ich|wir)",
    ),
    "fr": _Language(
        r"(?:(?:et|à|de|d'|en|depuis|pour|avec|chez|dans|sur|par)\s*)*"
        r"(?:qui|que|qu'est-ce|quoi|quel(?:le)?s?|quand|où|combien|pourquoi|comment s'appell\w+)",
        r"(?:(?:mon|ma|mes|notre|nos)\b|(?:ai|suis|étais|avais)-je\b|j'(?:ai|habite|étais)\b)",
        r"dois|devrais|peux|puis|pourrais|faut|devons|faire|dire|offrir|cuisiner|signifie",
    ),
    "es": _Language(
        r"(?:(?:y|a|de|en|desde|para|con|por|hasta)\s+)*"
        r"(?:quién(?:es)?|qué|cuál(?:es)?|cuándo|dónde|adónde|cuánt[oa]s?|cómo se llaman?)",
        r"(?:mis?|nuestr[oa]s?|tengo|vivo|trabajo|nací|soy)\b",
        r"debo|debería|puedo|podría|hay que|tengo que|hacer|regalar|cocinar|significa",
    ),
}
"""English stands above by itself."""


def is_first_person(text: str) -> bool:
    """Return whether somebody speaks of themselves."""
    return _FIRST_PERSON.search(text) is not None


def asks_about_self(question: str) -> bool:
    """Return whether the answer may hang on who asks: "my", "our", "where do I live"."""
    how_to = re.match(r"\s*how (?:do|can|should|could|would|might|may)\b", question, re.IGNORECASE)
    if not how_to and _WHO_I_AM.search(question):
        return True
    return is_first_person(_HOW_TO.sub(" ", question))


def names_own(text: str) -> bool:
    """Return whether something is called one's own: "my knee"."""
    return _OWN.search(text) is not None


def language_of_question(question: str) -> str:
    """Return the language in which a question asks for a told fact; empty: English, or none."""
    return next((name for name, each in _ELSEWHERE.items() if each.asks(question)), "")


def without_reminder(question: str) -> tuple[str, bool]:
    """Return what follows on "do you remember", and whether that is something of one's own."""
    reminded = _REMIND_ME.match(question)
    if reminded is None:
        return question, False
    asked = question[reminded.end() :]
    return asked, _OF_MINE.match(asked) is not None


def asks_for_told_fact(question: str) -> bool:
    """Return whether a short question asks what is so with the person, and not what to do."""
    if len(question) > _LONGEST_FACT_QUESTION or _TITLE.match(question):
        return False
    if language_of_question(question):
        return True
    asked, of_mine = without_reminder(question)
    return (
        (of_mine or _FACT_QUESTION.match(asked) is not None)
        and _ADVICE.search(asked) is None
        and _ASKER.search(_HOW_TO.sub(" ", asked)) is not None
    )
