"""What the tests of the store fill it with, and a look into the file past it."""

import sqlite3
from pathlib import Path
from typing import Any

from floe.records import Alternative, Message, TokenStep
from floe.store import Store

STEP = TokenStep(
    token_id=7,
    text_bytes=b" caf\xc3",  # half of an e with an acute accent
    p_local=0.1,
    p_cloud=1 / 3,
    p_fused=2e-308,
    weight=0.6,
    source="fused",
    at_ms=12.5,
    alternatives=(
        Alternative(b"\xff\x00\"'\\\n", 0.1 + 0.2, None, 0.25),
        Alternative(b" the", None, 1.0, 0.0),
    ),
)


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What is in the file, past the store."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(sql)
    finally:
        connection.close()


def chat(store: Store, *texts: str) -> list[Message]:
    """A new conversation of one branch, user and assistant in turn."""
    conversation = store.create_conversation()
    messages: list[Message] = []
    for place, text in enumerate(texts):
        parent = messages[-1].id if messages else None
        role = "assistant" if place % 2 else "user"
        messages.append(store.add_message(conversation.id, parent, role, text))  # type: ignore[arg-type]
    return messages


def streaming(store: Store) -> Message:
    """An answer under way."""
    (question,) = chat(store, "why?")
    return store.add_message(
        question.conversation_id, question.id, "assistant", "", status="streaming"
    )


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]
