"""Chats between people, of whom one is the user of Floe: what all such formats have in common.

The file does not say who that is: it is decided, with the reason, and can be turned round.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from floe.chats.imported import ChatBuilder, ChatShapeError, ImportedChat, ImportNotes

_SESSION_TURNS: Final = 200
_SESSION_MOST: Final = 400
_SESSION_PAUSE: Final = 6 * 3600.0
"""A history of years is cut into chats: after 200 messages at the next pause of six hours."""
_OWN_NAMES: Final = frozenset({"you", "me", "ich", "yo"})


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a person said: `words` (None: nothing but what was left out), seconds since the epoch.

    `left_out`: parts of it that are no words.
    """

    sender: str
    words: str | None
    at: float | None
    left_out: tuple[str, ...] = ()


def people_in(senders: Sequence[str]) -> list[str]:
    """Return all persons, who said the most first.

    Raises:
        ChatShapeError: nobody said anything.
    """
    if not senders:
        raise ChatShapeError("has no messages")
    return [person for person, _ in Counter(senders).most_common()]


def choose_user(
    people: Sequence[str], first: str, other: str, user: str, named: str
) -> tuple[str, str]:
    """Return the person who is the user, and the reason as the end of a sentence.

    Args:
        people: all of them.
        first: who said the first thing.
        other: who the file is with, in small letters; empty: it does not say.
        user: whom the person said they are; empty: they did not.
        named: what in the file says who it is with, in words.

    Raises:
        ChatShapeError: `user` is not among them.
    """
    if user:
        found = next((each for each in people if each.casefold() == user.casefold()), None)
        if found is None:
            raise ChatShapeError(f"has no messages by {user}, only by {', '.join(people[:5])}")
        return found, "as you said"
    rest = [each for each in people if each.casefold() != other]
    if len(people) == 2 and len(rest) == 1:
        return rest[0], f"because {named} {next(p for p in people if p != rest[0])}"
    own = next((each for each in people if each.casefold() in _OWN_NAMES), None)
    if own is not None:
        return own, "by the name"
    return first, "because the first message is theirs"


def read_utterances(
    said: Sequence[Utterance], me: str, reason: str, label: str, notes: ImportNotes
) -> Iterator[ImportedChat]:
    """Yield the chats of one history, with the others' names where there are several.

    Args:
        said: all of it, in order.
        me: who is the user.
        reason: why, as the end of a sentence; empty: it is certain, and nothing is told.
        label: the program's name, for the title.
        notes: gets what was decided and left out.

    Raises:
        ChatShapeError: nobody said anything.
    """
    others = [each for each in people_in([each.sender for each in said]) if each != me]
    if others and reason:
        them = others[0] if len(others) == 1 else f"the {len(others)} others"
        notes.decided.append(f"{me} is taken as you and {them} as the one who answers, {reason}")
    title = f"{label}: {', '.join(others[:3]) or me}"
    for part in _sessions(said):
        builder = ChatBuilder(notes)
        for i in part:
            for left_out in said[i].left_out:
                builder.skip(left_out)
            words = said[i].words
            if words is None:
                continue
            if said[i].sender == me:
                builder.add("user", words, said[i].at)
            else:
                named = f"{said[i].sender}: {words}" if len(others) > 1 else words
                builder.add("assistant", named, said[i].at)
        try:
            yield builder.chat(title)
        except ChatShapeError:
            if len(part) == len(said):
                raise


def _sessions(said: Sequence[Utterance]) -> list[range]:
    parts = []
    start = 0
    for i in range(1, len(said)):
        before, now = said[i - 1].at, said[i].at
        pause = now - before if now is not None and before is not None else 0.0
        turns = i - start
        if (turns >= _SESSION_TURNS and pause >= _SESSION_PAUSE) or turns >= _SESSION_MOST:
            parts.append(range(start, i))
            start = i
    parts.append(range(start, len(said)))
    return parts
