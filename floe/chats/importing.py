"""A file of chats into the store, whichever program wrote it.

What cannot be read is left out and told; the rest comes in, with titles, dates and where it came
from, as one import that can be undone. Being cancelled leaves the store as it was; so does a full
disk, once there is room to take out again what was added.
"""

import errno
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from floe.chats.encoding import detect_encoding
from floe.chats.formats import whatsapp
from floe.chats.formats.templated import holds_turns
from floe.chats.imported import (
    ChatFormat,
    ChatShapeError,
    ImportedChat,
    ImportNotes,
    LeftOut,
)
from floe.chats.reading import Element, ReadProgress, open_members, read_elements
from floe.chats.registry import BETWEEN_PEOPLE, KNOWN, LABELS, recognise
from floe.chats.tables import read_table, recognises_table
from floe.errors import DataError, StoreError
from floe.store import Store
from floe.store.imports import NewChat, add_chats, begin_import, delete_import, finish_import
from floe.store.text import one_line

_LONGEST_NAME: Final = 100
_BATCH_MESSAGES: Final = 1000
_MAX_TOLD: Final = 1000
"""Places that are listed; more are counted."""
_IN_SENTENCE: Final = 3
_UNKNOWN: Final = "is not a chat of any format that is known"
_WEB_PAGE: Final = (
    "is a web page, which cannot be read. Export as JSON where the program offers it (Google "
    "Takeout does so for My Activity)"
)
_ENCODINGS: Final = {"cp1252": "Western European (Windows)"}


@dataclass(slots=True)
class ChatSource:
    """Chats of one file as they are read; how it went is known when they all are.

    Attributes:
        found: how many chats each format had, by id.
        left_out: what was left out, at most the first thousand.
        left_out_count: all of it.
        notes: what was left out within chats, and what was decided.
    """

    found: Counter[str] = field(default_factory=Counter)
    left_out: list[LeftOut] = field(default_factory=list)
    left_out_count: int = 0
    notes: ImportNotes = field(default_factory=ImportNotes)

    def read(
        self,
        file: BinaryIO,
        name: str,
        user: str = "",
        progress: ReadProgress = lambda _done, _all: None,
    ) -> Iterator[ImportedChat]:
        """Yield all chats of a file, those of the files in it if it is a zip.

        Args:
            file: open for reading, with `seek`.
            name: what to call it in a sentence.
            user: which of the persons of a chat between people is the user; empty: to be found out.
            progress: told how far it is.

        Raises:
            DataError: it cannot be read at all, or holds no chat that is known.
        """
        for member, member_name in open_members(file, name):
            before, left = self.found.total(), len(self.left_out)
            count = self.left_out_count
            place = "" if member is file else f"{member_name}, "
            yield from self._read_one(member, member_name, place, name, user, progress)
            if place and self.found.total() == before:
                # Exports hold files about the account beside the chats: no chat is left out there.
                del self.left_out[left:]
                self.left_out_count = count
        if not self.found:
            raise DataError(f"{self._nothing(name)}. {KNOWN}.")

    def _read_one(
        self, file: BinaryIO, name: str, place: str, outer: str, user: str, progress: ReadProgress
    ) -> Iterator[ImportedChat]:
        encoding = detect_encoding(file)
        elements = read_elements(file, encoding, whatsapp.recognises_whatsapp, progress)
        gathered: list[object] = []
        gatherer: ChatFormat | None = None
        some = False
        for element in _with_rows(elements):
            if isinstance(element, LeftOut):
                self._leave(place + element.where, element.why)
                continue
            if element.text is not None:
                yield from self._read_text(element.text, name, place, outer, user)
                some = True
                continue
            found = gatherer or recognise(element.value)
            if found is None:
                self._leave(place + element.where, _why_unknown(element.value))
            elif found.gathered:
                gatherer = found
                gathered.append(element.value)
            else:
                yield from self._read_element(found, element, place, user)
            some = True
        if gatherer is not None:
            yield from self._read_element(gatherer, Element("the file", gathered), place, user)
        if some and encoding.guessed:
            shown = _ENCODINGS.get(encoding.name, encoding.name)
            self.notes.decided.append(
                f"{name} was read in the encoding {shown}: a guess, since the file does not say"
            )

    def _read_element(
        self, found: ChatFormat, element: Element, place: str, user: str
    ) -> Iterator[ImportedChat]:
        try:
            for chat in (
                found.read_as(element.value, self.notes, user)
                if found.read_as is not None
                else found.read(element.value, self.notes)
            ):
                self.found[found.id] += 1
                yield chat
        except ChatShapeError as error:
            self._leave(place + element.where, str(error))

    def _read_text(
        self, text: str, name: str, place: str, outer: str, user: str
    ) -> Iterator[ImportedChat]:
        if not whatsapp.recognises_whatsapp(text):
            page = text.lstrip("\ufeff \t\r\n")[:9].lower().startswith(("<!doctype", "<html"))
            self._leave(f"{place}the file", _WEB_PAGE if page else _UNKNOWN)
            return
        try:
            named = name if not place or "_chat" not in name else outer
            for chat in whatsapp.read_whatsapp(text, named, self.notes, user):
                self.found[whatsapp.ID] += 1
                yield chat
        except ChatShapeError as error:
            if user:
                raise DataError(f"{name} {error}.") from error
            self._leave(f"{place}the file", str(error))

    def _nothing(self, name: str) -> str:
        """Say why there is no chat at all: what is wrong with the first piece."""
        if not self.left_out:
            return f"{name} holds no chats"
        first, more = self.left_out[0], self.left_out_count - 1
        whole = first.where == "the file"
        text = f"{name if whole else _capital(first.where) + ' of ' + name} {first.why}"
        return text + (f", and so with {more:,} more" if more else "")

    def _leave(self, where: str, why: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < _MAX_TOLD:
            self.left_out.append(LeftOut(where, why))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Report of an import. `conversations`: ids of the chats; `format`: most of them had it.

    `sentence`: for a person; `parts`: what was left out within chats, counted.
    """

    import_id: int
    format: str
    conversations: tuple[int, ...]
    answers: int
    left_out: tuple[LeftOut, ...]
    parts: dict[str, int]
    sentence: str


class ImportCancelledError(DataError):
    """The person wanted it no longer."""


class HalfImportError(StoreError):
    """The store cannot be written, not even to take out again what was added of an import."""

    def __init__(self, import_id: int, cause: StoreError) -> None:
        super().__init__(
            f"{cause} What is half in is taken out once there is room, at the next start at the "
            "latest.",
            cause.failure,
        )
        self.import_id = import_id


def import_file(
    store: Store,
    path: Path,
    name: str = "",
    *,
    user: str = "",
    progress: ReadProgress = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Add all chats of a file that can be read, each as a conversation of its own.

    Args:
        store: where they go.
        path: the file: JSON, JSON Lines, text, or a zip of these.
        name: what to call it in a sentence; empty: by its own name.
        user: which of the persons of a chat between people is the user; empty: to be found out.
        progress: told how many bytes of how many have been read.
        is_cancelled: asked between batches; what was added is then taken out again.

    Raises:
        DataError: it cannot be read, is too large, or holds no chat that is known.
        StoreError: the store cannot be written; it is as it was.
        HalfImportError: nor could what had been added be taken out again.
    """
    name = name or path.name
    try:
        if not path.is_file():
            raise IsADirectoryError(errno.EISDIR, "not a file")
        file = path.open("rb")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). Check the name and its rights."
        ) from error
    with file:
        return import_stream(
            store, file, name, user=user, progress=progress, is_cancelled=is_cancelled
        )


def import_stream(
    store: Store,
    file: BinaryIO,
    name: str,
    *,
    user: str = "",
    progress: ReadProgress = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> ImportReport:
    """Add all chats of an open file, as `import_file` does.

    Raises:
        DataError, StoreError: as there.
    """
    name = one_line(name)[:_LONGEST_NAME]
    source = ChatSource()
    import_id = begin_import(store, name)
    made: list[int] = []
    answers = 0
    try:
        for batch in _batches(source.read(file, name, user, progress)):
            _stop_if(is_cancelled())
            answers += sum(m.role == "assistant" for chat in batch for m in chat.messages)
            made += add_chats(store, import_id, [_new_chat(chat, time.time()) for chat in batch])
        kind = source.found.most_common(1)[0][0]
        sentence = _sentence(source, len(made))
        details = {"format": kind, "answers": answers, "can_swap": kind in BETWEEN_PEOPLE}
        finish_import(store, import_id, LABELS[kind], sentence, details)
    except BaseException as error:
        try:
            delete_import(store, import_id)
        except StoreError as left:
            if isinstance(error, StoreError):
                raise HalfImportError(import_id, error) from left
        raise
    return ImportReport(
        import_id,
        kind,
        tuple(made),
        answers,
        tuple(source.left_out),
        dict(source.notes.parts),
        sentence,
    )


def _stop_if(cancelled: bool) -> None:
    if cancelled:
        raise ImportCancelledError("The import was cancelled, and nothing was added.")


def _batches(chats: Iterator[ImportedChat]) -> Iterator[list[ImportedChat]]:
    batch: list[ImportedChat] = []
    size = 0
    for chat in chats:
        batch.append(chat)
        size += len(chat.messages)
        if size >= _BATCH_MESSAGES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _new_chat(chat: ImportedChat, now: float) -> NewChat:
    updated = chat.updated_at or now
    at = chat.created_at or updated
    messages = []
    for message in chat.messages:
        at = message.at if message.at is not None else at
        messages.append((message.role, message.content, at, message.learn))
    return NewChat(chat.title, chat.created_at or updated, updated, messages)


def _sentence(source: ChatSource, chats: int) -> str:
    """`99 chats, 1 left out: line 100 has no messages.`, then what was decided and left out."""
    text = f"{_count(chats, 'chat')}"
    if source.left_out_count:
        told = [f"{each.where} {each.why}" for each in source.left_out[:_IN_SENTENCE]]
        more = source.left_out_count - len(told)
        text += f", {source.left_out_count:,} left out: {'; '.join(told)}"
        text += f"; and {more:,} more" if more else ""
    text += "."
    parts = [_count(n, part) for part, n in source.notes.parts.most_common()]
    if parts:
        text += f" Not taken over from them: {', '.join(parts)}."
    for each in source.notes.decided[:5]:
        text += f" {_capital(each)}."
    return text


def _with_rows(elements: Iterator[Element | LeftOut]) -> Iterator[Element | LeftOut]:
    """Yield the same, with the rows of a table in its place."""
    for element in elements:
        text = None if isinstance(element, LeftOut) else element.text
        if text is None or whatsapp.recognises_whatsapp(text):
            yield element
        elif holds_turns(text):
            yield Element("the file", {"text": text})
        elif recognises_table(text):
            yield from read_table(text)
        else:
            yield element


def _why_unknown(value: object) -> str:
    if isinstance(value, dict) and value.get("messages") == []:
        return "has no messages"
    return _UNKNOWN


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _count(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
