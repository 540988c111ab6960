"""What is answered: models, chat completions, embeddings. Who may ask was decided before.

A chat completion is a turn of the assistant over the messages that the program brings along, with
all that guards a turn in the page: gate, pseudonyms, budget, the log of what was sent. It is kept
as no chat. Turns wait for each other in the order in which they came; a program that goes away
stops its turn.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive

from floe.api.chat_request import MODELS, CompletionRequest
from floe.api.embeddings import Embedder, EmbeddingRequest
from floe.application import Application
from floe.chat.preferences import Preferences
from floe.chat.turn import EndEvent, TokenEvent, Turn
from floe.cloud.protocol.answering import (
    EndingResponse,
    RequireKey,
    show_api_error,
    show_http_error,
)
from floe.cloud.protocol.wire import (
    STREAM_END,
    ApiError,
    StopFilter,
    bad_request,
    completion_head,
    delta_choice,
    event_of,
    server_event,
    usage_counts,
    whole_choice,
)
from floe.errors import FloeError, ModelError, PromptError
from floe.records import Status, TokenStep
from floe.request_checks import MEGABYTE
from floe.training.fusion_weight import kept_weight

logger = logging.getLogger(__name__)

LARGEST_BODY: Final = 4 * MEGABYTE
"""More than any of the models reads."""
MOST_WAITING: Final = 32
"""Answers that are written or wait; whoever comes then is told to come again."""
_REASONS: Final[dict[Status, str]] = {"complete": "stop", "length": "length"}
_NO_LOGPROB: Final = -9999.0
"""What the protocol has for a probability of 0."""
_FAILURE: Final = "server_error"


@dataclass(frozen=True, slots=True)
class _Addition:
    """Addition of one token to an answer; `row` is its entry of the log-probabilities."""

    text: str
    row: dict[str, Any] | None = None
    reason: str | None = None


class _Answer:
    """One turn as its client reads it; belongs to the event loop that it is made in."""

    def __init__(self, asked: CompletionRequest) -> None:
        self.asked = asked
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def hear(self) -> None:
        """Say that there are events; any thread may call."""
        with suppress(RuntimeError):  # the server has ended before the turn
            self._loop.call_soon_threadsafe(self._news.set)

    async def additions(self, turn: Turn) -> AsyncIterator[_Addition]:
        """Its tokens as they come; the reason of the end last.

        Raises:
            ApiError: it broke off.
        """
        # Stop strings are cut off where the answer is written.
        text = StopFilter(())
        cursor = 0
        while True:
            self._news.clear()
            for event in turn.events(cursor):
                cursor = event.number
                if isinstance(event, TokenEvent):
                    yield _Addition(text.add(event.step.text_bytes), self._row(event.step))
                elif isinstance(event, EndEvent):
                    yield _Addition(text.flush(), reason=_reason(turn, event.status))
                    return
            await self._news.wait()

    def _row(self, step: TokenStep) -> dict[str, Any] | None:
        """Return the fused distribution at this token, as far as it is kept."""
        if not self.asked.logprobs:
            return None
        tops = step.alternatives[: self.asked.top_logprobs]
        return {
            **_entry(step.text_bytes, step.p_fused),
            "top_logprobs": [_entry(top.text_bytes, top.p_fused) for top in tops],
        }


class ApiEndpoint:
    """Answers requests out of one application."""

    def __init__(self, application: Application) -> None:
        self._assistant = application.assistant
        self._store = application.store
        self._rule = application.settings.rule
        self._embedder = Embedder(application.assistant)
        self._created = int(time.time())
        self._turns: set[Turn] = set()

    def stop(self) -> None:
        """Stop every answer for a program; any thread may call."""
        for turn in list(self._turns):
            turn.stop()

    async def models(self, _request: Request) -> Response:
        """Return the ids that `model` may have."""
        return JSONResponse({"object": "list", "data": [self._model(name) for name in MODELS]})

    async def model(self, request: Request) -> Response:
        """One of them."""
        name = request.path_params["name"]
        if name not in MODELS:
            raise _unknown(name)
        return JSONResponse(self._model(name))

    async def embeddings(self, request: Request) -> Response:
        """Texts as vectors."""
        try:
            asked = EmbeddingRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise bad_request(error) from error
        return JSONResponse(await run_in_threadpool(self._embedder.answer, asked))

    async def chat(self, request: Request) -> Response:
        """Answer with a chat completion, streamed or whole."""
        try:
            asked = CompletionRequest.model_validate_json(await request.body())
        except ValidationError as error:
            raise bad_request(error) from error
        if asked.model not in MODELS:
            raise _unknown(asked.model)
        if len(self._turns) >= MOST_WAITING:
            raise ApiError(
                429, f"{MOST_WAITING} answers are already waiting. Try again later.", "requests"
            )
        answer = _Answer(asked)
        turn = await run_in_threadpool(self._begin, asked, answer.hear)
        self._turns.add(turn)
        end = partial(self._end, turn)
        if asked.stream:
            return EndingResponse(_stream(answer, turn), end, "text/event-stream")
        try:
            return await _while_connected(_whole(answer, turn), request.receive)
        finally:
            end()

    def _begin(self, asked: CompletionRequest, heard: Callable[[], None]) -> Turn:
        kept = Preferences.load(self._store).options(self._assistant.sampling.sampling)
        automatic = kept_weight(self._store, self._rule).weight
        try:
            return self._assistant.respond(
                asked.conversation,
                asked.options(kept, automatic),
                system=asked.system,
                personal=asked.floe.personal,
                adapters=asked.floe.adapters,
                memory=asked.floe.memory,
                heard=heard,
            )
        except PromptError as error:
            code = "context_length_exceeded"
            raise ApiError(400, str(error), param="messages", code=code) from error
        except ModelError as error:
            raise ApiError(400, str(error), param="messages") from error

    def _end(self, turn: Turn) -> None:
        """Nobody reads on: a turn that is still written stops."""
        turn.stop()
        self._turns.discard(turn)

    def _model(self, name: str) -> dict[str, Any]:
        entry = {"id": name, "object": "model", "created": self._created, "owned_by": "floe"}
        return {**entry, "floe": {"mode": MODELS[name]}}


async def _stream(answer: _Answer, turn: Turn) -> AsyncIterator[bytes]:
    """Server-sent events, one for each token; the first at once, though others are served first."""
    asked = answer.asked
    head = completion_head("chat.completion.chunk", asked.model)
    yield server_event(head, [delta_choice({"role": "assistant", "content": ""})])
    count = 0
    try:
        async for piece in answer.additions(turn):
            count += piece.reason is None
            delta = {"content": piece.text} if piece.text or piece.row else {}
            if piece.reason is not None:
                choice = delta_choice(delta, reason=piece.reason)
                yield event_of({**head, "choices": [choice], "usage": None, "floe": _told(turn)})
            elif delta:
                yield server_event(head, [delta_choice(delta, piece.row)])
    except ApiError as error:
        yield event_of(error.body)
        return
    if asked.stream_options.include_usage:
        prompt = turn.stats.prompt_tokens
        yield server_event(head, [], usage_counts(prompt, count))
    yield STREAM_END


async def _whole(answer: _Answer, turn: Turn) -> Response:
    """Return the same answer in one piece."""
    pieces = [piece async for piece in answer.additions(turn)]
    rows = [piece.row for piece in pieces if piece.row] if answer.asked.logprobs else None
    text = "".join(piece.text for piece in pieces)
    body = {
        **completion_head("chat.completion", answer.asked.model),
        "choices": [whole_choice(text, rows, pieces[-1].reason)],
        "usage": usage_counts(turn.stats.prompt_tokens, len(pieces) - 1),
        "floe": _told(turn),
    }
    return Response(orjson.dumps(body), media_type="application/json")


async def _while_connected(
    answering: Any,
    receive: Receive,
) -> Response:
    """Return the answer, or nothing for a client that has gone before it is there."""
    work: asyncio.Task[Response] = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else Response(status_code=499)
    finally:
        gone.cancel()
        work.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _reason(turn: Turn, status: Status) -> str:
    """Return why the answer is over, in the protocol's words."""
    if status in _REASONS:
        return _REASONS[status]
    if status == "failed":
        said = " ".join(turn.view().notices) or "This could not be answered; the log says why."
        raise ApiError(500, said, _FAILURE)
    raise ApiError(503, "Floe was closed before this answer was over.", _FAILURE)


def _told(turn: Turn) -> dict[str, Any]:
    """Return what the page shows beside an answer."""
    view = turn.view()
    return {
        "route": view.route.kind,
        "reason": view.route.reason,
        "weight": turn.controls.weight,
        "cloud_share": turn.stats.cloud_share,
        "cloud_requests": turn.stats.cloud_requests,
        "adapters": turn.stats.adapters,
        "memory": [{"source": each.source, "text": each.text} for each in turn.memory],
        "notices": list(view.notices),
    }


def _entry(data: bytes, probability: float) -> dict[str, Any]:
    logprob = math.log(probability) if probability > 0 else _NO_LOGPROB
    return {
        "token": data.decode("utf-8", "replace"),
        "logprob": min(logprob, 0.0),
        "bytes": list(data),
    }


def _unknown(name: str) -> ApiError:
    return ApiError(
        404,
        f"The model {name!r} does not exist; Floe has {', '.join(MODELS)}.",
        param="model",
        code="model_not_found",
    )


async def _show_floe_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FloeError)
    return JSONResponse(ApiError(503, str(error), _FAILURE).body, 503)


async def _show_fault(_request: Request, error: Exception) -> Response:
    logger.error("a request could not be answered", exc_info=error)
    said = "Something went wrong inside Floe; the log has the trace."
    return JSONResponse(ApiError(500, said, _FAILURE).body, 500)


def build_api(endpoint: ApiEndpoint, key: str, port: int) -> Starlette:
    """Routes and error format, behind the key."""
    return Starlette(
        routes=[
            Route("/v1/models", endpoint.models),
            Route("/v1/models/{name}", endpoint.model),
            Route("/v1/chat/completions", endpoint.chat, methods=["POST"]),
            Route("/v1/embeddings", endpoint.embeddings, methods=["POST"]),
        ],
        middleware=[Middleware(RequireKey, key=key, port=port, largest_body=LARGEST_BODY)],
        exception_handlers={
            ApiError: show_api_error,
            HTTPException: show_http_error,
            FloeError: _show_floe_error,
            Exception: _show_fault,
        },
    )
