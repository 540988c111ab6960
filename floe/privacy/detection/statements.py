"""Who a text tells of: itself, a person by name, a table of people; and whether it sets a task.

Knows words and names, neither the classifier nor what follows.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.casual import dealt_with
from floe.privacy.detection.courtesy import core
from floe.privacy.detection.names import Name, is_public, lexicon
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.ties import has_tie, is_family
from floe.privacy.detection.vocabulary import listed
from floe.privacy.places import Places

_NAME: Final = "name"
_NAMED: Final = 0.6
_FAINT: Final = 0.3
_SURE_MATTER: Final = 0.65
"""More than a name: "Krebs" is no surname in "ich habe Krebs"."""
_SHORT: Final = 400
_BRIEF: Final = 120
_ASKS: Final = listed("asks")
_WORD: Final = regex.compile(r"[\w']+")
_INTRODUCES: Final = regex.compile(
    r"(?<![\"'\w])(?:my (?:full |first |last |real )?name(?: is|'s)|call me|ich hei(?:ß|ss)e|mein name ist|je m'appelle|mon nom est"
    r"|me llamo|mi nombre es|mi chiamo|me chamo|meu nome é|ik heet|mijn naam is|nazywam się|mam na imię|jag heter|меня зовут|мене звати|benim adım)"
    r"\s(?P<x>\p{L}{3,}(?:[ ](?!but|and|und|et|y|e|en|i|och|и|ve)\p{L}{3,})?)(?=\s*(?:[.,!;]|\Z|\s(?:but|and|und|et|y|e|en|i|och|и|ve)\b))",
    regex.I,
)
_SPEAKS_HERE: Final = regex.compile(
    r"(?:\A|[.!?,\n]\s*|\b(?:and|but|because)\s)(?:this is|here is|it's|i am|i'm|im|hier ist|hier spricht|ich bin|je suis|c'est|soy|sono|sou|ik ben)"
    r"\s(?:(?:mr|mrs|ms|miss|dr|prof|herr|frau)\b\.?\s)?\Z",
    regex.I,
)
"""After this a full name is the speaker's own."""
_PROFESSES: Final = regex.compile(
    r"(?:\A|[.!?;\n,]\s*|\b(?:and|but|because|that)\s)(?:i am|i'm|im|ich bin)\s(?:an?\s|eine?\s)?(?:\p{L}+(?:ing|ed|sed|out|ict)\s)?"
    r"(?P<x>catholic|protestant|muslim|jew|jewish|hindu|buddhist|mormon|sikh|atheist|jehovah's witness"
    r"|katholisch|evangelisch|muslimin?|jude|jüdin|atheistin?)\b",
    regex.I,
)
_TREATS: Final = regex.compile(
    r"\b(?:my|mein\w*|mon|ma|mi|mio|meu|mijn)\s(?P<x>(?:doctor|gp|therapist|psychiatrist|oncologist|midwife|surgeon|test results"
    r"|(?:haus|zahn|frauen|kinder)?(?:arzt|ärztin)|psychiater\w*|therapeut\w*|médecin|psy|médico|dottore|huisarts)|(?:krebs|diabetes)\b)"
    r"|\b(?:ich\shabe?|hat|haben|hatte|bekam|wegen)\s(?P<x>krebs|diabetes|hiv|aids|rheuma)\b",
    regex.I,
)
_OWN_BODY: Final = regex.compile(
    r"\b(?:my|mein\w*|mon|ma|mes|mis?|mio|mia|meu|minha|mijn)\s(?:\p{L}+\s)?(?P<x>pénis|penis|pene|vagina|vagin|scheide|vulva|labia|clit(?:oris)?|foreskin|vorhaut|scrotum|hoden"
    r"|testicles?|anus|nipples?|cervix|ovar(?:y|ies)|prostate?|discharge|ausfluss|semen|sperm|erections?|erektion|orgasms?|orgasmus|libido|sex(?:ual)? (?:drive|life)|virginity|hymen)\b",
    regex.I,
)
"""Parts and workings of one's own body that nobody speaks of before others."""
_DESIRES: Final = regex.compile(
    r"(?<![\"'\w])i(?:'ve|'m)?\s(?:\p{L}+\s)?fantasi[sz](?:e|ed|ing)\sabout\s(?P<x>(?:my|our|his|her|their)\s(?:\p{L}+\s)?(?P<kin>\p{L}+)|him|her|them|you|someone|(?:an)?other\s\p{L}+)\b",
    regex.I,
)
"""Whom somebody says they desire."""
_OF_MINE: Final = regex.compile(
    r"(?<![\"'\w])(?P<x>\p{Lu}\p{Ll}{2,}(?: \p{Lu}\p{Ll}{2,})?)(?: is| was|,) (?:my|our) (?:\p{Ll}+ )?(?P<kin>\p{Ll}+)\b"
)
_RECIPIENT: Final = regex.compile(
    r"\b(?:(?<=\A|[.!?,;:\n]\s?|\b(?:please|to|and|then|pls|so)\s)(?:tell|ask|remind|invite)|write|e-?mail|mail|reply|text|message|letter|note|card|schreib\w*|brief|antworte|écris|réponds|lettre|escrib\w+|carta|scrivi|escreve|schrijf|napisz)[^\S\n](?:to|an|à|a|aan|do|para|pra)?[^\S\n]?"
    r"(?P<x>(?P<title>(?:mr|mrs|ms|miss|dr|prof|herrn?|frau|madame|monsieur|señora?|signora?|meneer|mevrouw|pan[ai]?)\b\.?\s)?(?P<name>\p{L}{3,}(?: \p{L}{3,})?))",
    regex.I,
)
_CODE_MARK: Final = regex.compile(r"[{}()\[\];=<>_]")
_CODE_DENSITY: Final = 12
"""Characters for each mark of code, at most, in data of a program."""
_SEVERAL: Final = 2
_NAME_COLUMN: Final = regex.compile(
    r"^(?=[^\n]*\b(?:names?|(?P<part>(?:first|last|sur|family|given)[ _]?(?:name)?)|employee|student|customer|patient"
    r"|client|member|guest|tenant|nombre|nom|naam|имя)\b)[^\n,;\t|]{1,30}(?P<mark>[,;\t|])[^\n]*\n",
    regex.I | regex.M,
)
_SENTENCE_END: Final = regex.compile(r"[.!?。！？](?=\s|\Z)|\n")
_QUESTION_WORDS: Final = listed("question_words")
_TASKS: Final = listed("tasks") | {"draw"}
_TITLES: Final = listed("titles")
_POSSESSIVES: Final = frozenset(
    {"my", "our", "his", "her", "their", "mein", "meine", "mon", "ma", "mi"}
)
_KIN: Final = listed("kin")
_ROLE_WORDS: Final = listed("role_words")
_SETS_LATER: Final = regex.compile(
    r"(?:\A|[.!?:;,)\n]\s*)(?:(?:now|then|please|pls|and|can you|could you|help me|i want you to|i need you to)\s)*"
    r"(?:compare|create|define|describe|design|draft|explain|find|generate|give (?:me|us|two|three|four|five)|identify|list|make (?:me|us|an?)|name|query|rewrite|show|suggest|summari[sz]e|tell|translate|write|parse|conjugate|diagram|punctuate|underline|spell)[\s:]"
    r"|\b(?:i'd like|i want|i need|looking for)\s(?:(?:an?|some|the|two|three|four|five|ten|\d+)\s)?(?:\p{L}+\s){0,2}(?:questions|ideas|examples|lines|words|points|paragraphs?|poem|story|list|table|summary|version)\b",
    regex.I,
)
_FROM_TEXT: Final = regex.compile(
    r"\W*(?:from|in|for|of|based on|according to)\s(?:the|this|these|those)\s(?:following\s)?(?:text|passage|paragraph|sentences?|article|list|table|data|facts|story|dialogue)\b",
    regex.I,
)
_CHOOSES: Final = regex.compile(
    r"\W*(?:(?:which|who|whom|what|how many|all|some|any|one)(?: \w+){0,2} )?of (?:the following|these|those|the below|the (?:people|names|characters|persons) below)\b"
    r"|\W*(?:which|who|what)\b[^.!?\n]{0,80}:\s"
    r"|\W*(?:categori[sz]e|arrange|sort|group|order|rank|tag|label|match|count|retrieve|pick|divide|separate|split|assign|detect|mask)\s(?:(?:out|up)\s)?"
    r"(?:all|each|every|any|these|those|the|them|this|a|an|some|names?|people|only|between|into)\b",
    regex.I,
)
"""How else than by `tasks` an exercise opens: "Which of these are …: A, B", "Arrange these …"."""
_COURTESY: Final = regex.compile(
    r"\W*(?:(?:ok(?:ay)?|great|perfect|cool|nice|wow|super|(?:many )?thanks?(?: you)?(?: (?:so|very) much| a lot| again| in advance)?|thx|ty|cheers|hi|hello|hey|good (?:morning|evening|night)"
    r"|bye|danke(?: schön| dir)?|merci(?: beaucoup)?|gracias|grazie|obrigad[oa]|dank(?: je| u)? ?(?:wel)?|dzięki|спасибо|привет|谢谢|ありがとう)\W*)+",
    regex.I,
)
_TELLS_OF_WORKS: Final = regex.compile(
    r"\b(?:story|poem|novel|character|sentence|summar\w+|translate|sentiment|classif\w+|headline|paragraph"
    r"|function|code|json|weather|how many|how much|question|passage|context)\b",
    regex.I,
)
_QUIZ_GAP: Final = regex.compile(
    r"\b(?:this|these|which|what)\s(?:[\w'-]+\s){0,3}?(?:man|woman|person|people|president|politician|city|country|state|island"
    r"|ocean|river|street|band|group|duo|song|album|hit|movie|film|show|sitcom|series|book|novel|play|poem|actor|actress"
    r"|singer|rapper|artist|musician|composer|painter|writer|author|poet|athlete|player|team|club|sport|tournament|event|year|war"
    r"|battle|award|role|character|company|brand|instrument|object|thing|food|drink|animal|disease|emperor|king|queen|pope"
    r"|language|element|planet|nickname|title|job|talent|school|university)s?\b",
    regex.I,
)
"""Where a quiz leaves out what has to be guessed: "was born in this European city"."""


def names_somebody(text: str, names: Sequence[Name]) -> bool:
    """Whether a short text that sets no task tells of a person: by a full name, or by several.

    Questions and tasks name persons of whom all may speak; whoever only tells of somebody may
    know them. In a brief statement one name is enough.
    """
    if len(text) > _SHORT or sets_task(text):
        return False
    if _TELLS_OF_WORKS.search(text) or _QUIZ_GAP.search(text):
        return False
    if len(_CODE_MARK.findall(text)) * _CODE_DENSITY > len(text) and not any(
        name.form == "full" for name in names
    ):
        return False  # {name: 'Bob'}
    careless = text.islower()
    told = [name for name in names if _is_told(text, name, careless=careless)]
    forms = {"given" if name.form == "small" else name.form for name in told}
    if "full" in forms or "given" not in forms:
        return "full" in forms
    asked = asks(text)
    tall = any(name.form == "given" for name in told)
    plain = tall and len(text) < _BRIEF and not regex.search(r"[\d?]", text)
    people = {text[name.start : name.end].lower() for name in told}
    return not asked and (plain or len(people) >= _SEVERAL)


_GIVES: Final = regex.compile(
    r"(?:\A|[.!?:;,\n]\s*|\b(?:to|please|pls|and|then|i'll|we'll|i|we|did you|have you|can you|could you|should i)\s)(?:give|gave|send|sent|lend|lent|hand|handed|bring|brought|show|showed|get|got|buy|bought|leave|left|save|saved)\s\Z",
    regex.I,
)
_SOMETHING: Final = regex.compile(r"\s(?:the|my|our|his|her|this|these|those|some|back)\s\p{Ll}")
_WHY: Final = regex.compile(r"\b(?:why|how) (?:is|was|did|does|has|can) \Z", regex.I)
_MOOD: Final = regex.compile(
    r"\s(?:(?:always|being|be|been|get|got|gotten|become|still|suddenly)\s)?(?:so|such|too|very|always|never|suddenly)\s(?:an? )?(?:impulsive|mean|rude|late|quiet|angry|sad|upset|moody|jealous|stubborn|annoying|distant|cold|nice|kind|shy|impatient|lazy|bossy|mad|anxious|nervous|happy|grumpy|forgetful|clingy|secretive"
    r"|selfish|impossible|insecure|aggressive|emotional|sensitive|dramatic|stressed|tired|lonely|arrogant|stingy|messy|needy|cruel|controlling|defensive|passive|pushy|jerk|idiot)\b",
    regex.I,
)
"""Asked of somebody whose ways one knows."""
_HOW_LONG: Final = regex.compile(r"\b(?:how long|since when) (?:has|have|had|did|does) \Z", regex.I)
_HERE: Final = regex.compile(
    r"\s(?:lived?|worked?|stay(?:ed)?|been|wait(?:ed)?|slept|known)\s(?:there|here|with (?:you|me|us|her|him)|next door|alone|about)\b",
    regex.I,
)
"""The same of where somebody is."""


_TALL: Final = regex.compile(r"(?<![\w@/.#-])\p{Lu}[\p{Ll}\p{M}'-]{2,}(?<!'s)(?![\w@/])")
_DAY: Final = regex.compile(
    r"(?<![\d.])(?:[12]?\d|3[01])(?:st|nd|rd|th|\.)?(?:\s(?:of|de))?\s(?P<month>april|may|june|august)\b"
    r"|\b(?P<month>april|may|june|august)\s(?:[12]?\d|3[01])(?:st|nd|rd|th|(?!\s?[\p{L}\d]))(?!\d)",
    regex.I,
)
"""A month beside a day, that may be a name elsewhere: "3 May"."""
_SIGNED: Final = regex.compile(r"(?<![\p{L}.])\p{L}\.\s(?P<x>\p{Ll}{3,})(?!\w)")

_PARTICIPLE: Final = regex.compile(r"(?:ge|ver|be|ent|zer)\p{Ll}{3,}(?:en|t)")
_GERMAN: Final = regex.compile(
    r"\b(?:ich|mit|und|nicht|hab|hat|habe|gestern|heute|mein\w*|schon|der|die|das|ist)\b"
)
_WITH_INITIAL: Final = regex.compile(
    r"(?<![\w@/.#-])(?P<first>\p{Lu}[\p{Ll}\p{M}'-]{2,})[ \u00a0]\p{Lu}\.[ \u00a0](?P<last>\p{Lu}[\p{L}\p{M}'-]{2,})(?![\w@/])"
    r"|(?<![\w@/.#-])(?P<first>\p{Ll}{3,})\s(?!i\b)\p{Ll}\.?\s(?P<last>\p{Ll}{3,})(?![\w@/])"
)
"""A name with an initial in its middle, whatever lists say of its words: "Valida M. Ibragimov"; in
small letters only if the first word is a given name and the last is no word."""


def with_ties(text: str, names: Sequence[Name]) -> list[Name]:
    """Return names with those of whoever is dealt with, and without months beside a day, in order.

    A word with a capital that is none of the language and stands where one calls or pays somebody;
    a surname in small letters after an initial ("a. novak").
    """
    known = lexicon()
    months = {found.start("month") for found in _DAY.finditer(text, timeout=1.0)}
    kept = [
        Name(name.start, name.end, "given")
        if name.form == "unknown" and has_tie(text, name.start, name.end)
        else name
        for name in names
        if name.start not in months
    ]
    taken = Places((name.start, name.end) for name in names)
    for found in _TALL.finditer(text, timeout=1.0):
        start, end = found.span()
        small = found[0].lower()
        if taken.touch(start, end) or small in known.entities:
            continue
        family = small.endswith("s") and small[:-1] in known.family and is_family(text, start)
        strange = small not in known.ordinary and small.split("'")[0] not in known.ordinary
        if family or (strange and has_tie(text, start, end)):
            kept.append(Name(start, end, "given"))
    for found in _SIGNED.finditer(text, timeout=1.0):
        small = found["x"]
        if small in known.family and small not in known.ordinary:
            kept.append(Name(found.start(), found.end(), "full"))
    kept += _with_initial(text, kept)
    # In place of a name in small letters, which is less of a sign.
    hasty = {name.start: name for name in dealt_with(text)} if text.islower() else {}
    kept = [_without_verb(text, name) for name in kept]
    public = {name.start for name in kept if name.form in ("public", "full")}
    kept = [name for name in kept if name.start not in hasty or name.start in public]
    kept += [name for start, name in hasty.items() if start not in public]
    result: list[Name] = []
    for name in sorted(kept, key=lambda name: (name.start, -name.end)):
        if not result or name.start >= result[-1].end:
            result.append(name)
    return result


def _without_verb(text: str, name: Name) -> Name:
    """Return a name in small letters without the German participle after it: "mit fatma gestritten"."""
    words = text[name.start : name.end].split()
    if name.form != "full" or len(words) != _SEVERAL or not _PARTICIPLE.fullmatch(words[1]):
        return name
    if words[1] in lexicon().family or not _GERMAN.search(text):
        return name
    return Name(name.start, name.start + len(words[0]), "given")


def _with_initial(text: str, names: Sequence[Name]) -> Iterator[Name]:
    """Yield full names with an initial in their middle that are none of `names` as yet."""
    known = lexicon()
    whole = Places((name.start, name.end) for name in names if name.form in ("full", "public"))
    for found in _WITH_INITIAL.finditer(text, timeout=1.0):
        start, end = found.span()
        first, last = found["first"], found["last"].lower()
        strange = last not in known.ordinary and last not in known.entities
        given = first.lower() in known.given
        plain = first.lower() in known.ordinary
        named = given or strange if first[0].isupper() else given and strange and not plain
        if named and not is_public(found[0]) and not whole.touch(start, start + 1):
            yield Name(start, end, "full")


def deals_with_somebody(text: str, names: Sequence[Name]) -> bool:
    """Return whether the speaker calls, pays or waits for somebody by name: that is no quiz."""
    for name in names:
        if name.form in ("public", "small"):
            continue
        before = text[max(0, name.start - 60) : name.start]
        if has_tie(text, name.start, name.end):
            return True
        if _WHY.search(before) and _MOOD.match(text, name.end):
            return True
        if _HOW_LONG.search(before) and _HERE.match(text, name.end):
            return True
        if name.form in ("full", "given") and _GIVES.search(before):
            return _SOMETHING.match(text, name.end) is not None
    return False


def lists_people(text: str, names: Sequence[Name]) -> bool:
    """Return whether a table has a column for names, and full names or both their parts in it."""
    header = _NAME_COLUMN.search(text)
    if header is None:
        return False
    mark = header["mark"]
    rows = 0
    start = header.end()
    for line in text[start:].splitlines(keepends=True):
        if mark not in line:
            break
        inside = [n for n in names if start <= n.start < start + len(line) and n.form != "public"]
        parts = sum(n.form in ("given", "ambiguous", "unknown") for n in inside)
        rows += any(n.form == "full" for n in inside) or (parts > 1 and bool(header["part"]))
        start += len(line)
    return rows >= _SEVERAL


def is_thanks(text: str) -> bool:
    """Return whether a message greets or thanks, and says nothing else."""
    return _COURTESY.fullmatch(text, timeout=1.0) is not None


def asks(text: str) -> bool:
    """Return whether a text ends with a question mark, thanks after it aside."""
    return text[: core(text)[1]].rstrip().endswith(("?", "？"))


def introduced(text: str, names: Sequence[Name]) -> Iterator[Sign]:
    """Yield the name by which somebody introduces themselves or theirs, though no list has it."""
    for found in _OF_MINE.finditer(text, timeout=1.0):
        if found["kin"].lower() in _KIN:
            yield Sign(found.start("x"), found.end("x"), _NAME, _NAMED)
    if _TELLS_OF_WORKS.search(text) or sets_task(text):
        return
    for name in names:
        if name.form == "full" and _SPEAKS_HERE.search(text[max(0, name.start - 30) : name.start]):
            yield Sign(name.start, name.end, _NAME, _NAMED)
    known = lexicon().ordinary
    for found in _INTRODUCES.finditer(text, timeout=1.0):
        first = found["x"].split(maxsplit=1)[0].lower()
        if first not in known and not is_public(found["x"]):
            yield Sign(found.start("x"), found.end("x"), _NAME, _NAMED)


def professed(text: str) -> Iterator[Sign]:
    """Yield the faith that somebody says is theirs."""
    for found in _PROFESSES.finditer(text, timeout=1.0):
        yield Sign(found.start("x"), found.end("x"), "belief", _FAINT)


def bodily(text: str) -> Iterator[Sign]:
    """Yield what somebody says of the most private parts of their own body, and of their desires."""
    for found in _OWN_BODY.finditer(text, timeout=1.0):
        yield Sign(found.start("x"), found.end("x"), "health", _SURE_MATTER)
    for found in _DESIRES.finditer(text, timeout=1.0):
        if found["kin"] is None or found["kin"].lower() in _KIN:
            yield Sign(found.start("x"), found.end("x"), "love life", _FAINT)


def treated(text: str) -> Iterator[Sign]:
    """Yield who treats the person, and with what: in a private text, a matter of health."""
    for found in _TREATS.finditer(text, timeout=1.0):
        yield Sign(found.start("x"), found.end("x"), "health", _SURE_MATTER)


def is_written_to(text: str, names: Sequence[Name]) -> bool:
    """Whether a letter goes to somebody by a full name, or by a title and a name in small letters."""
    full = Places((name.start, name.end) for name in names if name.form == "full")
    for found in _RECIPIENT.finditer(text, timeout=1.0):
        start, end = found.span("name")
        lead = found["name"].split()[0].lower()
        leads = lead in _KIN or lead in _TITLES or lead in _POSSESSIVES
        if full.touch(start, end if leads else start + 1):
            return not _TELLS_OF_WORKS.search(text)
        strange = found["name"].split()[0].lower() not in lexicon().ordinary
        if found["title"] and strange and not is_public(found["name"]):
            return not _TELLS_OF_WORKS.search(text)
    return False


def _is_told(text: str, name: Name, *, careless: bool) -> bool:
    """Whether what may be a name stands in a sentence that is no question.

    careless: nothing in the text has a capital, so that a name needs none.
    """
    if name.form == "public" or (name.form == "small" and not careless):
        return False
    end = _SENTENCE_END.search(text, name.end)
    return end is None or end[0] not in "?？"


def sets_task_later(text: str) -> bool:
    """Whether a text says anywhere what is to be done: write, compare, list."""
    return _SETS_LATER.search(text, timeout=1.0) is not None


def sets_task(text: str) -> bool:
    """Whether a text opens with a question or with what is to be done."""
    text = text[slice(*core(text))]
    words = [word.removesuffix("'s") for word in _WORD.findall(text.lower())]
    if not words or words[0] in _TASKS or _FROM_TEXT.match(text) or _CHOOSES.match(text):
        return True
    if words[0] not in _ASKS:
        return False
    if words[0] not in _QUESTION_WORDS:
        return words[0] != "you" or len(words) < 2 or words[1] in _ROLE_WORDS
    # "When they sang, we left." opens like a question and is none.
    end = _SENTENCE_END.search(text)
    return end is None or end[0] not in ".!。！"
