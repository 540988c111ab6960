"""Tells a name that everybody may speak of from a name of somebody's own life.

A person counts as public if they are on the list of the well known, or if the text is a question
of general knowledge; both only where nothing ties them to whoever writes. Else a name is private.
"""

# ruff: noqa: RUF001 (letters of other languages are meant)

import re
from functools import cache
from importlib.resources import files

from floe.privacy.names import NAME, UNSURE
from floe.privacy.recognizers import compiled
from floe.privacy.verdict import Span
from floe.privacy.vocabulary import first_names

_LEAD = (
    r"(?: (?: so | ok(?:ay)? | well | and | but | hi | hey | hello | please | pls"
    r" | quick \s question | question | quiz | trivia ) [\s,:!.-]+ )*"
    r" (?: (?: can | could | would | will ) \s you \s (?: please \s )? (?: tell \s me"
    r" | explain | say | name | describe ) \s (?: to \s me \s )?"
    r" | do \s you \s (?: happen \s to \s )? know \s | (?: please \s )? tell \s me \s"
    r" | i'd \s like \s to \s know \s | i \s (?: want \s to \s know | wonder"
    r" | was \s wondering ) \s | remind \s me \s (?: again \s )? (?=w|h) )?"
)
_ASKS = compiled(
    rf"""
    \A \s* {_LEAD} (?: (?: about \s )? (?: who | whose | whom | what | when | where | which
      | why | how | (?: in | on | at | for | by | under | from | of | to | during ) \s (?: which
      | what | whom ) ) \b
      | (?: is | was | were | are | did | does | has | had ) \s (?! (?: my | our | your | you
        | i | we | it \s ok ) \b )
      | (?: name | list | describe | explain | summari[sz]e | define | compare | outline
        | discuss ) \s
      | wer | was | wann | wo | warum | wie | welche[rsmn]? | qui | que | quoi | quand | o[ùu]
        | pourquoi | comment | quel(?:le)?s? | qu[ée] | qui[ée]n | cu[áa]ndo | d[óo]nde
        | por \s qu[ée] | c[óo]mo | cu[áa]l | chi | quando | dove )
    """
)
_KNOWLEDGE = compiled(
    r"""
    \b (?: wrote | written | writ(?:er|es) | authors? | authored | novels? | novelist | books?
      | poems? | poets? | poetry | plays? | playwright | pen \s name | story | tale | tragedy
      | comedy | fable | literature | literary | sonnets? | epic | trilogy | quote[sd]?
      | famous\w* | fame
      | invent\w* | discover\w* | paint\w* | sculpt\w* | compos\w+ | symphon\w+ | opera | song
        | album | band | singer | sang | sung | music\w* | piano | guitarist | drummer | film\w*
        | movies? | directed | director | actors? | actress | starr\w+ | played | portray\w*
        | role | oscars? | emmy | grammy | nobel | prize | award\w*
      | founded | founder\w* | created | creator | designed | architect\w* | built | formulated
        | proposed | propos\w+ \s the | developed | coined | theor\w+ | theorem | equation | law
        | laws | principle | hypothesis | experiment | paradox | effect | constant | formula
        | law \s of
      | born | die | died | death | dead | buried | assassinat\w+ | executed | killed | murdered
        | crowned | married | reign\w* | rul(?:ed|er|ing) | throne | succeeded | abdicat\w+
        | exile\w* | elected | inaugurat\w+
      | presidents? | vice[- ]president | prime \s minister | kings? | queens? | emperors?
        | empress | tsar | czar | pope | chancellor | general | dictator | senator | leader
        | pharaoh | monarch | dynasty | empire | kingdom | republic | revolution\w* | war | wars
        | battle | treaty | independence | colony | colonies | conquer\w* | invad\w+ | crusade
        | speech | doctrine | amendment | constitution
      | philosoph\w+ | mathematic\w+ | physic(?:s|ist|ists) | chemist\w* | biolog\w+
        | astronom\w+ | scien\w+ | economist | psycholog(?:y|ist|ists) | explor\w+ | voyage
        | expedition | circumnavigat\w+ | astronaut | cosmonaut | moon | space | orbit | planet
        | comet
      | olympi\w+ | world \s cup | world \s record | championship | champion | tournament
        | medal\w* | goals? | scored | batting | home \s runs? | grand \s slam | wimbledon
        | formula \s one | team | league | mvp | quarterback | heavyweight | boxer | boxing | chess
      | century | ancient | medieval | myth\w* | god | goddess | legend\w* | bible | biblical
        | prophet | saint | religion | first \s (?: man | woman | person | human | european
        | american | u\.?s\.? ) | known \s for | best[- ]known | nickname\w* | real \s name
        | nationality | character | protagonist | hero | villain | comic | cartoon
      | tv | television | sitcom | series | episodes? | cartoon | rapper | pop \s star
        | celebrity | comedian | boy \s band | girl \s group | rock | members \s of | groups?
        | hit | single | broadway | musical | videogame | video \s game | named \s after
        | named \s for | better \s known | presidential | candidates? | declaration
      | footballer | striker | goalkeeper | greatest | best \s [^?]* \s ever | of \s all \s time
        | plot | themes? | characters? | stand \s for | stood \s for | argued? | believed?
        | ideas? | species | bird | animal | mammal | fish | insect | dinosaur | fruit | tree
        | plant | element | metal | river | ocean | mountain | island | continent | country
        | capital | language | currency | flag | landmark | monument | museum | electricity
        | gravity | evolution | relativity | vaccine | penicillin | telephone | computer
        | programming
      | schrieb | geschrieben | erfunden | erfand | entdeck\w+ | gemalt | malte | komponier\w*
        | gestorben | geboren | starb | gründete | gegründet | regiert\w* | kaiser | könig\w*
      | [ée]crit | invent[ée] | d[ée]couvert | peint | compos[ée] | n[ée] | mort | fond[ée]
        | roi | reine | empereur | escribi[óo] | invent[óo] | descubri[óo] | pint[óo] | naci[óo]
        | muri[óo] | fund[óo] | rey | reina | scrisse | dipinse | scritto | inventato
        | scoperto ) \b
    """
)
_QUIZ = re.compile(
    r"\A[^?.!\n]*(?:[.][^?.!\n]*){0,3}\b(?:which|what|who|whose|whom)\b[^?!\n]*\?\s*\Z", re.I
)
_FICTION = compiled(
    r"""
    \b (?: (?: tv | television ) \s (?: show | series ) | sitcom | (?: in | on
      | of ) \s (?: the \s )? (?: \w+ \s )? (?: series | film | movie | novel | book | play
      | show | cartoon | comic | opera | musical | video \s game | bible ) | character ) \b
      | [“"«„][^”"»]+[”"»]
    """
)
_WAS = compiled(
    r"\b (?: who | what | where ) \s+ (?: was | were ) \b | \b wer \s war \b"
    r" | \b qui \s [ée]tait \b | \b qui[ée]n \s (?: fue | era ) \b"
)

_TIES = compiled(
    r"""
    (?<! \w ) (?: (?: my | our | mein\w* | unser\w* | mon | ma | mes | notre | mi
      | mis ) \s (?: \w+ \s ){0,2}? (?: wife | husband | partner | girlfriend | boyfriend
      | spouse | fianc\w+ | ex | mother | father | mum | mom | dad | parents | son | daughter
      | child(?:ren)? | kids? | baby
        | brother | sister | aunt | uncle | cousin | niece | nephew | friends? | boss | manager
          | colleagues? | co-?worker | neighbou?r | roommate | flatmate | doctor | dentist
          | therapist | lawyer | landlord | client | patient | student | crush | tenant
          | employee | accountant | nanny
        | grand\w+ | family | wedding | team | meeting | appointment | mutter | vater
          | freund\w* | bruder | schwester | chef\w* | kolleg\w+ | nachbar\w* | frau | mann
          | amie? | fr[èe]re | s[œo]e?ur | m[èe]re | p[èe]re | amig[oa] | herman[oa] | madre
          | padre | jef[ae] )
      | (?: i | we ) \s (?: just \s | also \s | really \s | have \s | had \s )? (?: met | know
        | knew | love | miss | hate | called | emailed | texted | saw | married | dated | kissed
        | hired | fired | owe | told | visited | work(?:ed)? \s (?: with | for )
        | live(?:d)? \s with | talked \s to | spoke \s (?: to | with ) | went \s to \s \w+ \s with )
      | i'm \s (?: dating | meeting | seeing | marrying ) | (?: he | she | they | him
        | her ) \s (?: \w+ \s )? (?: me | us ) | (?: and | with ) \s me | (?: at
        | from ) \s (?: work | school | church ) | next \s door
      | (?: phone | telephone | cell | e-?mail | mailing | home ) \s? (?: number | address )
        | 's \s (?: number | address | phone | e-?mail | password | salary | diagnosis | results
        | account | house \s number )
      | (?: call | e-?mail | text | message | remind | invite | ring | phone ) \s (?! me | it
        | this | that | a | the ) \p{L} | account | invoice | appointment | reservation )
    (?! \w )
    """
)

_OPENING = re.compile(
    r"\A(?:(?:lord|lady|sir|dr|mr|mrs|saint|st|king|queen|prince|princess|president|pope"
    r"|emperor)\.? )+",
    re.I,
)


_AFTER = re.compile(r"(?:\s[\w'’.-]+){0,3}")


@cache
def _well_known() -> frozenset[str]:
    """Full names, and last words that are enough, in small letters."""
    text = files("floe.privacy").joinpath("well_known.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    names = [name.strip() for line in lines for name in line.split(",")]
    last = (name.rstrip("*").split()[-1] for name in names if name.endswith("*"))
    return frozenset(name.rstrip("*").lower() for name in names) | frozenset(map(str.lower, last))


def is_well_known(name: str) -> bool:
    """Whether everybody means the same person by this name."""
    plain = re.sub(
        r"['’]s?\Z", "", " ".join(name.lower().replace("’", "'").split()).strip(".,;:!?")
    )
    known = _well_known()
    return plain in known or _OPENING.sub("", plain) in known


def asks_for_knowledge(text: str) -> bool:
    """Whether a text as a whole is a question that an encyclopaedia or a quiz would answer."""
    if len(text) > 400 or not (_ASKS.match(text) or _QUIZ.match(text)):
        return False
    return bool(_KNOWLEDGE.search(text))


def is_tied(text: str) -> bool:
    """Whether words tie the persons of a text to the one who writes."""
    return bool(_TIES.search(text))


def judge_names(text: str, spans: list[Span]) -> list[Span]:
    """Say of each name whether it decides; other spans are left as they are."""
    names = [span for span in spans if span.kind == NAME]
    names = [span for span in names if not any(_is_within(span, other) for other in names)]
    others = [span for span in spans if span.kind != NAME]
    if is_tied(text) or any(span.decides for span in others):
        return [*others, *names]
    general = asks_for_knowledge(text)
    asks = bool(_ASKS.match(text))
    return [
        *others,
        *(_harmless(span) if _is_public(text, span, general, asks) else span for span in names),
    ]


def _is_within(span: Span, other: Span) -> bool:
    inside = other.start <= span.start and span.end <= other.end
    return inside and span.end - span.start < other.end - other.start


def _is_public(text: str, span: Span, general: bool, asks: bool) -> bool:
    """general: a question of knowledge; asks: any question or task."""
    if _is_part_of_well_known(text, span) or (asks and span.score <= UNSURE):
        return True
    words = text[span.start : span.end].split()
    alone = len(words) == 1 and words[0].lower() in first_names()[0] and not _FICTION.search(text)
    return (general and not alone) or (asks and len(words) > 1 and bool(_WAS.search(text)))


def _is_part_of_well_known(text: str, span: Span) -> bool:
    """With up to three words before and after it."""
    before = text[: span.start].split(" ")[:-1][-3:]
    after = _AFTER.match(text, span.end)
    name = text[span.start : span.end].split()
    following = after[0].split() if after else []
    return any(
        is_well_known(" ".join([*before[len(before) - left :], *name, *following[:right]]))
        for left in range(len(before) + 1)
        for right in range(len(following) + 1)
    )


def _harmless(span: Span) -> Span:
    return Span(span.start, span.end, span.kind, span.score, decides=False)
