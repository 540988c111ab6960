"""Examples of how the person writes, for a question like those that they answered themselves.

Where there are few own texts an adapter has little to learn from, and reading one or two of them
does more (docs/method.md). They are the answers that training would learn from and that the
person wrote: rewritten here, or brought along in a file that no other assistant wrote. Knows
neither the cloud nor how a prompt is made.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from floe.adapters.follow_ups import place_question
from floe.adapters.prompt_kinds import PromptKinds, TaughtQuestions
from floe.chats.registry import WRITTEN_BY_MODELS
from floe.errors import FloeError
from floe.memory.memory import Memory
from floe.memory.passages import MemoryPassage
from floe.records import ChatMessage, Message
from floe.store import Store
from floe.training.data.dataset import LearningRow
from floe.training.data.learning_choices import chosen_rows

MOST_TEXTS: Final = 8
"""Own texts up to which they are few; with more, an adapter has enough to learn from."""
_MOST_LOOKED_AT: Final = 64
"""Answers that may be own texts; of more, enough are."""
_OPENING: Final = 12
"""Questions of a chat among which the first is sought that is like the own ones."""

_OTHERS: Final = json.dumps(sorted(WRITTEN_BY_MODELS))
_OWN: Final = """
    SELECT id, conversation_id FROM messages WHERE role = 'assistant' AND status = 'complete'
    AND (edited_from IS NOT NULL OR route IS NULL)
    AND (edited_from IS NOT NULL OR conversation_id NOT IN (
        SELECT c.id FROM conversations c JOIN imports i ON i.id = c.import_id
        WHERE json_extract(i.details, '$.format') IN (SELECT value FROM json_each(?))
    )) LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class OwnText:
    """An answer of the person with its question, and the passage that memory keeps of both."""

    question: str
    answer: str
    passage: MemoryPassage


class OwnTexts:
    """Own texts of one store, for one model's prompts.

    Args:
        store: the chats.
        memory: keeps what was read, and knows what was forgotten and whether it may be used.
        kinds: tells questions apart; called when it is needed, because it takes a while at first.
        system_prompt: that of the settings, which rows to learn from hold.
    """

    def __init__(
        self,
        store: Store,
        memory: Memory,
        kinds: Callable[[], PromptKinds],
        system_prompt: str,
    ) -> None:
        self._store = store
        self._memory = memory
        self._kinds = kinds
        self._system_prompt = system_prompt

    def choose(
        self, chat: Sequence[ChatMessage | Message], conversation_id: int | None
    ) -> list[OwnText]:
        """Choose texts for the last question of a chat, those most like it first.

        There are none where own texts are many, or the question is not like theirs: the personal
        adapter would not act on it either. Which they are hangs on the first such question of the
        chat alone, so that later prompts begin as the one before did.

        Args:
            chat: all of it, as far as it is known.
            conversation_id: where it stands; its own texts are in the prompt. None: a program's.
        """
        rows = [row for row in self._few_rows() if row.conversation_id != conversation_id]
        if not rows:
            return []
        try:
            order = rank_texts(self._kinds(), [row.question for row in rows], chat)
        except FloeError:  # the model's file cannot tell questions apart
            return []
        if not order:
            return []
        texts = {row.message_id: f"{row.question}\n\n{row.answer}" for row in rows}
        passages = self._memory.examples(texts)
        return [
            OwnText(rows[i].question, rows[i].answer, passages[rows[i].message_id])
            for i in order
            if rows[i].message_id in passages
        ]

    def _few_rows(self) -> list[LearningRow]:
        """Return the rows of own texts that may be learnt from; none if they are many."""
        if not self._memory.on:
            return []
        with self._store.reading() as db:
            found = db.execute(_OWN, [_OTHERS, _MOST_LOOKED_AT + 1]).fetchall()
        if not found or len(found) > _MOST_LOOKED_AT:
            return []
        own = {message_id for message_id, _ in found}
        chats = tuple(sorted({conversation_id for _, conversation_id in found}))
        rows = [
            row
            for row in chosen_rows(self._store, self._system_prompt, chats)
            if row.question.strip() and (row.rewritten or row.message_id in own)
        ]
        return rows if len(rows) <= MOST_TEXTS else []


def rank_texts(
    kinds: PromptKinds, questions: Sequence[str], chat: Sequence[ChatMessage | Message]
) -> list[int]:
    """Rank own texts for the last question of a chat, by their places; see `OwnTexts.choose`.

    Args:
        kinds: tells questions apart.
        questions: that the texts answer, none empty.
        chat: all of it, as far as it is known.

    Raises:
        FloeError: the chat's question is empty.
    """
    taught = kinds.taught_by(questions)
    if taught is None or not _is_own(kinds, chat, taught):
        return []
    return kinds.likest(_first_own_question(kinds, chat, taught), taught)


def _is_own(
    kinds: PromptKinds, chat: Sequence[ChatMessage | Message], taught: TaughtQuestions
) -> bool:
    return kinds.choose(place_question(chat), taught).kind == "own"


def _first_own_question(
    kinds: PromptKinds, chat: Sequence[ChatMessage | Message], taught: TaughtQuestions
) -> str:
    """Return a chat's first question like the own ones, in its place; else its last question."""
    asked = [i for i, each in enumerate(chat) if each.role == "user"]
    opening = (chat[: i + 1] for i in asked[:_OPENING])
    first = next((part for part in opening if _is_own(kinds, part, taught)), chat)
    return place_question(first)
