"""The figures of past answers, in the order in which they were written."""

import json
from dataclasses import dataclass
from typing import Any, Final

from floe.records import AnswerStats, Mode
from floe.store.store import Store

_NEWEST: Final = """
    SELECT created_at, json_extract(route, '$[0]'), stats FROM messages
    WHERE role = 'assistant' AND stats IS NOT NULL AND route IS NOT NULL
        AND status <> 'streaming' AND json_extract(stats, '$.tokens') > 0
    ORDER BY id DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """The cost of an answer: when it was begun (seconds, UTC), who might answer, its figures."""

    at: float
    route: Mode
    stats: AnswerStats


def past_answers(store: Store, limit: int) -> list[PastAnswer]:
    """Return the newest answers that have any tokens, the oldest of them first."""
    with store.reading() as db:
        rows: list[tuple[Any, ...]] = db.execute(_NEWEST, [limit]).fetchall()
    return [
        PastAnswer(at, route, AnswerStats(**json.loads(stats)))
        for at, route, stats in reversed(rows)
    ]
