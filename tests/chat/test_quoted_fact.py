"""A told fact is quoted where the answer's first sentence has nothing of it."""

import time
from collections.abc import Iterable, Sequence

import pytest

from floe.chat.quoted_fact import QuotedFact
from floe.memory.passages import MemoryPassage, SourceKind
from floe.records import TokenStep

BAKERY = "Help me name my bakery, it opens in Ghent next spring."
ASKED = "In which city does my bakery open?"
SAID_AT = time.mktime((2026, 5, 3, 12, 0, 0, 0, 0, -1))
QUOTED = f"You wrote on 3 May 2026: “{BAKERY}”"


def steps(text: str) -> list[TokenStep]:
    """Return a token for each word, the space before it included."""
    words = [f" {word}" if i else word for i, word in enumerate(text.split(" "))]
    return [
        TokenStep(i, word.encode(), 0.5, None, 0.5, 1.0, "local", float(i))
        for i, word in enumerate(words)
    ]


def quoted_fact(
    fact: str = BAKERY,
    question: str = ASKED,
    *,
    sure: bool = True,
    earlier: Iterable[str] = (),
    kind: SourceKind = "chat",
    stopped: bool = False,
    max_tokens: int | None = None,
) -> QuotedFact:
    passage = MemoryPassage(1, kind, "A chat", fact, SAID_AT, 1, sure=sure)
    return QuotedFact(
        [passage],
        question,
        earlier,
        list,
        lambda t: bytes([t]),
        lambda: stopped,
        max_tokens=max_tokens,
    )


def text_of(answer: Iterable[TokenStep]) -> str:
    return b"".join(step.text_bytes for step in answer).decode()


@pytest.mark.parametrize(
    ("fact", "question", "answer"),
    [
        (BAKERY, ASKED, "Your bakery opens in Ghent. It is a nice town."),
        (BAKERY, ASKED, "Of course! It opens in Ghent."),
        ("Our cat Biscuit is fourteen.", "How old is our cat?", "Your cat is 14 years old."),
        ("I'm allergic to wasps.", "Am I allergic to wasps?", "Yes, you are."),
        ("My wife and I met in Aberdeen.", "Where did I meet my wife?", "In Aberdeen"),
    ],
)
def test_an_answer_with_a_word_of_the_fact_stays(fact: str, question: str, answer: str) -> None:
    quoted = quoted_fact(fact, question)
    assert [*quoted.cut(steps(answer))] == steps(answer)
    assert not quoted.quoted


@pytest.mark.parametrize(
    "answer",
    ["In Utrecht.", "In which city does my bakery open?", "I do not know. It may be Ghent."],
)
def test_another_fact_an_echo_and_no_answer_give_way_to_a_quotation(answer: str) -> None:
    quoted = quoted_fact()
    assert text_of(quoted.cut(steps(answer))) == QUOTED
    assert quoted.quoted


def test_a_quotation_longer_than_the_answer_may_be_is_not_given() -> None:
    length = len(QUOTED.encode())  # a token a byte here
    assert text_of(quoted_fact(max_tokens=length).cut(steps("In Utrecht."))) == QUOTED
    assert text_of(quoted_fact(max_tokens=length - 1).cut(steps("In Utrecht."))) == "In Utrecht."


def test_words_of_the_system_prompt_tell_nothing() -> None:
    told = "You are a helpful assistant."
    passage = MemoryPassage(1, "chat", "A chat", BAKERY, SAID_AT, 1, sure=True)
    answer = steps("You're a helpful assistant.")
    quoted = QuotedFact([passage], ASKED, [told], list, lambda t: bytes([t]), system=told)
    assert text_of(quoted.cut(answer)) == QUOTED


def test_nothing_is_shown_that_is_taken_back_and_nothing_is_read_beyond() -> None:
    read: list[int] = []

    def run(answer: Sequence[TokenStep]) -> Iterable[TokenStep]:
        for step in answer:
            read.append(step.token_id)
            yield step

    quoted = quoted_fact()
    answer = steps(f"In Utrecht. {'It is a large town. ' * 9}")
    assert text_of(quoted.cut(run(answer))) == QUOTED
    assert len(read) == 3
    read.clear()
    shown = iter(quoted_fact().cut(run(steps("It opens in Ghent and so on"))))
    assert next(shown).text_bytes == b"It"
    assert len(read) == 4  # as soon as a word of it is there, all goes on as it comes


def test_a_name_with_a_point_does_not_end_the_sentence() -> None:
    answer = steps("Your dentist is Dr. Okafor.")
    quoted = quoted_fact("I see Dr. Okafor for my teeth.", "Who is my dentist?")
    assert [*quoted.cut(answer)] == answer


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ("In Utrecht.", {"sure": False}),
        (
            "Too little yeast.",
            {"fact": "My bread did not rise.", "question": "Why is my bread so?"},
        ),
        ("In Bruges.", {"earlier": ["I moved my bakery to Bruges."]}),
        ("In Utrecht", {"stopped": True}),
        ("", {"stopped": True}),
    ],
)
def test_what_is_not_sure_told_here_or_stopped_is_not_quoted(
    answer: str, options: dict[str, object]
) -> None:
    quoted = quoted_fact(**options)  # type: ignore[arg-type]
    assert [*quoted.cut(steps(answer))] == steps(answer)


@pytest.mark.parametrize(
    ("question", "kind", "quotation"),
    [
        ("Wann zieht mein Bruder ein?", "chat", "Du hast am 3.5.2026 geschrieben: „Er kommt.“"),
        ("Quand vient mon frère ?", "chat", "Tu as écrit le 3/5/2026 : « Er kommt. »"),
        ("¿Cuándo viene mi hermano?", "chat", "Escribiste el 3/5/2026: «Er kommt.»"),
        ("When does my brother come?", "note", "Your notes say: “Er kommt.”"),
        ("Wann ist mein Bruder da?", "note", "In deinen Notizen steht: „Er kommt.“"),
    ],
)
def test_a_quotation_is_introduced_in_the_language_of_the_question(
    question: str, kind: SourceKind, quotation: str
) -> None:
    quoted = quoted_fact("Er kommt.", question, kind=kind)
    assert text_of(quoted.cut(steps("No."))) == quotation
