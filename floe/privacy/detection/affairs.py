"""Private affairs of people by name: an illness at home, a death, a row at work, a divorce.

Where somebody is named, what is told or asked of them decides and no list of names: "little Pip has
chickenpox", "which school do the Abernathy kids go to", "Reword for HR: 'Gunther said …'". Knows
words and names, neither the classifier nor the verdict.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.fame import is_famous
from floe.privacy.detection.genres import Genre
from floe.privacy.detection.names import Name, is_public, lexicon
from floe.privacy.detection.on_file import find_on_file
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.statements import asks

_NAME: Final = "name"
_NAMED: Final = 0.6
_TIMEOUT: Final = 1.0
_BRIEF: Final = 300
"""Characters of a text in which an affair is told of whoever is named."""
_LEAD: Final = 60
"""Characters before a name that are looked at."""
_WHO: Final = r"(?P<x>\p{Lu}\p{Ll}[\p{L}\p{M}'-]*(?<!'s)(?:\s\p{Lu}\p{Ll}[\p{L}\p{M}-]+)?)"
_ILLNESS: Final = (
    r"(?:chicken ?pox|(?:head ?)?lice|nits|hand,? foot and mouth|measles|mumps|rubella|whooping cough|scarlet fever|tonsillitis|bronchitis|pneumonia|croup|norovirus|(?:an? )?(?:stomach|tummy) (?:bug|ache|flu)|(?:an? )?ear infection|(?:an? )?(?:bad |terrible |high )?(?:fever|temperature|cough|rash|concussion)|pink ?eye|conjunctivitis|impetigo|worms|the flu|flu|covid|diarrh?o?ea"
    r"|windpocken|läuse|scharlach|fieber|magen-?darm(?:-grippe|-infekt)?|mittelohrentzündung|masern|bindehautentzündung|la varicelle|des poux|de la fièvre|la gastro|une otite|varicela|piojos|fiebre|otitis|la varicella|i pidocchi|la febbre|waterpokken|luizen|koorts|skoldkopper|lus|feber|vattkoppor|ospę|wszy|gorączkę|ветрянка)"
)
_ILL: Final = regex.compile(
    rf"(?<![\p{{L}}'-]){_WHO}\s(?:(?i:has|had|'s got|has got|got|caught|came down with|comes down with|is down with|picked up|hat|bekam|a|a eu|tiene|tem|ha|heeft|har|ma)\s(?:(?i:a|the|an|die|das|den|de|la)\s)?(?i:{_ILLNESS})(?!\p{{L}})"
    r"|(?i:threw up|was sick (?:twice|all night|last night)|has been (?:sick|throwing up|vomiting)|is (?:contagious|running a (?:fever|temperature)))\b)"
)
"""Whom one of the illnesses has by which children stay at home."""
_BEFALLEN: Final = regex.compile(
    rf"(?<![\p{{L}}'-]){_WHO}(?:(?i:'s|\sis|\sgot|\sgets|\shas been)\s(?i:(?:being|getting|finally|just)\s)?"
    r"(?i:the sack|sacked|fired|laid off|made redundant|dumped|evicted|expelled|arrested|pregnant|in (?:rehab|hospital|jail|prison|a clinic)|suicidal|bankrupt|suspended from)\b"
    r"|\s(?i:steals|stole|is stealing|has been stealing|pockets|embezzles|embezzled)\s(?i:[\p{L}\d ]{0,24}\b(?:from|out of) )?(?i:(?:the|our|petty) (?:till|register|cash|tips?|tip jar|stock|shop|store|company|firm|clients|customers|safe))\b)"
)
"""Whom one of the blows strikes of which friends tell each other, these days; who takes what is not theirs."""
_INSIDE: Final = regex.compile(r"[\p{Ll},:] \Z")
_OBITUARY: Final = regex.compile(
    r"\b(?:obituar(?:y|ies)|death (?:notice|announcement)|funeral (?:notice|speech)|eulogy|in memoriam|todesanzeige|nachruf|traueranzeige|avis de décès|faire-part de décès|nécrologie|esquela|obituario|necrologio|overlijdensbericht|rouwadvertentie|dødsannonce|dødsannonse|dödsannons|nekrolog|obituário|некролог)(?!\p{L})",
    regex.I,
)
_MOURNED: Final = regex.compile(
    r",\s\(?(?:aged? )?\d{2,3}\b|\b(?:mother|father|husband|wife|grandmother|grandfather|brother|sister|daughter|son|widow|widower|aunt|uncle|friend|spouse) (?:of|to)\b|\b(?:beloved|leaves (?:behind )?(?:his|her|their|a)|survived by|fell asleep|passed away|the late)\b"
    r"|\b(?:geliebte[rn]?|hinterlässt|mutter von|vater von|ehemann|ehefrau|witwe|épou(?:x|se) de|mère de|père de|espos[oa] de|viud[oa] de|madre de|padre de|años|jahre|ans|moglie di|marito di|anni|echtgenote?|jaar|år)\b",
    regex.I,
)
_FAMILY: Final = regex.compile(
    r"(?i:\bthe|\bof the|\bfamilie|\bfamille|\bfamilia|\bfamiglia|\bfamilien)\s(?P<x>\p{Lu}\p{Ll}[\p{L}'-]+)(?:\s(?i:kids?|twins|boys|girls|children|family|brothers|sisters|couple|household|baby))?(?!\s\p{Lu})"
    r"|(?i:\bles|\bdes|\bchez les|\blos|\bde los|\bi|\bos|\bdos)\s(?P<x>\p{Lu}\p{Ll}[\p{L}'-]+)(?!\s\p{Lu})"
)
_OF_KIDS: Final = regex.compile(
    r"\s(?:kids?|twins|boys|girls|children|family|couple|household|baby)\Z", regex.I
)
_AFFAIR: Final = regex.compile(
    r"\b(?:(?:get|gets|got|getting|file[ds]?|filing) (?:for )?(?:a )?divorc\w*|(?:split|splitting|broke|break|breaking) up|moved? (?:out|back in)|still (?:seeing|dating|sleeping|living) (?:with )?|behind (?:on|with) (?:their|his|her|the)|evicted|keyed (?:their|his|her) car"
    r"|(?:leave|left|will(?:ed)?) (?:the|her|his|their) (?:flat|house|home|money|savings|cottage|farm|estate|ring|land|car|shares|jewell?ery)|inherit(?:ed|s)?\b[^?.!\n]{0,40}\b(?:cottage|flat|house|savings|money|farm|car|jewell?ery|ring)"
    r"|(?:get|got|pay|paid|paying) for (?:the|his|her|their) (?:house|flat|car|engagement ring|ring|wedding|divorce|boat|land|shares|kitchen|funeral|extension)|(?:pass(?:ed)?|fail(?:ed)?|retak\w+) (?:his|her|their) (?:driving|bar|final|theory|exams?|tests?|a-?levels|probation)"
    r"|(?:which|what) (?:doctor|dentist|physio|psychiatrist|counsell?or|gynaecologist|gynecologist) (?:does|do|is)|(?:in|to|from|out of) (?:prison|jail|rehab)\b|second account|having (?:an affair|a baby|another)|on (?:benefits|the dole)|get(?:ting)? along with (?:his|her|their) (?:mother|father|wife|husband|in-laws|boss)"
    r"|sich (?:getrennt|scheiden)|geschieden|ausgezogen|geerbt|divorcé\w*|scolarisée?s?|quitté (?:sa|son)|hérité|divorci\w+|se (?:separaron|ha separado)|hered(?:ó|aron)|con quién vive|divorziat\w|ereditat\w|gescheiden|geërfd|skilt|arvet|skilde?)\b",
    regex.I,
)
"""What neighbours know of each other, and books of those alone who are known to all."""
_FOR_WORK: Final = regex.compile(
    r"\b(?:for|to) (?:hr|human resources|(?:the|my|our|his|her) (?:team ?lead(?:er)?|(?:line |shift |general )?manager|boss|supervisor|works council|staff council|union rep|head ?(?:teacher|master|mistress)?|principal|school board|landlord|police|lawyer|solicitor|ombuds\w+|grievance|complaint|incident report))\b|\bso that (?:hr|the (?:boss|manager|police|school|landlord))\b"
    r"|\b(?:take|taken) (?:it|this) seriously\b|\bfür (?:die )?(?:personalabteilung|chefin|leitung|den betriebsrat|meinen chef|meine chefin)\b|\bpour (?:les rh|la rh|la direction|mon chef|ma cheffe)\b|\bpara (?:recursos humanos|rrhh|mi jef[ea])\b|\bper (?:le risorse umane|il mio capo)\b|\bvoor (?:hr|personeelszaken|mijn (?:baas|chef))\b",
    regex.I,
)
"""Whom a sentence on somebody goes to, so that it is no exercise."""
_INITIALS: Final = regex.compile(r"(?<![\p{L}.])\p{Lu}\.\p{Lu}\.(?![\p{L}])")
_OWN: Final = regex.compile(r"\b(?:i|i'm|i've|me|my|our|we)\b", regex.I)
_ROW: Final = regex.compile(
    r"\b(?:argu\w+|cried|crying|yell\w+|shout\w+|bull\w+|harass\w*|complain\w*|fight|fought|drunk|touched|stole|steal\w*|lied|lies|insult\w*|burn(?:ed|t)? ?out|warning|fired|sick|late again|affair|abortion|pregnan\w+|divorc\w+)\b",
    regex.I,
)
_JUDGED: Final = regex.compile(
    r"\b(?:(?:reasons? (?:not )?to|how (?:to|do (?:i|we)|can (?:i|we))|should (?:i|we)|whether to|grounds to) (?:fire|sack|dismiss|hire|promote|demote|sue|report|evict|divorce|dump|suspend|expel)"
    r"|(?:application|cv|r[ée]sum[ée]|appraisal|performance|reference|transcript|dismissal|promotion|complaint|evaluation|file|case) (?:of|for|from|by|about|against))\s(?:(?:mr|mrs|ms|miss|dr)\.? )?\Z",
    regex.I,
)
"""Before whom one hires, dismisses or sues."""
_HOUSES_TEXT: Final = """
    addams borgia bourbon flintstone habsburg kardashian kennedy medici obama rockefeller romanov
    rothschild simpson stuart tudor weasley windsor
"""
_HOUSES: Final = frozenset(_HOUSES_TEXT.split())
"""Families of whom books and screens tell."""
_INVENTED: Final = ("fiction", "sum", "report", "work")


def is_for_work(text: str) -> bool:
    """Return whether what is said of somebody goes to who decides about them: HR, the police."""
    return _FOR_WORK.search(text, timeout=_TIMEOUT) is not None


def told_by_name(text: str, names: Sequence[Name], genre: Genre) -> Iterator[Sign]:
    """Yield whoever is named beside a private affair of theirs.

    Raises TimeoutError.
    """
    if genre in _INVENTED:
        return
    if genre != "exercise":
        yield from _struck(text, _ILL)
        if genre != "look-up" and len(text) < _BRIEF:
            yield from _struck(text, _BEFALLEN)
        yield from _mourned(text, names)
    if len(text) > _BRIEF:
        return
    yield from _judged(text, names)
    if asks(text):
        yield from _asked_after(text, names)
    if _OWN.search(text) and _ROW.search(text):
        for found in _INITIALS.finditer(text):
            yield Sign(found.start(), found.end(), _NAME, _NAMED)


def _judged(text: str, names: Sequence[Name]) -> Iterator[Sign]:
    """Yield whom somebody means to hire, to dismiss or to sue."""
    for name in names:
        before = text[max(0, name.start - _LEAD) : name.start]
        judged = name.form == "full" and _JUDGED.search(before) is not None
        if judged and not is_famous(text[name.start : name.end]):
            yield Sign(name.start, name.end, _NAME, _NAMED)


def _struck(text: str, blow: "regex.Pattern[str]") -> Iterator[Sign]:
    """Yield whoever is named just before an illness or a blow."""
    known = lexicon()
    for found in blow.finditer(text, timeout=_TIMEOUT):
        first = found["x"].split()[0].lower()
        inside = _INSIDE.search(text[max(0, found.start("x") - 2) : found.start("x")])
        plain = first in known.ordinary and first not in known.given and inside is None
        if not plain and not is_famous(found["x"]) and not is_public(found["x"]):
            yield Sign(found.start("x"), found.end("x"), _NAME, _NAMED)


def _mourned(text: str, names: Sequence[Name]) -> Iterator[Sign]:
    """Yield who has died, in a notice of a family: with an age, a place or those who are left."""
    if _OBITUARY.search(text, timeout=_TIMEOUT) is None or _MOURNED.search(text) is None:
        return
    if any(n.form == "public" or is_famous(text[n.start : n.end]) for n in names):
        return
    for name in names:
        if name.form in ("full", "given"):
            yield Sign(name.start, name.end, _NAME, _NAMED)


def _asked_after(text: str, names: Sequence[Name]) -> Iterator[Sign]:
    """Yield whose affairs are asked for: somebody by first and last name, or a family."""
    affair = _AFFAIR.search(text, timeout=_TIMEOUT) is not None
    if not affair and next(find_on_file(text), None) is None:
        return
    for name in names:
        whole = text[name.start : name.end]
        if affair and name.form == "full" and not is_famous(whole):
            yield Sign(name.start, name.end, _NAME, _NAMED)
    for found in _FAMILY.finditer(text, timeout=_TIMEOUT):
        if _is_family(found):
            yield Sign(found.start("x"), found.end("x"), _NAME, _NAMED)


def _is_family(found: "regex.Match[str]") -> bool:
    """Return whether a word is a surname, in the plural or before "kids", and nothing else."""
    known = lexicon()
    word = found["x"].lower()
    single = word.removesuffix("s")
    if (
        {word, single} & (known.entities | _HOUSES)
        or is_famous(found["x"])
        or is_public(found["x"].removesuffix("s"))
    ):
        return False
    if _OF_KIDS.search(found[0]):
        return word not in known.ordinary or word in known.family
    strange = word not in known.ordinary and single not in known.ordinary
    english = found[0].lower().startswith(("the", "of the"))
    return (
        strange
        and (word.endswith("s") or not english)
        and (single in known.family or word in known.family)
    )
