"""A reply read in its place: with the question it answers, and with the person's last turn.

Knows names and the classifier's kinds, not what follows from what is found.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import regex

from floe.privacy.detection.classifier import KINDS, asked_kind, classify
from floe.privacy.detection.decisive import hard_signs
from floe.privacy.detection.encoder import encoder, is_latin
from floe.privacy.detection.features import WINDOW
from floe.privacy.detection.names import Name, find_names
from floe.privacy.detection.normalise import normalise
from floe.privacy.detection.rules import Sign
from floe.privacy.detection.statements import asks
from floe.privacy.detection.vocabulary import listed
from floe.records import ChatMessage

KEEP: Final = 0.70
"""Probability from which a text is private; chosen on development prompts, see `docs/privacy.md`."""
MATTERS: Final = frozenset(KINDS) - {"-", "name", "password"}
_NAME: Final = "name"
_FEW: Final = 3
_SHARE: Final = 0.2
"""What a message must have of its own to be private together with the one before it."""
_ASKS_NAMES: Final = regex.compile(
    r"\A\W*(?:(?:and|full|first|last|the)\s)*(?:names?|who)\b(?!.*\b(?:hero|story|character|file|function|book|band|city|film|dog|cat|robot|villain|variable)\b)",
    regex.I,
)
"""A question for persons that no list of questions has."""
_REQUEST: Final = regex.compile(
    r"[?？:：؟][^?？\n]{0,40}\Z|\b(?:please|enter|give|tell|provide|need|send|share|type|let me know|bitte|podaj|indiquez|donnez|indique|dime|geef|inserisca|укажите|напишите)\b|请|ください|주세요",
    regex.I,
)
"""A question or a request; a statement asks for nothing, whatever its words resemble."""
_LAST_SENTENCE: Final = regex.compile(
    r"[^.?!。？！\n]+[.?!。？！:：]*\s*\Z|[^.!。！\n]*[?？][^?？\n]{0,40}\Z"
)
_REST: Final = (
    r"(?:[ ][\p{L}']+){0,3}(?:,? (?:thanks|thank you|please|sorry|danke|merci|gracias))?\W*\Z"
)
_DECLINES: Final = regex.compile(
    rf"\W*(?:no|nope|none|nothing|skip|later|idk|i don'?t know|not sure|rather not|i'?d rather not|n/?a|never mind|nein|non|não|nee|nie|нет|hayır|لا|不|没有|いいえ|아니요)(?!\w){_REST}",
    regex.I,
)
_AGREES: Final = regex.compile(
    rf"\W*(?:yes|yeah|yep|ok|okay|sure|ja|oui|sí|si|sim|tak|да|evet|نعم|是|はい|네)(?!\w){_REST}",
    regex.I,
)


_WELLBEING: Final = regex.compile(
    r"\bhow(?:'s|'re| are| is| was| has)?\b[^?]*\b(?:you|your|it going|things|everything)\b|\b(?:on your mind|what(?:'s| is) up)\b"
    r"|\bwie geht\b|\bça va\b|\bcomment (?:allez|vas|te sens)\b|\bcómo (?:estás|está|te sientes)\b|\bcome (?:stai|va)\b|\bcomo (?:vai|está)\b"
    r"|\bhoe gaat\b|\bjak się (?:masz|czujesz)\b|как дела|как вы|你好吗|お元気|잘 지내|nasılsın|كيف حالك",
    regex.I,
)
"""Courtesy, to which anything may be said: "Depressed." is told all the same."""
_FILLS_IN: Final = frozenset(
    ["put", "use", "give", "make", "take", "fill", "provide", "create", "change", "add", "write"]
)
_ORDERS: Final = (listed("asks") | listed("tasks")) - listed("question_words") - _FILLS_IN
"""Verbs that open a new task; with one of `_FILLS_IN` a reply may say what is to be written."""
_OF_ONESELF: Final = regex.compile(r"\b(?:i|im|ive|my|mine|myself|we|our|us)\b", regex.I)
_HOLDS_VALUE: Final = regex.compile(r"\d|(?<!\A)\p{Lu}")


def declines(text: str) -> bool:
    """Return whether a reply says no."""
    return _DECLINES.match(text) is not None


def _last(before: Sequence[ChatMessage], role: str) -> str:
    """Return the message just before, if it is by `role`, or the one before that."""
    for message in reversed(before[-2:]):
        if message.role == role:
            return message.content
    return ""


def asked_for(text: str, names: Sequence[Name], before: Sequence[ChatMessage]) -> Iterator[Sign]:
    """Yield what a reply tells because the assistant asked for it."""
    if not before or before[-1].role != "assistant" or len(text) > 400:
        return
    question = _question(before[-1].content)
    lead = len(question) + 1
    for sign in hard_signs(f"{question} {text}"):
        if sign.start >= lead:
            yield Sign(sign.start - lead, sign.end - lead, sign.kind, sign.score)
    if _DECLINES.match(text) or asks(text):
        return
    kind = asked_kind(question) if _REQUEST.search(question) else "-"
    if kind == "-" and _ASKS_NAMES.match(question) and any(n.form == "given" for n in names):
        kind = _NAME
    if _AGREES.match(text) and kind not in MATTERS:
        return  # "Yes" is an answer only where the question has said it all.
    if _sets_new_task(text):
        return  # "How are you feeling today?" "Name three rivers."
    if kind != "-" and _answers(kind, text, names):
        yield Sign(0, len(text.rstrip()), kind, 0.8)


def answers_harmless_question(text: str, before: Sequence[ChatMessage]) -> bool:
    """Whether a few words reply to a question that asks for nothing of anybody's own."""
    if not before or before[-1].role != "assistant" or len(text.split()) > _FEW or len(text) > 30:
        return False
    question = _question(before[-1].content)
    if not question.endswith("?") or _WELLBEING.search(question):
        return False
    return asked_kind(question) == "-"


def _question(said: str) -> str:
    """Return the last sentence of what an assistant said."""
    asked = normalise(said).text.strip()
    found = _LAST_SENTENCE.search(asked)
    return (found[0] if found else asked)[-200:].strip()


def _sets_new_task(text: str) -> bool:
    """Whether a reply has the assistant do something, and tells nothing by which it answers."""
    words = text.lower().split()
    if len(words) < _FEW or words[0].strip(",.!") not in _ORDERS:
        return False
    return not (_OF_ONESELF.search(text) or _HOLDS_VALUE.search(text))


def _answers(kind: str, text: str, names: Sequence[Name]) -> bool:
    """Whether a reply holds something of the kind that was asked for."""
    if kind == "name":
        return (bool(names) and any(name.form != "public" for name in names)) or (
            len(text.split()) <= 3
            and not regex.search(r"\b(?:the|a|an|my|manager|team|anyone)\b", text, regex.I)
        )
    if kind in ("identity number", "birth date"):
        return bool(regex.search(r"\d", text))
    if kind == "money":
        return bool(regex.search(r"\d|thousand|grand|million|nothing", text))
    return bool(text.strip())


def private_together(text: str, before: Sequence[ChatMessage], *, alone: float) -> bool:
    """Whether a message is private only with the person's own last turn."""
    said = normalise(_last(before, "user")).text
    if not said or len(said) + len(text) > WINDOW or alone < _SHARE:
        return False
    return _likely(f"{said}\n{text}") >= KEEP > _likely(said)


def _likely(text: str) -> float:
    names = find_names(text)
    readings = encoder().read(text, names) if is_latin(text) else None
    return max(stretch.private for stretch in classify(text, names, readings))
