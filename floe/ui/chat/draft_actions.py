"""Messages that are begun: told as they are typed, or brought along by a page that opens again."""

from contextlib import suppress
from typing import Final

from floe.chat.drafts import Drafts
from floe.errors import StoreError
from floe.store import Store
from floe.ui.chat.session import Session
from floe.ui.page_events import DraftAsked, UnsavedDraft

LONGEST_DRAFT: Final = 200_000
"""Characters; what is longer is not kept with each key."""


def keep_draft(store: Store, drafts: Drafts, session: Session, asked: DraftAsked) -> None:
    """Keep what is being typed for the conversation in which it was, unless that is gone."""
    # At one go: what is sent while this looks for the chat would be a draft again after it.
    with session.lock, suppress(StoreError):
        # What was told late of a message that has been sent meanwhile is no draft any more.
        late = asked.text and session.sent.startswith(asked.text)
        if late or len(asked.text) > LONGEST_DRAFT:
            return
        if asked.chat is not None:
            store.conversation(asked.chat)  # of one that is gone nothing is kept
        session.sent = ""
        session.told.add(asked.chat)
        drafts.keep(asked.chat, asked.text)


def keep_unsaved(store: Store, drafts: Drafts, unsaved: UnsavedDraft | None) -> bool:
    """Keep what was typed while the app could not be reached, unless it has been sent.

    Returns:
        Whether the page may forget it; else it brings it along again.
    """
    if unsaved is None:
        return True
    try:
        chat = unsaved.chat
        if chat is None:  # sent, it would be the beginning of the newest one
            newest = max(store.conversations(), key=lambda each: each.updated_at, default=None)
            chat = newest.id if newest else None
        said = store.open_conversation(chat) if chat is not None else []
        asked = [message.content for message in said if message.role == "user"]
        if not asked or asked[-1].strip() != unsaved.text.strip():
            drafts.keep(unsaved.chat, unsaved.text)
            drafts.save()
    except StoreError:
        return False
    return True
