"""What a person told of themselves, found for a question in other words.

Short passages of chats and notes are compared with the question as sentences, by vectors of the
model that answers: words alone find none with which the question shares none. There are always some
that are nearest, so whether a question wants any is not decided here.

Of 90 questions that share few words with their fact, among 172 sentences, the fact is first for 51
and among the first two for 63 by the vectors of Qwen 0.5B for "This sentence means in one word"; 60
and 69 by those of `sentence_embedder` with both means taken off (of every eleventh question and
every twentieth sentence), 66 and 74 with a share of the question's words added. The first and the
second are read: of 20 questions with two passages 16 were answered rightly, with one 15, with three
15, with four 14. No likeness tells a question that wants a fact from another, so the form of the
question does. Figures of what is answered: docs/method.md.
"""

import time
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from floe.memory.kept_out import LATER_VERSION, is_kept_out
from floe.memory.outdated import (
    SHARE_WEIGHT,
    ToldFact,
    without_corrected,
    without_outdated,
)
from floe.memory.passages import MemoryPassage, is_request, points_back, split_sentences
from floe.memory.question_forms import language_of_question
from floe.memory.question_match import can_answer, names_what_is_asked
from floe.memory.search import word_shares
from floe.privacy.content_words import content_words
from floe.store import Store

LONGEST: Final = 200
"""Characters of a passage that is compared as one sentence. A longer one is compared sentence by
sentence, where the person speaks of themselves in it: else it is a text."""
MOST_FACTS: Final = 400
"""Facts that are compared, the newest; more are found by words alone. Each takes about a third of a
second of processor time, once, with a model of 0.5B."""

_LEAST_SCORE: Final = 0.4
"""Score of a fact that may have to do with the question: of the nearest to 110 questions for a told
fact two have less, neither of them the right one; of those to 28 for what was never told, 17."""
_LEAST_SHARE: Final = 0.5
"""Or share of the question's words in it."""
_SURE_SCORE: Final = 0.55
_SURE_MARGIN: Final = 0.2
"""Score of a fact, and what it has before the next, from which on it is the one: of 110 questions
for a told fact 83 have one that is so near, and 80 of these facts are the right one."""
_SURE_ELSEWHERE: Final = 0.65
"""Score in another language than English: two sentences in it are near for that alone."""
_SURE_SHARE: Final = 0.6
_SURE_MORE: Final = 0.3
"""The same by words alone, as shares of the question's words: 41 are so near, 39 the right ones."""
_LIKELY_SCORE: Final = 0.7
_LIKELY_WITH_SHARE: Final = 0.6
_LIKELY_SHARE: Final = 0.6
"""Score of a fact that may well be the one though another is as near, and less where it has so much
of the question's words: of 37 such facts told six, of 71 near to what was never told one."""
_LIKE_THE_QUESTION: Final = 0.7
"""Likeness of a fact that may name what is asked for in other words: of seven that were not what
was asked for, and had no word for it, none was as near."""
_TOLD: Final = frozenset({"chat", "note"})

_FACTS: Final = """
    SELECT p.id FROM memory_passages p JOIN memory_sources s ON s.id = p.source_id
    WHERE p.example = 0 AND p.forgotten IS NULL AND s.kind <> 'file'
    AND (length(p.text) <= :longest OR p.first_person = 1)
    ORDER BY p.said_at DESC, p.id DESC LIMIT :most
"""
_BOUNDS: Final = {"longest": LONGEST, "most": MOST_FACTS}

USUAL_QUESTIONS: Final = (
    "What is my sister called?",
    "Where do I live?",
    "When is my appointment?",
    "How old is our dog?",
    "Which food do I not like?",
    "Who helps me at work?",
    "What did I buy last week?",
    "Since when do I have this car?",
)
USUAL_STATEMENTS: Final = (
    "My sister is called Anna.",
    "I live in a small town by the sea.",
    "My appointment is on Monday.",
    "Our dog is four years old.",
    "I do not like onions.",
    "My colleague Peter helped me at work.",
    "Last week I bought a lamp.",
    "I have had this car since May.",
)
_USUAL: Final = "memory_usual_sentences"


class Embed(Protocol):
    """Makes a vector of unit length of a sentence."""

    def __call__(self, text: str) -> NDArray[np.float32]:
        """Embed it; FloeError where that cannot be."""
        ...


@dataclass(frozen=True, slots=True)
class SentenceSpace:
    """One model's vectors of sentences; `name` tells them from those of another."""

    name: str
    embed: Embed


def embed_facts(store: Store, space: SentenceSpace, seconds: float) -> bool:
    """Keep vectors of told facts that have none yet, for about so long; whether all have one.

    Raises:
        FloeError: the model cannot embed, or the database be written.
    """
    until = time.monotonic() + seconds
    with store.reading() as db:
        missing = db.execute(
            f"SELECT p.id, p.text FROM memory_passages p WHERE p.id IN ({_FACTS})"  # noqa: S608 (constants)
            " AND NOT EXISTS (SELECT 1 FROM memory_vectors v"
            " WHERE v.passage_id = p.id AND v.model = :model) ORDER BY p.id DESC",
            {"model": space.name, **_BOUNDS},
        ).fetchall()
    for passage_id, text in missing:
        if time.monotonic() > until:
            return False
        data = b"".join(space.embed(each).astype("<f2").tobytes() for each in _sentences(text))
        with store.writing() as db:
            # It may have been deleted or forgotten while it was read.
            db.execute(
                "INSERT OR REPLACE INTO memory_vectors SELECT id, ?, ? FROM memory_passages"
                " WHERE id = ? AND forgotten IS NULL",
                [space.name, data, passage_id],
            )
    if missing:
        _usual_sentences(store, space)
    return True


def nearest_facts(
    store: Store,
    space: SentenceSpace,
    question: str,
    *,
    conversation_id: int | None,
    without: Collection[int] = (),
) -> tuple[list[MemoryPassage], frozenset[int]]:
    """Return the told facts, the nearest to a question first, and the ids of all compared.

    Likeness is that of the nearest sentence, and a share of the question's words adds to it. Of a
    longer passage that sentence alone is to be read. What was told anew since is no more among
    them, nor is what was told twice, nor a request.

    Args:
        store: where they are kept.
        space: in which they are compared.
        question: the prompt.
        conversation_id: the conversation it is asked in, whose own words stand there anyway.
        without: conversations that the person keeps out.

    Raises:
        FloeError: the model cannot embed.
    """
    with store.reading() as db:
        rows = db.execute(
            f"""
            SELECT p.id, s.kind, coalesce(c.title, s.name), p.text, p.said_at, c.id, v.vector,
                   c.train, m.private
            FROM memory_passages p
            JOIN memory_vectors v ON v.passage_id = p.id AND v.model = :model
            JOIN memory_sources s ON s.id = p.source_id
            LEFT JOIN messages m ON m.id = s.message_id
            LEFT JOIN conversations c ON c.id = m.conversation_id
            WHERE p.id IN ({_FACTS}) AND c.id IS NOT :here AND NOT EXISTS ({LATER_VERSION})
            """,  # noqa: S608 (constants)
            {
                "model": space.name,
                "here": -1 if conversation_id is None else conversation_id,
                **_BOUNDS,
            },
        ).fetchall()
    kept = [row for row in rows if not is_kept_out(row[5], row[7], row[8], without)]
    if not kept:
        return [], frozenset()
    questions, statements = _usual_sentences(store, space)
    asked = _unit(space.embed(question) - questions)
    facts = []
    for row in kept:
        if row[1] == "chat" and is_request(row[3]):
            continue
        vectors = np.frombuffer(row[6], "<f2").reshape(-1, asked.size)
        likeness = _unit(vectors - statements) @ asked
        nearest = int(likeness.argmax())
        sentences = _sentences(row[3])
        whole = len(sentences) != len(likeness) or len(sentences) == 1
        read = without_corrected(row[3] if whole else sentences[nearest])
        excerpt = "" if read == row[3] else read
        facts.append((float(likeness[nearest]), replace(MemoryPassage(*row[:6]), excerpt=excerpt)))
    shares = word_shares(store, question, [each.read for _, each in facts])
    ranked = sorted(
        (
            ToldFact(passage, likeness, share)
            for (likeness, passage), share in zip(facts, shares, strict=True)
        ),
        key=lambda each: -each.score,
    )
    found: dict[str, ToldFact] = {}
    for each in without_outdated(ranked, question):
        if each.score >= _LEAST_SCORE or each.share >= _LEAST_SHARE:
            found.setdefault(" ".join(each.passage.read.casefold().split()), each)
    least = _SURE_ELSEWHERE if language_of_question(question) else _SURE_SCORE
    passages = _marked(question, list(found.values()), least, _SURE_MARGIN)
    return passages, frozenset(row[0] for row in kept)


def _may_answer(question: str, fact: ToldFact) -> bool:
    told = fact.passage.read
    named = names_what_is_asked(question, told) or fact.likeness >= _LIKE_THE_QUESTION
    return named and can_answer(question, told)


def is_told_fact(passage: MemoryPassage) -> bool:
    """Return whether a passage is a short one of what the person said, and of no file."""
    return passage.kind in _TOLD and len(passage.read) <= LONGEST


def _marked(
    question: str, facts: Sequence[ToldFact], least: float, margin: float
) -> list[MemoryPassage]:
    """Return the passages; the first is marked where it is near, and names what is asked for."""
    passages = [each.passage for each in facts]
    if not facts or not _may_answer(question, facts[0]):
        return passages
    scores = [*(each.score for each in facts[:2]), 0.0]
    sure = scores[0] >= least and scores[0] - scores[1] >= margin
    by_words = facts[0].share >= _LIKELY_SHARE and (
        scores[0] >= _LIKELY_WITH_SHARE or not facts[0].likeness
    )
    likely = by_words or scores[0] >= _LIKELY_SCORE
    passages[0] = replace(passages[0], sure=sure, likely=likely)
    return passages


def sure_by_words(
    store: Store, question: str, found: Sequence[MemoryPassage]
) -> list[MemoryPassage]:
    """Return what words found for a question for a told fact; without others where one is sure.

    For a model that compares no sentences. What was told anew since is left out.

    Args:
        store: where the passages are kept.
        question: the prompt.
        found: as `find_passages` returns them.
    """
    told = [each for each in found if is_told_fact(each)]
    if not told or told[0] is not found[0]:
        return [*found]
    shares = word_shares(store, question, [each.read for each in told])
    ranked = [ToldFact(each, 0.0, share) for each, share in zip(told, shares, strict=True)]
    facts = _marked(
        question,
        without_outdated(ranked, question),
        _SURE_SHARE * SHARE_WEIGHT,
        _SURE_MORE * SHARE_WEIGHT,
    )
    others = [each for each in found if each not in told]
    return [facts[0], *others] if facts[0].sure else [facts[0], *others, *facts[1:]]


def with_rest_of_question(store: Store, question: str, passage: MemoryPassage) -> MemoryPassage:
    """Return a sentence of a long message with the one that has what it lacks of the question.

    "Book club was lively last night. … We meet at Priya's from now on.": only the first says what
    it is about, and only the second where one meets.

    Args:
        store: where the passages are kept.
        question: the prompt.
        passage: as `nearest_facts` returns it; unchanged where all of it is read, or nothing fits.
    """
    sentences = _sentences(passage.text)
    if not passage.excerpt or passage.excerpt not in sentences:
        return passage
    asked = content_words(question)
    there = [word_shares(store, word, [passage.excerpt])[0] > 0 for word in asked]
    lacking = [word for word, has in zip(asked, there, strict=True) if not has]
    if not lacking or len(lacking) == len(asked):
        return passage
    shares = word_shares(store, " ".join(lacking), sentences)
    best = max(range(len(sentences)), key=shares.__getitem__)
    if not shares[best]:
        return passage
    nearest = sentences.index(passage.excerpt)
    first, second = (sentences[i] for i in sorted((nearest, best)))
    read = second if second.startswith(first) else f"{first} {second}"
    return replace(passage, excerpt=without_corrected(read))


def _usual_sentences(store: Store, space: SentenceSpace) -> NDArray[np.float32]:
    """Return the mean vectors of questions for told facts and of told facts: shape (2, size).

    What is in all of them finds none. Made once for a model, and kept.
    """
    kept = store.setting(_USUAL, None)
    if isinstance(kept, dict) and kept.get("model") == space.name:
        return np.frombuffer(b64decode(kept["vectors"]), "<f2").reshape(2, -1).astype(np.float32)
    means = np.stack(
        [
            np.mean([space.embed(each) for each in sentences], axis=0)
            for sentences in (USUAL_QUESTIONS, USUAL_STATEMENTS)
        ]
    ).astype("<f2")
    store.set_setting(_USUAL, {"model": space.name, "vectors": b64encode(means.tobytes()).decode()})
    return means.astype(np.float32)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=-1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-12)).astype(np.float32)


def _sentences(text: str) -> list[str]:
    """Return what of a passage is compared with questions, each for itself."""
    if len(text) <= LONGEST:
        return [text]
    sentences = split_sentences(text)
    return [
        f"{sentences[i - 1]} {each}" if i and points_back(each) else each
        for i, each in enumerate(sentences)
    ]
