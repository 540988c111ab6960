"""A chat completion as a program asks for it, made into a turn's options and messages.

Knows the protocol and the turn; neither HTTP nor the assistant.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from floe import sampling_choices as ranges
from floe.chat.turn import TurnOptions
from floe.cloud.protocol.wire import ChatParameters
from floe.fusion.picking import ALTERNATIVES
from floe.records import ChatMessage, Mode, Role, Sampling

MODELS: Final[Mapping[str, Mode]] = {
    "floe": "fused",
    "floe-local": "local",
    "floe-cloud": "cloud",
}
"""Ids that `model` may have, and who answers."""

_LONGEST_ANSWER: Final = 65_536
_LOCAL_ONES: Final = ("frequency_penalty", "presence_penalty", "top_k", "min_p", "repeat_penalty")
"""Settings that Floe applies to the distribution itself: the cloud alone is not asked for them."""
_NOTHING: Final[tuple[Any, ...]] = (None, False, 0, [], {}, "none")
_NO_TOOLS: Final = "Floe calls no tools"
_NOT_HERE: Final[dict[str, tuple[tuple[Any, ...], str]]] = {
    "n": ((1,), "Floe gives one answer to a request; ask again for another"),
    "tools": (_NOTHING, _NO_TOOLS),
    "tool_choice": (("none", "auto"), _NO_TOOLS),
    "functions": (_NOTHING, _NO_TOOLS),
    "function_call": (("none", "auto"), _NO_TOOLS),
    "audio": (_NOTHING, "Floe writes text, not audio"),
    "modalities": ((["text"],), "Floe writes text alone"),
    "prediction": (_NOTHING, "Floe takes no predicted answer"),
    "web_search_options": (_NOTHING, "Floe does not search the web"),
    "response_format": (({"type": "text"},), "Floe cannot hold an answer to a format"),
    "logit_bias": (_NOTHING, "Floe cannot favour single tokens"),
    "store": (_NOTHING, "Floe keeps no chats that a program brings along"),
}
"""Parameters that would change the answer and that nobody here can follow: the values that ask for
nothing, and what is said of all others."""


class FloeOptions(BaseModel):
    """Parameters that only this endpoint knows, given as `floe` in the request.

    `weight`: local weight in [0, 1]; None: the automatic one. `mode`: who may answer; None: as the
    model's id says. `adapters`: whether what was learnt acts. `personal`: whether the local model
    is told what the person says of themselves. `memory`: whether it may read what the person wrote
    in earlier chats, notes and files, where the page allows it.
    """

    model_config = ConfigDict(extra="forbid")

    weight: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    mode: Mode | None = None
    adapters: bool = True
    personal: bool = True
    memory: bool = True


class _Part(BaseModel):
    type: str
    text: str = ""


_SentRole: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]


class _SentMessage(BaseModel):
    role: _SentRole
    content: str | list[_Part] | None = None
    tool_calls: list[Any] | None = None

    @model_validator(mode="after")
    def _is_text(self) -> "_SentMessage":
        if self.role in ("tool", "function") or self.tool_calls:
            raise ValueError(f"{_NO_TOOLS}, so it takes no messages of them.")
        if isinstance(self.content, list):
            kinds = [part.type for part in self.content if part.type not in ("text", "refusal")]
            if kinds:
                raise ValueError(f"Floe reads text alone; it cannot use {kinds[0]!r}.")
        return self

    @property
    def text(self) -> str:
        """The content in one piece."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class CompletionRequest(ChatParameters):
    """Body of `/v1/chat/completions`. Parameters that change nothing here are let pass."""

    messages: list[_SentMessage] = Field(min_length=1)
    top_logprobs: int = Field(0, ge=0)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    top_p: ranges.TopP | None = None
    frequency_penalty: ranges.OpenAiPenalty | None = None
    presence_penalty: ranges.OpenAiPenalty | None = None
    top_k: ranges.TopK | None = None
    min_p: ranges.MinP | None = None
    repeat_penalty: ranges.RepeatPenalty | None = None
    floe: FloeOptions = FloeOptions()

    @model_validator(mode="before")
    @classmethod
    def _can_be_followed(cls, data: Any) -> Any:
        """Refuse what would be left out in silence; null is the same as not given."""
        if not isinstance(data, dict):
            return data
        given = {name: value for name, value in data.items() if value is not None}
        for name, (harmless, sentence) in _NOT_HERE.items():
            if name in given and given[name] not in harmless:
                raise ValueError(f"{sentence}. Leave {name!r} out.")
        return given

    @model_validator(mode="after")
    def _is_answerable(self) -> "CompletionRequest":
        if self.top_logprobs > ALTERNATIVES:
            raise ValueError(
                f"Floe keeps the {ALTERNATIVES} likeliest tokens of each step, no more."
            )
        off = Sampling()
        asked = next(
            (n for n in _LOCAL_ONES if getattr(self, n) not in (None, getattr(off, n))), None
        )
        if asked is not None and (self.floe.mode or MODELS.get(self.model)) == "cloud":
            raise ValueError(
                f"Floe does not ask the cloud alone for {asked!r}. Leave it out, or ask another "
                "model of Floe."
            )
        if self.messages[-1].role != "user":
            raise ValueError("The last message must be the user's: that is what is answered.")
        return self

    @property
    def system(self) -> str | None:
        """All that is said to the model before the conversation; None: nothing."""
        texts = [each.text for each in self.messages if each.role in ("system", "developer")]
        return "\n\n".join(filter(None, texts)) if texts else None

    @property
    def conversation(self) -> list[ChatMessage]:
        """User and assistant in turn: what one says in several messages becomes one."""
        said = [each for each in self.messages if each.role in ("user", "assistant")]
        messages = []
        for role, group in groupby(said, lambda each: each.role):
            text = "\n\n".join(filter(None, (each.text for each in group)))
            spoken: Role = "user" if role == "user" else "assistant"
            messages.append(ChatMessage(spoken, text))
        return messages

    def options(self, kept: TurnOptions, automatic: float) -> TurnOptions:
        """For the turn: what was asked for, else what the page has (`kept`).

        Args:
            kept: the page's, budget and deadline among them.
            automatic: the automatic weight.
        """
        names = ("temperature", "top_p", *_LOCAL_ONES)
        asked = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.frequency_penalty or self.presence_penalty:
            # In this protocol they look at all of the answer.
            asked["penalty_last_n"] = -1
        if self.stops:
            asked["stop"] = tuple(self.stops)
        sampling = replace(
            kept.sampling,
            **asked,
            max_tokens=min(self.limit or kept.sampling.max_tokens, _LONGEST_ANSWER),
            seed=None if self.seed is None else self.seed % 2**64,
        )
        weight = automatic if self.floe.weight is None else self.floe.weight
        mode = self.floe.mode or MODELS[self.model]
        auto = self.floe.weight is None
        return replace(kept, mode=mode, weight=weight, sampling=sampling, auto=auto)
