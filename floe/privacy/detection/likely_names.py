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
from floe.privacy.detection.likely_words import (
    ACRONYMS,
    ALSO_NAMES,
    FIRST,
    KIN,
    NEVER,
    NO_INITIALS,
    NO_PERSONS,
    NOT_SMALL,
    NOT_SMALL_BESIDE,
    ORGANISED,
)
from floe.privacy.detection.names import is_public, lexicon
from floe.privacy.detection.placed_names import find_placed, is_heading
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.vocabulary import listed
from floe.privacy.detection.world import names_matter
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
_ELIDED: Final = regex.compile(r"(?:[dlmnstjc]|qu|dell|nell|all|un)'(?=\p{Lu})", regex.I)
"""What French and Italian write before a vowel: "d'Olive"."""
_PART: Final = regex.compile(r"\p{L}[\p{L}\p{M}'-]+")
_EPONYMS: Final = listed("eponyms")
_ILLNESS: Final = r"(?:disease|syndrome|dementia|palsy|lymphoma|sarcoma)"
_OF_ILL: Final = regex.compile(
    r"'s(?!\s\p{Ll}|\w)|'s(?=\s(?:and|but|or|so|since|for|is|has|was)\b)"
    rf"|(?:'s)?\s{_ILLNESS}\b"
)
_ILLNESS_NAMED: Final = regex.compile(
    rf"[ -](?:{_ILLNESS}|body\sdementia|bodies|chorea|thyroiditis|contracture)\b"
)
_ROMANCE: Final = regex.compile(
    r"\b(?:le|la|les|est|et|du|des|que|qui|el|los|y|do|da|é|il|che)\b", regex.I
)
"""A text in which "de" is no article."""
_DETERMINER: Final = regex.compile(
    r"\b(?:the|an?|this|that|these|those|each|every|any|no|some|my|our|your|its|le|la|les|l'|un|une|des|el|los|las|una|il|lo|gli|i|uno|o|a|os|as|um|uma|de|het|een|den|det|en|et|ett)\s\Z",
    regex.I,
)
_ARTICLE: Final = regex.compile(
    r"\b(?:an?|the|ein|eine|einen|einem|einer|une?|una|uno|uma?|een|het|ett?|en|den|det|les?|los|las|el)\s\Z",
    regex.I,
)
_THE: Final = regex.compile(r"\b(?:an?|the)\s\Z", regex.I)
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
_ACTS_ABROAD: Final = regex.compile(
    r"\s(?:est|a|était|avait|dit|veut|es|está|tiene|era|dice|quiere|debe|ha|è|dice|vuole|é|foi|tem|quer|heeft|had|zegt|wil|wordt|er|har|blev|var|sier|siger|säger|vill|vil|jest|był|była|ma|mówi|chce)(?=\s)"
)
"""The same in other languages, for a first name that opens a sentence."""
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
    rf"\b(?:{'|'.join(sorted(map(regex.escape, KIN - {'man', 'child', 'client', 'patient'}), key=len, reverse=True))})e?s?,?\s\Z",
    regex.I,
)
_TITLE_BEFORE: Final = regex.compile(
    r"\b(?:mr|mrs|ms|miss|mx|dr|prof|auntie|aunty|aunt|uncle|sister|nurse|coach|granny|grandma|grandpa|grandad|nana|captain|sergeant|sgt|cpl|corporal|rev|pastor|fr|old|little|poor|wee|baby|young|cousin)\.?\s\Z",
    regex.I,
)
_STRONG: Final = regex.compile(
    r"\s(?:slept with|cheated|texted|dumped|ghosted|kissed|(?:told|hit|likes?|loves?|hates?|owes?|asked|lent|wants) (?:me|us|him|her)|says|said)\b",
    regex.I,
)
"""What persons alone do, so that a word of the language may be one."""
_GOES_ON: Final = regex.compile(r",\s(?:help|can|could|i|im|and|but|how|what|so|should|do|pls)\b")
_ADVERBS: Final = frozenset(
    ("abroad", "alone", "anyway", "instead", "later", "sometimes", "though", "upstairs", "either")
)
_CLAUSE: Final = regex.compile(
    r"(?:\A|[.!?,;:\n]\s*|\b(?:and|but|that|because|if|think|since|cos)\s)\Z", regex.I
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
_INITIALS: Final = regex.compile(r"(?<![\p{L}\d.])(?:\p{Lu}\.\s?){1,2}\p{Lu}\.(?![\p{L}\d])")
_CAPITALS: Final = regex.compile(r"(?<![\p{L}\d.@/-])\p{Lu}{2,3}(?![\p{L}\d/-])")
_CONTACT: Final = regex.compile(
    r"(?P<mail>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)|(?<![\w@/.])(?P<handle>@[\w.]{3,}(?<!\.)|\p{Ll}{2,}_\p{Ll}{2,}\d*(?![\w.(=]))|(?<![\w@/.])(?P<phone>(?:\+|00?)\d(?:[ ()./-]{0,2}\d){7,13}(?!\d))"
)
"""Mailboxes, handles and numbers that are nobody's elsewhere: beside a person they may be theirs."""
_SHORTEST: Final = 3
_LINKS: Final = 4
"""Rounds in which a list is followed from name to name."""
_CLOSES: Final = regex.compile(
    r"\s?[,.!?;]|\s*\Z|\s(?:and|n|&|to|that|r|are|is|were|have|had|both)\b"
)
_LEFT: Final = frozenset(
    ("thx", "ta", "pls", "plz", "feb", "sept", "hva", "hvad", "jehovah", "jehova", "dming", "lent")
)
"""What looks like a name and is none."""
_ASKS_LEAVE: Final = regex.compile(r"\s(?:I|we)\b")
_OF_TOWN: Final = regex.compile(r"\b(?:san|santa|los|el)\s\Z", regex.I)
_OBJECT: Final = regex.compile(
    r"\s(?:me|us|him|her|them|it|the|a|an|my|our|his|their|at|in|on|and|again|every)\b|[.!?,]|\s*\Z"
)
_IN_LIST: Final = regex.compile(
    r"(?:\A|[,.!?:;\n&/]\s*|\b(?:and|n|with|w|to|from|for|between|by|told|tell|invite|invited|ask|me|if|that|because)\s)\Z",
    regex.I,
)
"""Before the first of a list of persons in small letters."""
_VERBAL: Final = regex.compile(r"\p{Ll}+(?:ing|ed|ly|ness|tion|able)")
_OF_FEVER: Final = regex.compile(r"\s(?:fever|disease|syndrome)\b")
_DAY_BEFORE: Final = regex.compile(r"\d(?:st|nd|rd|th|\.)?(?: of)?\s\Z")
"""Before a month: "3 May"."""
_SURNAMES: Final = regex.compile(
    r"\b(?P<lead>(?:to|with|from|invite|tell|ask|parents,|neighbou?rs,) )?[Tt]he\s(?P<x>\p{Lu}\p{Ll}+s)(?!\w|\s\p{Lu})|(?<![\w-])(?P<x>\p{Lu}\p{Ll}+),\s(?P<initial>\p{Lu}\.)"
)
_CONTACTS: Final = {"mail": "e-mail", "handle": "handle", "phone": "phone"}
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
        start, end = contact.span()
        if not covered.touch(start, end):
            yield Sign(start, end, _CONTACTS[contact.lastgroup], _LIKELY)
    words = [word for word in _words(text) if not covered.touch(word.start, word.end)]
    names = [(sign.start, sign.end) for sign in found if sign.kind == _NAME]
    german = is_german(text)
    taken: set[tuple[int, int]] = {*_of_initials(text), *_families(text)}
    known = {text[start:end].lower() for start, end in names}
    for word in words:
        if not word.tall and word.small in known and _ACTS.match(text, word.end):
            taken.add((word.start, word.end))  # "i think sky is cheating"
            continue
        tall = _is_called(text, word) if german else _is_tall(text, word)
        if tall or _is_small_one(text, word):
            taken.add((word.start, word.end))
    taken = {place for place in taken if not is_heading(text, *place)}
    placed = find_placed(text, [*names, *taken])
    taken = {
        at
        for at in taken | _beside(text, words, [*names, *taken, *placed])
        if not is_public(text[slice(*at)])
    }
    for start, end in sorted(taken | placed):
        if not covered.touch(start, end):
            yield Sign(start, end, _NAME, _LIKELY)
            continue
        for part in _PART.finditer(text, start, end):  # "Petal" where "Green" is masked already
            if not covered.touch(*part.span()):
                yield Sign(part.start(), part.end(), _NAME, _LIKELY)


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
        if not _is_word(text, start, end):
            kept.append(Sign(start, end, sign.kind, sign.score))
    return kept


def names_illness(text: str, start: int, end: int) -> bool:
    """Return whether a name is an illness's: "Lewy body dementia", "Bell's palsy"."""
    word = text[start:end].lower()
    end -= 2 if word.endswith("'s") else 0
    if _ILLNESS_NAMED.match(text, end):
        return True
    return word.removesuffix("'s") in _EPONYMS and _OF_ILL.match(text, end) is not None


def _is_word(text: str, start: int, end: int) -> bool:
    """Return whether what was taken for a name is a word of the sentence, by its place."""
    value, before = text[start:end], text[max(0, start - 8) : start]
    if value.lower() in _LEFT or (value == "May" and _ASKS_LEAVE.match(text, end)):
        return True
    strange = " " not in value and value.lower() not in lexicon().given
    if strange and (before[-1:] in ("¿", "¡") or _OF_TOWN.search(before)):
        return True
    if not value.islower():
        return False
    if strange and _is_verb(text, start, end):
        return True
    return _OF_FEVER.match(text, end) is not None or _ARTICLE.search(before) is not None


def _is_verb(text: str, start: int, end: int) -> bool:
    """Return whether a small word after one for kin is a verb: "her mother corrects her"."""
    verbal = text[start:end].endswith(("s", "ed", "t"))
    if not verbal or not _KIN_BEFORE.search(text[max(0, start - _MOST) : start]):
        return False
    return _OBJECT.match(text, end) is not None


def _is_kin(word: str, text: str, start: int) -> bool:
    """Return whether a word is one for kin or the speaker, and no name for all its capital."""
    small = word.lower()
    if small in ALSO_NAMES and word[0].isupper():
        return False
    if small in FIRST and not _opens(text, start):
        return word.islower()
    return small in KIN or small in FIRST


def _opens(text: str, start: int) -> bool:
    return _OPENS.search(text[max(0, start - 4) : start]) is not None


def _words(text: str) -> Iterator[_Word]:
    for match in _WORD.finditer(text, timeout=_TIMEOUT):
        start, end = match.span()
        word = match[0]
        if word.lower().endswith("'s"):
            word, end = word[:-2], end - 2
        if elided := _ELIDED.match(word):
            word, start = word[elided.end() :], start + elided.end()
        if len(word) > 1:
            opens = _opens(text, start)
            yield _Word(start, end, word, word.lower(), word[0].isupper(), opens)


def _is_tall(text: str, word: _Word) -> bool:
    """Return whether a word with a capital may be a name where nouns have none."""
    if not word.tall or _is_never(text, word):
        return False
    return _is_subject(text, word) if word.opens else _is_inside(text, word)


def _is_never(text: str, word: _Word) -> bool:
    """Return whether a word with a capital is no name by its letters, or by its list."""
    lead = word.small.split("'")[0]
    if lead in NEVER or word.word.isupper() or _CAMEL.search(word.word) or names_matter(word.word):
        return True
    if lead in FIRST and (lead != word.small or word.opens or not _is_person(text, word)):
        return True
    return word.small in _EPONYMS and _OF_ILL.match(text, word.end) is not None


def _is_inside(text: str, word: _Word) -> bool:
    """Return whether a word with a capital in the middle of a sentence may be a name."""
    day = _DAY_BEFORE.search(text[max(0, word.start - 5) : word.start])
    if day or is_month(text, word.start, word.end) or is_of_firm(text, word.start, word.end):
        return False
    known = lexicon()
    before = text[max(0, word.start - _MOST) : word.start]
    given, plain = word.small in known.given, word.small in known.ordinary
    if word.small in known.entities:
        return _is_introduced(text, word) or (given and _is_person(text, word))
    if _PLACE.search(before):
        return given and not plain
    if given:
        return True
    if plain:
        article = _DETERMINER.search(before)
        if article and article[0].strip().lower() == "de" and len(_ROMANCE.findall(text)) > 1:
            article = None
        bare = article is None or _is_followed_as_person(text, word)
        return bare and not _is_title_case(text, word)
    return _THE.search(before) is None


def _is_subject(text: str, word: _Word) -> bool:
    """Return whether a word at the head of a sentence may be a name: by what follows it."""
    known = lexicon()
    plain = word.small in known.ordinary or word.small in known.entities
    if plain and word.small not in known.given and not _is_mentioned(text, word):
        return False
    if word.small in known.given and _ACTS_ABROAD.match(text, word.end):
        return True
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


def is_of_firm(text: str, start: int, end: int) -> bool:
    """Return whether words stand in a run of capitals that is a firm, a school or a street."""
    after = regex.match(r"(?:\s(?:of\s|and\s|&\s)?\p{Lu}[\p{L}'-]+)+", text[end : end + _MOST])
    before = regex.search(
        r"(?:\p{Lu}[\p{L}'-]+\s(?:of\s|and\s|&\s)?)+\Z",
        text[max(0, start - _MOST) : start],
    )
    if before is None and after is None:
        return False  # "What do I say to Lane?"
    run = f"{before[0] if before else ''} {after[0] if after else ''} {text[start:end]}"
    return not ORGANISED.isdisjoint(run.lower().split())


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
    if not word.tall or word.small in NEVER:
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
    if word.tall or word.small in NOT_SMALL or "'" in word.word or len(word.word) < _SHORTEST:
        return False
    known = lexicon()
    before = text[max(0, word.start - _MOST) : word.start]
    given, plain = word.small in known.given, word.small in known.ordinary
    strange = not plain and word.small not in known.entities and not names_matter(word.word)
    acts = _ACTS.match(text, word.end) is not None
    speaks = _SPEAKS.search(before) is not None and _SPOKEN.match(text, word.end) is not None
    alone = (
        _STRONG.match(text, word.end) and _CLAUSE.search(before) and word.small not in NO_PERSONS
    )
    if alone or _CALLED.search(before) or (speaks and (given or not plain)):
        return True
    family = (given or word.small in known.family) and not acts
    if _TITLE_BEFORE.search(before) and (strange or family):
        return True
    kin = _KIN_BEFORE.search(before) is not None
    if not given and (not strange or _VERBAL.fullmatch(word.small)):
        adverb = word.small.endswith("ly") or word.small in _ADVERBS
        return kin and plain and not adverb and _GOES_ON.match(text, word.end) is not None
    ends = _ends(text, word)
    if kin and (strange or acts or ends):
        return True
    dealt = (_DEALT.search(before) is not None and ends) or _OWNS.match(text, word.end) is not None
    return strange and _hasty(text) and (acts or dealt)


def stands_as_place(text: str, start: int) -> bool:
    """Return whether what starts there is where somebody goes or lives: "moved to Rennes"."""
    return _PLACE.search(text[max(0, start - _MOST) : start]) is not None


def _ends(text: str, word: _Word) -> bool:
    """Return whether a clause ends after a word, or goes on with another."""
    return (
        regex.match(
            r"\s?[,.!?;:)'\"]|\s*\Z|\s(?:and|n|&|or|that|to|if|my|i|im|how|what|she|he|because|cos|so|too|about|bout|for|is|at|hes|shes|again|tonight|tomorrow|yesterday|when|who|after|before|since|was|has|not|anymore|now|yet|w|\p{Ll}+ing)\b",
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
        if regex.sub(r"\W", "", found[0]).lower() not in NO_INITIALS:
            yield found.span()
    if text.isupper():
        return
    for found in _CAPITALS.finditer(text, timeout=_TIMEOUT):
        if found[0] in ACRONYMS:
            continue
        before = text[max(0, found.start() - _MOST) : found.start()]
        if _KIN_BEFORE.search(before) or regex.match(
            r"\s(?:to \p{Ll}{3,}|says|said|told|asked|thinks|wants|owes|hit|is (?:pregnant|out|off|ill|sick)|has (?:cancer|hiv))\b",
            text[found.end() : found.end() + 16],
            regex.I,
        ):
            yield found.span()


def _families(text: str) -> Iterator[tuple[int, int]]:
    """Yield surnames that are words: of a family ("the Greens"), or before an initial in a table."""
    known = lexicon()
    for found in _SURNAMES.finditer(text, timeout=_TIMEOUT):
        word = found["x"].lower()
        single = word.removesuffix("s")
        if {word, single} & (NEVER | known.entities):
            continue
        if found["initial"] or found["lead"] or single in known.family:
            yield found.span("x")


def _beside(
    text: str, words: Sequence[_Word], names: Sequence[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Return what a list or a blank joins to a name, as long as there is more."""
    starts = {start for start, _ in names}
    ends = {end for _, end in names}
    added: set[tuple[int, int]] = set()
    left = [word for word in words if word.small.split("'")[0] not in _never_beside(word)]
    hasty, german = _hasty(text), is_german(text)
    for _ in range(_LINKS):
        more = [
            word
            for word in left
            if _is_beside(text, word, starts, ends, hasty=hasty, german=german)
        ]
        if not more:
            break
        places = {(word.start, word.end) for word in more}
        added |= places
        starts |= {start for start, _ in places}
        ends |= {end for _, end in places}
        left = [word for word in left if (word.start, word.end) not in places]
    return added


def _never_beside(word: _Word) -> frozenset[str]:
    return NEVER | FIRST if word.tall else NOT_SMALL_BESIDE


def _is_beside(
    text: str, word: _Word, starts: set[int], ends: set[int], *, hasty: bool, german: bool
) -> bool:
    """Return whether a word is one of a list with a name, or a first name before another."""
    known = lexicon()
    given, plain = word.small in known.given, word.small in known.ordinary
    first = word.tall and given and not german and text[word.end : word.end + 1] == " "
    if first and word.end + 1 in starts:
        return True
    after = _WITH_OTHERS.match(text, word.end)
    lead = _BEFORE_OTHERS.search(text[max(0, word.start - 6) : word.start])
    joined = (after is not None and after.end() in starts) or (
        lead is not None and word.start - len(lead[0]) in ends
    )
    if not joined or word.word.isupper():
        return False
    if word.tall:
        return given or not plain or not german or lead is not None
    if word.small in known.entities or not hasty:
        return False
    if not plain:
        return True
    free = given or _IN_LIST.search(text[max(0, word.start - 10) : word.start]) is not None
    return free and _CLOSES.match(text, word.end) is not None
