"""Numbers and codes that stand for one person or open one door, told by checksum or by context.

What has a checksum of its own, or a shape that nothing else has, counts anywhere; any other code
counts beside a word for it, in many languages. Values that are reserved for examples are nobody's.
Knows neither sentences nor the verdict.
"""

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Final

import phonenumbers
import regex
from stdnum import iban

from floe.privacy.detection.rules import Sign, compiled, sign_of

_IDENTITY: Final = "identity number"


# --- with a checksum -------------------------------------------------------------------------

_CHECKED: Final[tuple[tuple[str, str], ...]] = (
    # Shape (verbose, on normalised text), and the modules of python-stdnum that may accept it. Only
    # such as a run of digits meets by chance less than once in a hundred.
    (r"\d{17} [\dX]", "cn.ric"),
    (r"[12] \s? \d\d \s? \d\d \s? [\dAB]{2} \s? \d{3} \s? \d{3} \s? \d\d", "fr.nir"),
    (r"[A-Z]{6} \s? \d\d [A-Z] \d\d \s? [A-Z] \d{3} [A-Z]", "it.codicefiscale"),
    (r"\d{8} -? [A-Z]", "es.nif es.dni"),
    (r"[XYZ] -? \d{7} -? [A-Z]", "es.nie es.nif"),
    (r"\d{6} [-+A-FYXWVU] \d{3} [\dA-Y]", "fi.hetu"),
    (r"(?: \d\d )? \d{6} [-+] \d{4}", "se.personnummer dk.cpr is_.kennitala"),
    (r"\d{6} \s? \d{5}", "no.fodselsnummer"),
    (r"\d{11}", "pl.pesel tr.tckimlik no.fodselsnummer br.cpf ee.ik gr.amka lt.asmens"),
    (r"\d{3} \. \d{3} \. \d{3} - \d\d", "br.cpf"),
    (r"[A-Z]{4} \d{6} [HM] [A-Z]{5} [A-Z\d] \d", "mx.curp"),
    (r"[A-Z]{3} [ABCFGHLJPT] [A-Z] \d{4} [A-Z]", "in_.pan"),
    (r"\d{4} [ ] \d{4} [ ] \d{4} (?! [ -]? \d )", "in_.aadhaar"),
    (r"\d{6} - [1-8] \d{6}", "kr.rrn"),
    (r"756 \.? \d{4} \.? \d{4} \.? \d\d", "ch.ssn"),
    (r"\d{1,2} \. \d{3} \. \d{3} - [\dK]", "cl.rut"),
    (r"(?: 20 | 23 | 24 | 27 | 30 | 33 ) - \d{8} - \d", "ar.cuit"),
    (r"\d{6} / \d{3,4}", "cz.rc"),
    (r"\d{13}", "za.idnr ro.cnp th.pin"),
    (r"\d{3} [ ] \d{3} [ ] \d{4}", "gb.nhs"),
    (r"\d{3} [ -] \d{3} [ -] \d{3}", "ca.sin"),
    (r"\d\d \. \d\d \. \d\d - \d{3} \. \d\d", "be.nn"),
    (r"\d{7} [A-W] [A-IW]?", "ie.pps"),
    (r"\d\d [ ]? \d{6} [ ]? [A-Z] [ ]? \d{3}", "de.svnr"),
)
_SHAPES: Final = tuple(
    (regex.compile(rf"(?<![\w.,/-]|\d\s)(?:{shape})(?![\w-]|[.,]\d)", regex.V1 | regex.X), names)
    for shape, names in _CHECKED
)
_NINO: Final = compiled(
    r"(?<! \w ) (?! BG|GB|NK|KN|TN|NT|ZZ ) [A-CEGHJ-PR-TW-Z] [A-CEGHJ-NPR-TW-Z] [ ]?"
    r" \d\d [ ]? \d\d [ ]? \d\d [ ]? [A-D] (?! \w )"
)
_NRIC: Final = compiled(r"(?<! \w ) [STFGM] \d{7} [A-Z] (?! \w )", cased=True)
_HKID: Final = compiled(r"(?<! \w ) [A-Z]{1,2} \d{6} \( [\dA] \)", cased=True)
_SNILS: Final = compiled(r"(?<! [\w-] ) \d{3} - \d{3} - \d{3} [ -] \d\d (?! [\w-] )")
_SVNR: Final = compiled(r"(?<! \w ) \d\d [ ]? [0-3]\d[01]\d\d\d [ ]? [A-Z] [ ]? \d{3} (?! \w )")
_IBAN: Final = compiled(
    r"(?<! [\w] ) [A-Z]{2} [ -]? \d\d (?: [ -]? [A-Z\d]{2,4} ){2,8} [ -]? [A-Z\d]{1,4} (?! \w )"
)
_SWIFT_CHECK: Final = compiled(r"(?: 0{6,} | 1{6,} | 123456789 )")


@cache
def _validator(name: str) -> Callable[[str], bool]:
    module = import_module(f"stdnum.{name}")
    return module.is_valid  # type: ignore[no-any-return]


def _checked(text: str) -> Iterator[Sign]:
    for shape, names in _SHAPES:
        for match in shape.finditer(text, timeout=1.0):
            value = match[0].upper()
            if len(set(filter(str.isdigit, value))) < 3:
                continue
            if any(_validator(name)(value) for name in names.split() if name != "de.svnr"):
                yield sign_of(match, 0, _IDENTITY, 0.9)
    for pattern in (_NINO, _NRIC, _HKID, _SNILS):
        for match in pattern.finditer(text):
            yield sign_of(match, 0, _IDENTITY, 0.8)
    for match in _IBAN.finditer(text, timeout=1.0):
        yield from _iban(match)


def _iban(match: regex.Match[str]) -> Iterator[Sign]:
    """Return the longest beginning that passes ISO 13616: words may follow without a mark."""
    pieces = list(regex.finditer(r"[^ -]+", match[0]))
    for last in reversed(pieces):
        value = match[0][: last.end()].upper().replace("-", " ")
        if iban.is_valid(value, check_country=False):
            yield Sign(match.start(), match.start() + last.end(), "bank account", 0.95)
            return


# --- beside a word for it --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Context:
    """Words for a kind, what a value of it looks like, and how far apart both may stand."""

    kind: str
    words: regex.Pattern[str]
    value: regex.Pattern[str]
    before: int = 40
    after: int = 25


_CODE: Final = compiled(
    r"""
    (?<! [\w@] | \d[.,] | [$€£#&=?/] ) (?=[A-Z\d]*[\d]|[A-Z]{1,3}[ -]) (?P<x>
        (?= (?: [^\s]* \d ){4} | (?= [A-Z\d]{6} (?! \w ) ) [A-Z]*\d[A-Z]+\d | [A-Z\d-]*[A-Z][A-Z\d-]*\d\d | (?: [A-Z\d]{1,5} [ -] ){1,4} [A-Z\d]*\d )
        [A-Z\d]{1,22} (?: [ ./-] (?= [A-Z]{0,4}\d ) [A-Z\d]{1,12} ){0,6} )
    (?! \w | [.,]\d | [ ]?[%€$£°] )
    """
)
_SERIAL: Final = compiled(
    r"""
    (?<! [\w@] | \d[.,] | [$€£&=?/] ) (?P<x>
        (?= [A-Z\d]* \d ) (?: [A-Z\d]{5,24} | [A-Z]{1,3} [ -]? \d{5,10} | \d{2,5} (?: [ -] \d{2,5} ){1,5} ) )
    (?! [\w] | [.,]\d | [ ]?[%€$£°] )
    """
)
_PLATE: Final = compiled(
    r"""
    (?<! [\w@-] ) (?P<x> (?= [A-Z\d -]{4,11} (?! \w ) ) (?= [^\d]* \d ) (?= [\d -]* [A-ZÄÖÜА-Я\p{Han}] )
        [A-ZÄÖÜА-Я\p{Han}\d]{1,4} (?: [ -]? [A-ZА-Я\d]{1,5} ){1,3} ) (?! [\w] )
    """,
    cased=True,
)
_DIGITS_6: Final = compiled(
    r"(?<! [\w@.,$€£-] ) (?P<x> \d{6,20} | \d{2,5} (?: [ -] \d{2,5} ){1,5} ) (?! \w | [.,]\d | [ ]?[%€$£°] )"
)
_CONTEXTS: Final = (
    _Context(
        "passport number",
        compiled(
            r"\b passports? \b | \b reisepass\w* | passeport | pasaporte | passaport[oe] | paspoort"
            r" | paszport\w* | паспорт\w* | pasaport\w* | 护照 | 護照 | パスポート | 旅券 | 여권 | جواز"
            r" | \b travel \s document | \b green \s card | \b visa \s (?:no|number|foil) | पासपोर्ट"
        ),
        _SERIAL,
    ),
    _Context(
        "licence number",
        compiled(
            r"\b driv(?:er|ers|er's|ing)'?s? \s* (?: licen[cs]e | permit ) | \b dl \s? (?:no|nr|number|\#)"
            r" | f[üu]hrerschein\w* | permis \s de \s conduire | patente \s di \s guida"
            r" | (?: carn[ée]t | licencia | permiso ) \s de \s (?: conducir | manejo ) | rijbewijs"
            r" | carteira \s de \s (?:habilita\w+|motorista) | k[öo]rkort | prawo \s jazdy"
            r" | водительск\w+ | ehliyet | 驾照 | 運転免許 | 운전면허 | رخصة"
        ),
        _SERIAL,
    ),
    _Context(
        "licence plate",
        compiled(
            r"\b (?: licen[cs]e | number | registration | reg | car | vehicle | my ) \s? plates?"
            r" | \b plates? (?= \s (?-i: [A-ZÄÖÜ]{1,3} [ -] [A-Z\d] | [A-Z]{2}\d\d ) )"
            r" | \b plates? \s? (?: is | are | no | number | : ) | kennzeichen | immatriculation"
            r" | \b matr[íi]cula | \b targa \b | \b placa \b | kenteken | tablic\w+ \s rejestr\w+"
            r" | госномер\w* | \b plaka\w* | 车牌 | ナンバープレート | 차량번호 | \b my \s (?:car|van|bike) \b [^.?!\n]{0,20} \b reg"
            r" | \b reg(?:istration)? \b | registreringsnummer"
        ),
        _PLATE,
        before=30,
    ),
    _Context(
        _IDENTITY,
        compiled(
            r"\b (?: national | personal | citizen | government | state | voter | student | staff | employee"
            r"  | personnel | patient | health | insurance | tax | taxpayer | military | badge | residence | alien )"
            r"  [\s-]+ (?: id\b | identity | identification | insurance | number | no\b | card | file | registration )"
            r" | \b ssn \b | \b social \s (?: security | insurance ) | \b nhs \b | \b nino \b | \b itin \b | \b tfn \b"
            r" | \b a-?number \b | \b uscis \b | \b medicare \b | \b medicaid \b | \b mrn \b | \b medical \s record"
            r" | \b policy \s (?: number | no\b | nr | id | \# ) | \b id \s? (?: number | card | no\b | nr | : ) | \b my \s id \b"
            r" | \b imei \b | \b vin \b | \b sin \s number | \b my \s sin \b | \b ein \b | \b pps \b | \b bsn \b | \b nif \b | \b nie \b | \b dni \b | \b cpf \b | \b cnpj \b"
            r" | \b curp \b | \b rfc \b (?!\s?\d{3,4}\b) | \b pesel \b | \b nip \b | \b aadh?aa?r \b | \b pan \s (?:card|no|number) | \b ahv\b | \b cpr \b"
            r" | steuer-?\s?(?:id|nummer|identifikations\w*) | steuernr\w* | sozialversicherungs\w* | versicherten\w* | versicherungsnummer"
            r" | personalausweis\w* | \b ausweis\w* | personnummer | henkil[öo]tunnus | f[øo]dselsnummer | burgerservice\w*"
            r" | s[ée]curit[ée] \s sociale | carte \s d'identit[ée] | num[ée]ro \s (?:fiscal|d'allocataire) | n[úu]mero \s fiscal"
            r" | codice \s fiscale | carta \s d'identit[àa] | tessera \s sanitaria | c[ée]dula | seguridad \s social"
            r" | dow[óo]d\w* \s osobist\w* | снилс | инн\b | полис | удостоверени\w+ | kimlik \s? (?:no|numara\w*) | t\.?c\.? \s? (?:no|kimlik)"
            r" | 身份证 | 身分證 | 社保 | 学号 | 工号 | 病历号 | マイナンバー | 社員番号 | 保険証 | 주민등록번호 | 학번 | 사번"
            r" | رقم \s (?:الهوية|القومي|الضمان|البطاقة) | الهوية | आधार | पैन | \b student \s? \# | \b service \s number"
        ),
        _CODE,
    ),
    _Context(
        "account number",
        compiled(
            r"\b (?: bank | savings | checking | current | giro | my | his | her | their | brokerage | crypto )? \s? (?: account | acct\.? ) \s? (?: number | no\b\.? | nr | \# | is\b | : )"
            r" | \b routing \b | \b sort \s? code | \b bsb \b | \b kontonummer | \b konto \b | \b kto\.? \b | \b blz \b | num[ée]ro \s de \s compte"
            r" | n[úu]mero \s de \s (?: cuenta | conta ) | \b rekening\w* | nr \s konta | номер \s (?: счета | счёта | карты ) | \b hesap \s (?:no|numara\w*)"
            r" | \b (?: member(?:ship)? | customer | client | loyalty | frequent \s flyer \s (?=[A-Z\d]) | case | claim | booking | reservation | confirmation | tracking | contract | subscriber | meter )"
            r"   \s? (?: number | no\b\.? | nr | id | \# | code | reference | ref )"
            r" | \b kunden-?(?:nummer|nr) | vertrags-?(?:nummer|nr) | mitglieds-?(?:nummer|nr) | aktenzeichen | num[ée]ro \s (?: client | d'adh[ée]rent | de \s dossier )"
            r" | 账号 | 账户 | 银行卡 | 卡号 | 帳號 | 口座 | 会員番号 | 계좌 | 회원번호 | رقم \s الحساب | الحساب | खाता | \b pnr \b | \b library \s card"
        ),
        _CODE,
    ),
    _Context(
        "card number",
        compiled(
            r"\b (?: debit | credit | bank | visa | master\s?card | amex | my | gift | new ) \s? cards? \b | \b cc \s? (?:no|number|\#|:) | \b (?: visa | amex | mastercard ) \b"
            r" | kreditkart\w* | carte \s (?: bancaire | bleue | de \s cr[ée]dit ) | tarjeta | carta \s di \s credito | cart[ãa]o | karta \s (?:kredytowa|p[łl]atnicza)"
            r" | \b kart[aeyąę] \b | карт[аыу] | kredi \s kart\w* | 信用卡 | 银行卡 | クレジットカード | カード番号 | 카드 | بطاقة"
        ),
        compiled(
            r"(?<! [\w.,] ) (?P<x> \d{4} (?: [ -]? \d{4} ){2} [ -]? \d{1,7} | \d{4} [ -]? \d{6} [ -]? \d{5} ) (?! \w | [.,-]?\d )"
        ),
    ),
    _Context(
        "phone",
        compiled(
            r"\b (?: phone | tel(?:ephone|efon\w*|efono|éfono)? | cell(?:phone)? | mobile?n?u?m?m?e?r? | handy\w* | whats\s?app | viber | telegram | signal | sms | imessage"
            r" | call \s me | text \s me | ring \s me | reach \s me | my \s (?:number|digits|cell) | her \s number | his \s number | number \s is | numero \s è | num[ée]ro \s est | n[úu]mero \s es | nummer \s ist )"
            r" | телефон\w* | мобильн\w+ | мой \s номер | номер \s телефона | telefon\w* | cep \s? (?:no|numaram) | 手机 | 电话 | 電話 | 携帯 | 전화 | 휴대폰 | 핸드폰 | هاتف | جوال | رقمي | फ़?ोन | फोन | मोबाइल"
            r" | 微信 | \b wechat \b | \b qq \b | \b line \s id"
        ),
        _DIGITS_6,
        before=35,
        after=6,
    ),
)
_WALLET: Final = _Context(
    "account number",
    compiled(r"\b (?: wallet | ethereum | eth | btc | bitcoin | crypto | coins? | mine | my ) \b"),
    compiled(r"(?<! \w ) (?P<x> 0x [0-9a-f]{40} | bc1 [0-9a-z]{25,60} ) (?! \w )"),
)
_AMOUNT: Final = compiled(
    r"[ ]? (?: dollars? | euros? | pounds? | people | years? | months? | weeks? | days? | hours? | min(?:ute)?s? | km | miles? | percent | usd | eur"
    r" | gbp | users? | items? | records? | rows? | words? | characters? | pages? | points? | times | digits? | bits? | bytes? | kb | mb | gb | am | pm )\b"
)
_DATE: Final = compiled(
    r"(?: \d{4} [ ./-] \d{1,2} [ ./-] \d{1,2} | \d{1,2} [ ./-] \d{1,2} [ ./-] \d{2,4} | (?: 19 | 20 ) \d\d (?: [ -]+ (?: 19 | 20 ) \d\d )? )"
)
_PAIRS: Final = regex.compile(r"\d{1,2}(?:[ -]\d{1,2}){2}")
_WORDS_ONLY: Final = regex.compile(r"[\p{L} .'-]+")
_ALSO_WORDS: Final = frozenset({"ein", "nie", "kto", "placa", "nip", "karty"})
"""What is short for a number in one language and a word in another: "ein Buch", "kto", "nie"."""
_LONG: Final = 6
"""Digits of a number that is somebody's also behind such a word."""
_SMALL_WORDS: Final = regex.compile(r"(?:\p{Ll}{1,5} )+")
"""Before a number, where it may be a word of the sentence: "w 1975", "zum 40sten"."""
_FEW_DIGITS: Final = 4
BUILD_WORD: Final = compiled(
    r"(?: [a-z]{1,4}-?\d{1,2} | \d{1,3}(?:st|nd|rd|th|x|k|d|kg|cm|mm|px|gb|mb|fps|hz|mp) | covid-?19 | h\d{3,4}p? | \d{3,4}p | utf-?8 | sha-?\d+ | base\d+ | v\d+ | q[1-4] (?:[ ]\d{4})? )"
)


def _contextual(text: str) -> Iterator[Sign]:
    for context in (*_CONTEXTS, _WALLET):
        for word in context.words.finditer(text, timeout=1.0):
            values = context.value.finditer(text, word.end(), word.end() + context.before + 12)
            behind = next((each for each in values if _digits(each["x"])), None)
            if behind and word[0] in _ALSO_WORDS and _digits(behind["x"]) < _LONG:
                continue
            if (
                behind
                and behind.start("x") - word.end() <= context.before
                and counts(text, word.end(), behind)
            ):
                yield sign_of(behind, "x", context.kind, 0.92)
                continue
            lead = max(0, word.start() - context.after - 24)
            values = context.value.finditer(text, lead, word.start())
            ahead = [each for each in values if _digits(each["x"])]
            if (
                ahead
                and word.start() - ahead[-1].end("x") <= context.after
                and counts(text, None, ahead[-1])
            ):
                yield Sign(ahead[-1].start("x"), ahead[-1].end("x"), context.kind, 0.8)


def counts(
    text: str, word_end: int | None, match: regex.Match[str], *, pairs: bool = False
) -> bool:
    """Neither a date, a year nor an amount; and not in another sentence than the word.

    pairs: three pairs of digits are no date here, as the combination of a lock is written so.
    """
    value = match["x"]
    if (
        (_DATE.fullmatch(value) and not (pairs and _PAIRS.fullmatch(value)))
        or _AMOUNT.match(text, match.end("x"))
        or BUILD_WORD.fullmatch(value)
    ):
        return False
    if _is_sequence(value):
        return False
    small = _SMALL_WORDS.match(value)
    rest = value[small.end() :] if small else value
    if small and (_digits(rest) < _FEW_DIGITS or _DATE.fullmatch(rest)):
        return False
    if word_end is not None:
        between = text[word_end : match.start("x")]
        return not regex.search(r"[?!;]\s|\.\s+\p{Lu}|\n\s*\n", between)
    return not regex.search(
        r"[.?!;]\s|\n", text[match.end("x") : match.end("x") + 30].split(" ", 1)[0]
    )


def _digits(value: str) -> int:
    """Return how many digits a value has."""
    return sum(map(str.isdigit, value))


def _is_sequence(value: str) -> bool:
    """Digits that are all alike, or that count up from 1: nobody's but a writer's."""
    digits = [int(c) for c in value if c.isdigit()]
    if len(digits) < 5:
        return False
    return len(set(digits)) == 1 or all(
        (b - a) % 10 == 1 for a, b in pairwise(digits[: len(digits)])
    )


# --- e-mail, handles, network ----------------------------------------------------------------

_MAIL: Final = compiled(
    r"(?<! [\w.+-] ) [\w.!\#$%&'*+/=?^{|}~-]{1,64}+ [ ]? (?: @ | \(at\) | \[at\] | \{at\} ) [ ]?"
    r" (?P<domain> (?: [\w-]{1,63} (?: \. | [ ]?\(dot\)[ ]? | [ ]?\[dot\][ ]? ) )+ [\p{L}]{2,24} ) (?! \w )"
)
_NOBODYS_DOMAIN: Final = regex.compile(
    r"(?:.*\.)?(?:example(?:\.(?:com|org|net|edu|co|de|io))?|test|invalid|localhost|domain\.(?:com|tld)"
    r"|(?:your|my|some)-?(?:company|domain|site|website|email|server|org)\.\w+|company\.com|email\.com|mail\.com"
    r"|acme\.\w+|contoso\.com|fabrikam\.com|foo\.com|bar\.com|abc\.com|xyz\.com|xxx\.com|site\.com|website\.com|users\.noreply\.github\.com|sentry\.io)",
    regex.I,
)
_NOBODYS_MAILBOX: Final = regex.compile(
    r"(?:(?:info|support|help|contact|sales|alerts?|updates|notifications?|orders|bookings|reservations|media|news|admin|webmaster|postmaster|noreply|no-reply|donotreply|hello|office|press|jobs|hr"
    r"|careers|billing|service|kontakt|git|root|abuse|security|privacy|team|feedback|newsletter|service|customer\w*|enquiries"
    r"|user(?:name)?\d*|name|email|mail|test\w*|foo|bar|baz|someone|somebody|nobody|you|your[._-]?(?:name|email)|me|abc|xyz|x+"
    r"|first(?:name)?[._-]?last(?:name)?|(?:john|jane|joe)(?:[._-]?(?:doe|smith))?|alice)(?:\+.*)?)",
    regex.I,
)
_FULL_NAME: Final = regex.compile(r"\p{L}{2,}[._-]\p{L}{3,}\s?@")
_HANDLE: Final = compiled(
    r"(?: \b (?: insta(?:gram)? | ig | twitter | tik\s?tok | snap(?:chat)? | telegram | tg | discord | reddit | twitch | threads | mastodon | bluesky | bsky | onlyfans | github | gitlab | youtube | facebook | fb"
    r" | linkedin | tinder | grindr | venmo | cash\s?app | paypal | steam | psn | xbox | gamertag | skype | kik | wechat | weixin | kakao(?:talk)? | vk | weibo | handle | user\s?name | nick(?:name)? | alias | screen \s name )"
    r" (?: \s+ (?: account | name | handle | user(?:name)? | id | profile | tag ) )? \s* (?: \b (?: is | as | at | under | ist | est | es | it's | to | named | called ) \b | [:=] )? \s* (?: the \s )? ) (?P<x> [@$]? [\w][\w.-]{2,30} (?: \#\d{4} )? )"
)
_MY: Final = compiled(
    r"\b (?: my | mine | me | i'm | im | i \s am | add \s me | follow | her | his | our | mein\w* | mon | ma | mi | mio | mia | meu | minha | mijn | mój | moja | мой | моя | benim ) \b | 我 | 私 | 내"
)
_AT_HANDLE: Final = compiled(r"(?<! [\w@/.] ) @ [A-Za-z_][\w.]{2,29} (?<! \. ) (?! [\w@] )")
_PROFILE: Final = compiled(
    r"(?: https?:// )? (?: www\. )? (?: linkedin\.com/in/ | facebook\.com/(?! \w+/(?:posts|videos) ) | instagram\.com/ | twitter\.com/ | x\.com/ | tiktok\.com/@ | t\.me/ | vk\.com/ | venmo\.com/ | paypal\.me/ | onlyfans\.com/ | github\.com/ (?= [\w-]+ (?: [\s,.?!]|\Z) ) )"
    r" (?P<x> [\w.-]{3,40} ) (?! [\w/] )"
)
_IP: Final = compiled(r"(?<! [\w.] ) (?: \d{1,3} \. ){3} \d{1,3} (?! \w | \.\d )")
_IP6: Final = compiled(r"(?<! [\w:.] ) [0-9a-f]{0,4} (?: : [0-9a-f]{0,4} ){2,7} (?! [\w:] )")
_MAC: Final = compiled(
    r"(?<! [\w:-] ) [0-9a-f]{2} (?: ([:-]) [0-9a-f]{2} ) (?: \1 [0-9a-f]{2} ){4} (?! [\w:-] )"
)
_EVERYBODYS: Final = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "1.0.0.1", "1.2.3.4"})
_VERSIONED: Final = regex.compile(
    r"\b(?:version|release|build|v|ver|section|chapter|kernel|python|node)\.?\s*\Z", regex.I
)


def is_nobodys_mail(address: str) -> bool:
    """Whether an address is reserved for examples, or is no person's."""
    local, _, domain = address.partition("@")
    return bool(
        _NOBODYS_DOMAIN.fullmatch(domain.strip()) or _NOBODYS_MAILBOX.fullmatch(local.strip())
    )


def _contacts(text: str) -> Iterator[Sign]:
    yield from _mails(text)
    yield from _handles(text)
    for pattern in (_IP, _IP6):
        for match in pattern.finditer(text):
            if _is_somebodys(match):
                yield sign_of(match, 0, "IP address", 0.85)
    for match in _MAC.finditer(text):
        if len(set(match[0].lower()) - set(":-")) > 2:
            yield sign_of(match, 0, "IP address", 0.75)


def _mails(text: str) -> Iterator[Sign]:
    for match in _MAIL.finditer(text, timeout=1.0):
        plain = regex.sub(r"\s?[(\[{]at[)\]}]\s?", "@", match[0])
        plain = regex.sub(r"\s?[(\[{]dot[)\]}]\s?", ".", plain)
        if not is_nobodys_mail(plain.replace(" ", "")):
            yield sign_of(match, 0, "e-mail", 0.95)


def full_name_mails(text: str) -> list[Sign]:
    """Addresses that spell a full name, wherever they are: a model may have learnt them here."""
    return [
        sign_of(match, 0, "e-mail", 0.8)
        for match in _MAIL.finditer(text, timeout=1.0)
        if _FULL_NAME.match(match[0])
        and not _NOBODYS_MAILBOX.fullmatch(match[0].split("@")[0].strip())
    ]


def _handles(text: str) -> Iterator[Sign]:
    """Names in networks, where somebody says whose they are."""
    my = bool(_MY.search(text))
    for match in _PROFILE.finditer(text):
        if my or "linkedin" in match[0].lower():
            yield sign_of(match, 0, "handle", 0.75)
    for match in _HANDLE.finditer(text, timeout=1.0):
        value = match["x"].rstrip(".-")
        if (my or ":" in match[0]) and _looks_like_handle(value):
            yield Sign(match.start("x"), match.start("x") + len(value), "handle", 0.8)
    for match in _AT_HANDLE.finditer(text if my else ""):
        if _MY.search(text[max(0, match.start() - 60) : match.end() + 40]):
            yield sign_of(match, 0, "handle", 0.7)


def _looks_like_handle(value: str) -> bool:
    """Return whether it is marked as one, or has a digit, dot or underscore as no word has it."""
    if value.startswith(("@", "$")):
        return len(value) > 3 and not value[1:].isdigit()
    return (
        bool(regex.search(r"[\d_#]|\w\.\w", value))
        and not value.isdigit()
        and bool(regex.search(r"[a-zA-Z]", value))
    )


def _is_somebodys(match: regex.Match[str]) -> bool:
    """Return whether it is public: not private, reserved, documented, or everybody's name server."""
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return False
    if address.version == 6 and len(regex.findall(r"[0-9a-f]+", match[0], regex.I)) < 3:
        return False
    return (
        address.is_global
        and match[0] not in _EVERYBODYS
        and not _VERSIONED.search(match.string[: match.start()])
    )


# --- passwords that are told without the word ------------------------------------------------

_PASSWORD_WORD: Final = compiled(
    r"\b (?: pass\s?words? | pass\s?phrase | pass \s? code | passwd | pwd | \bpw\b | \b pass \b (?! [ ](?:the|a|on|by|me|it|through|over) ) | log\s?in s? | credentials? | wi-?fi \s (?: code | key | pw ) | network \s key"
    r" | passwort | kennwort | zugangsdaten | mot \s de \s passe | \b mdp \b | contrase[ñn]a | \b clave \b | \b senha | wachtwoord | has[łl]o | парол\w+ | \b [şs]ifre\w* | \b parola\w* | l[öo]senord )"
    r" | 密码 | 密碼 | 口令 | パスワード | 비밀번호 | 비번 | كلمة \s (?:المرور|السر) | पासवर्ड"
)
_TOKEN: Final = regex.compile(r"(?<![\w/.@=])[^\s\"'“”‘’<>(){}\[\],;|]{5,64}(?![\w])")
_SURELY: Final = regex.compile(
    # letters, then digits, then a mark, or letters with leet in them and a mark: what people choose
    r"(?=[^\s]*[A-Za-z])(?=[^\s]*\d)(?=[^\s]*[!@#$%^&*?+~])(?![\w.+-]*@[\w-]+\.)[A-Za-z0-9!@#$%^&*?+~_.-]{6,40}"
)
_WEAK: Final = regex.compile(
    r"(?:pass(?:word)?|qwerty|abc|letmein|admin|test|asdf|welcome)[\d!]{0,4}", regex.I
)
_COMMON_CODE: Final = regex.compile(
    r"a-z|A-Z|[=<>]|\w\(|//|->|::|\+\+|&&|\$\{|^\W+$|^[#$%&*+-]|^\d+[%+*]|\d[+*^]\d|^[A-Za-z]\^?\d|^\d*[A-Za-z]\^\d|^[\d.,:%+*^-]+$|^c\+\+|^\w+\.\w{2,4}$"
)
_AMOUNT_OR_MORE: Final = regex.compile(r"[A-Z]{0,3}\$[\d.,]+\w*|[\w.-]+\+")
"""US$6.4bn, memtest86+"""
_SEED: Final = regex.compile(r"(?:\b[a-z]{3,8}\b[ ,]+){11,23}\b[a-z]{3,8}\b")
_RESTORED: Final = compiled(
    r"\b (?: seeds? | mnemonic | wallet | recovery | restore | back-?up | metamask | ledger | trezor | crypto\w* | bitcoin"
    r" | (?: pass | seed | secret ) \s? phrase | (?: secret | recovery | 12 | 24 | twelve | twenty[ -]four ) \s words )\b"
)
_FUNCTION_WORD: Final = regex.compile(
    r"\b(?:the|and|for|with|that|this|are|was|you|your|not|but|have|has|from|they|what|how|can|will|when|where|who|which|into|its|his|her|our|were|had|all|than|then|them|there|their|about|would|could|should|does|did|been|being|also|only|just|very|much|many|some|any|each|these|those|because"
    r"|ich|und|das|die|der|den|mich|mir|sie|wir|ist|ein|eine|nicht|auf|mit|von|für|les|des|une|est|que|pour|avec|pas|dans|qui|nous|vous"
    r"|los|las|una|con|por|para|del|como|che|non|per|sono|della|het|een|niet|voor|met|van|dat|att|och|det|som|inte|jag"
    r"|nie|się|jest|ale|bir|için|çok|não|uma|jsem|které)\b"
)


_PHRASE: Final = compiled(
    r"\b (?: pass \s? phrase | seed \s phrase | mnemonic | passwortsatz | phrase \s secr[èe]te | frase \s (?: secreta | segreta ) )"
    r" \s* (?: : | = | \b is \b | \b ist \b | \b es \b | \b est \b ) \s* [\"']? (?P<x> (?-i: \p{Ll}{2,} (?: [ -] \p{Ll}{2,} ){2,23} ) ) (?= [\"']? \s* (?: [.,;\n] | \Z ) )"
)
SPOKEN_DIGIT: Final = (
    r"(?: zero | oh | one | two | three | four | five | six | seven | eight | nine | (?: double | triple ) \s \w+"
    r" | null | eins | zwei | zwo | drei | vier | fünf | sechs | sieben | acht | neun"
    r" | zéro | un | deux | trois | quatre | cinq | sept | huit | neuf"
    r" | cero | uno | dos | tres | cuatro | cinco | seis | siete | ocho | nueve )"
)
_SPOKEN: Final = compiled(rf"\b {SPOKEN_DIGIT} (?: [ ,.-]{{1,2}} {SPOKEN_DIGIT} ){{6,20}} \b")
_COUNTED: Final = regex.compile(
    r"(?:one|eins|un|uno)\W+(?:two|zwei|deux|dos)\W+(?:three|drei|trois|tres)\W+(?:four|vier|quatre|cuatro)",
    regex.I,
)
_CARD_LENGTH: Final = 13


def _spelled(text: str) -> Iterator[Sign]:
    """Numbers whose digits are written as words; and phrases of words that open a door."""
    for match in _SPOKEN.finditer(text, timeout=1.0):
        words = regex.findall(r"\p{L}+", match[0])
        if not _COUNTED.match(match[0]) and len({word.lower() for word in words}) > 3:
            kind = "card number" if len(words) >= _CARD_LENGTH else "phone"
            yield sign_of(match, 0, kind, 0.8)
    for match in _PHRASE.finditer(text, timeout=1.0):
        yield sign_of(match, "x", "password", 0.85)


def _told(text: str) -> Iterator[Sign]:
    words = [word.end() for word in _PASSWORD_WORD.finditer(text, timeout=1.0)]
    prose = len(regex.findall(r"[{}();=<>]", text)) * 12 < max(24, len(text))
    for match in _TOKEN.finditer(text):
        token = match[0].rstrip(".,;:?)")
        if (
            not token
            or _WEAK.fullmatch(token)
            or _COMMON_CODE.search(token)
            or "://" in token
            or _AMOUNT_OR_MORE.fullmatch(token)
            or _is_sequence(token)
        ):
            continue
        near = any(-45 <= match.start() - place <= 60 for place in words)
        sure = prose and _SURELY.fullmatch(token) and not token.startswith("@")
        if sure or (near and _is_mixed(token)):
            yield Sign(match.start(), match.start() + len(token), "password", 0.85 if near else 0.7)
    for match in _SEED.finditer(text, timeout=1.0):
        # With commas it is a list like any other, unless something is said of what it restores.
        if "," in match[0] and not _RESTORED.search(text, timeout=1.0):
            continue
        if not _FUNCTION_WORD.search(match[0]):
            yield sign_of(match, 0, "password", 0.8)


def _is_mixed(token: str) -> bool:
    """Letters with digits or marks among them, as neither words nor numbers are."""
    if regex.fullmatch(
        r"[\d.,:/-]+|\d+(?:st|nd|rd|th|k|px|gb|mb)|\w+[-/]\w+(?:[-/]\w+)*", token, regex.I
    ) and not regex.search(r"[a-z]\d|\d[a-z]", token, regex.I):
        return False
    letters = bool(regex.search(r"\p{L}", token))
    return (letters and bool(regex.search(r"\d", token)) and not BUILD_WORD.fullmatch(token)) or (
        letters
        and bool(regex.search(r"\p{L}[!@#$%^&*?]+\p{L}|\p{Ll}\p{Lu}.*[!@#$%^&*]", token))
        and "@" not in token[1:]
    )


# --- phones ----------------------------------------------------------------------------------

_CN_MOBILE: Final = regex.compile(r"(?<![\w.-])1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\w-])")
_FICTION: Final = regex.compile(
    r"1?(?:\d{3})?55501\d\d|4420794609\d{2,3}|44?0?1632960\d{3}|0?20794609\d{2,3}|44?0?7700900\d{3}|0?1632960\d{3}|0?7700900\d{3}|614915701\d\d"
)


_COUNTING: Final = regex.compile(r"123456|234567|345678|456789|987654|876543|(\d)\1{5}")


def is_counting(digits: str) -> bool:
    """Whether six digits in a row count up or are alike, as in a number that is made up."""
    return bool(_COUNTING.search(digits))


def is_reserved_phone(digits: str) -> bool:
    """Whether a number is kept free for films and manuals, or only counts up."""
    return (
        bool(_FICTION.fullmatch(digits))
        or _is_sequence(digits)
        or digits in ("1234567890", "11234567890")
    )


def is_valid_phone(text: str) -> bool:
    """Whether a number that begins with a plus sign exists in a country's plan."""
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, None))
    except phonenumbers.NumberParseException:
        return False


def _phones(text: str) -> Iterator[Sign]:
    if regex.search(r"\p{Han}", text):
        for match in _CN_MOBILE.finditer(text):
            yield sign_of(match, 0, "phone", 0.8)


def find_identifiers(text: str) -> Iterator[Sign]:
    """All of this module in a normalised text; raises TimeoutError."""
    yield from _checked(text)
    yield from _contacts(text)
    yield from _contextual(text)
    yield from _told(text)
    yield from _spelled(text)
    yield from _phones(text)
