"""Turns of a conversation: how a path is cut into them, and which repeat what stays here."""

from collections.abc import Sequence

from floe.privacy.guard import word_runs
from floe.privacy.kept_words import KeptWords
from floe.records import Message


def cut_into_turns(path: Sequence[Message]) -> list[list[Message]]:
    """Cut a path into turns: a user's message and all that follows it, up to the next."""
    turns: list[list[Message]] = []
    for message in path:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def repeats(turn: Sequence[Message], runs: set[tuple[str, ...]], words: KeptWords) -> bool:
    """Whether an answer over which no guard stood repeats what stays here."""
    return any(
        not runs.isdisjoint(word_runs([message.content])) or words.found_in(message.content)
        for message in turn
        if message.role == "assistant"
        and (message.route is None or message.route.kind == "local" or message.edited_from)
    )
