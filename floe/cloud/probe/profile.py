"""Knowledge of one model at one endpoint: assumed at first, then measured by the probe."""

import re
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from floe.cloud.protocol.continuation import Continuation
from floe.cloud.protocol.thinking import ThinkingSwitch

Logprobs = Literal["given", "ignored", "refused"]
"""What a server does when asked for log-probabilities; `ignored`: the field is left out."""

TOP_LOGPROBS: Final = 20
"""How many candidates are asked for first."""
_STEPS: Final = (5, 1, 0)
"""And then, if a server refuses so many without saying how many it gives."""
_OPTIONAL: Final = ("stream_options", "max_tokens", "temperature", "top_p")
"""Parameters that some servers refuse; an answer can do without, or with another name."""
_UNSUPPORTED: Final = re.compile(
    r"(?:not|n't|un)[ -]?(?:be )?(?:support|allow|permit|recogni[sz]|available|expected|known)"
    r"|extra inputs"
)
_LIMIT: Final = re.compile(
    r"(?:max(?:imum)?(?: allowed)?(?: value)?(?: of| is|:)?|at most|less than or equal to|up to"
    r"|<=|no more than|and) ?[`'\"]?(\d{1,3})\b(?! tokens)"
    r"|between 0 and (\d{1,3})\b"
)
"""The largest number that a refusal names."""
FITS_NO_CONTEXT: Final = re.compile(
    r"context[ _](?:length|window|size)|reduce the length|prompt (?:is )?too long"
    r"|too many (?:input )?tokens|exceeds? the (?:available )?context|max\w*_tokens\W+is too large"
    r"|at most \d+ completion tokens|`inputs`.{0,40}must (?:have less|be)",
    re.IGNORECASE,
)
"""A conversation, or a conversation and its answer, that is longer than a model can take."""
_NO_PREFILL: Final = re.compile(
    r"prefill|must end with a user message|expected last role"
    r"|(?:last|final) message.{0,40}(?:must|should|cannot|can't).{0,40}(?:user|assistant)",
    re.IGNORECASE,
)
"""A model that continues no answer: Claude from 4.6 on, Mistral without its switch."""
_NO_TRAILING_SPACE: Final = re.compile(r"trailing white ?space|end (?:with|in) white ?space")
"""A beginning of an answer that may not end in a space or a line break (Claude)."""
_CONTEXT: Final = re.compile(
    r"(?:context length (?:is|of)(?: only)?|context window of|must be <=) ?(\d{2,8})"
)
_PROMPT: Final = re.compile(
    r"(\d{1,8}) (?:`?inputs`? tokens|in the messages|input tokens|of text input"
    r"|tokens from the input)"
    r"|(?:your messages resulted in|prompt contains at least) (\d{1,8})"
)
_MOST_COMPLETION: Final = re.compile(r"at most (\d{2,8}) completion tokens")
_LEAST_ROOM: Final = 16
"""Tokens; for fewer nobody asks."""


@dataclass(frozen=True, slots=True)
class EndpointProfile:
    """Facts about an endpoint; the defaults are assumed of one that has not been tested.

    Attributes:
        reachable: something speaks HTTP there.
        answers: a streamed chat completion has come; so the key, if any, is accepted.
        complete: the probe found out all that it asks.
        models: ids that the endpoint lists.
        model: the one that was tested.
        logprobs: see `Logprobs`.
        top_logprobs: the largest number of candidates it gives; 0: the chosen token alone.
        exact_bytes: each token comes with its bytes.
        bytes_join: they join up to the text.
        repeats_partial: the first piece of a continuation repeats the beginning.
        continuation: the switch that was seen to work.
        unproven: whether that switch works is not known yet: a server that knows none begins a
            new turn in the middle of an answer.
        trims_beginning: it continues none that ends in white space, which is not sent then.
        template, end_text: for raw completions; see `render`.
        before_temperature: log-probabilities are those before temperature; None: not known.
        round_trip_ms: from a request to the first piece of its answer.
        tokens_per_second: after the first piece; None: all came at once.
        reports_usage: token counts come with a stream.
        thinks: tokens that it thought before a short answer; 0: it does not, as far as one sees.
        thinking_off: what keeps it from thinking, where something does.
        requires_parameters: it passes requests on to hosts (OpenRouter), and is asked to choose
            among those that know all parameters.
        left_out: parameters that it refuses.
        findings: all of this in plain sentences.
    """

    reachable: bool = False
    answers: bool = False
    complete: bool = False
    models: tuple[str, ...] = ()
    model: str = ""
    logprobs: Logprobs = "given"
    top_logprobs: int = TOP_LOGPROBS
    exact_bytes: bool = False
    bytes_join: bool = False
    repeats_partial: bool = False
    continuation: Continuation = Continuation.PREFILL
    unproven: bool = False
    trims_beginning: bool = False
    template: str = ""
    end_text: str = ""
    before_temperature: bool | None = None
    round_trip_ms: float | None = None
    tokens_per_second: float | None = None
    reports_usage: bool = False
    thinks: int = 0
    thinking_off: ThinkingSwitch = ThinkingSwitch.NONE
    requires_parameters: bool = False
    left_out: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return values that JSON can hold."""
        values: dict[str, Any] = _PROFILES.dump_python(self, mode="json")
        return values

    @staticmethod
    def from_json(values: dict[str, Any]) -> "EndpointProfile | None":
        """Read a profile; None if another version of Floe wrote what cannot be read here."""
        try:
            return _PROFILES.validate_python(values)
        except ValidationError:
            return None


_PROFILES: Final = TypeAdapter(EndpointProfile)


def downgrade_profile(
    profile: EndpointProfile, refusal: str, *, last: bool = False, begun: bool = False
) -> EndpointProfile | None:
    """Choose what to ask for after a refusal.

    Args:
        profile: what was asked for.
        refusal: the server's words. If they name nothing that we know, it is the
            log-probabilities that are left out: what most servers without them stumble over.
        last: there will be no other try: leave all out that the refusal may be about.
        begun: an answer was to be continued: log-probabilities were accepted before.

    Returns:
        A humbler profile, to be kept if the server answers then; None: nothing is left to omit.
    """
    words = refusal.lower()
    if FITS_NO_CONTEXT.search(words):
        return None  # it names `max_tokens`, but knows it
    if (changed := _downgrade_extras(profile, words, begun)) is not None:
        return changed
    named = [name for name in _OPTIONAL if _names(words, name) and name not in profile.left_out]
    if {"temperature", "top_p"} <= set(named):
        named = ["top_p"]  # not both at a time
    count = None if last and not _LIMIT.search(words) else _fewer_candidates(profile, words)
    if (
        last
        and "max_tokens" in profile.left_out
        and (named or (count is None and "logprob" in words))
    ):
        # OpenAI's models that think, which refuse one parameter at a time.
        named = [*named, *({"temperature"} - {*named, *profile.left_out})]
        profile = replace(profile, logprobs="refused", top_logprobs=0)
    if named:
        left_out = named if last else named[:1]
        return replace(profile, left_out=(*profile.left_out, *left_out))
    if profile.logprobs != "given" or (begun and "logprob" not in words):
        return None
    if count is None:
        return replace(profile, logprobs="refused", top_logprobs=0)
    return replace(profile, top_logprobs=count)


def _downgrade_extras(profile: EndpointProfile, words: str, begun: bool) -> EndpointProfile | None:
    """Change what only some endpoints know, where a refusal is about that."""
    if begun and "enable_thinking" in words and not profile.thinking_off:
        # llama-server: no answer is continued while the model's template lets it think.
        return replace(profile, thinking_off=ThinkingSwitch.TEMPLATE)
    if begun and _NO_TRAILING_SPACE.search(words) and not profile.trims_beginning:
        return replace(profile, trims_beginning=True)
    if profile.thinking_off and _names(words, profile.thinking_off):
        return replace(profile, thinking_off=ThinkingSwitch.NONE)
    if profile.requires_parameters and is_about_routing(words):
        return replace(profile, requires_parameters=False)
    return None


def is_about_routing(refusal: str) -> bool:
    """Return whether no host behind a gateway knows all parameters (OpenRouter, status 404)."""
    return "requested parameters" in refusal.lower()


def refuses_continuation(refusal: str) -> bool:
    """Return whether a refusal says that no answer is continued here."""
    return bool(_NO_PREFILL.search(refusal))


def _names(words: str, name: str) -> bool:
    return re.search(rf"(?<![a-z_]){name}(?![a-z_])", words) is not None


def _fewer_candidates(profile: EndpointProfile, words: str) -> int | None:
    """Return a smaller number of candidates that is worth a try; None: it is not the number."""
    stated = [int(found[1] or found[2]) for found in _LIMIT.finditer(words)]
    limits = [count for count in stated if count < profile.top_logprobs]
    if limits and ("logprobs" in words or "top_n_tokens" in words):
        return limits[0]
    # A raw completion has the number in `logprobs` itself.
    raw = profile.continuation is Continuation.COMPLETIONS and "logprobs" in words
    named = any(name in words for name in ("top_logprobs", "top_n_tokens", "sample logprobs"))
    if _UNSUPPORTED.search(words) or not (raw or named):
        return None
    return next((count for count in _STEPS if count < profile.top_logprobs), None)


def room_for_answer(refusal: str, max_tokens: int) -> int | None:
    """Return how many tokens an answer may have at most, where a refusal says so.

    Args:
        refusal: the server's words.
        max_tokens: as many were asked for.

    Returns:
        None if it says nothing of the kind, or there is hardly any room.
    """
    words = refusal.lower()
    context, prompt = _CONTEXT.search(words), _PROMPT.search(words)
    room: int | None = None
    if context is not None and prompt is not None:
        room = int(context[1]) - int(prompt[1] or prompt[2])
    elif (most := _MOST_COMPLETION.search(words)) is not None:
        room = int(most[1])
    return room if room is not None and _LEAST_ROOM <= room < max_tokens else None
