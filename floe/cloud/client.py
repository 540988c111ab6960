"""The black box: one streaming request after another to an OpenAI-compatible endpoint.

All requests live as tasks on one event loop in a thread of its own. Cancelling a task closes its
connection wherever it stands, in a read as well as while connecting; a thread blocked in a
socket could not be called back like that. Nothing here knows of tokenizers or fusion.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx2
from openai import AsyncOpenAI, AsyncStream
from pydantic import SecretStr

from floe.cloud.endpoint import LOOPBACK, Endpoint, NotAnApiError, RateLimited
from floe.cloud.rows import RowReader
from floe.errors import CloudError
from floe.records import ChatMessage, CloudToken, Sampling

__all__ = ["CloudClient", "RateLimited", "Stream"]

Result = TypeVar("Result")

TOP_LOGPROBS: Final = 20
CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 30.0
_MODELS_SECONDS: Final = 5.0
_FAREWELL_SECONDS: Final = 1.0
"""After the last row: time for the usage, and for the connection to become free again."""
_IDLE_SECONDS: Final = 120.0
"""How long an unused connection is kept: a person reads an answer before the next question."""
_NO_KEY: Final = "no-key"
"""Sent where none is set: the package would look for one in the environment, and that one may
belong to another service."""


class Stream:
    """One streaming request, a `CloudStream` of the decoder.

    Attributes:
        opened_at: seconds, `time.monotonic()`.
        first_row_ms: from there to the first row; None before it.
        prompt_tokens: 0 until the server has said; it may never do so if cancelled early.
        completion_tokens: rows received, or what the server counts if that is more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened_at = time.monotonic()
        self.first_row_ms: float | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._loop = loop
        self._rows: deque[CloudToken] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: CloudError | None = None
        self._farewell = False
        self._task: asyncio.Task[None] | None = None

    def poll(self) -> list[CloudToken]:
        """Rows that have arrived since the last call, in order."""
        with self._changed:
            rows = list(self._rows)
            self._rows.clear()
            return rows

    def wait(self, seconds: float) -> bool:
        """Sleep until a row is there to poll or the stream has ended, at most `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._rows) or self._ended, seconds)

    @property
    def ended(self) -> bool:
        """Nothing will arrive any more (what has arrived may still be there to poll)."""
        return self._ended

    @property
    def error(self) -> CloudError | None:
        """Why the stream broke off; None while it runs, after a proper end, or after `close`."""
        return self._error

    def close(self) -> None:
        """Cancel: the connection is closed, wherever the request stands. Returns at once.

        A stream whose last row has come is left alone for a moment, so that its connection can
        be used again.
        """
        self.end(None)
        with suppress(RuntimeError):  # the client was closed before its streams
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._farewell:
            self._task.cancel()

    def run(self, task: asyncio.Task[None]) -> None:
        """Belong to `task`, on its loop."""
        self._task = task
        if self._ended:
            task.cancel()

    def extend(self, rows: Sequence[CloudToken]) -> None:
        """Add rows that have arrived."""
        if self.first_row_ms is None:
            self.first_row_ms = (time.monotonic() - self.opened_at) * 1000
        self.completion_tokens += len(rows)
        with self._changed:
            self._rows.extend(rows)
            self._changed.notify_all()

    def count(self, usage: dict[str, Any]) -> None:
        """Take over what the server has counted."""
        self.prompt_tokens = int(usage.get("prompt_tokens") or 0)
        counted = int(usage.get("completion_tokens") or 0)
        self.completion_tokens = max(self.completion_tokens, counted)

    def say_farewell(self) -> None:
        """The last row has come: what is left of the response is not worth cancelling."""
        self._farewell = True

    def end(self, error: CloudError | None) -> None:
        """Nothing more will come; the first word counts."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
            self._changed.notify_all()


class CloudClient:
    """An endpoint, a model, a key, and the connections to it.

    Attributes:
        model: id as the endpoint lists it; may be set after a look at `models()`.
        vocabularies: fingerprint of the vocabulary by model id, as far as `models()` has told
            (the stand-in does; other servers have no such field).
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        key: SecretStr,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """Opens no connection yet.

        Args:
            base_url: the part before `/chat/completions`, usually ending in `/v1`.
            model: see above.
            key: empty if the endpoint needs none.
            connect_seconds: longest wait for a connection.
            silence_seconds: longest wait for the first row, and between two of them.

        Raises:
            CloudError: `base_url` is not an http or https address.
        """
        self.model = model
        self.vocabularies: dict[str, str] = {}
        self._endpoint = Endpoint(base_url, key)
        self._silence_seconds = silence_seconds
        # A proxy that is set for the network has no business between two local processes.
        local = self._endpoint.hostname in LOOPBACK
        self._client = AsyncOpenAI(
            api_key=key.get_secret_value().strip() or _NO_KEY,
            base_url=base_url,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                timeout=httpx2.Timeout(None, connect=connect_seconds),
                limits=httpx2.Limits(keepalive_expiry=_IDLE_SECONDS),
                trust_env=not local,
            ),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cloud", daemon=True)
        self._thread.start()

    def models(self) -> list[str]:
        """Ids of the models that the endpoint lists.

        Raises:
            CloudError: it cannot be reached, refuses, or does not speak the protocol.
        """
        return self._call(self._models())

    def open(
        self, messages: Sequence[ChatMessage], partial: str, sampling: Sampling, max_tokens: int
    ) -> Stream:
        """Start a request and return at once; nothing is raised here, see `Stream.error`.

        Only the temperature of `sampling` is sent: top-p comes last, after pooling, and a seed
        would make each reopened stream draw the same numbers as the one before it.

        Args:
            messages: the conversation, user last.
            partial: the beginning of the answer, sent as a trailing assistant message.
            sampling: see above.
            max_tokens: how much more of the answer is wanted, in the cloud's tokens.
        """
        sent = [{"role": message.role, "content": message.content} for message in messages]
        if partial:
            sent.append({"role": "assistant", "content": partial})
        body = {
            "model": self.model,
            "messages": sent,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
            "temperature": sampling.temperature,
            "top_p": 1,
            "max_tokens": max_tokens,
        }
        stream = Stream(self._loop)
        reading = self._read(stream, RowReader(partial), body)
        self._loop.call_soon_threadsafe(lambda: stream.run(self._loop.create_task(reading)))
        return stream

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

    async def _models(self) -> list[str]:
        failure: CloudError
        try:
            async with asyncio.timeout(_MODELS_SECONDS):
                listed: Any = await self._client.get("/models", cast_to=object)
            for entry in listed["data"]:
                meta = entry.get("meta")
                if isinstance(meta, dict) and "vocabulary" in meta:
                    self.vocabularies[str(entry["id"])] = str(meta["vocabulary"])
            return [str(entry["id"]) for entry in listed["data"]]
        except Exception as error:  # every way in which a foreign server can fail
            failure = self._endpoint.explain(error, "")
        # Outside of `except`: the original, which may repeat the key, is not to be chained.
        raise failure

    async def _read(self, stream: Stream, reader: RowReader, body: dict[str, Any]) -> None:
        failure: CloudError | None = None
        try:
            await self._follow(stream, reader, body)
            if reader.finish_reason is None and not reader.ended:
                failure = CloudError(
                    f"{self._endpoint.host} broke off in the middle of the answer."
                )
        except asyncio.CancelledError:
            stream.end(None)
            raise
        except Exception as error:  # as above
            if reader.finish_reason is None and not reader.ended:
                failure = self._endpoint.explain(error, self.model)
        stream.end(failure)

    async def _follow(self, stream: Stream, reader: RowReader, body: dict[str, Any]) -> None:
        clock = asyncio.get_running_loop().time
        async with (
            asyncio.timeout(self._silence_seconds) as limit,
            await self._client.post(
                "/chat/completions",
                cast_to=object,
                body=body,
                stream=True,
                # Plain dictionaries: typed chunks take three times as long (34 µs against 114),
                # in a process that has better things to do.
                stream_cls=AsyncStream[object],
            ) as response,
        ):
            kind = response.response.headers.get("content-type", "")
            if kind.startswith(("text/html", "application/json")):
                raise NotAnApiError
            chunk: Any
            async for chunk in response:
                if chunk.get("usage"):
                    stream.count(chunk["usage"])
                rows = [row for choice in chunk.get("choices") or () for row in reader.read(choice)]
                if rows:
                    limit.reschedule(clock() + self._silence_seconds)
                    stream.extend(rows)
                if reader.ended or reader.finish_reason is not None:
                    stream.say_farewell()
                    limit.reschedule(clock() + _FAREWELL_SECONDS)
