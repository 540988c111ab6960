"""Follow-ups in their place: "and how long?" is about what was asked before it.

A question that points back, or has hardly a word that says what it is about, is read together with
the questions before it, back to the last that says so. Any other stands for itself: a chat that
leaves its matter is not held there. The words are of English, German, French and Spanish, as those
of `content_words` are; a question in another language stands for itself. Knows text alone.
"""

import re
from collections.abc import Sequence
from typing import Final

from floe.privacy.content_words import content_words
from floe.records import ChatMessage, Message

_POINTING_TEXT: Final = """
    it its that this these those them they their he she him his her hers then else so too one ones
    another same instead again mine
    es dies diese dieser dieses er ihn ihm dann sonst davon dazu damit dafür daran darauf darin
    nochmal stattdessen
    ça cela ceci celui celle ceux elle elles lui alors sinon aussi
    eso esto esa ese aquello ella ellos ellas entonces también otra otro
"""
_BEGINNING_TEXT: Final = """
    and but or then so also now und aber oder dann jetzt et mais ou alors donc y e pero o entonces
    ahora
"""
_POINTING: Final = frozenset(_POINTING_TEXT.split())
"""Words that stand for something said before; articles that can do so as well are left out."""
_BEGINNING: Final = frozenset(_BEGINNING_TEXT.split())
"""First words of a question that goes on from another."""
_MOST_POINTING: Final = 2
"""Words with a meaning of their own that a question has at most which points back. With more it
says what it is about: "How do I make gnocchi that do not fall apart?"."""
_MOST_SHORT: Final = 1
"""The same for a question that does not point back: "how often", "Are you sure?"."""
_LONGEST: Final = 400
"""Characters of an earlier question that count: a file may be attached to it."""
_WORD: Final = re.compile(r"[^\W\d_]+")


def place_question(chat: Sequence[ChatMessage | Message]) -> str:
    """Return a chat's last question with those before it that it goes on from, else it alone.

    Empty if nothing was asked.
    """
    asked = [each.content for each in chat if each.role == "user"] or [""]
    begin = len(asked) - 1
    while begin and goes_on(asked[begin]):
        begin -= 1
    return " ".join([*(text[:_LONGEST] for text in asked[begin:-1]), asked[-1]])


def goes_on(question: str) -> bool:
    """Return whether a question points back, or hardly says what it is about."""
    words = _WORD.findall(question.casefold())
    points = not _POINTING.isdisjoint(words) or not _BEGINNING.isdisjoint(words[:1])
    return len(content_words(question)) <= (_MOST_POINTING if points else _MOST_SHORT)
