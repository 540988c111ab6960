"""An answer that a server sends as one JSON document although a stream was asked for.

Gateways that know no streams do so; and some report errors with status 200.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final, Self

import openai

from floe.cloud.closable_stream import ClosableStream
from floe.cloud.endpoint import NotAnApiError

_NO_SUCH_PATH: Final = re.compile("unexpected endpoint", re.IGNORECASE)
"""LM Studio of a path that it does not know, which it answers with status 200."""


class WholeAnswer:
    """A completion, passed on as the only chunk of a stream."""

    def __init__(self, chunk: dict[str, Any]) -> None:
        self._chunk = chunk

    async def __aenter__(self) -> Self:
        """Nothing is open."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is open."""

    async def __aiter__(self) -> AsyncIterator[object]:
        """Yield the chunk."""
        yield self._chunk


async def read_whole_answer(response: ClosableStream) -> WholeAnswer:
    """Read a document in place of a stream.

    Raises:
        openai.APIError: it is an error.
        NotAnApiError: it is something else than a completion.
    """
    try:
        body = json.loads(await response.response.aread())
    except ValueError:
        raise NotAnApiError from None
    finally:
        await response.close()
    if not isinstance(body, dict):
        raise NotAnApiError
    if error := body.get("error"):
        words = error if isinstance(error, str) else json.dumps(error)
        if _NO_SUCH_PATH.search(words):
            raise NotAnApiError
        raise openai.APIError("It does not say which.", response.response.request, body=error)
    choices = body.get("choices")
    if not isinstance(choices, list) or not all(isinstance(each, dict) for each in choices):
        raise NotAnApiError
    if not any("message" in each or "text" in each for each in choices):
        raise NotAnApiError
    return WholeAnswer(
        body | {"choices": [{"delta": each.get("message"), **each} for each in choices]}
    )
