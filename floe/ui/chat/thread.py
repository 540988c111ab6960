"""A conversation as the page draws it: rows of a message's blocks and what stands around them.

The page gets a window of the rows and asks for more where it is scrolled to; of an answer that is
being written it gets that row alone. All that a person or a model wrote is in `blocks`, rendered
by `markdown`, or is text.
"""

from collections.abc import Sequence
from typing import Final, TypedDict

from floe.chat.assistant import Assistant
from floe.chat.turn import TurnView
from floe.errors import StoreError
from floe.privacy.gate import CHOSEN, KEPT
from floe.records import UNFINISHED, Attachment, Message, Mode, Route, Status
from floe.ui.chat.answer_figures import ENDED, summary
from floe.ui.chat.markdown import render_blocks, render_message
from floe.ui.chat.thoughts import fold_thought
from floe.ui.page_values import AttachmentValue, ChipValue, ContextValue, FigureValue

WINDOW: Final = 40
"""Messages that the page gets at once."""


class ThreadRow(TypedDict):
    """One message as `floe.thread` draws it; `blocks` are HTML, all else is text.

    `chip` is what was decided about a question, `live` whether the answer is being written,
    `memory` how many of the person's earlier words were read for it, `unfinished` whether it can
    be continued.
    """

    id: int
    role: str
    blocks: list[str]
    attachments: list[AttachmentValue]
    siblings: list[int]
    live: bool
    unfinished: bool
    notices: list[str]
    rating: int
    rewritten: bool
    chip: ChipValue | None
    memory: int
    route: str
    reason: str
    summary: str


class ThreadRows(TypedDict):
    """Rows `first` and following of the `total` on the way to message `leaf`.

    With the same leaf, row n is always the same message. `generation` tells frames of a running
    answer that belong to this view from those that do not any more; `focus` is the message to
    scroll to, `model` the one on this device, for an empty conversation. `calm`: something else
    than this page has changed the conversation, so who reads further up is left there.
    """

    conversation: int | None
    leaf: int | None
    generation: int
    first: int
    total: int
    rows: list[ThreadRow]
    focus: int | None
    flash: bool
    calm: bool
    model: str


class Frame(TypedDict):
    """The row of an answer that is being written, and its figures, for that `generation`.

    `context`: how much the chat takes of what the model reads.
    """

    generation: int
    row: ThreadRow
    figures: list[FigureValue]
    context: ContextValue


class ThreadWindow(TypedDict):
    """Rows of a branch that the browser asked for."""

    rows: list[ThreadRow]


def thread_rows(
    messages: Sequence[Message],
    live: TurnView | None = None,
    *,
    generation: int = 0,
    around: int | None = None,
    flash: bool = False,
) -> ThreadRows:
    """Return the window of a conversation's branch that has message `around`, else its end.

    `live` replaces what the store knows of the answer in the making; `flash`: the message
    `around` is to be found by the eye.
    """
    at = next((place for place, each in enumerate(messages) if each.id == around), None)
    last = max(len(messages) - WINDOW, 0)
    first = last if at is None else min(max(at - WINDOW // 2, 0), last)
    return ThreadRows(
        conversation=messages[0].conversation_id if messages else None,
        leaf=messages[-1].id if messages else None,
        generation=generation,
        first=first,
        total=len(messages),
        rows=draw_rows(messages, first, first + WINDOW, live),
        focus=None if at is None else around,
        flash=flash,
        calm=False,
        model="",
    )


def thread_page(assistant: Assistant, request: Sequence[int]) -> ThreadWindow:
    """Answer the browser's `[conversation, leaf, first, end]`: those rows of the branch.

    There are none of a branch that was deleted meanwhile.
    """
    conversation_id, leaf, first, end = request
    try:
        messages = visible(assistant.store.path_to(leaf))
    except StoreError:
        messages = []
    turn = assistant.running(conversation_id)
    end = min(end, first + 2 * WINDOW)
    return {"rows": draw_rows(messages, first, end, turn.view() if turn else None)}


def visible(messages: Sequence[Message]) -> list[Message]:
    """Return what of a branch is drawn."""
    return [message for message in messages if message.role != "system"]


def draw_rows(
    messages: Sequence[Message], first: int, end: int, live: TurnView | None = None
) -> list[ThreadRow]:
    """Rows `first` up to `end` of a branch."""
    return [
        draw_row(
            message,
            live if live and live.message_id == message.id else None,
            following=messages[place + 1] if place + 1 < len(messages) else None,
            following_route=(
                live.route
                if live and place + 1 < len(messages) and messages[place + 1].id == live.message_id
                else None
            ),
        )
        for place, message in enumerate(messages[first:end], first)
    ]


def _draw_words(message: Message, live: TurnView | None) -> list[str]:
    text, render = (live.text, render_blocks) if live else (message.words, render_message)
    return list(render(text)) if message.role == "user" else fold_thought(text, render)


def draw_row(
    message: Message,
    live: TurnView | None = None,
    *,
    following: Message | None = None,
    following_route: Route | None = None,
    ahead: int = 0,
) -> ThreadRow:
    """One message; the route of what follows a question says what was decided about it.

    `ahead`: so many answers are written before this one.
    """
    status: Status = live.status if live else message.status
    stats = live.stats if live else message.stats
    route = live.route if live else message.route
    notices = list(live.notices if live else message.notices)
    if ahead:
        notices.append(waiting(ahead))
    ended = ENDED[status]
    asked = message.role == "user"
    # What is kept is newer: the person may have settled meanwhile what was unsure.
    decided = (following.route if following else None) or following_route
    return ThreadRow(
        id=message.id,
        role=message.role,
        blocks=_draw_words(message, live),
        attachments=attached(message, decided),
        siblings=list(message.siblings),
        live=status == "streaming",
        unfinished=not asked and status in UNFINISHED,
        notices=notices + ([ended] if ended and ended not in notices else []),
        rating=message.rating,
        rewritten=message.edited_from is not None,
        chip=chip(decided) if asked else None,
        memory=stats.memory if stats else 0,
        route=_route(route.kind) if route and not asked else "",
        reason=route.reason if route and not asked else "",
        summary="" if status == "streaming" else summary(stats),
    )


def attached(message: Message, route: Route | None) -> list[AttachmentValue]:
    """List the files of a message, with how much of each was read, and by whom.

    `route`: of the answer in view; another one to the same message may have gone elsewhere.
    """
    where = ""
    if route is not None:
        alone = "read on this device alone for this answer"
        where = alone if route.kind == "local" else "sent to the cloud too"
        if "pseudonyms" in route.reason and route.kind != "local":
            where += ", with placeholders"
    return [
        AttachmentValue(
            name=each.name,
            start=each.start,
            end=each.end,
            note=" · ".join(filter(None, [amount_read(message, each), where])),
        )
        for each in message.attachments
    ]


def amount_read(message: Message, file: Attachment) -> str:
    """Say how many words of a file stand in the message, and whether the rest was left out."""
    text = message.content[file.start : file.end].strip().partition("\n")[2]
    words = len(text.split())
    return words_read(words, len(text), file.left_out)


def words_read(words: int, characters: int, left_out: int) -> str:
    """Say how much of a file the model has room for."""
    said = "1 word" if words == 1 else f"{words:,} words"
    if not left_out:
        return said
    if not words:
        return "left out: the model has no room for it"
    share = characters / (characters + left_out)
    return f"the first {said}, {share:.0%} of it: the model has no room for more"


def waiting(ahead: int) -> str:
    """Say that an answer waits, and its place."""
    before = "one other answer is" if ahead == 1 else f"{ahead} other answers are"
    return f"Waiting: {before} written first."


def chip(route: Route | None) -> ChipValue | None:
    """Say what was decided about a question, where that needs saying, and by which `spans`."""
    if route is None or route.reason == CHOSEN:
        return None
    kept = route.kind == "local" and KEPT in route.reason
    if not kept and not route.spans:
        return None
    return ChipValue(
        kept=kept, reason=route.reason, spans=route.spans, unsure=kept and route.unsure
    )


def _route(kind: Mode) -> str:
    return {"local": "this device only", "fused": "device and cloud", "cloud": "cloud only"}[kind]
