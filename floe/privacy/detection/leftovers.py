"""What else in a private text may lead to somebody: numbers, codes, old dates, addresses.

By form alone, and generously: it is asked of texts that leave with placeholders, where one too many
costs a word and one too few costs the secret. Reserved values are masked, too; beside a person they
stand for one. Decides nothing by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import regex

from floe.privacy.detection.names import lexicon
from floe.privacy.detection.rules import Rule, RuleSet, Sign, compiled, sign_of
from floe.privacy.detection.vocabulary import listed
from floe.privacy.places import Places
from floe.privacy.verdict import NUMBER

_SCORE: Final = 0.4
_FEWEST_GROUPED: Final = 7
_AMOUNT_DIGITS: Final = 9
"""From as many digits groups of three are a number of somebody's rather than thousands."""
_FEWEST_BARE: Final = 6
_FEWEST_MIXED: Final = 3
_SHORTEST_MIXED: Final = 6
_RECENT: Final = 6
"""Years: an exact date of longer ago is rather a birthday than part of a story."""
_YEARS: Final = regex.compile(r"(?:19|20)\d\d(?:\s?[-/–]\s?(?:19|20)?\d\d)?")
_MONEY_BEFORE: Final = regex.compile(
    r"(?:[$€£¥₹₽₩₺]|\b(?:usd|eur|euros?|gbp|chf|aud|cad|nzd|inr|rs|r|kr|nok|sek|dkk|pln|zł|pay|paid|owes?|owed|salary|rent|about|around|nearly|over)\.?)\s?\Z",
    regex.I,
)
_QUANTITY_AFTER: Final = regex.compile(
    r"\s?(?:[$€£¥₹%°]|(?:k|m|bn|usd|eur|euros?|dollars?|pounds?|quid|bucks|gbp|chf|francs?|kr|kronor|kroner|zł|złotych|yen|yuan|rupees?|reais|pesos|lire|cents?"
    r"|people|views?|users?|followers?|steps|words|rows|lines|characters|km|kms|kilomet\w+|miles?|mi|m²|sqm|sq|ft|feet|hours?|hrs|minutes|days|years?|yrs|calories|kcal|kwh|kg|g|mg|ml|l|rpm|hz|mb|gb"
    r"|menschen|leute|wörter|schritte|stunden|tage|jahre|personnes|heures|jours|ans|personas|horas|días|años|persone|ore|giorni|anni)\b)",
    regex.I,
)
_MAIL: Final = compiled(r"(?<![\w.]) [\p{L}\d] [\p{L}\d._%+-]* @ [\p{L}\d-]+ (?: \.[\p{L}\d-]+ )+")
_BANK: Final = compiled(r"\b [A-Z]{2}\d{2} (?: [ ]? [A-Z\d]{4} ){3,8} (?: [ ]? [A-Z\d]{1,3} )? \b")
_GROUPED: Final = compiled(
    r"(?<! [\w.,:] ) (?P<x> (?-i: \b [A-Z]{1,3} [ -]? )?? [+(]* \d+ (?: [ /().–-]{1,3} \d+ )+ ) (?! [\w%€] | [.,:]\d )"
)
_BARE: Final = compiled(r"(?<! [\w.,:/-] ) \d{5,} (?! [\w%] | [.,:]\d )")
_LABELLED: Final = compiled(
    r"""
    (?: \b (?: n[or] | n[°ºo] | num(?:ber)? | nummer | número | numéro | ref(?:erence)? | id | codes? | pin | member(?:ship)? | case | file | policy | claim
      | alarm | door | gate | keypad | safe | account | acc?t | a/c | konto | badge | booking | inmate | invoice | order | kenteken | plate | reg | passport | licen[cs]e | ending \s in | ends \s in
      | letzte[n]? | (?: is | was ) \s still | still ) \b \.? [ ]? [:=#]? [ ]? | \# | \*{2,} )
    (?P<x> (?= [^\s,;]{0,24} \d [^\s,;]{0,24} \d ) (?! (?: 19 | 20 ) \d\d \b ) [\p{L}\d] [\p{L}\d/-]{1,} ) (?! \w | [.,:]\d )
    """
)
_ZERO: Final = compiled(r"(?<! [\w.,:/-] ) 0\d{3,} (?! [\w%] | [.,:]\d )")
_MIXED: Final = compiled(
    r"(?<! [\w@.-] | / ) (?= [\p{L}/_-]* \d ) (?= [\d/_-]* \p{L} ) [\p{L}\d]+ (?: [-/_] [\p{L}\d]+ )* (?! \w | @ | \.\p{L} )"
)
_PLATE: Final = compiled(
    r"(?<! [\w-] ) (?: [A-Z]{2}\d{2} [ -]? [A-Z]{3} | [A-Z]{1,3} [ -] (?: [A-Z]{1,2} [ -] )? \d{2,4} (?: [ -] (?: \d{2,4} | [\p{Lu}]{1,3} ) )? ) (?! [\w-] )",
    cased=True,
)
_SECRET: Final = compiled(
    r"(?<! \S ) (?= \S{4,64} (?! \S ) ) (?= \S* \p{L} ) (?= \S* \d ) (?! \S* :// ) [^\s#!$^&*~]+ [#!$^&*~] \S+ (?<! [.,;:!?)] )"
)
_DATE: Final = compiled(
    r"""
    (?<! [\w./-] | \d[,] ) (?:
      \d{1,2} [./-] [ ]? \d{1,2} [./-] [ ]? (?P<year> (?: 19 | 20 ) \d\d )
      | (?P<year> (?: 19 | 20 ) \d\d ) [./-] \d{1,2} [./-] \d{1,2}
      | \d{1,2} (?: st | nd | rd | th | \. )? [ ] (?: of [ ] | de [ ] )? (?! (?: from | since | until | till | bis | von | seit | desde | hasta | depuis | jusqu | dal | tot | sinds | and | und ) \b ) \p{L}{3,10} \.? ,? [ ] (?: de [ ] )? (?P<year> (?: 19 | 20 ) \d\d )
      | \p{Lu}\p{Ll}{2,9} \.? [ ] \d{1,2} (?: st | nd | rd | th )? ,? [ ] (?P<year> (?: 19 | 20 ) \d\d )
    ) (?! [\w/-] )
    """
)
_FLOOR: Final = compiled(
    r"""
    (?<! \w ) (?: (?: flat | unit | room | apt | apartment | suite | wohnung | zimmer | piso ) \.? [ ] \#? (?: \d+ \w? | \p{L} ) \b
    | \d{1,2} (?: st | nd | rd | th | º | ª | \. )? [ ]? (?: floor | fl | esq | dto | og | stock | [eé]tage | planta | piso ) \b \.? )
    """
)
_STREET: Final = "Road | Rd | Street | Lane | Avenue | Ave | Drive | Close | Crescent | Terrace | Gardens | Grove | Mews"
_STREET_NUMBERED: Final = compiled(
    rf"(?<! [\w.,:/-] ) (?: \d{{1,4}} \p{{Ll}}? [ ] (?: \p{{Lu}}[\p{{L}}'’-]+ [ ] ){{1,3}} (?: {_STREET} | St | Row | Way | Rise ) \b"
    rf" | (?: \p{{Lu}}[\p{{L}}'’-]+ [ ] ){{1,2}} (?: {_STREET} | St | Row | Way | Rise ) [ ] \d{{1,4}} \p{{Ll}}? \b )",
    cased=True,
)
_STREET_ALONE: Final = compiled(
    rf"(?<! \w ) (?: \p{{Lu}}[\p{{L}}'’-]+ [ ] ){{1,2}} (?: {_STREET} | Cottages? | Row ) \b",
    cased=True,
)
_SMALL_STREET: Final = compiled(
    r"(?<! [\w.,:/-] ) \d{1,4} \p{L}? [ ]"
    r" (?: (?! (?: the | an | my | our | your | his | her | their | this | that | of | down | up | on | in | to | from | at | for | and | or | by | with | per | along | off ) \b ) \p{L}[\p{L}'’]+ [ ] ){1,3}"
    rf" (?: {_STREET} | st | ln ) \b (?! [ ] (?: of | to ) \b )"
)
_CALLED: Final = compiled(
    r"(?: \b (?: calls? | called ) [ ] (?: him | her | them | me ) | \b l['’]appelle (?: nt | [ ] t-on )? | \b (?: nenn(?:en|t) | rufen ) [ ] (?: ihn | sie | mich ) | \b (?: lo | la | le ) [ ] (?: llaman | chiamano )"
    r" | \b goes [ ] by | \b known [ ] as | \b a\.?k\.?a\.? | \b nicknamed? (?: [ ] is )? ) [ ] [\"'“‘]? (?P<x> (?-i: \p{Lu} (?: [\p{L}\p{M}'’-] | \.(?=\p{L}) )* (?: [ ] \p{Lu}[\p{L}\p{M}'’-]+ )? ) ) (?! \w )"
)
_HOME: Final = ("address", "postcode")
_NAME: Final = "name"
_DAYS: Final = frozenset(["mon", "tue", "tues", "wed", "thu", "thur", "thurs", "fri", "sat", "sun"])
_TITLES: Final = listed("titles") | listed("never_names") | _DAYS
_CAPITAL_BEFORE: Final = compiled(
    r"(?<! [\w'’] ) (?P<x> \p{Lu}[\p{L}\p{M}'’-]+ ) [ ] \Z", cased=True
)
_SMALL_BEFORE: Final = compiled(r"(?<! [\w'’@.-] ) (?P<x> \p{Ll}{3,} ) [ ] \Z", cased=True)
_CAPITAL_AFTER: Final = compiled(r"[ ] (?P<x> \p{Lu}[\p{L}\p{M}-]+ ) (?! \w )", cased=True)
_ALIAS: Final = compiled(r"[ ] [(\"“'] (?P<x> \p{Lu}[\p{L}\p{M}-]+ ) [)\"”']", cased=True)
_OPENS: Final = regex.compile(r"(?:\A|[.!?:;\n\"(•*>-]\s*)\Z")
_PLACE_WORD: Final = r"(?: \p{Lu}[\p{L}\p{M}'’.-]* | \d[\p{L}\d/ºª-]* | c/o )"
_PLACE: Final = rf"{_PLACE_WORD} (?: [ ] (?: (?: de | la | du | des | do | da | del | upon | am | an | der | den ) [ ] )* {_PLACE_WORD} ){{0,4}}"
_PARTS_BEFORE: Final = compiled(
    rf"(?<! [\w'] ) (?P<x> {_PLACE} (?: , [ ] {_PLACE} ){{0,2}} ) ,? [ \n] \Z", cased=True
)
_PARTS_AFTER: Final = compiled(
    rf"(?: [ ]? , [ ]? | \n | [ ] (?: in [ ] )? | [ ]? \( ) (?P<x> {_PLACE} (?: ,[ ]? {_PLACE} ){{0,2}} ) (?! \w )"
    r" (?: (?<! \d ) | (?! [ ] \p{Ll} ) )",  # "3 lessons" is no part of it
    cased=True,
)
_LONGEST_PART: Final = 60
_LONGEST_WORD: Final = 40
_WORD: Final = regex.compile(r"[\p{L}\p{M}]{3,}")
_WORD_END: Final = regex.compile(r"[\p{L}\p{M}\d._%+@/-]+\Z")
_WORD_START: Final = regex.compile(r"(?:[._%+@/-]*[\p{L}\p{M}\d])+")
_LIVES_AT: Final = compiled(
    rf"(?i: \b (?: address | adres+e? | anschrift | direcci[oó]n | indirizzo | adres | resid\w+ (?: \s (?: at | in | of ) )? | domiciled (?: \s (?: at | in ) )? | lives? \s (?: at | in ) | living \s (?: at | in ) | wohnhaft (?: \s in )?"
    rf" | undersigned ) \b [ ]* [:=]? [ ]* ) (?P<x> {_PLACE} (?: , [ ]? {_PLACE} ){{0,3}} )",
    cased=True,
)
_BY_NUMBERS: Final = compiled(
    r"\b (?: house | lane | sector | block | camp | unit | flat | apt | room | stan | bloc | b[âa]t | street | box | rt | route | mile ) \.? [ ] \d+ \w? \b"
    r" (?: ,? [ ] (?: house | lane | sector | block | camp | unit | flat | apt | room | stan | street | box ) \.? [ ] [\p{L}\d]{1,4} \b )+"
)
_HANDLE: Final = compiled(
    r"(?: \b (?: log[ -]?in | user (?: name | id )? | handle | nick (?: name )? | seller | gamertag | insta (?:gram)? | snap (?:chat)? | discord | skype | telegram | facebook | fb | tiktok | reddit ) \b [ ]? (?: is [ ] | [:=] [ ]? )?"
    r" @? | < ) (?P<x> (?= [\p{L}\d.-]* [\d_] ) [\p{L}\d][\p{L}\d._-]{2,} ) (?! \w )"
)
_LOGIN: Final = compiled(
    r"(?<! \p{L} ) (?: log[ -]?in | user (?: [ ]? (?: name | id ) )? | handle | nick (?: name )? | gamertag ) (?: [ ] is [ ] | [ ]? [:=] [ ]? ) [\"'“]? (?P<x> \p{L}[\p{L}\p{M}.-]{2,} )"
)
_EXPIRY: Final = compiled(
    r"\b (?: exp\w* | valid [ ] (?: until | thru | to ) | cvc | cvv ) \b \.? [ ]? [:=]? [ ]? (?P<x> \d\d [ ]? / [ ]? \d\d (?: \d\d )? | \d{3,4} ) \b"
)
_COMMON: Final = regex.compile(
    r"(?:ISO|RFC|DIN|IEEE|ANSI|NIST|CVE|HTTP|UTF|SHA|MD|AES|RSA|UTC|GMT|Q[1-4]|FY|MS|KB|v|ver)[-_ /]?\d.*"
    r"|\d+\p{Ll}{1,3}|\d{4}s|\d+x\d+|[IVX]+",
    regex.I,
)
_NO_PLATE: Final = regex.compile(
    r"(?:I|A|AM|PM|AT|BY|TO|IN|OF|ON|NO|OR|AND|THE|FOR|PM|CEO|USD|EUR|GBP|CHF|AUD|CAD|Q|FY|RM|ROOM|MG|KG|KM|ML|BC|AD|CE|UK|US|EU|UTC|GMT|TV|PC|PS|ISO|DIN|EN|RFC|R|Rs|KR)\b",
    regex.I,
)


def find_leftovers(text: str, found: Sequence[Sign]) -> Iterator[Sign]:
    """Yield what may lead to somebody; parts of a home's address only beside one of `found`."""
    signs = [*_EVERYWHERE.find(text)]
    if any(sign.kind in _HOME for sign in (*found, *signs)):
        signs += _BESIDE_HOMES.find(text)
    yield from signs
    yield from _around_homes(text, [sign for sign in (*found, *signs) if sign.kind in _HOME])
    for sign in (*found, *_again(text, found)):
        start, end = _whole_word(text, sign)
        if sign.kind == _NAME:
            start, end = _with_neighbours(text, start, end)
            if alias := _ALIAS.match(text, end, end + _LONGEST_WORD):
                yield sign_of(alias, "x", _NAME, _SCORE)
        if end - start > sign.end - sign.start:
            yield Sign(start, end, sign.kind, _SCORE)


def _again(text: str, found: Sequence[Sign]) -> Iterator[Sign]:
    """Yield the words of names where they stand once more: with another first name, say."""
    names = {
        word
        for sign in found
        if sign.kind == _NAME
        for word in _WORD.findall(text[sign.start : sign.end])
        if word[0].isupper() and word.lower() not in _TITLES
    }
    places = Places((sign.start, sign.end) for sign in found)
    for word in _WORD.finditer(text):
        if word[0] in names and not places.touch(*word.span()):
            yield sign_of(word, 0, _NAME, _SCORE)


def _with_neighbours(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a name with the words in capitals before and after it that are rather part of it."""
    known = lexicon()
    while before := _CAPITAL_BEFORE.search(text, max(0, start - _LONGEST_WORD), start):
        word = before["x"].lower().rstrip(".")
        opens = _OPENS.search(text, max(0, before.start() - 3), before.start()) is not None
        if word in _TITLES or (opens and word in known.ordinary and word not in known.given):
            break
        start = before.start()
    # "who is gulnara obi": in small letters a word on no list is rather a part of the name.
    if text[start].islower():
        first = _SMALL_BEFORE.search(text, max(0, start - _LONGEST_WORD), start)
        start = first.start("x") if first and first["x"] not in known.ordinary else start
    while after := _CAPITAL_AFTER.match(text, end, end + _LONGEST_WORD):
        if after["x"].lower() in known.ordinary or after["x"].lower() in _TITLES:
            break
        end = after.end()
    return start, end


def _whole_word(text: str, sign: Sign) -> tuple[int, int]:
    """Return the characters without a blank of which a find is a part: "anna" of "anna.weber92"."""
    start, end = sign.start, sign.end
    if before := _WORD_END.search(text, max(0, start - _LONGEST_WORD), start):
        start = before.start()
    if after := _WORD_START.match(text, end, end + _LONGEST_WORD):
        end = after.end()
    return start, end


def _around_homes(text: str, homes: Sequence[Sign]) -> Iterator[Sign]:
    """Yield the house before a street and the town after it, as commas or a line divide them."""
    for home in homes:
        before = _PARTS_BEFORE.search(text, max(0, home.start - _LONGEST_PART), home.start)
        if before:
            yield sign_of(before, "x", "address", _SCORE)
        after = _PARTS_AFTER.match(text, home.end, home.end + _LONGEST_PART)
        if after:
            yield sign_of(after, "x", "address", _SCORE)


def _digits(text: str) -> int:
    return sum(map(str.isdigit, text))


def _is_number(match: regex.Match[str]) -> bool:
    """Return whether groups of digits are neither a date, years, an amount nor a row of numbers."""
    value = match["x"]
    if _digits(value) < _FEWEST_GROUPED or _YEARS.fullmatch(value) or _DATE.fullmatch(value):
        return False
    groups = regex.findall(r"\d+", value)
    led = value[0] in "+(0" or value[0].isalpha()
    if not led and len(groups) > 3 and all(len(group) <= 2 for group in groups):
        return False
    thousands = all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3
    return led or not ((thousands and _digits(value) < _AMOUNT_DIGITS) or _is_amount(match))


def _is_amount(match: regex.Match[str]) -> bool:
    group = "x" if "x" in match.re.groupindex else 0
    start, end = match.span(group)
    text = match.string
    return (
        _MONEY_BEFORE.search(text[max(0, start - 12) : start]) is not None
        or _QUANTITY_AFTER.match(text, end) is not None
    )


def _is_bare_number(match: regex.Match[str]) -> bool:
    """Return whether a long number is no amount, which would be round or have a unit."""
    return not (
        _is_amount(match)
        or match[0].endswith("000")
        or (len(match[0]) < _FEWEST_BARE and match[0].endswith("00"))
    )


def _is_code(match: regex.Match[str]) -> bool:
    """Return whether letters and digits are neither a unit, a standard nor a model."""
    value = match[0]
    digits = _digits(value)
    return (
        digits >= _FEWEST_MIXED
        and (sum(map(str.isalnum, value)) >= _SHORTEST_MIXED or digits > _FEWEST_MIXED)
        and not _COMMON.fullmatch(value)
        and not _YEARS.search(value)
    )


def _is_plate(match: regex.Match[str]) -> bool:
    return not (_NO_PLATE.match(match[0]) or _YEARS.search(match[0])) and _digits(match[0]) > 1


def _is_login(match: regex.Match[str]) -> bool:
    """Return whether it is no word: "login: required", "user is new"."""
    return match["x"].lower() not in lexicon().ordinary


def _is_nickname(match: regex.Match[str]) -> bool:
    """Return whether it is what people call somebody, and no word that opens a sentence."""
    return match["x"].lower() not in _TITLES


def _has_number(match: regex.Match[str]) -> bool:
    """Return whether it is a house and no country: somebody who lives in France tells little."""
    return _digits(match["x"]) > 0


def _is_old(match: regex.Match[str]) -> bool:
    return int(match["year"]) <= datetime.now(UTC).year - _RECENT


_EVERYWHERE: Final = RuleSet(
    [
        Rule("e-mail", _MAIL, _SCORE),
        Rule(NUMBER, _BANK, _SCORE),
        Rule(NUMBER, _GROUPED, _SCORE, _is_number),
        Rule(NUMBER, _BARE, _SCORE, _is_bare_number),
        Rule(NUMBER, _LABELLED, _SCORE, lambda match: not _is_amount(match)),
        Rule(NUMBER, _ZERO, _SCORE),
        Rule(NUMBER, _MIXED, _SCORE, _is_code),
        Rule(NUMBER, _PLATE, _SCORE, _is_plate),
        Rule(NUMBER, _EXPIRY, _SCORE),
        Rule("password", _SECRET, _SCORE),
        Rule("handle", _HANDLE, _SCORE),
        Rule("handle", _LOGIN, _SCORE, _is_login),
        Rule("address", _LIVES_AT, _SCORE, _has_number),
        Rule("address", _BY_NUMBERS, _SCORE),
        Rule("address", _STREET_NUMBERED, _SCORE),
        Rule("address", _SMALL_STREET, _SCORE),
        Rule(_NAME, _CALLED, _SCORE, _is_nickname),
        Rule("date", _DATE, _SCORE, _is_old),
    ]
)
_BESIDE_HOMES: Final = RuleSet(
    [Rule("address", _FLOOR, _SCORE), Rule("address", _STREET_ALONE, _SCORE)]
)
