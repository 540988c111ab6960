"""What is known of one open page while it is open."""

from dataclasses import dataclass, field

from floe.chat.chat_settings import ChatSettings
from floe.ui.page_values import AdvancedValue, ConversationListValue


@dataclass(slots=True)
class Session:
    """One open page: the conversation in view (None: a new one), and the number of that view.

    `keep_here`: the new conversation is not to leave this device, once there is one. `sent` is the
    last message that was sent from here, `seen` what this page was last shown, `undo` the number
    of the deletion that it offers to take back. `comparing` is the question whose answers are
    shown side by side; None: the chat is shown. `draft` is the number of the last draft that came,
    `told` are the conversations (None: a new one) of which any came.
    `settings`: those of a conversation that is not there yet; `drawer`: what the drawer
    "Advanced" was last shown; `files`: numbers of the attached files that it was last shown.

    Gradio keeps one for each page and gives all handlers the same object, so that a running
    `stream_answer` sees that the person has turned to something else.
    """

    conversation: int | None = None
    keep_here: bool = False
    view_generation: int = 0
    sent: str = ""
    seen: object = None
    listed: ConversationListValue | None = None
    undo: int = 0
    comparing: int | None = None
    draft: int = 0
    told: set[int | None] = field(default_factory=set)
    settings: ChatSettings = field(default_factory=ChatSettings)
    drawer: AdvancedValue | None = None
    files: tuple[int, ...] = ()
