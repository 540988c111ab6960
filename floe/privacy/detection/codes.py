"""Codes that open something, or point to one booking: a word for a secret beside a value.

The word says what the code is for ("reset", "gate"), or that somebody was sent it, in some twenty
languages; the value is neither an amount nor a part of a program. Codes that everybody may have
(of errors, countries, colours, laws) are nobody's. Knows neither sentences nor the verdict.
"""

from collections.abc import Iterator
from typing import Final

import regex

from floe.privacy.detection.identifiers import BUILD_WORD, counts
from floe.privacy.detection.names import find_names, lexicon
from floe.privacy.detection.rules import Sign, compiled, sign_of

_PASSWORD: Final = "password"  # noqa: S105 (a kind)
_ACCOUNT: Final = "account number"
_TIMEOUT: Final = 1.0
_FURTHEST: Final = 32
_NEAR: Final = 14
_LINK: Final = 6
_SENTENCE: Final = 24
"""Characters between a word and its value: at most, before the word, after "code is", after "sent"."""
_SHORTEST: Final = 4

# --- what opens something ---------------------------------------------------------------------

_FOR: Final = (
    r"(?: reset | verif\w+ | confirm(?:ation)? | authenti\w+ | authori[sz]ation | auth | 2\s?fa | mfa | (?: two | 2 ) [ -] (?: factor | step )"
    r" | one[ -]time | otp | log[ -]?in | sign[ -]?in | access | security | recovery | back[ -]?up | activation | unlock(?:ing)? | sms | text"
    r" | whats\s?app | telegram | google | paypal | apple | amazon | microsoft | bank(?:ing)? | pairing | safety | pick[ -]?up | collection"
    r" | door | gate | house | home | flat | apartment | airbnb | entry | entrance | alarm | safe | vault | garage | shed | barn | cabin | pool | gym | storage"
    r" | lock(?:er | box)? | key[ -]?(?: pad | box | safe ) | pad[ -]?lock | building | lobby | lift | elevator | intercom | buzzer | office | bike | suitcase"
    r" | luggage | mail\s?box | burglar | duress | phone | sim | card | atm | debit | tablet | ipad | iphone | laptop | tv | parental | voice\s?mail | guest | cleaner'?s )"
)
_WORD: Final = compiled(
    rf"\b (?: {_FOR} [ -] (?: [\w'-]+ [ ] )?? (?: codes? | pin | combination | combo ) \b"
    r" | cvv2? | cvc2? | cvv/cvc | expiry | exp \s date | pin (?: \s? (?: code | number ) )? | passcode | otp | 2fa | (?-i: [mi]?-?TAN ) | puk | combination | combo"
    r" | lock[ -]?box | key[ -]? (?: safe | pad | box ) | pad[ -]?lock | (?: bike | door | smart | combination ) \s? lock | digicode | digipad"
    r" | codes? \s (?: to | for | of | on | at | von | vom | f[üu]r | zum | zur | am | van | voor | till ) \s (?: [\w'-]+ \s ){0,3}?"
    r"   (?: safe | door | gate | alarm | house | flat | garage | locker | vault | shed | suitcase | building | office | lift | bike | lock | phone | apartment | airbnb | cabin | pool | gym"
    r"   | haust[üu]r | t[üu]r | tor | tresor | wohnung | ferienwohnung | keller | eingang | alarmanlage | schloss | fahrradschloss | deur | poort | kluis | slot | d[öo]rren | porten ) )\b"
    # German, Dutch, Swedish
    r" | \b (?: zugangs | bestätigungs | sicherheits | verifizierungs | einmal | haust[üu]r | t[üu]r | tor | freischalt | aktivierungs | alarm | garagen | safe | tresor | entsperr"
    r"   | sms | login | wiederherstellungs | backup | klingel | abhol | toegangs | verificatie | beveiligings | deur | poort | inlog | herstel | bevestigings | d[öo]rr? | port"
    r"   | säkerhets | verifierings | engångs ) -? (?: codes? | pin | kombination | kod(?:en)? ) \b"
    r" | \b (?: geheimzahl | zahlenschloss | zahlenkombination | schlüssel (?: safe | tresor | box | kasten ) | sleutelkluis | pincode ) \b"
    # French, Spanish, Italian, Portuguese
    r" | \b codes? \s (?: secret | pin | wi-?fi | reçu | bleue | d'(?: accès | entrée | activation ) | à \s usage \s unique"
    r"   | (?: de | du | de \s la | de \s l' | de \s ma | de \s mon ) \s? (?: carte (?: \s (?: bleue | bancaire ) )? | porte | portail | immeuble | alarme | coffre | cadenas | garage | vérification"
    r"     | sécurité | confirmation | validation | déverrouillage | secours | téléphone ) ) \b"
    r" | \b c[óo]digo s? \s (?: pin | secreto | que \s (?: me \s \w+ | recebi | chegou | recib[íi] )"
    r"   | (?: de | del | de \s la | do | da ) \s (?: un \s solo \s uso | verifica\w+ | segur\w+ | ac(?:c)?es[so]o? | confirma\w+ | activa\w+ | ativação | recupera\w+ | desbloqueio? | puerta | portal"
    r"     | port[óoã][no]o? | garaje | garagem | candado | cadeado | alarma | alarme | caja | cofre | porta | prédio | edificio | sms | tarjeta | cartão ) ) \b"
    r" | \b clave \s (?: de \s acceso | del \s (?: cajero | banco | portal ) | de \s la \s (?: alarma | caja | tarjeta ) ) \b | \b combina(?:ción | zione | ção) \b"
    r" | \b codice \s (?: pin | segreto | che \s mi \s (?: \w+ \s )? \w+ | (?: di | del | della | dell' | dello ) \s? (?: verifica | sicurezza | accesso | conferma | sblocco | attivazione | recupero"
    r"   | cancello | portone | citofono | lucchetto | garage | bancomat | porta | cassaforte | carta | allarme | wifi ) ) \b"
    # Polish, Russian, Turkish
    r" | \b kod \s (?: do | z \s smsa? | sms | weryfikacyjny | dostępu | pin | aktywacyjny | potwierdzający | jednorazowy | alarmu | bramy | blik ) \b | \b blik \b"
    r" | \b код \s (?: от | из | для \s входа | подтверждения | доступа | двери | домофона | безопасности | активации | сброса | сейфа ) \b | \b пин (?: -?\s? код\w? )? \b"
    r" | \b (?: kapı | giriş | alarm | doğrulama | onay | güvenlik | kasa | kart | sms ) \s (?: şifre\w* | kod\w* | pin\w* )"
    # Chinese, Japanese, Korean, Arabic, Hindi
    r" | 验证码 | 校验码 | 动态码 | 口令 | 密码 | 取件码 | 解锁码 | 恢复码 | 暗証番号 | 認証コード | 確認コード | ワンタイムパスワード | パスコード | 解除コード | 인증번호 | 비밀번호 | 보안코드 | 도어락"
    r" | (?: رمز | كود ) \s (?: التحقق | الدخول | التأكيد | الأمان | الباب | السري ) | الرقم \s السري | ओटीपी | पिन | पासवर्ड"
)
_VALUE: Final = compiled(
    r"""
    (?<! [\w@] | \d[.,:/-] | [$€£&?/.] ) (?P<x> [\#*]? (?:
        (?: [A-Z]{1,2} - )? (?: \d{3} [ -] \d{3} (?: [ -] \d{3} )? | \d{4} [ -] \d{4} )
      | \d{2} (?: [ -] \d{2} ){1,3} | \d{1,2} (?: - \d{1,2} ){2,3} | \d (?: [ -] \d ){3,7}
      | \d{3,8}
      | (?= [\dA-Z-]* \d [\dA-Z-]* \d ) (?= [\d-]* [A-Z] ) [A-Z\d]{4,12} (?: - [A-Z\d]{2,8} ){0,4}
    ) [\#*]? ) (?! \w | [.,:/-]\d | [ ]?[%€$£°] )
    """
)
_NOT_BETWEEN: Final = compiled(
    r"\b (?: section | article | chapter | paragraph | version | rule | page | line | step | up \s to | at \s least | at \s most | less \s than | more \s than"
    r" | exit | error | status | http | rfc | iso | port | year | in \s (?= (?: 19 | 20 ) \d\d ) | review | length | characters? | digits? ) \b | §"
)
_UNIT: Final = compiled(
    r"[ -]? (?: digits? | characters? | chars? | letters? | lines? | loc | seconds? | secs? | ms | attempts? | tries | times | requests? | stellig\w* | zeilen | lignes | chiffres"
    r" | caracteres | dígitos | cifre | volts? | mhz | ghz | lumens? | units? | copies | mg | ml | kg | g | grams? | k?cal\w* | cm | mm | inch(?:es)? | feet | watts? | degrees? ) \b"
)
_DIRECT: Final = compiled(
    r"\s* (?: (?: \b (?: is | was | are | of | now | still | ist | lautet | war | est | c'est | es | è | é | foi | to | это ) \b | [:=,-] | 是 | は | 는 | 은 ) \s* ){0,3}"
)
"""Between a word and a value that may look like a year: a lock is set to 1987 all the same."""
_YEAR: Final = regex.compile(r"(?:19|20)\d\d")
_MADE_UP: Final = compiled(
    r"\b (?: video \s? games? | games? | gta | puzzles? | escape \s room | riddle | movie | film | novel | story | fiction\w* | episode | series | arduino | gpio | raspberry | unit \s tests? )\b"
)
_OWN: Final = compiled(
    r"\b (?: my | our | mine | ours | i | we | mein\w* | unser\w* | mon | ma | mes | nos | notre | mi | mis | nuestr\w | mio | mia | nostr\w | meu | minha | noss\w | mijn | ons | onze"
    r" | mój | moj\w | nasz\w? | мой | моя | моё | мои | наш\w? ) \b | 我 | 私 | 내 | 우리"
)

# --- a code without a word for what it opens ---------------------------------------------------

_ANY_CODE: Final = compiled(
    r"(?<! [\w-] ) (?P<word> codes? | c[óo]digo | codice | kod | код | código | kode ) \b"
    r" (?= (?P<to> (?: \s (?: i | we | they | he | she | it | you | the \s bank | someone ) \s (?: \w+ \s ){0,2}? (?: me | us )? )? ) )"
)
_LINKED: Final = compiled(
    r"\s? (?: \b (?: is | was | reads? | says | ist | lautet | est | c'est | es | è | é | foi | to | это ) \b | [:=] ) \s* (?: (?: now | still | jetzt ) \s )? [\"'(]? \Z"
)
_SENT: Final = compiled(
    r"\b (?: sent | send | sends | texted | texts | messaged | e?mailed | got | received | gave | gives | shows? | says | told | bekommen | geschickt | erhalten | reçu | envoyé"
    r" | llegó | mandaron | enviaron | recibí | ricevuto | mandato | recebi | mandaram | dostał\w* | przyszedł | пришел | пришёл | прислали | geldi ) \b"
)
_EVERYBODYS: Final = compiled(
    r"(?: \b (?: status | error | exit | return | response | reply | https? | area | country | dial(?:l?ing)? | calling | zip | postal | post | source | machine | byte | object | legacy | clean"
    r" | sample | example | promo\w* | discount | coupon | voucher | referral | cheat | qr | bar | morse | colou?r | hex | rgb | unicode | ascii | char(?:acter)? | key | scan | tax | penal"
    r" | criminal | civil | dress | genetic | airport | iata | icao | flight | language | currency | iso | icd\S* | cpt | hs | sic | naics | course | class | module | product | model | part"
    r" | item | sku | fault | trouble | dtc | obd\S* | diagnostic | department | style | swift | bic | sort | routing | event | state | fips | reason | result | stop | crash | paint | pantone"
    r" | ral | tariff | commodity | stock | ticker | python | java\w* | js | html | css | sql | rust | php | bash | vba | c\+\+ | commit | error- | fehler | feature ) [\w'-]* \s? )"
    r" (?: \w+ \s )? \Z"
)
_AFTER_EVERYBODYS: Final = compiled(
    r"\s? (?: 128 | 39 | 93 | postal | erreur | couleur | source | civil | p[ée]nal | promo | de \s la \s route | fiscale | d'erreur | point | page | block | snippet | review | coverage | base ) \b"
)
_ENTERED: Final = compiled(
    r"\b (?: use | enter | type | punch \s in | dial | press | put \s in | key \s in | hit ) \s (?P<x> [\#*]? \d{4,8} [\#*]? | \d{3} [ -] \d{3} ) \s? (?: , \s? )?"
    r" (?: and \s (?: then \s )? )? (?: to | then ) \s (?: log \s? in | sign \s in | reset | verify | confirm | unlock | open | disarm | get \s in | press | the \s (?: hash | star | pound ) | ok | enter ) \b"
)
_HASHED: Final = compiled(
    r"\b (?: gate | door | front \s door | alarm | safe | garage | entrance | entry | intercom | buzzer | building | tür | haustür | tor | portail | cancello | portón | poort | brama )"
    r" [ ,:]{1,2} (?: is \s | ist \s )? (?P<x> \d{3,8} [\#*] | \d{4,6} (?= \s? (?: ,? \s? then | ,? \s? and \s press | ok \b | enter ) ) )"
)
_IS_THE_CODE: Final = compiled(
    r"\s (?: is | ist | est | es | è | é | będzie ) \s (?: your | my | our | the | her | his | ihr | dein | mein | der | votre | mon | le | tu | su | mi | el | il | o | seu )? \s?"
    r" (?: [\p{L}\d.'-]+ \s ){0,3}"
)


def _opens(text: str) -> Iterator[Sign]:
    """Yield codes beside a word for what they open."""
    if _is_made_up(text):
        return
    for word in _WORD.finditer(text, timeout=_TIMEOUT):
        value = _first_value(text, word.end())
        if value is not None:
            direct = _DIRECT.fullmatch(text, word.end(), value.start("x")) is not None
            if _may_open(text, word.end(), value, direct=direct):
                yield sign_of(value, "x", _PASSWORD, 0.92)
                yield from _more(text, value.end("x"))
        yield from _ahead(text, word.start())


def _is_made_up(text: str) -> bool:
    """Whether it is of a game, a story or a circuit, and nobody's own."""
    return not _OWN.search(text) and _MADE_UP.search(text) is not None


def _first_value(text: str, word_end: int) -> "regex.Match[str] | None":
    """Return what may be the value of a word, unless something between them speaks against it."""
    value = _VALUE.search(text, word_end, min(len(text), word_end + 44))
    if value is None or value.start("x") - word_end > _FURTHEST:
        return None
    return None if _NOT_BETWEEN.search(text, word_end, value.start("x")) else value


def _more(text: str, end: int) -> Iterator[Sign]:
    """Yield what follows a value as the next of several backup codes."""
    for value in _VALUE.finditer(text, end, min(len(text), end + 80)):
        if not regex.fullmatch(r"[ ,;]{1,2}(?:(?:and|und|et|y|e) )?", text[end : value.start("x")]):
            return
        yield sign_of(value, "x", _PASSWORD, 0.85)
        end = value.end("x")


def _ahead(text: str, word_start: int) -> Iterator[Sign]:
    """Yield the last value before a word: "448201 is your login code"."""
    start = max(0, word_start - 80)
    lead = text[start:word_start]
    for value in [*_VALUE.finditer(lead)][-1:]:
        gap = lead[value.end("x") :]
        near = len(gap) <= _NEAR and not regex.search(r"[.?!;:]\s|\n", gap)
        if (near or _IS_THE_CODE.fullmatch(gap)) and _may_open(lead, None, value):
            yield Sign(start + value.start("x"), start + value.end("x"), _PASSWORD, 0.8)


def _may_open(
    text: str, word_end: int | None, value: "regex.Match[str]", *, direct: bool = False
) -> bool:
    """Whether a value is no amount, date, or part of a program; a year only right at its word."""
    plain = value["x"].strip("#*")
    if _UNIT.match(text, value.end("x")) or BUILD_WORD.fullmatch(plain):
        return False
    if _YEAR.fullmatch(plain):
        return direct
    return counts(text, word_end, value, pairs=True)


def _told(text: str) -> Iterator[Sign]:
    """Yield codes of which no more is said than that somebody was sent one, or that it is this."""
    made_up = _is_made_up(text)
    for word in _ANY_CODE.finditer(text if not made_up else "", timeout=_TIMEOUT):
        start, end = word.span()
        everybodys = _EVERYBODYS.search(text[max(0, start - 40) : start])
        value = (
            None if everybodys or _AFTER_EVERYBODYS.match(text, end) else _first_value(text, end)
        )
        if value is None or len(regex.sub(r"\W", "", value["x"])) < _SHORTEST:
            continue
        sent = _SENT.search(text, max(0, start - 40), min(len(text), end + 40))
        between = text[end : value.start("x")]
        linked = _LINKED.search(between) is not None
        near = len(between) <= (_LINK if linked and not sent else _SENTENCE)
        if (linked or sent) and near and _may_open(text, end, value, direct=linked):
            yield sign_of(value, "x", _PASSWORD, 0.85)
    for pattern in (_ENTERED, _HASHED):
        for match in pattern.finditer(text, timeout=_TIMEOUT):
            if not _YEAR.fullmatch(match["x"]):
                yield sign_of(match, "x", _PASSWORD, 0.8)


# --- passwords without a digit, networks, words that restore a wallet --------------------------

_NETWORK: Final = compiled(
    r"\b (?: wi-?fi | wlan | wireless | hot\s?spot | router | guest \s network ) \b (?: [ ] (?: here | code | key | pw | pass | name ) )? (?: \s (?: at | of | in | for ) (?: \s [\w'-]+ ){1,3}? )?"
    r" \s? (?: \b (?: is | ist | lautet | est | c'est | es | è | é ) \b | [:=] ) \s* [\"']? (?P<x> [^\s\"',;]{6,40} )"
)
_TECHNICAL: Final = compiled(
    r"\b (?: 802\S* | \d+ (?:\.\d+)? (?: ghz | mhz | mbps | gbps | mbit | gbit | g ) (?: /s )? | wpa\d? (?: [-/] \w+ )* | wep | [a-z]{1,3}\d{1,4} | \d{1,3} (?: \.\d{1,3} ){3} (?: :\d+ )? | https?:\S+ )"
)
_PASSWORD_IS: Final = compiled(
    r"\b (?P<own> my | our | his | her | their | the \s wi-?fi | wi-?fi | wlan | netflix | router | guest | netz | gäste | mein | unser | das | mon | le | notre | mi | la | nuestra | minha | a | nossa"
    r"   | il | mio | de | het | mijn | ons | moje | nasze | hasło | benim )? [ -]? (?: [\w'-]+ \s ){0,3}?"
    r" (?: pass\s?word | pass\s?phrase | passwort | kennwort | mot \s de \s passe | contrase[ñn]a | senha | wachtwoord | hasło | пароль | l[öo]senord(?:et)? | şifre\w* | parola\w* )"
    r" (?: \s (?: for | to | of | on | zu | für | vom | von | pour | de | du | del | do | da | al | van | voor | от | к | na ) \s (?: [\w'-]+ \s ){0,3}? [\w'-]+ )?"
    r" \s? (?: \b (?: is | ist | lautet | est | c'est | es | è | é | to | это ) \b | [:=] | [—–-] ) \s* [\"']? (?P<x> [\p{L}\d_.!@\#$%^&*+-]{5,40} ) (?= [\"']? \s* (?: [,.;!?] | \n | \Z | (?: and | und | et | y | e | i | и | but ) \b ) )"
)
_SAID_OF: Final = compiled(
    r".* (?: ed | ing | able | ible | tion | less | bar | iert | geschützt | ée? ) \Z | .{2,7} (?: ad | at ) [oa] \Z"
)
_RESTORES: Final = compiled(
    r"\b (?: (?: recovery | seed | back-?up | secret | wallet | mnemonic | metamask | ledger | trezor | 12 | 24 | twelve | twenty[ -]four ) \s (?: (?: recovery | seed | secret | backup ) \s )? (?: words | phrase )"
    r" | seed | mnemonic | wiederherstellungs (?: wörter | phrase | w[öo]rte ) | mots \s de \s r[ée]cup[ée]ration | phrase \s (?: de \s r[ée]cup[ée]ration | secr[èe]te )"
    r" | palabras \s (?: de \s recuperaci[óo]n | semilla ) | frase \s (?: semilla | de \s recupera\w+ | secreta | segreta | di \s recupero ) | parole \s di \s recupero | palavras \s de \s recupera[çc][ãa]o"
    r" | herstelwoorden | słowa \s odzyskiwania | (?: слова \s восстановления | сид[ -]фраза | мнемоника ) ) \b (?: \s (?: for | of | to | für | pour | para | per ) (?: \s [\w'-]+ ){1,3}? )?"
    r" \s* (?: \b (?: are | is | sind | lauten | ist | sont | est | son | es | sono | è | são | é | zijn | to | это ) \b | [:=] ) \s* [\"'(]?"
    r" (?P<x> (?-i: \p{Ll}{3,} ) (?: [ ,]{1,2} (?: and \s )? (?-i: \p{Ll}{3,} ) ){3,23} )"
)
_PASSWORD_WORD: Final = regex.compile(
    r"wi-?fi|wlan|wireless|hot\s?spot|router|network|pass|kennwort|contrase|senha|wachtwoord|has[łl]o|парол|l[öo]senord|[şs]ifre|parola"
    r"|seed|words|phrase|frase|mnemonic|w[öo]rte|mots|palabras|parole|palavras|woorden|s[łl]owa|слова|сид|мнемоник",
    regex.I,
)
"""Without one of these, none of the patterns here can match; they are slow, and this is not."""
_SAID_IN_SENTENCES: Final = regex.compile(
    r"\b(?:the|a|to|of|you|your|that|which|used|stored|when|how|important|from|der|die|das|nicht|für|les|des|pour|que|los|las|para|che|per)\b"
)


def _chosen(text: str) -> Iterator[Sign]:
    """Passwords as people choose them, and phrases."""
    for match in _NETWORK.finditer(text, timeout=_TIMEOUT):
        value = match["x"].rstrip(".!?)")
        strange = value.lower() not in lexicon().ordinary
        marked = bool(regex.search(r"\d.*\d|[!@#$%^&*_+]", value))
        if strange and marked and not _TECHNICAL.match(value):
            yield Sign(match.start("x"), match.start("x") + len(value), _PASSWORD, 0.85)
    for match in _PASSWORD_IS.finditer(text, timeout=_TIMEOUT):
        value = match["x"].rstrip(".!?")
        if match["own"] is None or value.lower() in lexicon().ordinary or _SAID_OF.match(value):
            continue
        yield Sign(match.start("x"), match.start("x") + len(value), _PASSWORD, 0.85)
    for match in _RESTORES.finditer(text, timeout=_TIMEOUT):
        if not _SAID_IN_SENTENCES.search(match["x"]):
            yield sign_of(match, "x", _PASSWORD, 0.9)


# --- what points to one booking, parcel or bill -------------------------------------------------

_NUMBER: Final = r"(?: number s? | no\b\.? | nr\b\.? | num\b\.? | id | \# | n[°º] | code | key | ref(?:erence | \b\.?)? | locator | nummer | n[úu]mero | num[ée]ro | номер )"
_STRONG: Final = compiled(
    r"\b (?: (?: booking | reservation | confirmation | tracking | itinerary | parcel | shipment | consignment | waybill | e-?ticket | baggage \s claim ) | record \s locator | locator | pnr | awb | track"
    r" | buchungs\w* | sendungs\w* | reservierungs\w* | paketnummer | (?: r[ée]f[ée]rence | num[ée]ro | n[°º] ) \s (?: de \s )? (?: r[ée]servation | suivi | colis | commande | dossier )"
    r" | (?: n[úu]mero | c[óo]digo | localizador ) \s de \s (?: reserva | seguimiento | rastreio | pedido | encomenda ) | localizador | (?: codice | numero ) \s (?: di \s )? (?: prenotazione | spedizione | tracking )"
    r" | boekings\w* | reserverings\w* | track \s? & \s? trace | numer \s (?: rezerwacji | przesyłki | paczki ) | номер \s (?: бронирования | брони | отправления | посылки ) | трек-?номер"
    r" | rezervasyon | (?: takip | kargo ) \s (?: no | numara\w* | kod\w* ) ) \b | 快递单号 | 单号 | 预订号 | 订单号 | 予約番号 | 追跡番号 | お問い合わせ番号 | 예약번호 | 운송장 | 송장번호 | رقم \s (?: الحجز | التتبع )"
)
_WEAK: Final = compiled(
    r"\b (?: invoice | order | receipt | quote | case | claim | ticket | file | reference | ref | member(?:ship)? | policy | contract | rechnung\w* | bestell\w* | auftrags\w* | vertrags\w*"
    r" | aktenzeichen | facture | commande | factura | pedido | fattura | ordine | fatura | factuur\w* | faktur\w* | zamówieni\w* | сч[её]т\w* | заказ\w* | sipariş ) \b"
)
_TO_NUMBER: Final = compiled(
    rf"(?: [\s,]* (?: {_NUMBER} | \b (?: is | was | the | my | our | under | ist | lautet | est | es | è | é ) \b | [:=(\#] | 是 | は | 은 | 는 ) ){{0,4}} \s*"
)
_REFERENCE: Final = compiled(
    r"(?<! [\w@] ) (?P<x> (?-i: (?= [A-Z\d-]* \d ) (?= [\d-]* [A-Z] ) [A-Z\d]{5,24} (?: - [A-Z\d]{2,12} ){0,3} | [A-Z]{1,5} [ -] (?: \d{4} - )? \d{3,14} [A-Z]{0,2} | [A-Z]{6} )"
    r" | \d{6,24} | \d{4} - \d{3,8} | \d{3,6} (?: [ -] \d{3,8} ){1,5} ) (?! \w | [.,]\d | [ ]?[%€$£°] )"
)
_DIGIT: Final = regex.compile(r"\d")
_LOCATOR: Final = regex.compile(r"(?<!\w)[A-Z]{6}(?!\w)")
_ISSUE: Final = regex.compile(r"[A-Z]{2,10}-\d{1,5}")
_TRACKED: Final = 10


def _points(text: str) -> Iterator[Sign]:
    """Numbers of bookings and parcels; of bills and orders where they are somebody's."""
    for pattern in (_STRONG, _WEAK):
        for word in pattern.finditer(text, timeout=_TIMEOUT):
            link = _TO_NUMBER.match(text, word.end())
            value = _REFERENCE.match(text, link.end() if link else word.end())
            if value is None or not _is_reference(text, value, word[0]):
                continue
            if pattern is _WEAK and not _is_somebodys(text, value):
                continue
            yield sign_of(value, "x", _ACCOUNT, 0.85)


def _is_reference(text: str, value: "regex.Match[str]", word: str) -> bool:
    """Whether a value is no word, amount, or issue of a project."""
    plain = value["x"]
    if plain.isalpha():
        return plain.lower() not in lexicon().ordinary
    if word.lower() in ("ticket", "case", "file") and _ISSUE.fullmatch(plain):
        return False
    if word.lower() == "track" and sum(map(str.isdigit, plain)) < _TRACKED:
        return False
    return not BUILD_WORD.fullmatch(plain) and not _UNIT.match(text, value.end("x"))


def _is_somebodys(text: str, value: "regex.Match[str]") -> bool:
    """Whether a person by name, or the speaker, has this bill."""
    if not counts(text, None, value):
        return False
    near = text[max(0, value.start() - 60) : value.end() + 60]
    return bool(_OWN.search(near)) or any(
        name.form in ("full", "given", "small") for name in find_names(text)
    )


def find_codes(text: str) -> Iterator[Sign]:
    """All of this module in a normalised text; raises TimeoutError."""
    if _PASSWORD_WORD.search(text):
        yield from _chosen(text)
    if _DIGIT.search(text):
        yield from _opens(text)
        yield from _told(text)
    if _DIGIT.search(text) or _LOCATOR.search(text):
        yield from _points(text)
