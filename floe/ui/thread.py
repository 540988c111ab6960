"""A conversation as the page draws it: texts for the chatbot, facts for what stands around them.

Texts are markdown with formulas. HTML in them is shown as it was written, never rendered, so
that neither a question about `<div>` nor an answer in HTML loses a word.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, TypedDict

from floe.privacy.gate import CHOSEN, KEPT
from floe.records import Message, Mode, Route, Status
from floe.turn import TurnView
from floe.ui.figures import ENDED, summary

DELIMITERS: Final[list[dict[str, str | bool]]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": r"\[", "right": r"\]", "display": True},
    {"left": r"\(", "right": r"\)", "display": False},
]
"""What opens a formula. A single `$` is money more often than not; see `markdown`."""

WAITING: Final = "\u200b"
"""Stands for an answer without a token yet: the chatbot leaves out an empty message."""

_LITERAL = re.compile(
    r"(?P<fence>^ {0,3}(?P<tick>```+|~~~+).*?(?:^ {0,3}(?P=tick)[`~]*[ \t]*$|\Z))"
    r"|(?P<code>(?P<run>`+)(?!`).+?(?<!`)(?P=run)(?!`))"
    r"|(?P<math>\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\))",
    re.DOTALL | re.MULTILINE,
)
"""What markdown takes as it stands: code blocks (one may still be open), code, formulas."""

_PROSE = re.compile(
    r"(?<![\\$\w])\$(?![\s$])(?P<math>[^$\n]{1,300}?)(?<![\s\\])\$(?![\d$])|<(?=[A-Za-z/!?])|!(?=\[)"
)
"""`$x$` by Pandoc's rule (no space inside the dollars, no digit after), starts of tags, and
images, which would be fetched from elsewhere."""

_ENTITY: Final = {"<": "&lt;", "!": "&#33;"}


class Entry(TypedDict):
    """A message of the chatbot."""

    role: str
    content: str


def markdown(text: str) -> str:
    """Make a text safe and ready for the chatbot's markdown: HTML shown, `$x$` a formula."""
    parts, end = [], 0
    for found in _LITERAL.finditer(text):
        parts += [_prose(text[end : found.start()]), found.group()]
        end = found.end()
    parts.append(_prose(text[end:]))
    return "".join(parts)


def history(messages: Sequence[Message]) -> list[Entry]:
    """The chatbot's value."""
    return [entry(message.role, message.content) for message in messages]


def entry(role: str, content: str) -> Entry:
    """One message of it."""
    return {"role": role, "content": markdown(content) or WAITING}


def facts(
    conversation_id: int | None,
    messages: Sequence[Message],
    live: TurnView | None = None,
    *,
    focus: int | None = None,
) -> dict[str, Any]:
    """What stands around the messages: branches, figures, notices, what is still written.

    `live` replaces what the store knows of the answer in the making; `focus` is the message to
    scroll to.
    """
    routes = [
        live.route if live and live.message_id == message.id else message.route
        for message in messages
    ]
    return {
        "conversation": conversation_id,
        "focus": focus,
        "messages": [
            _around(
                message,
                live if live and live.message_id == message.id else None,
                routes[place],
                chip(routes[place + 1]) if place + 1 < len(messages) else None,
            )
            for place, message in enumerate(messages)
        ],
    }


def chip(route: Route | None) -> dict[str, Any] | None:
    """What was decided about a question, where that needs saying; `spans` are what decided it."""
    if route is None or route.reason == CHOSEN:
        return None
    kept = route.kind == "local" and KEPT in route.reason
    if not kept and not route.spans:
        return None
    return {"kept": kept, "reason": route.reason, "spans": route.spans}


def _around(
    message: Message,
    live: TurnView | None,
    route: Route | None,
    decided: dict[str, Any] | None,
) -> dict[str, Any]:
    status: Status = live.status if live else message.status
    stats = live.stats if live else message.stats
    notices = list(live.notices if live else message.notices)
    ended = ENDED[status]
    asked = message.role == "user"
    return {
        "id": message.id,
        "role": message.role,
        "siblings": list(message.siblings),
        "live": status == "streaming",
        "notices": notices + ([ended] if ended and ended not in notices else []),
        "rating": message.rating,
        "rewritten": message.edited_from is not None,
        "chip": decided if asked else None,
        "route": _route(route.kind) if route else "",
        "reason": route.reason if route else "",
        "summary": "" if status == "streaming" else summary(stats),
    }


def _route(kind: Mode) -> str:
    return {"local": "this device only", "fused": "device and cloud", "cloud": "cloud only"}[kind]


def _prose(text: str) -> str:
    return _PROSE.sub(
        lambda found: rf"\({found['math']}\)" if found["math"] else _ENTITY[found[0]], text
    )
