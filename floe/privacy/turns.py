"""Turns of a conversation: how a path is cut, who wrote what, and what repeats what stays here."""

from collections.abc import Sequence

from floe.privacy.guard import Examiner, word_runs
from floe.privacy.kept_words import KeptWords
from floe.privacy.training_marks import TrainingMarks
from floe.privacy.verdict import Verdict
from floe.records import ChatMessage, Message


def cut_into_turns(path: Sequence[Message]) -> list[list[Message]]:
    """Cut a path into turns: a user's message and all that follows it, up to the next."""
    turns: list[list[Message]] = []
    for message in path:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def repeats(
    turn: Sequence[Message],
    runs: set[tuple[str, ...]],
    words: KeptWords,
    learnt: TrainingMarks,
    said: str,
) -> bool:
    """Whether an answer over which no guard stood repeats what stays here.

    Args:
        turn: a question with its answer.
        runs: runs of words of texts that stay here.
        words: those of them by which an answer would tell of these texts.
        learnt: marks of what adapters were trained on.
        said: what the cloud is told anyway.
    """
    return any(
        not runs.isdisjoint(word_runs([message.content]))
        or words.found_in(message.content)
        or learnt.found_in(message.content, said)
        for message in turn
        if message.role == "assistant"
        and (message.route is None or message.route.kind == "local" or message.edited_from)
    )


def is_own(message: Message) -> bool:
    """Whether an answer is the person's: reworded, or brought along as how they write."""
    own = message.route is None or message.edited_from is not None
    return message.role == "assistant" and message.stored and message.learn and own


def judge(examiner: Examiner, message: Message, path: Sequence[Message] = ()) -> Verdict:
    """Judge a message as what it is: a person's words in their place, or a model's answer."""
    if message.role == "assistant" and not is_own(message):
        return examiner.examine_answer(message.content)
    before = [ChatMessage(each.role, each.content) for each in path]
    return examiner.examine(message.content, before=before)
