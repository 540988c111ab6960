"""The page's view of what is learnt from."""

from typing import Final

from floe.privacy.consent import consent
from floe.store import Store
from floe.store.imports import list_imports
from floe.training.data.dataset import NOT_ALLOWED, PRIVATE, ChosenConversation, Dataset
from floe.training.data.learning_choices import LearningChoices
from floe.ui.page_values import LearningAnswerValue, LearningValue
from floe.ui.personalise.example_people import example_values, is_example

_UNDECIDED: Final = "Nothing is learnt from these chats until you say Yes."
"""In place of a count of answers that nobody has left out."""


def learning_value(store: Store, data: Dataset) -> LearningValue:
    """Return what `floe.learning` draws: all conversations, those left out as well."""
    kept = LearningChoices.load(store)
    chosen = {each.id: each for each in data.conversations}
    allowed = consent(store).train
    undecided = allowed is None and not any(each.used for each in data.conversations)
    return {
        "consent": allowed,
        "sentence": _UNDECIDED if undecided else data.sentence,
        "with_private": kept.with_private,
        "private": private_note(data, kept.with_private),
        "without": kept.without,
        "chats": [
            {
                "id": each.id,
                "title": each.title or "New chat",
                "chosen": each.id in chosen,
                "facts": facts(chosen[each.id], undecided=allowed is None and each.train is None)
                if each.id in chosen
                else "not chosen",
            }
            for each in store.conversations(10**9)
        ],
        "imports": [
            {
                "id": each.id,
                "title": f"{each.name}, from {each.source}",
                "sentence": each.sentence
                + (" Turned round since." if each.details.get("swapped") else ""),
                "can_swap": bool(each.details.get("can_swap")),
            }
            for each in list_imports(store)
            if not is_example(each)
        ],
        "examples": example_values(store),
    }


def private_note(data: Dataset, with_private: bool) -> str:
    """Say, beside the switch, what it does to the rows as they are; empty: nothing."""
    if with_private:
        return (
            "Floe learns from private answers, too. Nothing is sent for that, but the model may "
            "repeat them in other answers."
        )
    count = sum(row.left_out.startswith(PRIVATE) for row in data.rows)
    if not count:
        return ""
    out = (
        "1 answer is left out, because it or its question contains"
        if count == 1
        else f"{count} answers are left out, because they or their questions contain"
    )
    return (
        f"{out} a name, a number or something else personal. Training happens only on this "
        "device, so you can include them."
    )


def facts(chat: ChosenConversation, *, undecided: bool = False) -> str:
    """Say how much of a conversation is used, and what for.

    `undecided`: nobody has said yet whether it may be.
    """
    if not chat.answers:
        return "no answers"
    if undecided and chat.left_out == NOT_ALLOWED:
        return "waits for your Yes"
    if not chat.used:
        return f"left out: {chat.left_out}" if chat.left_out else "left out"
    used = f"{chat.used} of {chat.answers} answers" if chat.answers > 1 else "1 answer"
    return f"{used}, set aside for testing" if chat.split == "held_out" else used


def rows_of(data: Dataset, conversation_id: int) -> list[LearningAnswerValue]:
    """Return the answers of a conversation for the browser."""
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
