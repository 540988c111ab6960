"""What the person last set in the page, kept in the store and found again after a restart."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Self

from floe.chat import TurnOptions
from floe.records import Mode, Sampling
from floe.store import Store

KEY: Final = "page"


@dataclass(frozen=True, slots=True)
class Preferences:
    """The controls, and the conversation in view (None: a new one).

    `weight` is the local weight in [0, 1]; `max_tokens` the longest answer; `top_p` has no part
    in greedy answers.
    """

    mode: Mode = "fused"
    weight: float = 0.5
    temperature: float = 0.0
    max_tokens: int = 512
    top_p: float = 0.95
    conversation: int | None = None

    @classmethod
    def load(cls, store: Store) -> Self:
        """What was kept; a field that an older or newer Floe did not know takes its default."""
        kept: dict[str, Any] = store.setting(KEY, {})
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in known})

    @classmethod
    def update(cls, store: Store, **changes: Any) -> Self:
        """Change some fields, and keep all."""
        changed = replace(cls.load(store), **changes)
        store.set_setting(KEY, asdict(changed))
        return changed

    def options(self) -> TurnOptions:
        """The same for a turn."""
        sampling = Sampling(self.temperature, self.top_p, self.max_tokens)
        return TurnOptions(self.mode, self.weight, sampling)
