"""Knowledge of one model at one endpoint: assumed at first, then measured by the probe."""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from floe.cloud.protocol.continuation import Continuation

Logprobs = Literal["given", "ignored", "refused"]
"""What a server does when asked for log-probabilities; `ignored`: the field is left out."""

TOP_LOGPROBS: Final = (20, 10, 5, 3, 1, 0)
"""How many candidates are asked for, until a number is accepted."""

_OPTIONAL: Final = ("stream_options", "max_tokens", "temperature", "top_p")
"""Parameters that some servers refuse; an answer can do without, or with another name."""


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
        template, end_text: for raw completions; see `render`.
        before_temperature: log-probabilities are those before temperature; None: not known.
        round_trip_ms: from a request to the first piece of its answer.
        tokens_per_second: after the first piece; None: all came at once.
        reports_usage: token counts come with a stream.
        left_out: parameters that it refuses.
        findings: all of this in plain sentences.
    """

    reachable: bool = False
    answers: bool = False
    complete: bool = False
    models: tuple[str, ...] = ()
    model: str = ""
    logprobs: Logprobs = "given"
    top_logprobs: int = TOP_LOGPROBS[0]
    exact_bytes: bool = False
    bytes_join: bool = False
    repeats_partial: bool = False
    continuation: Continuation = Continuation.PREFILL
    template: str = ""
    end_text: str = ""
    before_temperature: bool | None = None
    round_trip_ms: float | None = None
    tokens_per_second: float | None = None
    reports_usage: bool = False
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


def downgrade_profile(profile: EndpointProfile, refusal: str) -> EndpointProfile | None:
    """Choose what to ask for after a refusal.

    Args:
        profile: what was asked for.
        refusal: the server's words. If they name nothing that we know, it is the
            log-probabilities that are left out: what most servers without them stumble over.

    Returns:
        A humbler profile, to be kept if the server answers then; None: nothing is left to omit.
    """
    words = refusal.lower()
    named = [name for name in _OPTIONAL if name in words and name not in profile.left_out]
    if named:
        return replace(profile, left_out=(*profile.left_out, named[0]))
    if profile.logprobs != "given":
        return None
    fewer = [count for count in TOP_LOGPROBS if count < profile.top_logprobs]
    # A raw completion has the number in `logprobs` itself.
    raw = profile.continuation is Continuation.COMPLETIONS and "logprobs" in words
    if fewer and (raw or "top_logprobs" in words):
        return replace(profile, top_logprobs=fewer[0])
    return replace(profile, logprobs="refused", top_logprobs=0)
