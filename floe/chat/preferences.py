"""The person's last choices in the page, kept in the store and found again after a restart."""

from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Final, Literal, Self, TypeAlias, get_args

from pydantic import Field

from floe import sampling_choices as ranges
from floe.chat.turn import TurnOptions
from floe.fusion.follower import DEFAULT_MAX_REQUESTS
from floe.kept_records import RowId, load_record
from floe.records import Mode, Sampling
from floe.store import Store

KEY: Final = "page"

SamplingName: TypeAlias = Literal[
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "min_p",
    "repeat_penalty",
    "dry_multiplier",
    "seed",
    "stop",
]
"""The settings of sampling that can be chosen in the page."""

SAMPLING_NAMES: Final[tuple[SamplingName, ...]] = get_args(SamplingName)

_GREEDY: Final = Sampling()

TOLERANCE: Final = 0.1
"""How much less probable than the best a token of the cloud may be, where few requests count."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """The controls, and the conversation in view (None: a new one).

    `weight` is the local weight in [0, 1], `auto` whether it follows what the person rewrote;
    the settings of sampling are None where the person left them as they are for the model.
    `deadline_ms` is the longest wait for the cloud, per token (None: as the settings say);
    `max_requests` the budget of an answer, `daily_requests` that of a day (0: none).
    """

    mode: Mode = "fused"
    weight: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    auto: bool = False
    temperature: ranges.Temperature | None = None
    max_tokens: ranges.MaxTokens | None = None
    top_p: ranges.TopP | None = None
    top_k: ranges.TopK | None = None
    min_p: ranges.MinP | None = None
    repeat_penalty: ranges.RepeatPenalty | None = None
    dry_multiplier: ranges.DryMultiplier | None = None
    seed: ranges.Seed | None = None
    stop: ranges.Stops | None = None
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

    @property
    def sampling(self) -> dict[str, Any]:
        """The settings of sampling that the person chose, by name."""
        chosen = {name: getattr(self, name) for name in SAMPLING_NAMES}
        return {name: value for name, value in chosen.items() if value is not None}

    def options(self, defaults: Sampling = _GREEDY) -> TurnOptions:
        """Return the same for a turn; `defaults`: settings of sampling that nobody chose."""
        sampling = replace(defaults, **self.sampling)
        return TurnOptions(
            self.mode,
            self.weight,
            sampling,
            deadline=None if self.deadline_ms is None else self.deadline_ms / 1000,
            tolerance=TOLERANCE if self.fewer_requests else 0.0,
            max_requests=self.max_requests,
            daily_requests=self.daily_requests or None,
            auto=self.auto,
        )
