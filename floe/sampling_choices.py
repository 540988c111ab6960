"""Settings of sampling as somebody chose them, and the range that each may have.

The one place of these ranges: `floe.toml`, the model catalog, the page, `floe ask` and the API
for other programs read them here. What the settings do is said at `records.Sampling`.
"""

from dataclasses import replace
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from floe.records import Sampling

Temperature: TypeAlias = Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
TopP: TypeAlias = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
TopK: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
MinP: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
RepeatPenalty: TypeAlias = Annotated[float, Field(ge=1, le=2, allow_inf_nan=False)]
OpenAiPenalty: TypeAlias = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
"""Of frequency or presence: the range that the OpenAI protocol gives them."""
LastTokens: TypeAlias = Annotated[int, Field(ge=-1, le=1_000_000)]
DryMultiplier: TypeAlias = Annotated[float, Field(ge=0, le=5, allow_inf_nan=False)]
Seed: TypeAlias = Annotated[int, Field(ge=0, le=(1 << 53) - 1)]
"""At most what a browser can hold as a number."""
MaxTokens: TypeAlias = Annotated[int, Field(ge=1, le=65_536)]
StopString: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
Stops: TypeAlias = Annotated[tuple[StopString, ...], Field(max_length=16)]


class SamplingChoices(BaseModel):
    """Some settings of sampling; None: not chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Temperature | None = Field(None, description="0: always the likeliest token")
    top_p: TopP | None = Field(None, description="the likeliest tokens that hold this share")
    top_k: TopK | None = Field(None, description="this many of the likeliest tokens; 0: all")
    min_p: MinP | None = Field(None, description="no token below this share of the likeliest")
    repeat_penalty: RepeatPenalty | None = Field(
        None, description="makes tokens that are already in the answer less likely; 1: off"
    )
    frequency_penalty: OpenAiPenalty | None = Field(
        None, description="the same, for each time that a token occurs; 0: off"
    )
    presence_penalty: OpenAiPenalty | None = Field(
        None, description="the same, once for each token that occurs; 0: off"
    )
    penalty_last_n: LastTokens | None = Field(
        None, description="tokens these three look back; -1: the whole answer"
    )
    dry_multiplier: DryMultiplier | None = Field(
        None, description="makes repeating a passage of the answer less likely; 0: off"
    )
    dry_base: Annotated[float, Field(ge=1, le=4, allow_inf_nan=False)] | None = Field(
        None, description="how much the penalty grows with each further token of it"
    )
    dry_allowed_length: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="tokens that may repeat without a penalty"
    )
    dry_range: LastTokens | None = Field(
        None, description="tokens it looks back; -1: the whole answer"
    )
    dry_breakers: tuple[StopString, ...] | None = Field(
        None, max_length=64, description="texts that end a passage"
    )
    seed: Seed | None = Field(
        None, description="gives the same answer again, as far as the cloud allows"
    )
    stop: Stops | None = Field(None, description="the answer ends before the first of these texts")
    max_tokens: MaxTokens | None = Field(None, description="longest answer")

    @property
    def chosen(self) -> dict[str, Any]:
        """Those that were chosen, by name."""
        return self.model_dump(exclude_none=True)

    def over(self, base: Sampling) -> Sampling:
        """Return `base` with what was chosen."""
        return replace(base, **self.chosen)
