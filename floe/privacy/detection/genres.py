"""What sort of text it is that tells of nobody's own life: a sum, a story, a report.

By words and layout alone; whoever speaks of themselves writes none of them. Knows neither the
classifier nor what follows.
"""

from collections.abc import Sequence
from typing import Final, Literal

import regex

from floe.privacy.detection.courtesy import core
from floe.privacy.detection.names import Name
from floe.privacy.detection.statements import sets_task
from floe.privacy.detection.vocabulary import listed

Genre = Literal["", "sum", "fiction", "report", "passage", "exercise", "work", "look-up"]
"""Empty: none of these. `sum`: an exercise about counts of invented people; `fiction`: a role to
play, or a story to write; `report`: what newspapers print; `passage`: a task on a text in which
nobody speaks of themselves, as encyclopaedias are written; `exercise`, `work`, `look-up`: see `frames`."""

_TIMEOUT: Final = 1.0
_SEVERAL: Final = 2
_TASK: Final = 120
"""Characters at the beginning in which a task says what it is for."""
_REPORT: Final = 200
"""Characters; what is shorter is a message."""
_LONG: Final = 500
_PASSAGE: Final = 300
_ME: Final = regex.compile(
    r"\b(?:tell|give|show|write|list|provide|help|find|get) (?:me|us)\b", regex.I
)
"""Whoever sets a task says this, and nothing of themselves."""
_KIN: Final = listed("kin")
_SENTENCE_END: Final = regex.compile(r"[.!?](?=\s|\Z)|\n")
_SPEAKER: Final = regex.compile(
    r"\b(?:i|i'm|im|i've|ive|i'd|i'll|my|me|mine|we|we're|our|us|ours)\b", regex.I
)
_OWN_LIFE: Final = regex.compile(
    r"\b(?:my|our|mein\w*|unser\w*|mon|ma|mes|mi|mis|mio|mia|meu|minha|mijn|moj\w)\s(?:[\w-]+\s){0,2}?(?P<kin>\p{Ll}+)\b",
    regex.I,
)
_SUM_ASKS: Final = regex.compile(
    r"\b(?:how (?:many|much|old|far|long|tall|big|heavy|fast|high|wide|large|deep)|what (?:is|was|will be|are|percent\w*|fraction)"
    r"|who (?:is|was) (?:older|taller|faster|richer|the (?:oldest|tallest|youngest)|\p{L}+'s \p{L}+)|find|calculate|compute|determine)\b[^.!?]*\Z",
    regex.I,
)
_SHOWS: Final = regex.compile(
    r"\W*(?:please )?(?:explain|show|give|answer|think|reason|let's think|write|round|express)\b",
    regex.I,
)
"""How the answer to a sum shall look."""
_COUNT: Final = regex.compile(
    r"\d+|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty|hundred|half|twice|thrice|double|triple|third|quarter|dozens?)\b",
    regex.I,
)
_FICTION: Final = regex.compile(
    r"\b(?:stor(?:y|ies)|tale|novel|characters?|protagonist|villain|hero(?:ine)?|scene|screenplay|script|sketch|sitcom|fan ?fiction|fiction\w*"
    r"|role-?play|dungeon|quest|plot|monologue|fable|legend|myth|thriller|comedy|limerick|riddle|tongue[- ]twister|dragons?|wizards?|witch|fairy|elf|elves|orcs?|goblins?|unicorns?|mermaids?|vampires?|werewol(?:f|ves)|starship|spaceship)\b",
    regex.I,
)
_OPENS_FICTION: Final = regex.compile(
    r"\W*(?:(?:an?|the|another|one)\s)?(?:(?:[\w'-]+)\s){0,4}?(?:jokes?|limericks?|riddles?|fables?|scripts?|stor(?:y|ies)|scene|screenplay|fan ?fic(?:tion)?|tale|episode|sketch|crossover|monologue)\s"
    r"(?:of|about|where|in which|with|for|featuring|between|set)\b",
    regex.I,
)
"""A story that is asked for without a verb: "A short script where …"."""
_SAID_TO_BE: Final = regex.compile(
    r"\b(?:fictitious|fictional|made[- ]up|imaginary|invented|fan ?fic(?:tion)?|fictícia|fiktive\w*|ficticia|inventat\w)\b",
    regex.I,
)
_STORY_ABROAD: Final = regex.compile(
    r"\W*(?:(?:\p{L}+[,!]?\s){0,3}?(?:schreib\w*|erzähl\w*|écri\w*|raconte\w*|escrib\w+|escrev\w+|cuénta\w*|conte|scriv\w+|raccont\w+|napisz|opowiedz|напиши\w*|придумай\w*|сочини\w*|vymysli|napiš|skriv|schrijf|yaz|viết)\s"
    r"(?:\p{L}+\s){0,4}?(?:\p{L}*geschichte|märchen|erzählung|fabel|witz|sketch|dialog|histoire|conte|roman|nouvelle|cuento|historia|novela|relato|história|conto|storia|racconto|favola|fábula|fable|dialogue|diálogo|dialogo|romanzo|opowiadanie|opowieść|bajkę|prozy|истори[юи]|рассказ|сказк[уи]|сценари[йя]|příběh|povídku|verhaal|saga|historie|eventyr|fabel|berättelse|hikâye|truyện)(?!\p{L})"
    r"|.{0,20}(?:写|編|编|書いて|쓰|써).{0,12}(?:故事|小说|小說|剧本|物語|小説|이야기|소설))",
    regex.I,
)
_ROLE: Final = regex.compile(
    r"\W*(?:role[- ]?play(?:ing)?\s?[:,-]\s*)?(?:(?:you are|you're|you will be)\s(?:now\s|playing\s)?(?:an?\b|called|named|(?-i:\p{Lu})\w*)|act as|act like|assume the role|adopt the (?:role|persona)|pretend|imagine|let's (?:role[- ]?play|pretend|play)|be (?:my|an?|the|our|(?-i:\p{Lu}\p{Ll}+))\s(?!witness\b|lawyer\b)(?:[\w'-]+\s?){1,4}(?=[.,!\n]|\sand\b|(?<=\s)and\b|\Z)|take the role|play the role|speak as|respond as)\b",
    regex.I,
)
_PRINTED: Final = regex.compile(
    r"\b(?P<x>reuters|cnn|bbc|associated press|\(ap\)|afp|new york times|washington post|wall street journal|politico|usa today|fox news|bloomberg|daily mail|sky news"
    r"|(?:he|she|they|police|officials|prosecutors|analysts|dealers|spokes\w+|\p{Lu}\p{L}+) (?:said|says|told|added|reported|reports)"
    r"|said (?:on|in|the|that|he|she|it)|told (?:reporters|the|bbc)|according to|(?:on|last|late|early) (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
    r"|news article|articles?:|summarize this document|following summary|headlines?)\b",
    regex.I,
)
_CODE_MARK: Final = regex.compile(r"[{}()\[\];=<>_]")
_CODE_DENSITY: Final = 20
"""Characters for each mark of code, at most."""
_KEYWORD: Final = regex.compile(
    r"\b(?:def|return|import|from|class|function|func|fn|var|let|const|public|private|static|void|int|float|double|string|bool|print|printf|println"
    r"|console|select|where|join|group by|insert|elif|else|endif|foreach|while|async|await|lambda|self|this|null|none|true|false|include|using|namespace"
    r"|struct|enum|global|clear|close|plot|zeros|len|range|append|push|assert|throw|except|catch|try)\b",
    regex.I,
)
_MINE: Final = regex.compile(r"\b(?:my|our|mein\w*|mon|ma|mi)\s", regex.I)
_QUOTED: Final = regex.compile(r"\"[^\"]{0,600}\"|``.*?''")


def genre_of(text: str, names: Sequence[Name]) -> Genre:
    """Return the genre of a text that tells of nobody's own life, "" if it may do so."""
    if any(found["kin"].lower() in _KIN for found in _OWN_LIFE.finditer(text, timeout=_TIMEOUT)):
        return ""
    if _is_sum(text, names):
        return "sum"
    said = text[slice(*core(text))]
    if (
        _ROLE.match(said)
        or _OPENS_FICTION.match(said)
        or _STORY_ABROAD.match(said, timeout=_TIMEOUT)
        or _SAID_TO_BE.search(text[:_TASK])
        or (sets_task(text) and _FICTION.search(text[:_TASK]))
    ):
        return "fiction"
    if _is_report(text):
        return "report"
    return "passage" if _is_passage(text) else ""


def is_program(text: str) -> bool:
    """Return whether a stretch is source code: two of its keywords, and its marks all over it.

    Data in braces is none, as it may be somebody's; nor is code in which the speaker appears.
    """
    if len(_CODE_MARK.findall(text)) * _CODE_DENSITY < len(text) or _MINE.search(text):
        return False
    return len(set(_KEYWORD.findall(text))) >= _SEVERAL


def _is_sum(text: str, names: Sequence[Name]) -> bool:
    """Whether counts are told, then what is to be found; of nobody by first and last name."""
    sentences = [part for part in _SENTENCE_END.split(text) if part and part.strip()]
    if len(sentences) > 1 and _SHOWS.match(sentences[-1]):
        sentences.pop()
    if not sentences or not _SUM_ASKS.search(sentences[-1].strip()):
        return False
    if _SPEAKER.search(" ".join(sentences)):
        return False
    if len(_COUNT.findall(text)) < _SEVERAL:
        return False
    return not any(name.form == "full" and " " in text[name.start : name.end] for name in names)


def _is_passage(text: str) -> bool:
    """Whether a task is set on a text of some length, in which, quotes aside, nobody says "I"."""
    if len(text) < _PASSAGE or not sets_task(text):
        return False
    return not _SPEAKER.search(_ME.sub(" ", _QUOTED.sub(" ", text)))


def _is_report(text: str) -> bool:
    """Whether two marks of a printed report are in a text, and outside of quotes hardly a "we"."""
    if len(text) < _REPORT:
        return False
    marks = {found["x"].lower() for found in _PRINTED.finditer(text, timeout=_TIMEOUT)}
    said = _SPEAKER.findall(_QUOTED.sub(" ", text))
    return len(marks) >= _SEVERAL and len(said) <= (len(text) > _LONG)
