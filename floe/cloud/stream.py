"""One streaming request as the decoder sees it: tokens to poll, an end, a way to cancel."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from floe.errors import CloudError
from floe.records import CloudToken

_MOST_TOKENS: Final = 10**9


class Stream:
    """One streaming request, a `CloudStream` of the decoder.

    Attributes:
        opened_at: seconds, `time.monotonic()`.
        first_token_ms: from there to the first token; None before it.
        prompt_tokens: 0 until the server has said; it may never do so if cancelled early.
        completion_tokens: tokens received, or what the server counts if that is more.
        timed_tokens: tokens that came after the first ones.
        timed_seconds: from the first ones to the last.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened_at = time.monotonic()
        self.first_token_ms: float | None = None
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.timed_tokens = 0
        self.timed_seconds = 0.0
        self._loop = loop
        self._tokens: deque[CloudToken] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: CloudError | None = None
        self._complete = False
        self._task: asyncio.Task[None] | None = None

    def poll(self) -> list[CloudToken]:
        """Rows that have arrived since the last call, in order."""
        with self._changed:
            tokens = list(self._tokens)
            self._tokens.clear()
            return tokens

    def wait(self, seconds: float) -> bool:
        """Sleep until a token is there to poll or the stream has ended, at most `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._tokens) or self._ended, seconds)

    @property
    def ended(self) -> bool:
        """Nothing will arrive any more (what has arrived may still be there to poll)."""
        return self._ended

    @property
    def error(self) -> CloudError | None:
        """The reason for breaking off; None while it runs, after a proper end, or after `close`."""
        return self._error

    def close(self) -> None:
        """Cancel: the connection is closed, wherever the request stands. Returns at once.

        A stream whose last token has come is left alone for a moment, so that its connection can
        be used again.
        """
        self.end(None)
        with suppress(RuntimeError):  # the client was closed before its streams
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None and not self._complete:
            self._task.cancel()

    def run(self, task: asyncio.Task[None]) -> None:
        """Belong to `task`, on its loop."""
        self._task = task
        if self._ended:
            task.cancel()

    def extend(self, tokens: Sequence[CloudToken]) -> None:
        """Add tokens that have arrived."""
        elapsed = time.monotonic() - self.opened_at
        if self.first_token_ms is None:
            self.first_token_ms = elapsed * 1000
        else:
            self.timed_tokens += len(tokens)
            self.timed_seconds = elapsed - self.first_token_ms / 1000
        self.completion_tokens += len(tokens)
        with self._changed:
            self._tokens.extend(tokens)
            self._changed.notify_all()

    def count(self, usage: Any) -> None:
        """Take over what the server has counted, as far as it makes sense."""
        if isinstance(usage, Mapping):
            self.prompt_tokens = _as_count(usage.get("prompt_tokens")) or self.prompt_tokens
            counted = _as_count(usage.get("completion_tokens"))
            self.completion_tokens = max(self.completion_tokens, counted)

    def mark_complete(self) -> None:
        """Note that the last token has come: the rest of the response is not worth cancelling."""
        self._complete = True

    def end(self, error: CloudError | None) -> None:
        """Nothing more will come; the first word counts."""
        with self._changed:
            if not self._ended:
                self._ended = True
                self._error = error
            self._changed.notify_all()


class Unavailable:
    """A stream that has ended before it began: the cloud was lost in mid-answer."""

    ended = True
    prompt_tokens = 0
    completion_tokens = 0
    timed_tokens = 0
    timed_seconds = 0.0

    def __init__(self, error: CloudError) -> None:
        self.error = error

    def poll(self) -> list[CloudToken]:
        """Return nothing."""
        return []

    def wait(self, seconds: float) -> bool:
        """Return at once: there is nothing to come."""
        del seconds
        return True

    def close(self) -> None:
        """Close nothing: there is no connection."""


def _as_count(value: Any) -> int:
    """Return a server's number of tokens, fit to be added up and kept; 0 if it is not a number."""
    try:
        number = float(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0
    return int(min(max(number, 0.0), _MOST_TOKENS)) if math.isfinite(number) else 0
