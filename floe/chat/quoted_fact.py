"""An answer that says nothing of the fact it was asked for gives way to the person's own words.

A small model repeats the question, takes another fact or makes one up, though what was told stands
in its prompt. Where the search is sure of the fact, the answer's beginning is held back until it
has a word of it; if its first sentence has none, the fact is quoted in its place. Knows neither
models nor turns.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from floe.chat.second_person import in_second_person, speaks_as_the_person
from floe.memory.passages import MemoryPassage, split_sentences
from floe.memory.prompt_text import quotation
from floe.memory.question_forms import language_of_question
from floe.privacy.kept_words import KeptWords
from floe.records import TokenStep

_MOST_HELD: Final = 32
"""Tokens; what a first sentence has not said by then is not what was asked for."""
_NUMBER_WORDS: Final = """
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred eins
    zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig deux trois quatre cinq sept
    huit neuf dix dos tres cuatro cinco seis siete ocho nueve diez
"""
_NUMBERS: Final = frozenset(_NUMBER_WORDS.split())
"""Numbers in words, without those that are articles as well."""
_FILLER: Final = re.compile(
    r"\W*(?:of course|sure|certainly|yes|no|ok|okay|hi|hello|thank you|thanks)\W*", re.IGNORECASE
)
"""A sentence that may stand before an answer."""
_WHY: Final = re.compile(r"\W*(?:why|warum|weshalb|wieso|pourquoi|por\squé)\b", re.IGNORECASE)
_REASON: Final = re.compile(
    r"\b(?:because|since|so|for|due|as|after|until|weil|denn|wegen|damit|nach|seit|parce|car|pour"
    r"|cause|depuis|après|porque|por|para|desde)\b",
    re.IGNORECASE,
)
"""What a sentence has that says why: "My bread did not rise." does not say why it is dense."""


class QuotedFact:
    """Passes an answer on, or a quotation in its place.

    Attributes:
        quoted: whether it was the quotation.
    """

    def __init__(
        self,
        passages: Sequence[MemoryPassage],
        question: str,
        earlier: Iterable[str],
        tokenize: Callable[[bytes], Sequence[int]],
        piece: Callable[[int], bytes],
        stopped: Callable[[], bool] = lambda: False,
        system: str = "",
        max_tokens: int | None = None,
    ) -> None:
        """Find the fact that the search is sure of, if there is one.

        Args:
            passages: what was read for the answer.
            question: the prompt.
            earlier: what was said before in the same chat; an answer may come from there.
            tokenize: makes the tokens of a quotation.
            piece: bytes of a token.
            stopped: whether the person has stopped the answer, which then stays as it is.
            system: the system prompt of the settings; its words tell nothing.
            max_tokens: of the answer; a quotation that is longer is not given.
        """
        self.quoted = False
        self._fact = next((each for each in passages if each.sure), None)
        self._question = question
        read = self._fact.read if self._fact else ""
        self._said = KeptWords([read, *earlier], [question, system])
        self._has_number = _has_number_word(read)
        self._tokenize = tokenize
        self._piece = piece
        self._stopped = stopped
        self._max_tokens = max_tokens

    def cut(self, steps: Iterable[TokenStep]) -> Iterator[TokenStep]:
        """Pass tokens on; where none of the first sentence is of the fact, quote it and end."""
        remaining = iter(steps)
        if self._fact is None or not _adds(self._fact.read, self._question):
            yield from remaining
            return
        held: list[TokenStep] = []
        text = ""
        for step in remaining:
            held.append(step)
            text = b"".join(each.text_bytes for each in held).decode("utf-8", "replace")
            if len(held) >= _MOST_HELD or _is_past_first(text) or self._tells(text):
                break
        if held and not self._stopped() and not self._tells(text):
            quoted = self._quotation(held[-1])
            if self._max_tokens is None or len(quoted) <= self._max_tokens:
                self.quoted = True
                yield from quoted
                return
        answer: Iterator[TokenStep] = chain(held, remaining)
        if not language_of_question(self._question) and speaks_as_the_person(text):
            answer = in_second_person(answer, self._tokenize)
        yield from answer

    def _tells(self, answer: str) -> bool:
        """Return whether an answer has a word of the fact, or of the chat, that was not asked."""
        return self._said.found_in(answer) or (
            self._has_number and _has_number(answer, self._question)
        )

    def _quotation(self, last: TokenStep) -> list[TokenStep]:
        assert self._fact is not None
        return [
            TokenStep(token, self._piece(token), None, None, 1.0, 1.0, "local", last.at_ms)
            for token in self._tokenize(quotation(self._question, self._fact).encode())
        ]


def _is_past_first(answer: str) -> bool:
    """Return whether an answer is past its first sentence that says something."""
    sentences = split_sentences(answer)
    return sum(_FILLER.fullmatch(each) is None for each in sentences) > 1


def _adds(fact: str, question: str) -> bool:
    """Return whether a fact says more than the question for it does, of what it asks for."""
    if _WHY.match(question) and not _REASON.search(fact):
        return False
    return KeptWords([fact], [question]).found_in(fact)


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold()).split()


def _has_number_word(text: str) -> bool:
    return any(word in _NUMBERS for word in _words(text))


def _has_number(answer: str, question: str) -> bool:
    """Return whether an answer has a number that the question has not, in words or in digits."""
    asked = _words(question)
    return any((w in _NUMBERS or w.isdigit()) and w not in asked for w in _words(answer))
