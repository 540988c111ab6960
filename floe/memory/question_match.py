"""Whether a told fact can be what a question asks for: it names what the question names.

A fact that is near by its verb or its manner alone is about something else: "When was my mother
born?" is not answered by "My father was born in Zadar." Knows strings alone.
"""

import re
from typing import Final

from floe.memory.answer_type import has_what_is_asked
from floe.memory.search import covers
from floe.privacy.content_words import content_words

_NAMED: Final = re.compile(
    r"\b(?:my|our|the|meine?[mnrs]?|unsere?[mnrs]?|mon|ma|mes|notre|nos|mis?|nuestr[oa]s?)\s+"
    r"(?=((?:[\w-]+)(?:\s+[\w-]+){0,2}))",
    re.IGNORECASE,
)
"""What is called one's own, or is one of its kind: "my brother", "the bathroom"."""
_THE: Final = re.compile(r"\bthe\s+", re.IGNORECASE)
_IN_LAW: Final = re.compile(r"\b(\w+)[- ]in[- ]law(s?)\b", re.IGNORECASE)
"""A brother-in-law is no brother."""
_PASSED_OVER: Final = frozenset(
    {"back", "best", "current", "favorite", "favourite", "first", "last", "latest", "main", "name"}
    | {"names", "new", "next", "old", "older", "oldest", "other", "own", "second", "usual", "whole"}
    | {"young", "younger", "youngest", "time", "number", "date", "day", "age", "address", "color"}
    | {"part", "role", "username", "world", "week", "month", "year", "home", "way", "turn"}
    | {"colour", "kind", "type", "sort", "morning", "evening", "afternoon", "moment", "weekend"}
)
"""Words that say which one, or what of it; they name nothing by themselves."""
_KINDS: Final = """
aunt uncle cousin niece nephew sister brother mother mum mom father dad son daughter wife husband
 grandmother grandma grandfather grandpa stepmother stepfather stepdad stepmum girlfriend boyfriend
 godson goddaughter godmother godfather
cat dog puppy kitten rabbit hamster parrot goldfish tortoise horse hen budgie guinea
kitchen bathroom bedroom hall hallway attic cellar basement garage balcony nursery
knee shoulder wrist ankle elbow hip hand foot arm leg back neck ear eye tooth nose toe thumb
breakfast lunch dinner supper
newspaper magazine book novel thriller radio podcast television
dishwasher fridge oven dryer freezer kettle toaster microwave stove
dentist orthodontist hairdresser optician lawyer accountant physiotherapist plumber electrician vet
 doctor gp cardiologist dermatologist notary gardener barber
bicycle bike car van motorbike motorcycle scooter boat caravan campervan tram train bus
football tennis badminton volleyball hockey chess rugby basketball swimming golf judo
piano guitar violin cello flute trumpet drums clarinet trombone oboe saxophone accordion
glasses shoes watch coat jacket ring sofa table lamp phone laptop
monday tuesday wednesday thursday friday saturday sunday
vater mutter bruder schwester onkel tante sohn tochter oma opa frau mann schwager
 schwiegervater schwiegermutter cousin cousine neffe nichte
père mère frère soeur sœur oncle tante fils fille mari femme grand beau belle patron
padre madre hermano hermana tío tía hijo hija abuelo abuela marido mujer primo prima jefe
""".strip()
"""One kind a line (a line with a blank before it goes on): who asks for one is not told of another.
"""
_PEOPLE: Final = (
    r"(?:aunt|uncle|cousin|niece|nephew|sister|brother|mother|mum|mom|father|dad|son|daughter|child"
    r"|wife|husband|partner|grand\w+|step\w+|girlfriend|boyfriend|god\w+|friend|neighbou?r|boss"
    r"|colleague|flatmate|roommate|landlord|landlady|teacher|cat|dog|parrot|horse|rabbit)"
)
_OF_ANOTHER: Final = re.compile(rf"\W*(?:my|our)\s+(?:\w+\s+)?{_PEOPLE}\b", re.IGNORECASE)
"""A fact about somebody else."""
_OF_THEIRS: Final = re.compile(r"\b(\w+)['\u2019]s?\s+(\w+)(?:\s+(\w+))?", re.IGNORECASE)
"""What somebody else owns: "my neighbour's dog"."""
_THEIR_THING: Final = re.compile(
    r"\b(?:my|our)\s+[\w-]+['\u2019]s?\s+((?:[\w-]+)(?:\s+[\w-]+)?)", re.IGNORECASE
)
"""What of somebody's is asked for: "my brother's birthday"."""
_OF_ME: Final = re.compile(r"\b(?:i|me|we|us|my|our|myself|mine|ours)\b", re.IGNORECASE)
_ASKS_OF_ME: Final = re.compile(r"\b(?:i|we)\b", re.IGNORECASE)
_NUMBER: Final = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty"
    r"|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|half|dozen|once|twice|none|no|free"
    r"|first|second|third|\w+th|twins?|ein\w*|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf"
    r"|zwölf|\w+zehn|\w+zig|hundert|une?|deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze"
    r"|vingt|trente|quarante|cinquante|soixante|cent|un[oa]?|dos|tres|cuatro|cinco|seis|siete"
    r"|ocho|nueve|diez|once|doce|veinte|treinta|cuarenta|cincuenta|cien)\b"
)
_DAY: Final = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july"
    r"|august|september|october|november|december|easter|christmas)\b"
)
_HAS_TO_HAVE: Final = tuple(
    (re.compile(asks, re.IGNORECASE), re.compile(has, re.IGNORECASE))
    for asks, has in (
        (
            r"\bhow\s+(?:old|many|much|tall|heavy|big|far)\b|\b(?:what|which)\s+(?:year|age|size)\b"
            r"|\bwie\s+(?:alt|viele?|groß|hoch|schwer|teuer)\b|\bcombien\b|\bquel\s+âge\b"
            r"|\bcuánt[oa]s?\b",
            _NUMBER,
        ),
        (r"\bhow\s+tall\b", r"\d\s*(?:cm|m|ft)\b|\b(?:tall|centi\w+|met(?:er|re)s?|foot|feet)\b"),
        (
            r"\b(?:what|which|in|on)\s+(?:street|road)\b|\bwelche\w*\s+straße\b|\bquelle\s+rue\b"
            r"|\bqué\s+calle\b",
            r"(?:str(?:eet|aße|asse|\.)|weg|platz|gasse)\b|\b(?:st|road|rd|lane|avenue|ave|way|row"
            r"|square|close|drive|rue|place|calle|plaza|avenida)\b",
        ),
        (
            r"^\W*who\s+(?:is|are|was|were)\s+(?:my|our)\b|\b(?:my|our)\b.*\b(?:called|names?)\b"
            r"|\bnames?\s+of\s+(?:my|our)\b",
            rf"(?<=[\w,:] )(?!{_DAY})(?-i:[A-Z\u00c0-\u00de])(?!\b)|\b(?:called|named?|names)\b",
        ),
        (r"\bpassword\b", r"\d|\b(?:password|passcode|code|pin|key)\b"),
        (r"\bdied?\b", r"\b(?:died?|dead|death|passed|lost|funeral|buried|widow\w*)\b"),
    )
)
"""What a fact has to have where a question asks so."""


def _read_kinds() -> dict[str, frozenset[str]]:
    lines = _KINDS.replace("\n ", " ").splitlines()
    kinds: dict[str, frozenset[str]] = {}
    for line in lines:
        words = frozenset(line.split())
        for word in words:
            kinds[word] = kinds.get(word, frozenset()) | words
    return kinds


_KIND_OF: Final = _read_kinds()


def names_what_is_asked(question: str, fact: str) -> bool:
    """Return whether a fact has what a question calls one's own, in these words or related ones."""
    words = frozenset(content_words(_joined(fact)))
    return all(covers(words, each) for each in _named(_joined(question)))


def has_to_do_with(question: str, passage: str) -> bool:
    """Return whether a passage names something of what a question calls one's own, if anything.

    "My landlord raised the rent." has nothing to do with "How do I ask my boss for a raise?".
    """
    asked = _THE.sub(" ", _joined(question))
    words = frozenset(content_words(_joined(passage)))
    named = _named(asked)
    return not named or any(covers(words, each) for each in named)


def can_answer(question: str, fact: str) -> bool:
    """Return whether a fact is about no other of the kind, and has what is asked for.

    "My father was born in Zadar." cannot answer "When was my mother born?"; nor can "My mother was
    born in Zadar.", which has no time.
    """
    asked, told = _joined(question), _joined(fact)
    return (
        not _is_of_another_kind(asked, frozenset(content_words(told)))
        and not _is_of_somebody_else(asked, told)
        and all(has.search(told) for asks, has in _HAS_TO_HAVE if asks.search(asked))
        and has_what_is_asked(question, fact)
    )


def _joined(text: str) -> str:
    """Write kin by marriage as words of their own."""
    return _IN_LAW.sub(r"inlaw\1\2", text)


def _is_of_somebody_else(question: str, told: str) -> bool:
    """Return whether a question asks of the person or of theirs, and a fact of somebody else's."""
    named = _named(question)
    for owner, *owned in _OF_THEIRS.findall(told):
        theirs = any(each.casefold() in named for each in owned)
        if theirs and owner.casefold() not in question.casefold():
            return True
    other = _OF_ANOTHER.match(told)
    return (
        other is not None
        and _OF_ME.search(told, other.end()) is None
        and _ASKS_OF_ME.search(question) is not None
        and not named
    )


def _named(question: str) -> list[str]:
    """Return the first word of each thing that is one's own, or theirs, or the one."""
    found = []
    for match in (*_NAMED.finditer(question), *_THEIR_THING.finditer(question)):
        words = [each for each in content_words(match[1]) if each not in _PASSED_OVER]
        found += words[:1]
    return found


def _is_of_another_kind(question: str, told: frozenset[str]) -> bool:
    """Return whether a fact has, in place of what a question asks of, another of its kind."""
    asked = content_words(question)
    kinds = told | {each.removesuffix("s") for each in told}
    return any(
        not covers(kinds, word)
        and (f"inlaw{word}" in told or bool((_KIND_OF[word] & kinds) - {*asked, word}))
        for word in (each.removesuffix("s") if each not in _KIND_OF else each for each in asked)
        if word in _KIND_OF
    )
