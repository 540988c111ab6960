"""Records as rows of the database and back."""

import json
from typing import Any

from floe.records import (
    Alternative,
    AnswerStats,
    Attachment,
    Conversation,
    Message,
    Route,
    TokenStep,
)


def message_of(row: tuple[Any, ...]) -> Message:
    """Read a row of the store's message query."""
    route, stats, notices, rating, edited_from, private, learn, files, siblings = row[7:]
    if route is not None:
        kind, reason, spans, *unsure = json.loads(route)
        found = tuple((start, end, name) for start, end, name in spans)
        route = Route(kind, reason, found, bool(unsure and unsure[0]))
    if stats is not None:
        stats = AnswerStats(**json.loads(stats))
    looked = tuple(json.loads(private)) if private is not None else None
    values = [*row[:7], route, stats, tuple(json.loads(notices)), rating, edited_from, looked]
    attached = tuple(Attachment(*each) for each in json.loads(files))
    values += [tuple(json.loads(siblings)), bool(learn), attached]
    return Message(*values)


def conversation_of(row: tuple[Any, ...]) -> Conversation:
    """Read a row of the store's conversation query."""
    local_only, train, federate, source, untouched, pinned, archived, folder = row[5:]
    values = [*row[:5], bool(local_only), _maybe(train), _maybe(federate), source]
    values += [*map(bool, (untouched, pinned, archived)), folder]
    return Conversation(*values)


def _maybe(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def route_json(route: Route | None) -> str | None:
    """Write a route as it is kept."""
    return json.dumps([route.kind, route.reason, route.spans, route.unsure]) if route else None


def token_row(step: TokenStep) -> tuple[Any, ...]:
    """Return the columns of `tokens` but the first two.

    Alternatives as JSON with a byte a character: half the size of base64 for most tokens.
    """
    alternatives = [
        (other.text_bytes.decode("latin-1"), other.p_local, other.p_cloud, other.p_fused)
        for other in step.alternatives
    ]
    return (
        step.token_id,
        step.text_bytes,
        step.p_local,
        step.p_cloud,
        step.p_fused,
        step.weight,
        step.source,
        step.at_ms,
        json.dumps(alternatives, ensure_ascii=False, separators=(",", ":")),
    )


def token_step_of(row: tuple[Any, ...]) -> TokenStep:
    """Read a row as `token_row` writes it."""
    alternatives = tuple(
        Alternative(text.encode("latin-1"), p_local, p_cloud, p_fused)
        for text, p_local, p_cloud, p_fused in json.loads(row[8])
    )
    values = [*row[:8], alternatives]
    return TokenStep(*values)
