"""What the person chose to learn from, kept in the store, and how the page shows it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field

from floe.personal.dataset import PRIVATE, ChosenConversation, Dataset, Selection, build_dataset
from floe.privacy.consent import consent, may_train
from floe.store import Store
from floe.ui.asked import RowId, load_record

KEY: Final = "personalise"
EXAMPLES: Final = Path(__file__).parents[2] / "data" / "examples"


@dataclass(frozen=True, slots=True)
class LearningChoices:
    """The choices of the view, apart from consent.

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
        """What was kept, with some changes that are not.

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
    """The ids with or without this one."""
    return tuple(sorted({*ids, one} if present else {*ids} - {one}))


def dataset(store: Store, system_prompt: str, **changes: Any) -> Dataset:
    """The rows as chosen, with some changes that are not kept, each in or out with its reason."""
    kept = LearningChoices.load(store, **changes)
    chosen = [each.id for each in store.conversations(10**9) if each.id not in kept.except_chats]
    general = consent(store)
    return build_dataset(
        store,
        Selection(
            conversations=tuple(chosen),
            without=frozenset(kept.without),
            with_private=kept.with_private,
            system_prompt=system_prompt,
        ),
        lambda conversation: may_train(general, conversation).yes,
    )


def learning_value(store: Store, data: Dataset) -> dict[str, Any]:
    """What `floe.learning` draws: all conversations, those left out as well."""
    kept = LearningChoices.load(store)
    chosen = {each.id: each for each in data.conversations}
    return {
        "consent": consent(store).train,
        "sentence": data.sentence,
        "with_private": kept.with_private,
        "private": private_note(data, kept.with_private),
        "without": kept.without,
        "chats": [
            {
                "id": each.id,
                "title": each.title or "New chat",
                "chosen": each.id in chosen,
                "facts": facts(chosen[each.id]) if each.id in chosen else "not chosen",
            }
            for each in store.conversations(10**9)
        ],
        "examples": sorted(path.stem for path in EXAMPLES.glob("*.jsonl")),
    }


def private_note(data: Dataset, with_private: bool) -> str:
    """Beside the switch: what it does to the rows as they are; empty where it does nothing."""
    if with_private:
        return (
            "Private answers are learnt from, too. Nothing is sent for that, but the model may "
            "come to repeat them in other answers."
        )
    count = sum(row.left_out.startswith(PRIVATE) for row in data.rows)
    if not count:
        return ""
    answers = "1 answer stays" if count == 1 else f"{count} answers stay"
    return (
        f"{answers} out: a name, a number or something else of somebody's own life was found there "
        "or in the question. Training happens on this device alone, so you can take them in."
    )


def facts(chat: ChosenConversation) -> str:
    """How much of a conversation is used, and what for."""
    if not chat.answers:
        return "no answers"
    if not chat.used:
        return f"left out: {chat.left_out}" if chat.left_out else "left out"
    used = f"{chat.used} of {chat.answers} answers" if chat.answers > 1 else "1 answer"
    return f"{used}, kept to judge by" if chat.split == "held_out" else used


def rows_of(data: Dataset, conversation_id: int) -> list[dict[str, Any]]:
    """The answers of a conversation for the browser."""
    return [
        {
            "message": row.message_id,
            "question": row.question,
            "answer": row.answer,
            "left_out": row.left_out,
            "by_hand": row.left_out == "you left it out",
            "split": row.split,
            "weight": row.weight,
            "rewritten": row.rewritten,
        }
        for row in data.rows
        if row.conversation_id == conversation_id
    ]
