"""What is known of one open page while it is open."""

from dataclasses import dataclass, field
from threading import RLock
from typing import Self

from floe.chat.new_chat import NewChatChoices
from floe.ui.page_values import AdvancedValue, ConversationListValue


class SessionLock:
    """A reentrant lock that gradio can copy with the rest of a session: the copy is a lock anew."""

    def __init__(self) -> None:
        self._lock = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def __deepcopy__(self, memo: object) -> Self:
        return type(self)()


@dataclass(slots=True)
class Session:
    """One open page: the conversation in view (None: a new one), and the number of that view.

    `new_chat`: what is chosen for a conversation that is not there yet. `sent` is the last message
    that was sent from here, `seen` what this page was last shown, `undo` the number
    of the deletion that it offers to take back. `comparing` is the question whose answers are
    shown side by side; None: the chat is shown. `draft` is the number of the last draft that came,
    `told` are the conversations (None: a new one) of which any came.
    `drawer`: what the drawer "Advanced" was last shown; `files`: numbers of the attached files
    that it was last shown, `read` the page's own number of the last one that it handed over,
    `attached` of the last one of these in which nothing stood in the way. `streamed` is the view
    whose running answer was sent last, or is being sent; `noticed` counts the polls that found that
    another page had changed what this one shows; `lock` is held while it is chosen what to show.

    Gradio keeps one for each page and gives all handlers the same object, so that a running
    `stream_answer` sees that the person has turned to something else.
    """

    conversation: int | None = None
    new_chat: NewChatChoices = field(default_factory=NewChatChoices)
    view_generation: int = 0
    sent: str = ""
    seen: object = None
    listed: ConversationListValue | None = None
    undo: int = 0
    comparing: int | None = None
    draft: int = 0
    told: set[int | None] = field(default_factory=set)
    drawer: AdvancedValue | None = None
    files: tuple[int, ...] = ()
    read: int = 0
    attached: int = 0
    streamed: int | None = None
    noticed: int = 0
    lock: SessionLock = field(default_factory=SessionLock, repr=False, compare=False)
