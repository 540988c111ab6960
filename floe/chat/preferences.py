"""The person's last choices in the page, kept in the store and found again after a restart."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Self

from pydantic import Field

from floe.chat.turn import TurnOptions
from floe.fusion.follower import DEFAULT_MAX_REQUESTS
from floe.kept_records import RowId, load_record
from floe.records import Mode, Sampling
from floe.store import Store

KEY: Final = "page"

TOLERANCE: Final = 0.1
"""How much less probable than the best a token of the cloud may be, where few requests count."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The controls, and the conversation in view (None: a new one).

    `weight` is the local weight in [0, 1], `auto` whether it follows what the person rewrote;
    `max_tokens` the longest answer; `top_p` has no part in greedy answers. `deadline_ms` is the
    longest wait for the cloud, per token (None: as the settings say); `max_requests` the budget
    of an answer, `daily_requests` that of a day (0: none).
    """

    mode: Mode = "fused"
    weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    auto: bool = False
    temperature: Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)] = 0.0
    max_tokens: Annotated[int, Field(ge=1, le=65_536)] = 512
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.95
    conversation: RowId | None = None
    deadline_ms: Annotated[float, Field(ge=0, le=600_000, allow_inf_nan=False)] | None = None
    fewer_requests: bool = False
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] = DEFAULT_MAX_REQUESTS
    daily_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0

    @classmethod
    def load(cls, store: Store, **changes: Any) -> Self:
        """Read what was kept, with some changes that are not.

        A field that an older or newer Floe did not know, or that holds what it cannot, takes its
        default.

        Raises:
            PageError: a change holds what it cannot.
        """
        return load_record(cls, store.setting(KEY, {}), changes)

    @classmethod
    def update(cls, store: Store, **changes: Any) -> Self:
        """Change some fields, and keep all."""
        changed = cls.load(store, **changes)
        store.set_setting(KEY, asdict(changed))
        return changed

    def options(self) -> TurnOptions:
        """Return the same for a turn."""
        sampling = Sampling(self.temperature, self.top_p, self.max_tokens)
        return TurnOptions(
            self.mode,
            self.weight,
            sampling,
            deadline=None if self.deadline_ms is None else self.deadline_ms / 1000,
            tolerance=TOLERANCE if self.fewer_requests else 0.0,
            max_requests=self.max_requests,
            daily_requests=self.daily_requests or None,
        )
