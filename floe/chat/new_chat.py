"""What was chosen for a chat before its first question: it outlives a reload, as its draft does."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

from floe.chat.chat_settings import ChatSettings
from floe.errors import FloeError
from floe.sampling_choices import SamplingChoices
from floe.store import Store

_KEY: Final = "new_chat"


@dataclass(frozen=True, slots=True)
class NewChatChoices:
    """`keep_here`: nothing of the chat is to leave this device; `settings`: its own ones."""

    keep_here: bool = False
    settings: ChatSettings = field(default_factory=ChatSettings)

    @classmethod
    def load(cls, store: Store) -> Self:
        """Read what was chosen last; the switch is on where what was kept cannot be read."""
        kept = store.setting(_KEY, {})
        try:
            chosen = SamplingChoices.model_validate(kept.get("sampling", {}))
            settings = ChatSettings(None, chosen).with_system_prompt(kept.get("system_prompt", ""))
            return cls(kept.get("keep_here", False) is not False, settings)
        except (AttributeError, TypeError, ValueError):
            return cls(keep_here=True)

    def keep(self, store: Store) -> None:
        """Keep it for the next page that is opened; on a full disk this page alone has it."""
        with suppress(FloeError):
            store.set_setting(
                _KEY,
                {
                    "keep_here": self.keep_here,
                    "system_prompt": self.settings.system_prompt or "",
                    "sampling": self.settings.sampling.chosen,
                },
            )
