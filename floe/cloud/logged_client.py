"""The HTTP client below the `openai` package, as far as the log of what was sent goes."""

import asyncio
from contextlib import suppress
from typing import Any, Final

import httpx2

from floe.cloud.probe.budget import ProbeBudget
from floe.errors import StoreError
from floe.privacy.sent import SentLog

ENTRY: Final = "floe.sent"
"""Where a request holds the number of its entry in the log."""
COUNTED: Final = "floe.counted"
"""Set in a request that the budget of the day counts as one of a test."""


class LoggedClient(httpx2.AsyncClient):
    """Takes back what was noted of a request for which no connection came about: it has not left.

    That is its entry in the log and, of a test, its place in the budget of the day.
    """

    def __init__(self, log: SentLog | None, budget: ProbeBudget | None, **options: Any) -> None:
        super().__init__(**options)
        self._log = log
        self._budget = budget

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send it, once it is in the log."""
        try:
            return await super().send(request, **options)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            entry = request.extensions.get(ENTRY)
            if self._log is not None and entry is not None:
                with suppress(StoreError):
                    await asyncio.to_thread(self._log.withdraw, entry)
            if self._budget is not None and COUNTED in request.extensions:
                with suppress(StoreError):
                    await asyncio.to_thread(self._budget.give_back)
            raise
