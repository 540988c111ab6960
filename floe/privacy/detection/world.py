"""Signs that a text is of the world and of nobody's life: general questions, exercises, history.

By words alone; whatever speaks of the speaker, of kin or of something hidden is none of them. Knows
neither the classifier nor what follows.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import regex

from floe.privacy.detection.names import Name
from floe.privacy.detection.statements import sets_task
from floe.privacy.detection.ties import has_tie
from floe.privacy.detection.vocabulary import listed

_TIMEOUT: Final = 1.0
_TEXTS: Final = 4
"""Texts of which is remembered what holds for all the names in them."""
_NEAR: Final = 100
"""Characters beside a name."""
_FIRST: Final = listed("first_person")
_KIN: Final = listed("kin")
_WORD: Final = regex.compile(r"[\p{L}\p{M}']+")
ENGLISH: Final = regex.compile(
    r"\b(?:the|an?|to|is|are|of|and|for|it|do|does|did|how|what|why|who|which|when|where|with|can|in|on|was|about|me)\b",
    regex.I,
)
ME: Final = regex.compile(
    r"\b(?:tell|give|show|write|list|provide|help|find|get|build|make|teach|explain to|recommend|suggest) (?:me|us)\b|\b(?:can|could|do|should|may|would) i\b|\bhow (?:do|can|should|would) i\b|\bi (?:want|need|would like|'d like) (?:you )?to\b",
    regex.I,
)
"""What whoever asks says, and nothing of themselves."""
DRAFTS: Final = regex.compile(
    r"\W*(?:please |can you |could you |help me |a |an )*(?:draft|compose|prepare|plan|recommend|suggest|recipe|ideas?|tips|best|difference|reply|respond|proofread|brainstorm|outline|convert|calculate|is|does)\b"
    r"|\W*(?:e-?mail|letter|message|note|memo|notice|sign|poster|flyer|invitation) (?:to|for)\b",
    regex.I,
)
"""How else a task opens than `sets_task` knows."""
NAMED_SO: Final = frozenset(("Ben", "Mina", "Mia", "Io", "Vi", "Min", "Mon", "Ma"))
"""Names that are "I" or "my" in another language, as Ben is in Turkish: with a capital in an English
text they are nobody's word for themselves."""
_SOMEBODY: Final = regex.compile(
    r"\b(?:he|she|his|her|him|hers|he's|she's|he'll|she'll|someone|somebody)\b", regex.I
)
HIDDEN: Final = regex.compile(
    r"\b(?:confidential|unannounced|internal\w*|secret|secretly|hid(?:e|es|ing|den)|nobody knows|not (?:yet )?public|nda|embargo\w*|insider|layoffs?|lay off|merger|acquisition|acquir\w+|takeover|lawsuit|leak\w*|salar(?:y|ies)|forecast|roadmap"
    r"|bruis\w+|suicid\w+|overdose|self-?harm|kill (?:my|your|one)self|rape[ds]?|abuse[ds]?|abortion|undocumented|illegally|arrested|caught|cheat\w*|affair)\b|\bwithout (?:[\w']+ ){0,4}(?:knowing|finding out|noticing)\b|#\d|\b\d+(?:\.\d+)?(?: ?mg| weeks| months)\b",
    regex.I,
)
"""What one asks in general words where it is one's own; and what a firm tells nobody."""
_TEXT: Final = """
    a about after again all already also always am an and another any anymore anything are as asked at
    be because been before being below between both but by came can cannot come could day days did do
    does doing done down each even ever every few find first for from get gets getting give go goes
    going gone good got great had has have having he her here hers him his how if into is it its just
    keep kept know last least left let like long look looks lot made make many may maybe me means might
    more most much must need needs never new next no nobody nor not now of off ok old on once one only
    or other out over own please put quite really said same say says see seem seems she should since so
    some someone something soon still such sure take taking tell than that the their them then there
    these they thing things think this those though three through till time to today told tomorrow too
    took tried try trying turn turned two under until up us use used using very want wants was way week
    weeks well went were what when where whether which while who whom whose why will with without wont
    work working worried worry would write year years yes yesterday yet you your yours
    dont doesnt didnt cant couldnt wouldnt isnt wasnt arent havent hasnt hes shes theyre thats whats
    theres youre
"""
SMALL_WORDS: Final = frozenset(_TEXT.split())
"""Words that stand in any sentence: of no matter by themselves."""
_MATTER: Final = regex.compile(
    r"\b(?:\p{L}{3,}(?:itis|osis|emia|aemia|oma|algia|opathy|phobia|ectomy|plegia|rrhea)|\p{L}{4,}(?:pram|azepam|oxetine|statin|prazole|mycin|cillin|tidine|olol|sartan|parin|mab|tinib|traline|zapine|apine|phine|codone|done)"
    r"|asthma|eczema|cancer|tumou?rs?|chemo|biops\w+|cyst|lump|diabet\w+|insulin|epilep\w+|seizures?|stroke|hiv|aids|herpes|std|sti|hepatitis|lupus|crohns?|celiac|adhd|autis\w+|bipolar|schizo\w+|ptsd|ocd|depress\w+|anxiety|panic|voices|suicid\w+"
    r"|self-?harm\w*|overdos\w+|dose|pills|meds|medication|prescri\w+|therap\w+|psych\w*|rehab|sober|relaps\w*|addict\w*|alcohol\w*|drunk|drinking|cocaine|heroin|meth|weed|fentanyl|vomit\w*|throwing up|bleed\w*|blood|pee|urine|stool|period|pregnan\w*"
    r"|miscarr\w+|abort\w*|ivf|embryos?|fertil\w+|infertil\w+|menopaus\w+|erect\w+|libido|sex|sexual\w*|orgasm|condom|affair|cheat\w*|divorc\w*|separat\w+|custody|mistress|gay|lesbian|bisexual|queer|trans|transgender|asexual|closet\w*|escort|porn\w*"
    r"|pray\w*|allah|jesus|god|church|mosque|synagogue|temple|imam|rabbi|priest|pastor|bapti[sz]\w+|convert\w*|quran|koran|bible|ramadan|sabbath|kosher|halal|hijab|muslim|christian|catholic|jew|jewish|hindu|sikh|buddhist|mormon|atheist|witnesses"
    r"|vot(?:e|ed|ing)|party member|communist|socialist|fascist|campaign|donat\w+|protest\w*|union|activis\w+|visa|asylum|refugee|undocumented|deport\w*|overstay\w*|immigra\w+|citizenship|green card|papers|border"
    r"|arrest\w*|jail|prison|probation|parole|convict\w*|charged|court|lawsuit|sue[sd]?|suing|police|stole|steal\w*|shoplift\w*|fraud|assault\w*|rap(?:e|ed|ist)|abus\w+|molest\w*|stalk\w*|harass\w*|restraining|dui|evict\w*|custodial|warrant|bail"
    r"|debts?|owe[sd]?|bankrupt\w*|salary|wages?|income|pension|mortgage|overdraft|savings|gambl\w+|benefits|welfare|taxes|loan|foreclos\w+|unemploy\w+|laid off|lay off|layoffs?|fired|sacked|redundan\w*|merger|acquisition|tender|investors?|revenue|margins?|unannounced|confidential"
    r"|shelter|alone|empty house|adopted|foster|orphan\w*|died|funeral|dying|dementia|alzheimer\w*|hospice|hospital|surgery|surgeon|operation|diagnos\w+|symptoms?|tested positive|positive test|scan|mri|miscarriage|weight|anorexi\w+|bulimi\w+|binge\w*|purg\w+"
    r"|cut myself|cutting myself|sle(?:ep|pt|eping) with|for money|cd4|psa|a1c|hba1c|tsh|bmi|cholesterol|glucose|blood pressure|viral load|cps|social (?:services|workers?)|bailiffs?|hit me|hits me|touched me|beat me|beats me|afraid of|scared of|ashamed|guilty|secretly|nobody knows|never told)\b",
    regex.I,
)
"""Words of a private matter. Where one of them is, the frames around it count as before."""
_LEADS: Final = frozenset({"full", "given", "small", "unknown"})

_EXERCISE: Final = regex.compile(
    r"\W*(?:please |can you |could you )?(?:translate|correct|fix|proofread|rewrite|rephrase|paraphrase|change|turn|put|convert|classify|identify|find|underline|parse|conjugate|extract|punctuate|analy[sz]e|traduis|traduisez|traduce|traduci|traduz|übersetze?|korrigiere?|corrige[zr]?|correggi|vertaal|przetłumacz|переведи(?:те)?)\b[^:\n]{0,70}[:\n]\s*[\"'“«„]?",
    regex.I,
)
"""A task on a sentence that follows."""
_SENTENCE: Final = 160
"""Characters of such a sentence, at most; longer ones are messages."""
_YOU: Final = regex.compile(
    r"\b(?:you|your|please|sorry|thanks?|hi|hello|hey|dear|regards|tomorrow|tonight|today|yesterday|asap|monday|tuesday|wednesday|thursday|friday|saturday|sunday|boss|client|hospital|doctor|fired|pregnant|divorc\w+)\b",
    regex.I,
)

_ROLE: Final = (
    r"(?:author|writer|novelist|poet|playwright|dramatist|painter|sculptor|architect|composer|singer|songwriter|singer-songwriter|rapper|guitarist|drummer|pianist|violinist|cellist|conductor|soprano|tenor|actor|actress|comedian|director"
    r"|film-?maker|screenwriter|philosopher|physicist|chemist|biologist|botanist|geologist|mathematician|astronomer|astronaut|cosmonaut|inventor|explorer|navigator|president|prime minister|chancellor|king|queen|emperor|empress|tsar|pope|saint|general|admiral"
    r"|senator|chess (?:player|grandmaster)|footballer|striker|goalkeeper|boxer|sprinter|swimmer|gymnast|golfer|cyclist|tennis player|racing driver|cricketer|economist|fashion designer|photographer|surgeon|scientist|engineer|aviator|mountaineer|historian|psychologist|psychoanalyst|feminist|activist|revolutionary|dictator)"
)
_WITH_ROLE: Final = regex.compile(
    rf"\b(?:the|an?|former|late)\s(?:[\w-]+\s){{0,3}}{_ROLE}\s\Z|(?:\A|[.!?]\s){_ROLE}\s\Z", regex.I
)
_ACHIEVED: Final = regex.compile(
    r"\s(?:(?:first|also|later|famously|once|co-?)\s?)?(?:wrote|painted|composed|directed|starred|portrayed|discovered|invented|designed|founded|recorded|sang|released|performed the first|became the first|became (?:king|queen|president|emperor|pope|prime)|published|conquered|ruled|reigned"
    r"|won (?:the|an?|his|her|two|three|four|five|six|seven|\d+) |was (?:crowned|elected|assassinated|executed|beheaded|awarded|knighted|inducted|canonised|canonized|the (?:first|last|youngest|oldest|only|longest|second|third|fourth)|an? (?:[\w-]+\s){1,4}"
    + _ROLE
    + r")|is an? (?:[\w-]+\s){0,4}"
    + _ROLE
    + r"|is (?:best )?known for|is famous for|played (?:[\p{Lu}]|the (?:role|part)|in the)|holds the|co-?founded|developed the|proposed the|formulated|proved|introduced the|pioneered|translated|sculpted|choreographed|produced|created|coined|reached the summit|sailed|explored|flew)",
)
_WORK: Final = regex.compile(
    r"\"[^\"]{2,60}\"|\b(?:1[0-9]\d\d|20[01]\d)\b|\b(?:symphony|opera|Oscar|Grammy|Emmy|Nobel|Pulitzer|World Cup|Olympics?|Olympic|Wimbledon|Grand Slam|Premier League|NBA|NFL|Tour de France|theorem|theory|telescope|dynasty|empire|century)\b"
    r"|(?<=[\p{Ll},] )(?:The|A|An|To|In|On|Of|My|Out) \p{Lu}[\p{L}'-]+|(?<=[\p{Ll}] )\p{Lu}\p{Ll}+ (?:of|and|in|the|on|to|of the|in the) \p{Lu}\p{Ll}+|\bfirst (?:woman|man|person|human|heart|successful|ever)\b"
)
_RECENT: Final = regex.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|last (?:night|week|month|weekend|year)|this (?:morning|week|afternoon|evening|month)|next (?:week|month)|on (?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)|just|you|your|please)\b",
    regex.I,
)


def is_impersonal(text: str, names: Sequence[Name]) -> bool:
    """Return whether it is a question or a task in English that speaks of no one at all."""
    if any(name.form in _LEADS for name in names):
        return False
    if not sets_task(text) and DRAFTS.match(text) is None:
        return False
    plain = ME.sub(" ", text)
    if _SOMEBODY.search(plain) or HIDDEN.search(plain) or not ENGLISH.search(text):
        return False
    return _speaks_of_nobody(plain)


def names_matter(text: str) -> bool:
    """Return whether a word of health, love, faith, law, money or the like is in an English text."""
    return _MATTER.search(text, timeout=_TIMEOUT) is not None


def is_exercise(text: str, names: Sequence[Name]) -> bool:
    """Return whether a sentence is to be translated or corrected as textbooks have them.

    It names people by their first names alone, and is no message: nobody speaks, nobody is spoken to.
    """
    task = _EXERCISE.match(text, timeout=_TIMEOUT)
    if task is None or len(text) - task.end() > _SENTENCE:
        return False
    sentence = text[task.end() :]
    if _YOU.search(sentence) or not _speaks_of_nobody(sentence):
        return False
    return not any(name.form == "full" or has_tie(text, name.start, name.end) for name in names)


def is_history(text: str, name: Name) -> bool:
    """Return whether a text says of somebody what books say of the known: their work, their prize.

    Two signs are asked for: a role ("the Danish author") or a deed ("discovered"), and a work or a
    year; nothing is of the speaker, of kin, or of these days.
    """
    if name.form != "full":
        return False
    role = _WITH_ROLE.search(text[max(0, name.start - 60) : name.start]) is not None
    deed = _ACHIEVED.match(text, name.end) is not None
    if not (role or deed) or not _is_of_books(text):
        return False
    return (role and deed) or _has_work_beside(text, name)


@lru_cache(maxsize=_TEXTS)
def _is_of_books(text: str) -> bool:
    """Return whether a text is neither of these days nor of the speaker and theirs."""
    return not _RECENT.search(text) and _speaks_of_nobody(text)


@lru_cache(maxsize=_TEXTS)
def _works(text: str) -> tuple[int, int] | None:
    """Return where the first work or year of a text ends, and where the last begins."""
    found = [match.span() for match in _WORK.finditer(text, timeout=_TIMEOUT)]
    return (found[0][1], found[-1][0]) if found else None


def _has_work_beside(text: str, name: Name) -> bool:
    """Return whether a work or a year stands in a text from which the name is taken out."""
    works = _works(text)
    if works and (works[0] <= name.start or works[-1] >= name.end):
        return True
    # What it kept apart may be one.
    near = text[max(0, name.start - _NEAR) : name.start] + " " + text[name.end : name.end + _NEAR]
    return _WORK.search(near, timeout=_TIMEOUT) is not None


def _speaks_of_nobody(text: str) -> bool:
    """Return whether neither the speaker nor kin is in a text."""
    spoken = _WORD.findall(text)
    if ENGLISH.search(text):
        spoken = [word for word in spoken if word.strip("'") not in NAMED_SO]
    words = {word.lower().replace("'", "") for word in spoken}
    return words.isdisjoint(_FIRST) and words.isdisjoint(_KIN)
