"""Which words of earlier chats memory leaves alone: one rule, however they are found."""

import json
from collections.abc import Collection
from typing import Final

from floe.privacy.gate import WISH

LATER_VERSION: Final = """
    SELECT 1 FROM messages later WHERE later.conversation_id = m.conversation_id
    AND later.parent_id IS m.parent_id AND later.role = m.role AND later.id > m.id
"""
"""A row for a message `m` that was written anew since: what it said before is told no more."""


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
