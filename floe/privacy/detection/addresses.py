"""Streets with their numbers and postcodes, in the orders and words of many countries.

A house number before or after a word for a street, a post box, a flat; a name with a number
only where the sentence says that it is a place to go or to send to.
"""

import re

import regex

from floe.privacy.detection.names import lexicon
from floe.privacy.detection.rules import Rule, RuleSet, compiled
from floe.privacy.detection.vocabulary import listed

_NUMBER = r"\d{1,6} (?: \s?[a-z]\b | [-/]\d{1,4}[a-z]? )?"
_NAME = r"(?: \p{Lu}[\p{L}\p{M}.'’-]* )"
_PARTICLE = (
    r"(?: (?: of | the | de | des | du | la | le | les | del | della | dei | do | da | dos | das"
    r" | di | e | y | von | van | der | den | am | im | an | zum | zur | d' | l'"
    r" | \d{1,4}(?:st|nd|rd|th)? ) )"
)
_NAMES = rf"{_NAME} (?: [ ]+ (?: {_NAME} | {_PARTICLE} ) ){{0,5}}"

# Words for a street that follow its name, as English has them.
_STREET = (
    r"(?: street | road | avenue | boulevard | blvd | lane | crescent | terrace | parkway | pkwy"
    r" | highway | hwy | mews | rd | ave )"
)
_STREET_NAMED = (
    r"(?: [Ss]t | [Aa]ve?n? | [Rr]d | [Dd]r(?:ive)? | [Cc]t | [Cc]ourt | [Pp]l(?:ace)?"
    r" | [Ss]q(?:uare)?"
    r" | [Ll]n | [Ww]ay | [Cc]ir(?:cle)? | [Tt]er(?:r|race)? | [Tt]r(?:ai)?l | [Cc]res | [Cc]lose"
    r" | [Gg]rove | [Gg]ardens | [Rr]ow | [Hh]ill | [Rr]ise | [Ww]alk | [Qq]uay | [Aa]lley"
    r" | [Pp]laza"
    r" | [Ll]oop | [Pp]ike | [Tt]urnpike | [Ee]splanade | [Pp]arade | [Pp]ark | [Gg]reen | [Vv]iew"
    r" | [Hh]eights | [Pp]oint | [Rr]idge | [Rr]un | [Pp]ath | [Cc]rossing | [Bb]end | [Cc]ommons?"
    r" | [Ee]states? | [Mm]anor | [Vv]alley | [Vv]ista | [Ww]harf | [Yy]ard | [Vv]illas?"
    r" | [Ff]reeway"
    r" | [Ss]treets? | [Rr]oads? | [Aa]venues? | [Bb]oulevard | [Ll]ane | [Cc]rescent"
    r" | [Tt]errace )"
)
# Words for a street that go before its name.
_STREET_BEFORE = (
    r"(?: rue | r[úu]a | chemin | all[ée]e | impasse | quai | boulevard | bd\.? | calle"
    r" | avenida | avda\.?"
    r" | paseo | carrera | carretera | camino | glorieta | rua | travessa | estrada"
    r" | alameda | pra[çc]a"
    r" | rodovia | carrer | passeig | rambla | ulica | ul\. | aleja | aleje | osiedle | ulitsa"
    r" | улица | ул\. | проспект | пр\. | бульвар | λεωφ[όο]ρος | οδ[όο]ς"
    r" | jalan | jl\. | viale"
    r" | vicolo | piazza | piazzale | corso | strada | calea | bulevardul | bulevar | trg | straat"
    r" | rruga | bul\. | utca | via | place | avenue | av\. | plaza | c/ | largo | (?<! \b (?: je | tu ) \s ) cours"
    r" | route (?= \s (?: d[eu] | des | nationale | départementale ) \b | \s d' ) | square (?! \s (?: root | in ) \b ) )"
)
# Endings of a word, or words of their own, that mean a street; the number follows.
_ENDING = (
    r"(?: stra(?:ß|ss)en? | str\. | gasse | g[äa]sschen | platz | chaussee | promenade"
    r" | allee | gatan"
    r" | v[äa]gen | veien | vegen | gaten | gade | vej | v[äa]g | gata | str[äa]de"
    r" | str[æa]de | str[æa]ti"
    r" | vegur | st[íi]gur | braut | katu | kuja | polku | straat | laan | plein | gracht"
    r" | kade | dijk"
    r" | singel | steeg | utca | [úu]tja | ulice | sokak | sokağı | caddesi | bulvarı | iela"
    r" | gatv[ėe] | t[äa]nav | maantee | puiestee | ulička | n[áa]m[ěe]st[íi] | t[řr][íi]da"
    r" | tere | rakpart )"
)
_ENDING_SHORT = (
    r"(?: weg | damm | ufer | graben | steig | stieg | ring | hof | kamp | tie | gate | vei"
    r" | plads | torg | all[ée] | terrasse"
    r" | bakken | brink | k[öo]z | t[ée]r | [úu]t | u\. | park | markt | berg | feld | rain"
    r" | ova | sk[áa] | sk[ée]ho | n[áa] )"
)
_HOUSES = frozenset(
    ["house", "court", "hall", "mill", "cottage", "farm", "villa", "tower", "lodge", "mansion"]
)
_NOT_STREETS = listed("not_streets") | listed("numbered")


def _named_like_a_street(match: regex.Match[str]) -> bool:
    """Neither a date nor something else that carries a number."""
    found = re.findall(r"[^\W\d_]+", match["x"].lower())
    return not _NOT_STREETS.intersection(found)


_STREETS = frozenset(
    [
        *("st", "street", "streets", "rd", "road", "roads", "ave", "aven", "avenue", "avenues"),
        *("ln", "lane", "dr", "drive", "blvd", "boulevard"),
    ]
)
_YEAR_FIRST = re.compile(r"(?:1[5-9]|20)\d\d\s")
_LAST_WORD = re.compile(r"([^\W\d_]+)\W*\Z")


def _named_like_a_house(match: regex.Match[str]) -> bool:
    """Like a street, and neither "5 Best place" nor "1888 Exposition of the Valley"."""
    last = _LAST_WORD.search(match["x"])
    if last is None or not _named_like_a_street(match):
        return False
    if last[1].lower() in _STREETS:
        return True
    if _YEAR_FIRST.match(match["x"]) and " of " in match["x"]:
        return False
    words = re.findall(r"[^\W\d_]+", match["x"])[:-1]
    return last[1][0].isupper() or not lexicon().ordinary.issuperset(map(str.lower, words))


_FILE_NUMBER = re.compile(r"/\d{2,4}\b")
_SENTENCE_INSIDE = re.compile(r"[^\W\d_]{3,}\.\s|\b[A-Z]\.[A-Z]\.|\b(?:19|20)\d\d\Z")


def _between_numbers(match: regex.Match[str]) -> bool:
    """Like a street, within one sentence, and no law report, file of a court or event of a year."""
    if _FILE_NUMBER.match(match.string, match.end()):
        return False
    return _named_like_a_street(match) and not _SENTENCE_INSIDE.search(match["x"])


def _named_like_a_place(match: regex.Match[str]) -> bool:
    """Like a street, and not by words of the sentence alone: "After 8", "Output 1"."""
    words = re.findall(r"[^\W\d_]+", match["x"])
    known = lexicon().ordinary
    strange = any(word[0].isupper() and word.lower() not in known for word in words)
    return _named_like_a_street(match) and (
        strange or not _HOUSES.isdisjoint(word.lower() for word in words)
    )


_ENGLISH = compiled(
    rf"""
    (?<! [\w.,/-] | [$€£] ) (?P<x> {_NUMBER} ,? \s+
      (?! (?: \w+ \s+ ){{0,20}} (?: the | a | an | to | in | on | by | from | per | and | or | my | is
        | are | of
            | lanes? | minutes? | miles? | hours? | days? | people | cars? | years? | km | m
              | ways? | way ) \b )
      (?: [\p{{L}}\p{{M}}\d.'’-]+ \s+ ){{1,3}} {_STREET} \b )
    """
)
_ENGLISH_NAMED = compiled(
    rf"(?<! [\w.,/-] | [$€£] ) (?P<x> {_NUMBER} ,? \s+ {_NAMES} \s+ {_STREET_NAMED} \b \.? )",
    cased=True,
)
_FIRST_THE_WORD = compiled(
    rf"""
    (?<! \w ) (?P<x> {_STREET_BEFORE} \s+ (?! (?: \p{{L}}+ \s ){{0,2}} (?: in | on | at | to | from | for | is | was | and | or
      | by | with | of | your | my | an | are | than | worth | as | per | which | between | since | until ) \b ) (?-i: {_NAMES} | (?:\p{{L}}+\s){{0,2}}\p{{L}}+ ) ,? \s*
    (?: n[°ºo]\.? | nr\.? | \# | num\.? )? \s* \d{{1,5}} (?: \s?[a-z] | [-/]\d+ )? ) \b
    """
)
_FIRST_THE_NUMBER = compiled(
    rf"(?<! [\w.,] ) (?P<x> \d{{1,6}} (?: \s? (?: bis | ter"
    rf" | [a-d] ) )? ,? \s+ {_STREET_BEFORE} \s+ (?: {_PARTICLE} \s+"
    rf" | [dl]['’] ){{0,3}} (?-i: \p{{Lu}}) [\p{{L}}\p{{M}}'’.-]+ )"
)
_LATIN_GRID = compiled(
    r"(?P<x> \b (?: calle | carrera | cra\.? | cl\.? | kr\.?"
    r" | avenida ) \s+ \d+ \w? \s* (?: \# | no\.? ) \s* \d+ )"
)
_WORD_AND_NUMBER = compiled(
    rf"(?<! \w ) (?P<x> (?: {_NAME} [ ]+ ){{0,2}} (?P<word> \p{{L}}[\p{{L}}\p{{M}}.'’-]++ ) [ ]*"
    rf" ,? [ ]* \d{{1,5}} (?: \s?[a-zA-Z] \b )? ) (?! \w | [.,:]\d )",
    cased=True,
)
_ENDS = compiled(rf"{_ENDING} \Z")
_ENDS_SHORT = compiled(rf"\p{{L}} {_ENDING_SHORT} \Z | \A (?: [úu]t | t[ée]r | k[öo]z ) \Z")
_WORDS_ALONE = ("út", "ut", "tér", "ter", "köz", "koz")
_NUMBER_LAST = re.compile(r"\d\s+\Z")


def _ends_like_a_street(match: regex.Match[str]) -> bool:
    """By an ending that means a street; a short one needs a capital letter or a number before."""
    word = match["word"]
    if not _named_like_a_street(match):
        return False
    if _ENDS.search(word):
        return True
    ending = _ENDS_SHORT.search(word)
    alone = ending is not None and ending[0] in _WORDS_ALONE
    if word.lower() in lexicon().ordinary and ending and not alone and word.isascii():
        return False  # "Output 1", "After 8", "put 2": words of the sentence
    before = match.string[: match.start("x")]
    return bool(_ENDS_SHORT.search(word)) and (
        match["x"][0].isupper() or not word.isascii() or bool(_NUMBER_LAST.search(before))
    )


_NUMBERS_AROUND = compiled(
    r"(?<! [\w.,] ) (?P<x> \d{2,6} (?: [ ]+ [\p{L}\p{M}.'’-]{3,} ){1,4} [ ]+"
    r" \d{1,5} [ ]+ (?: st | street | road | rd | ave | avenue | apt | suite ) \b )"
)
_APART = compiled(
    rf"(?<! \w ) (?P<x> {_NAMES} [ ]+ (?: {_ENDING} | {_ENDING_SHORT} ) [ ]* ,? [ ]* \d{{1,5}} ) \b",
    cased=True,
)
_BETWEEN_NUMBERS = compiled(
    rf"(?<! [\w.,:/-] | \d\s ) (?P<x> (?! (?:1[5-9]|20)\d\d\b ) \d{{1,6}} (?: [a-z]? [ ]+"
    rf" | [ ]+ \d{{1,4}} [ ]+ ) {_NAMES} [ ]+ \d{{1,5}} ) (?! \w | [.,:]\d )",
    cased=True,
)
_TWO_NUMBERS = compiled(
    rf"(?<! [\w.,:/-] | \d\s ) (?P<x> \d{{3,6}} [ ]+ \d{{1,4}} [ ]+ {_NAMES} )", cased=True
)
_BOX = compiled(
    r"""
    (?<! \w ) (?P<x>
      p \.? \s? o \.? \s? box \s* \#? \d+ | post (?: office )? \s box \s \d+
        | postfach \s \d[\d\s]* | bo[iî]te \s postale \s \d+
      | b\.?p\.? \s \d{2,} | apartado (?: \s (?:de\scorreos|postal) )? \s \d+ | casilla \s \d+
        | caixa \s postal \s \d+
      | psc \s \d+ | cmr \s \d+ | unit \s \d+ ,? \s box \s \d+ | [afd]po ,? \s+ a[aep] ,? \s+ \d{5}
      | apt\.? \s* \#? \d+ \w? | apartment \s \#? \d+ \w? | suite \s+ \#? \d+ \w? | ste\. \s+ \d+
      | (?: flat | unit | wohnung | appartement | piso | lägenhet ) \s \d+ \w? (?= \s* , \s* \d
        | ,?\s* \n )
    ) (?! \w )
    """
)

# A name with a number, where the sentence is about being or sending there.
_GOING = (
    r"(?: address\w* | adress\w* | direcci[óo]n | indirizzo | endere[çc]o"
    r" | liv(?:e|es|ed|ing) | resid\w+ | stay\w* | moved"
    r" | deliver\w* | ship(?:ped|ping)? | send\w* | sent | mail\w* | meet\w* | pick\w*"
    r" | drop\w* | located | situated | taxi | cab | uber"
    r" | return\w* | offices? | restaurant | bar | caf[ée] | shop | store | home | house"
    r" | party | come | visit\w* | bus | wohn\w*"
    r" | habit\w+ | viv\w+ | resido | abit\w+ | mor[oa] | hotel | clinic | school | church"
    r" | place | door | parcel | package | stop\w* )"
)
_THERE = r"(?: at | to | on | in | is | of | near | from | by | an | en | à | a | bei | : )"
_NAME_THEN_NUMBER = compiled(
    rf"(?i: \b {_GOING} \b [^.?!\n]{{0,60}}? (?: \b {_THERE}"
    rf" | : ) \s+ (?: the \s+ )? ) (?P<x> {_NAMES} \s+ (?! (?:19"
    rf"|20)\d\d\b ) \d{{1,5}} (?: \s?[A-Za-z]\b )? ) (?! \w | [.,:]\d | \s? % )",
    cased=True,
)
_NUMBER_THEN_NAME = compiled(
    rf"(?i: \b {_GOING} \b [^.?!\n]{{0,60}}? (?: \b (?: at | to | on | is | in )"
    rf" | : ) \s+ ) (?P<x> (?! (?:19"
    rf"|20)\d\d\b ) \d{{1,5}} [A-Za-z]? ,? \s+ {_NAME} \s+ {_NAMES} )",
    cased=True,
)

_AT = compiled(
    rf"\b (?i: at | near | outside"
    rf" | opposite ) [ ]+ (?P<x> {_NAMES} [ ]+ (?! (?:19"
    rf"|20)\d\d\b ) \d{{1,5}} (?: \s?[A-Za-z]\b )? ) (?! \w | [.,:]\d | \s? % )",
    cased=True,
)
_WHOLE_LINE = compiled(
    rf"^ [ ]* (?P<x> {_NAMES} [ ]+ (?! (?:19|20)\d\d\b ) \d{{2,5}} [a-z]? ) [ ]* (?= [,.]? [ ]* $ "
    rf"| , [ ]* \p{{Lu}} )",
    cased=True,
)

_ROWS = 3
"""Lines of a name and a number each that make a table of quantities."""


def _stands_alone(match: regex.Match[str]) -> bool:
    """Like a place, and no row of a table: "Denver 600"."""
    if not _named_like_a_place(match):
        return False
    rows = sum(1 for _ in _WHOLE_LINE.finditer(match.string, timeout=1.0))
    return rows < _ROWS


_CITY_LINE = compiled(
    rf"""
    (?: [,\n] \s* | \A \s* ) (?P<x>
      {_NAMES} \s* ,? \s* (?: \b \p{{L}}{{2,3}} \s+ | \n \s* | , \s* )? \d{{4,6}} (?: -\d{{3,4}} )?
    ) (?= \s* (?: [.,;!?)\n] | \Z | after | for ) ) (?! [.,]\d )
    """,
    cased=True,
)


def _after_a_number(match: regex.Match[str]) -> bool:
    """Return whether a town with its postcode ends something that has a number already."""
    before = match.string[max(0, match.start("x") - 80) : match.start("x")]
    year = re.search(r"\b(?:1[5-9]|20)\d\d\Z", match["x"])
    return bool(re.search(r"\d", before)) and not year and _named_like_a_place(match)


_UK_AREAS = (
    "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN"
    " DT DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW"
    " KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH"
    " RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD"
    " WF WN WR WS WV YO ZE"
).replace(" ", "|")
_US_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH"
    " NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR"
).replace(" ", "|")
_UNITS = (
    r"(?: GB | MB | KB | TB | HZ | KG | MM | CM | KM | ML | AM | PM | AD | BC | CE | HP | HD"
    r" | MW | KW | CC | EU | US | UK | TV | FM | VS )"
)

_POSTCODE_UK = compiled(
    rf"\b (?: {_UK_AREAS} ) \d [A-Z\d]? \s? \d (?! {_UNITS} \b ) [ABD-HJLNP-UW-Z]{{2}} \b",
    cased=True,
)
_POSTCODE_CA = compiled(r"\b [ABCEGHJ-NPRSTVXY] \d [A-Z] [\s-] \d [A-Z] \d \b", cased=True)
_POSTCODE_NL = compiled(
    rf"(?<! [\w-] | \p{{Lu}}\p{{Ll}}+\s ) [1-9]\d{{3}} \s? (?! {_UNITS} \b"
    rf" | S[ADS] \b ) [A-Z]{{2}} \b (?= [\s,]+ \p{{Lu}}\p{{L}}+ | \s* \Z )",
    cased=True,
)
_POSTCODE_US = compiled(
    rf"\b (?: {_US_STATES} ) [\s,]+ (?P<x> \d{{5}} (?: -\d{{4}} )? ) \b (?! [.,]\d )", cased=True
)
_POSTCODE_LONG = compiled(
    r"(?<! [\w-] ) (?: \d{5}-\d{4} | \d{5}-\d{3} | 〒 \s? \d{3}-?\d{4} | (?: D | A | CH | F"
    r" | L | B | I | DK | S | N | SE | FI | FIN | DE"
    r" | AT ) - \d{4,5} (?= \s+ \p{Lu} ) ) (?! [\w-] )",
    cased=True,
)
_POSTCODE_TOWN = compiled(
    r"(?<= , \s | \n ) (?: \d{2}-\d{3} | \d{4}-\d{3} | \d{3}\s\d{2}"
    r" | \d{5} ) (?= \s+ \p{Lu}\p{L}+ \s* (?: [.,;!?\n] | \Z ) )",
    cased=True,
)
_POSTCODE_NAMED = compiled(
    r"""
    \b (?: zip (?: [\s-]? codes? )? | post(?:al)? [\s-]? codes? | postcodes? | plz
      | postleitzahl | code \s postal | c\.?p\.? \s?: | cap \s?: | cep \b
      | c[óo]digo \s postal | pin \s? code | postnummer | postnumero | eircode | irányítószám
        | kod \s pocztowy | psč )
    (?: \s+ (?: \w+ \s+ ){0,2}? (?: is | was | to | are | ist | est | es | é | of
      | from ) )? \s* [:=#]? \s*
    (?P<x> (?= [A-Z\s-]{0,4} \d ) [A-Z\d]{2,8} (?: [\s-] (?= \w*\d ) [A-Z\d]{2,4} )? ) \b
    """
)

ADDRESSES = RuleSet(
    [
        Rule("address", _ENGLISH, 0.85, _named_like_a_street),
        Rule("address", _ENGLISH_NAMED, 0.85, _named_like_a_house),
        Rule("address", _FIRST_THE_WORD, 0.8, _named_like_a_street),
        Rule("address", _FIRST_THE_NUMBER, 0.8, _named_like_a_street),
        Rule("address", _LATIN_GRID),
        Rule("address", _WORD_AND_NUMBER, 0.85, _ends_like_a_street),
        Rule("address", _NUMBERS_AROUND, 0.8, _named_like_a_street),
        Rule("address", _APART, 0.75, _named_like_a_street),
        Rule("address", _BETWEEN_NUMBERS, 0.75, _between_numbers),
        Rule("address", _TWO_NUMBERS, 0.75, _named_like_a_street),
        Rule("address", _BOX, 0.9),
        Rule("address", _AT, 0.75, _named_like_a_place),
        Rule("address", _WHOLE_LINE, 0.75, _stands_alone),
        Rule("address", _NAME_THEN_NUMBER, 0.75, _named_like_a_place),
        Rule("address", _NUMBER_THEN_NAME, 0.75, _named_like_a_street),
        Rule("address", _CITY_LINE, 0.75, _after_a_number),
        *(
            Rule("postcode", pattern, 0.85)
            for pattern in (
                _POSTCODE_UK,
                _POSTCODE_CA,
                _POSTCODE_NL,
                _POSTCODE_US,
                _POSTCODE_LONG,
                _POSTCODE_TOWN,
                _POSTCODE_NAMED,
            )
        ),
    ],
)
