"""This device as a member of a group: rows of the chats that may be shared in this way.

Whatever is private stays out, whether or not anybody has looked at it before.
"""

from collections.abc import Sequence
from pathlib import Path

from floe.errors import FederationError
from floe.federation.group.history import History
from floe.federation.group.membership import GroupSettings
from floe.federation.simulation.simulated_device import MemberDevice, row_of
from floe.privacy.choices import own_words
from floe.privacy.consent import consent, may_federate
from floe.privacy.detector import Detector
from floe.privacy.wish import find_wish
from floe.records import ChatMessage
from floe.store import Store
from floe.training.data.dataset import LearningRow, Selection, build_dataset


def load_member_device(data_dir: Path) -> MemberDevice:
    """Build this device: rows of conversations that may be shared so, and nothing private.

    Raises:
        FederationError: it has left the group, or there is nothing to learn from.
        PrivacyError: nobody can tell what is private, so nothing is used.
    """
    store = Store(data_dir / "floe.db")
    group = next((f for f in History(store).all("joined") if f.status == "running"), None)
    if group is None:
        raise FederationError("this device has left the group")
    settings = GroupSettings.read(group.settings)
    general = consent(store)
    data = build_dataset(store, Selection(), lambda c: may_federate(general, c).yes)
    selection = Selection(without=_private_answers(store, data.used))
    data = build_dataset(store, selection, lambda c: may_federate(general, c).yes)
    rows = [(row_of(line), line["split"]) for line in data.lines()]
    train = tuple(row for row, split in rows if split == "train")
    held_out = tuple(row for row, split in rows if split == "held_out")
    if not train or not held_out:
        raise FederationError("there are too few answers that may be shared to learn from")
    return MemberDevice(
        name=settings.name,
        base=Path(settings.base),
        base_sha256=settings.base_sha256,
        rank=settings.rank,
        precision="bfloat16" if settings.precision == "bfloat16" else "float32",
        train=train,
        held_out=held_out,
        blur=settings.blur,
        home=(data_dir, group.id),
    )


def _private_answers(store: Store, rows: Sequence[LearningRow]) -> frozenset[int]:
    """Find answers in which, or in what they answer, something is private that nobody has found.

    What was found when a message was looked at leaves it out of the dataset itself. An answer that
    the cloud has not had was looked at as a model's, for what it holds of identifiers; an adapter
    that others get may not utter the person's matters either. So it is judged as their own words,
    and one that was for this device only stays out whatever it says.
    """
    with store.reading() as db:
        found = db.execute("SELECT content FROM messages WHERE private IS NOT NULL")
        looked_at = {content for (content,) in found}
    verdicts: dict[str, bool] = {}
    detector: Detector | None = None

    def is_private(message: ChatMessage, *, judged: bool) -> bool:
        nonlocal detector
        text = message.content
        if not text.strip() or (judged and text in looked_at):
            return False
        if text not in verdicts:
            if detector is None:
                detector = Detector(own_words(store))
                detector.load()
            wished = message.role == "user" and find_wish(text) is not None
            verdicts[text] = wished or detector.examine(text).private
        return verdicts[text]

    return frozenset(
        row.message_id
        for row in rows
        if row.disclosure == "kept"
        or any(is_private(message, judged=True) for message in (*row.system, *row.before))
        or is_private(ChatMessage("assistant", row.answer), judged=row.disclosure == "had")
    )
