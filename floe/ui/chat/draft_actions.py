"""What was typed while the app could not be reached: a tab brings it along as it opens again."""

from contextlib import suppress

from floe.chat.drafts import Drafts
from floe.errors import StoreError
from floe.store import Store
from floe.ui.page_events import UnsavedDraft


def keep_unsaved(store: Store, drafts: Drafts, unsaved: UnsavedDraft | None) -> None:
    """Keep a draft of a page that was opened again, unless it has been sent or its chat is gone."""
    if unsaved is None:
        return
    with suppress(StoreError):
        chat = unsaved.chat
        if chat is None:  # sent, it would be the beginning of the newest one
            newest = max(store.conversations(), key=lambda each: each.updated_at, default=None)
            chat = newest.id if newest else None
        said = store.open_conversation(chat) if chat is not None else []
        asked = [message.content for message in said if message.role == "user"]
        if not asked or asked[-1].strip() != unsaved.text.strip():
            drafts.keep(unsaved.chat, unsaved.text)
            drafts.save()
