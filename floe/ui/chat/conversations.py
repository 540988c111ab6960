"""The conversation list: what it shows, and what is found in it."""

import time

from floe.chat.assistant import Assistant
from floe.records import Conversation
from floe.ui.page_values import ConversationListValue, SearchValue

_DAY = 86_400.0
_LENGTH = 200
"""Chats that are drawn at first: a browser takes a second for a thousand."""
_MOST_FOUND = 40
_MOST_PLACES = 100
"""Places of a chat that one can go to from the list of what was found."""


def conversation_list(
    assistant: Assistant, open_id: int | None, length: int = _LENGTH
) -> ConversationListValue:
    """Return the list, the most recently used first; `running` marks unfinished answers.

    `length`: so many of it, and of its archive; what is pinned or in a folder is always there.
    """
    listed, more, version = assistant.store.listed_conversations(length)
    return {
        "open": open_id,
        "rows": [
            {
                "id": each.id,
                "title": each.title or "New chat",
                "when": "Pinned" if each.pinned else age(each, time.time()),
                "running": assistant.running(each.id) is not None,
                "pinned": each.pinned,
                "archived": each.archived,
                "folder": each.folder,
            }
            for each in listed
        ],
        "more": more,
        "version": version,
    }


def age(conversation: Conversation, now: float) -> str:
    """Return the heading of a conversation: by local calendar days, not by 24 hours.

    An imported one stands under where it came from until it is used.
    """
    if conversation.untouched:
        return f"Imported from {conversation.source}" if conversation.source else "Imported"
    days = _day_number(now) - _day_number(conversation.updated_at)
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    return "Last 7 days" if days < 7 else "Earlier"


def find(assistant: Assistant, text: str) -> SearchValue:
    """Find the chats in which `text` occurs, for the list below the search box."""
    found = assistant.store.search_chats(text, limit=_MOST_FOUND + 1)
    return {
        "hits": [
            {
                "id": hit.conversation_id,
                "messages": list(hit.messages[:_MOST_PLACES]),
                "title": hit.title or "New chat",
                "snippet": hit.snippet,
            }
            for hit in found[:_MOST_FOUND]
        ],
        "more": len(found) > _MOST_FOUND,
    }


def _day_number(seconds: float) -> int:
    local = time.localtime(seconds)
    return int((seconds + local.tm_gmtoff) // _DAY)
