"""What may be used for training and for federation: asked once, changed for each conversation.

Knows nothing of what training or federation do with it. Private messages are left out by those
who build the rows (`Message.private`), whatever is allowed here.
"""

from dataclasses import dataclass
from typing import Final

from floe.errors import StoreError
from floe.records import Conversation
from floe.store import Store
from floe.store.schema import GONE

_TRAIN: Final = "consent_train"
_FEDERATE: Final = "consent_federate"


@dataclass(frozen=True, slots=True)
class Consent:
    """The person's general answer; None: not asked yet, which allows nothing."""

    train: bool | None = None
    federate: bool | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether a conversation may be used, and the reason in plain words."""

    yes: bool
    reason: str


def consent(store: Store) -> Consent:
    """Return what the person has answered so far."""
    return Consent(_said(store.setting(_TRAIN, None)), _said(store.setting(_FEDERATE, None)))


def _said(kept: object) -> bool | None:
    """Only a true "yes" is one: anything else that stands in the store allows nothing."""
    return kept if isinstance(kept, bool) else None


def give_consent(store: Store, answer: Consent) -> None:
    """Keep the answer; it applies wherever a conversation says nothing of its own."""
    store.set_setting(_TRAIN, answer.train)
    store.set_setting(_FEDERATE, answer.federate)


def set_conversation_consent(
    store: Store, conversation_id: int, *, train: bool | None, federate: bool | None
) -> None:
    """Keep what one conversation says of its own; None: as the general answer.

    Raises:
        StoreError: it has been deleted, or cannot be written.
    """
    with store.writing() as db:
        rows = db.execute(
            "UPDATE conversations SET train = ?, federate = ? WHERE id = ? RETURNING id",
            [_number(train), _number(federate), conversation_id],
        ).fetchall()
    if not rows:
        raise StoreError(GONE)


def may_train(general: Consent, conversation: Conversation) -> Allowed:
    """Whether adapters on this device may learn from the conversation.

    One that is kept local may: training does not leave the device.
    """
    return _allowed(general.train, conversation.train, "training")


def may_federate(general: Consent, conversation: Conversation) -> Allowed:
    """Whether an adapter that is shared with a group may learn from the conversation.

    It leaves the device in the end, and it is trained: one that is kept local, or not for
    training, is out.
    """
    if conversation.local_only:
        return Allowed(False, "this conversation is kept on this device")
    trained = may_train(general, conversation)
    if not trained.yes:
        return trained
    return _allowed(general.federate, conversation.federate, "federation")


def _allowed(general: bool | None, own: bool | None, purpose: str) -> Allowed:
    if own is not None:
        return Allowed(own, f"you {'allowed' if own else 'ruled out'} {purpose} for this one")
    if general is None:
        return Allowed(False, f"you have not been asked about {purpose} yet")
    return Allowed(general, f"you {'allowed' if general else 'ruled out'} {purpose} in general")


def _number(answer: bool | None) -> int | None:
    return None if answer is None else int(answer)
