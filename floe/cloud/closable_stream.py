"""The `openai` package's stream of events, which is over once it is closed."""

from collections.abc import AsyncGenerator

from openai import AsyncStream


class ClosableStream(AsyncStream[object]):
    """A stream that leaves nothing open, wherever it was left.

    The package's own refers to its generator, and that to it: left in the middle they stay until
    garbage is collected, by whichever thread, which may then close what the loop is closing.
    """

    async def close(self) -> None:
        """Close the response, and the generator that reads it."""
        await super().close()
        if isinstance(self._iterator, AsyncGenerator):
            await self._iterator.aclose()
