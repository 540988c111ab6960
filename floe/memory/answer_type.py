"""What kind of thing a question asks for, and whether a told sentence has a phrase of that kind.

The expected answer type of question answering (Li and Roth 2002, "Learning Question Classifiers"),
for the question words of English: "when" wants a time, "where" a place, "who" somebody; any of them
wants something that the question does not say itself. "Which school does our son go to?" is not
answered by "Our son has no school on Friday.": beside the question's own words that has only a day.
Knows strings alone.
"""

import re
from typing import Final

from floe.memory.question_forms import language_of_question, without_reminder
from floe.privacy.content_words import content_words

_TIME_NOUN: Final = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july"
    r"|august|september|october|november|december|jan|feb|apr|aug|sept?|oct|nov|dec|easter"
    r"|christmas|pentecost|new\s+year|seconds?|minutes?|hours?|days?|nights?|weeks?|weekends?"
    r"|fortnights?|months?|years?|decades?|spring|summers?|autumn|winters?|mornings?|afternoons?"
    r"|evenings?|noon|midday|midnight|breakfast|lunch(?:time)?|dinner|supper|bedtime|term|season"
    r"|birthday|o['\u2019]clock|a\.?m|p\.?m|times?|moment|while|childhood)"
)
_TIME_ADVERB: Final = (
    r"(?:yesterday|today|tonight|tomorrow|always|never|daily|weekly|monthly|yearly|nightly|soon"
    r"|recently|lately|once|twice|early|late|again|already|still|nowadays|often|sometimes|usually"
    r"|ago|since|until|till|before|after|during)"
)
_COUNT: Final = (
    r"(?:\d[\d.:,]*(?:st|nd|rd|th)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|twenty|thirty|half|quarter|past|first|second|third|fourth|fifth|few|couple|several)"
)
_WHICH_TIME: Final = rf"(?:{_COUNT}|the|this|that|last|next|every|each|other|same|whole|end|of|all)"
_TIME_PHRASE: Final = re.compile(
    rf"\b(?:(?:in|on|at|for|by|from|to|of|about|around|until|since|during|before|after|over)\s+)?"
    rf"(?:{_WHICH_TIME}[\s-]+)*{_TIME_NOUN}(?:\s+(?:of\s+)?\d+)?(?:\s+(?:ago|of\s+the))?\b"
    rf"|\b(?:(?:in|since|until|by)\s+)?(?:1[6-9]|20)\d\d\b"
    rf"|\bat\s+(?:{_COUNT}[\s-]*)+\b|\b{_TIME_ADVERB}\b",
    re.IGNORECASE,
)
"""A time as sentences of everyday life tell it: "every other week", "in August", "at eight"."""
_HAS_TIME: Final = re.compile(
    rf"\b(?:{_TIME_NOUN}|{_TIME_ADVERB}|when|{_COUNT}(?<!\ba)(?<!\ban)(?<!\bone))\b|\d",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(
    r"\b(?:in|at|on|onto|to|into|near|behind|under|underneath|above|below|beneath|beside|beyond|by"
    r"|next\s+to|opposite|outside|inside|between|over|around|across|off|through|along|against"
    r"|from|among|past|up|down)\s+(?:(?:the|an?|my|our|his|her|their|its|this|that|your)\s+)?"
    r"([^\W\d_][\w-]*)|\b(abroad|upstairs|downstairs|here|there|home|everywhere|nowhere|next\s+door"
    r"|overseas|north|south|east|west|nearby)\b",
    re.IGNORECASE,
)
_PERSON: Final = re.compile(
    r"\b(?:\w+(?:er|or|ist|ian|ant|man|men|woman|women|person|boy|girl|mate|kin|folk)s?"
    r"|mum|mom|dad|parents?|sons?|wife|husband|partner|aunts?|uncles?|cousins?|niece|nephew|twins?"
    r"|child(?:ren)?|kids?|friends?|boss|chef|vet|nurse|clerk|nanny|guide|lady|guy|couple|people"
    r"|somebody|someone|nobody|noone|myself|ourselves|alone|colleagues?|team|company|firm|family"
    r"|neighbou?rs?|students?|monk|nun|priest|king|queen|judge|cook|coach|au\s+pair|agency|bank"
    r"|school|club|lot)\b",
    re.IGNORECASE,
)
_COLOUR: Final = re.compile(
    r"\b(?:red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ae]y|beige|cream"
    r"|gold(?:en)?|silver|navy|turquoise|teal|mint|lilac|lavender|maroon|burgundy|crimson|scarlet"
    r"|magenta|magnolia|terracotta|olive|ochre|mustard|ivory|khaki|indigo|bronze|copper|pale|dark"
    r"|light|bright|colou?r(?:ed|less)?|ginger|blond\w*|brunette|auburn|hazel|tabby|striped"
    r"|spotted|\w+ish|\w+-colou?red)\b",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"(?<![\w'\u2019-])[A-Z\u00c0-\u00de][\w'\u2019-]*")
_NAMED_OWN: Final = re.compile(
    r"\b([Mm]y|[Oo]ur)\s+([a-z][\w-]*),?\s+[A-Z\u00c0-\u00de][\w'\u2019-]*,?"
)
"""Somebody with a name, "my brother Ansel": the name is no place and no choice."""
_BEFORE: Final = r"\W*(?:(?:and|so|on|in|at|by|of|since|until|from|for|to|with)\s+)*"
_ASKS: Final = tuple(
    (name, re.compile(_BEFORE + form, re.IGNORECASE))
    for name, form in (
        (
            "time",
            r"(?:when|how\s+(?:long|often)|(?:what|which)\s+(?:time|day|date|week|month|year|season))\b",
        ),
        ("place", r"where\b(?!['\u2019]?s?\s+the\s+catch)"),
        ("person", r"(?:who|whom|whose)\b"),
        ("colour", r"(?:what|which)\s+colou?r\b"),
        ("thing", r"(?:what|which|how\s+(?:do|did|does)|why)\b"),
    )
)
_HAS: Final = {"place": _PLACE, "person": _PERSON, "colour": _COLOUR}
_LEAST_ALIKE: Final = 4
"""Letters with which one of two words goes on from the other, as forms of one word do."""


def has_what_is_asked(question: str, fact: str) -> bool:
    """Return whether a fact has a phrase of the kind that an English question asks for.

    True for what this knows no kind of: yes or no, numbers, other languages.
    """
    asked = without_reminder(question)[0]
    kind = next((name for name, form in _ASKS if form.match(asked)), "")
    if not kind or language_of_question(question):
        return True
    told = fact if kind == "person" else _NAMED_OWN.sub(r"\1 \2", fact)
    if kind == "time":
        return any(each.casefold() not in asked.casefold() for each in _matches(_HAS_TIME, told))
    left = _TIME_PHRASE.sub(" ", told)
    new = _beyond(asked, left)
    if kind == "thing":
        return bool(new)
    if kind in ("place", "person") and _has_name(left, asked):
        return True
    return any(_is_new(each, new) for each in _matches(_HAS[kind], left))


def _matches(form: re.Pattern[str], text: str) -> list[str]:
    return [each[0] for each in form.finditer(text)]


def _beyond(question: str, told: str) -> list[str]:
    """Return the words with a meaning in what was told that are in no form in the question."""
    asked = content_words(question)
    return [
        word for word in content_words(told) if not any(_is_form_of(word, each) for each in asked)
    ]


def _is_new(found: str, new: list[str]) -> bool:
    words = content_words(found)
    return not words or any(word in new for word in words)


def _is_form_of(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    forms = {short, *(short + ending for ending in ("s", "d", "es", "ed", "n", "en", "ing"))}
    if long in forms or long == short[:-1] + "ing":
        return True
    stem = short.removesuffix("s").removesuffix("ed").removesuffix("ing").removesuffix("e")
    return len(stem) >= _LEAST_ALIKE and long.startswith(stem)


def _has_name(told: str, question: str) -> bool:
    """Return whether a name is told that the question has not; in small letters any word may be."""
    if not re.search(r"[A-Z\u00c0-\u00de]", re.sub(r"\bI\b|^\W*\w", "", told)) and not re.match(
        r"\W*[A-Z\u00c0-\u00de]", told
    ):
        return True
    asked = question.casefold()
    return any(
        content_words(each) and each.casefold().removesuffix("'s") not in asked
        for each in _matches(_NAME, told)
    )
