"""Names of persons: what spaCy's model finds, and what the words around a name give away.

Knows who is named, not whether that is private; that is for `familiar`.
"""

# ruff: noqa: RUF001 (letters of other languages are meant)

import re
from collections.abc import Iterator, Set

from presidio_analyzer import LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from spacy.tokens import Doc, Span, Token

from floe.privacy.recognizers import compiled
from floe.privacy.vocabulary import first_names, listed

NAME, ADDRESS = "name", "address"

UNSURE = 0.55
"""The score of a name that a question may carry without being about a person."""

_PART = r"(?: \p{Lu}[\p{L}\p{M}'’-]* (?: \. (?=\s+\p{Lu}) )? )"
_FULL = (
    rf"(?: {_PART} (?: \s+ (?: (?: von | van | der | den | de | da | di | del | la | bin | al"
    rf" | el | ter | zu | dos ) \s+ )* {_PART} ){{0,3}} )"
)
_ANY = r"(?: [\p{L}\p{M}'’-]{2,} )"

_TITLED = compiled(
    rf"(?<! \w ) (?i: mr | mrs | ms | miss | mx | dr | prof(?:essor)? | doctor | sir | madam"
    rf" | herr | frau | monsieur | madame | mme | mlle | se[ñn]or(?:a|ita)? | sra?"
    rf" | do[ñn]a? | signora? | aunt(?:ie)? | uncle | grandma | grandpa | nurse | coach"
    rf" | captain | sergeant | rev(?:erend)? | father | sister | onkel"
    rf" | tante ) \.? \s (?P<x> {_FULL} )",
    cased=True,
)
_TITLED_SMALL = compiled(
    rf"(?<! \w ) (?: mr | mrs | ms | dr | herr | frau | mme"
    rf" | mlle ) \.? \s (?P<x> {_ANY} (?: \s {_ANY} )? )"
)
_INTRODUCED = compiled(
    rf"""
    (?<! \w ) (?: (?: my | his | her | their | the | our | your
      | 's ) \s (?: \w+ \s )? name \s (?: is | was | reads )
      | (?: first | last | full | maiden | given | family | user )? \s? name \s* [:=] | (?: i
        | he | she | they ) \s go(?:es)? \s by | call \s (?: me | him | her )
      | (?: am | is | was | are | i'm | him | her | it | daughter | son | baby | child
        | friend ) \s (?: named | called ) | named \s (?: him | her | it | them | the \s baby
        | my \s \w+ | our \s \w+ )
      | sign (?:ed)? \s (?: it \s )? (?: as | by ) | what's \s your (?: \s \w+ )? \s name\?
      | ich \s hei(?:ß|ss)e | mein \s name \s ist | namens | je \s m'appelle | (?: me
        | se ) \s llam[oa] | mi \s nombre \s es | mi \s chiamo | meu \s nome \s é | ik \s heet
        | nazywam \s się )
    \s+ (?P<x> (?! (?: not | after | for | by | of | given | better | on | in | a | an | the
      | is | it | wrong | incorrect | what | spelled | misspelled | mis\w+ | something | also
      | my | your | still ) \b ) (?-i: {_FULL} | {_ANY} (?: \s {_ANY} )?? ) )
    """
)
_GREETED = compiled(
    rf"(?<! \w ) (?i: dear | hi | hello | hey | hallo | liebe[r]? | lieber"
    rf" | sehr \s geehrte[r]? | cher | ch[èe]re | bonjour | salut | hola | querid[oa]"
    rf" | estimad[oa] | ciao | caro | cara | thanks | regards | cheers | love | sincerely"
    rf" | best | yours | gr[üu](?:ß|ss)e | hochachtungsvoll | cordialement"
    rf" | saludos ) \s? ,? [ \n]+ (?P<x> {_FULL} )",
    cased=True,
)
_KIN = (
    r"(?: wife | husband | partner | girlfriend | boyfriend | spouse | fianc[ée]e? | ex"
    r" | mother | father | mum | mom | dad | son | daughter | child | kid | baby | brother"
    r" | sister | aunt | uncle | cousin | niece | nephew"
    r" | (?: best \s )? friend | mate | buddy | boss | manager | colleague | co-?worker"
    r" | neighbou?r | roommate | flatmate | teacher | tutor | doctor | dentist | therapist"
    r" | lawyer | landlord | landlady | accountant | client | patient | student | assistant"
    r" | supervisor | professor"
    r" | coach | nanny | babysitter | crush | bro | sis | grandma | grandpa | nan | granny"
    r" | team \s? mate | secretary | mieter | freund(?:in)? | bruder | schwester | mann"
    r" | frau | sohn | tochter | chef(?:in)? | kolleg(?:e|in) | nachbar(?:in)? | arzt"
    r" | [äa]rztin"
    r" | ami[e]? | fr[èe]re | s[œo]e?ur | mari | femme | fils | fille | patronne?"
    r" | coll[èe]gue | m[ée]decin | amig[oa] | herman[oa] | espos[oa] | hij[oa] | jef[ae]"
    r" | compa[ñn]er[oa] | m[ée]dic[oa] )"
)
_OF_KIN = compiled(
    rf"(?<! \w ) (?i: my | our | his | her | their | your | mein\w* | unser\w*"
    rf" | m(?:on|a|es) | notre | mi | mis"
    rf" | nuestr[oa] ) \s (?i: (?: \w+ \s )? {_KIN} ) ,? \s (?P<x> {_FULL} )",
    cased=True,
)
_SPOKEN_TO = compiled(
    rf"""
    (?<! \w ) (?: (?i: said | asked | told | replied | whispered | answered | shouted
      | cried ) \s (?P<x> {_FULL} )
      | (?i: said | talk(?:ed|ing)? | speak(?:ing)? | spoke | lunch | dinner | coffee | meeting
        | date | appointment | call | chat | argument | fight | interview ) \s (?i: to
        | with ) \s (?P<x> {_FULL} )
      | (?i: call | e-?mail | text | message | ask | tell | remind | invite | ring | phone
        | contact | visit | meet | thank | congratulate | write \s (?:to)?
        | birthday \s (?: gift | present | card | party ) \s for ) \s (?P<x> {_FULL} )
      | (?<= ^ | [.!?] \s | ["“] ) (?P<x> {_PART} ) , \s (?i: can | could | will | would
        | please | are | do | did | have | i | you | let's | we | come | don't )
      | (?P<x> {_PART} ) \s (?i: and \s i | and \s me ) \b | (?i: me \s and ) \s (?P<x> {_PART} ) )
    """,
    cased=True,
)
_AM = compiled(
    rf"(?<! \w ) (?i: i'm | i \s am | this \s is | it's | it \s is | under"
    rf" | for \s the \s attention \s of | attn: | ich \s bin | je \s suis | (?<= ^"
    rf" | [.!?,] \s ) soy ) \s (?P<x> {_FULL} ) (?= \s* (?: [.,!?;:)\n] | \Z | (?: from"
    rf" | and | here | speaking | calling | aus | de | und | et | y ) \b ) )",
    cased=True,
)
_CUES = (_TITLED, _TITLED_SMALL, _INTRODUCED, _GREETED, _OF_KIN, _SPOKEN_TO, _AM)

_NOT_NAMES = listed("not_names")


_HUMAN = compiled(
    rf"""
    (?<! \w ) (?: (?P<x> {_FULL} ) (?: ['’]s? \s (?i: wife | husband | mother | mom | mum
      | father | dad | son | daughter | sister | brother | kids? | child(?:ren)? | parents
      | family | friends? | boss | killers? | lawyer | doctor | birthday | wedding | funeral
      | house | home | apartment | car | phone | number | address | e-?mail
          | salary | room | desk | office | place | party | face | hair | eyes | voice | death
            | body | account | password | diagnosis | job | girlfriend | boyfriend | ex | dog
            | cat | name | age ) | ['’]s \s \p{{Ll}}+
        | \s (?i: (?: also | really | never | always | just | then | had | has | is | was
          | and \s i ) \s )? (?i: said | says | told | asked | asks | thinks | thought | wants
          | wanted | loves? | loved | hates? | likes | liked | lives | lived | works | worked
          | spent | married | divorced | studied | studies | graduated | moved | went | came
          | called
          | emailed | texted | wrote | invited | promised | agreed | resigned | quit
            | apologi[sz]ed | cried | laughed | smiled | arrived | left | forgot | lost | sent
            | gave | lent | owes? | drank | died | passed \s away | from | born | sick | ill
            | pregnant | coming | married | single | speaks? | sings? ) \b
      | \s (?: (?i: can | could | will | would | should | might | and \s (?: his | her | their
        | my ) ) | (?i: has | had ) \s \w | (?i: is | was | isn't | wasn't
        | hasn't ) \s (?! (?i: a | an | the | made | used | called | based | located | written
        | one | part | available | considered ) \b ) ) \b )
      | (?i: why | how | when | where ) \s (?i: is | was | did | does
        | has ) \s (?P<x> {_FULL} ) \s (?! (?i: a | an | the | important | used
        | called ) \b ) \p{{Ll}}
      | (?i: is | was | are | can | could | will | did | does | has | have
        | should ) \s (?P<x> {_FULL} ) \s (?i: here | there | home | back | coming | come | mad
        | angry | okay | ok | at | still | know | already | really | going | free | available )
      | (?i: heard | seen | saw | met | know | knows | knew | love | miss | marry | married
        | dating | assistant \s to | change \s it \s to | correct \s it \s to | leave \s me
        | trust | hired? | fired? | blame | hug | kiss | unlike | add | added | elect(?:ed)?
        | appoint(?:ed)? | told | calls \s me
          | (?: birthday | wedding | funeral | death | parents | wife | husband | son | daughter
            | mother | father | name | memory ) \s of | (?: present | gift | card | flowers
            | question | party | message | mail | email | letter | note | job | cake
            | speech ) \s (?: for | to | from )
          | (?: mail | letter | message | call | text | news | word | regards | heard
            | reply ) \s from | winner \s is | it \s was | (?: patient | author | client
            | customer | contact | attendees? | present | guest | tenant | from | to | cc | attn
            | name | signed | by | user | owner ) \s? : | minus
          | drummer | singer | songwriter | guitarist | actor | actress | player | coach
            | neighbou?r | commenter | lawyer | author | writer | director | reporter
            | journalist | driver | nurse | officer | kid | minister
            | mayor ) \s+ (?P<x> {_FULL} ) )
    """,
    cased=True,
)
_BESIDE = compiled(
    rf"(?<! \w ) (?i: with | for | by | and | under ) \s+ (?P<x> {_FULL} )", cased=True
)
"""What stands beside a person as often as beside a thing: too little in a question."""

_PAIR = compiled(
    r"(?<! [\w@.#/-] ) (?P<x> \p{Lu}\p{Ll}[\p{L}\p{M}'’-]+ (?: \s \p{Lu}\.? )? \s+"
    r" \p{Lu}\p{Ll}[\p{L}\p{M}'’-]+?) (?: ['’]s )? (?! [\w@#/-] )",
    cased=True,
)
_SMALL_PAIR = compiled(
    r"(?<! [\w@.#/-] ) (?P<x> \p{Ll}[\p{Ll}\p{M}'’-]{2,} (?: \s \p{Ll}\.? )? \s"
    r" \p{Ll}[\p{Ll}\p{M}'’-]{2,} ) (?! [\w@#/-] )",
    cased=True,
)
_UNKNOWN_STREET = compiled(
    r"(?<! [\w@.#/-] ) (?P<x> (?P<word> \p{L}[\p{L}\p{M}'’-]{4,} ) \s (?! (?:19"
    r"|20)\d\d\b ) \d{1,4} (?: \s?[a-z]\b )? ) (?= \s* (?: [.,;!?)\n] | \Z )"
    r" | \s (?: please | for | and | after | before | last | to | in ) \b ) (?! [.,]\d )"
)
_ORGANISED = listed("organised")
_PLACED = re.compile(
    r"(?:\b(?:in|based in|arrived? at|arrives at|moved(?: here)? (?:from|to)|(?:come|came"
    r"|comes|originally) from|returned to|return to|travel\w* to|trip to|flight to|flew to"
    r"|fly to|visit\w*|here from|works? (?:for|at)|worked (?:for|at)|working (?:for|at)"
    r"|employed (?:by|at)|employer)\s(?:the\s)?)\Z",
    re.I,
)


_CODE = re.compile(
    r"(?<!\bMc)(?<!\bMac)(?<!\bDe)(?<!\bDi)(?<!\bLe)(?<!\bLa)(?<=[a-z])[A-Z]|[_=(){}<>/\\]"
)
_GERMAN = listed("german")
_OPENERS = _NOT_NAMES | listed("openers")
"""What may open a sentence with a capital letter and is taken into a name by mistake."""


class NameRecognizer(LocalRecognizer):
    """All persons that a text names, by model, by wording and by first name; unknown streets.

    known: the words that the model has met, as it wrote them, taken before it reads any text
    (spaCy adds what it reads).
    """

    def __init__(self, known: Set[str]) -> None:
        self._known = known
        super().__init__(supported_entities=[NAME, ADDRESS], name="names")

    def load(self) -> None:
        """Reads the list of first names."""
        first_names()

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Spans of names; those that overlap are for the caller to choose from."""
        del entities
        assert nlp_artifacts is not None
        document = nlp_artifacts.tokens
        found = [
            *self._by_model(document),
            *_by_words(text),
            *_by_first_name(document),
            *self._by_being_unknown(document),
        ]
        names = [RecognizerResult(NAME, start, end, score) for start, end, score in found]
        streets = self._unknown_streets(document)
        return [*names, *(RecognizerResult(ADDRESS, start, end, 0.5) for start, end in streets)]

    def _by_model(self, document: Doc) -> Iterator[tuple[int, int, float]]:
        for entity in document.ents:
            if entity.label_ == "PERSON" and _looks_like_a_name(entity):
                span = _trimmed(document.text, entity.start_char, entity.end_char)
                if span is not None:
                    yield *span, 0.65

    def _is_unknown(self, token: Token) -> bool:
        """Not a word that the model has met, in small letters or as written; or a first name."""
        small = token.text.lower()
        if small in first_names()[0]:
            return True
        return not {small, small.capitalize()} & self._known and small not in _ORGANISED

    def _by_being_unknown(self, document: Doc) -> Iterator[tuple[int, int, float]]:
        """Words the model has never met: where only a person fits, or two in a row."""
        if self._is_foreign(document) or _is_german(document):
            return
        text = document.text
        starts = {token.idx: token for token in document}
        for cue, score in ((_HUMAN, 0.6), (_BESIDE, UNSURE)):
            for match in cue.finditer(text, timeout=1.0):
                token = starts.get(match.start("x"))
                span = _trimmed(text, *match.span("x"))
                known = token is None or token.text.isupper() or not self._is_unknown(token)
                if span and not known and not _CODE.search(text, *span):
                    yield *span, score
        for match in (_SMALL_PAIR if text.islower() else _PAIR).finditer(
            text, overlapped=True, timeout=1.0
        ):
            words = document.char_span(*match.span("x"))
            if words is not None and self._are_a_name(words):
                yield match.start("x"), match.end("x"), 0.5

    def _unknown_streets(self, document: Doc) -> Iterator[tuple[int, int]]:
        """A word the model has never met and a house number, at the end of a phrase."""
        if self._is_foreign(document):
            return
        for match in _UNKNOWN_STREET.finditer(document.text, timeout=1.0):
            small = match["word"].lower()
            if not {small, small.capitalize()} & self._known and small not in first_names()[0]:
                yield match.span("x")

    def _are_a_name(self, words: Span) -> bool:
        full = [token for token in words if len(token) > 2]
        if _follows_a_place_word(words) or words[0].lower_ in _OPENERS:
            return False
        return len(full) > 1 and all(map(self._is_unknown, full))

    def _is_foreign(self, document: Doc) -> bool:
        """A text in a language of which the model knows too few words to call one unknown."""
        words = [token for token in document if token.is_alpha and token.is_lower]
        unknown = sum(token.lower_ not in self._known for token in words)
        return unknown > 0.3 * len(words) and unknown > 2


def _looks_like_a_name(entity: Span) -> bool:
    """Not a firm, a place, or a word that only opens a sentence."""
    words = [token.text for token in entity if token.text[0].isalpha()]
    small = [word.lower() for word in words]
    if all(word in _NOT_NAMES for word in small) or any(token.like_num for token in entity):
        return False
    if any(word in first_names()[0] for word in small):
        return small[-1] not in _ORGANISED
    if any(word in _ORGANISED for word in small) or _follows_a_place_word(entity):
        return False
    tall = [word for word in words if word[0].isupper() or not word.isascii()]
    if _is_german(entity.doc) and (len(tall) < 2 or entity.start == 0):
        return False
    mostly = 2 * len(tall) >= len(words) or entity.doc.text.islower()
    return bool(tall) and mostly and not _CODE.search(entity.text)


def _is_german(document: Doc) -> bool:
    """Every noun has a capital letter there."""
    return sum(token.lower_ in _GERMAN for token in document) >= 2


def _follows_a_place_word(entity: Span) -> bool:
    before = entity.doc.text[max(0, entity.start_char - 40) : entity.start_char]
    return bool(_PLACED.search(before))


def _by_words(text: str) -> Iterator[tuple[int, int, float]]:
    for cue in _CUES:
        for match in cue.finditer(text, timeout=1.0):
            span = _trimmed(text, *match.span("x"))
            if span is not None:
                yield *span, 0.66


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Without the words at either end that belong to the sentence; None if no name is left."""
    start, end = _without_edges(text, start, end)
    words = re.findall(r"[^\W\d_][\w'’.-]*", text[start:end])
    while len(words) > 1 and words[0].lower() in _OPENERS:
        start = text.index(words[1], start + len(words.pop(0)), end)
    if len(words) == 1 and words[0].lower() in _OPENERS:
        return None
    while words and words[-1].lower() in _NOT_NAMES:
        end = text.rindex(words.pop(), start, end)
    end = start + len(text[start:end].rstrip(" ,"))
    if not words or words[0].lower() in _NOT_NAMES or words[-1].lower() in _ORGANISED:
        return None
    return (start, end) if end - start > 1 else None


def _by_first_name(document: Doc) -> Iterator[tuple[int, int, float]]:
    everyone, small = first_names()
    for token in document:
        word = token.text
        known = small if word.islower() else everyone
        if len(word) < 3 or word.lower() not in known or _is_something_else(token):
            continue
        last = token
        for following in document[token.i + 1 : token.i + 4]:
            text = following.text
            if word.islower() or not text[0].isupper() or text.lower() in _NOT_NAMES:
                break
            last = following
        if last.text.lower() not in _ORGANISED:
            yield token.idx, last.idx + len(last.text), 0.6


def _is_something_else(token: Token) -> bool:
    """The month of May, the Bill of Rights, San Antonio, St. Louis, Lake Victoria."""
    of = token.i + 1 < len(token.doc) and token.nbor().lower_ == "of"
    if of or token.lower_ in _NOT_NAMES:
        return True
    if token.i == 0:
        return False
    before = token.nbor(-1).text.lower().rstrip(".")
    saints = (
        "san",
        "santa",
        "santo",
        "saint",
        "st",
        "são",
        "port",
        "lake",
        "mount",
        "fort",
        "cape",
    )
    return before in saints


def _without_edges(text: str, start: int, end: int) -> tuple[int, int]:
    """Cut a possessive ending, quotes and white space off."""
    found = text[start:end]
    end = start + len(re.sub(r"(?:['’]s|['’])?[\s.,;:!?\"”)]*\Z", "", found))
    start = end - len(text[start:end].lstrip(" \n\t\"“'("))
    return start, end
