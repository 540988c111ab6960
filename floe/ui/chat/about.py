"""The line above the chat in view: its title, whether it stays here, what it may be used for."""

from floe.privacy.consent import consent, set_conversation_consent
from floe.records import Conversation
from floe.store import Store
from floe.ui.page_values import AboutValue


def about_value(
    conversation: Conversation | None, store: Store, *, keep_here: bool = False
) -> AboutValue:
    """Return the value of the line above the chat (None: a new one, to be kept here or not)."""
    general = consent(store)
    return {
        "conversation": conversation.id if conversation else None,
        "title": (conversation.title if conversation else "") or "New chat",
        "local_only": conversation.local_only if conversation else keep_here,
        "train": conversation.train if conversation else None,
        "federate": conversation.federate if conversation else None,
        "general": {"train": general.train, "federate": general.federate},
    }


def set_chat_consent(store: Store, conversation_id: int, use: str, allowed: bool | None) -> None:
    """Keep what this chat says of its own about "train" or "federate"; None: as in general."""
    now = store.conversation(conversation_id)
    said = {"train": now.train, "federate": now.federate} | {use: allowed}
    set_conversation_consent(store, conversation_id, **said)
