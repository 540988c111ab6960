"""Choices of what to learn from, kept in the store, and the rows that follow from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Self
from weakref import WeakKeyDictionary

from pydantic import Field

from floe.kept_records import RowId, load_record
from floe.privacy import choices
from floe.privacy.consent import consent, may_train
from floe.store import Store
from floe.training.data.dataset import Dataset, LearningRow, Selection, build_dataset

KEY: Final = "personalise"


@dataclass(frozen=True, slots=True)
class LearningChoices:
    """The person's choice of what to learn from, and how, apart from consent.

    `except_chats`: conversations left out; `without`: answers left out, by message id.
    `memory_mb` (10^6 bytes) and `deadline_s` limit a plan; None: as the device allows.
    `afresh`: do not go on from the adapter in use. `ask_cloud`: fit the weight on answers kept
    aside, about which the cloud is asked.
    """

    except_chats: tuple[RowId, ...] = ()
    without: tuple[RowId, ...] = ()
    with_private: bool = False
    memory_mb: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    deadline_s: Annotated[int, Field(ge=1, le=10_000_000)] | None = 60
    afresh: bool = False
    ask_cloud: bool = False

    @classmethod
    def load(cls, store: Store, **changes: Any) -> Self:
        """Load the kept choices, with some changes that are not kept.

        Raises:
            PageError: a change holds what it cannot.
        """
        return load_record(cls, store.setting(KEY, {}), changes)

    @classmethod
    def update(cls, store: Store, **changes: Any) -> Self:
        """Change some fields, and keep all."""
        changed = cls.load(store, **changes)
        store.set_setting(KEY, asdict(changed))
        return changed


def toggled(ids: Sequence[int], one: int, present: bool) -> tuple[int, ...]:
    """Return the ids with or without this one."""
    return tuple(sorted({*ids, one} if present else {*ids} - {one}))


_LATEST: Final[WeakKeyDictionary[Store, tuple[tuple[Any, ...], Dataset]]] = WeakKeyDictionary()
"""The rows of each store as they were last looked at, by what they followed from."""


def chosen_dataset(store: Store, system_prompt: str, **changes: Any) -> Dataset:
    """Return the rows as chosen, with changes that are not kept, each in or out with its reason.

    As long as nothing is written to the store, they stay the same. `system_prompt`: of the
    settings; the rows have what the chat makes of it.
    """
    # Read before the rows: what is written meanwhile makes the next look a new one.
    key = (store.data_version(), system_prompt, tuple(sorted(changes.items())))
    latest = _LATEST.get(store)
    if latest is None or latest[0] != key:
        latest = _LATEST[store] = key, _choose(store, system_prompt, changes)
    return latest[1]


def _choose(store: Store, system_prompt: str, changes: dict[str, Any]) -> Dataset:
    return _dataset_of(store, system_prompt, changes, [c.id for c in store.conversations(10**9)])


def chosen_rows(
    store: Store, system_prompt: str, conversations: Sequence[int]
) -> tuple[LearningRow, ...]:
    """Return the rows of these conversations that may be learnt from, as chosen."""
    return _dataset_of(store, system_prompt, {}, conversations).used


def _dataset_of(
    store: Store, system_prompt: str, changes: dict[str, Any], conversations: Sequence[int]
) -> Dataset:
    kept = LearningChoices.load(store, **changes)
    chosen = [each for each in conversations if each not in kept.except_chats]
    general = consent(store)
    return build_dataset(
        store,
        Selection(
            conversations=tuple(chosen),
            without=frozenset(kept.without),
            with_private=kept.with_private,
            system_prompt=choices.system_prompt(store, system_prompt),
        ),
        lambda conversation: may_train(general, conversation).yes,
    )
