"""Server-sent events reduced to lines of data, as the library that parses them wants them.

It takes whatever an event holds for JSON, and a blank line after `id:` or `retry:` for an event. So
what is no data is left out here: comments, other fields, `data:` without anything, comments that a
gateway wrote as data (`data: : PROCESSING`), and a byte order mark at the very beginning.
"""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import httpx2

_LINE_END: Final = re.compile(rb"\r\n|\n|\r(?!\Z)")
"""A carriage return that ends what has arrived may be the first half of an end."""


class DataLines(httpx2.AsyncByteStream):
    """The body of a stream of events without the lines that hold no data."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner
        self._parts: list[bytes] = []
        self._begun = False
        self._over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield whole lines, each as soon as it has ended."""
        if self._over:
            return  # who drains a body that has ended waits for ever
        inner = aiter(self._inner)
        try:
            async for part in inner:
                if lines := self._complete_lines(part):
                    yield lines
            self._over = True
            rest = b"".join(self._parts)
            # A line that has ended ends its event too; half a line is left without an end.
            yield _kept(rest) if rest.strip(b"\r") else b"\n\n"
        finally:
            # At once: left to the garbage collector it may be closed while it is being read.
            if isinstance(inner, AsyncGenerator):
                await inner.aclose()

    async def aclose(self) -> None:
        """Close what is passed on."""
        await self._inner.aclose()

    def _complete_lines(self, part: bytes) -> bytes:
        self._parts.append(part)
        if self._begun and b"\n" not in part and b"\r" not in part:
            return b""  # a long line in many parts is put together once
        data = b"".join(self._parts)
        self._parts = [data]
        if not self._begun:
            if codecs.BOM_UTF8.startswith(data):
                return b""
            data = data.removeprefix(codecs.BOM_UTF8)
            self._begun = True
        lines = _LINE_END.split(data)
        self._parts = [lines.pop()]
        return b"".join(_kept(line) + b"\n" for line in lines)


def _kept(line: bytes) -> bytes:
    """Return a line of data, or a blank one, as it is; any other as a comment."""
    name, _, value = line.partition(b":")
    value = value.strip()
    if not line or (name == b"data" and value and not value.startswith(b":")):
        return line
    return b":"
