"""What goes over the wire between the stand-in and its clients: requests, chunks, errors.

The OpenAI protocol as data; knows nothing of models, networks or the server.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, Field, ValidationError, model_validator

from floe.cloud.stand_in.generation import MAX_CANDIDATES
from floe.records import ChatMessage, Role


class ApiError(Exception):
    """An answer in OpenAI's error format."""

    def __init__(
        self, status: int, message: str, kind: str, *, param: str = "", code: str = ""
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


class _Message(BaseModel):
    role: Role
    content: str


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The parameters of a chat completion that the stand-in knows; others are ignored."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=MAX_CANDIDATES)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] = Field(default_factory=list)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> "ChatRequest":
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        if self.messages[-1].role == "assistant" and len(self.messages) == 1:
            raise ValueError("there is no message to answer")
        if not all([self.stop] if isinstance(self.stop, str) else self.stop):
            raise ValueError("a stop string must not be empty")
        return self

    @property
    def conversation(self) -> tuple[list[ChatMessage], str]:
        """The messages, and the beginning of the answer that a trailing one holds."""
        messages = [ChatMessage(message.role, message.content) for message in self.messages]
        if messages[-1].role == "assistant":
            return messages[:-1], messages[-1].content
        return messages, ""

    @property
    def stops(self) -> Sequence[str]:
        """Stop strings."""
        return [self.stop] if isinstance(self.stop, str) else self.stop


def delta_choice(
    delta: dict[str, str], row: dict[str, Any] | None = None, reason: str | None = None
) -> dict[str, Any]:
    """One choice of a chunk; `row` is the entry of the log-probabilities."""
    logprobs = {"content": [row]} if row else None
    return {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}


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
    return b"data: " + orjson.dumps({**head, "choices": choices, "usage": usage}) + b"\n\n"


def bad_request(error: Exception) -> ApiError:
    """The 400 for a body that could not be read, without repeating any of it."""
    message, param = "The body is not a JSON object.", ""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        param = ".".join(str(part) for part in first["loc"])
        message = f"{param}: {first['msg']}" if param else first["msg"]
    return ApiError(400, message, "invalid_request_error", param=param)
