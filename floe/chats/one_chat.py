"""One conversation as a file for people or for programs: the branch in view, word for word.

But for images in Markdown: a file that is opened asks no server for anything.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from floe.chats.quiet_markdown import without_remote_loads
from floe.records import Conversation, Message
from floe.store.text import one_line

ChatFileKind = Literal["markdown", "json"]

_SUFFIXES: Final[dict[ChatFileKind, str]] = {"markdown": "md", "json": "json"}
_WRITERS: Final = {"user": "You", "assistant": "Floe", "system": "System"}
_LONGEST_NAME: Final = 60


def chat_file(
    kind: ChatFileKind, conversation: Conversation, messages: Sequence[Message]
) -> tuple[str, bytes]:
    """Return name and content of the file; `messages` are the branch in view, root first."""
    title = one_line(conversation.title) or "New chat"
    written = _markdown if kind == "markdown" else _json
    stem = re.sub(r"[^\w-]+", "-", title)[:_LONGEST_NAME].strip("-") or "chat"
    return f"{stem}.{_SUFFIXES[kind]}", written(title, conversation, messages).encode()


def _markdown(title: str, conversation: Conversation, messages: Sequence[Message]) -> str:
    began = datetime.fromtimestamp(conversation.created_at).strftime("%Y-%m-%d %H:%M")
    parts = [f"# {title}", f"*{began}*"]
    for message in messages:
        parts += [f"**{_WRITERS[message.role]}**", message.content]
    return without_remote_loads("\n\n".join(parts)) + "\n"


def _json(title: str, conversation: Conversation, messages: Sequence[Message]) -> str:
    record = {
        "title": title,
        "created_at": _moment(conversation.created_at),
        "messages": [
            {
                "role": message.role,
                "content": message.content,
                "created_at": _moment(message.created_at),
                "status": message.status,
                "answered_by": message.route.kind
                if message.route and message.role == "assistant"
                else None,
            }
            for message in messages
        ],
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
