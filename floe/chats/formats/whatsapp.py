"""WhatsApp's chat as text: a date, a person and what they wrote, in the manner of many countries.

One of the persons is the user of Floe, and the file does not say which: that is decided here, with
the reason, and can be turned round.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from floe.chats.between_people import Utterance, choose_user, people_in, read_utterances
from floe.chats.imported import MEDIA, NOTE, ImportedChat, ImportNotes

ID: Final = "whatsapp"
LABEL: Final = "WhatsApp"

_STAMP: Final = (
    r"(?P<date>\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4})\.?,?\s+(?P<word>(?:[^\W\d]{1,4}\.?\s*){0,2})"
    r"(?P<time>\d{1,2}[:.]\d{2}(?:[:.]\d{2})?)(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
)
_HEAD: Final = re.compile(
    rf"[\u200e\u200f\u202a-\u202e\ufeff]*"
    rf"(?:\[{_STAMP}\]\s|{_STAMP.replace('?P<', '?P<plain_')}(?:\s[-\u2013]|,)\s)"
    r"(?P<rest>.*)"
)
_HALVES: Final = {
    **dict.fromkeys(("오전", "午前", "上午"), "a"),
    **dict.fromkeys(("오후", "午後", "下午"), "p"),
}
_LONGEST_NAME: Final = 80
_FILE_LINE: Final = re.compile(r"\u200e?[\w-]+\.\w{2,5} \([^()]*\)")
_OMITTED: Final = re.compile(r"<[^<>\n]{3,60}>")
_EDITED: Final = re.compile(r"\s*\u200e?<[^<>\n]{3,40}>$")
_OWN_DELETION: Final = re.compile(
    r"\u200e?(You deleted this message|Du hast diese Nachricht gelöscht"
    r"|Eliminaste este mensaje|Vous avez supprimé ce message|Hai eliminato questo messaggio"
    r"|Você apagou esta mensagem|Je hebt dit bericht verwijderd)\b"
)
_DELETION: Final = re.compile(
    r"\u200e?(This message was deleted|Diese Nachricht wurde gelöscht|Se eliminó este mensaje"
    r"|Ce message a été supprimé|Questo messaggio è stato eliminato|Mensagem apagada)\b"
)
_FILE_NAMES: Final = re.compile(
    r"(?:WhatsApp[ -]Chat|Chat de WhatsApp|Conversa do WhatsApp|Chat WhatsApp"
    r"|Discussion WhatsApp|Conversación de WhatsApp|WhatsApp-chat)"
    r"\s*(?:with|mit|con|com|avec|met|-|\u2013)\s+(?P<name>.+?)(?:\.(?:txt|zip))?$",
    re.IGNORECASE,
)
_ENCRYPTION: Final = re.compile(
    "encrypt|verschlüsselt|chiffré|cifrad|crittograf|versleuteld|criptografad", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Line:
    numbers: tuple[int, int, int]
    clock: tuple[int, int, int]
    sender: str
    text: str


def recognises_whatsapp(text: str) -> bool:
    """Return whether a text begins as such an export: two of its first lines carry a date."""
    heads = [_HEAD.match(line[:500]) for line in text[:50_000].splitlines()[:100]]
    found = sum(head is not None and ": " in head["rest"] for head in heads)
    return found >= 2 or (found == 1 and heads[0] is not None)


def read_whatsapp(
    text: str, name: str, notes: ImportNotes, user: str = ""
) -> Iterator[ImportedChat]:
    """Yield the chats of such an export.

    Args:
        text: the file.
        name: its name, which mostly tells who the other person is.
        notes: gets what was decided and left out.
        user: the person who is the user of Floe; empty: to be found out.

    Raises:
        ChatShapeError: nobody said anything, or `user` is not among the persons.
    """
    lines = list(_messages(text, notes))
    people = people_in([line.sender for line in lines])
    me, reason = _choose_user(lines, people, name, user)
    said = []
    for line, at in zip(lines, _times(lines), strict=True):
        words, left_out = _words(line.text)
        said.append(Utterance(line.sender, words, at, left_out))
    yield from read_utterances(said, me, reason, LABEL, notes)


def _messages(text: str, notes: ImportNotes) -> Iterator[_Line]:
    current: tuple[re.Match[str], list[str]] | None = None
    for raw in text.split("\n"):
        line = raw.removesuffix("\r")
        head = _HEAD.match(line)
        if head is None:
            if current is not None:
                current[1].append(line)
            continue
        if current is not None:
            yield from _line(*current, notes)
        current = head, [head["rest"]]
    if current is not None:
        yield from _line(*current, notes)


def _line(head: re.Match[str], lines: list[str], notes: ImportNotes) -> Iterator[_Line]:
    sender, colon, first = lines[0].partition(": ")
    if not colon and lines[0].endswith(":"):
        sender, colon, first = lines[0][:-1], ":", ""
    if not colon or len(sender) > _LONGEST_NAME:
        notes.parts[NOTE] += 1  # "Messages are end-to-end encrypted", "Anna was added"
        return
    sender = sender.strip("\u200e\u200f\u202a\u202c \u00a0~")
    date = head["date"] or head["plain_date"]
    hours, minutes, *seconds = map(int, re.split("[:.]", head["time"] or head["plain_time"]))
    half = (head["half"] or head["plain_half"] or "").lower()
    words = (head["word"] or head["plain_word"] or "").split()
    half = half or next((_HALVES[each] for each in words if each in _HALVES), "")
    if half:
        hours = hours % 12 + 12 * (half == "p")
    one, two, three = (int(each) for each in re.split(r"[./-]\s?", date))
    clock = (hours, minutes, seconds[0] if seconds else 0)
    yield _Line((one, two, three), clock, sender, "\n".join([first, *lines[1:]]))


def _words(text: str) -> tuple[str | None, tuple[str, ...]]:
    """Return what a person wrote (None: nothing), and what the program put in its place."""
    if _OWN_DELETION.match(text) or _DELETION.match(text):
        return None, ("deleted message",)
    head, _, caption = text.partition("\n")
    if _FILE_LINE.fullmatch(head.strip()):
        return caption or None, (MEDIA,)
    if text.startswith("\u200e") and _ENCRYPTION.search(text):
        return None, (NOTE,)
    if text.startswith("\u200e") or _OMITTED.fullmatch(text.strip("\u200e \n")) or text == "null":
        return None, (MEDIA,)  # "null" stands for what could be seen once
    if "\u200e<" in text:
        text = _EDITED.sub("", text)
    return text.replace(" <This message was edited>", "").strip(), ()


def _choose_user(
    lines: Sequence[_Line], people: Sequence[str], name: str, user: str
) -> tuple[str, str]:
    """Return the person who is the user, and the reason as the end of a sentence."""
    deleter = next((line.sender for line in lines if _OWN_DELETION.match(line.text)), None)
    if deleter is not None and not user:
        return deleter, "because only the own phone writes “You deleted this message”"
    named = _FILE_NAMES.search(name)
    other = named["name"].casefold() if named else ""
    return choose_user(people, lines[0].sender, other, user, "the file is named after")


def _times(lines: Sequence[_Line]) -> list[float | None]:
    """Return the moments, day or month first: as all of them are dates, and in order."""
    orders = ((2, 1, 0), (2, 0, 1)) if lines[0].numbers[0] < 100 else ((0, 1, 2), (0, 2, 1))
    best: list[float | None] = []
    fewest = None
    for order in orders:
        found = [_moment(line, order) for line in lines]
        known = [each for each in found if each is not None]
        faults = len(found) - len(known) + sum(b < a for a, b in pairwise(known))
        if fewest is None or faults < fewest:
            best, fewest = found, faults
    return best


def _moment(line: _Line, order: tuple[int, int, int]) -> float | None:
    year, month, day = (line.numbers[place] for place in order)
    try:
        moment = datetime(year + 2000 if year < 100 else year, month, day, *line.clock)
        return moment.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
