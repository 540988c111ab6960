"""What a trainer is told of the chat, so that it can try out what it has trained."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from floe.records import Sampling

BASE_ANSWERS: Final = "base_answers"
"""Folder within the data folder for what the base answers to public prompts."""


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """Request for a trial: facts on the chat that a trainer needs.

    `sampling`: the defaults of the page. `system`: the system prompt without what the person says
    of themselves (None: none); answers under it are kept in `cache`, a folder (None: nowhere).
    """

    sampling: Sampling
    system: str | None = None
    cache: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        return {
            "sampling": asdict(self.sampling),
            "system": self.system,
            "cache": None if self.cache is None else str(self.cache),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what `to_json` gave."""
        sampling: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values["sampling"].items()
        }
        cache = values["cache"]
        return cls(Sampling(**sampling), values["system"], None if cache is None else Path(cache))
