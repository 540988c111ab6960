"""What was set for one conversation alone: its system prompt, and how tokens are picked."""

import json
from dataclasses import dataclass, field

from pydantic import ValidationError

from floe.errors import PageError, StoreError
from floe.sampling_choices import SamplingChoices
from floe.store import Store
from floe.store.schema import GONE
from floe.store.text import clean


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """`system_prompt` None: as in general; `sampling`: what was chosen here, over all else."""

    system_prompt: str | None = None
    sampling: SamplingChoices = field(default_factory=SamplingChoices)

    @property
    def empty(self) -> bool:
        """Whether all is as in general."""
        return self == ChatSettings()

    def with_sampling(self, name: str, value: object) -> "ChatSettings":
        """Set one setting of sampling; None: as in general.

        Raises:
            PageError: it cannot be that.
        """
        try:
            chosen = SamplingChoices.model_validate({**self.sampling.chosen, name: value})
        except ValidationError:
            raise PageError from None
        return ChatSettings(self.system_prompt, chosen)

    def with_system_prompt(self, text: str) -> "ChatSettings":
        """Set the system prompt; empty: as in general."""
        return ChatSettings(clean(text).strip() or None, self.sampling)


def load_chat_settings(store: Store, conversation_id: int) -> ChatSettings:
    """Read what was set; what a newer Floe or somebody's hand has written is as in general."""
    with store.reading() as db:
        row = db.execute(
            "SELECT system_prompt, sampling FROM chat_settings WHERE conversation_id = ?",
            [conversation_id],
        ).fetchone()
    if row is None:
        return ChatSettings()
    try:
        return ChatSettings(row[0], SamplingChoices.model_validate(json.loads(row[1])))
    except ValueError:
        return ChatSettings(row[0])


def save_chat_settings(store: Store, conversation_id: int, settings: ChatSettings) -> None:
    """Keep them, from the next question on.

    Raises:
        StoreError: the conversation has been deleted, or it cannot be written.
    """
    with store.writing() as db:
        found = db.execute("SELECT 1 FROM conversations WHERE id = ?", [conversation_id])
        if found.fetchone() is None:
            raise StoreError(GONE, "deleted")
        db.execute(
            "INSERT OR REPLACE INTO chat_settings VALUES (?, ?, ?)",
            [conversation_id, settings.system_prompt, json.dumps(settings.sampling.chosen)],
        )
