"""Identifiers by their own shape, or beside the short label that forms print before them.

Licence keys in groups, plates of a vehicle that is spoken of, national numbers by their
abbreviation, addresses of three words. Knows neither sentences nor the verdict.
"""

from collections.abc import Iterator
from typing import Final

import regex

from floe.privacy.detection.identifiers import BUILD_WORD, counts
from floe.privacy.detection.rules import Sign, compiled, sign_of

_PASSWORD: Final = "password"  # noqa: S105 (a kind)
_IDENTITY: Final = "identity number"
_ACCOUNT: Final = "account number"
_TIMEOUT: Final = 1.0
_NEAR: Final = 40
_LEAST_DIGITS: Final = 5

_GROUPS: Final = compiled(
    r"(?<! [\w-] ) (?P<x> [A-Z\d]{4,6} (?: - [A-Z\d]{4,6} ){2,7} ) (?! [\w-] )", cased=True
)
_KEY_WORD: Final = compiled(
    r"\b (?: licen[cs]e | product | activation | serial | recovery | windows | office | bitlocker | filevault | cd | steam | software | upgrade | restore | backup | back-up | emergency | rescue | master | unlock"
    r" | lizenz | produkt | aktivierungs | wiederherstellungs ) -? (?: \s (?: key | code | number ) s? | schlüssel | code )? \b"
    r" | \b (?: key | gift \s? card | voucher | redeem | coupon | gutschein\w* | clave | clé | chiave | klucz | ключ ) s? \b"
)
_KEY_VALUE: Final = compiled(
    r"(?<! [\w-] ) (?P<x> [A-Z\d]{3,8} (?: [- ] [A-Z\d]{3,8} ){1,7} ) (?! [\w-] )", cased=True
)
_MADE_UP: Final = regex.compile(r"1234|XXXX|ABCD|0000")


def _keys(text: str) -> Iterator[Sign]:
    """Yield keys of software and of recovery: groups of capitals and digits, mixed."""
    for match in _GROUPS.finditer(text, timeout=_TIMEOUT):
        if _is_key(match["x"], mixed=2):
            yield sign_of(match, "x", _PASSWORD, 0.8)
    for word in _KEY_WORD.finditer(text, timeout=_TIMEOUT):
        value = _KEY_VALUE.search(text, word.end(), min(len(text), word.end() + _NEAR + 40))
        if (
            value is not None
            and value.start("x") - word.end() <= _NEAR
            and _is_key(value["x"], mixed=1)
        ):
            yield sign_of(value, "x", _PASSWORD, 0.85)


def _is_key(value: str, *, mixed: int) -> bool:
    """Return whether a value in groups is a key: letters and digits beside each other, not counted up."""
    groups = regex.split(r"[- ]", value)
    both = sum(bool(regex.search(r"\d", g)) and bool(regex.search(r"[A-Z]", g)) for g in groups)
    if both < mixed or _MADE_UP.search(value) or BUILD_WORD.fullmatch(value):
        return False
    return regex.fullmatch(r"[\dA-F-]+", value) is None or len(groups) < 5  # a UUID has five


# --- plates beside a vehicle ---------------------------------------------------------------------

_VEHICLE: Final = compiled(
    r"\b (?: car | van | truck | lorry | vehicle | motor (?: bike | cycle | home ) | scooter | moped | taxi | cab | caravan | trailer | towed | clamped | impounded | parked | parking | speeding | number \s plate"
    r" | hit \s and \s run | mot | v5c | toll | congestion | ulez | auto | wagen | pkw | lkw | falschparker | geparkt | parkt | voiture | coche | carro | macchina | samoch\w+ | bil | bilen | arac\w* | araba\w* ) \b | машин\w+ | авто\b"
)
_PLATES: Final = compiled(
    r"(?<! [\w@/-] ) (?P<x> [A-ZÄÖÜ]{1,3} - [A-Z]{1,2} [ -]? \d{1,4} [EH]? | [A-Z]{2}\d{2} [ ]? [A-Z]{3} | [A-Z]\d{1,3} [ ]? [A-Z]{3} | [A-Z]{2} [ -]? \d{3} [ -]? [A-Z]{2}"
    r" | (?= [A-Z\d-]* [A-Z] ) (?= [A-Z\d-]* \d ) [A-Z\d]{1,3} - [A-Z\d]{2,3} - [A-Z\d]{1,3} | \d{4} [ -]? [BCDFGHJKLMNPRSTVWXYZ]{3} | [A-Z]{3} [ -]? \d{4} | \d [A-Z]{3} \d{3}"
    r" | [A-Z]{2,3} [ ] \d{4,5} [A-Z]? | [A-Z]{2} [ ]? \d{2} [ ]? [A-Z]{1,2} [ ]? \d{4} | \d{2} [ ]? [A-Z]{1,3} [ ]? \d{2,4} | [АВЕКМНОРСТУХ]\d{3}[АВЕКМНОРСТУХ]{2} [ ]? \d{2,3} | [A-Z]\d[A-Z][ ]?\d{4} ) (?! [\w-] )",
    cased=True,
)
_UNIT: Final = regex.compile(
    r"\d+ ?(?:KM|KG|CC|HP|KW|PS|MPH|MPG|KWH|AM|PM|USD|EUR|GBP|TDI|TSI|V|GB|MB|CV)[ \d]*|(?:BMW|AMG|GLC|GLE|CLA|MAN|DAF|ISO|DIN|RFC|EN|SAE|USD|EUR|GBP|CHF)[ -]?\d+|[A-Z]{1,3}-\d{1,3}"
)


def _plates(text: str) -> Iterator[Sign]:
    """Yield plates of a vehicle that the text speaks of."""
    vehicles = [*_VEHICLE.finditer(text, timeout=_TIMEOUT)]
    for match in _PLATES.finditer(text if vehicles else "", timeout=_TIMEOUT):
        near = any(
            -_NEAR <= match.start() - word.end() <= _NEAR
            or -_NEAR <= word.start() - match.end() <= _NEAR
            for word in vehicles
        )
        posted = regex.fullmatch(r"[A-Z]{2} \d{5}", match["x"]) and text[: match.start()].endswith(
            ", "
        )
        if (
            near
            and not posted
            and not _UNIT.fullmatch(match["x"])
            and not BUILD_WORD.fullmatch(match["x"])
        ):
            yield sign_of(match, "x", "licence plate", 0.8)


# --- national numbers by their abbreviation -------------------------------------------------------

_TO_VALUE: Final = r"(?: [ ]? (?: \b (?: no | nr | ref | reference | num | number | numer | id | code | is | ist | est | es | è | é | of ) \b \.? | [:=\#] ) ){0,3} [ ]?"
_SHORT: Final = compiled(
    rf"(?<! [\w-] ) (?: EGN | ЕГН | JMBG | UMCN | OIB | EMŠO | EMSO | EMBG | CNP | UTR | EORI | CUIL | CUIT | RUT | RUN | NIT | CNIC | NRIC | FIN | BVN | NIN | KRA | IRD | PPSN? | CRN | NID | AMKA | AFM | TCKN"
    rf" | CMND | CCCD | KTP | NIK | NPWP | SSS | UMID | PESEL | NIP | BSN | DNI | NIE | NIF | CPF | CURP | RFC | NSS | NIR | INSEE | AHV | AVS | SVNR | TFN | SIN | SSN | ITIN | EIN | NPI | DEA | MRN | NHS | CHI"
    rf" | USCIS | SEVIS | SNILS | СНИЛС | ИНН | ИИН | IIN | RČ | RC | DIČ | HETU | CPR | VAT | UID | UAN | PAN | ABHA | PRN | UCN | MBI | MPAN | MPRN | IMEI | ICCID | EID | PNR ) {_TO_VALUE} (?P<x> (?= [^\n]* \d ) [A-Z]{{0,4}} -? [A-Z\d]{{2,20}} (?: [ ./-] [A-Z\d]{{1,10}} ){{0,5}} ) (?! [\w] )",
    cased=True,
)
_LONG: Final = compiled(
    rf"\b (?: unique \s taxpayer \s reference | government \s gateway \s (?: id | user \s? id ) | national \s (?: id | insurance | health | register ) (?: \s (?: card | identity ) )? | matrikelnummer | matriculation | matricule | student \s id | staff \s id | employee | personalnummer | kontrakt\w*"
    rf" | rodné \s číslo | isikukood | asmens \s kodas | kennitala | numer \s dowodu | numero \s di \s matricola | n[úu]mero \s de \s (?: afiliaci[óo]n | expediente ) | frequent \s fl[yi]er | flying \s blue | miles \s (?: and | & ) \s more | avios | bonvoy | clubcard | nectar | loyalty"
    rf" | n[°º] \s de \s s[ée]cu | s[ée]cu | library \s card | ticket | case | docket | permit | visa | receipt | application | applicant | candidate | enrol?lment | registration | council \s tax (?: \s account )? | broadband | electricity | gas | water | meter | subscriber | donor | blood \s donor | prescription | rx | hospital | patient"
    rf" | chart | lab | sample | claim | policy | plan | group | member | pension | payroll | union | disability | blue \s badge | benefit | housing | tenant | tenancy | loan | mortgage ) {_TO_VALUE} (?P<x> (?-i: (?= [A-Z\d /.-]* \d [A-Z\d /.-]* \d [A-Z\d /.-]* \d [A-Z\d /.-]* \d [A-Z\d /.-]* \d ) [A-Z]{{0,4}} [ -]? \d [A-Z\d]* (?: [ ./-] [A-Z\d]{{1,10}} ){{0,5}}  )) (?! \w | [.,]\d | [ ]?[%€$£] )"
)


def _numbers(text: str) -> Iterator[Sign]:
    """Yield numbers right after the label that a form prints before them."""
    for pattern, kind in ((_SHORT, _IDENTITY), (_LONG, _ACCOUNT)):
        for match in pattern.finditer(text, timeout=_TIMEOUT):
            digits = sum(map(str.isdigit, match["x"]))
            if (
                digits >= _LEAST_DIGITS
                and counts(text, None, match)
                and not BUILD_WORD.fullmatch(match["x"])
            ):
                yield sign_of(match, "x", kind, 0.85)


# --- others that nothing else looks like ----------------------------------------------------------

_THREE_WORDS: Final = compiled(
    r"(?<! / ) /// \s? (?P<x> [\p{Ll}\p{M}]{3,} (?: \. [\p{Ll}\p{M}]{3,} ){2} ) | \b (?: what \s? (?: 3 | three ) \s? words | w3w ) \b [^.\n]{0,20}? \b (?P<x> \p{Ll}{3,} (?: \. \p{Ll}{3,} ){2} )"
)
_PLUS_CODE: Final = compiled(
    r"(?<! \w ) (?= [^+]* [A-Z] ) [23456789CFGHJMPQRVWX]{4,8} \+ [23456789CFGHJMPQRVWX]{2,3} (?! \w )",
    cased=True,
)
_SENT_CODE: Final = compiled(r"(?<! [\w-] ) (?P<x> G - \d{6} ) (?! \w )", cased=True)
_AUTHENTICATOR: Final = compiled(
    r"\b (?: 2fa | mfa | totp | otp | authenticator | two-factor ) \b [^\n]{0,25}? (?<! \w ) (?P<x> (?-i: (?= [A-Z2-7 ]* [2-7] ) [A-Z2-7]{4} [ ]? [A-Z2-7]{4} (?: [ ]? [A-Z2-7]{4} ){1,6} ) ) (?! \w )"
)
_SPOKEN_PIN: Final = compiled(
    r"\b (?: pin | code | passcode | combination ) \b [^.?!\n]{0,25}? (?: \b is \b | [:=] ) \s* (?P<x> (?: (?: zero | oh | one | two | three | four | five | six | seven | eight | nine ) [ ,-]{1,2} ){3,7} (?: zero | oh | one | two | three | four | five | six | seven | eight | nine ) ) \b"
)
_PRESSED: Final = compiled(
    r"\b (?: gate | door | intercom | buzzer | entrance | garage | keypad | lift | lobby ) \b [^.?!\n]{0,12}? \b (?: press | dial | enter | type | ring | use | says ) \s (?: the \s | flat \s )? (?: \d{1,3} \s (?: then | and \s then | and ) \s )? (?P<x> \d{4,8} | \d (?: [ -] \d ){3,7} ) (?! \w | [.,]\d )"
)
_TURNED: Final = compiled(
    r"\b (?: safe | lock | padlock | vault | locker | combination | combo | dial ) \b [^.?!\n]{0,30}? (?P<x> \d{1,2} \s (?: to \s the \s )? (?: left | right | clockwise | l | r ) \b (?: [ ,]* (?: then \s )? \d{1,2} \s (?: to \s the \s )? (?: left | right | clockwise | l | r ) \b ){1,4} )"
)
_SERIAL_OF: Final = compiled(
    r"\b serial (?: \s? (?: no | nr | number | \# ) \b \.? )? (?: \s of (?: \s [\w'-]+ ){1,4} )? \s? (?: \b is \b | [:=] )? \s? (?<! \w ) (?P<x> (?-i: (?= [A-Z\d-]* \d [A-Z\d-]* \d [A-Z\d-]* \d ) (?= [\d-]* [A-Z] ) [A-Z\d][A-Z\d-]{6,22} ) ) (?! \w )"
)
_ARMED: Final = compiled(
    r"\b (?: dis)?arm (?: s | ed | ing )? \s (?: it \s | the \s (?: alarm | system ) \s )? (?: with | using | by | via | code ) \s (?: code \s | pin \s )? (?P<x> \d{4,8} ) (?! \w | [.,]\d )"
)
_SPOKEN_PHONE: Final = compiled(
    r"\b (?: phone | mobile | cell | landline | my \s number | call \s me | tel ) \b [^.?!\n]{0,20}?"
    r" (?P<x> (?: [o0]?\d{2,6} [ -] )? (?: (?: (?: double | triple ) [ -] )? (?: zero | oh | one | two | three | four | five | six | seven | eight | nine ) [ ,-]{1,2} ){3,12} (?: (?: double | triple ) [ -] )? (?: zero | oh | one | two | three | four | five | six | seven | eight | nine ) ) \b"
)


def find_labelled(text: str) -> Iterator[Sign]:
    """All of this module in a normalised text; raises TimeoutError."""
    yield from _keys(text)
    yield from _plates(text)
    yield from _numbers(text)
    for pattern, kind in (
        (_THREE_WORDS, "address"),
        (_SENT_CODE, _PASSWORD),
        (_AUTHENTICATOR, _PASSWORD),
        (_SPOKEN_PIN, _PASSWORD),
        (_PRESSED, _PASSWORD),
        (_TURNED, _PASSWORD),
        (_SERIAL_OF, _ACCOUNT),
        (_ARMED, _PASSWORD),
        (_SPOKEN_PHONE, "phone"),
    ):
        for match in pattern.finditer(text, timeout=_TIMEOUT):
            yield sign_of(match, "x", kind, 0.8)
    for match in _PLUS_CODE.finditer(text):
        yield sign_of(match, 0, "address", 0.75)
