"""This device as a member of a group: rows of the chats that may be shared in this way.

Whatever is private stays out, whether or not anybody has looked at it before.
"""

import hashlib
from pathlib import Path

from floe.errors import FederationError
from floe.federation.group.history import History
from floe.federation.group.membership import GroupSettings
from floe.federation.simulation.simulated_device import MemberDevice, row_of
from floe.privacy.choices import own_words
from floe.privacy.consent import consent, may_federate
from floe.privacy.detector import Detector
from floe.store import Store
from floe.training.data.dataset import Selection, build_dataset


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
    selection = Selection(without=_private_answers(store))
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


def _private_answers(store: Store) -> frozenset[int]:
    """Answers nobody has looked at yet in which, or in whose question, something is private.

    Those that were looked at are left out by the dataset itself.
    """
    with store.reading() as db:
        rows = db.execute(
            "SELECT a.id, a.content, q.content FROM messages a LEFT JOIN messages q"
            " ON q.id = a.parent_id WHERE a.role = 'assistant'"
            " AND (a.private IS NULL OR (q.id IS NOT NULL AND q.private IS NULL))"
        ).fetchall()
    if not rows:
        return frozenset()
    detector = Detector(own_words(store))
    detector.load()
    verdicts: dict[str, bool] = {}

    def private(text: str) -> bool:
        key = hashlib.sha256(text.encode()).hexdigest()
        if key not in verdicts:
            verdicts[key] = detector.examine(text).private
        return verdicts[key]

    return frozenset(
        row[0] for row in rows if any(private(text) for text in row[1:] if text and text.strip())
    )
