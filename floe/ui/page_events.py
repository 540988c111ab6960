"""Records of what the page sends: a page can be hostile, or older than this Floe.

An event's data is one of the records here; what does not fit is a sentence and never a trace.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import gradio as gr
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from floe.chat.continuation import SHOWN_ALTERNATIVES
from floe.chat.preferences import SamplingName
from floe.chat.prompt_presets import LONGEST_PROMPT
from floe.chats.one_chat import ChatFileKind
from floe.errors import FloeError, PageError, PromptError
from floe.kept_records import RowId
from floe.store.text import clean

_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)

_MAX_TEXT: Final = 10_000_000
_MAX_FILE_TEXT: Final = 500_000_000


def _whole(text: Any) -> Any:
    """Replace halves of characters, which a browser can send, by U+FFFD."""
    return clean(text) if isinstance(text, str) else text


LongText: TypeAlias = Annotated[str, BeforeValidator(_whole), Field(max_length=_MAX_TEXT)]
ListLength: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
"""How much of a list is drawn."""
ShortText: TypeAlias = Annotated[str, BeforeValidator(_whole), Field(max_length=1000)]
Use: TypeAlias = Literal["train", "federate"]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class ItemAsked(_Asked):
    """Something is to be done with a conversation, a message or an adapter."""

    id: RowId


class ItemsAsked(_Asked):
    """Something is to be done with several conversations."""

    ids: Annotated[list[RowId], Field(min_length=1, max_length=10_000)]


class MarkAsked(ItemsAsked):
    """Conversations are to stand first in the list, or in that of the archive, or not."""

    mark: Literal["pinned", "archived"]
    on: bool


class MoveAsked(ItemsAsked):
    """Conversations are to be put into a folder; empty: into none."""

    folder: Annotated[str, BeforeValidator(_whole), Field(max_length=60)]


class PlaceAsked(ItemAsked):
    """A conversation is to be shown, perhaps the place of a message in it."""

    message: RowId | None = None


class TitleAsked(ItemAsked):
    """A conversation is to be renamed."""

    title: LongText


class ScopeAsked(_Asked):
    """Settings of all chats, or of the one in view, are meant."""

    scope: Literal["all", "chat"] = "all"


class SamplingAsked(ScopeAsked):
    """A setting of sampling is to be another; None: as one level above has it."""

    name: SamplingName
    value: float | list[ShortText] | None


class SystemPromptAsked(_Asked):
    """The models are to be told this before a chat (None: a new one); empty: as in general."""

    chat: RowId | None
    text: Annotated[str, BeforeValidator(_whole), Field(max_length=LONGEST_PROMPT)]


class PresetNameAsked(_Asked):
    """Something is to be done with a preset."""

    name: ShortText


class PresetAsked(PresetNameAsked):
    """A text is to be kept under a name."""

    text: Annotated[str, BeforeValidator(_whole), Field(max_length=LONGEST_PROMPT)]


class NameAsked(ItemAsked):
    """An adapter is to be renamed."""

    name: ShortText


class TextAsked(ItemAsked):
    """A message is to be worded anew."""

    text: LongText


class DraftAsked(_Asked):
    """A message has been begun in a chat (None: a new one); the page counts them in `number`.

    `save`: it rests, so it is brought to the store at once.
    """

    chat: RowId | None
    text: LongText
    number: Annotated[int, Field(ge=1, le=1 << 53)]
    save: bool = False


class UnsavedDraft(_Asked):
    """A message that was begun while the app could not be reached."""

    chat: RowId | None
    text: LongText


class ComparedAsked(_Asked):
    """A question is to be answered side by side: by who answers, weight or adapter.

    `typed`: it stands in the box; else it is an example, and what was begun in the box stays.
    """

    by: Literal["mode", "weight", "adapter"]
    weights: Annotated[
        list[Annotated[float, Field(strict=False, ge=0, le=1, allow_inf_nan=False)]],
        Field(min_length=2, max_length=2),
    ]
    text: LongText
    typed: bool


class AlternativeAsked(ItemAsked):
    """An answer is to go on from another token than the one that was picked."""

    token: Annotated[int, Field(ge=0, le=1_000_000)]
    alternative: Annotated[int, Field(ge=0, lt=SHOWN_ALTERNATIVES)]


class RatingAsked(ItemAsked):
    """An answer is liked, disliked or neither."""

    rating: Literal[-1, 0, 1]


class SwitchAsked(_Asked):
    """Something is to be on or off."""

    on: bool


class ItemSwitchAsked(ItemAsked):
    """One of several is to be on or off."""

    on: bool


class ModelAsked(_Asked):
    """A model, by catalog id, path, address or words of a search."""

    name: Annotated[str, BeforeValidator(_whole), Field(max_length=4096)]


class QuestionAsked(_Asked):
    """The model with and without what it learnt is to answer a question."""

    question: Annotated[str, BeforeValidator(_whole), Field(min_length=1, max_length=2000)]


class ScaleAsked(ItemAsked):
    """An adapter is to act more or less."""

    scale: Annotated[float, Field(strict=False, ge=0, le=10, allow_inf_nan=False)]


class KindAsked(ItemAsked):
    """An adapter is to be handed over, by itself or within its model ("merged")."""

    kind: Literal["peft", "gguf", "merged"]


class AdapterPathAsked(_Asked):
    """An adapter that others made is to be brought in from a place on this device.

    Not `path`, because gradio takes whatever has one for an upload of its own.
    """

    place: Annotated[str, BeforeValidator(_whole), Field(max_length=4096)]


class ChatFileAsked(_Asked):
    """The chat in view is to be handed over."""

    kind: ChatFileKind


class ConsentAsked(_Asked):
    """An answer to what chats may be used for; None: as in general."""

    use: Use
    allowed: bool | None


class ViewAsked(_Asked):
    """Another view was opened."""

    view: ShortText


class LimitAsked(_Asked):
    """A limit of a plan is to be another."""

    name: Literal["memory_mb", "deadline_s", "afresh"]
    value: int | bool | None


class RowAsked(_Asked):
    """An answer is to be left out of what is learnt, or taken in."""

    message: RowId
    out: bool


class FileAsked(_Asked):
    """A file that the person picked; `data` are its bytes in base64."""

    name: ShortText
    data: Annotated[str, Field(max_length=_MAX_FILE_TEXT)]


class AttachAsked(FileAsked):
    """A file is to go with the next message of a chat; None: of the one in view.

    `number` counts the files that the page hands over.
    """

    chat: RowId | None = None
    number: Annotated[int, Field(ge=0, le=1 << 53)] = 0


class ImportAsked(ItemAsked):
    """An import is to be taken out; `own`: with what the person wrote in its chats since."""

    own: bool = True


class ExampleAsked(_Asked):
    """The chats of a made-up person."""

    name: ShortText


class QueryAsked(_Asked):
    """Words to look for."""

    query: ShortText


class PrivacyAsked(_Asked):
    """A choice of the privacy view."""

    name: Literal["policy", "own_words", "about_me", "personal_context", "treatment", "forget"]
    value: LongText


class NotesAsked(_Asked):
    """The notes are to be these."""

    text: LongText


class FolderAsked(_Asked):
    """Another folder of files is to be read; empty: none."""

    folder: Annotated[str, BeforeValidator(_whole), Field(max_length=4096)]


class EncryptionAsked(_Asked):
    """Everything is to be encrypted at rest."""

    kind: Literal["keyring", "passphrase"]
    passphrase: Annotated[str, Field(max_length=10_000)] = ""
    again: Annotated[str, Field(max_length=10_000)] = ""


class BackupAsked(_Asked):
    """A backup is to take the place of the data."""

    name: ShortText


class GroupAsked(_Asked):
    """A group is to be joined."""

    address: ShortText
    certificate: Annotated[str, Field(max_length=1_000_000)]
    level: Literal["nothing", "roughly", "exactly"]


def read_asked(event: gr.EventData, kind: type[_M]) -> _M:
    """Read an event's data as the record it must be.

    Raises:
        PageError: it is something else.
    """
    try:
        # By attributes, because those are what gradio gives of an event's data in public.
        return kind.model_validate(event, from_attributes=True)
    except (ValidationError, RecursionError):
        raise PageError from None


def read_unsaved_draft(value: Any) -> UnsavedDraft | None:
    """Read the draft that a page brings along as it opens; None if there is none."""
    try:
        return UnsavedDraft.model_validate_json(value) if value else None
    except (ValidationError, RecursionError):
        return None


_CHAT_ADDRESS: Final = re.compile(r"#/chat/(?:new|([1-9]\d{0,17}))")


@dataclass(frozen=True, slots=True)
class ChatAddress:
    """The chat that an address names; None: a new one."""

    id: int | None


def read_address(value: Any) -> ChatAddress | None:
    """Read the fragment of a page's address; None if it names no chat."""
    found = _CHAT_ADDRESS.fullmatch(value) if isinstance(value, str) else None
    return ChatAddress(int(found[1]) if found[1] else None) if found else None


def read_text(value: Any) -> str:
    """Read what was typed into a field.

    Raises:
        PromptError: it is far too long, or no text.
    """
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise PromptError("Your message is far too long. Shorten it, or split it into parts.")
    return clean(value)


def answer_page(kind: Any, otherwise: _T) -> Callable[[Callable[[Any], _T]], Callable[[Any], _T]]:
    """Make a function that the browser calls by itself answer `otherwise` where it cannot.

    Args:
        kind: of its only argument, as a type that pydantic checks.
        otherwise: the answer for an argument of another kind, or for what was deleted meanwhile.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def wrap(function: Callable[[Any], _T]) -> Callable[[Any], _T]:
        @wraps(function)
        def answer(argument: Any) -> _T:
            try:
                return function(adapter.validate_python(argument))
            except (ValidationError, RecursionError, FloeError):
                return otherwise

        return answer

    return wrap


TokensAsked: TypeAlias = Annotated[
    Sequence[Annotated[int, Field(strict=True, ge=0, le=(1 << 63) - 1)]],
    Field(min_length=3, max_length=3),
]
"""[conversation, message, rows that are there]."""
ThreadAsked: TypeAlias = Annotated[
    Sequence[Annotated[int, Field(strict=True, ge=0, le=(1 << 63) - 1)]],
    Field(min_length=4, max_length=4),
]
"""[conversation, newest message of the branch, first row, end]."""
SentAsked: TypeAlias = tuple[ShortText, Annotated[int, Field(ge=0, le=(1 << 62))]]
"""(words, only those before this one)."""
