"""A stand-in for a cloud model: an OpenAI-compatible server over any GGUF, on loopback only.

`python -m floe.cloud.stand_in.server --model PATH` prints `listening on http://127.0.0.1:PORT/v1`
when it is ready, and before that the key that it wants to be shown: other users of this machine,
and pages in a browser, reach its port too. With `--with-parent` the key comes over standard input.
It behaves like llama-server where that differs from OpenAI: a trailing assistant message is
continued, byte for byte, unless `--no-continuation` makes it a turn that is over. Tokens have their
true bytes. The end-of-text token is one of its own with its spelling and empty bytes, so that the
tokens always join up to the text (a stop string is the exception: its tokens are sent, its text is
not). Prompts are never logged.
"""

import argparse
import asyncio
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import uvicorn
from pydantic import BaseModel, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from floe.cloud.protocol.answering import (
    LOOPBACK,
    ClosedConnection,
    EndingResponse,
    RequireKey,
    show_api_error,
    show_http_error,
)
from floe.cloud.protocol.wire import (
    STREAM_END,
    ApiError,
    ChatParameters,
    StopFilter,
    bad_request,
    completion_head,
    delta_choice,
    server_event,
    usage_counts,
    whole_choice,
)
from floe.cloud.stand_in.faults import (
    FAILURES,
    ConnectionSilence,
    Faults,
    FaultyConnection,
    NetworkFaults,
)
from floe.cloud.stand_in.generation import (
    MAX_CANDIDATES,
    Event,
    GenerationFailure,
    GenerationJob,
    GenerationWorker,
    SampledToken,
)
from floe.errors import FloeError, PromptError
from floe.llama.prompt import PromptBuilder
from floe.llama.runtime import LlamaModel
from floe.llama.threads import choose_threads
from floe.records import ChatMessage, Role
from floe.request_checks import MEGABYTE

_LARGEST_BODY: Final = 32 * MEGABYTE
_UNLIMITED: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class _Piece:
    """The addition of one token to a response; `entry` is its entry of the log-probabilities."""

    text: str
    entry: dict[str, Any] | None = None
    reason: str | None = None


class _Message(BaseModel):
    role: Role
    content: str


class _ChatRequest(ChatParameters):
    """The parameters of a chat completion that the stand-in knows; others are ignored."""

    messages: list[_Message] = Field(min_length=1)
    top_logprobs: int = Field(0, ge=0, le=MAX_CANDIDATES)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _has_a_question(self) -> "_ChatRequest":
        if self.messages[-1].role == "assistant" and len(self.messages) == 1:
            raise ValueError("there is no message to answer")
        return self

    @property
    def turns(self) -> tuple[list[ChatMessage], str]:
        """The messages, all of them turns that are over, and no beginning of an answer."""
        return [ChatMessage(message.role, message.content) for message in self.messages], ""

    @property
    def conversation(self) -> tuple[list[ChatMessage], str]:
        """The messages, and the beginning of the answer that a trailing one holds."""
        messages, _ = self.turns
        if messages[-1].role == "assistant":
            return messages[:-1], messages[-1].content
        return messages, ""


class StandInServer:
    """The server's state: a model, the thread that owns it, and the simulated network."""

    def __init__(self, model: LlamaModel, faults: Faults, *, continues: bool = True) -> None:
        """Take over the model; `continues`: a trailing assistant message is continued."""
        self.network = NetworkFaults(faults)
        self.worker = GenerationWorker(model, self.network.tokens_per_second)
        self._builder = PromptBuilder(model)
        self._vocabulary = model.vocabulary
        self._context = model.context_size
        self._id = model.path.stem
        self._continues = continues
        self._created = int(time.time())
        self._spellings: dict[int, tuple[str, list[int]]] = {}

    async def health(self, _request: Request) -> Response:
        """Say that the model is loaded: it is, once anything answers."""
        return JSONResponse({"status": "ok"})

    async def models(self, _request: Request) -> Response:
        """List the one model; `meta` shows whether a client's vocabulary is the same."""
        meta = {
            "vocabulary": self._vocabulary.fingerprint,
            "vocabulary_size": len(self._vocabulary),
            "context": self._context,
        }
        entry = {"id": self._id, "object": "model", "created": self._created, "owned_by": "floe"}
        return JSONResponse({"object": "list", "data": [{**entry, "meta": meta}]})

    async def set_faults(self, request: Request) -> Response:
        """Change what is simulated, also for answers under way; keys not given stay."""
        try:
            changes = orjson.loads(await request.body())
            faults = Faults.model_validate({**self.network.faults.model_dump(), **changes})
        except (ValidationError, ValueError, TypeError) as error:
            raise bad_request(error) from error
        self.network.replace(faults)
        return JSONResponse(faults.model_dump())

    async def chat(self, request: Request) -> Response:
        """Answer with a chat completion, streamed or whole."""
        status = await self.network.accept_request()
        if status == 429:
            raise ApiError(429, "Rate limit reached (simulated).", "requests", code="rate_limit")
        if status == 500:
            raise ApiError(500, "The server had an error (simulated).", "server_error")
        try:
            asked = _ChatRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise bad_request(error) from error
        if asked.model != self._id:
            raise ApiError(
                404,
                f"The model {asked.model!r} does not exist; this server has {self._id!r}.",
                "invalid_request_error",
                param="model",
                code="model_not_found",
            )
        # Without continuation a trailing assistant message is one more turn (OpenAI).
        conversation = asked.conversation if self._continues else asked.turns
        try:
            prompt = await run_in_threadpool(self._builder.build, *conversation)
        except PromptError as error:
            raise ApiError(
                400,
                str(error),
                "invalid_request_error",
                param="messages",
                code="context_length_exceeded",
            ) from error
        events: asyncio.Queue[Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        job = GenerationJob(
            tokens=prompt.tokens,
            deliver=lambda event: loop.call_soon_threadsafe(events.put_nowait, event),
            max_tokens=asked.limit or _UNLIMITED,
            temperature=asked.temperature,
            top_p=asked.top_p,
            candidates=asked.top_logprobs,
            seed=asked.seed,
        )
        self.worker.submit(job)
        if asked.stream:
            body, media_type = self._event_stream(asked, job, events), "text/event-stream"
        else:
            body, media_type = self._complete_response(asked, job, events), "application/json"
        return EndingResponse(body, job.cancelled.set, media_type)

    async def _pieces(
        self, asked: _ChatRequest, job: GenerationJob, events: asyncio.Queue[Event]
    ) -> AsyncIterator[_Piece]:
        """Yield the worker's tokens as they come out of the network; the reason of the end last.

        Raises:
            ClosedConnection: the connection is to be closed as it stands.
        """
        text = StopFilter(asked.stops)
        passage = FaultyConnection(self.network)
        while True:
            event = await events.get()
            if isinstance(event, GenerationFailure):
                raise ClosedConnection
            if not isinstance(event, SampledToken):
                yield _Piece(text.flush(), reason=event)
                return
            try:
                await passage.delay_token(event.computed_at)
            except ConnectionSilence:
                job.cancelled.set()
                await asyncio.Event().wait()
            shown = text.add(b"" if event.end else self._vocabulary.pieces[event.token])
            yield _Piece(shown, self._logprob_entry(event) if asked.logprobs else None)
            if text.stopped:
                job.cancelled.set()
                yield _Piece("", reason="stop")
                return

    async def _event_stream(
        self, asked: _ChatRequest, job: GenerationJob, events: asyncio.Queue[Event]
    ) -> AsyncIterator[bytes]:
        """Yield server-sent events, one for each token.

        With `include_usage` the first has the usage too: a stream that is cancelled never comes
        to its last one.
        """
        head = completion_head("chat.completion.chunk", self._id)
        with_usage = asked.stream_options.include_usage
        first = {"role": "assistant", "content": ""}
        yield server_event(
            head, [delta_choice(first)], usage_counts(len(job.tokens), 0) if with_usage else None
        )
        count = 0
        try:
            async for piece in self._pieces(asked, job, events):
                count += piece.reason is None
                delta = {"content": piece.text} if piece.text or piece.entry else {}
                if delta or piece.reason:
                    yield server_event(head, [delta_choice(delta, piece.entry, piece.reason)])
        except ClosedConnection:
            yield server_event(head, [])[:40]
            raise
        if with_usage:
            yield server_event(head, [], usage_counts(len(job.tokens), count))
        yield STREAM_END

    async def _complete_response(
        self, asked: _ChatRequest, job: GenerationJob, events: asyncio.Queue[Event]
    ) -> AsyncIterator[bytes]:
        """Yield the same answer in one piece."""
        pieces = [piece async for piece in self._pieces(asked, job, events)]
        entries = [piece.entry for piece in pieces if piece.entry]
        text = "".join(piece.text for piece in pieces)
        choice = whole_choice(text, entries if asked.logprobs else None, pieces[-1].reason)
        count = sum(piece.reason is None for piece in pieces)
        body = {"choices": [choice], "usage": usage_counts(len(job.tokens), count)}
        yield orjson.dumps({**completion_head("chat.completion", self._id), **body})

    def _logprob_entry(self, pick: SampledToken) -> dict[str, Any]:
        tops = [self._entry(token, logprob) for token, logprob in pick.candidates]
        return {**self._entry(pick.token, pick.logprob), "top_logprobs": tops}

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        spelling = self._spellings.get(token)
        if spelling is None:
            piece = self._vocabulary.pieces[token]
            control = self._vocabulary.control_texts.get(token, "")
            spelling = control or piece.decode("utf-8", "replace"), list(piece)
            self._spellings[token] = spelling
        return {"token": spelling[0], "logprob": logprob, "bytes": spelling[1]}


def build_app(server: StandInServer, key: str, port: int) -> Starlette:
    """Build routes and error format, behind the key; the worker ends with the app."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        server.worker.close()

    return Starlette(
        routes=[
            Route("/health", server.health),
            Route("/v1/models", server.models),
            Route("/v1/chat/completions", server.chat, methods=["POST"]),
            Route("/stand-in/faults", server.set_faults, methods=["POST"]),
        ],
        middleware=[Middleware(RequireKey, key=key, port=port, largest_body=_LARGEST_BODY)],
        exception_handlers={ApiError: show_api_error, HTTPException: show_http_error},
        lifespan=lifespan,
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m floe.cloud.stand_in.server", description=__doc__
    )
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--context", type=int, default=4096, help="tokens")
    parser.add_argument("--threads", type=int, default=0, help="0: half of the cores")
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="read the key from standard input, and end when that is closed",
    )
    parser.add_argument(
        "--no-continuation",
        action="store_true",
        help="begin a new turn after a trailing assistant message, as OpenAI does",
    )
    for name, field in Faults.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        choices = FAILURES if name == "fail" else None
        kind = type(field.default)
        parser.add_argument(
            flag, type=kind, default=field.default, choices=choices, help=field.description
        )
    return parser.parse_args(argv)


def _end_with_parent() -> None:
    """Wait for the end of standard input, whose other end only the parent holds.

    It comes however the parent ends, `kill -9` included, and on every system; Linux's own signal
    for this fires already when the *thread* that started the child ends.
    """
    while os.read(0, 1024):
        pass
    os._exit(0)


def main(argv: Sequence[str] | None = None) -> int:
    """Load the model, listen, say where, and serve until told to stop."""
    arguments = _arguments(argv)
    key = secrets.token_urlsafe(32)
    if arguments.with_parent:
        key = sys.stdin.buffer.readline().decode().strip()
        if not key:
            return 1
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    threads, _reason = choose_threads(arguments.threads, shared=True)
    try:
        faults = Faults(**{name: getattr(arguments, name) for name in Faults.model_fields})
        listener = socket.create_server((LOOPBACK, arguments.port))
        model = LlamaModel(arguments.model, context=arguments.context, threads=threads)
    except (OSError, OverflowError, ValueError, FloeError) as error:
        print(f"The stand-in cannot start: {error}", file=sys.stderr)
        return 1
    port = listener.getsockname()[1]
    server = StandInServer(model, faults, continues=not arguments.no_continuation)
    app = build_app(server, key, port)
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=1)
    with listener, model:
        if not arguments.with_parent:
            print(f"key {key}")
        print(f"listening on http://{LOOPBACK}:{port}/v1", flush=True)
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
