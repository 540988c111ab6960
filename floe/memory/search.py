"""Finds passages for a question: FTS5 ranks by words, and a question about oneself wants one's own.

Measured on own pairs of a fact and a question in other words, among 366 other passages
(`tests/memory/facts.py`); how often the right passage was among the first five, on the 60 pairs
that this was tuned on and on the 20 written afterwards: BM25 alone 42 and 17, this search 54 and
17, the router's embedding (SIF) 45 and 14, its ranks together with those of BM25 45 and 16. So what
this adds to BM25 on unseen pairs is not a better order but a threshold: of 296 prompts that are
about nobody, 7 find something here. The mean of the last hidden state, at 30 ms and more a passage,
found fewer than words. `sqlite-vec` needs loadable extensions, which many a Python's `sqlite3`
lacks.

What is not found shares no word with its question. Words of everyday life that stand for one
another help where somebody thought of them: of 40 questions in other words 13 found their fact,
with the list written for them in view 27; of ten written after that, seven before and after.
Vectors of words do not tell what is missing: of 24 such facts 6 (SIF) and 8 (WordLlama, 256
numbers, trained for this) are among the five nearest, and at a threshold that leaves out half of
the prompts that want nothing from here, three are. It takes a model that reads sentences
(`floe.memory.told_facts`).
"""

import json
import math
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlite_utils import Database

from floe.memory.kept_out import LATER_VERSION, is_kept_out
from floe.memory.passages import MemoryPassage, is_request, split_sentences
from floe.memory.question_forms import asks_about_self
from floe.privacy.content_words import content_words
from floe.store import Store
from floe.store.text import segment
from floe.units import DAY_SECONDS

_MOST_TERMS: Final = 24
"""Words of a question that are looked for, the rarest; a question has fewer, a program more."""
_CANDIDATES: Final = 200
_SMALL: Final = 200
"""Passages that a small index is thought to have beside its own, so that no word is common."""
_OWN: Final = 3.0
"""What it counts that question and passage are both somebody's own; a rare word counts six."""
_KIN: Final = 0.7
"""What a related word counts, against the word itself."""
_PREFIX: Final = 4
"""Letters from which on a word that goes on is a related one: teach and teacher, flat, flatmate."""
_RECENT: Final = 0.5
_HALF_LIFE: Final = 90 * DAY_SECONDS
_COVER: Final = 0.6
_COVER_SELF: Final = 0.45
_COVER_OWN: Final = 0.3
"""Share of the question's words, by weight, that a passage must have: asked about anything, asked
about oneself, and asked so of a passage that is in the first person."""
_LONG: Final = 200
"""Characters of a passage that cost as much as a tenth of a rare word."""
_NEAR_BEST: Final = 0.5
"""A passage of less than this share of the best one's score is not worth its tokens."""

_GENERAL: Final = 0.4
_GENERAL_WORDS: Final = frozenset(
    {"called", "color", "colour", "date", "day", "days", "kind", "like", "long", "name", "named"}
    | {"number", "old", "place", "sort", "time", "type", "year", "years"}
)
"""Words that say what is asked for; they find it less than what it is asked about."""

_RELATED: Final = """
sister = sibling siblings
brother = sibling siblings
parents = mother father mum mom dad
mother mum mom mama
father dad papa daddy
grandmother grandma granny nan
grandfather grandpa granddad
wife = spouse partner married wedding
husband = spouse partner married wedding
child = son daughter
boy = son
girl = daughter
children kids = son daughter
job work profession occupation career employed living
boss manager supervisor
flat apartment house home live moved address
car vehicle = drive
bike bicycle cycle ride
couch sofa
holiday vacation trip travel
present gift = wish wished
birthday born birth
doctor physician
medicine medication drug
allergic allergy = medicine medication eat food
colour color
favourite favorite best prefer like love
childhood young = grew child
name named called
phone telephone mobile
pet animal breed = cat dog
city town village
code pin password
instrument = play played
learn learnt learned study studied
married marry wedding
keep kept store stored hide hid put
buy bought order ordered
rent tenant = landlord landlady
tall = height
neighbour neighbours neighbor neighbors = door
dislike hate loathe detest = stand bear like
afraid fear scared frightened = frightens scares phobia
love like enjoy = fan favourite favorite
earn earned income salary wage wages = living job work
money savings = bank saving account
eat food meal dish diet cook = vegetarian vegan
meat = vegetarian vegan
drink = coffee tea wine beer
sport = football tennis swim swimming run running gym team
team club = support supporter fan
eyes eyesight = glasses lenses
pain hurt ache = trouble
divorce divorced separated = marriage married
pregnant = baby born birth child
retire retired retirement pension
plant planted grow grown
tax taxes = accountant
cigarettes cigarette smoke smoking smoker
quit stopped gave
alarm = wake morning
belong own owner owns
school university college = studied degree graduated finished
heating heater heat warm
floor storey
caravan camper
plane planes flight = fly flying
nursery kindergarten daycare = child care
sell sold = buy bought
lose lost forgot forget = behind
rodent = hamster mouse rat
animals pets = dog cat horse hamster rabbit bird fish
family relative relatives = uncle aunt cousin nephew niece brother sister
herb herbs spice spices = basil parsley coriander mint thyme
fruit = apple apples pear cherry berries
musician music = piano guitar violin cello flute drums choir band
religion faith = church mosque temple
computer laptop notebook
internet network wifi router
illness ill disease sick = diabetes asthma
weigh weight = kilos kilograms pounds
old age = born turn turns turned birthday
weekend = saturday saturdays sunday sundays
shut close closes closed
storage cellar attic basement
begin start started = since
end ends ended finish = until
""".strip()
"""Words of everyday life that stand for one another; across "=" the sides do, but no two of the
right one: a sister is a sibling, and no brother."""


def _read_related() -> dict[str, frozenset[str]]:
    related: dict[str, set[str]] = {}
    for line in _RELATED.splitlines():
        left, _, right = (set(side.split()) for side in line.partition("="))
        for word in left:
            related.setdefault(word, set()).update((left | right) - {word})
        for word in right:
            related.setdefault(word, set()).update(left)
    return {word: frozenset(kin) for word, kin in related.items()}


_KIN_OF: Final = _read_related()


@dataclass(frozen=True, slots=True)
class _Term:
    """A word of the question with its kin, and how much it tells (nats)."""

    word: str
    kin: frozenset[str]
    weight: float


def find_passages(
    store: Store,
    question: str,
    *,
    conversation_id: int | None,
    left_out: Collection[int] = (),
    without: Collection[int] = (),
    limit: int = 8,
) -> list[MemoryPassage]:
    """Find passages that may help with a question, the best first; often there are none.

    Args:
        store: where they are kept.
        question: the prompt.
        conversation_id: the conversation it is asked in, whose own words stand there anyway.
        left_out: ids of the messages of that conversation that do not, as the prompt has no room.
        without: conversations that the person keeps out of all others.
        limit: how many at most.
    """
    words = content_words(question)
    if not words:
        return []
    with store.reading() as db:
        (count,) = db.execute("SELECT count(*) FROM memory_passages").fetchone()
        if not count:
            return []
        terms = _terms(db, words, count)
        found = _candidates(db, terms, conversation_id, left_out)
        about_self = asks_about_self(question)
        scored = _scored(db, terms, found, about_self, conversation_id, without)
    if not scored:
        return []
    scored.sort(key=lambda each: (-each[0], -each[1].said_at))
    best = scored[0][0]
    passages: dict[str, MemoryPassage] = {}
    for score, passage in scored:
        if score >= _NEAR_BEST * best:
            passages.setdefault(" ".join(passage.text.casefold().split()), passage)
    return list(passages.values())[:limit]


def word_shares(store: Store, question: str, texts: Sequence[str]) -> list[float]:
    """Return what share of a question's words each of some texts has, by what the words tell."""
    with store.reading() as db:
        (count,) = db.execute("SELECT count(*) FROM memory_passages").fetchone()
        terms = _terms(db, content_words(question), count)
    total = sum(term.weight for term in terms) or 1.0
    return [_covered(terms, frozenset(content_words(text))) / total for text in texts]


def covers(words: frozenset[str], word: str) -> bool:
    """Return whether the words of a text have one, in any of its forms, or a related one."""
    return word in words or _has_related(words, word, _kin(word))


def _has_related(words: frozenset[str], word: str, kin: frozenset[str]) -> bool:
    stem = _stem(word)
    return any(each in kin or _stem(each) in kin for each in words) or (
        len(stem) >= _PREFIX and any(each.startswith(stem) for each in words)
    )


def _covered(terms: Sequence[_Term], words: frozenset[str]) -> float:
    covered = 0.0
    for term in terms:
        if term.word in words:
            covered += term.weight
        elif _has_related(words, term.word, term.kin):
            covered += _KIN * term.weight
    return covered


def _terms(db: Database, words: Sequence[str], count: int) -> list[_Term]:
    """Return the rarest words of a question, with their weights."""
    terms = []
    for word in words[: 4 * _MOST_TERMS]:
        (df,) = db.execute(
            "SELECT count(*) FROM memory_search WHERE memory_search MATCH ?", [_match([word])]
        ).fetchone()
        weight = math.log((count + _SMALL) / (df + 1)) * (_GENERAL if word in _GENERAL_WORDS else 1)
        terms.append(_Term(word, _kin(word), weight))
    return sorted(terms, key=lambda each: -each.weight)[:_MOST_TERMS]


def _candidates(
    db: Database,
    terms: Sequence[_Term],
    conversation_id: int | None,
    left_out: Collection[int],
) -> dict[int, tuple[Any, ...]]:
    """Find the passages that rank highest by their words, by id."""
    words = [word for each in terms for word in (each.word, *each.kin)]
    begun = [_match((), _stem(each.word)) for each in terms if len(each.word) >= _PREFIX]
    rows = db.execute(
        f"""
        SELECT p.id, s.kind, coalesce(c.title, s.name), p.text, p.said_at, c.id, p.first_person,
               c.train, m.private
        FROM (SELECT rowid FROM memory_search WHERE memory_search MATCH :words
              ORDER BY rank LIMIT :limit) found
        JOIN memory_passages p ON p.id = found.rowid
        JOIN memory_sources s ON s.id = p.source_id
        LEFT JOIN messages m ON m.id = s.message_id
        LEFT JOIN conversations c ON c.id = m.conversation_id
        WHERE CASE WHEN c.id IS :here THEN m.id IN (SELECT value FROM json_each(:left_out))
            ELSE NOT EXISTS ({LATER_VERSION}) END
        """,  # noqa: S608 (constants)
        {
            "words": " OR ".join([_match(words), *begun]),
            "limit": _CANDIDATES,
            "here": -1 if conversation_id is None else conversation_id,
            "left_out": json.dumps([*left_out]),
        },
    ).fetchall()
    return {row[0]: row for row in rows}


def _scored(
    db: Database,
    terms: Sequence[_Term],
    found: dict[int, tuple[Any, ...]],
    about_self: bool,
    conversation_id: int | None,
    without: Collection[int],
) -> list[tuple[float, MemoryPassage]]:
    """Those that have enough of the question, each with its score."""
    ids = ",".join(map(str, found))
    covered = dict.fromkeys(found, 0.0)
    for term in terms:
        exact = _having(db, [term.word], ids)
        kin = _having(db, term.kin, ids, begun=_stem(term.word)) - exact
        for one in exact:
            covered[one] += term.weight
        for one in kin:
            covered[one] += _KIN * term.weight
    total = sum(term.weight for term in terms)
    now = time.time()
    scored = []
    for one, (
        _,
        kind,
        name,
        text,
        said_at,
        conversation,
        first_person,
        train,
        private,
    ) in found.items():
        if kind == "chat" and all(map(is_request, split_sentences(text))):
            continue
        own = about_self and bool(first_person)
        wanted = _COVER_OWN if own else _COVER_SELF if about_self else _COVER
        if covered[one] < total * wanted:
            continue
        elsewhere = conversation is None or conversation != conversation_id
        if elsewhere and is_kept_out(conversation, train, private, without):
            continue
        age = max(0.0, now - said_at)
        score = covered[one] + _OWN * own + _RECENT * 0.5 ** (age / _HALF_LIFE)
        score -= 0.6 * len(text) / _LONG
        scored.append((score, MemoryPassage(one, kind, name, text, said_at, conversation)))
    return scored


def _stem(word: str) -> str:
    """Cut a word's English ending off, if enough of it stays to find its other forms by."""
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= _PREFIX:
            return word.removesuffix(ending)
    return word


def _kin(word: str) -> frozenset[str]:
    """Return related words of a word in any form: of "travelling" those of "travel"."""
    stem = _stem(word)
    # A letter less only where an ending was cut off: a liver is nothing to live with.
    shorter = (stem + "e", stem[:-1]) if stem != word else ()
    for form in (word, stem, *shorter):
        if form in _KIN_OF:
            return _KIN_OF[form]
    return frozenset()


def _having(db: Database, words: Iterable[str], ids: str, begun: str = "") -> set[int]:
    """Ids, of these, of passages with one of the words, or one that begins as `begun` does."""
    rows = db.execute(
        f"SELECT rowid FROM memory_search WHERE memory_search MATCH ? AND rowid IN ({ids})",  # noqa: S608 (numbers only)
        [_match(words, begun)],
    )
    return {row[0] for row in rows}


def _match(words: Iterable[str], begun: str = "") -> str:
    """Any of the words, as an FTS5 query; each quoted, so that nothing in them is an operator."""
    quoted = ['"' + segment(word).replace('"', '""') + '"' for word in words]
    if len(begun) >= _PREFIX or not quoted:
        quoted.append('"' + segment(begun).replace('"', '""') + '"*')
    return " OR ".join(quoted)
