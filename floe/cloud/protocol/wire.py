"""The OpenAI protocol as whoever answers speaks it: parameters, chunks, text, errors.

Shared by the stand-in for a cloud and by Floe's own endpoint; knows no models and no network.
"""

import codecs
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field, ValidationError, model_validator

INVALID: Final = "invalid_request_error"
"""The kind of an error that the client can mend."""


class ApiError(Exception):
    """An answer in OpenAI's error format."""

    def __init__(
        self, status: int, message: str, kind: str = INVALID, *, param: str = "", code: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": kind,
                "param": param or None,
                "code": code or None,
            }
        }


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatParameters(BaseModel):
    """Parameters that every chat completion may have besides its messages."""

    model: str
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0)
    seed: int | None = None
    stop: str | list[str] = Field(default_factory=list)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> "ChatParameters":
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if not all(self.stops):
            raise ValueError("a stop string must not be empty")
        return self

    @property
    def stops(self) -> Sequence[str]:
        """Stop strings."""
        if isinstance(self.stop, str):
            return [self.stop]
        return self.stop

    @property
    def limit(self) -> int | None:
        """Longest answer in tokens."""
        return self.max_completion_tokens or self.max_tokens


class StopFilter:
    """From the bytes of tokens to text that may be shown.

    Whole characters only, and nothing of a stop string. An incomplete character at the very end
    is left out.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self.stopped = False

    def add(self, data: bytes) -> str:
        """Text that `data` completes; `stopped` is set once a stop string has come."""
        self._pending += self._decoder.decode(data)
        found = [place for stop in self._stops if (place := self._pending.find(stop)) >= 0]
        if found:
            self.stopped = True
            shown, self._pending = self._pending[: min(found)], ""
            return shown
        held = max((_overlap(self._pending, stop) for stop in self._stops), default=0)
        cut = len(self._pending) - held
        shown, self._pending = self._pending[:cut], self._pending[cut:]
        return shown

    def flush(self) -> str:
        """Return what was held back as the possible beginning of a stop string."""
        rest, self._pending = self._pending, ""
        return rest


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


def completion_head(kind: str, model: str) -> dict[str, Any]:
    """Return what a completion, and each of its chunks, begins with."""
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": model}


def delta_choice(
    delta: dict[str, str], row: dict[str, Any] | None = None, reason: str | None = None
) -> dict[str, Any]:
    """One choice of a chunk; `row` is the entry of the log-probabilities."""
    logprobs = {"content": [row]} if row else None
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


def whole_choice(
    text: str, rows: Sequence[dict[str, Any]] | None, reason: str | None
) -> dict[str, Any]:
    """Return the choice of a completion in one piece; `rows` None: no log-probabilities."""
    return {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None if rows is None else {"content": rows},
        "finish_reason": reason,
    }


def usage_counts(prompt: int, count: int) -> dict[str, int]:
    """Tokens read and tokens generated, the end token included."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": count,
        "total_tokens": prompt + count,
    }


def server_event(
    head: dict[str, Any], choices: list[dict[str, Any]], usage: dict[str, int] | None = None
) -> bytes:
    """One server-sent event."""
    return event_of({**head, "choices": choices, "usage": usage})


def event_of(body: dict[str, Any]) -> bytes:
    """Return a server-sent event with any body."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


STREAM_END: Final = b"data: [DONE]\n\n"
"""The event after the last."""


def bad_request(error: Exception) -> ApiError:
    """Return the 400 for a body that could not be read, without repeating any of it."""
    message, param = "The body is not a JSON object.", ""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        message = f"{param}: {said}" if param else said
    return ApiError(400, message, param=param)
