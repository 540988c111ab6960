"""What a person told in the first person is told back to them in the second.

Small models repeat a told fact as it stands in their prompt: "My twins are five months old." Works
on emitted tokens of one English sentence; knows no models.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Final

from floe.records import TokenStep

_TURNED: Final = {
    "I": "you",
    "me": "you",
    "my": "your",
    "myself": "yourself",
    "we": "you",
    "us": "you",
    "our": "your",
    "ourselves": "yourselves",
}
_AFTER_I: Final = {"am": "are", "was": "were", "'m": "'re", "\u2019m": "\u2019re"}
_AS_ASSISTANT: Final = re.compile(
    r"\b(?:you|your\w*|as an AI"
    r"|I (?:think|believe|guess|remember|recall|see|(?:do not|don.t) know))\b",
    re.IGNORECASE,
)
"""Who says this speaks for itself, of somebody."""
_SENTENCE_END: Final = re.compile(r"[.!?\n]\s*$")


def speaks_as_the_person(beginning: str) -> bool:
    """Return whether whoever is "I" in an answer can only be the one who asks."""
    return _AS_ASSISTANT.search(beginning) is None


def in_second_person(
    steps: Iterable[TokenStep], tokenize: Callable[[bytes], Sequence[int]]
) -> Iterator[TokenStep]:
    """Turn the words for who speaks in the first sentence; all else passes.

    A token is passed when the next one has come, as it may be the beginning of a word ("My", "ra").

    Args:
        steps: the tokens of an answer for which `speaks_as_the_person` holds.
        tokenize: makes tokens of a word that takes the place of another.
    """
    remaining = iter(steps)
    held = next(remaining, None)
    text = word = ""
    while held is not None:
        if _SENTENCE_END.search(text):
            yield from chain([held], remaining)
            return
        following = next(remaining, None)
        piece = held.text_bytes.decode("utf-8", "replace")
        inside = text[-1:].isalnum() and piece[:1].isalnum()  # "Ruf", "us"
        text += piece
        before, word = word, piece.strip()
        goes_on = following is not None and following.text_bytes[:1].isalnum()
        is_word = not (inside or goes_on)
        turned = _turned(word, before, is_first=text.strip() == word) if is_word else None
        if turned is None:
            yield held
        else:
            data = held.text_bytes.replace(word.encode(), turned.encode())
            tokens = tokenize(data)
            yield replace(held, text_bytes=data, token_id=tokens[0] if len(tokens) == 1 else -1)
        held = following


def _turned(word: str, before: str, *, is_first: bool) -> str | None:
    if word in _AFTER_I:
        return _AFTER_I[word] if before == "I" else None
    turned = _TURNED.get(word.lower() if is_first and word != "I" else word)
    return turned.capitalize() if turned and is_first else turned
