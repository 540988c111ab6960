"""Numbers that stand for one person: cards, bank accounts, papers, memberships; birth dates.

A checksum or a shape of its own counts anywhere, other digits only beside the word for them.
"""

import re

import regex

from floe.privacy.detection.rules import Rule, RuleSet, compiled

_CARD = compiled(r"(?<! [\w.] | \d[ -] ) \d (?: [ -]? \d ){11,18} (?! \w | [.,-]?\d )")
_CARD_WORDS = compiled(
    r"\b (?: cards? | cc | visa | master\s?card | amex | american \s express | debit"
    r" | credit | karte\w* | kreditkarte\w*"
    r" | carte | tarjeta | carta | cart[ãa]o | maestro | discover | cvv ) \b"
)

_CARD_STARTS = ("1800", "2", "3", "4", "5", "6")


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def _is_card(match: regex.Match[str]) -> bool:
    """Return whether it has a card's checksum and first digit, or the word for a card beside it."""
    digits = re.sub(r"\D", "", match[0])
    around = match.string[max(0, match.start() - 60) : match.end() + 30]
    named = bool(_CARD_WORDS.search(around))
    if not named and (len(digits) < 13 or match.string[: match.start()].rstrip(" (").endswith("+")):
        return False
    return named or (
        _passes_luhn(digits) and digits.startswith(_CARD_STARTS) and not digits.endswith("0000")
    )


_IBAN_NAMED = compiled(
    r"\b iban \b [^\d\n]{0,20}? (?P<x> [A-Z]{2} \s? \d{2} (?: \s? [A-Z\d] ){9,30} ) \b"
)
_BIC_NAMED = compiled(
    r"\b (?: bic | swift ) (?: \s code )? (?: \s is"
    r" | : )? \s+ (?P<x> [A-Z]{6} [A-Z\d]{2} (?: [A-Z\d]{3} )? ) \b"
)

_NUMBER_WORD = (
    r"(?: [\s-]* (?: number | numbers | no\.? | nr\.? | num\.? | id | \# | code | card | nummer"
    r" | n[úu]mero | num[ée]ro ) )"
)
_LINK = (
    r"(?: [\s,]+ (?: is | was | are | it's | ends? | ending | ends | in | with | of | for"
    r" | to | the | my | ist | lautet | est | es | é | und | and"
    r" | number | says | shows | under ) ){0,3} \s* [:=#(]? \s*"
)
_VALUE = (
    r"(?P<x> (?: (?= [\w./-]* \d ) [A-Z\d] [A-Z\d./-]{2,22} [A-Z\d] | \d{1,3} (?= \s \d{2} ) )"
    r" (?: \s (?= \w*\d ) [A-Z\d]{2,8} ){0,5} ) (?! \w | \s? [%€$£] )"
)

_LICENCE = (
    r"(?: driv(?:er|ers|er's|ing)['’]?s? \s* (?: licen[cs]e | permit ) | licen[cs]e | dl"
    r" | f[üu]hrerschein\w* | permis (?: \s de \s conduire )? | patente"
    r" | (?: carn[ée]t | licencia | permiso ) \s de \s (?: conducir | manejo ) | rijbewijs"
    r" | körkort | prawo \s jazdy | licen[cs]e \s plates? | (?: number )? plates?"
    r" | kennzeichen )"
)
_PASSPORT = (
    r"(?: passport | reisepass\w* | passeport | pasaporte | passaporto | passaporte | paspoort"
    r" | visa )"
)
_IDENTITY = (
    r"(?: (?: national \s )? (?: id | identity | identification ) (?: \s (?: card"
    r" | document | no ) )? | social \s (?: insurance | security ) | ssn | sin | nino"
    r" | national \s insurance"
    r" | nhs | medicare | medicaid | (?: tax (?: payer )? | fiscal ) (?: \s (?: id | file"
    r" | identification ) )? | tin | itin | ein | tfn"
    r" | steuer-?\s?(?:id|nummer|identifikationsnummer)"
    r" | sozialversicherungs\w* | versicherten\w* | personalausweis\w* | ausweis\w*"
    r" | aadhaa?r | pan | cpf | cnpj | curp | rfc | dni | nie | nif | nss"
    r" | codice \s fiscale | pesel"
    r" | personnummer | bsn | cpr | fødselsnummer | voter | student | employee | staff"
    r" | personnel | badge | patient | medical \s record | mrn | insurance | policy | imei"
    r" | vin )"
)
_ACCOUNT = (
    r"(?: (?: bank | savings | checking | current )? \s? accounts? | acct?\.? | a/c | konto\w*"
    r" | kontonummer | routing | sort \s code | bsb | compte | cuenta | conto"
    r" | member(?:ship)? | customer | client"
    r" | loyalty | frequent \s flyer | case | claim | booking | reservation | confirmation"
    r" | tracking | reference | invoice | contract | kunden\w* | vertrags\w* | rechnungs\w* )"
)
_QUANTITY = re.compile(
    r"\s*(?:dollars?|euros?|pounds?|people|years?|months?|days?|hours?|minutes?|km|miles?"
    r"|percent|usd|eur|gbp|users?|items?|records?|rows?)\b",
    re.I,
)
_DATE_LIKE = re.compile(
    r"(?:\d{1,4}[-/.]){2}\d{1,4}|(?:19|20)\d\d|\d+(?:\.\d{1,2})?|\d+(?:st|nd|rd|th)"
)


def _is_number_of_paper(match: regex.Match[str]) -> bool:
    """Enough digits, and neither a date nor an amount."""
    value = match["x"]
    digits = sum(map(str.isdigit, value))
    if digits < 4 or len(value) < 5 or _QUANTITY.match(match.string, match.end("x")):
        return False
    return value.isdigit() or not _DATE_LIKE.fullmatch(value)


def _named(words: str, *, always_number: bool = False) -> regex.Pattern[str]:
    """Build a rule: a value after the word for a paper, with or without 'number' between them."""
    count = "{1,2}" if always_number else "{0,2}"
    return compiled(rf"\b {words} (?:'s)? {_NUMBER_WORD}{count} {_LINK} {_VALUE}")


_SSN = compiled(r"(?<! [\w-] | \d\s ) \d{3} ([- ]) \d{2} \1 \d{4} (?! [\w-] )")
_SORT_CODE = compiled(
    r"\b sort \s? codes? \b \s? (?: is | : | = | - )? \s? (?P<x> \d\d ([ -]) \d\d \2 \d\d ) (?! [\w-] )"
)
_CPF = compiled(
    r"(?<! [\w.] ) (?: \d{3}\.\d{3}\.\d{3}-\d{2} | \d{2}\.\d{3}\.\d{3}/\d{4}-\d{2} ) (?! \w )"
)
_CURP = compiled(r"\b [A-Z]{4} \d{6} [HM] [A-Z]{5} [A-Z\d] \d \b")
_PAN = compiled(r"\b [A-Z]{3} [ABCFGHLJPT] [A-Z] \d{4} [A-Z] \b", cased=True)
_NIR = compiled(
    r"(?<! [\w.] ) [12] \s? \d{2} \s? (?: 0[1-9]"
    r" | 1[0-2] ) \s? \d{2} \s? \d{3} \s? \d{3} \s? \d{2} (?! \w )"
)
_MBI = compiled(r"\b [1-9][A-Z][A-Z\d]\d - [A-Z][A-Z\d]\d - [A-Z]{2}\d{2} \b", cased=True)
_PERSONAL_CODE = compiled(
    r"(?<! [\w-] ) (?: \d{2} )? \d{2} (?: 0[1-9] | 1[0-2] ) (?: 0[1-9] | [12]\d | 3[01]"
    r" | [6-8]\d | 9[01] ) [-+] \d{4} (?! [\w-] )"
)
_CPR = compiled(
    r"(?<! [\w-] ) (?: 0[1-9] | [12]\d | 3[01] ) (?: 0[1-9] | 1[0-2] ) \d{2} - \d{4} (?! [\w-] )"
)
_GROUPED_12 = compiled(r"\b (?: aadhaa?r | uid ) \b \D{0,20} (?P<x> \d{4} \s? \d{4} \s? \d{4} ) \b")

_MONTH = (
    r"(?: jan(?:uary|uar|vier)? | feb(?:ruary|ruar)? | f[ée]vrier | mar(?:ch|s|zo|ço)?"
    r" | m[äa]rz | apr(?:il)? | avril | abril | ma[yi] | mayo | maio | june? | juni | juin"
    r" | junio | july? | juli | juillet | julio"
    r" | aug(?:ust)? | ao[ûu]t | agosto | sept?(?:ember|embre|iembre)?"
    r" | o[ck]t(?:ober|obre|ubre)? | nov(?:ember|embre|iembre)? | de[cz](?:ember)?"
    r" | d[ée]cembre | diciembre | enero | febrero )"
)
_DATE = (
    rf"(?: \d{{4}} [-/.] \d{{1,2}} [-/.] \d{{1,2}}"
    rf" | \d{{1,2}} \s? [-/.] \s? \d{{1,2}} \s? [-/.] \s? \d{{2,4}}"
    rf" | \d{{1,2}} (?: st | nd | rd | th | \. | º )? \s (?: of \s"
    rf" | de \s )? {_MONTH} \b \.? ,? (?: \s (?: de \s )? \d{{4}} | \s '?\d{{2}} )?"
    rf" | {_MONTH} \.? \s \d{{1,2}} (?: st | nd | rd | th )? (?: ,? \s \d{{4}} )? )"
)
_BORN = (
    r"\b (?: born | birth (?: \s? (?: day | date ) )? | birthday | date \s of \s birth"
    r" | d\.?o\.?b\.? | bday | geboren | geb\. | geburts\w+ | n[ée]e? \s le | naissance"
    r" | nacid[oa] | nac[íi] | nacimiento"
    r" | nat[oa] \s il | nascita | nascid[oa] | nascimento | anniversaire | cumplea[ñn]os )"
)
_BIRTH = compiled(rf"{_BORN} [^\n?!]{{0,30}}? (?P<x> {_DATE} ) (?! \d )")
_BIRTH_YEAR = compiled(
    r"\b (?: i \s was | i'm | my \s \w+ \s was | i \s am | ich \s bin | wurde \s ich"
    r" | je \s suis | nac[íi] ) \s (?: born \s in | \s? geboren | n[ée]e? \s en"
    r" | en )? [^.?!\n]{0,20}? (?P<x> (?: 19 | 20 ) \d{2} ) (?: \s geboren )? \b"
)


_OF_AN_ENTRY = re.compile(
    r"[^()\n]{0,60}\)\s*,?\s*(?:(?:also|better|professionally|known|called)\s[^\n.]{2,80}?,\s*)?(?:is|was)\s(?:an?|the|one)\b"
)
_OF_US = re.compile(r"(?<!tell )(?<!give )(?<!show )\b(?:i|i'm|my|me|we|our|us|ours|mine)\b", re.I)
_NEAR = 120
_LIVING = 1900
"""Nobody who lives was born before this year."""


def _is_of_somebody(match: regex.Match[str]) -> bool:
    """Return whether it is no entry of an encyclopaedia: "Ada Quill (born 2 May 1960) is a".

    Where somebody speaks of themselves it is theirs, whatever it looks like.
    """
    text = match.string
    year = re.search(r"\d{4}", match["x"])
    if year and int(year[0]) < _LIVING:
        return False
    opened = text.rfind("(", max(0, match.start() - 80), match.start())
    inside = opened >= 0 and ")" not in text[opened + 1 : match.start()].replace("()", "")
    entry = inside and _OF_AN_ENTRY.match(text, match.end("x"))
    near = text[max(0, match.start() - _NEAR) : match.end() + _NEAR]
    return not entry or _OF_US.search(near) is not None


def _is_born(match: regex.Match[str]) -> bool:
    return bool(re.search(r"born|geboren|n[ée]e?\s|nac", match[0], re.I))


NUMBERS = RuleSet(
    [
        Rule("card number", _CARD, 0.9, _is_card),
        Rule("bank account", _IBAN_NAMED, 0.9),
        Rule("bank account", _BIC_NAMED, 0.8),
        Rule("bank account", _SORT_CODE, 0.8),
        Rule("licence number", _named(_LICENCE), 0.87, _is_number_of_paper),
        Rule("passport number", _named(_PASSPORT), 0.87, _is_number_of_paper),
        Rule("identity number", _named(_IDENTITY), 0.87, _is_number_of_paper),
        Rule("account number", _named(_ACCOUNT), 0.86, _is_number_of_paper),
        Rule("social security number", _SSN, 0.85),
        Rule("identity number", _CPF),
        Rule("identity number", _CURP),
        Rule("identity number", _PAN, 0.7),
        Rule("identity number", _NIR, 0.7),
        Rule("identity number", _MBI),
        Rule("identity number", _PERSONAL_CODE, 0.7),
        Rule("identity number", _CPR, 0.7),
        Rule("identity number", _GROUPED_12),
        Rule("birth date", _BIRTH, 0.8, _is_of_somebody),
        Rule("birth date", _BIRTH_YEAR, 0.6, _is_born),
    ],
)
