"""Cloud requests of a day (UTC): those of answers, and those that belong to no answer of a chat.

The latter are asked to fit the weight, to try an endpoint out, or for an answer that is kept
nowhere. They are counted apart from "What was sent", which a person may clear.
"""

import threading
import time
from typing import Annotated, Final

from pydantic import Field, TypeAdapter, ValidationError

from floe.store.store import Store
from floe.units import DAY_SECONDS

_SETTING: Final = "auto_weight_requests"
_COUNTING: Final = threading.Lock()
_DAY_COUNT: Final = TypeAdapter(
    tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[int, Field(ge=0)]]
)


def midnight() -> float:
    """Return when this day began (UTC), in seconds since the epoch."""
    return time.time() // DAY_SECONDS * DAY_SECONDS


def add_request(store: Store, count: int = 1) -> None:
    """Count requests that belong to no answer of a chat to those of today (UTC).

    Raises:
        StoreError: it cannot be counted.
    """
    with _COUNTING:
        day = midnight()
        store.set_setting(_SETTING, [day, requests_since(store, day) + count])


def requests_since(store: Store, moment: float) -> int:
    """Return how many were counted for the day that began at `moment`.

    Raises:
        StoreError: the store cannot be read.
    """
    try:
        day, count = _DAY_COUNT.validate_python(store.setting(_SETTING, (0.0, 0)))
    except ValidationError:
        return 0
    # A day ahead was counted by a clock that was wrong.
    return count if moment <= day < moment + DAY_SECONDS else 0


def requests_today(store: Store) -> int:
    """Count all requests of today, of answers and of anything else.

    Raises:
        StoreError: the store cannot be read.
    """
    day = midnight()
    return store.cloud_requests_since(day) + requests_since(store, day)
