"""The day's budget as it binds tests of an endpoint, which cost what answers cost.

Knows neither what a test asks nor who set the limit.
"""

import threading
from collections.abc import Callable

from floe.errors import CloudError
from floe.store import Store
from floe.store.day_requests import add_request, requests_today


class BudgetUsedUpError(CloudError):
    """The budget of the day leaves no request for a test."""


class ProbeBudget:
    """Counts each request of a test before it leaves, and keeps back what would be too many.

    Attributes:
        spent: requests of tests since the program began.
    """

    def __init__(self, store: Store, daily_limit: Callable[[], int | None]) -> None:
        """Count nothing yet.

        Args:
            store: where requests of the day are counted.
            daily_limit: most requests of a day, asked for each; None: no limit.
        """
        self._store = store
        self._daily_limit = daily_limit
        self._lock = threading.Lock()
        self.spent = 0

    def take(self) -> None:
        """Count a request that is about to leave.

        Raises:
            BudgetUsedUpError: it must not.
            StoreError: it cannot be counted, so it must not either.
        """
        with self._lock:
            limit = self._daily_limit()
            if limit is not None and requests_today(self._store) >= limit:
                raise BudgetUsedUpError(
                    f"The budget of {limit} cloud requests a day is used up, and a test asks some "
                    "more: try again tomorrow (UTC), or allow more in the settings of the cloud."
                )
            add_request(self._store)
            self.spent += 1

    def give_back(self) -> None:
        """Count one less: it has not left, or was refused by a server that is still loading.

        Raises:
            StoreError: it cannot be counted.
        """
        with self._lock:
            add_request(self._store, -1)
            self.spent -= 1
