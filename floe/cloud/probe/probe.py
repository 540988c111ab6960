"""Finds out what an endpoint can do, by asking it: a handful of requests of a few tokens each.

Tables of who supports what are out of date when they are written, and a status of 200 proves
nothing: a server that does not know a switch ignores it. So a continuation counts only if the
answer goes on in the middle of a word. Whatever goes wrong is a finding, in plain words.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from jinja2 import TemplateError

from floe.cloud.client import CloudClient, Exchange
from floe.cloud.endpoint import AccessRefused, NotServed
from floe.cloud.probe.evidence import (
    ProbeAnswer,
    read_answer,
    remaining_gap_share,
    same_distributions,
)
from floe.cloud.probe.profile import TOP_LOGPROBS, EndpointProfile, downgrade_profile
from floe.cloud.protocol.choices import tops_of
from floe.cloud.protocol.continuation import TEMPLATES, Continuation
from floe.cloud.protocol.request import Ask, Request, build_request, raw_request
from floe.cloud.protocol.spelling import read_bytes
from floe.cloud.protocol.thinking import SWITCHES, ThinkingSwitch
from floe.errors import CloudError
from floe.records import ChatMessage, Sampling

SECONDS: Final = 60.0
"""Longest time for the whole test, from the first answer on."""
LOADING_SECONDS: Final = 240.0
"""Longest wait for the first answer: some servers load their model when it is asked for."""
_REQUEST_SECONDS: Final = 20.0
_SLOW_SECONDS: Final = 10.0
"""After so long a person is told what it may be waiting for."""
_LOADING_PAUSE: Final = 1.0
_TOKENS: Final = 16
_WORDS: Final = 8
_THINKING_SECONDS: Final = 50.0
_THINKING_TOKENS: Final = 2048
"""For a model that thinks before it answers."""
_CHECK_SECONDS: Final = 15.0
_PROOF_SECONDS: Final = 30.0
"""Longest time to find out about continuation alone."""

# Letters of two bytes, signs of three and four: what servers spell in different ways.
_SPELLING: Final = "Repeat exactly, and write nothing else: Grüße 你好 😀"
# Cut within a word: no new turn begins with the rest of it, even if it goes on in substance. Two
# small models (135M, 0.5B) that were asked to count lost their way at such a cut; these copy.
_COPYING: Final = (
    "Repeat exactly, and write nothing else: strawberry marmalade, strawberry marmalade"
)
_BEGINNING: Final = "strawberry marmalade, straw"
_REST: Final = "berry"
_TEMPERED_GAP_SHARE: Final = 0.85
"""Share of the gaps between candidates that is left at temperature 2: 1 if it is not applied to
what is reported, else a half."""
_REPLACEMENT: Final = "�".encode()

_SWITCHES: Final = {
    Continuation.PREFILL: "it goes on with a trailing assistant message by itself",
    Continuation.FINAL_MESSAGE: "the switch is continue_final_message",
    Continuation.PREFIX: "the switch is prefix: true",
    Continuation.COMPLETIONS: "by raw completions",
}


class _ProbeAborted(Exception):
    """The test cannot go on; the text says why."""


class _RequestRefused(Exception):
    """The server does not serve such a request; the text says why."""


def probe(
    client: CloudClient,
    hint: EndpointProfile | None = None,
    *,
    progress: Callable[[str], None] = lambda _sentence: None,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float = SECONDS,
    loading_seconds: float = LOADING_SECONDS,
) -> EndpointProfile:
    """Test an endpoint and one of its models.

    Args:
        client: with the model to test; if it names none, the first that is listed.
        hint: what to try first; it changes the number of requests, not the result.
        progress: is told what is being done, a sentence a step.
        cancelled: looked at many times a second; true ends the test.
        seconds: longest time for all that follows the first answer.
        loading_seconds: longest wait for the first answer.

    Returns:
        What was found; `complete` only if nothing stood in the way.
    """
    hint = hint or EndpointProfile()
    return _Probe(client, hint, progress, cancelled, seconds, loading_seconds).run()


def prove_continuation(
    client: CloudClient, *, cancelled: Callable[[], bool] = lambda: False
) -> EndpointProfile | None:
    """Find out whether an endpoint continues an answer, without the rest of the test.

    And first, where its model was heard thinking, whether it can be kept from that.

    Args:
        client: has been answered before; its profile says what to try first.
        cancelled: looked at many times a second; true ends it.

    Returns:
        The client's profile with what was seen; None: something else stood in the way.
    """
    tried = _Probe(client, client.profile, lambda _: None, cancelled, _PROOF_SECONDS, 0.0)
    tried.profile = client.profile
    try:
        tried.continue_by_the_way(thinks=client.heard_thinking)
    except _ProbeAborted:
        return None
    found = tried.profile
    profile = client.profile  # what requests have learnt meanwhile about parameters stays
    if found.thinking_off and not profile.thinking_off:
        # What a model refuses while it thinks it may give now.
        profile = replace(
            profile,
            thinking_off=found.thinking_off,
            logprobs=found.logprobs,
            top_logprobs=found.top_logprobs,
            left_out=found.left_out,
        )
    return replace(
        profile,
        continuation=found.continuation,
        thinks=found.thinks,
        repeats_partial=found.repeats_partial,
        template=found.template,
        end_text=found.end_text,
        unproven=False,
    )


def check_endpoint(client: CloudClient) -> None:
    """See that the endpoint is there, and which model to ask for.

    Raises:
        CloudError: it is not, or lists no models where none is named.
    """
    try:
        listed = client.models()
    except (NotServed, AccessRefused):
        # Some servers have no list, and some keys may not see it: then only an answer tells.
        if not client.model:
            raise
        knock = client.open([ChatMessage("user", "Hi")], "", Sampling(), 1, purpose="probe")
        answered = knock.wait(_CHECK_SECONDS)
        failure = knock.error
        knock.close()
        if failure is None and not answered:
            failure = CloudError(f"{client.host} does not answer.")
        if failure is not None:
            raise failure from None
        return
    if not client.model and not listed:
        raise CloudError(f"{client.host} lists no models; name one in the settings.")
    client.model = client.model or listed[0]


class _Probe:
    """One test under way."""

    def __init__(
        self,
        client: CloudClient,
        hint: EndpointProfile,
        progress: Callable[[str], None],
        cancelled: Callable[[], bool],
        seconds: float,
        loading_seconds: float,
    ) -> None:
        self._client = client
        self._hint = hint
        self._progress = progress
        self._cancelled = cancelled
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._loading_seconds = loading_seconds
        self._answered = False
        self.profile = EndpointProfile(
            model=client.model,
            requires_parameters=hint.requires_parameters,
            trims_beginning=hint.trims_beginning,
        )

    def run(self) -> EndpointProfile:
        try:
            self._list_models()
            self._probe_logprobs()
            self._probe_continuation()
            self._compare_temperatures()
            self._record_facts(complete=True)
        except _ProbeAborted as ended:
            self._record_finding(str(ended))
        return self.profile

    def continue_by_the_way(self, *, thinks: bool) -> None:
        """Do that part of the test alone; `profile` is one that the endpoint has accepted."""
        self._answered = True
        if thinks and not self.profile.thinking_off and self._stop_thinking() is None:
            self._record_facts(thinks=1)
        self._probe_continuation()

    def _record_facts(self, *sentences: str, **facts: Any) -> None:
        self.profile = replace(self.profile, **facts, findings=(*self.profile.findings, *sentences))

    def _record_finding(self, sentence: str) -> None:
        self._record_facts(sentence)

    def _list_models(self) -> None:
        self._progress("Asking which models there are.")
        try:
            models = tuple(self._client.models())
        except CloudError as error:
            # The endpoint may still answer: some servers have no list, some keys may not see it.
            if not self._client.model:
                raise _ProbeAborted(str(error)) from None
            self._record_finding(f"No list of models: {error}")
            return
        model = self._client.model or next(iter(models), "")
        listed = "one model is listed" if len(models) == 1 else f"{len(models)} models are listed"
        self._record_facts(f"Reachable; {listed}.", reachable=True, models=models)
        if not model:
            raise _ProbeAborted("No model is listed and none is named: name one.")
        self._client.model = model
        self._record_facts(model=model)
        if models and model not in models:
            self._record_finding(f"The model {model} is not among those listed.")

    def _probe_logprobs(self) -> None:
        """Learn log-probabilities, candidates, bytes, speed and usage from one answer."""
        self._progress(f"Asking {self.profile.model} for a few tokens.")
        ask = self._ask(_SPELLING)
        try:
            answer, profile = self._ask_downgrading(
                lambda given: build_request(ask, given), self.profile
            )
        except _RequestRefused as refused:
            raise _ProbeAborted(str(refused)) from None
        self.profile = profile
        self._record_facts("A streamed answer came.", reachable=True, answers=True)
        if answer.thinking or not answer.text:
            answer = self._stop_thinking() or self._let_it_think(answer)
        self._judge_logprobs(answer)
        self._judge_speed(answer)
        if len(answer.tokens) > _TOKENS:
            self._record_finding("It does not keep to the number of tokens that it is asked for.")
        self._record_facts(
            "It reports how many tokens were used."
            if answer.usage
            else "It does not report how many tokens were used.",
            reports_usage=answer.usage,
        )

    def _stop_thinking(self) -> ProbeAnswer | None:
        """Ask again in the ways that keep models from thinking.

        Returns:
            The first answer that came without; None: none did.
        """
        self._progress(f"{self.profile.model} thinks first: finding out whether it can do without.")
        for switch in sorted(SWITCHES, key=lambda each: each is not self._hint.thinking_off):
            try:
                answer, profile = self._ask_without_thinking(switch)
            except _RequestRefused:
                continue
            if answer.text and not answer.thinking:
                self.profile = profile
                self._record_facts(
                    f"It thinks first, but not if it is told so: the switch is {switch.value}.",
                    thinking_off=switch,
                )
                return answer
        return None

    def _ask_without_thinking(self, switch: ThinkingSwitch) -> tuple[ProbeAnswer, EndpointProfile]:
        """Ask with a switch, and for all that may have been refused to a model that thinks.

        Raises:
            _RequestRefused: the endpoint does not know it.
        """
        ask = self._ask(_SPELLING)

        def build(profile: EndpointProfile) -> Request:
            if profile.thinking_off is not switch:
                raise _RequestRefused(switch.value)
            return build_request(ask, profile)

        left_out = tuple(name for name in self.profile.left_out if name != "temperature")
        return self._ask_downgrading(
            build,
            replace(
                self.profile,
                thinking_off=switch,
                logprobs="given",
                top_logprobs=TOP_LOGPROBS,
                left_out=left_out,
            ),
        )

    def _let_it_think(self, answer: ProbeAnswer) -> ProbeAnswer:
        """Ask once more with room for thinking, which has used up the first answer's tokens.

        Raises:
            _ProbeAborted: no text comes all the same.
        """
        if not answer.text:
            self._progress(f"{self.profile.model} thinks first: asking again with more room.")
            request = build_request(self._ask(_SPELLING, tokens=_THINKING_TOKENS), self.profile)
            second = self._try(request, "", seconds=_THINKING_SECONDS)
            answer = second if second is not None else answer
        if not answer.text:
            raise _ProbeAborted(
                f"It thinks first, {answer.thinking} tokens or more, and came to no answer within "
                f"{_THINKING_TOKENS} tokens, and nothing that Floe knows keeps it from that: "
                "choose another model."
                if answer.thinking
                else "It answered with no text at all."
            )
        if answer.thinking:
            self._record_facts(
                f"It thinks first, {answer.thinking} tokens, and nothing that Floe knows keeps it "
                "from that; it cannot be followed token by token.",
                thinks=answer.thinking,
            )
        return answer

    def _judge_logprobs(self, answer: ProbeAnswer) -> None:
        if self.profile.logprobs == "refused":
            self._record_finding(
                "It refuses to give log-probabilities: each of its tokens counts with a fixed "
                "confidence."
            )
            return
        if not answer.entries:
            self._record_facts(
                "It leaves log-probabilities out without a word: each of its tokens counts with "
                "a fixed confidence.",
                logprobs="ignored",
                top_logprobs=0,
            )
            return
        top = max(len(tops_of(entry)) for entry in answer.entries)
        top = min(top, self.profile.top_logprobs)
        given = [entry.get("bytes") for entry in answer.entries]
        exact = all(data is not None for data in given)
        joined = b"".join(read_bytes(data) or b"" for data in given)
        joins = exact and joined.startswith(answer.text.encode())
        if joins:
            spelling = "Each token comes with its exact bytes, and they join up to the text."
        elif exact and _REPLACEMENT in joined:
            spelling = "Pieces of characters come as �; they are put together from the text."
        elif exact:
            spelling = "The bytes of its tokens do not join up to its text."
        else:
            spelling = "Tokens come without their bytes; they are read from the text."
        self._record_facts(
            f"Log-probabilities come with the stream, {top} candidates for each token.",
            spelling,
            top_logprobs=top,
            exact_bytes=exact,
            bytes_join=joins,
        )

    def _judge_speed(self, answer: ProbeAnswer) -> None:
        first, last = answer.at_ms[0], answer.at_ms[-1]  # there is text, so there are pieces
        count = len(answer.tokens)
        rate = (count - 1) / (last - first) * 1000 if count > 3 and last > first else None
        speed = f", then about {rate:.0f} tokens a second" if rate else ""
        self._record_facts(
            f"The first piece came after {first:.0f} ms{speed}.",
            round_trip_ms=first,
            tokens_per_second=rate,
        )

    def _probe_continuation(self) -> None:
        if self.profile.thinks:
            self._record_facts(
                "So it is not asked to continue an answer: it would think anew each time.",
                continuation=Continuation.NONE,
            )
            return
        self._progress("Finding out whether it can continue an answer.")
        # A stable order: the likely switch, then from the plainest to the most roundabout.
        for kind in sorted(_SWITCHES, key=lambda kind: kind is not self._hint.continuation):
            profile: EndpointProfile | None = replace(self.profile, continuation=kind)
            if kind is Continuation.COMPLETIONS:
                profile = self._find_template()
            if profile is None:
                continue
            ask = self._ask(_COPYING, _BEGINNING, tokens=_WORDS)
            answer = self._try(build_request(ask, profile), _BEGINNING)
            if answer is None or not answer.text.startswith(_REST):
                continue
            repeats = answer.repeated
            self.profile = replace(profile, repeats_partial=repeats)
            self._record_finding(
                f"It continues an answer that has begun: {_SWITCHES[kind]}."
                + (" It repeats the beginning, which is taken out." if repeats else "")
            )
            return
        self._record_facts(
            "It cannot continue an answer: each answer is one request, followed for as long as the "
            "two models nearly agree; then this device finishes alone.",
            continuation=Continuation.NONE,
        )

    def _find_template(self) -> EndpointProfile | None:
        """Find the profile for raw completions, if one of the templates does what its chat does."""
        self._progress("Trying chat templates on raw completions.")
        ask = self._ask(_COPYING, tokens=_WORDS)
        by_chat = build_request(ask, self.profile)
        expected = self._try(by_chat, "")
        if expected is None:
            return None
        told = self._client.properties()
        own, end = told.get("chat_template"), told.get("eos_token")
        templates = {"its own": own} if isinstance(own, str) and own else TEMPLATES
        for name, template in templates.items():
            profile = replace(
                self.profile,
                continuation=Continuation.COMPLETIONS,
                template=template,
                end_text=end if isinstance(end, str) else "",
            )
            try:
                answer, profile = self._ask_downgrading(
                    lambda given: raw_request(ask, given), profile
                )
            except (_RequestRefused, TemplateError):
                continue
            same = same_distributions(expected, answer)
            if not same and same_distributions(expected, answer, tokens=1):
                # What a server has in its cache changes the digits, and they add up. Asked right
                # after the other it has the same in there.
                again = self._try(by_chat, "")
                same = again is not None and same_distributions(again, answer)
            if same:
                sentence = f"Raw completions say what its chat says with this template: {name}."
                return replace(profile, findings=(*profile.findings, sentence))
        return None

    def _compare_temperatures(self) -> None:
        profile = self.profile
        if profile.top_logprobs < 2 or "temperature" in profile.left_out:
            return
        self._progress("Comparing log-probabilities at two temperatures.")
        cold = self._try(build_request(self._ask(_COPYING, tokens=1), profile), "")
        warm = self._try(build_request(self._ask(_COPYING, tokens=1, temperature=2), profile), "")
        share = remaining_gap_share(cold, warm) if cold is not None and warm is not None else None
        if share is None:
            self._record_finding(
                "Whether log-probabilities are those before temperature could not be told."
            )
        elif share > _TEMPERED_GAP_SHARE:
            self._record_facts(
                "Log-probabilities are those before temperature.", before_temperature=True
            )
        else:
            self._record_facts(
                "Log-probabilities are those after temperature: at other temperatures than 1 the "
                "mixture is approximate.",
                before_temperature=False,
            )

    def _ask(
        self, question: str, partial: str = "", *, tokens: int = _TOKENS, temperature: float = 0
    ) -> Ask:
        messages = [
            ChatMessage("system", "You are a helpful assistant."),
            ChatMessage("user", question),
        ]
        return Ask(self._client.model, messages, partial, temperature, 1, tokens)

    def _ask_downgrading(
        self, build: Callable[[EndpointProfile], Request], profile: EndpointProfile
    ) -> tuple[ProbeAnswer, EndpointProfile]:
        """Ask, and ask for less until it is accepted; the profile that was.

        Raises:
            _RequestRefused: it is not, whatever is left out.
        """
        while True:
            exchange = self._exchange(build(profile))
            if exchange.error is None:
                return self._read(exchange, ""), profile
            downgraded = downgrade_profile(profile, exchange.refusal) if exchange.refusal else None
            if downgraded is None:
                raise _RequestRefused(str(exchange.error))
            profile = downgraded

    def _try(
        self, request: Request, partial: str, *, seconds: float = _REQUEST_SECONDS
    ) -> ProbeAnswer | None:
        """Return the answer, or None if the server does not serve such a request."""
        exchange = self._exchange(request, seconds)
        return self._read(exchange, partial) if exchange.error is None else None

    def _read(self, exchange: Exchange, partial: str) -> ProbeAnswer:
        try:
            return read_answer(exchange, partial)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _ProbeAborted(
                f"{self._client.host} does not speak the OpenAI protocol as expected "
                f"({type(error).__name__}); the test ended there."
            ) from None

    def _exchange(self, request: Request, seconds: float = _REQUEST_SECONDS) -> Exchange:
        """Send it.

        Raises:
            _ProbeAborted: the test was stopped, or what went wrong says nothing of this request.
        """
        if not self._answered:
            exchange = self._wait_for_model(request)
            self._answered = True
            self._until = time.monotonic() + self._seconds
        else:
            left = self._until - time.monotonic()
            if left <= 0:
                raise _ProbeAborted(
                    f"The test took longer than {self._seconds:g} seconds; the rest was not found "
                    "out."
                )
            exchange = self._client.exchange(
                request, seconds=min(left, seconds), cancelled=self._cancelled
            )
        if exchange.error is not None and not exchange.refused:
            raise _ProbeAborted(str(exchange.error))
        return exchange

    def _wait_for_model(self, request: Request) -> Exchange:
        """Send the first request, and again while the server says that it is loading its model."""
        until = time.monotonic() + self._loading_seconds
        slow_at = time.monotonic() + _SLOW_SECONDS

        def cancelled() -> bool:
            nonlocal slow_at
            if time.monotonic() > slow_at:
                self._progress("It takes its time: it may be loading the model.")
                slow_at = math.inf
            return self._cancelled()

        while True:
            left = max(until - time.monotonic(), 1.0)
            exchange = self._client.exchange(request, seconds=left, cancelled=cancelled)
            if not exchange.loading or time.monotonic() + _LOADING_PAUSE > until:
                return exchange
            self._progress("It is loading the model.")
            time.sleep(_LOADING_PAUSE)
