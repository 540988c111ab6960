"""Dataset of an adapter: answers of chosen conversations, each in or out with its reason.

An answer that the person rewrote stands in place of the original; liked ones weigh more; disliked,
unfinished, private and repeated ones stay out. A part is held out by conversation before anything
is trained, to judge by. Knows neither tokens nor models.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

from floe.chats.jsonl import write_lines
from floe.errors import DataError, StoreError
from floe.llama.thinking import split_thinking
from floe.privacy.gate import CHOSEN, SWITCHED
from floe.privacy.training_marks import LearntAnswer
from floe.records import ChatMessage, Conversation, Message
from floe.store import Store
from floe.training.data.duplicates import first_alike

Split = Literal["train", "held_out"]
Disclosure = Literal["had", "unjudged", "kept"]
"""Whether the cloud has had an answer: it has; nobody can say whether it might; it must not."""

ConsentCheck = Callable[[Conversation], bool]
"""True if the person allows to learn from this conversation."""

HELD_OUT_SHARE: Final = 0.2
"""Share of the rows that are set aside to stop early and to judge by."""
LIKED_WEIGHT: Final = 2.0
"""Weight in the loss of an answer with a thumb up; others have 1. A guess, not measured."""
_ALL: Final = 1_000_000_000
_LONGEST_RUN: Final = 50
PRIVATE: Final = "private"
"""Beginning of the reason for leaving out an answer in which something private was found."""
_BY_HAND: Final = "you left it out"
NOT_ALLOWED: Final = "you did not allow learning from this chat"
"""Reason for leaving out the answers of a chat."""
_WEIGHTLESS: Final = "the file it came from gives it no weight"
_IN_SHORT: Final = {
    _WEIGHTLESS: "without weight in their file",
    _BY_HAND: "by you",
    NOT_ALLOWED: "of chats that you did not allow",
    "the answer is not finished": "not finished",
    "the answer is empty": "empty",
    "no question before it": "without a question",
    "the same answer as another": "as another one",
}
_TWO_NEEDED: Final = "chat a little more, import chats, or leave fewer answers out."


@dataclass(frozen=True, slots=True)
class Selection:
    """Choices of the person.

    `conversations` None: all that may be used. `without`: answers left out by hand, by the id of
    the message that is shown. `system_prompt`: put before all chats, an empty one too, as the chat
    does, so that the adapter learns under the prompt it will answer under; None: it is not.
    """

    conversations: tuple[int, ...] | None = None
    without: frozenset[int] = frozenset()
    with_private: bool = False
    seed: int = 0
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class LearningRow:
    """An answer with what it answers.

    `turn` counts the conversation's answers from 0. `before`: messages between the answer before
    this one and this answer (a system message, a greeting before the first question, the question).
    `system`: system messages further above. `left_out`: why it is not used, or empty. `weight`: how
    much it counts in the loss, 1 for most. `disclosure`: whether the cloud has had it.
    """

    conversation_id: int
    message_id: int
    turn: int
    before: tuple[ChatMessage, ...]
    answer: str
    weight: float = 1.0
    split: Split = "train"
    left_out: str = ""
    rewritten: bool = False
    system: tuple[ChatMessage, ...] = ()
    disclosure: Disclosure = "unjudged"

    @property
    def question(self) -> str:
        """The person's words before this answer; empty if none."""
        return "\n".join(message.content for message in self.before if message.role == "user")


@dataclass(frozen=True, slots=True)
class ChosenConversation:
    """A line of the list of conversations; `used` of `answers` are learnt from."""

    id: int
    title: str
    updated_at: float
    answers: int
    used: int
    split: Split
    left_out: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """All that was looked at, used or not.

    `fingerprint`: sha256 of the rows as they are written; the same rows give the same one.
    `sentence`: what will be used, for a person.
    """

    conversations: tuple[ChosenConversation, ...]
    rows: tuple[LearningRow, ...]
    system_prompt: str | None
    sentence: str
    fingerprint: str

    @property
    def used(self) -> tuple[LearningRow, ...]:
        """Rows that are learnt from or judged by."""
        return tuple(row for row in self.rows if not row.left_out)

    def count(self, split: Split) -> int:
        """Answers in that part."""
        return sum(row.split == split for row in self.used)

    @property
    def unmarked(self) -> list[LearntAnswer]:
        """Answers that are learnt and that the cloud has not had, to be marked."""
        return [
            LearntAnswer(row.answer, kept=row.disclosure == "kept")
            for row in self.used
            if row.split == "train" and row.disclosure != "had"
        ]

    @property
    def held_out(self) -> list[int]:
        """Message ids of the answers that are only judged by."""
        return [row.message_id for row in self.used if row.split == "held_out"]

    def check(self) -> None:
        """Check that there is enough.

        Raises:
            DataError: no answer to learn from, or none left to judge by, with the way out.
        """
        if not self.used:
            raise DataError(f"There is no answer to learn from yet: {_TWO_NEEDED}")
        if not (self.count("train") and self.count("held_out")):
            raise DataError(
                "There is only one answer, and it takes at least two, one to learn from and one to "
                f"test with: {_TWO_NEEDED}"
            )

    def lines(self) -> list[dict[str, Any]]:
        """Rows as the trainer reads them: `messages`, `weight`, `split`, `title`, `context`.

        Answers that follow each other in a conversation share a line, so that none is read twice
        as another's context. A left-out answer ends the line: what came before it is not shown to
        the model either. Such a line's weight is the mean of its answers'.
        """
        titles = {each.id: each.title for each in self.conversations}
        return [
            {
                **_line(turns, self.system_prompt),
                "title": titles.get(turns[0].conversation_id) or "New chat",
            }
            for turns in _runs(self.used)
        ]

    def write(self, path: Path) -> None:
        """Write `lines` as JSONL.

        Raises:
            DataError: too little to learn from, or the file cannot be written.
        """
        self.check()
        write_lines(path, self.lines())


def build_dataset(store: Store, selection: Selection, consent: ConsentCheck) -> Dataset:
    """Look at the chosen conversations, branch in view, the newest first.

    Raises:
        StoreError: the store cannot be read.
    """
    wanted = None if selection.conversations is None else set(selection.conversations)
    found = [c for c in store.conversations(_ALL) if wanted is None or c.id in wanted]
    rows: list[LearningRow] = []
    for conversation in found:
        reason = "" if consent(conversation) else NOT_ALLOWED
        rows += _conversation_rows(store, conversation, selection, reason)
    rows, split_sentence = _split(_without_repeats(rows), selection.seed)
    rows = _without_stock_answers(rows)
    chosen = tuple(_chosen(c, [row for row in rows if row.conversation_id == c.id]) for c in found)
    data = Dataset(chosen, tuple(rows), selection.system_prompt, "", "")
    sentence = _sentence(data, split_sentence)
    return replace(data, sentence=sentence, fingerprint=_fingerprint(data.lines()))


def _conversation_rows(
    store: Store, conversation: Conversation, selection: Selection, reason: str
) -> list[LearningRow]:
    rewritten = _rewritten(store, conversation.id)
    rows: list[LearningRow] = []
    before: list[Message] = []
    above: list[Message] = []
    asked = False
    for shown in store.open_conversation(conversation.id):
        if shown.role != "assistant":
            before.append(shown)
            asked = asked or shown.role == "user"
            continue
        answer = _newest(shown, rewritten)
        rows.append(
            LearningRow(
                conversation.id,
                shown.id,
                len(rows),
                _as_said(before),
                split_thinking(answer.content)[1],
                LIKED_WEIGHT if answer.rating > 0 else 1.0,
                left_out=reason or _left_out(shown.id, answer, [*above, *before], selection),
                rewritten=answer.edited_from is not None,
                system=_as_said(above),
                disclosure="kept"
                if conversation.local_only
                else _disclosure(store, answer, [*above, *before]),
            )
        )
        if not asked:
            # A greeting: the chat's own prompt has it before the first question.
            before.append(replace(shown, content=split_thinking(answer.content)[1]))
            continue
        above += [message for message in before if message.role == "system"]
        before = []
    return rows


def _as_said(messages: Sequence[Message]) -> tuple[ChatMessage, ...]:
    return tuple(ChatMessage(message.role, message.content) for message in messages)


def _rewritten(store: Store, conversation_id: int) -> dict[int, Message]:
    """Find the latest rewriting of each answer, by the id of the answer that it replaces.

    What was found private in the original holds for a rewriting that nobody has looked at. A
    rewriting whose original was deleted stands for itself.
    """
    with store.reading() as db:
        ids = db.execute(
            "SELECT id FROM messages WHERE conversation_id = ?"
            " AND edited_from IN (SELECT id FROM messages) ORDER BY id",
            [conversation_id],
        ).fetchall()
    rewritten: dict[int, Message] = {}
    known: dict[int, Message] = {}
    for (message_id,) in ids:
        message = store.message(message_id)
        assert message.edited_from is not None
        original = known.get(message.edited_from) or store.message(message.edited_from)
        if message.private is None:
            message = replace(message, private=original.private)
        rewritten[original.id] = known[message.id] = message
    return rewritten


def _newest(answer: Message, rewritten: dict[int, Message]) -> Message:
    """Return the person's last wording of an answer, as known in `rewritten` if it is one."""
    answer = next((known for known in rewritten.values() if known.id == answer.id), answer)
    while (newer := rewritten.get(answer.id)) is not None:
        answer = newer
    return answer


def _left_out(
    shown_id: int, answer: Message, before: Sequence[Message], selection: Selection
) -> str:
    private = {kind for message in (*before, answer) for kind in message.private or ()}
    reasons = {
        _BY_HAND: shown_id in selection.without,
        "disliked": answer.rating < 0,
        _WEIGHTLESS: not answer.learn,
        "the answer is not finished": answer.status != "complete",
        "the answer is empty": not split_thinking(answer.content)[1].strip(),
        "no question before it": not any(m.role == "user" and m.content.strip() for m in before),
        f"{PRIVATE} ({', '.join(sorted(private))})": private and not selection.with_private,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _disclosure(store: Store, answer: Message, before: Sequence[Message]) -> Disclosure:
    if any(message.private for message in (*before, answer)):
        return "kept"
    origin = answer
    while origin.edited_from is not None:
        try:
            origin = store.message(origin.edited_from)
        except StoreError as error:
            if error.failure != "deleted":
                raise
            return "kept"  # nobody can say any more where it was written
    route = origin.route
    if route is not None and route.reason in (CHOSEN, SWITCHED):
        return "kept"
    return "had" if origin is answer and route and route.kind != "local" else "unjudged"


def _without_repeats(rows: Sequence[LearningRow]) -> list[LearningRow]:
    """Keep one of the answers that nearly repeat each other: liked and rewritten ones first.

    Across conversations, so that nothing held out is nearly the same as something learnt.
    """
    used = [i for i, row in enumerate(rows) if not row.left_out]
    used.sort(key=lambda i: (-rows[i].weight, not rows[i].rewritten, rows[i].message_id))
    matches = first_alike([f"{rows[i].question}\n{rows[i].answer}" for i in used])
    repeats = {i for i, match in zip(used, matches, strict=True) if match is not None}
    return [
        replace(row, left_out="nearly the same as another") if i in repeats else row
        for i, row in enumerate(rows)
    ]


def _without_stock_answers(rows: Sequence[LearningRow]) -> list[LearningRow]:
    """Judge by no answer that is nearly one of those learnt, whatever was asked.

    Who always answers alike would be learnt by heart and found again. If nothing else was held
    out, it stays.
    """
    used = [i for i, row in enumerate(rows) if not row.left_out]
    learnt = [i for i in used if rows[i].split == "train"]
    held_out = [i for i in used if rows[i].split == "held_out"]
    matches = first_alike([rows[i].answer for i in (*learnt, *held_out)])
    # The earliest one alike may be another held-out answer, which is then the one to be judged by.
    known = {
        i for i, match in zip(held_out, matches[len(learnt) :], strict=True) if match is not None
    }
    if len(known) == len(held_out):
        return [*rows]
    return [
        replace(row, left_out="the same answer as another") if i in known else row
        for i, row in enumerate(rows)
    ]


def _split(rows: Sequence[LearningRow], seed: int) -> tuple[list[LearningRow], str]:
    """Set rows aside by conversation, and say how.

    Each conversation's place is a hash of its id and the seed, so those that come later move no
    other from learning to judging. The oldest one is always learnt from; if the hash takes none,
    the one nearest to the limit is held out: there is always something on both sides.
    """
    ids = sorted({row.conversation_id for row in rows if not row.left_out})
    if len(ids) == 1:
        return _split_one(
            rows
        ), "the last answers of the only conversation are set aside for testing"
    places = {i: _place(i, seed) for i in ids[1:]}
    held_out = {i for i, place in places.items() if place < HELD_OUT_SHARE}
    if places and not held_out:
        held_out = {min(places, key=places.__getitem__)}
    split = [
        replace(row, split="held_out" if row.conversation_id in held_out else "train")
        for row in rows
    ]
    chats = "one conversation" if len(held_out) == 1 else f"{len(held_out)} conversations"
    return split, f"{chats} of them set aside for testing"


def _split_one(rows: Sequence[LearningRow]) -> list[LearningRow]:
    used = [row.message_id for row in rows if not row.left_out]
    count = max(1, round(HELD_OUT_SHARE * len(used))) if len(used) > 1 else 0
    held_out = set(used[len(used) - count :])
    return [
        replace(row, split="held_out" if row.message_id in held_out else "train") for row in rows
    ]


def _place(conversation_id: int, seed: int) -> float:
    """Uniform in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{conversation_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _chosen(conversation: Conversation, rows: Sequence[LearningRow]) -> ChosenConversation:
    used = sum(not row.left_out for row in rows)
    reasons = {row.left_out for row in rows}
    return ChosenConversation(
        conversation.id,
        conversation.title,
        conversation.updated_at,
        len(rows),
        used,
        rows[0].split if rows else "train",
        reasons.pop() if len(reasons) == 1 else "",
    )


def _sentence(data: Dataset, split: str) -> str:
    used, out = len(data.used), _why_left_out(data.rows)
    if not used:
        return f"Nothing to learn from yet{out}"
    chats = sum(conversation.used > 0 for conversation in data.conversations)
    answers = "1 answer" if used == 1 else f"{used} answers"
    sentence = f"{answers} from {chats} conversation{'s' if chats > 1 else ''}, {split}"
    return f"{sentence}{out}"


def _why_left_out(rows: Sequence[LearningRow]) -> str:
    """`; 12 left out (10 private, 2 disliked).`, the most frequent reason first."""
    reasons = Counter(row.left_out.partition(" (")[0] for row in rows if row.left_out)
    if not reasons:
        return "."
    parts = [f"{count} {_IN_SHORT.get(why, why)}" for why, count in reasons.most_common()]
    return f"; {reasons.total()} left out ({', '.join(parts)})."


def _runs(rows: Iterable[LearningRow]) -> list[list[LearningRow]]:
    """List used answers that follow each other without a gap, on the same side of the split.

    At most `_LONGEST_RUN` of them, because each is tokenised with all before it in its run.
    """
    runs = groupby(
        enumerate(rows), key=lambda pair: (pair[1].conversation_id, pair[1].split, _gap(pair))
    )
    found = [[row for _, row in run] for _, run in runs]
    return [run[at : at + _LONGEST_RUN] for run in found for at in range(0, len(run), _LONGEST_RUN)]


def _gap(pair: tuple[int, LearningRow]) -> int:
    place, row = pair
    return row.turn - place  # the same for neighbours as long as none between them is missing


def _line(turns: Sequence[LearningRow], system_prompt: str | None) -> dict[str, Any]:
    said = [
        message
        for row in turns
        for message in (*row.before, ChatMessage("assistant", row.answer))
        if message.content
    ]
    said = [*(message for message in turns[0].system if message.content), *said]
    if system_prompt is not None:
        said.insert(0, ChatMessage("system", system_prompt))
    context = next(i for i, message in enumerate(said) if message.role == "user")
    greeted = any(message.role == "assistant" for message in said[:context])
    return {
        "messages": [{"role": message.role, "content": message.content} for message in said],
        "weight": round(sum(row.weight for row in turns) / len(turns), 4),
        "split": turns[0].split,
        **({"context": context} if greeted else {}),
    }


def _fingerprint(lines: Sequence[dict[str, Any]]) -> str:
    # A chat may be called something else and is still the same.
    named = [{key: value for key, value in line.items() if key != "title"} for line in lines]
    text = "\n".join(json.dumps(line, sort_keys=True) for line in named)
    return hashlib.sha256(text.encode()).hexdigest()
