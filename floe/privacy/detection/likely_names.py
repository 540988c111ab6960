"""Words that may be names, in a text of which something is masked anyway.

Where a text leaves under pseudonyms a missed name is a leak, while a word masked for nothing costs
the reader a little. So what no list and no sure sign tells counts here: any word with a capital in
the middle of a sentence, words of the language among them ("my son Fox"), and in hasty writing
whoever stands where persons stand. Decides nothing: which texts leave is settled before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from floe.privacy.detection.german import is_german
from floe.privacy.detection.names import is_public, lexicon
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import SMALL_WORDS, names_matter
from floe.privacy.lexicon import is_month
from floe.privacy.places import Places

_NAME: Final = "name"
_LIKELY: Final = 0.3
"""Below what is enforced: a word that looks like a name beside a placeholder closes nothing."""
_TIMEOUT: Final = 1.0
_MOST: Final = 60
"""Characters beside a word that are looked at."""
_WORD: Final = regex.compile(
    r"(?<![\w@/.#&-])\p{L}[\p{L}\p{M}]*(?:['-]\p{L}[\p{L}\p{M}]*)*(?![\w@])"
)
_GREETINGS: Final = frozenset(
    "dear hi hey hello regards yours sincerely love cheers thanks thank best kind warm wishes kisses hugs xoxo sorry"
    " subject re fwd cc bcc ps note please draft from to date sent god lord jesus christ allah bible quran koran internet wifi"
    " covid english maths math physics biology chemistry geography history pe rehab esq".split()
)
_CALENDAR: Final = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september"
    " october november december christmas easter eid diwali hanukkah ramadan halloween thanksgiving lent advent passover".split()
)
_KIN_TEXT: Final = (
    "mum mom mummy mommy mam ma dad daddy da gran granny grandma grandpa granddad grandad gramps nan nana nanny grandmother grandfather auntie aunty aunt"
    " uncle maman papa papi papy mamie mami mamá papá abuelo abuela nonno nonna zia zio tante tantine onkel oma opa mutti vati mor far mormor morfar farmor farfar bestemor"
    " avó avô vovó vovô tia tio tía tío babcia dziadek mama tata mamma pappa soeur sœur søster bror søn datter mann kone mari femme fils fille copain copine figlia figlio"
    " fidanzato fidanzata moglie marito hija hijo irmã irmão filha filho zus broer buurman vriend vriendin vriendje meisje dochter zoon sis bro step-dad step-mum"
    " stepdad stepmum stepmom stepsister stepbrother half-sister half-brother childminder babysitter carer nanny bloke mate mates pal missus hubby fiance fiancé fiancée wife husband"
)
_KIN: Final = frozenset(_KIN_TEXT.split()) | listed("kin")
_TITLES: Final = listed("titles") | frozenset(
    "sgt sergeant captain cpt cpl corporal major colonel general lieutenant lt rev reverend fr pastor imam rabbi vicar bishop mayor president prime minister"
    " headmaster headteacher principal manager director chief head officer inspector constable pc pani pan señora doña don hr fru herr herrn frau".split()
)
_NEVER: Final = (_GREETINGS | _CALENDAR | _KIN | _TITLES | listed("never_names")) - frozenset(
    "ma da buddy mari tia bro sis pal mina mor far mate major constable".split()
)
_FIRST: Final = listed("first_person")
_EPONYMS: Final = listed("eponyms")
_OF_ILL: Final = regex.compile(r"'s(?!\s\p{Ll})|(?:'s)?\s(?:disease|syndrome|dementia)\b")
_ORGANISED: Final = listed("organised") | listed("organisations")
_DETERMINER: Final = regex.compile(
    r"\b(?:the|an?|this|that|these|those|each|every|any|no|some|my|our|your|its|le|la|les|l'|un|une|des|el|los|las|una|il|lo|gli|i|uno|o|a|os|as|um|uma|de|het|een|den|det|en|et|ett)\s\Z",
    regex.I,
)
_ARTICLE: Final = regex.compile(
    r"\b(?:an?|the|ein|eine|einen|einem|einer|une?|una|uno|uma?|een|het|ett?|en|den|det|les?|los|las|el)\s\Z",
    regex.I,
)
_PLACE: Final = regex.compile(
    r"\b(?:in|at|near|into|outside|around|via|visit(?:ing|ed)?|across|(?:mov(?:e|ed|ing)|fl(?:y|ew|ying)|travel\w*|trip|trips|drive|drove|ticket|went|go|going|back) to|en|à|aus|nach|naar|w|we|do|из|в|во)\s(?:the\s)?\Z",
    regex.I,
)
"""After this a word with a capital that no list of first names has is rather a place."""
_OPENS: Final = regex.compile(
    r"(?:\A|[.!?:;\n\"“”„(•*|\t>-]\s*|(?:\A|[\s(:])['‘]|\d[.)]\s|[¿¡]\s?)\Z"
)
_VERB: Final = (
    r"(?:is|was|has|had|says?|said|told|tells|owes?|owed|wants?|keeps?|kept|gets?|got|goes|went|came|comes|left|took|takes|hits?|bit|bites|hates?|loves?|likes?|lied|lies|lives?|lost|made|makes|met|paid|pays|quit|ran|runs|saw|sees|sends?|sent"
    r"|slept|sold|stole|steals|thinks?|thought|found|finds|knows?|knew|gave|gives|fell|feels?|felt|drinks?|drank|drove|drives|died|does|did|cried|cries|can't|won't|doesn't|didn't|isn't|wasn't|hasn't|hadn't|wouldn't|refus\w+|moved|moves|threw|broke|breaks|wore|wrote|writes|texted|texts|phoned|rang|asks|asked|cheated|"
    r"cheats|deserves|smokes|gambles|just|never|always|still|already|also|and (?:i|me|his|her|my)\b|\p{Ll}{2,}ed)"
)
_ACTS: Final = regex.compile(rf"\s{_VERB}(?!\w)", regex.I)
_OWNS: Final = regex.compile(r"'s\s\p{Ll}")
_CALLED_OUT: Final = regex.compile(
    r",?\s(?:you|i'm|im|i|we|please|thank|sorry|my (?:dear|love))\b|,\s(?:my|our|his|her)\s\p{Ll}|\s\(|\s(?:and|&)\s(?:I|me|\p{Lu}\p{Ll})|,\s\p{Lu}\p{Ll}+(?:,|\sand\b)"
)
_SIGNS: Final = regex.compile(
    r"\b(?:yours(?: (?:sincerely|faithfully|truly))?|regards|wishes|love|cheers|thanks|sincerely|hugs|kisses|grüße|grüssen?|gruß|cordialement|saludos|saluti|groetjes?|hilsen|xx+)[,.!]?[\s—–-]+\Z|\n\s*[-—–]\s?\Z|\s[-—–]\s?\Z",
    regex.I,
)
_GREETS: Final = regex.compile(
    r"\b(?:dear|hi|hey|hello|liebe[rs]?|hallo|cher|chère|salut|hola|querid[oa]|cara|caro|ciao|beste|lieve|hej|kære|kjære|oi|olá|droga|drogi|cześć|дорогая|дорогой|привет)\s\Z",
    regex.I,
)
_KIN_BEFORE: Final = regex.compile(
    rf"\b(?:{'|'.join(sorted(map(regex.escape, _KIN - {'man', 'child', 'client', 'patient'}), key=len, reverse=True))})e?s?,?\s\Z",
    regex.I,
)
_TITLE_BEFORE: Final = regex.compile(
    r"\b(?:mr|mrs|ms|miss|mx|dr|prof|auntie|aunty|aunt|uncle|sister|nurse|coach|granny|grandma|grandpa|grandad|nana|captain|sergeant|sgt|cpl|corporal|rev|pastor|fr|old|little|poor|wee|baby|young|cousin)\.?\s\Z",
    regex.I,
)
_CALLED: Final = regex.compile(
    r"(?:'s|\bis|\bwas|\bare|,|\bbe|\b(?:kid|boy|girl|man|woman|guy|bloke|friend|one|son|daughter|baby|dog|lad))\s(?:called|named)\s\Z"
    r"|\b(?:name is|name's|short for|nicknamed|goes by|known as|calls? (?:him|her|them)(?:self|selves)|everyone calls (?:him|her|me|them))\s\Z",
    regex.I,
)
_SPEAKS: Final = regex.compile(
    r"(?:\A|[.!?\n]\s*|\b(?:hey|hi|hello)[, ]\s?)(?:it'?s|this is|i am|i'm|im)\s\Z", regex.I
)
_SELF: Final = regex.compile(r"\b(?:[Ii]'m|[Ii]'m called|I am|[Tt]his is)\s\Z")
_SPOKEN: Final = regex.compile(r"\s(?:here|from|again|speaking)\b|,|\.\s")
_DEALT: Final = regex.compile(
    r"\b(?:tell|told|text|texted|ask|asked|call|called|email|message|msg|invite|invited|ring|rang|remind|warn|thank|thanks|dump|dumped|marry|marrying|married|miss|kissed|kiss|met|meet|meeting|dating|lend|owe|pay|paid|hug|forgive|fire|sue|help|love|hate|leave|ghosted"
    r"|to|with|for|from|about|between|by|and|n|&|or|if|that|because|think|says|said|me|me and|me n|i and|than)\s\Z",
    regex.I,
)
_WITH_OTHERS: Final = regex.compile(r"\s?(?:,|&|and|n|or|und|et|y|e|og|och|en|i|и|та)\s?(?:and\s)?")
_BEFORE_OTHERS: Final = regex.compile(
    r"(?:,\s|\s&\s|\s(?:and|n|or|und|et|y|e|og|och|en|i|и|та)\s)\Z"
)
_SPEAKER_LINE: Final = regex.compile(
    r"(?:(?<=\A)|(?<=[\n.?!]\s?)|(?<=chat:\s))(?P<x>\p{Lu}\p{Ll}+):\s"
)
_NOT_SMALL: Final = (
    SMALL_WORDS
    | _FIRST
    | frozenset(
        "am an as at be by bf gf i im id ill in is it me mine my no of off oh on or our ours so to u ur us we wanna gonna gotta pls plz thx tbh idk smth omg lol kinda dunno cos cause cuz coz ya yeah"
        " nah yep abt bday tmrw tonite rn ngl fam hun mum's someone everyone nobody anybody everybody people folks whoever whom whose both all none himself herself themselves myself yourself".split()
    )
)
_INITIALS: Final = regex.compile(r"(?<![\p{L}\d.])(?:\p{Lu}\.\s?){1,2}\p{Lu}\.(?![\p{L}\d])")
_NO_INITIALS: Final = frozenset(
    {
        "us",
        "uk",
        "un",
        "eu",
        "ps",
        "pps",
        "am",
        "pm",
        "uae",
        "usa",
        "bc",
        "ad",
        "ie",
        "eg",
        "ba",
        "ma",
        "dc",
        "zb",
        "pa",
    }
)
_INITIAL_AFTER: Final = regex.compile(r",\s\p{Lu}\.(?=[;,\s]|\Z)")
_CAPITALS: Final = regex.compile(r"(?<![\p{L}\d.@/-])\p{Lu}{2,3}(?![\p{L}\d/-])")
_ACRONYMS: Final = frozenset(
    "HR IT GP TV UK US EU PC OK AI ID CV PE QA PR DM PM AM BF GF UN MD PHD MA BA CEO CFO CTO COO IVF HIV STD STI DUI ADHD OCD MRI CT ER ICU NHS VAT FAQ ASAP FYI IBS IUD PMS RSI SSN IRS HMO NDA MP FBI CIA DNA RE PS CC NB TBC TBD ETA DIY FAO ENT A&E XX XXX".split()
)
_CONTACT: Final = regex.compile(
    r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)|(?<![\w@/.])(?P<handle>@[\w.]{3,}(?<!\.))|(?<![\w@/.])(?P<phone>(?:\+|00?)\d(?:[ ()./-]{0,2}\d){7,13}(?!\d))"
)
"""Mailboxes, handles and numbers that are nobody's elsewhere: beside a person they may be theirs."""
_CAMEL: Final = regex.compile(r"(?<!\A(?:Mc|Mac|De|Di|La|Le|Van|Fitz|O'))(?<=\p{Ll})\p{Lu}")
_SENTENCE: Final = regex.compile(r"[.!?\n]")


@dataclass(frozen=True, slots=True)
class _Word:
    """Characters start to end (half open), without the s of a genitive."""

    start: int
    end: int
    word: str
    small: str
    tall: bool
    opens: bool


def find_likely_names(text: str, found: Sequence[Sign]) -> Iterator[Sign]:
    """Yield words that may be names, and contacts, that `found` does not mask; sorted by place.

    Raises TimeoutError.
    """
    covered = Places((sign.start, sign.end) for sign in found)
    for contact in _CONTACT.finditer(text, timeout=_TIMEOUT):
        if not covered.touch(*contact.span()):
            kind = {"mail": "e-mail", "handle": "handle", "phone": "phone"}[contact.lastgroup]
            yield Sign(*contact.span(), kind, _LIKELY)
    words = [word for word in _words(text) if not covered.touch(word.start, word.end)]
    names = [(sign.start, sign.end) for sign in found if sign.kind == _NAME]
    german = is_german(text)
    taken: set[tuple[int, int]] = set(_of_initials(text))
    known = {text[start:end].lower() for start, end in names}
    for word in words:
        if not word.tall and word.small in known and _ACTS.match(text, word.end):
            taken.add((word.start, word.end))  # "i think sky is cheating"
            continue
        tall = _is_called(text, word) if german else _is_tall(text, word)
        if tall or _is_small_one(text, word):
            taken.add((word.start, word.end))
    taken |= _beside(text, words, [*names, *taken])
    for start, end in sorted(taken):
        if not covered.touch(start, end) and not is_public(text[start:end]):
            yield Sign(start, end, _NAME, _LIKELY)


def without_kin(text: str, signs: Sequence[Sign]) -> list[Sign]:
    """Return signs with names less the words for kin at their ends: "mari Clément"."""
    kept = []
    for sign in signs:
        if sign.kind != _NAME:
            kept.append(sign)
            continue
        start, end = sign.start, sign.end
        while (first := regex.match(r"(\p{L}+)\s+", text[start:end])) and _is_kin(
            first[1], text, start
        ):
            start += first.end()
        if _is_kin(text[start:end], text, start):
            continue
        if text[start:end].islower() and _ARTICLE.search(text[max(0, start - 8) : start]):
            continue
        kept.append(Sign(start, end, sign.kind, sign.score))
    return kept


def _is_kin(word: str, text: str, start: int) -> bool:
    """Return whether a word is one for kin or the speaker, and no name for all its capital."""
    small = word.lower()
    if small in listed("first_person") and not _opens(text, start):
        return word.islower()
    return small in _KIN or small in listed("first_person")


def _opens(text: str, start: int) -> bool:
    return _OPENS.search(text[max(0, start - 4) : start]) is not None


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text, timeout=_TIMEOUT):
        start, end = match.span()
        word = match[0]
        if word.lower().endswith("'s"):
            word, end = word[:-2], end - 2
        if len(word) > 1:
            opens = _opens(text, start)
            yield _Word(start, end, word, word.lower(), word[0].isupper(), opens)


def _is_tall(text: str, word: _Word) -> bool:
    """Return whether a word with a capital may be a name where nouns have none."""
    if not word.tall or (word.word.isupper() and len(word.word) > 1) or word.small in _NEVER:
        return False
    if word.small in _FIRST and (word.opens or not _is_person(text, word)):
        return False
    lead = word.small.split("'")[0]
    if (lead != word.small and lead in _FIRST) or (
        word.small in _EPONYMS and _OF_ILL.match(text, word.end)
    ):
        return False
    if lead in _NEVER or _CAMEL.search(word.word) or names_matter(word.word):
        return False
    if word.opens:
        return _is_subject(text, word)
    if is_month(text, word.start, word.end) or _is_of_firm(text, word):
        return False
    known = lexicon()
    before = text[max(0, word.start - 24) : word.start]
    given = word.small in known.given
    if word.small in known.entities:
        return _is_introduced(text, word) or (given and _is_person(text, word))
    if given:
        return not (_PLACE.search(before) and word.small in known.ordinary)
    if _PLACE.search(before):
        return False
    if word.small in known.ordinary:
        if _is_title_case(text, word):
            return False
        return _DETERMINER.search(before) is None or _is_followed_as_person(text, word)
    return regex.search(r"\b(?:an?|the)\s\Z", before, regex.I) is None


def _is_subject(text: str, word: _Word) -> bool:
    """Return whether a word at the head of a sentence may be a name: by what follows it."""
    known = lexicon()
    plain = word.small in known.ordinary or word.small in known.entities
    if plain and word.small not in known.given and not _is_mentioned(text, word):
        return False
    before = text[max(0, word.start - _MOST) : word.start]
    return _is_person(text, word) or _SIGNS.search(before) is not None


def _is_mentioned(text: str, word: _Word) -> bool:
    """Return whether a word stands with its capital in the middle of a sentence elsewhere."""
    for other in regex.finditer(rf"(?<=[\p{{Ll}},] ){regex.escape(word.word)}(?!\w)", text):
        if other.start() != word.start:
            return True
    return False


def _is_person(text: str, word: _Word) -> bool:
    """Return whether persons stand in the place of a word."""
    return _is_introduced(text, word) or _is_followed_as_person(text, word)


def _is_introduced(text: str, word: _Word) -> bool:
    """Return whether what stands before a word says that a person follows."""
    before = text[max(0, word.start - _MOST) : word.start]
    leads = (_GREETS, _KIN_BEFORE, _TITLE_BEFORE, _CALLED, _SIGNS, _SELF)
    return any(each.search(before) for each in leads)


def _is_followed_as_person(text: str, word: _Word) -> bool:
    """Return whether what follows a word is said of persons: "says", "'s dog", ", my son"."""
    return any(each.match(text, word.end) for each in (_ACTS, _OWNS, _CALLED_OUT))


def _is_of_firm(text: str, word: _Word) -> bool:
    """Return whether a word stands in a run of capitals that is a firm, a school or a street."""
    after = regex.match(
        r"(?:\s(?:of\s|and\s|&\s)?\p{Lu}[\p{L}'-]+)+", text[word.end : word.end + _MOST]
    )
    before = regex.search(
        r"(?:\p{Lu}[\p{L}'-]+\s(?:of\s|and\s|&\s)?)+\Z",
        text[max(0, word.start - _MOST) : word.start],
    )
    run = f"{before[0] if before else ''} {after[0] if after else ''} {word.word}"
    return not _ORGANISED.isdisjoint(run.lower().split())


def _is_title_case(text: str, word: _Word) -> bool:
    """Return whether most words of the sentence have a capital: a heading, a title of a work."""
    start = max(
        (m.end() for m in _SENTENCE.finditer(text, max(0, word.start - 80), word.start)),
        default=max(0, word.start - 80),
    )
    end = _SENTENCE.search(text, word.end)
    words = regex.findall(r"\p{L}{3,}", text[start : end.start() if end else len(text)][:160])
    return len(words) > 3 and 3 * sum(each[0].isupper() for each in words) > 2 * len(words)


def _is_called(text: str, word: _Word) -> bool:
    """Return whether a word is a name in German, where each noun has a capital."""
    if not word.tall or word.small in _NEVER:
        return False
    before = text[max(0, word.start - _MOST) : word.start]
    if any(each.search(before) for each in (_KIN_BEFORE, _TITLE_BEFORE, _GREETS)):
        return not word.small.endswith(("ung", "heit", "keit"))
    return (
        word.small in lexicon().given
        and regex.search(r"\b(?:von|mit|an|für|bei|dass|und|in)\s\Z", before) is not None
    )


def _is_small_one(text: str, word: _Word) -> bool:
    """Return whether a word in small letters is somebody: by its place, and by what it is not."""
    if (
        word.tall
        or word.small in _NOT_SMALL
        or word.small in _NEVER
        or "'" in word.word
        or len(word.word) < 3
    ):
        return False
    known = lexicon()
    before = text[max(0, word.start - _MOST) : word.start]
    given, plain = word.small in known.given, word.small in known.ordinary
    if _CALLED.search(before) or (
        _SPEAKS.search(before) and (given or not plain) and _SPOKEN.match(text, word.end)
    ):
        return True
    strange = not plain and word.small not in known.entities and not names_matter(word.word)
    acts = _ACTS.match(text, word.end) is not None
    if _TITLE_BEFORE.search(before) and (
        strange or ((given or word.small in known.family) and not acts)
    ):
        return True
    if _KIN_BEFORE.search(before) and (strange or (given and (acts or _ends(text, word)))):
        return not regex.fullmatch(r"\p{Ll}+(?:ing|ed|s|ly)", word.small) or given
    if not strange or not _hasty(text):
        return False
    if regex.fullmatch(r"\p{Ll}+(?:ing|ed|ly|ness|tion|able)", word.small) and not given:
        return False
    return (
        (_DEALT.search(before) is not None and (acts or _ends(text, word)))
        or acts
        or _OWNS.match(text, word.end) is not None
    )


def _ends(text: str, word: _Word) -> bool:
    """Return whether a clause ends after a word, or goes on with another."""
    return (
        regex.match(
            r"\s?[,.!?;:)'\"]|\s*\Z|\s(?:and|n|&|or|that|to|if|my|i|im|how|what|she|he|because|cos|so|too|about|for|is|at)\b",
            text[word.end : word.end + 12],
        )
        is not None
    )


def _hasty(text: str) -> bool:
    """Return whether a text is in English and begins its sentences in small letters."""
    start = text.lstrip(" '\"(@")[:1]
    return text.isascii() and (
        start.islower() or regex.search(r"(?<![\w'])i(?![\w'])", text) is not None
    )


def _of_initials(text: str) -> Iterator[tuple[int, int]]:
    """Yield who is written with initials alone: "J.T. and M.W."; "JB" where a person stands."""
    for found in _INITIALS.finditer(text, timeout=_TIMEOUT):
        if regex.sub(r"\W", "", found[0]).lower() not in _NO_INITIALS:
            yield found.span()
    if text.isupper():
        return
    for found in _CAPITALS.finditer(text, timeout=_TIMEOUT):
        if found[0] in _ACRONYMS:
            continue
        before = text[max(0, found.start() - _MOST) : found.start()]
        if _KIN_BEFORE.search(before) or regex.match(
            r"\s(?:to (?:call|do|ask|send|check|tell)|says|said|told|asked|thinks|wants)\b",
            text[found.end() : found.end() + 12],
        ):
            yield found.span()


def _beside(
    text: str, words: Sequence[_Word], names: Sequence[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Return what a list or a blank joins to a name, as long as there is more."""
    starts = {start for start, _ in names}
    ends = {end for _, end in names}
    added: set[tuple[int, int]] = set()
    known = lexicon()
    hasty = _hasty(text)
    german = is_german(text)
    for _ in range(4):
        before = len(added)
        for word in words:
            lead_word = word.small.split("'")[0]
            if (word.start, word.end) in added or lead_word in _NEVER or lead_word in _NOT_SMALL:
                continue
            joined = _WITH_OTHERS.match(text, word.end)
            lead = _BEFORE_OTHERS.search(text[max(0, word.start - 6) : word.start])
            beside = (joined is not None and joined.end() in starts) or (
                lead is not None and word.start - len(lead[0]) in ends
            )
            first = text[word.end : word.end + 1] == " " and word.end + 1 in starts
            given, plain = word.small in known.given, word.small in known.ordinary
            if word.tall:
                likely = (
                    beside and not (word.opens and plain and not given) and not word.word.isupper()
                )
                likely = likely and (not german or given or not plain)
                likely = likely or (first and given and not german)
            else:
                ends_here = regex.match(
                    r"\s?[,.!?;]|\s*\Z|\s(?:and|n|&|to|that)\b", text[word.end : word.end + 6]
                )
                likely = beside and hasty and not plain and word.small not in known.entities
                likely = likely or (beside and hasty and given and ends_here is not None)
            if likely:
                added.add((word.start, word.end))
                starts.add(word.start)
                ends.add(word.end)
        if len(added) == before:
            break
    return added
