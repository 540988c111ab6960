"""Answers to one question, side by side: what the page is sent of them."""

from collections.abc import Sequence
from typing import Final, TypedDict

from floe.chat.turn import TurnView
from floe.jobs.comparison_job import BOTH, CLOUD, DEVICE
from floe.records import Message, Mode
from floe.ui.chat.answer_figures import live_figures
from floe.ui.chat.markdown import render_message
from floe.ui.chat.thread import ThreadRow, draw_row
from floe.ui.page_values import FigureValue

_TITLES: Final[dict[Mode, str]] = {"local": DEVICE, "fused": BOTH, "cloud": CLOUD}


class ComparedAnswer(TypedDict):
    """A column: an answer, its heading and its figures; `empty`: there is nothing to go on with."""

    title: str
    row: ThreadRow
    figures: list[FigureValue]
    empty: bool


class ComparisonValue(TypedDict):
    """All answers to a question; `waiting` are headings of those that have not been begun."""

    question: int
    blocks: list[str]
    answers: list[ComparedAnswer]
    waiting: list[str]
    running: bool
    problem: str


def compare_answers(
    question: Message,
    answers: Sequence[Message],
    live: TurnView | None,
    *,
    waiting: Sequence[str] = (),
    problem: str = "",
    ahead: int = 0,
) -> ComparisonValue:
    """Draw the answers to a question.

    Args:
        question: the person's message.
        answers: all that are kept, the oldest first.
        live: the one that is being written, as far as it is.
        waiting: headings of those that are still to come.
        problem: why they did not all come.
        ahead: so many other answers are written before the one of `live`.
    """
    columns = [
        _column(each, live if live and live.message_id == each.id else None, ahead)
        for each in answers
    ]
    return ComparisonValue(
        question=question.id,
        blocks=list(render_message(question.words)),
        answers=columns,
        waiting=list(waiting),
        running=bool(waiting) or any(each["row"]["live"] for each in columns),
        problem=problem,
    )


def _column(answer: Message, live: TurnView | None, ahead: int) -> ComparedAnswer:
    stats = live.stats if live else answer.stats
    route = live.route if live else answer.route
    kept = stats.column if stats else ""
    usual = _TITLES[route.kind] if route else "An answer"
    return ComparedAnswer(
        title="Your own words" if answer.edited_from is not None else kept or usual,
        row=draw_row(answer, live, ahead=ahead if live else 0),
        figures=live_figures(stats),
        empty=not (live.text if live else answer.content).strip(),
    )
