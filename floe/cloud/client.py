"""The black box: one streaming request after another to an OpenAI-compatible endpoint.

All requests live as tasks on one event loop in a thread of its own. Cancelling a task closes its
connection wherever it stands, in a read as well as while connecting; a thread blocked in a
socket could not be called back like that. Nothing here knows of tokenizers or fusion.

What leaves the device is the body that `floe.cloud.protocol.request` builds, and these headers:
Host, Authorization (the key), Content-Type and -Length, Accept, Accept-Encoding, Connection, and
"floe" as User-Agent. All others are taken out: the `openai` package would tell of system and
versions, and add what OPENAI_ORG_ID, OPENAI_PROJECT_ID and OPENAI_CUSTOM_HEADERS say, whoever is
asked; a server's cookies would come back to it. It all goes to one origin: no redirect is followed.
Each body is handed to the log of what was sent before it leaves; what cannot be logged stays.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import urljoin

import httpx2
import openai
from openai import AsyncOpenAI
from pydantic import SecretStr

from floe.cloud.closable_stream import ClosableStream
from floe.cloud.endpoint import (
    Endpoint,
    EndpointRefusal,
    NotAnApiError,
    RateLimited,
    SecretRepeatedError,
    is_loading,
    is_refusal,
)
from floe.cloud.listing import model_entries, template_texts
from floe.cloud.logged_client import COUNTED, ENTRY, LoggedClient
from floe.cloud.probe.budget import ProbeBudget
from floe.cloud.probe.profile import (
    EndpointProfile,
    downgrade_profile,
    refuses_continuation,
    room_for_answer,
)
from floe.cloud.protocol.bounds import bound_response, is_document
from floe.cloud.protocol.choices import reasoning_tokens
from floe.cloud.protocol.continuation import Continuation
from floe.cloud.protocol.distributions import TokenReader
from floe.cloud.protocol.request import Ask, Request, build_request, unsent_space
from floe.cloud.protocol.trimming import OtherSpaceError, SpaceTrimmer
from floe.cloud.stream import Stream
from floe.cloud.whole_answer import WholeAnswer, read_whole_answer
from floe.errors import CloudError, StoreError
from floe.origin import origin_of
from floe.privacy.sent import Purpose, SentLog
from floe.records import ChatMessage, CloudToken, Sampling
from floe.redaction import KNOWN_SECRETS, SecretScanner

__all__ = ["CloudClient", "RateLimited", "Stream"]

Result = TypeVar("Result")

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 30.0
_MODELS_SECONDS: Final = 5.0
_COMPLETION_SECONDS: Final = 1.0
"""After the last token: time for the usage, and for the connection to become free again."""
_IDLE_SECONDS: Final = 120.0
"""How long an unused connection is kept: a person reads an answer before the next question."""
_NO_KEY: Final = "no-key"
"""Sent where none is set: the package would look for one in the environment, and that one may
belong to another service."""
_HEADERS: Final = frozenset(
    {
        *("host", "authorization", "content-type", "content-length", "transfer-encoding"),
        *("accept", "accept-encoding", "connection", "user-agent"),
    }
)
_MAX_MODELS: Final = 2000
_MAX_NAME: Final = 200
_MAX_BYTES_PER_TOKEN: Final = 256
"""More text than this for each token that was asked for is no answer to the question."""
_SHORTEST_SCANNED: Final = 8
"""Bytes of a candidate: a shorter one holds no key, and nearly all are shorter."""
_DROPPED: Final = (
    httpx2.RemoteProtocolError,
    httpx2.ReadError,
    httpx2.WriteError,
    httpx2.CloseError,
)
_MAX_CHUNKS: Final = 200
"""Of one exchange, or two for each token that it may have: the server may not know an end."""
_MOST_TRIES: Final = 3
"""Requests until a server has accepted one in some form."""
_POLL_SECONDS: Final = 0.05
_PURPOSE: ContextVar[tuple[Purpose, int | None]] = ContextVar("purpose", default=("probe", None))
"""For what the task at hand sends its requests, and for which answer."""


@dataclass(slots=True)
class Exchange:
    """One small request of the probe and all that came back.

    Attributes:
        chunks: as the server sent them.
        at_ms: when each arrived, milliseconds since the request.
        error: what went wrong, in a sentence.
        refusal: the server's own words if they may name what it does not like, else empty.
        refused: it was this request that failed; another one may not.
        loading: the server is loading its model; the same request may not fail in a moment.
        cut: the connection ended before the answer did.
    """

    chunks: list[dict[str, Any]] = field(default_factory=list)
    at_ms: list[float] = field(default_factory=list)
    error: CloudError | None = None
    refusal: str = ""
    refused: bool = False
    loading: bool = False
    cut: bool = False


class CloudClient:
    """An endpoint, a model, a key, and the connections to it.

    Attributes:
        model: id as the endpoint lists it; may be set after a look at `models()`.
        profile: what requests go by; a refused parameter is left out of it from then on.
        heard_thinking: an answer began with thinking, or was nothing else.
        vocabularies: fingerprint of the vocabulary by model id, as far as `models()` has told
            (the stand-in does; other servers have no such field).
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: SecretStr,
        profile: EndpointProfile | None = None,
        *,
        log: SentLog | None = None,
        budget: ProbeBudget | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """Prepare the client without opening a connection.

        Args:
            base_url: the part before `/chat/completions`, usually ending in `/v1`.
            model: see above.
            key: empty if the endpoint needs none.
            profile: what is known of the endpoint; None: what is assumed of any.
            log: is given every request before it leaves.
            budget: counts requests of tests; those of answers are counted by whoever asks.
            connect_seconds: longest wait for a connection.
            silence_seconds: longest wait for the first token, and between two of them.

        Raises:
            CloudError: `base_url` is not an http or https address, `key` none that may be sent
                there, or the system's proxy or certificates cannot be used.
        """
        self.model = model
        self.profile = profile or EndpointProfile(model=model)
        self.heard_thinking = False
        self.vocabularies: dict[str, str] = {}
        self._endpoint = Endpoint(base_url, key)
        KNOWN_SECRETS.add(key.get_secret_value())
        self._log = log
        self._budget = budget
        self._silence_seconds = silence_seconds
        self._client = AsyncOpenAI(
            api_key=self._endpoint.key.get_secret_value() or _NO_KEY,
            base_url=str(self._endpoint.address),
            max_retries=0,
            http_client=self._http_client(connect_seconds),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloud", daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """The name of the endpoint in sentences."""
        return self._endpoint.host

    def models(self) -> list[str]:
        """Return ids of the models that the endpoint lists.

        Raises:
            CloudError: it cannot be reached, refuses, or does not speak the protocol.
        """
        return self._call(self._models())

    def open(
        self,
        messages: Sequence[ChatMessage],
        partial: str,
        sampling: Sampling,
        max_tokens: int,
        *,
        top_p: float = 1.0,
        message_id: int | None = None,
        purpose: Purpose = "answer",
    ) -> Stream:
        """Start a request and return at once; nothing is raised here, see `Stream.error`.

        Only the temperature of `sampling` is sent: in fusion top-p comes last, after pooling,
        and a seed would make each reopened stream draw the same numbers as the one before it.

        Args:
            messages: the conversation, user last.
            partial: the beginning of the answer, to be continued as `profile` knows how.
            sampling: see above.
            max_tokens: how much more of the answer is wanted, in the cloud's tokens.
            top_p: for an answer of the cloud alone, where nothing comes after.
            message_id: the answer that is asked for; None: one that is kept nowhere, or a test.
            purpose: for what.
        """
        ask = Ask(self.model, messages, partial, sampling.temperature, top_p, max_tokens)
        stream = Stream(self._loop)
        reading = self._read(stream, ask, (purpose, message_id))
        self._loop.call_soon_threadsafe(lambda: stream.run(self._loop.create_task(reading)))
        return stream

    def exchange(
        self, request: Request, *, seconds: float, cancelled: Callable[[], bool]
    ) -> Exchange:
        """Send one request just as it is, wait for the whole answer, and judge nothing.

        Args:
            request: a streaming one.
            seconds: longest time it may take.
            cancelled: looked at many times a second; the connection is closed when it is true.
        """
        stopped = Exchange(error=CloudError("The test was stopped."))
        if cancelled():
            return stopped
        work = self._exchange(request, seconds)
        future: Future[Exchange] = asyncio.run_coroutine_threadsafe(work, self._loop)
        while not future.done():
            if cancelled():
                future.cancel()
                return stopped
            try:
                return future.result(_POLL_SECONDS)
            except TimeoutError:
                continue
        return future.result()

    def properties(self) -> Mapping[str, Any]:
        """Read what llama-server tells of itself at `/props`; empty if there is no such thing."""
        return self._call(self._properties())

    def close(self) -> None:
        """Cancel all streams, close all connections, end the thread."""
        if self._loop.is_closed():
            return
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _shut_down(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        await self._loop.shutdown_asyncgens()

    def _http_client(self, connect_seconds: float) -> httpx2.AsyncClient:
        try:
            return LoggedClient(
                self._log,
                self._budget,
                timeout=httpx2.Timeout(None, connect=connect_seconds),
                limits=httpx2.Limits(keepalive_expiry=_IDLE_SECONDS),
                follow_redirects=False,
                # SSL_CERT_FILE counts everywhere, a proxy only on the way to other machines: one
                # that is set for the network has no business between two local processes.
                verify=httpx2.create_ssl_context(),
                trust_env=not self._endpoint.address.origin.on_loopback,
                event_hooks={
                    "request": [
                        self._strip_identifying_headers,
                        self._count_test,
                        self._log_request,
                    ],
                    "response": [self._note_answer, bound_response],
                },
            )
        except (ValueError, OSError, httpx2.InvalidURL) as error:
            # The error's text stays out, because a proxy's address may hold a password.
            raise CloudError(
                "This system's proxy or certificates cannot be used "
                f"({type(error).__name__}). Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY and "
                "SSL_CERT_FILE."
            ) from None

    async def _note_answer(self, _response: httpx2.Response) -> None:
        self._endpoint.has_answered = True

    async def _strip_identifying_headers(self, request: httpx2.Request) -> None:
        """Leave in a request what the endpoint must know, and nothing for anybody else."""
        if origin_of(str(request.url)) != self._endpoint.address.origin:
            raise NotAnApiError
        for name in [name for name in request.headers if name.lower() not in _HEADERS]:
            del request.headers[name]
        request.headers["User-Agent"] = "floe"
        request.headers["Accept-Encoding"] = "identity"
        key = self._endpoint.key.get_secret_value() or _NO_KEY
        request.headers["Authorization"] = f"Bearer {key}"

    async def _count_test(self, request: httpx2.Request) -> None:
        """Count a request of a test for text; the budget of the day may keep it back."""
        if self._budget is not None and request.method == "POST" and _PURPOSE.get()[0] == "probe":
            await asyncio.to_thread(self._budget.take)
            request.extensions[COUNTED] = True

    async def _log_request(self, request: httpx2.Request) -> None:
        """Log a request that is about to leave, word for word; an error here keeps it back."""
        if self._log is not None:
            purpose, message_id = _PURPOSE.get()
            address, body = str(request.url), request.content
            # In a thread: the disk may make it wait, and all streams live on this loop.
            request.extensions[ENTRY] = await asyncio.to_thread(
                self._log.write, address, self.model, purpose, body, message_id
            )

    async def _models(self) -> list[str]:
        _PURPOSE.set(("models", None))
        failure: CloudError
        try:
            async with asyncio.timeout(_MODELS_SECONDS):
                listed = await self._read_page("/models")
            return [self._read_model(entry) for entry in model_entries(listed)[:_MAX_MODELS]]
        except Exception as error:  # every way in which a foreign server can fail
            failure = self._endpoint.explain(error, "")
        # Outside of `except`: the original, which may repeat the key, is not to be chained.
        raise failure

    def _read_model(self, entry: dict[str, Any]) -> str:
        """Read the name of a listed model as it may be kept."""
        name = self._endpoint.redactor.redact(str(entry["id"]), _MAX_NAME)
        meta = entry.get("meta")
        if isinstance(meta, dict) and "vocabulary" in meta:
            self.vocabularies[name] = str(meta["vocabulary"])[:_MAX_NAME]
        return name

    async def _properties(self) -> Mapping[str, Any]:
        # `/props` is beside the API's own address, not below it.
        address = urljoin(str(self._client.base_url).rstrip("/"), "props")
        try:
            async with asyncio.timeout(_MODELS_SECONDS):
                told = await self._read_page(address)
        except Exception:  # a foreign server that has no such page may say so in any way
            return {}
        holds = self._endpoint.redactor.holds
        return {name: text for name, text in template_texts(told).items() if not holds(text)}

    async def _read_page(self, address: str) -> Any:
        """Read what an address gives to anybody who looks."""
        return await _send_on_live_connection(lambda: self._client.get(address, cast_to=object))

    async def _exchange(self, request: Request, seconds: float) -> Exchange:
        """Send a request, and once more where its connection ended early.

        llama-cpp-python's server ends a request that it cannot serve twice: first as if the answer
        were complete, then, as its error comes to light, with the connection. By then the next
        request may be under way on that, which is cut off for nothing of its own.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        done = await self._exchange_once(request, seconds)
        if done.cut and clock() < until:
            done = await self._exchange_once(request, until - clock())
        return done

    async def _exchange_once(self, request: Request, seconds: float) -> Exchange:
        done = Exchange()
        clock = asyncio.get_running_loop().time
        began = clock()
        accepted = dropped = over = False
        tokens = request.body.get("max_tokens") or request.body.get("max_completion_tokens") or 0
        most = max(_MAX_CHUNKS, 2 * tokens)
        try:
            async with asyncio.timeout(seconds) as limit, await self._post(request) as response:
                accepted = True
                chunk: Any
                async for chunk in response:
                    done.chunks.append(chunk)
                    done.at_ms.append((clock() - began) * 1000)
                    if not over and any(c.get("finish_reason") for c in chunk.get("choices") or ()):
                        over = True
                        limit.reschedule(min(began + seconds, clock() + _COMPLETION_SECONDS))
                    if len(done.chunks) >= most:
                        break
        except Exception as error:  # every way in which a foreign server can fail
            if not over:
                done.error = self._endpoint.explain(error, self.model)
                done.refusal = self._endpoint.refusal_of(error)
                done.refused = is_refusal(error)
                done.loading = is_loading(error)
                if done.loading and self._budget is not None:
                    # Asked again and again until it is there, for nothing.
                    with suppress(StoreError):
                        await asyncio.to_thread(self._budget.give_back)
                dropped = isinstance(error.__cause__, _DROPPED) or isinstance(error, _DROPPED)
        if done.error is None and not over and len(done.chunks) < most:
            done.error = self._incomplete_error()
        began_none = (accepted or dropped) and not done.chunks
        in_time = done.error is not None and clock() < began + seconds
        done.cut = in_time and (began_none or dropped)
        if in_time and began_none:
            # llama-cpp-python's server without --logits_all, asked for log-probabilities: whether
            # the head of its answer is out by then is a matter of luck.
            done.refusal, done.refused = "nothing came", True
        return done

    async def _post(self, request: Request) -> ClosableStream | WholeAnswer:
        response = await _send_on_live_connection(lambda: self._send(request))
        if is_document(response.response):
            return await read_whole_answer(response)
        if response.response.headers.get("content-type", "").startswith("text/html"):
            await response.close()
            raise NotAnApiError
        return response

    async def _send(self, request: Request) -> ClosableStream:
        return await self._client.post(
            request.path,
            cast_to=object,
            body=request.body,
            stream=True,
            # Plain dictionaries: typed chunks take three times as long (34 µs against 114),
            # in a process that has better things to do.
            stream_cls=ClosableStream,
        )

    async def _read(self, stream: Stream, ask: Ask, reason: tuple[Purpose, int | None]) -> None:
        _PURPOSE.set(reason)
        failure: CloudError | None = None
        known = self.profile.repeats_partial if self.profile.complete else None
        reader = TokenReader(ask.partial, repeats=known)
        try:
            async with asyncio.timeout(self._silence_seconds) as limit:
                await self._receive(stream, reader, ask, limit)
        except asyncio.CancelledError:
            stream.end(None)
            raise
        except OtherSpaceError as error:
            failure = error
        except Exception as error:  # as above
            if not reader.finished:
                failure = self._endpoint.explain(error, self.model)
        stream.end(failure or self._judge_end(stream, reader, ask.max_tokens))

    def _judge_end(self, stream: Stream, reader: TokenReader, most: int) -> CloudError | None:
        """Say what is wrong with an answer of at most so many tokens that has come to its end."""
        if reader.finish_reason == "content_filter":
            return EndpointRefusal(f"The content filter of {self.host} ended the answer.")
        if not reader.finished:
            return self._incomplete_error()
        silent = reader.finish_reason == "length" and stream.first_token_ms is None
        if silent and (reader.thinking or most > 1):
            # Some think where nobody sees it; asked again, they would do it all again.
            self.heard_thinking = True
            return EndpointRefusal(
                f"{self.host} was still thinking when its tokens were used up. Ask for a longer "
                "answer or another model, or test it: that shows whether it can do without."
            )
        return None

    def _incomplete_error(self) -> CloudError:
        return CloudError(f"{self.host} broke off in the middle of the answer.")

    async def _receive(
        self, stream: Stream, reader: TokenReader, ask: Ask, limit: asyncio.Timeout
    ) -> None:
        clock = asyncio.get_running_loop().time
        scanner = SecretScanner(self._endpoint.redactor)
        heard = size = 0
        over = False

        def pass_on(tokens: list[CloudToken]) -> None:
            if tokens := trimmer.trim(tokens, repeated=reader.repeated):
                self._check_for_key(scanner, tokens)
                stream.extend(tokens)

        response, unsent = await self._answer(ask)
        trimmer = SpaceTrimmer(unsent)
        async with response:
            chunk: Any
            async for chunk in response:
                if chunk.get("usage"):
                    stream.count(chunk["usage"])
                    if reasoning_tokens(chunk["usage"]):
                        self.heard_thinking = True
                if over:
                    continue
                tokens = [
                    each for choice in chunk.get("choices") or () for each in reader.read(choice)
                ]
                pass_on(tokens)
                if tokens or reader.thinking > heard:
                    heard = reader.thinking
                    self.heard_thinking = self.heard_thinking or heard > 0
                    limit.reschedule(clock() + self._silence_seconds)
                size += sum(len(token.text_bytes) for token in tokens)
                most = _MAX_BYTES_PER_TOKEN * (ask.max_tokens + 256)
                if reader.count > ask.max_tokens or size > most:
                    reader.finish_reason = "length"  # the server was told, but goes on
                over = reader.finished
                if over:
                    stream.mark_complete()
                    # The limit is set once: a server that keeps talking must not keep its reader.
                    limit.reschedule(clock() + _COMPLETION_SECONDS)
            pass_on(reader.close())

    def _check_for_key(self, scanner: SecretScanner, tokens: Sequence[CloudToken]) -> None:
        """Look for the key in tokens before anybody else sees them.

        Raises:
            SecretRepeatedError: it is there.
        """
        text = b"".join(token.text_bytes for token in tokens).decode("utf-8", "replace")
        repeated = scanner.scan(text)
        for token in tokens:
            for candidate in token.candidates:
                if len(candidate.text_bytes) >= _SHORTEST_SCANNED:
                    other = candidate.text_bytes.decode("utf-8", "replace")
                    repeated = repeated or self._endpoint.redactor.holds(other)
        if repeated:
            raise SecretRepeatedError

    async def _answer(self, ask: Ask) -> tuple[ClosableStream | WholeAnswer, str]:
        """Ask, and ask for less where the server refuses; what it accepts is remembered.

        Returns:
            The answer, and what of its beginning was not sent.
        """
        profile = before = self.profile
        for left in reversed(range(_MOST_TRIES)):
            try:
                response = await self._post(build_request(ask, profile))
            except openai.APIStatusError as error:
                refusal = self._endpoint.refusal_of(error) if left else ""
                room = room_for_answer(refusal, ask.max_tokens)
                begun = bool(ask.partial)
                humbler = (
                    downgrade_profile(profile, refusal, last=left == 1, begun=begun)
                    if refusal
                    else None
                )
                if begun and humbler is None and refuses_continuation(refusal):
                    self.profile = replace(
                        self.profile, continuation=Continuation.NONE, unproven=False
                    )
                if room is not None:
                    ask = replace(ask, max_tokens=room)
                elif humbler is not None:
                    profile = humbler
                else:
                    raise
            else:
                # Not what a test has found out while this request was on its way.
                if self.profile is before:
                    self.profile = profile
                return response, unsent_space(ask, profile)
        raise AssertionError("the last try raises or returns")


async def _send_on_live_connection(send: Callable[[], Awaitable[Result]]) -> Result:
    """Send, and once more where the server closed an idle connection just as it was used again."""
    try:
        return await send()
    except openai.APIConnectionError as error:
        if not isinstance(error.__cause__, _DROPPED):
            raise
        return await send()
