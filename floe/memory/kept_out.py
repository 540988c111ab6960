"""Which words of earlier chats memory leaves alone: one rule, however they are found."""

import json
from collections.abc import Collection
from typing import Final

from floe.privacy.gate import WISH

LATER_VERSION: Final = """
    SELECT 1 FROM messages later WHERE later.conversation_id = m.conversation_id
    AND later.parent_id IS m.parent_id AND later.role = m.role AND later.id > m.id
    UNION ALL
    SELECT 1 FROM messages answer
    JOIN messages said ON said.id = answer.parent_id AND said.role = 'user'
    JOIN messages later ON later.conversation_id = said.conversation_id
    AND later.parent_id IS said.parent_id AND later.role = 'user' AND later.id > said.id
    WHERE answer.id = m.parent_id AND m.role = 'user'
"""
"""A row for a message `m` that was written anew since, or that goes on from one that was: what was
said before is told no more, and a short reply is kept with what it goes on from."""


def is_kept_out(
    conversation: int | None, train: int | None, private: str | None, without: Collection[int]
) -> bool:
    """Return whether a passage is kept out of all chats but its own.

    Args:
        conversation: where it was said; None: nowhere, as a note.
        train: 0 where nothing may be learnt from that conversation.
        private: kinds of private matters in its message, as JSON.
        without: conversations that the person keeps out.
    """
    return conversation in without or train == 0 or bool(private and WISH in json.loads(private))
