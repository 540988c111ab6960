"""The local model's prompt with own words in it.

What was told stands in the last message, before the question, and not at the beginning: what the
model has evaluated of the system prompt and of earlier turns then stays as it is. In the next turn
the question stands there without it, so only the last turn is evaluated again. Examples of how the
person writes stay the same for a chat, so they are its first turns.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from floe.memory.passages import MemoryPassage
from floe.memory.question_forms import asks_for_told_fact, language_of_question
from floe.records import ChatMessage

BUDGET: Final = 400
"""Tokens of own words in a prompt, where there is room."""
MOST: Final = 5
"""Passages; a small model loses its way among more."""
_LEAST: Final = 40
"""Tokens below which nothing is worth it."""
EXAMPLES: Final = 2
"""Examples of how the person writes in a prompt."""
EXAMPLE_BUDGET: Final = 400
"""Tokens of them."""
_BEFORE: Final = "What I told you before:\n"
_AFTER: Final = "\n\nUse this if it helps to answer. "
_FROM_IT: Final = "\n\nAnswer from what I told you, in one sentence: "
"""Before a question that asks for what was told: else a small model talks in general words."""
_WROTE: Final = {
    "": "You wrote on {day} {month} {year}: \u201c{text}\u201d",
    "de": "Du hast am {day}.{number}.{year} geschrieben: \u201e{text}\u201c",
    "fr": "Tu as écrit le {day}/{number}/{year} : « {text} »",
    "es": "Escribiste el {day}/{number}/{year}: «{text}»",
}
_NOTED: Final = {
    "": "Your notes say: \u201c{text}\u201d",
    "de": "In deinen Notizen steht: \u201e{text}\u201c",
    "fr": "Tes notes disent : « {text} »",
    "es": "Tus notas dicen: «{text}»",
}

NEAREST_FACTS: Final = 2
"""Told facts that are quoted where none of them is what a question asks for."""
_NEAREST: Final = {
    "": "I find no plain answer to that in what you have told me. Nearest to it:",
    "de": "Darauf finde ich in dem, was du mir erzählt hast, keine klare Antwort. Am nächsten ist:",
    "fr": "Je ne trouve pas de réponse claire dans ce que tu m'as dit. Le plus proche :",
    "es": "No encuentro una respuesta clara en lo que me has contado. Lo más cercano:",
}
_NOTHING: Final = {
    "": "I find nothing about that in what you have told me.",
    "de": "Dazu finde ich nichts in dem, was du mir erzählt hast.",
    "fr": "Je ne trouve rien à ce sujet dans ce que tu m'as dit.",
    "es": "No encuentro nada sobre eso en lo que me has contado.",
}


def fitting_passages(
    passages: Sequence[MemoryPassage], room: int, count_tokens: Callable[[str], int]
) -> list[MemoryPassage]:
    """Choose the first passages that fit together into `room` tokens and the budget."""
    room = min(room, BUDGET)
    if room < _LEAST:
        return []
    left = room - count_tokens(_BEFORE + _AFTER)
    chosen: list[MemoryPassage] = []
    for passage in passages:
        cost = count_tokens(_line(passage))
        if cost <= left and len(chosen) < MOST:
            chosen.append(passage)
            left -= cost
    return chosen


def fitting_examples(
    costs: Sequence[int], room: int, budget: int = EXAMPLE_BUDGET, most: int = EXAMPLES
) -> list[int]:
    """Choose examples, by place: the first ones that fit into the budget.

    None if what is chosen does not fit into `room` beside a whole budget of other passages: these
    hang on the question, and examples do not come and go with them.

    Args:
        costs: tokens of each example, the best one first.
        room: tokens that are free in the prompt.
        budget: tokens of all examples.
        most: how many examples.
    """
    chosen: list[int] = []
    left = budget
    for place, cost in enumerate(costs):
        if len(chosen) < most and cost <= left:
            chosen.append(place)
            left -= cost
    return chosen if budget - left <= room - BUDGET else []


def chat_with_examples(
    chat: Sequence[ChatMessage], examples: Sequence[tuple[str, str]]
) -> list[ChatMessage]:
    """Put examples before a chat as turns of it, after its system message; the best one last.

    Args:
        chat: a system message, then the turns.
        examples: question and answer, the best one first.
    """
    system = [each for each in chat[:1] if each.role == "system"]
    turns = [
        message
        for question, answer in reversed(examples)
        for message in (ChatMessage("user", question), ChatMessage("assistant", answer))
    ]
    return [*system, *turns, *chat[len(system) :]]


def question_with_memory(question: str, passages: Sequence[MemoryPassage]) -> str:
    """Write a question with the passages before it, the best one last: nearest to the question."""
    lines = "".join(_line(each) for each in reversed(passages))
    after = _FROM_IT if asks_for_told_fact(question) else _AFTER
    return f"{_BEFORE}{lines.rstrip()}{after}{question}"


def quotation(question: str, passage: MemoryPassage) -> str:
    """Answer a question for a told fact with what was told, word for word, and when."""
    forms = _WROTE if passage.kind == "chat" else _NOTED
    said = datetime.fromtimestamp(passage.said_at)
    return forms[language_of_question(question)].format(
        day=said.day,
        month=said.strftime("%B"),
        number=said.month,
        year=said.year,
        text=" ".join(passage.read.split()),
    )


def untold_answer(question: str, nearest: Sequence[MemoryPassage]) -> str:
    """Say that what a question asks for is not plainly told, and what comes nearest to it."""
    language = language_of_question(question)
    if not nearest:
        return _NOTHING[language]
    quoted = "".join(f"\n- {quotation(question, each)}" for each in nearest)
    return f"{_NEAREST[language]}\n{quoted}"


def _line(passage: MemoryPassage) -> str:
    return f"- {' '.join(passage.read.split())}\n"
