"""The body of a request, in the words that one endpoint understands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from floe.cloud.probe.profile import EndpointProfile
from floe.cloud.protocol.continuation import TEMPLATES, Continuation, render
from floe.cloud.protocol.thinking import thinking_parameters
from floe.records import ChatMessage

CHAT: Final = "/chat/completions"
COMPLETIONS: Final = "/completions"


@dataclass(frozen=True, slots=True)
class Ask:
    """A continuation that is wanted, whatever the endpoint.

    `partial` is the beginning of the answer, `max_tokens` how much more of it, in the cloud's
    tokens.
    """

    model: str
    messages: Sequence[ChatMessage]
    partial: str
    temperature: float
    top_p: float
    max_tokens: int


class Request(NamedTuple):
    """A path below the base URL, and the body to send there."""

    path: str
    body: dict[str, Any]


def build_request(ask: Ask, profile: EndpointProfile) -> Request:
    """Build the request for `ask` that fits `profile`.

    Raises:
        TemplateError: the template for a raw completion refuses the conversation.
    """
    if ask.partial and profile.continuation is Continuation.COMPLETIONS:
        return raw_request(ask, profile)
    body = _common(ask, profile) | _chat(ask, profile) | thinking_parameters(profile.thinking_off)
    if profile.requires_parameters:
        body["provider"] = {"require_parameters": True}
    if profile.logprobs == "given":
        body |= {"logprobs": True, "top_logprobs": profile.top_logprobs}
    return Request(CHAT, body)


def raw_request(ask: Ask, profile: EndpointProfile) -> Request:
    """Build the same as a raw completion, with the conversation as the model reads it.

    Raises:
        TemplateError: the template refuses the conversation.
    """
    template = profile.template or TEMPLATES["ChatML"]
    prompt = render(template, profile.end_text, ask.messages, ask.partial)
    body = _common(ask, profile) | {"prompt": prompt}
    if profile.logprobs == "given":
        body["logprobs"] = profile.top_logprobs
    return Request(COMPLETIONS, body)


def unsent_space(ask: Ask, profile: EndpointProfile) -> str:
    """Return the end of an answer's beginning that `build_request` leaves out for this server."""
    if not profile.trims_beginning or profile.continuation is Continuation.COMPLETIONS:
        return ""
    return ask.partial[len(ask.partial.rstrip()) :]


def _common(ask: Ask, profile: EndpointProfile) -> dict[str, Any]:
    optional: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "temperature": ask.temperature,
        "max_tokens": ask.max_tokens,
    }
    if ask.top_p < 1:
        # 1 is what everybody assumes; TGI refuses it, and others refuse it beside a temperature.
        optional["top_p"] = ask.top_p
    body: dict[str, Any] = {"model": ask.model, "stream": True}
    body |= {name: value for name, value in optional.items() if name not in profile.left_out}
    if "max_tokens" in profile.left_out:
        body["max_completion_tokens"] = ask.max_tokens  # what OpenAI's newer models call it
    return body


def _chat(ask: Ask, profile: EndpointProfile) -> dict[str, Any]:
    sent: list[dict[str, Any]] = [
        {"role": message.role, "content": message.content} for message in ask.messages
    ]
    begun = ask.partial.removesuffix(unsent_space(ask, profile))
    if not begun:
        return {"messages": sent}
    last: dict[str, Any] = {"role": "assistant", "content": begun}
    switches: dict[str, Any] = {}
    if profile.continuation is Continuation.PREFIX:
        last["prefix"] = True
    elif profile.continuation is Continuation.FINAL_MESSAGE:
        switches = {"continue_final_message": True, "add_generation_prompt": False}
    return {"messages": [*sent, last], **switches}
