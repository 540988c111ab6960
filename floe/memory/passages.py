"""Texts cut into passages: a paragraph, or some sentences of a long one.

Knows strings alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from floe.memory.question_forms import (
    asks_about_self,
    asks_for_told_fact,
    is_first_person,
    names_own,
)
from floe.store.text import clean

SourceKind = Literal["chat", "note", "file", "example"]
"""Where a passage comes from; an example of how the person writes is of a chat, too."""

PASSAGE_CHARACTERS: Final = 400
"""Longest passage: some 100 tokens, so that several fit."""
MAX_PASSAGES: Final = 2_000
"""Passages of one source; a book has fewer."""
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n|\n(?=[^\S\n]*(?:[-*+•]|\d+[.)]|#)\s)")
_ITEM: Final = re.compile(r"(?:[-*+•]|\d+[.)])\s")
_LONGEST_LIST: Final = 200
"""Characters of a list that is one passage."""
_HEADING: Final = re.compile(r"#{1,6}[ \t]+(\S[^\n]{0,120}?)[ \t#]*")
"""Of Markdown; it goes with the paragraph below it, which it names."""
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n")  # noqa: RUF001
_ABBREVIATION: Final = re.compile(r"\b(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|No|Nr|e\.g|i\.e|etc)\.$")
_QUESTION: Final = re.compile(
    r"[?\uff1f\u061f][\"'”’)\]\s]*$"  # noqa: RUF001
    r"|^(?:who|whose|what|when|where|why|which|how|is|are|do|does|did|can|could|should|would|will)"
    r"\b(?!.*[.!]$)",
    re.IGNORECASE,
)
"""Many people leave the mark out."""
_TELLS: Final = re.compile(
    r"\b(?:my|our)\s+(?:[\w'-]+(?:\s+[\w'-]+)?,?\s+(?:(?:in|at|from|near)\s+)?)?(?-i:[A-Z])\w"
    r"|\b(?:my|our)\s+[\w'-]+(?:\s+[\w'-]+){0,2},\s+(?:who|whose|which)\b"
    r"|,?\s(?:because|since\s+(?:i|we|my|our))\b",
    re.IGNORECASE,
)
"""A question that tells something by the way: "my Peugeot", "my daughter Mina", "since I fell"."""
_POINTS_BACK: Final = re.compile(
    r"\W*(?:(?:and|but|so|then|no|yes|well)\W+)?(?:he|she|it|they|that|this|there|one of them"
    r"|his|her|hers|its|their|theirs|correction|sorry|actually|i meant)"
    r"(?:['\u2019]?(?:s|re|ll|d))?\b",
    re.IGNORECASE,
)
"""How a sentence goes on from the one before it, or corrects it."""
_OPENS_WITH_ANSWER: Final = re.compile(
    r"\s*(?:an?|the)\s(?:[\w'-]+\s){0,2}[\w'-]+,\s", re.IGNORECASE
)
"""A thing that stands alone before the sentence begins."""
_REQUEST: Final = re.compile(
    r"\W*(?:(?:please|now|ok(?:ay)?|so|and|then)\b\W*)*(?:write(?!\s+down)|tell|give|explain|translate"
    r"|list|describe|show|summari[sz]e|rewrite|rephrase|reword|shorten|simplify|suggest|name"
    r"|recommend|compare|calculate|convert|make|add|plan|create|draft|generate|compose|outline"
    r"|correct|proofread|improve|continue|go\s+on|define|help|another)\b(?!['\u2019:,])",
    re.IGNORECASE,
)
_LONGEST_STATEMENT: Final = 160
"""Characters of a sentence that a later one goes on from."""
_LONG_QUESTION: Final = 8
"""Words of a question that tells by the way of what is one's own: "… for my right knee?"."""
_LONG_HOW_TO: Final = 12
"""Words of one that asks how: "How do I keep the bilge of my boat dry?" tells nothing."""
_LEAST_STATEMENT: Final = 4
"""Words of it: "Hello!" tells nothing."""


@dataclass(frozen=True, slots=True)
class MemoryPassage:
    """Own words that were found for a prompt.

    `source` names the chat or the file; `conversation_id` is that of a chat; `said_at` is in
    seconds since the epoch (UTC); `excerpt` is what of it is read, empty for all of it; `sure`: it
    is the told fact that was asked for, as far as the search can tell; `likely`: it has much of
    what the question names, but another fact is nearly as near.
    """

    id: int
    kind: SourceKind
    source: str
    text: str
    said_at: float
    conversation_id: int | None = None
    excerpt: str = ""
    sure: bool = False
    likely: bool = False

    @property
    def read(self) -> str:
        """The words that a model reads of it."""
        return self.excerpt or self.text


def split_passages(text: str) -> list[str]:
    """Cut a text into passages of at most `PASSAGE_CHARACTERS`; long ones share a sentence."""
    passages: list[str] = []
    heading = ""
    for paragraph in _with_lists(_PARAGRAPH.split(clean(text).replace("\0", " "))):
        found = _HEADING.fullmatch(paragraph.strip())
        if found:
            heading = f"{found[1]}: "
            continue
        passages += _windows(split_sentences(heading + paragraph))
        heading = "" if paragraph.strip() else heading
        if len(passages) > MAX_PASSAGES:
            break
    return passages[:MAX_PASSAGES]


def _with_lists(paragraphs: Sequence[str]) -> list[str]:
    """Join a short list with the line that says what it lists: "My allergies:"."""
    joined: list[str] = []
    in_list = False
    for paragraph in paragraphs:
        each = paragraph.strip()
        if in_list and _ITEM.match(each) and len(joined[-1]) + len(each) < _LONGEST_LIST:
            joined[-1] += f" {each}"
            continue
        in_list = each.endswith(":") and len(each) <= _LONGEST_LIST // 2
        joined.append(paragraph)
    return joined


def split_sentences(text: str) -> list[str]:
    """Cut a text behind its sentences; one that is longer than a passage is cut as well."""
    sentences: list[str] = []
    for found in filter(None, (" ".join(s.split()) for s in _SENTENCE_END.split(text))):
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] += f" {found}"
        else:
            sentences.append(found)
    return [piece for sentence in sentences for piece in _pieces(sentence)]


def own_statements(text: str) -> str:
    """Leave the questions out of what a person wrote: a question tells nothing to a later one.

    But one that tells something by the way stays, as people ask for help with what is theirs.
    """
    paragraphs = []
    for paragraph in _PARAGRAPH.split(clean(text)):
        sentences = split_sentences(paragraph)
        kept = [s for s in sentences if not _QUESTION.search(s) or _tells(s)]
        if kept:
            paragraphs.append(" ".join(kept))
    return "\n\n".join(paragraphs)


def last_question(text: str) -> str:
    """Return the question that a text ends with, in one sentence; empty if it does not."""
    sentences = split_sentences(text[-2 * PASSAGE_CHARACTERS :])
    return sentences[-1] if sentences and _QUESTION.search(sentences[-1]) else ""


def last_statement(text: str) -> str:
    """Return the last sentence of a text in which something is told, if it is a short one."""
    sentences = split_sentences(own_statements(text[-2 * PASSAGE_CHARACTERS :]))
    last = sentences[-1] if sentences else ""
    if len(last) > _LONGEST_STATEMENT or len(last.split()) < _LEAST_STATEMENT:
        return ""
    return last if last[-1] in ".!?\u3002" else f"{last}."


def points_back(sentence: str) -> bool:
    """Return whether a sentence begins with a word for something that was named before it."""
    return _POINTS_BACK.match(sentence) is not None


def goes_on_from(statement: str, reply: str) -> bool:
    """Return whether a reply that names nobody says more of what its speaker told before it.

    "I am learning an instrument." "The cello, every Wednesday." Or it begins with what that was:
    "A cello, we rent it."
    """
    if not is_first_person(statement) or is_request(reply):
        return False
    return not is_first_person(reply) or _OPENS_WITH_ANSWER.match(reply) is not None


def is_request(sentence: str) -> bool:
    """Return whether a sentence wants something that is nobody's: "Write a haiku about snow."."""
    return _REQUEST.match(sentence) is not None and not asks_about_self(sentence)


def _tells(question: str) -> bool:
    """Return whether a question tells something of who asks it, and does not ask for it."""
    if _TELLS.search(question):
        return True
    words = question.split()
    least = _LONG_HOW_TO if words[0].casefold() == "how" else _LONG_QUESTION
    return len(words) >= least and names_own(question) and not asks_for_told_fact(question)


def _pieces(sentence: str) -> Iterator[str]:
    while len(sentence) > PASSAGE_CHARACTERS:
        head = sentence[:PASSAGE_CHARACTERS].rpartition(" ")[0] or sentence[:PASSAGE_CHARACTERS]
        yield head
        sentence = sentence[len(head) :].strip()
    if sentence:
        yield sentence


def _windows(sentences: list[str]) -> Iterator[str]:
    """Yield runs of sentences that fit into a passage, the last of one being the next's first."""
    window: list[str] = []
    for sentence in sentences:
        if window and len(" ".join([*window, sentence])) > PASSAGE_CHARACTERS:
            yield " ".join(window)
            last = window[-1]
            window = [last] if len(last) + len(sentence) < PASSAGE_CHARACTERS else []
        window.append(sentence)
    if window:
        yield " ".join(window)
